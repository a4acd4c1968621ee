"""A part of a picture has no smaller copy of the whole in its EXIF."""

import io
import struct

import numpy as np
import pytest
from conftest import photograph
from PIL import Image

import codec
from codec.pixels import exif
from codec.pixels.picture import Picture


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_part_has_no_thumbnail_of_the_whole(order):
    """Which shows what was cut away; the rest of EXIF stays to the byte."""
    file = io.BytesIO()
    Image.fromarray(photograph(12, 16)).save(file, "JPEG")
    thumb = file.getvalue()
    entry = lambda tag, kind, value: struct.pack(order + "HHII", tag, kind, 1, value)
    made = struct.pack(order + "HHI4s", 271, 2, 2, b"x")
    first = struct.pack(order + "H", 1) + made + struct.pack(order + "I", 26)
    second = struct.pack(order + "H", 2) + entry(513, 4, 56) + entry(514, 4, len(thumb)) + bytes(4)
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8)
    block = head + first + second + thumb
    coder = codec.Codec(threads=1)
    data = coder.encode(Picture(photograph(48, 64), exif=block))
    assert coder.decode_picture(data).exif == block
    part = coder.decode_picture(data, crop=(0, 0, 64, 47)).exif
    assert part == head + first[:-4] + bytes(4) + second + bytes(len(thumb))
    assert dict(Image.open(io.BytesIO(_jpeg(part))).getexif()) == {271: "x"}


def _jpeg(block):
    file = io.BytesIO()
    Image.fromarray(photograph(16, 16)).save(file, "JPEG", exif=b"Exif\0\0" + block)
    return file.getvalue()


def test_thumbnails_that_lie_take_nothing_else_away():
    rng, block = np.random.default_rng(0), b"II*\0\x08\0\0\0\0\0\x0e\0\0\0" + bytes(60)
    for _ in range(500):
        lying = block[:8] + rng.bytes(2) + block[10:14] + rng.bytes(60)
        assert len(exif.without_thumbnail(lying)) == len(lying)
    assert exif.without_thumbnail(b"II*\0") == b"II*\0"
