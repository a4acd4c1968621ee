"""Metadata through every format, and pictures written."""

import io
import random
import zlib

import image_files
import numpy as np
import png
import pytest
import tifffile
from image_files import GRAY_ICC, SRGB, XMP, encoded, exif, one_sentence, photo, samples_of, saved
from PIL import Image, ImageOps
from PIL.PngImagePlugin import PngInfo

from codec.errors import BadImage, BadOption
from codec.pixels import exif as exif_blocks
from codec.pixels.picture import Picture, to_pil, without
from codec.pixels.read import load
from codec.pixels.write import save

silence = pytest.fixture(image_files.silence)


# Metadata


def test_orientation_is_kept_and_applied_only_when_exif_goes():
    for depth in (8, 16):
        pixels, alpha = photo(5, 7, 3, depth), photo(5, 7, 1, depth, seed=1)[..., 0]
        for orientation in range(1, 9):
            picture = Picture(pixels, alpha, SRGB, exif(orientation), XMP)
            assert without(picture, ["icc"]).exif == picture.exif and without(picture, "icc").icc is None
            assert np.array_equal(without(picture, ("xmp", "icc")).pixels, pixels)
            upright = without(picture, ["exif"])
            reference = Image.fromarray(pixels.astype(np.uint8))
            reference.info["exif"] = b"Exif\0\0" + picture.exif
            expected = np.asarray(ImageOps.exif_transpose(reference))
            assert np.array_equal(upright.pixels.astype(np.uint8), expected)
            assert upright.alpha.shape == upright.pixels.shape[:2] and upright.exif is None and upright.icc == SRGB
            assert (b'Orientation="6"' in upright.xmp) == (orientation == 1)  # else viewers would turn it twice
            bare = without(picture, ["all"])
            assert (bare.icc, bare.exif, bare.xmp) == (None, None, None) and picture.exif is not None
    with pytest.raises(BadOption, match="thumbnail"):
        without(picture, ["thumbnail"])


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
        assert without(picture, ["exif"]).pixels.size == pixels.size
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
    upright = without(again, ["exif"])  # TIFF comes upright from Pillow, the others keep their orientation
    assert upright.pixels.shape[:2] == (24, 16)
    if suffix in ("png", "tiff"):
        expected = without(picture, ["exif"])
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
