"""Lossless tiles: exact for every type and size, and one error for whatever else is found in their place."""

import numpy as np
import pytest

from codec.coding import exact
from codec.errors import Corrupt
from codec.pipeline import contest


def noise(height, width, channels, dtype):
    return np.random.default_rng(height).integers(0, np.iinfo(dtype).max + 1, (height, width, channels)).astype(dtype)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(1, 1), (3, 5), (1024, 7), (130, 200)])
def test_tiles_come_back_as_they_were(size, channels, dtype):
    pixels = noise(*size, channels, dtype)
    again = exact.decode(exact.encode(pixels), *size, channels, pixels.itemsize * 8)
    assert again.dtype == dtype and np.array_equal(again, pixels)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_what_is_not_the_tile_is_corrupt(dtype):
    pixels = noise(20, 30, 3, dtype)
    data, depth = exact.encode(pixels), pixels.itemsize * 8
    for size, channels in (((30, 20), 3), ((20, 31), 3), ((2**14 + 20, 30), 3)):
        with pytest.raises(Corrupt):
            exact.decode(data, *size, channels, depth)
    for end in (0, 1, 4, 5, 6, len(data) // 2, len(data) - 4):
        with pytest.raises(Corrupt):
            exact.decode(data[:end], 20, 30, 3, depth)
    with pytest.raises(Corrupt):
        exact.decode(data, 20, 30, 3, 24 - depth)


def test_alpha_in_the_bitstream_is_refused():
    data = bytearray(exact.encode(noise(20, 30, 3, np.uint8)))
    data[4] ^= 1 << 4  # alpha_is_used
    with pytest.raises(Corrupt, match="without alpha"):
        exact.decode(bytes(data), 20, 30, 3, 8)


def test_drawn_and_photographed_are_told_apart():
    y, x = np.mgrid[:256, :256]
    drawn = np.where(((x // 16 + y // 16) % 2)[..., None] > 0, np.uint8(255), np.uint8([[[20, 40, 80]]]))
    assert exact.equal(drawn) > contest.DRAWN
    photographed = noise(256, 256, 3, np.uint8) // 32 + np.uint8(x // 2)[..., None]
    assert (
        exact.equal(photographed) < contest.DRAWN / 2
        and exact.equal(photographed, 32) > contest.DRAWN
        and exact.equal(drawn[:1]) == 0
    )
