"""The committed results and what is made of them: they are what their points say, by another way of computing, and the
pages say what they say.
"""

import math
import statistics
from pathlib import Path

import click
import pytest

pytest.importorskip("bjontegaard")
pytest.importorskip("matplotlib")

from benchmarks import bdrate, figure, metrics, pages, record
from benchmarks.latents import words

KODAK = Path(bdrate.__file__).parent / "results" / "kodak.json"
ROOT = Path(bdrate.__file__).parents[1]


@pytest.fixture(scope="module")
def run():
    return record.read(KODAK)


def curve(run, codec, metric):
    """[(log rate, metric)] of the means over the set, from the points alone."""
    points = [p for p in run["points"] if p["codec"] == codec]
    by_quality = [[p for p in points if p["quality"] == quality] for quality in sorted({p["quality"] for p in points})]
    mean = lambda group, key: statistics.fmean(p[key] for p in group)
    decibel = (lambda v: -10 * math.log10(1 - v)) if metric == "msssim" else (lambda v: v)
    return [(math.log(mean(group, "bpp")), decibel(mean(group, metric))) for group in by_quality]


def linear_difference(anchor, test, steps=2000):
    """BD-rate in percent with straight lines between the points: cruder than any spline, and nothing of the library in
    it.
    """
    low, high = max(anchor[0][1], test[0][1]), min(anchor[-1][1], test[-1][1])

    def rate(points, value):
        (r0, q0), (r1, q1) = next(pair for pair in zip(points, points[1:]) if pair[1][1] >= value)
        return r0 + (r1 - r0) * (value - q0) / (q1 - q0)

    values = [low + (high - low) * (i + 0.5) / steps for i in range(steps)]
    return (math.exp(statistics.fmean(rate(test, v) - rate(anchor, v) for v in values)) - 1) * 100


@pytest.mark.parametrize("codec", ["webp", "avif"])
@pytest.mark.parametrize("metric", ["psnr", "psnr_y", "msssim"])
def test_differences_agree_with_an_independent_computation_of_the_same_points(run, codec, metric):
    for method in bdrate.METHODS:
        found = next(
            r
            for r in run["bd_rate"]
            if (r["codec"], r["anchor"], r["metric"], r["method"], r["scope"]) == (codec, "jpeg", metric, method, "set")
        )
        assert found["value"] == pytest.approx(
            linear_difference(curve(run, "jpeg", metric), curve(run, codec, metric)), abs=1
        )


def test_the_whole_set_was_measured(run):
    assert record.is_kodak(run) and not run["failures"] and {"aec", "jpeg", "webp", "avif", "jxl"} <= set(run["codecs"])
    for name, codec in run["codecs"].items():
        qualities = {p["quality"] for p in run["points"] if p["codec"] == name}
        assert (
            len(qualities) >= 8
            and sum(p["codec"] == name for p in run["points"]) == 24 * len(qualities)
            or not codec["trained"]
        )


def held(page, command, name):
    """The table that a page has between the marks."""
    start, end = pages.marks(command, name)
    text = (ROOT / page).read_text()
    assert text.count(start) == text.count(end) == 1, f"{page} has the marks of {name} not once"
    return text.split(start + "\n")[1].split("\n" + end)[0]


def test_the_pages_say_what_the_results_say(run):
    tables = figure.tables(run)
    where = {"rates": "README.md"} | dict.fromkeys(("spread", "variants", "settings"), "benchmarks/README.md")
    assert where.keys() == tables.keys()
    for name, page in where.items():
        assert held(page, figure.COMMAND, name) == tables[name], "the command is in benchmarks/README.md"


def test_the_records_are_those_of_the_points(run):
    """The committed BD-rates, intervals and worst pictures are made by this code from the committed points."""
    made = bdrate.table(run["points"], run["metrics"])
    for found, wanted in zip(made, run["bd_rate"], strict=True):
        assert found.keys() == wanted.keys()
        for key, value in wanted.items():
            exact = value is None or isinstance(value, str)
            assert found[key] == (value if exact else pytest.approx(value, rel=1e-6, abs=1e-6)), (wanted["codec"], key)


