"""Lossless tiles: exact for every type and size, and one error for whatever else is found in their place."""

import io
import struct

import numpy as np
import pytest
from PIL import Image

from codec.coding import lossless
from codec.errors import Corrupt
from codec.pipeline import contest
from codec.pixels.formats import png


def noise(height, width, channels, dtype):
    return np.random.default_rng(height).integers(0, np.iinfo(dtype).max + 1, (height, width, channels)).astype(dtype)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(1, 1), (3, 5), (1024, 7), (130, 200)])
def test_tiles_come_back_as_they_were(size, channels, dtype):
    pixels = noise(*size, channels, dtype)
    again = lossless.decode(lossless.encode(pixels), *size, channels, pixels.itemsize * 8)
    assert again.dtype == dtype and np.array_equal(again, pixels)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_what_is_not_the_tile_is_corrupt(dtype):
    pixels = noise(20, 30, 3, dtype)
    data, depth = lossless.encode(pixels), pixels.itemsize * 8
    for size, channels in (((30, 20), 3), ((20, 31), 3), ((2**14 + 20, 30), 3)):
        with pytest.raises(Corrupt):
            lossless.decode(data, *size, channels, depth)
    for end in (0, 1, 4, 5, 6, len(data) // 2, len(data) - 4):
        with pytest.raises(Corrupt):
            lossless.decode(data[:end], 20, 30, 3, depth)
    if depth == 16:
        with pytest.raises(Corrupt):
            lossless.decode(data, 20, 30, 3, 8)


def by_the_page(data, width):
    """16-bit samples of a tile as FORMAT.md says, with Pillow's reader of WebP."""
    riff = b"WEBPVP8L" + struct.pack("<I", len(data)) + data + bytes(len(data) % 2)
    with Image.open(io.BytesIO(b"RIFF" + struct.pack("<I", len(riff)) + riff)) as image:
        found = np.asarray(image).astype(int)
    gray = 256 * found[..., 1] + found[..., 2]
    if found.shape[1] == 2 * width:
        return gray, 256 * found[:, :width] + found[:, width:]
    return gray, 257 * found


@pytest.mark.parametrize("kind", ["noise", "labels", "widened", "black", "one column"])
def test_deep_tiles_are_what_the_page_says(kind):
    for channels in (1, 3):
        pixels = noise(40, 1 if kind == "one column" else 31, channels, np.uint16)
        if kind in ("labels", "black"):
            pixels = pixels // 2000 * (kind == "labels")
        elif kind == "widened":
            pixels = pixels // 257 * 257
        data = lossless.encode(pixels)
        gray, colour = by_the_page(data, pixels.shape[1])
        assert np.array_equal(gray if channels == 1 else colour, pixels[..., 0] if channels == 1 else pixels)
        assert np.array_equal(lossless.decode(data, *pixels.shape, 16), pixels)
    if kind == "widened":
        assert len(data) <= len(lossless.encode((pixels // 257).astype(np.uint8)))


def test_deep_tiles_take_less_than_png():
    y, x = np.mgrid[:256, :256]
    rng = np.random.default_rng(1)
    for samples, most in (
        ((x + y) % 2 * 65535, 0.2),
        (np.kron(rng.integers(0, 40, (32, 32)), np.ones((8, 8))), 0.6),
        (1500 + 2 * x + 3 * y + rng.normal(0, 3, x.shape), 0.85),
        ((x // 2 + y // 2) * 257, 0.6),
    ):
        samples = samples.astype(np.uint16)[..., None]
        file = io.BytesIO()
        writer = png.Writer(file, 256, 256, 1, 16)
        writer.write(samples)
        writer.close()
        assert len(lossless.encode(samples)) < most * len(file.getvalue())


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_rounding_keeps_black_and_white(dtype):
    white = np.iinfo(dtype).max
    unit = white // 255
    samples = noise(40, 50, 3, dtype)
    for step in (2, 8, 32):
        again = lossless.rounded(samples, step)
        assert again.dtype == dtype and np.abs(again.astype(int) - samples).max() <= unit * step / 2
        assert set(np.unique(again)) <= {min(unit * level, white) for level in range(0, 257, step)}
        ends = np.array([[[0], [white]]], dtype)
        assert np.array_equal(lossless.rounded(ends, step), ends)


def test_alpha_in_the_bitstream_is_refused():
    data = bytearray(lossless.encode(noise(20, 30, 3, np.uint8)))
    data[4] ^= 1 << 4  # alpha_is_used
    with pytest.raises(Corrupt, match="without alpha"):
        lossless.decode(bytes(data), 20, 30, 3, 8)


def test_drawn_and_photographed_are_told_apart():
    y, x = np.mgrid[:256, :256]
    drawn = np.where(((x // 16 + y // 16) % 2)[..., None] > 0, np.uint8(255), np.uint8([[[20, 40, 80]]]))
    assert lossless.equal(drawn) > contest.DRAWN
    photographed = noise(256, 256, 3, np.uint8) // 32 + np.uint8(x // 2)[..., None]
    assert (
        lossless.equal(photographed) < contest.DRAWN / 2
        and lossless.equal(photographed, 32) > contest.DRAWN
        and lossless.equal(drawn[:1]) == 0
    )
