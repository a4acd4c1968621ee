"""Sheets for looking: equal bytes, the part in which two codecs differ, and pixels that are those decoded."""

import numpy as np
import pytest
from click.testing import CliRunner
from conftest import photograph
from PIL import Image
from sample_run import Ours, build_codec

from benchmarks import __main__ as cli
from benchmarks import codecs, pairs

PICTURE = Image.fromarray(photograph(240, 352, 6))


def test_both_have_equal_bytes_near_the_rate():
    for rate in (0.4, 1.0):
        ours, other = pairs.versions(PICTURE, Ours(), build_codec("jpeg"), rate)
        assert ours.size == pytest.approx(other.size, rel=0.02)
        assert 8 * other.size / (240 * 352) == pytest.approx(rate, rel=0.1)


def test_where_ours_cannot_be_as_small_the_other_follows():
    class Large(Ours):
        low = 70

    ours, other = pairs.versions(PICTURE, Large(), build_codec("jpeg"), 0.3)
    assert 70 <= ours.quality < 71 and 8 * ours.size / (240 * 352) > 0.5
    assert ours.size == pytest.approx(other.size, rel=0.03)


def test_the_part_shown_is_where_the_two_differ():
    changed = np.array(PICTURE)
    changed[150:180, 200:230] = 255 - changed[150:180, 200:230]
    x, y = pairs.corner(PICTURE, Image.fromarray(changed), 64)
    assert x <= 200 and 230 <= x + 64 <= 352 and y <= 150 and 180 <= y + 64 <= 240
    assert pairs.corner(PICTURE, PICTURE, 64) == (0, 0)
    assert pairs.corner(PICTURE, Image.fromarray(changed), 1000) == (0, 0)


def test_a_sheet_holds_the_decoded_pixels():
    rows = [pairs.versions(PICTURE, Ours(), build_codec("jpeg"), rate) for rate in (0.4, 1.0)]
    sheet = np.asarray(pairs.sheet(PICTURE, rows, 96))
    x, y = pairs.corner(rows[0][0].image, rows[0][1].image, 96)
    assert sheet.shape == (2 * (96 + pairs.CAPTION), 3 * 96 + 2 * pairs.GAP, 3)
    for row, pair in enumerate(rows):
        for column, image in enumerate((PICTURE, pair[0].image, pair[1].image)):
            top, left = row * (96 + pairs.CAPTION), column * (96 + pairs.GAP)
            wanted = np.asarray(image)[y : y + 96, x : x + 96]
            assert np.array_equal(sheet[top : top + 96, left : left + 96], wanted)
            assert sheet[top + 96 : top + 96 + pairs.CAPTION, left : left + 96].min() < 100, "a caption"


def test_the_command_writes_a_sheet_per_picture_chosen_evenly(tmp_path, monkeypatch):
    for seed in range(5):
        Image.fromarray(photograph(96, 128, seed)).save(tmp_path / f"p{seed}.png")
    monkeypatch.setattr(codecs, "build", lambda name: Ours() if name == "aec" else build_codec(name))
    words = ["pairs", str(tmp_path), "-o", str(tmp_path / "out"), "--count", "2", "--against", "jpeg", "--side", "64"]
    reply = CliRunner().invoke(cli.main, [*words, "--rates", "1,0.5"])
    assert reply.exit_code == 0, reply.output
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["p0.png", "p2.png"]
    assert CliRunner().invoke(cli.main, [*words, "--rates", "0"]).exit_code == 2
