"""Pictures read: modes, depths, sources, sizes and alpha."""

import io
import struct
import time
import zlib

import image_files
import numpy as np
import pytest
import tifffile
from image_files import _png_of, chunk, encoded, one_sentence, photo, png_file, samples_of
from PIL import Image, ImageCms, TiffImagePlugin
from tiff_files import by_tifffile

from codec.coding import alpha as alpha_plane
from codec.errors import BadImage, Corrupt, TooLarge
from codec.pixels.formats import png as png_rows
from codec.pixels.read import load

silence = pytest.fixture(image_files.silence)


# Reading


@pytest.mark.parametrize(
    "mode", ["1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "LAB", "HSV"]
)
def test_every_8_bit_mode_keeps_gray_colour_and_alpha(mode):
    source = Image.fromarray(photo(13, 17, 4), "RGBA")
    if mode == "LAB":
        profiles = ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB")
        converted = ImageCms.profileToProfile(source.convert("RGB"), *profiles, outputMode="LAB")
    elif mode == "La":
        converted = source.convert("LA").convert("La")
    else:
        converted = source.convert("RGB" if mode == "P" else "RGBA").convert(mode)
    picture = load(converted)
    assert (picture.height, picture.width, picture.depth) == (13, 17, 8)
    assert picture.gray == (mode in ("1", "L", "LA", "La"))
    assert (picture.alpha is not None) == (mode in ("LA", "La", "PA", "RGBA", "RGBa"))
    expected = np.asarray(source.convert("L" if picture.gray else "RGB"), int).reshape(13, 17, -1)
    if mode not in ("1", "P", "PA"):  # these are dithered
        assert np.abs(picture.pixels - expected).mean() < 4
    if mode not in ("PA",) and picture.alpha is not None:
        assert np.array_equal(picture.alpha, np.asarray(source)[..., 3])
    assert picture.pixels.flags.writeable and picture.pixels.flags.c_contiguous


def test_palette_with_transparency_becomes_rgba():
    source = Image.fromarray(photo(9, 9, 3)).quantize(7)
    source.info["transparency"] = 3
    picture = load(encoded_palette := _png_of(source))
    assert np.array_equal(picture.alpha == 0, np.asarray(source) == 3) and 0 in picture.alpha
    source.info["transparency"] = bytes([255, 0, 128, 7, 255, 255, 9])
    levels = load(_png_of(source)).alpha
    assert np.array_equal(levels, np.array([255, 0, 128, 7, 255, 255, 9])[np.asarray(source)])
    del source.info["transparency"]
    assert load(_png_of(source)).alpha is None and load(encoded_palette).pixels.shape == (9, 9, 3)
    gif = io.BytesIO()
    source.save(gif, "GIF", transparency=2)
    assert np.array_equal(load(gif.getvalue()).alpha == 0, np.asarray(source) == 2)


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_transparent_gray_level(bits):
    levels = np.random.default_rng(1).integers(0, 2**bits, (11, 7, 1))
    key = int(levels[3, 3, 0])
    picture = load(png_file(levels, bits, transparent=key))
    full = 65535 if bits == 16 else 255
    assert np.array_equal(picture.pixels, levels * (full // (2**bits - 1)))
    assert np.array_equal(picture.alpha, np.where(levels[..., 0] == key, 0, full))


@pytest.mark.parametrize("depth", [8, 16])
def test_transparent_colour(depth):
    samples = photo(8, 9, 3, depth)
    samples[2, 5] = samples[0, 0]
    picture = load(png_file(samples, depth, transparent=tuple(int(v) for v in samples[0, 0])))
    assert np.array_equal(picture.pixels, samples)
    assert (picture.alpha == 0).sum() == 2 and picture.alpha[2, 5] == 0 and picture.alpha.max() == 2**depth - 1


@pytest.mark.parametrize("interlace", [False, True])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_16_bit_png_of_another_writer(channels, interlace):
    samples = photo(19, 23, channels, 16)
    picture = load(png_file(samples, 16, interlace))
    assert picture.depth == 16 and np.array_equal(samples_of(picture), samples)


@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_16_bit_tiff_of_another_writer(channels, byteorder, compression):
    samples = photo(37, 53, channels, 16)
    for layout in ({"tile": (16, 16)}, {"rowsperstrip": 10}):
        picture = load(by_tifffile(samples, compression=compression, byteorder=byteorder, **layout))
        assert picture.depth == 16 and np.array_equal(samples_of(picture), samples)


def test_16_bit_tiff_with_multiplied_alpha_with_white_at_zero_and_with_12_bits():
    samples = photo(20, 30, 4, 16)
    alpha = samples[..., 3:].astype(float) / 65535
    file = io.BytesIO()
    stored = np.dstack([np.round(samples[..., :3] * alpha), samples[..., 3]]).astype("u2")
    tifffile.imwrite(file, stored, photometric="rgb", extrasamples=["assocalpha"])
    picture = load(file.getvalue())
    assert np.array_equal(picture.alpha, samples[..., 3])
    assert np.abs(picture.pixels.astype(int) - samples[..., :3]).max() <= 1 / alpha.min() + 1
    file = io.BytesIO()
    tifffile.imwrite(file, samples[..., 0], photometric="miniswhite")
    assert np.array_equal(load(file.getvalue()).pixels[..., 0], 65535 - samples[..., 0])
    directory = TiffImagePlugin.ImageFileDirectory_v2()
    for tag, value in ((256, 2), (257, 1), (258, 12), (259, 1), (262, 1), (273, 0), (277, 1), (278, 1), (279, 3)):
        directory[tag] = value
    file = io.BytesIO()
    directory.save(file)
    file.write(bytes([0xFF, 0xF8, 0x00]))  # the 12-bit samples 0xfff and 0x800
    assert load(file.getvalue()).pixels.ravel().tolist() == [0xFFFF, 0x8008]


def test_float_and_wide_pixels_are_refused():
    with pytest.raises(BadImage, match="mode F"):
        load(Image.fromarray(np.ones((4, 4), np.float32)))
    with pytest.raises(BadImage, match="outside the range"):
        load(Image.fromarray(np.full((4, 4), 70000, np.int32)))
    assert load(Image.fromarray(np.full((4, 4), 65535, np.int32))).pixels.max() == 65535


@pytest.mark.parametrize("maximum", [1, 100, 255, 1000, 65535])
@pytest.mark.parametrize("channels", [1, 3])
def test_ppm_with_any_maximum(channels, maximum):
    samples = np.random.default_rng(2).integers(0, maximum + 1, (5, 6, channels))
    head = b"P%d\n# a comment\n6 5\n%d\n" % (6 if channels == 3 else 5, maximum)
    data = head + samples.astype(">u2" if maximum > 255 else "u1").tobytes()
    picture = load(data)
    full = 65535 if maximum > 255 else 255
    assert picture.depth == (16 if maximum > 255 else 8)
    assert np.array_equal(picture.pixels, (samples * full + maximum // 2) // maximum)
    with pytest.raises(BadImage):
        load(data[:-1])


def test_arrays_and_their_limits():
    for channels in (1, 2, 3, 4):
        for depth in (8, 16):
            samples = photo(5, 4, channels, depth)
            assert np.array_equal(samples_of(load(samples)), samples)
    assert np.array_equal(load(photo(5, 4, 3, 16).astype(">u2")).pixels, photo(5, 4, 3, 16))
    assert load(photo(5, 4, 1)[..., 0]).gray
    for wrong in (
        np.zeros((2, 2)),
        np.zeros((2, 2, 5), np.uint8),
        np.zeros((2, 2, 0), np.uint8),
        np.zeros(4, np.uint8),
    ):
        with pytest.raises(BadImage, match="an array must be"):
            load(wrong)
    with pytest.raises(BadImage, match="empty"):
        load(np.zeros((0, 3, 3), np.uint8))
    picture = load(photo(5, 4, 3))
    assert load(picture) is picture


def test_sources_and_suffixes(tmp_path):
    samples = photo(6, 7, 3)
    data = encoded(samples, "PNG")
    path = tmp_path / "a.PNG"
    path.write_bytes(data)
    with open(path, "rb") as file, Image.open(path) as opened:
        sources = [
            (path, "png"),
            (str(path), "png"),
            (data, ""),
            (memoryview(data), ""),
            (io.BytesIO(data), ""),
            (file, ""),
            (opened, "png"),
            (Image.fromarray(samples), ""),
        ]
        for source, suffix in sources:
            picture = load(source)
            assert np.array_equal(picture.pixels, samples) and picture.suffix == suffix
    strange = tmp_path / "a.not-alnum"
    strange.write_bytes(data)
    assert load(strange).suffix == ""


@pytest.mark.parametrize(
    "source",
    [
        b"",
        b"\x89",
        b"P",
        b"BM",
        b"II*\0",
        b"text " * 99,
        b"%!PS-Adobe-3.0 EPSF-3.0\n",
        5,
        None,
        "missing.png",
        "a\0b",
        ".",
    ],
)
def test_foreign_and_missing_sources(source, tmp_path, monkeypatch, silence):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadImage) as error:
        load(source)
    one_sentence(error.value)


# Sizes


def header_png(width, height):
    return (
        png_rows.SIGNATURE + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)) + chunk(b"IDAT", b"")
    )


def header_tiff(width, height):
    directory = TiffImagePlugin.ImageFileDirectory_v2()
    for tag, value in (
        (256, width),
        (257, height),
        (258, (8, 8, 8)),
        (259, 1),
        (262, 2),
        (273, 0),
        (277, 3),
        (278, height),
        (279, 9),
    ):
        directory[tag] = value
    file = io.BytesIO()
    directory.save(file)
    return file.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        header_png(2**31 - 1, 2**31 - 1),
        header_tiff(2**30, 2**30),
        b"P6 99999 99999 255\n",
        b"GIF89a\xff\xff\xff\xff\x00\x00\x00,\0\0\0\0\xff\xff\xff\xff\x00\x02\x00;",
        b"BM" + struct.pack("<IIIIiiHHIIIIII", 54, 0, 54, 40, 2**30, 2**30, 1, 24, 0, 0, 0, 0, 0, 0),
        bytes.fromhex("ffd8 ffc0 0011 08 ffff ffff 03 011100 021100 031100 ffda 000c 03 0100 0200 0300 003f00"),
        b"qoif" + struct.pack(">IIBB", 2**20, 2**20, 3, 0),
    ],
    ids=["png", "tiff", "ppm", "gif", "bmp", "jpeg", "qoi"],
)
def test_claimed_sizes_are_refused_before_decoding(data):
    start = time.perf_counter()
    with pytest.raises(TooLarge, match=rf"\d+ pixels, more than the limit of {2**28} .*--max-pixels") as error:
        load(data)
    assert time.perf_counter() - start < 0.5
    one_sentence(error.value)


