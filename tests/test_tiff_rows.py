"""A TIFF read by rows is the TIFF read whole, to the bit, whatever its tags say; and however it is compressed."""

import numpy as np
import pytest
from tiff_files import BLACK, CMYK, DEFLATE, LONG, NONE, RATIONAL, SHORT, WHITE, YCBCR, drawn, profile, tiff

from codec.errors import BadImage
from codec.pixels import image, scanner
from codec.pixels.formats import tiff as tiff_rows
from codec.pixels.strips import Scan

FILES = 80  # of each of 8 seeds


@pytest.fixture(autouse=True)
def short(monkeypatch):
    """Every file counts as large, and comes in many pieces."""
    monkeypatch.setattr(scanner, "SMALL", 0)
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
    )


def read(data):
    """What is in it, None if it is refused."""
    try:
        return contents(image.load(data))
    except BadImage:
        return None


def read_by_rows(data):
    """(what is in it, None if it is refused; whether it came by rows)."""
    try:
        with scanner.opened(data) as scan:
            return contents(scan.whole()), isinstance(scan, Scan)
    except BadImage:
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
        assert np.array_equal(image.load(gray(samples, WHITE, **tags)).pixels[..., 0], 255 - samples)


def test_levels_and_coefficients_of_plain_ycbcr():
    """Black and white of video range, and a green whose luma is that of BT.709."""
    colours = np.array([[[16, 128, 128], [235, 128, 128], [173, 42, 26]]], np.uint8).repeat(12, 0)
    data = [colours[top : top + 5].tobytes() for top in range(0, 12, 5)]
    tags = described(3, 12, 3, YCBCR, NONE, data) | {530: (SHORT, [1, 1]), 529: (RATIONAL, [0.2126, 0.7152, 0.0722])}
    tags[532] = RATIONAL, [16, 235, 128, 240, 128, 240]
    pixels = image.load(tiff(data, tags)).pixels.astype(int)
    assert np.abs(pixels - [[0, 0, 0], [255, 255, 255], [0, 255, 0]]).max() <= 3


def test_inks_by_rows_have_their_profile():
    samples = np.random.default_rng(4).integers(0, 256, (23, 8, 4), dtype=np.uint8)
    data = [samples[top : top + 5].tobytes() for top in range(0, 23, 5)]
    plain = described(8, 23, 4, CMYK, NONE, data)
    with_profile, without = (tiff(data, plain | more) for more in ({34675: (7, profile("CMYK"))}, {}))
    assert read_by_rows(with_profile) == (read(with_profile), True)
    assert read(with_profile)[2] != read(without)[2]
