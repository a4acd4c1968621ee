"""AVIF and JPEG 2000 with more than 8 bits per sample, of which Pillow gives 8: all of them where imagecodecs is
installed.
"""

import io
import sys

import numpy as np
import pytest
from image_files import SRGB
from PIL import Image

from codec.errors import BadImage
from codec.pixels import deep
from codec.pixels.formats import avif, jpeg2000
from codec.pixels.read import load

imagecodecs = pytest.importorskip("imagecodecs")


def levels(bits, channels=3):
    rows, columns = np.mgrid[:45, :70]
    planes = [(rows * 13 + columns * 7 * (c + 1)) % 2**bits for c in range(channels)]
    return np.dstack(planes).squeeze().astype(np.uint16)


def smooth(bits, channels):
    rows, columns = np.mgrid[:45, :70] / 70
    planes = [0.5 + 0.4 * np.sin(3 * rows + 4 * columns * (c + 1)) for c in range(channels)]
    return np.rint(np.dstack(planes).squeeze() * (2**bits - 1)).astype(np.uint16)


def widened(samples, bits):
    return np.rint(samples * 65535.0 / (2**bits - 1)).reshape(*samples.shape[:2], -1)


@pytest.mark.parametrize("bits", [10, 12])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_avif(bits, channels):
    samples = smooth(bits, channels)
    data = imagecodecs.avif_encode(samples, level=100, bitspersample=bits)
    assert avif.described(data)[1] == bits
    picture = load(data)
    found = picture.pixels if picture.alpha is None else np.dstack([picture.pixels, picture.alpha])
    assert found.dtype == np.uint16 and picture.notes == ()
    expected = widened(samples, bits)
    assert np.abs(found[..., : expected.shape[2]] - expected).max() <= 65535 / (2**bits - 1)


@pytest.mark.parametrize("bits", [10, 12])
def test_avif_with_smaller_colours_and_an_odd_width(bits):
    """The last column of which imagecodecs and Pillow make in different ways."""
    rows, columns = np.mgrid[:61, :83]
    waves = [100 * np.sin(columns / (7 + i)) * np.cos(rows / (5 + i)) for i in range(3)]
    samples = np.rint((128 + np.dstack(waves)) / 255 * (2**bits - 1)).astype(np.uint16)
    data = imagecodecs.avif_encode(samples, level=90, bitspersample=bits, pixelformat="420")
    with Image.open(io.BytesIO(data)) as image:
        shallow = np.asarray(image).astype(int)
    assert np.abs((imagecodecs.avif_decode(data) >> bits - 8) - shallow).max() > deep.ALIKE
    picture = load(data)
    assert picture.depth == 16 and picture.notes == ()
    assert np.abs(picture.pixels - widened(samples, bits)).mean() < 65535 / 50


@pytest.mark.parametrize("bits", [12, 16])
def test_jpeg_2000(bits):
    samples = levels(bits)
    data = imagecodecs.jpeg2k_encode(samples, level=0, reversible=True, bitspersample=bits)
    assert jpeg2000.described(data) == (None, bits)
    picture = load(data)
    assert picture.notes == () and np.array_equal(picture.pixels, widened(samples, bits))


@pytest.mark.parametrize("bits", [9, 10, 12, 14, 16])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_white_is_white_in_jpeg_2000(bits, channels):
    """Which Pillow rounds up to 256, and that is black; of gray it leaves it a little darker."""
    ramp = np.linspace(0, 2**bits - 1, 45 * 70).astype(np.uint16).reshape(45, 70, 1).repeat(channels, 2)
    data = imagecodecs.jpeg2k_encode(ramp.squeeze(), level=0, reversible=True, bitspersample=bits)
    picture = load(data)
    found = picture.pixels if picture.alpha is None else np.dstack([picture.pixels, picture.alpha])
    assert picture.notes == () and np.array_equal(found, widened(ramp, bits))


def test_where_pillow_may_have_made_black_of_white_it_is_refused(monkeypatch):
    ramp = np.linspace(300, 65535, 45 * 70).astype(np.uint16).reshape(45, 70, 1).repeat(3, 2)
    encoded = lambda samples: imagecodecs.jpeg2k_encode(samples, level=0, reversible=True, bitspersample=16)
    bright, dim = encoded(ramp), encoded(ramp // 4 + 200)
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    with pytest.raises(BadImage, match="black of white .*deep"):
        load(bright)
    picture = load(dim)
    assert picture.depth == 8 and len(picture.notes) == 1
    assert np.abs(picture.pixels - (ramp // 4 + 200) / 257).max() <= 1


def test_without_the_library_it_is_said(monkeypatch):
    data = imagecodecs.avif_encode(smooth(10, 3), level=100, bitspersample=10)
    monkeypatch.setitem(sys.modules, "imagecodecs", None)
    picture = load(data)
    assert picture.depth == 8 and len(picture.notes) == 1 and "10 bits" in picture.notes[0]


def test_a_profile_in_jpeg_2000():
    data = imagecodecs.jpeg2k_encode((levels(8)).astype(np.uint8), level=0, reversible=True, codecformat="jp2")
    place = data.index(b"colr") - 4
    size = int.from_bytes(data[place : place + 4], "big")
    box = (11 + len(SRGB)).to_bytes(4, "big") + b"colr\2\0\0" + SRGB
    header = data.index(b"jp2h") - 4
    length = int.from_bytes(data[header : header + 4], "big") + len(box) - size
    data = data[:header] + length.to_bytes(4, "big") + data[header + 4 : place] + box + data[place + size :]
    picture = load(data)
    assert picture.icc == SRGB and np.array_equal(picture.pixels, levels(8))


def test_another_picture_than_pillow_sees_is_not_taken(monkeypatch):
    data = imagecodecs.avif_encode(smooth(10, 3), level=100, bitspersample=10)
    decode = imagecodecs.avif_decode
    monkeypatch.setattr(imagecodecs, "avif_decode", lambda data: decode(data)[::-1])
    picture = load(data)
    assert picture.depth == 8 and len(picture.notes) == 1


def test_hdr_keeps_its_bits_and_its_meaning():
    data = imagecodecs.avif_encode(smooth(10, 3), level=95, bitspersample=10, primaries=9, transfer=16, matrix=9)
    picture = load(data)
    assert picture.depth == 16 and picture.cicp == b"\x09\x10\0\1" and picture.notes == ()
