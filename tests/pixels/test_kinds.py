"""Generated pictures of every kind are what they say, by rows as whole, there and back; damaged ones are read the same
by rows as whole, or refused in one sentence.
"""

import struct

import numpy as np
import pytest
from image_files import one_sentence
from kind_files import KINDS, Drawer, of_pillow

import codec
from codec.errors import BadImage, TooLarge
from codec.pixels import scanner
from codec.pixels.formats import png, ppm
from codec.pixels.picture import join
from codec.pixels.read import load

FILES = 60  # of each kind
DAMAGED = 2  # of each file


@pytest.fixture(autouse=True)
def short(monkeypatch):
    """Every file counts as large, and comes in many pieces."""
    monkeypatch.setattr(scanner, "SMALL_PIXELS", 0)
    for module in (png, ppm):
        monkeypatch.setattr(module, "STRETCH", 200)


def read(data):
    return join(load(data, 10**6))


def by_rows(data):
    with scanner.opened(data, 10**6) as scan:
        return join(scan.whole())


def attempted(reader, data):
    """Samples, or None where they are refused in one sentence."""
    try:
        return reader(data)
    except (BadImage, TooLarge) as error:
        one_sentence(error)
        return None


def same(one, other):
    if one is None or other is None:
        return one is other
    if one.shape[2] == 1 and other.shape[2] == 3:  # a palette of grays
        one = np.broadcast_to(one, other.shape)
    return one.dtype == other.dtype and np.array_equal(one, other)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_read_is_what_was_drawn(kind):
    if kind in ("qoi", "jpeg2000"):
        pytest.importorskip("imagecodecs")
    for number in range(FILES):
        draw = Drawer(number, *kind.encode())
        what, data, expected = KINDS[kind](draw)
        found = read(data)
        assert same(found, of_pillow(data) if expected is None else expected), (number, what)
        assert same(by_rows(data), found), (number, what)
        for cut in range(DAMAGED):
            broken = bytearray(data[: draw.rng.integers(len(data))] if cut else data)
            for place in [] if cut else draw.rng.integers(0, len(data), draw.rng.integers(1, 6)):
                broken[place] = draw.rng.integers(256)
            broken = bytes(broken)
            assert same(attempted(read, broken), attempted(by_rows, broken)), (number, what, cut)


@pytest.mark.parametrize("depth", [1, 4, 8])
@pytest.mark.parametrize("old", [False, True])
def test_bmp_with_a_palette_of_grays(depth, old):
    """Which Pillow takes for bits where there are two, and for bytes where they are a ramp, whatever their depth."""
    for count in {1, 2, 5, 2**depth}:
        count = min(count, 2**depth)
        for palette in (np.linspace(0, 255, count).astype(np.uint8), np.arange(count, dtype=np.uint8)):
            if old and count < 2**depth:
                continue  # has no word for it
            levels = np.random.default_rng(count).integers(0, count, (6, 9))
            rows = b""
            for row in levels[::-1].astype(np.uint8):
                data = np.packbits(np.unpackbits(row[:, None], axis=1)[:, 8 - depth :].ravel()).tobytes()
                rows += data + bytes(-len(data) % 4)
            head = struct.pack("<IHHHH", 12, 9, 6, 1, depth)
            if not old:
                head = struct.pack("<IiiHHIIiiII", 40, 9, 6, 1, depth, 0, len(rows), 0, 0, count, 0)
            table = b"".join(bytes([gray] * 3) + bytes(not old) for gray in palette)
            start = 14 + len(head) + len(table)
            found = read(b"BM" + struct.pack("<IHHI", start + len(rows), 0, 0, start) + head + table + rows)
            assert same(found, palette[levels][..., None].repeat(3, 2)) or same(found, palette[levels][..., None])


@pytest.mark.parametrize("kind", KINDS)
def test_there_and_back_without_loss(kind):
    if kind in ("qoi", "jpeg2000"):
        pytest.importorskip("imagecodecs")
    coder = codec.Codec(threads=1)
    for number in range(6):
        _, data, _ = KINDS[kind](Drawer(number, *kind.encode(), 1))
        assert same(join(coder.decode_picture(coder.encode(data, lossless=True))), read(data))
