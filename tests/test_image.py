"""Pictures in and out: every mode, depth and piece of metadata survives, and every broken file is refused in one
sentence.

pypng and tifffile serve as independent readers and writers of 16-bit files.
"""

import io
import random
import struct
import threading
import time
import warnings
import zlib

import numpy as np
import png
import pytest
import tifffile
from PIL import Image, ImageCms, ImageOps, TiffImagePlugin
from PIL.PngImagePlugin import PngInfo

from codec.coding import alpha as alpha_plane
from codec.errors import BadImage, BadOption, CodecError, Corrupt, TooLarge
from codec.pixels import exif as exif_blocks
from codec.pixels import pil
from codec.pixels.formats import png as png_rows
from codec.pixels.image import Picture, load, strip, to_pil
from codec.pixels.write import save

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
GRAY_ICC = SRGB[:16] + b"GRAY" + SRGB[20:]
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf tiff:Orientation="6"/></x:xmpmeta>'


def photo(height, width, channels, depth=8, seed=0):
    """Smooth colours with some noise, [H, W, C]: compresses like a photograph."""
    y, x = np.mgrid[:height, :width] / max(height, width)
    planes = [0.5 + 0.3 * np.sin(7 * x + 5 * y * (c + 1) + c) for c in range(channels)]
    noise = np.random.default_rng(seed).normal(0, 0.02, (height, width, channels))
    return (np.clip(np.dstack(planes) + noise, 0, 1) * (2**depth - 1)).astype(f"u{depth // 8}")


def exif(orientation=6, extra=()):
    tags = Image.Exif()
    tags[0x0112], tags[0x010F], tags[0x0100] = orientation, "Maker", 17  # phones write an ImageWidth here
    tags[0x8769] = {0x829D: 2.8, 0x9003: "2026:11:20 12:00:00"}
    tags[0x8825] = {1: "N", 2: (48.0, 12.0, 3.0)}
    return tags.tobytes()[6:]


def encoded(samples, format, **options):
    file = io.BytesIO()
    Image.fromarray(samples.squeeze()).save(file, format, **options)
    return file.getvalue()


def saved(picture, suffix):
    file = io.BytesIO()
    save(picture, file, suffix)
    return file.getvalue()


def png_file(samples, bitdepth, interlace=False, **options):
    height, width, channels = samples.shape
    file = io.BytesIO()
    writer = png.Writer(
        width,
        height,
        greyscale=channels < 3,
        alpha=channels in (2, 4),
        bitdepth=bitdepth,
        interlace=interlace,
        **options,
    )
    writer.write_array(file, samples.reshape(-1).tolist())
    return file.getvalue()


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def one_sentence(error):
    text = str(error)
    assert text and "\n" not in text and len(text) < 300 and not text.endswith("."), text
    return text


def samples_of(picture):
    return picture.pixels if picture.alpha is None else np.dstack([picture.pixels, picture.alpha])


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


def _png_of(source):
    file = io.BytesIO()
    source.save(file, "PNG")
    return file.getvalue()


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
        file = io.BytesIO()
        tifffile.imwrite(
            file,
            samples.squeeze(),
            photometric="rgb" if channels > 1 else "minisblack",
            compression=compression,
            byteorder=byteorder,
            extrasamples=["unassalpha"] if channels == 4 else None,
            **layout,
        )
        picture = load(file.getvalue())
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


def test_16_bit_colours_in_planes_and_float_and_wide_pixels_are_refused():
    file = io.BytesIO()
    tifffile.imwrite(file, np.moveaxis(photo(9, 9, 3, 16), -1, 0), photometric="rgb", planarconfig="separate")
    with pytest.raises(BadImage, match="separate planes"):
        load(file.getvalue())
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


# Broken files


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


