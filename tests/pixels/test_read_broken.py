"""Broken pictures: each is a picture or one sentence, whatever was done to it."""

import io
import random
import struct
import threading
import warnings
import zlib

import image_files
import numpy as np
import pytest
import tifffile
from image_files import SRGB, _png_of, chunk, encoded, exif, one_sentence, photo, png_file
from PIL import Image

from codec.errors import BadImage, CodecError, TooLarge
from codec.pixels import pil
from codec.pixels.formats import png as png_rows
from codec.pixels.picture import Picture
from codec.pixels.read import load

silence = pytest.fixture(image_files.silence)


def valid_files():
    small = photo(24, 31, 3)
    yield "png", encoded(small, "PNG")
    yield "png-palette", _png_of(Image.fromarray(small).quantize(16))
    yield "png-16", png_file(photo(9, 12, 3, 16), 16)
    yield "jpeg", encoded(small, "JPEG", exif=b"Exif\0\0" + exif(), icc_profile=SRGB)
    yield "jpeg-progressive", encoded(small, "JPEG", progressive=True)
    yield "webp", encoded(small, "WEBP")
    yield "gif", encoded(photo(24, 31, 1), "GIF")
    yield "bmp", encoded(small, "BMP")
    yield "ppm", encoded(small, "PPM")
    yield "jp2", encoded(small, "JPEG2000")
    yield "avif", encoded(small, "AVIF")
    for compression in ("raw", "tiff_lzw", "tiff_adobe_deflate", "jpeg", "packbits"):
        yield f"tiff-{compression}", encoded(small, "TIFF", compression=compression)
    file = io.BytesIO()
    tifffile.imwrite(file, photo(24, 31, 3, 16), photometric="rgb", compression="zlib")
    yield "tiff-16", file.getvalue()


VALID = dict(valid_files())


@pytest.mark.parametrize("name", VALID)
def test_every_truncation_is_refused(name, silence):
    data = VALID[name]
    assert load(data).width in (31, 12)
    slack = {"gif": 2, "bmp": 3}.get(name, 0)  # bytes of the trailer and of the last row's padding, without any pixel
    for end in sorted({*range(0, len(data) - slack, max(1, len(data) // 150)), len(data) - slack - 1}):
        with pytest.raises(BadImage) as error:
            load(data[:end])
            pytest.fail(f"{end} of {len(data)} bytes were read as a picture")
        one_sentence(error.value)


@pytest.mark.parametrize("name", VALID)
def test_damaged_bytes_give_a_picture_or_one_sentence(name, silence):
    data, rng = VALID[name], random.Random(name)
    refused = 0
    for _ in range(150):
        broken = bytearray(data)
        for _ in range(rng.choice([1, 1, 4, 40])):
            broken[rng.randrange(len(data) if rng.random() < 0.5 else min(200, len(data)))] = rng.choice(
                [0, 255, rng.randrange(256)]
            )
        try:
            assert isinstance(load(bytes(broken), max_pixels=10**6), Picture)
        except (BadImage, TooLarge) as error:
            one_sentence(error)
            refused += 1
    assert refused > 5


@pytest.mark.parametrize("name", ["png", "png-palette", "png-16"])
def test_every_single_damaged_byte_of_a_png_is_refused(name, silence):
    data = VALID[name]
    for position in range(0, len(data), 3):
        broken = bytearray(data)
        broken[position] ^= 1 << position % 8
        with pytest.raises(BadImage):
            load(bytes(broken))
            pytest.fail(f"byte {position}")


def test_png_with_right_checksums_and_wrong_contents(silence):
    def file(*chunks):
        return png_rows.SIGNATURE + b"".join(chunk(*each) for each in chunks)

    header = (b"IHDR", struct.pack(">IIBBBBB", 4, 3, 8, 2, 0, 0, 0))
    data, end = (b"IDAT", zlib.compress(bytes(13 * 3))), (b"IEND", b"")
    assert load(file(header, data, end)).pixels.shape == (3, 4, 3)
    for number, wrong in enumerate(
        (
            (header, end),
            (header, data),
            (data, header, end),
            (header, header, data, end),
            ((b"IHDR", header[1][:-1]), data, end),
            ((b"IHDR", header[1] + b"\0"), data, end),
            (header, (b"IDAT", zlib.compress(bytes(13 * 2))), end),
            (header, (b"IDAT", zlib.compress(b"\x07" + bytes(13 * 3))), end),
            (header, (b"IDAT", b"not deflate"), end),
            ((b"IHDR", struct.pack(">IIBBBBB", 4, 3, 7, 2, 0, 0, 0)), data, end),
            ((b"IHDR", struct.pack(">IIBBBBB", 4, 3, 8, 5, 0, 0, 0)), data, end),
            ((b"IHDR", struct.pack(">IIBBBBB", 0, 3, 8, 2, 0, 0, 0)), data, end),
        )
    ):
        with pytest.raises(BadImage) as error:
            load(file(*wrong))
            pytest.fail(f"case {number}")
        one_sentence(error.value)


def test_not_enough_memory_is_a_sentence():
    data = encoded(photo(5, 5, 3), "BMP")
    with pytest.raises(BadImage):  # 2^62 bytes of pixels cannot be had
        load(data[:18] + struct.pack("<ii", 2**30, 2**30) + data[26:], max_pixels=0)


def test_animations_and_pages_are_refused_and_previews_are_not(monkeypatch):
    frames = [Image.fromarray(photo(8, 8, 3, seed=n)) for n in range(3)]
    for format in ("GIF", "PNG", "WEBP", "AVIF", "TIFF"):
        file = io.BytesIO()
        frames[0].save(file, format, save_all=True, append_images=frames[1:])
        for source in (file.getvalue(), Image.open(file)):
            with pytest.raises(BadImage, match="several pages|animation"):
                load(source)
    file = io.BytesIO()
    frames[0].save(file, "MPO", save_all=True, append_images=frames[1:])  # a JPEG with a gain map or a preview
    assert Image.open(file).format == "MPO" and load(file.getvalue()).pixels.shape == (8, 8, 3)

    def tiff(*subfile_types):
        file = io.BytesIO()
        with tifffile.TiffWriter(file) as writer:
            for number, subfile_type in enumerate(subfile_types):
                writer.write(photo(8 - number, 8, 3, 16), photometric="rgb", subfiletype=subfile_type)
        return file.getvalue()

    assert np.array_equal(load(tiff(0, 1, 1)).pixels, photo(8, 8, 3, 16))
    with pytest.raises(BadImage, match="several pages"):
        load(tiff(0, 1, 0))
    with pytest.raises(BadImage, match="preview"):
        load(tiff(1, 0))
    monkeypatch.setattr(pil, "MAX_PAGES", 3)
    with pytest.raises(BadImage, match="several pages"):
        load(tiff(0, 1, 1, 1))


def test_filters_of_warnings_and_libtiffs_printer_come_back():
    before = list(warnings.filters)
    seen = []

    def work(name):
        for _ in range(5):
            try:
                seen.append(load(VALID[name][:-30]))
            except CodecError as error:
                seen.append(error)

    threads = [threading.Thread(target=work, args=(name,)) for name in ("tiff-tiff_lzw", "jpeg", "png", "gif")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 20 and warnings.filters == before