def test_limit_is_inclusive_and_zero_is_none():
    data = encoded(photo(10, 20, 3), "PNG")
    assert load(data, max_pixels=200).width == 20 and load(data, max_pixels=0).width == 20
    for source in (data, photo(10, 20, 3), Image.open(io.BytesIO(data)), load(data)):
        with pytest.raises(TooLarge, match="20 x 10 = 200 pixels, more than the limit of 199"):
            load(source, max_pixels=199)


@pytest.mark.parametrize("format", ["PNG", "TIFF", "JPEG", "BMP"])
def test_pillows_own_limit_neither_applies_nor_changes(format, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    assert load(encoded(photo(30, 40, 3), format)).width == 40
    assert Image.MAX_IMAGE_PIXELS == 100


# Alpha


@pytest.mark.parametrize("depth", [8, 16])
def test_alpha_plane_round_trips_and_refuses_everything_else(depth, silence):
    alpha = photo(33, 20, 1, depth)[..., 0]
    data = alpha_plane.encode(alpha)
    again = alpha_plane.decode(data, 33, 20, depth)
    assert np.array_equal(again, alpha) and again.dtype == alpha.dtype and again.flags.writeable
    for height, width, bits in ((20, 33, depth), (33, 21, depth), (33, 20, 24 - depth)):
        with pytest.raises(Corrupt, match="not a gray PNG of"):
            alpha_plane.decode(data, height, width, bits)
    for position in range(0, len(data), 5):
        with pytest.raises(Corrupt) as error:
            alpha_plane.decode(data[:position], 33, 20, depth)
        one_sentence(error.value)
        with pytest.raises(Corrupt):
            alpha_plane.decode(data[:position] + bytes([data[position] ^ 64]) + data[position + 1 :], 33, 20, depth)
    end = data[-12:]
    short = chunk(b"IDAT", zlib.compress(bytes(50)))
    for wrong in (
        data + b"\0",
        data[:33] + chunk(b"tRNS", b"\0\0") + data[33:],
        data[:33] + short + end,
        data[:33] + end,
        b"",
        encoded(photo(33, 20, 3), "PNG"),
        encoded(photo(33, 20, 1), "BMP"),
        7,
    ):
        with pytest.raises(Corrupt):
            alpha_plane.decode(wrong, 33, 20, depth)
    with pytest.raises(Corrupt, match="not a gray PNG of 2147483647"):
        alpha_plane.decode(header_png(2**31 - 1, 2**31 - 1) + end, 2**31 - 1, 2**31 - 1, 8)


def test_alpha_of_masks_is_small():
    mask = np.zeros((512, 512), np.uint8)
    mask[100:300, 50:400] = 255
    assert len(alpha_plane.encode(mask)) < 2000
