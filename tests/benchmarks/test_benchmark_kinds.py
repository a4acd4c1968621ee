"""Kinds of pictures: all of them can be made and coded, and what is said of them follows from the files."""

import numpy as np
import pytest
from conftest import photograph
from PIL import Image

pytest.importorskip("bjontegaard")

from benchmarks import kinds, metrics

PHOTOGRAPHS = [Image.fromarray(photograph(300, 400, seed)) for seed in range(kinds.MIXED)]


def test_every_kind_can_be_seen():
    made = {name: make(PHOTOGRAPHS, np.random.default_rng(0)) for name, make in kinds.KINDS.items()}
    assert all(pictures and kinds.seen(pictures[0]).mode == "RGB" for pictures in made.values())
    assert made["16-bit"][0].dtype == np.uint16 and made["alpha"][0].mode == "RGBA" and made["gray"][0].mode == "L"
    assert max(made["thumbnail-64"][0].size) == 64 and made["crop-128"][0].size == (128, 128)
    clear = kinds.seen(Image.new("RGBA", (4, 4), (255, 0, 0, 0)))
    assert clear.getpixel((0, 0)) == (kinds.GRAY,) * 3


def test_ways_are_told_apart(coder):
    noise = np.random.default_rng(0).integers(0, 256, (96, 96, 3), np.uint8)
    gray = np.full((64, 64, 3), 99, np.uint8)
    assert kinds.way(coder.encode(gray, 60), 60) == "exact"
    assert kinds.way(coder.encode(noise, 80), 80) == "rounded"
    assert kinds.way(coder.encode(noise, 80, lossless=False), 80) == "latents"
    assert kinds.way(coder.encode(noise, 80, lossless=False), 70) == "rung 80"


def test_a_curve_keeps_the_points_that_pay():
    points = [kinds.Point(bpp, {"psnr": value}, "") for bpp, value in ((1, 30), (2, 29), (2, 33), (3, 36), (4, None))]
    twice = [kinds.Point(2 * p.bpp, p.values, "") for p in points]
    assert kinds.difference("psnr", points, twice) == pytest.approx(100)
    assert kinds.difference("psnr", points[:2], twice) is None


def test_a_row_compares_files_of_the_same_pictures():
    lossy = "default" + kinds.LOSSY
    (row,) = kinds.rows(PHOTOGRAPHS, ("default", lossy), ["text"], 1, ("psnr",), (20, 50, 80))
    assert row.ways == ["exact"] * 3 and row.rates == {"psnr": None} and row.ratios[2] < row.ratios[0]
    assert kinds.line(row, (20, 50, 80)).startswith(f"| text | {lossy} | – | ")
    assert set(kinds.METRICS) <= set(metrics.NAMES)
