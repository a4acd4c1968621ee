"""The whole path: rate, tiles, sizes and modes, quality."""

import io
import math
from contextlib import contextmanager
from unittest.mock import patch

import numpy as np
import pytest
import torch
from conftest import assert_no_steps, photograph, psnr
from PIL import Image, ImageCms, ImageDraw, ImageOps
from pipeline_files import picture_file
from safetensors.numpy import load_file

import codec
from codec.bitstream import container, entropy
from codec.coding import tiles
from codec.model.config import STRIDE
from codec.model.weights import path_of
from codec.pixels.picture import Picture

# Rate


def promised_bits(coder, file):
    """What the frozen tables, read from the weight file, promise for the symbols of a file: -log2 of frequency / 65536,
    and 4 bits per group of an escape.
    """
    weights, bits = load_file(path_of("default")), 0.0
    tables = {}
    for name, known in (("y", coder.model.tables_y), ("z", coder.model.tables_z)):
        cdfs, sizes, offsets = (weights[f"table.{name}.{part}"].astype(int) for part in ("cdfs", "sizes", "offsets"))
        tables[id(known)] = cdfs, sizes, offsets, np.cumsum(sizes) - sizes
    get = entropy.Decoder.get

    def listening(self, indexes, rows):
        nonlocal bits
        symbols = get(self, indexes, rows)
        cdfs, sizes, offsets, starts = tables[id(rows)]
        place = symbols - offsets[indexes]
        inside = (place >= 0) & (place < sizes[indexes] - 2)
        slot = starts[indexes] + np.where(inside, place, sizes[indexes] - 2)
        bits -= np.log2((cdfs[slot + 1] - cdfs[slot]) / 65536).sum()
        for index, p in zip(indexes[~inside], place[~inside].tolist()):
            width = int(sizes[index]) - 2
            groups = math.ceil((2 * (p - width) if p >= width else -2 * p - 1).bit_length() / 4)
            bits += 4 * (1 + groups)
        return symbols

    with patch.object(entropy.Decoder, "get", listening):
        coder.verify(file)
    return bits


def payload_bits(file):
    return 8 * sum(len(tile.payload) for tile in container.unpack(file).tiles)


@pytest.mark.parametrize("quality", [25, 60, 95])
@pytest.mark.parametrize("seed", range(2))
def test_real_bytes_are_those_of_the_tables(seed, quality, on_torch):
    file = on_torch.encode(photograph(512, 768, seed), quality)
    promised = promised_bits(on_torch, file)
    assert promised > 30_000
    assert abs(payload_bits(file) / promised - 1) < 0.005
    assert len(file) - payload_bits(file) / 8 <= 32


def test_real_bytes_are_those_of_the_tables_on_real_photographs(kodak, on_torch):
    for path in kodak[::4]:
        for quality in (10, 50, 90):
            file = on_torch.encode(path, quality)
            assert abs(payload_bits(file) / promised_bits(on_torch, file) - 1) < 0.005


# Tiles


def latents(coder, picture, quality):
    """y of every tile as the hyper-analysis gets it, and the file."""
    network, seen = coder.model.networks.hyper_analysis, []
    forward = network.forward

    def listening(y):
        seen.append(y.clone())
        return forward(y)

    with patch.object(network, "forward", listening):
        return coder.encode(picture, quality), seen


@contextmanager
def whole(coder, name):
    """As if every tile saw the whole picture: no halo cuts anything off, and the network runs once."""
    network, results = getattr(coder.model.networks, name), []
    forward = network.forward

    def once(*arguments, halo=(0, 0, 0, 0), **options):
        results.append(results[0] if results else forward(*arguments, **options))
        top, bottom, left, right = (side * (STRIDE if name == "synthesis" else 1) for side in halo)
        height, width = results[0].shape[2:]
        return results[0][:, :, top : height - bottom, left : width - right].clone()

    with patch.object(tiles, f"{name}_halo", lambda config: 1 << 20), patch.object(network, "forward", once):
        yield


def assert_no_seam(coder, picture, quality, side):
    file, cut = latents(coder, picture, quality)
    assert len(cut) == codec.info(file)["tiles"] > 1
    with whole(coder, "analysis"):
        _, uncut = latents(coder, picture, quality)
    assert all(map(torch.equal, cut, uncut))
    pixels = coder.decode_picture(file).pixels
    with whole(coder, "synthesis"):
        assert np.array_equal(coder.decode_picture(file).pixels, pixels)
    assert_no_steps(pixels.astype(float) - picture, side)


@pytest.mark.parametrize("quality", [20, 60, 95])
def test_small_tiles_leave_no_seam(quality, on_torch, small_tiles):
    assert_no_seam(on_torch, photograph(300, 430, 1), quality, 128)


def test_tiles_leave_no_seam(on_torch):
    assert_no_seam(on_torch, photograph(1100, 2100, 2), 50, 1024)


