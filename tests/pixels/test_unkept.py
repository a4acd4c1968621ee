"""What files say for people in ways that no picture keeps: it is said to be lost, by rows as whole."""

import io
import struct

import numpy as np
import pytest
from image_files import ramps
from odd_files import saved
from PIL import Image, PngImagePlugin

from codec.pixels import scanner
from codec.pixels.read import load

IPTC, COMMENT, PLACE = "its IPTC (captions and credits)", "its comment", "its place on a map (GeoTIFF)"


def photo():
    return Image.fromarray(ramps())


def notes(data, monkeypatch):
    whole = load(data).notes
    monkeypatch.setattr(scanner, "SMALL_PIXELS", 0)
    with scanner.opened(data) as scan:
        assert scan.notes == whole
    return whole


def test_captions_and_comments_of_a_jpeg(monkeypatch):
    plain = saved(photo(), "JPEG")
    caption = b"\x1c\x02\x78\0\x05hello"
    resource = b"Photoshop 3.0\x008BIM\x04\x04\0\0" + struct.pack(">I", len(caption)) + caption
    said = plain[:2] + b"\xff\xed" + struct.pack(">H", len(resource) + 2) + resource + plain[2:]
    assert notes(plain, monkeypatch) == () and notes(said, monkeypatch) == (IPTC,)
    assert load(Image.open(io.BytesIO(said))).notes == (IPTC,)
    assert notes(saved(photo(), "JPEG", comment=b"hello"), monkeypatch) == (COMMENT,)
    assert notes(saved(photo().convert("P"), "GIF", comment=b"hello"), monkeypatch) == (COMMENT,)


def test_texts_of_a_png(monkeypatch):
    texts = PngImagePlugin.PngInfo()
    for name in ("Software", "date:create", "Title", "Author"):
        texts.add_text(name, "somebody")
    assert notes(saved(photo(), "PNG", pnginfo=texts), monkeypatch) == ("its texts (Title, Author)",)
    raw = PngImagePlugin.PngInfo()
    raw.add_text("Raw profile type iptc", "\niptc\n 4\n61626364\n")
    assert notes(saved(photo(), "PNG", pnginfo=raw), monkeypatch) == (IPTC,)
    for number in range(9):
        texts.add_itxt(f"\x1b{number}", "x")
    (note,) = notes(saved(photo(), "PNG", pnginfo=texts), monkeypatch)
    assert note == "its texts (Title, Author, ?0, ?1, ?2, …)"


def test_places_on_a_map(monkeypatch):
    tifffile = pytest.importorskip("tifffile")
    file, keys = io.BytesIO(), (34735, "H", 4, (1, 1, 0, 0), True)
    tifffile.imwrite(file, np.asarray(photo()), photometric="rgb", rowsperstrip=8, extratags=[keys])
    assert notes(file.getvalue(), monkeypatch) == (PLACE,)
    file, keys = io.BytesIO(), (33723, "B", 10, b"\x1c\x02\x78\0\x05hello", True)
    tifffile.imwrite(file, np.asarray(photo()), photometric="rgb", rowsperstrip=8, extratags=[keys])
    assert notes(file.getvalue(), monkeypatch) == (IPTC,)


@pytest.mark.parametrize("key", [b"\0\1\2", (1, 2), "x", 1.5, b""])
def test_a_transparency_that_means_nothing_here_is_passed_over(key):
    image = photo()
    image.info["transparency"] = key
    picture = load(image)
    assert picture.alpha is None and np.array_equal(picture.pixels, np.asarray(image))