@pytest.fixture
def silence(capfd):
    """Nothing may be printed and no warning may get out."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    assert [str(warning.message) for warning in caught] == []
    assert capfd.readouterr() == ("", "")


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


# Metadata


def test_orientation_is_kept_and_applied_only_when_exif_goes():
    for depth in (8, 16):
        pixels, alpha = photo(5, 7, 3, depth), photo(5, 7, 1, depth, seed=1)[..., 0]
        for orientation in range(1, 9):
            picture = Picture(pixels, alpha, SRGB, exif(orientation), XMP)
            assert strip(picture, ["icc"]).exif == picture.exif and strip(picture, "icc").icc is None
            assert np.array_equal(strip(picture, ("xmp", "icc")).pixels, pixels)
            upright = strip(picture, ["exif"])
            reference = Image.fromarray(pixels.astype(np.uint8))
            reference.info["exif"] = b"Exif\0\0" + picture.exif
            expected = np.asarray(ImageOps.exif_transpose(reference))
            assert np.array_equal(upright.pixels.astype(np.uint8), expected)
            assert upright.alpha.shape == upright.pixels.shape[:2] and upright.exif is None and upright.icc == SRGB
            assert (b'Orientation="6"' in upright.xmp) == (orientation == 1)  # else viewers would turn it twice
            bare = strip(picture, ["all"])
            assert (bare.icc, bare.exif, bare.xmp) == (None, None, None) and picture.exif is not None
    with pytest.raises(BadOption, match="thumbnail"):
        strip(picture, ["thumbnail"])


def test_lying_exif_is_harmless(silence):
    block = exif(6)
    rng = random.Random(5)
    lies = [
        b"",
        b"II*\0",
        b"MM\0*\xff\xff\xff\xff",
        b"II*\0\x08\0\0\0\xff\xff",
        block[:40],
        bytes(99),
        b"Exif\0\0" * 2 + block,
    ]
    lies += [exif(0), exif(9), exif(65535)]
    for _ in range(100):
        lie = bytearray(block)
        for _ in range(rng.choice([1, 3, 20])):
            lie[rng.randrange(len(lie))] = rng.randrange(256)
        lies.append(bytes(lie))
    pixels = photo(4, 6, 3)
    for lie in lies:
        picture = load(encoded(pixels, "PNG", exif=lie) if lie else encoded(pixels, "PNG"))
        assert np.array_equal(picture.pixels, pixels)
        assert strip(picture, ["exif"]).pixels.size == pixels.size
        for suffix in ("png", "jpg", "webp", "tiff"):
            again = load(saved(picture, suffix))
            assert sorted(again.pixels.shape) == sorted(pixels.shape)
            if suffix == "png":
                assert again.exif == picture.exif
    for lie in lies[:40]:
        saved(Picture(pixels, exif=lie), "avif")


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "avif", "tiff"])
def test_metadata_survives_every_format(suffix, channels, depth):
    samples = photo(16, 24, channels, depth)
    icc = GRAY_ICC if channels < 3 else SRGB
    picture = load(samples)
    picture.icc, picture.exif, picture.xmp = icc, exif(6), XMP
    if suffix == "jpg" and picture.alpha is not None:
        return
    data = saved(picture, suffix)
    again = load(data)
    assert again.xmp is not None and (again.xmp == XMP or suffix == "tiff")
    if not (channels < 3 and suffix in ("webp", "avif")):  # these have no gray: a gray profile goes
        assert again.icc == icc or (channels == 2 and depth == 16 and suffix == "tiff")
    tags = Image.Exif()
    tags.load(again.exif)
    assert (
        tags[0x010F] == "Maker"
        and tags.get_ifd(0x8825)[1] == "N"
        and tags.get_ifd(0x8769)[0x9003] == "2026:11:20 12:00:00"
    )
    upright = strip(again, ["exif"])  # TIFF comes upright from Pillow, the others keep their orientation
    assert upright.pixels.shape[:2] == (24, 16)
    if suffix in ("png", "tiff"):
        expected = strip(picture, ["exif"])
        if channels == 2 and depth == 16 and suffix == "tiff":
            assert np.array_equal(upright.pixels[..., :1], expected.pixels) and np.array_equal(
                upright.alpha, expected.alpha
            )
        else:
            assert np.array_equal(samples_of(upright), samples_of(expected))
    if suffix in ("png", "jpg", "webp"):
        assert again.exif == picture.exif


def test_icc_is_kept_only_for_its_own_colour_space():
    cmyk_icc = SRGB[:16] + b"CMYK" + SRGB[20:]
    cases = [
        (encoded(photo(4, 4, 3), "JPEG", icc_profile=SRGB), SRGB),
        (encoded(photo(4, 4, 1), "JPEG", icc_profile=SRGB), None),
        (encoded(photo(4, 4, 1), "PNG", icc_profile=GRAY_ICC), GRAY_ICC),
        (encoded(photo(4, 4, 3), "PNG", icc_profile=b"not a profile"), None),
    ]
    for profile in (cmyk_icc, SRGB):  # a broken profile, and one that lies about the pixels
        file = io.BytesIO()
        Image.fromarray(photo(4, 4, 3)).convert("CMYK").save(file, "JPEG", icc_profile=profile, quality=100)
        cases.append((file.getvalue(), None))
    for data, icc in cases:
        picture = load(data)
        assert picture.icc == icc
    assert np.abs(picture.pixels.astype(int) - photo(4, 4, 3)).max() < 12


def test_xmp_and_legacy_exif_of_png():
    info = PngInfo()
    info.add_text("Raw profile type exif", f"\nexif\n      {len(exif()) + 6}\n{(b'Exif' + bytes(2) + exif()).hex()}\n")
    info.add_itxt("XML:com.adobe.xmp", XMP)
    picture = load(encoded(photo(4, 4, 3), "PNG", pnginfo=info))
    assert picture.exif == exif() and picture.xmp == XMP
    assert exif_blocks.orientation(picture.exif) == 6


def test_to_pil_has_metadata_where_pillow_looks_for_it():
    for channels, modes in ((1, "L"), (2, "LA"), (3, "RGB"), (4, "RGBA")):
        for depth in (8, 16):
            picture = load(photo(3, 5, channels, depth))
            picture.exif, picture.xmp, picture.icc = exif(3), XMP, SRGB
            result = to_pil(picture)
            assert result.mode == ("I;16" if (channels, depth) == (1, 16) else modes)
            assert result.getexif()[0x0112] == 3 and result.getexif()[0x010F] == "Maker"
            assert result.info["icc_profile"] == SRGB and result.info["xmp"] == XMP
            expected = samples_of(picture).squeeze()
            if result.mode != "I;16" and depth == 16:
                expected = np.round(expected / 257)
            assert np.array_equal(np.asarray(result), expected)
    assert to_pil(load(photo(3, 5, 3))).info == {}


# Writing


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("suffix", ["png", ".PNG", "tif", "ppm", "bmp"])
def test_lossless_formats_round_trip(suffix, depth, channels, tmp_path):
    for height, width in ((1, 1), (70, 3), (131, 65)):  # more rows than the PNG writer takes at a time
        picture = load(photo(height, width, channels, depth))
        path = tmp_path / "picture"
        if channels in (2, 4) and suffix in ("ppm", "bmp"):
            with pytest.raises(BadImage, match=f"{suffix.upper()} cannot hold the transparency"):
                save(picture, path, suffix)
            assert not path.exists()
            continue
        save(picture, path, suffix)
        again = load(path)
        expected = samples_of(picture)
        if depth == 16 and suffix == "bmp":
            expected = np.round(expected / 257)
        if (suffix, depth, channels) == ("tif", 16, 2):  # written as RGBA, which every reader knows
            expected = expected[..., [0, 0, 0, 1]]
        assert np.array_equal(samples_of(again), expected)


def test_other_readers_understand_16_bit_files():
    for channels in (1, 2, 3, 4):
        samples = photo(70, 21, channels, 16)
        picture = load(samples)
        picture.exif, picture.xmp, picture.icc = exif(), XMP, SRGB if channels > 2 else GRAY_ICC
        width, height, rows, info = png.Reader(bytes=saved(picture, "png")).read()
        assert (width, height, info["bitdepth"], info["planes"]) == (21, 70, 16, channels)
        assert np.array_equal(np.array([list(row) for row in rows]).reshape(70, 21, channels), samples)
        if channels != 2:
            with tifffile.TiffFile(io.BytesIO(saved(picture, "tiff"))) as file:
                assert np.array_equal(file.asarray().reshape(70, 21, channels), samples)
                assert file.pages[0].tags[274].value == 6 and file.pages[0].tags[34675].value == picture.icc
    flat = photo(256, 256, 3, 16)
    assert len(saved(load(flat), "png")) < 0.97 * len(zlib.compress(flat.astype(">u2").tobytes(), 9))  # filtered


def test_lossy_formats_are_close_and_limits_are_sentences(tmp_path, silence):
    picture = load(photo(64, 48, 3))
    for suffix in ("jpg", "jpeg", "webp", "avif"):
        assert np.abs(load(saved(picture, suffix)).pixels.astype(int) - picture.pixels).mean() < 5
    for suffix in ("gif", "", "png.exe", "eps"):
        with pytest.raises(BadImage, match="only as png"):
            save(picture, tmp_path / "x", suffix)
    for wide, suffix in (((1, 70000, 3), "jpg"), ((1, 20000, 3), "webp")):
        with pytest.raises(BadImage, match="at most .* pixels per side") as error:
            save(load(np.zeros(wide, np.uint8)), tmp_path / "x", suffix)
        one_sentence(error.value)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(OSError):
        save(picture, tmp_path / "no" / "such.png", "png")


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