def test_without_halos_there_would_be_seams(on_torch, small_tiles):
    """The tests above can fail."""
    with patch.object(tiles, "synthesis_halo", lambda config: 0), pytest.raises(AssertionError):
        assert_no_seam(on_torch, photograph(200, 300, 1), 60, 128)
    with patch.object(tiles, "analysis_halo", lambda config: 0), pytest.raises(AssertionError):
        assert_no_seam(on_torch, photograph(200, 300, 1), 60, 128)


@pytest.mark.parametrize(
    "height, width", [(127, 129), (128, 128), (129, 128), (255, 130), (1, 257), (140, 1), (144, 143)]
)
def test_sizes_around_tiles(height, width, coder, small_tiles):
    picture = photograph(height, width, 9)
    file = coder.encode(picture, 80)
    assert codec.info(file)["tiles"] == -(-height // 128) * -(-width // 128)
    assert psnr(coder.decode_picture(file).pixels, picture) > 30


def test_real_tile_borders(coder):
    for height, width, count in ((1023, 20, 1), (1024, 20, 1), (20, 1025, 2), (1025, 3, 2)):
        picture = photograph(height, width, 8)
        file = coder.encode(picture, 80)
        assert codec.info(file)["tiles"] == count
        assert psnr(coder.decode_picture(file).pixels, picture) > 30


# Sizes and modes


SIZES = [
    (1, 1),
    (1, 2),
    (1, 7),
    (7, 1),
    (2, 3),
    (1, 300),
    (300, 1),
    (5, 131),
    (15, 16),
    (16, 17),
    (17, 15),
    (16, 16),
    (31, 37),
    (63, 64),
    (64, 65),
    (65, 63),
    (97, 101),
]


@pytest.mark.parametrize("height, width", SIZES)
@pytest.mark.parametrize("channels", [1, 3])
def test_every_size(height, width, channels, coder):
    picture = photograph(height, width, 7, channels)
    file = coder.encode(picture, 80)
    coder.verify(file)
    decoded = coder.decode_picture(file)
    assert (
        decoded.pixels.shape == (height, width, channels) and decoded.pixels.dtype == np.uint8 and decoded.alpha is None
    )
    # A few pixels at the corner of a 16 x 16 block weigh little.
    assert psnr(decoded.pixels, picture) > (22 if height * width < 200 else 28)
    assert coder.decode(file).mode == ("L" if channels == 1 else "RGB")


@pytest.mark.parametrize("channels", [1, 3])
def test_sixteen_bits_go_beyond_eight(channels, coder):
    """A ramp so gentle that eight bits would show it in steps of 257."""
    ramp = np.rint(20000 + 2000 * np.mgrid[:96, :160].sum(0) / 254)[..., None].repeat(channels, 2).astype(np.uint16)
    decoded = coder.decode_picture(coder.encode(ramp, 100)).pixels
    assert decoded.dtype == np.uint16 and decoded.shape == ramp.shape
    assert np.abs(decoded.astype(int) - ramp).mean() < 100 and len(np.unique(decoded)) > 100
    image = coder.decode(coder.encode(ramp, 100))
    assert image.mode == ("I;16" if channels == 1 else "RGB")


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("channels", [1, 3])
def test_depth_and_channels_hardly_change_a_photograph(depth, channels, coder):
    picture = photograph(120, 160, 3, channels, depth)
    file = coder.encode(picture, 70)
    decoded = coder.decode_picture(file)
    assert decoded.depth == depth == codec.info(file)["depth"]
    assert psnr(decoded.pixels, picture, 2**depth - 1) > 34
    assert abs(len(file) / len(coder.encode(photograph(120, 160, 3, channels), 70)) - 1) < 0.01


@pytest.mark.parametrize("quality", [30, 60, 90])
@pytest.mark.parametrize(("low", "high"), [(0, 2330), (128, 2191), (0, 4095), (30000, 33000)])
def test_a_part_of_16_bits_costs_what_8_bits_of_that_range_do(low, high, quality, coder):
    shown = photograph(128, 160, 5, 1)
    deep = np.rint(low + (shown.astype(float) - shown.min()) / np.ptp(shown) * (high - low)).astype(np.uint16)
    shown = np.rint((deep - float(low)) / (high - low) * 255).astype(np.uint8)
    files = coder.encode(deep, quality), coder.encode(shown, quality)
    deep_psnr, shown_psnr = (
        psnr(coder.decode_picture(file).pixels, picture, peak)
        for file, picture, peak in zip(files, (deep, shown), (high - low, 255), strict=True)
    )
    assert abs(len(files[0]) / len(files[1]) - 1) < 0.05 and deep_psnr > shown_psnr - 0.1


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("channels", [1, 3])
def test_alpha_comes_back_to_the_bit(depth, channels, coder):
    alpha = photograph(77, 50, 2, 1, depth)[..., 0].copy()
    alpha[:20], alpha[20:30] = 0, 2**depth - 1
    picture = Picture(photograph(77, 50, 1, channels, depth), alpha)
    file = coder.encode(picture, 30)
    decoded = coder.decode_picture(file)
    assert decoded.alpha.dtype == alpha.dtype and np.array_equal(decoded.alpha, alpha)
    assert decoded.pixels.shape == picture.pixels.shape
    assert (
        coder.decode(file).mode == ("LA" if channels == 1 else "RGBA")
        and codec.info(file)["mode"] == coder.decode(file).mode
    )


def test_palette_and_cmyk(coder):
    for data, mode, least in (
        (picture_file("PNG", "P"), "RGB", 23),
        (picture_file("PNG", "P", transparency=5), "RGBA", 23),
        (picture_file("JPEG", "CMYK", quality=95), "RGB", 33),
    ):
        decoded = coder.decode(coder.encode(data, 80))
        assert decoded.mode == mode
        expected = Image.open(io.BytesIO(data)).convert(mode)
        assert psnr(decoded.convert("RGB"), expected.convert("RGB")) > least
        assert mode == "RGB" or np.array_equal(np.asarray(decoded)[..., 3], np.asarray(expected)[..., 3])


def test_metadata_is_kept_or_stripped_and_orientation_holds(coder):
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "Maker"  # to be turned by a quarter
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    xmp = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"
    data = picture_file("JPEG", exif=exif, icc_profile=profile, xmp=xmp, quality=95)
    kept = coder.decode(coder.encode(data, 80))
    assert kept.size == (120, 90) and kept.info["icc_profile"] == profile and kept.info["xmp"] == xmp
    assert dict(kept.getexif()) == {0x0112: 6, 0x010F: "Maker"}
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    assert psnr(ImageOps.exif_transpose(kept), upright) > 34
    for strip, gone in (
        ("exif", {"exif"}),
        (["icc", "xmp"], {"icc_profile", "xmp"}),
        ("all", {"exif", "icc_profile", "xmp"}),
    ):
        file = coder.encode(data, 80, strip=strip)
        stripped = coder.decode(file)
        assert {"exif", "icc_profile", "xmp"} - set(stripped.info) == gone
        assert stripped.size == ((90, 120) if "exif" in gone else (120, 90))
        assert psnr(ImageOps.exif_transpose(stripped), upright) > 34
    assert set(codec.info(file)["sections"]) == set()


# Quality


def text():
    canvas = Image.new("RGB", (320, 160), "white")
    for row in range(8):
        ImageDraw.Draw(canvas).text(
            (6, 4 + 19 * row), "The quick brown fox jumps over the lazy dog", (20 * row, 0, 0), font_size=15
        )
    return np.asarray(canvas)


def halves():
    picture = np.zeros((96, 128, 3), np.uint8)
    picture[:, 70:] = 255
    return picture


@pytest.mark.parametrize(
    "picture, least, most",  # dB at quality 60, bytes
    [
        (np.full((100, 130, 3), (200, 30, 90), np.uint8), 48, 400),
        (np.zeros((64, 64, 3), np.uint8), 50, 90),
        (np.full((64, 64, 3), 255, np.uint8), 50, 90),
        (halves(), 43, 500),
        (text(), 29, 30_000),
        (np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8), 28.5, 5000),
        (photograph(200, 264), 34.5, 9000),
    ],
    ids=["flat", "black", "white", "black and white", "text", "noise", "photograph"],
)
def test_extreme_pictures(picture, least, most, coder):
    file = coder.encode(picture, 60)
    assert psnr(coder.decode_picture(file).pixels, picture) > least and len(file) < most


@pytest.mark.parametrize(
    "make",
    [lambda: photograph(128, 160, 0), lambda: photograph(160, 96, 5), lambda: photograph(128, 128, 2, 1), text],
    ids=["a", "b", "gray", "text"],
)
def test_five_points_more_are_never_smaller_or_worse(make, coder):
    picture = make()
    points = []
    for quality in np.arange(1, 100.5, 2.5):
        file = coder.encode(picture, quality, lossless=False)
        points.append((len(file), psnr(coder.decode_picture(file).pixels, picture)))
    for (size, quality), (larger, better) in zip(points, points[2:]):
        assert larger >= size and better >= quality
    assert points[-1][0] > 8 * points[0][0] and points[-1][1] > points[0][1] + 10


def test_range_of_qualities_on_real_photographs(kodak, coder):
    bpp, quality = [], []
    for path in kodak[::4]:
        picture = np.asarray(Image.open(path))
        bpp.append(codec.info(coder.encode(path, 1))["bpp"])
        quality.append(psnr(coder.decode(coder.encode(path, 100)), picture))
    assert np.mean(bpp) <= 0.12 and np.mean(quality) >= 41
