"""The Markdown pages of the project: links lead somewhere, the map names every package, versions agree."""

import re
import tomllib
from pathlib import Path

import pytest

import codec

ROOT = Path(codec.__file__).parents[1]
FOLDERS = "benchmarks", "codec", "tests"
PAGES = [Path("README.md"), *sorted(p.relative_to(ROOT) for top in FOLDERS for p in (ROOT / top).rglob("*.md"))]


def prose(page):
    """The page without its examples of code."""
    return re.sub(r"(?ms)^```.*?^```$", "", (ROOT / page).read_text("utf-8"))


def anchors(page):
    """What a link to a heading is called, as code hosts make it of the heading."""
    headings = re.findall(r"(?m)^#+ (.+)$", prose(page))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_links_lead_to_files_and_headings(page):
    for link in re.findall(r"\[[^\]]*\]\(([^)]+)\)", prose(page)):
        if re.match(r"[a-z]+:", link):
            continue  # another site, which no test may need
        target, _, heading = link.partition("#")
        file = (ROOT / page).parent / target if target else ROOT / page
        assert file.exists(), f"{page} links to {link}"
        assert file.resolve().is_relative_to(ROOT), f"{page} links out of the project: {link}"
        if heading:
            assert heading in anchors(file.resolve().relative_to(ROOT)), f"{page} links to {link}"


def test_every_page_can_be_reached_from_the_first():
    seen, waiting = set(), [Path("README.md")]
    while waiting:
        page = waiting.pop()
        if page in seen:
            continue
        seen.add(page)
        for link in re.findall(r"\]\(([^)#:]+\.md)", prose(page)):
            waiting.append(((ROOT / page).parent / link).resolve().relative_to(ROOT))
    assert seen == set(PAGES)


def test_the_first_page_is_short():
    lines = (ROOT / "README.md").read_text("utf-8").splitlines()
    assert len(lines) <= 150
    first = "\n".join(lines[:25])
    assert "results/kodak.png" in first and "aecodec compress" in first and "aecodec decompress" in first


def test_the_map_for_contributors_names_every_part_of_the_package():
    named = re.findall(r"(?m)^\| `([\w.]+)/?` \|", (ROOT / "codec" / "CONTRIBUTING.md").read_text("utf-8"))
    parts = {
        path.name for path in (ROOT / "codec").iterdir() if (path / "__init__.py").exists() or path.suffix == ".py"
    }
    assert set(named) == parts - {"__init__.py", "__main__.py"} and len(named) == len(set(named))


def test_the_version_is_the_same_everywhere():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["version"] == codec.__version__
    versions = re.findall(r"(?m)^## (\S+)", (ROOT / "codec" / "CHANGELOG.md").read_text("utf-8"))
    assert versions[0] == "Next" and versions[1] == codec.__version__
