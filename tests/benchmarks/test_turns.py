"""The table of what aecodec costs beside others."""

import pytest

pytest.importorskip("pillow_jxl")

from benchmarks import turns
from tests.benchmarks.benchmark_run import photograph


def test_a_page_gets_the_table(tmp_path, capsys):
    picture, page = tmp_path / "picture.png", tmp_path / "page.md"
    photograph(1).save(picture)
    page.write_text("before\n<!-- written by benchmarks.turns: costs -->\n<!-- until here: costs -->\nafter\n")
    turns.main([str(picture), "--pictures", "1", "--rounds", "1", "--into", str(page)])
    lines = page.read_text().splitlines()
    rows = {cells[1].strip(): cells for cells in (line.split("|") for line in lines if line.startswith("| "))}
    assert lines[0] == "before" and lines[-1] == "after" and set(turns.NAMES.values()) < set(rows)
    assert rows["WebP"][4].strip() == rows["AVIF 4:4:4"][5].strip() == "1.00 (1.00)"
    assert capsys.readouterr().out.strip() in page.read_text()


def test_ratios_are_those_of_turns():
    times = lambda *seconds: {"encode": list(seconds), "processor": {"encode": [s / 2 for s in seconds]}}
    assert turns.ratio(times(2, 30, 8), times(1, 10, 2), "encode") == [3, 3]


def test_ours_has_its_models_and_the_library():
    assert turns.installed(turns.OURS) > turns.installed("webp") + 18e6
