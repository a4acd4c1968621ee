"""A TIFF read by rows is the TIFF read whole, to the bit, whatever its tags say; and however it is compressed."""

import struct

import numpy as np
import pytest
from tiff_files import BLACK, CMYK, DEFLATE, LONG, NONE, RATIONAL, SHORT, WHITE, YCBCR, drawn, profile, tiff

from codec.errors import BadImage, TooLarge
from codec.pixels import scanner
from codec.pixels.formats import tiff as tiff_rows
from codec.pixels.read import load
from codec.pixels.strips import Scan

FILES = 80  # of each of 8 seeds


@pytest.fixture(autouse=True)
def short(monkeypatch):
    """Every file counts as large, and comes in many pieces."""
    monkeypatch.setattr(scanner, "SMALL_PIXELS", 0)
    monkeypatch.setattr(tiff_rows, "STRETCH", 900)


def contents(picture):
    alpha = None if picture.alpha is None else picture.alpha.tobytes()
    return (
        picture.pixels.shape,
        picture.pixels.dtype,
        picture.pixels.tobytes(),
        alpha,
        picture.icc,
        picture.exif,
        picture.xmp,
        picture.notes,
    )


def read(data):
    """What is in it, None if it is refused."""
    try:
        return contents(load(data, 10**6))
    except (BadImage, TooLarge):
        return None


def read_by_rows(data):
    """(what is in it, None if it is refused; whether it came by rows)."""
    try:
        with scanner.opened(data, 10**6) as scan:
            return contents(scan.whole()), isinstance(scan, Scan)
    except (BadImage, TooLarge):
        return None, False


@pytest.mark.parametrize("seed", range(8))
def test_rows_and_whole_agree(seed):
    kinds = {"rows": 0, "whole": 0, "refused": 0}
    for number in range(FILES):
        what, data = drawn(np.random.default_rng([seed, number]))
        whole, (rows, by_rows) = read(data), read_by_rows(data)
        assert whole == rows, what
        kinds["refused" if whole is None else "rows" if by_rows else "whole"] += 1
    assert kinds["rows"] > FILES / 5 and kinds["refused"] < FILES / 2, kinds


def test_how_it_is_compressed_does_not_matter():
    agreed = 0
    for number in range(400):
        (what, plain), (_, deflated) = (
            drawn(np.random.default_rng([99, number]), compression) for compression in (NONE, DEFLATE)
        )
        if read(deflated) is not None and (number % 10 or read(plain) is not None):  # Pillow refuses a few plain ones
            assert read(plain) in (None, read(deflated)), what
            agreed += read(plain) is not None
    assert agreed > 150


def gray(samples, photometric=BLACK, **more):
    """An uncompressed file of strips of 5 rows of gray samples, with {tag: (type, values)} besides."""
    height, width = samples.shape
    data = [samples[top : top + 5].tobytes() for top in range(0, height, 5)]
    return tiff(
        data,
        described(width, height, 1, photometric, NONE, data) | {int(tag[1:]): value for tag, value in more.items()},
    )


def described(width, height, samples, photometric, compression, data):
    return {
        256: (LONG, [width]),
        257: (LONG, [height]),
        258: (SHORT, [8] * samples),
        259: (SHORT, [compression]),
        262: (SHORT, [photometric]),
        273: (LONG, None),
        277: (SHORT, [samples]),
        278: (LONG, [5]),
        279: (LONG, list(map(len, data))),
    }


def test_one_plane_is_a_plane():
    samples = np.random.default_rng(3).integers(0, 256, (23, 31), dtype=np.uint8)
    for tags in ({}, {"_284": (SHORT, [2])}):
        assert np.array_equal(load(gray(samples, WHITE, **tags)).pixels[..., 0], 255 - samples)


def test_levels_and_coefficients_of_plain_ycbcr():
    """Black and white of video range, and a green whose luma is that of BT.709."""
    colours = np.array([[[16, 128, 128], [235, 128, 128], [173, 42, 26]]], np.uint8).repeat(12, 0)
    data = [colours[top : top + 5].tobytes() for top in range(0, 12, 5)]
    tags = described(3, 12, 3, YCBCR, NONE, data) | {530: (SHORT, [1, 1]), 529: (RATIONAL, [0.2126, 0.7152, 0.0722])}
    tags[532] = RATIONAL, [16, 235, 128, 240, 128, 240]
    pixels = load(tiff(data, tags)).pixels.astype(int)
    assert np.abs(pixels - [[0, 0, 0], [255, 255, 255], [0, 255, 0]]).max() <= 3


def test_inks_by_rows_have_their_profile():
    samples = np.random.default_rng(4).integers(0, 256, (23, 8, 4), dtype=np.uint8)
    data = [samples[top : top + 5].tobytes() for top in range(0, 23, 5)]
    plain = described(8, 23, 4, CMYK, NONE, data)
    with_profile, without = (tiff(data, plain | more) for more in ({34675: (7, profile("CMYK"))}, {}))
    assert read_by_rows(with_profile) == (read(with_profile), True)
    assert read(with_profile)[2] != read(without)[2]


@pytest.mark.parametrize("seed", range(4))
def test_lying_directories_are_read_whole_or_refused(seed):
    """Rows and whole agree about files with wrong tags, types, counts and values in their directory."""
    same = 0
    for number in range(300):
        rng = np.random.default_rng([1, seed, number])
        what, data = drawn(rng)
        if 43 in data[2:4]:
            continue  # BigTIFF, whose entries lie elsewhere
        order, data = "<" if data[:2] == b"II" else ">", bytearray(data)
        (start,) = struct.unpack_from(order + "I", data, 4)
        (count,) = struct.unpack_from(order + "H", data, start)
        for _ in range(rng.integers(1, 4)):
            entry = start + 2 + 12 * int(rng.integers(count))
            place, most = ((entry, 400), (entry + 2, 19), (entry + 6, 9), (entry + 8, 20), (entry + 10, 20))[
                rng.integers(5)
            ]
            struct.pack_into(order + "H", data, place, int(rng.integers(most)))
        whole, (rows, _) = read(bytes(data)), read_by_rows(bytes(data))
        assert whole == rows, what
        same += whole is not None
    assert same > 20


def test_a_file_that_describes_nothing_has_no_exif():
    samples = np.random.default_rng(3).integers(0, 256, (23, 31), dtype=np.uint8)
    assert load(gray(samples)).exif is None


@pytest.mark.parametrize("bits", [8, 16])
def test_inks_of_16_bits_are_cut_to_8_aloud(bits):
    samples = np.random.default_rng(6).integers(0, 2**bits, (23, 8, 4)).astype(f"<u{bits // 8}")
    data = [samples[top : top + 5].tobytes() for top in range(0, 23, 5)]
    # A number beyond the samples means nothing.
    tags = described(8, 23, 4, CMYK, NONE, data) | {258: (SHORT, [bits] * 4 + [32])}
    picture = load(tiff(data, tags))
    with scanner.opened(tiff(data, tags)) as scan:
        assert isinstance(scan, Scan) and scan.notes == picture.notes
    assert picture.depth == 8
    assert picture.notes == (("all but 8 of its 16 bits per sample",) if bits == 16 else ())