def test_the_tables_hold_every_anchor_and_codec_and_the_right_signs(run):
    rates = figure.rates(run)
    found = next(
        r
        for r in run["bd_rate"]
        if (r["codec"], r["anchor"], r["metric"], r["method"], r["scope"]) == ("aec", "webp", "psnr", "pchip", "set")
    )
    heads, line = rates[0].split(" | "), next(line for line in rates if line.startswith("| WebP"))
    at = next(i for i, head in enumerate(heads) if head.startswith("PSNR (RGB)"))
    assert line.split(" | ")[at] == f"{found['value']:+.1f} %".replace("-", "−")
    assert heads[1].startswith("SSIMULACRA2") and at > max(i for i, head in enumerate(heads) if "SSIM" in head)
    others = sum(codec["trained"] for name, codec in run["codecs"].items() if not name.startswith("aec"))
    table = [line for line in rates if line.startswith("|")]
    assert len(table) == 2 + others and len({line.count("|") for line in table}) == 1


def test_the_tables_say_what_the_model_was_trained_on_and_what_the_pictures_say(run):
    seen = [head.removesuffix(figure.MARK) for head in figure.rates(run)[0].strip("| ").split(" | ") if "¹" in head]
    trained = metrics.ordered(set(run["metrics"]) & set(run["codecs"]["aec"]["trained_on"]))
    assert trained and seen == [metrics.METRICS[name].title for name in trained]
    blind = {**run, "codecs": {name: {**codec, "trained_on": []} for name, codec in run["codecs"].items()}}
    assert "¹" not in "".join(figure.rates(blind))
    wanted = {"codec": "aec", "anchor": "avif444", "metric": "iwssim", "scope": "picture", "method": "pchip"}
    found = next(r for r in run["bd_rate"] if r.items() >= wanted.items())
    rows = {line.split(" | ")[0]: line.split(" | ") for line in figure.spread(run)}
    at = rows["| single pictures"].index("IW-SSIM")
    assert rows["| AVIF 4:4:4: mean"][at] == f"{found['mean']:+.1f} %".replace("-", "−")
    assert len(found["worst"]) == 2 and found["interval"][0] < found["mean"] < found["interval"][1]
    assert max(v for v in found["by_picture"].values() if v is not None) == next(iter(found["worst"].values()))


def test_a_curve_is_drawn(run, tmp_path):
    figure.draw(run, tmp_path / "rd.png")
    assert (tmp_path / "rd.png").read_bytes().startswith(b"\x89PNG")


def test_a_page_keeps_what_stands_outside_the_marks(tmp_path):
    page, (start, end) = tmp_path / "page.md", pages.marks("command", "one")
    page.write_text(f"before\n{start}\nold\n{end}\nafter \\1\n")
    assert pages.write(page, "command", {"one": "new \\1", "two": "elsewhere"}) == ["one"]
    assert page.read_text() == f"before\n{start}\nnew \\1\n{end}\nafter \\1\n"
    for wrong, said in (("no marks", "has no marks of command"), (f"{start}\n{end}\n" * 2, "more than once")):
        page.write_text(wrong)
        with pytest.raises(click.ClickException, match=said):
            pages.write(page, "command", {"one": "new"})
        assert page.read_text() == wrong


def test_the_pages_say_what_the_latents_and_the_family_showed():
    where = {"denoise": "codec/latents/README.md", "autoencoders": "codec/autoencoders/README.md"}
    for name, table in words.tables().items():
        assert held(where[name], words.COMMAND, name) == table, "python -m benchmarks.latents.words PAGES"
    similar, anomaly, denoise, family = (words.read(name) for name in ("similar", "anomaly", "denoise", "autoencoders"))
    first, areas = (
        round(5 * similar["originals"] * similar["mean"]["first"]),
        [texture["pictures"] for texture in anomaly["textures"].values()],
    )
    sparse = {line["sparsity"]: line["without"] for line in family["sparse"]["lines"]}
    flowing = " ".join(" ".join((ROOT / page).read_text() for page in where.values()).split())
    for said in (
        f"Of {similar['originals']} training photographs",
        f"first in {first} of {5 * similar['originals']} cases; {similar['mean']['marked']:.1%} were".replace(
            "%", " %"
        ),
        f"and {similar['mean']['wrongly marked']:.1%} of wrong neighbours".replace("%", " %"),
        f"ROC AUC {anomaly['mean']['pictures']:.2f} for pictures ({min(areas):.2f} for leather to {max(areas):.2f}) "
        f"and {anomaly['mean']['positions']:.2f} for positions",
        "all 24 pictures of Kodak"
        if len(denoise["pictures"]) == 24
        else f"the first {len(denoise['pictures'])} pictures of Kodak",
        f"error {sparse['kl']:.3f} when they are set to 0; L1: {sparse['l1']:.4f}",
    ):
        assert said in flowing, said
    assert all(line.get("met", True) for found in family.values() for line in found.get("lines", [])), (
        "a claim is not met"
    )
