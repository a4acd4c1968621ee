"""TIFF read as it is meant: tifffile, which shares no code with Pillow and libtiff, writes and reads the same files."""

import contextlib
import io
import itertools
import struct

import numpy as np
import pytest
import tifffile
from tiff_files import BLACK, CMYK, LONG, LONG8, NONE, RGB, SHORT, YCBCR, tiff

from codec.errors import BadImage, TooLarge
from codec.pixels.picture import join
from codec.pixels.read import load

LAYOUTS = [
    {"byteorder": order, "bigtiff": big, "tile": tile, "rowsperstrip": None if tile else 7}
    for order, big, tile in itertools.product("<>", (False, True), (None, (16, 32)))
]


def photo(height, width, channels, depth):
    y, x = np.mgrid[:height, :width]
    wave = np.stack([np.sin(x / (5 + i)) + np.cos(y / (7 - i)) for i in range(channels)], 2)
    return ((wave + 2) / 4 * (2**depth - 1)).astype(f"u{depth // 8}")


def written(samples, planar="contig", **options):
    """Gray (with alpha) or RGB(A) samples [H, W, C] as a TIFF."""
    channels, file = samples.shape[2], io.BytesIO()
    tifffile.imwrite(
        file,
        np.moveaxis(samples, 2, 0) if planar == "separate" else samples[..., 0] if channels == 1 else samples,
        photometric="rgb" if channels > 2 else "minisblack",
        planarconfig=planar if channels > 1 else None,
        extrasamples=None if channels % 2 else ["unassalpha"],
        metadata=None,
        **options,
    )
    return file.getvalue()


def samples_of(data):
    return join(load(data))


@pytest.mark.parametrize("compression", [None, "lzw", "zlib", "packbits", "lzma", "zstd"])
@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_layouts_compressions_predictors_and_planes(compression, planar):
    for layout, predictor, channels, depth in itertools.product(LAYOUTS, (False, True), (1, 2, 3, 4), (8, 16)):
        if predictor and compression in (None, "packbits"):
            continue
        samples = photo(45, 52, channels, depth)
        data = written(samples, planar, compression=compression, predictor=predictor, **layout)
        assert np.array_equal(samples_of(data), samples), (layout, predictor, channels, depth)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("compression", [None, "lzw"])
def test_gray_of_16_bits_multiplied_by_alpha_or_beside_something_unknown(order, compression):
    samples = photo(45, 52, 2, 16)
    gray, alpha = (samples[..., i].astype(np.uint32) for i in range(2))
    samples[..., 0] = gray * alpha // 65535
    for kind, channels in (("assocalpha", 2), ("unspecified", 1)):
        file = io.BytesIO()
        tifffile.imwrite(
            file,
            samples,
            photometric="minisblack",
            planarconfig="contig",
            extrasamples=[kind],
            compression=compression,
            byteorder=order,
        )
        found = samples_of(file.getvalue())
        assert found.shape == (45, 52, channels)
        if channels == 1:
            assert np.array_equal(found[..., 0], samples[..., 0])
        else:  # a level of what was multiplied is as many of what was not
            assert np.array_equal(found[..., 1], alpha)
            assert (np.abs(found[..., 0] - gray.astype(float)) <= 65535 / np.maximum(alpha, 1) + 0.5).all()


def test_a_predictor_that_libtiff_passes_over_is_refused():
    data = written(photo(45, 52, 3, 8), compression="packbits", predictor=True)
    with pytest.raises(BadImage, match="predictor"):
        load(data)


def described(samples, photometric, **more):
    """An uncompressed file of samples [H, W, C], side by side or, with planar=2, in planes; and tags `_NUMBER`."""
    height, width, channels = samples.shape
    planes = np.moveaxis(samples, 2, 0) if "_284" in more else [samples]
    data = [np.ascontiguousarray(plane).tobytes() for plane in planes]
    tags = {256: [width], 257: [height], 258: [8 * samples.itemsize] * channels, 259: [NONE], 262: [photometric]}
    tags |= {277: [channels], 278: [height], 279: list(map(len, data))}
    tags |= {int(name[1:]): values for name, values in more.items()}
    packed = {tag: (LONG if tag in (256, 257, 278, 279) else SHORT, values) for tag, values in tags.items()}
    return tiff(data, packed | {273: (LONG, None)})


@pytest.mark.parametrize("orientation", [1, 2, 5, 6, 8])
@pytest.mark.parametrize(
    ("photometric", "channels", "tags"),
    [
        (RGB, 3, {}),
        (RGB, 4, {"_338": [2]}),
        (RGB, 4, {"_338": [1]}),
        (RGB, 4, {"_338": [0]}),
        (RGB, 5, {"_338": [2, 0]}),
        (BLACK, 2, {"_338": [2]}),
        (CMYK, 4, {}),
        (YCBCR, 3, {"_530": [1, 1]}),
        (RGB, 3, {"_266": [2]}),
    ],
)
def test_planes_are_the_samples_side_by_side(photometric, channels, tags, orientation):
    samples = photo(20, 31, channels, 8)
    tags = tags | {"_274": [orientation]}
    joined, planes = (load(described(samples, photometric, **tags, **more)) for more in ({}, {"_284": [2]}))
    assert np.array_equal(join(joined), join(planes)) and joined.pixels.any()
    assert (joined.exif, joined.notes) == (planes.exif, planes.notes)


def test_planes_keep_what_is_said_of_them():
    planes = written(photo(20, 31, 3, 16), "separate", description="two hills", bigtiff=True)
    assert b"two hills" in load(planes).exif


def big_endian(samples):
    """An uncompressed BigTIFF in big-endian order of samples [H, W, 3], with a time in its EXIF."""
    height, width, _ = samples.shape
    tags = {256: [width], 257: [height], 259: [NONE], 262: [RGB], 277: [3], 278: [height], 279: [samples.size]}
    packed = {tag: (LONG, values) for tag, values in tags.items()} | {258: (SHORT, [8, 8, 8]), 273: (LONG8, None)}
    end = len(tiff([samples.tobytes()], packed | {34665: (LONG8, [0])}, ">", True))
    data = tiff([samples.tobytes()], packed | {34665: (LONG8, [end])}, ">", True)
    return data + struct.pack(">QHHQQQ", 1, 0x9003, 2, 20, end + 36, 0) + b"2026:11:28 12:00:00\0"


def test_a_big_endian_bigtiff_keeps_its_exif_and_is_one_picture():
    samples = photo(20, 31, 3, 8)
    picture = load(big_endian(samples))
    assert np.array_equal(picture.pixels, samples) and b"2026:11:28 12:00:00" in picture.exif
    file = io.BytesIO()
    with tifffile.TiffWriter(file, bigtiff=True, byteorder=">") as writer:
        for _ in range(2):
            writer.write(samples, photometric="rgb")
    with pytest.raises(BadImage, match="several pages"):
        load(file.getvalue())


def test_planes_of_lying_tags_are_refused():
    samples = photo(20, 31, 3, 8)
    lies = (
        {"_273": (2, b"here\0")},
        {"_322": (LONG, [0]), "_323": (LONG, [16])},
        {"_322": (LONG, [1]), "_323": (LONG, [1])},
    )
    for lie in lies:
        tags = {int(name[1:]): value for name, value in lie.items()}
        data = tiff(
            [np.ascontiguousarray(plane).tobytes() for plane in np.moveaxis(samples, 2, 0)],
            {256: (LONG, [31]), 257: (LONG, [20]), 258: (SHORT, [8] * 3), 259: (SHORT, [NONE]), 262: (SHORT, [RGB])}
            | {277: (SHORT, [3]), 284: (SHORT, [2])}
            | ({324: (LONG, None), 325: (LONG, [620] * 3)} if 322 in tags else {278: (LONG, [20])})
            | tags,
        )
        with pytest.raises(BadImage) as caught:
            load(data)
        assert not any(word in str(caught.value) for word in ("object", "operand", "'"))


def test_a_lying_big_endian_bigtiff_is_read_or_refused():
    data = big_endian(photo(20, 31, 3, 8))
    refused = 0
    for place in [*range(4, 16), *range(16 + 20 * 31 * 3, len(data))]:
        for value in (0, 1, 0x80, 0xFF):
            with contextlib.suppress(BadImage, TooLarge):
                load(data[:place] + bytes([value]) + data[place + 1 :], 10**6)
                refused -= 1
            refused += 1
    assert refused > 300


def test_negative_samples_are_refused():
    samples = photo(20, 31, 1, 8)
    dark = load(described(samples // 2, BLACK, _339=[2]))
    assert np.array_equal(dark.pixels, samples // 2)
    with pytest.raises(BadImage, match="negative"):
        load(described(samples, BLACK, _339=[2]))


def test_32_bits_of_which_16_are_used_lose_nothing():
    file = io.BytesIO()
    samples = photo(20, 31, 1, 16)[..., 0]
    tifffile.imwrite(file, samples.astype(np.uint32), photometric="minisblack")
    picture = load(file.getvalue())
    assert np.array_equal(picture.pixels[..., 0], samples) and picture.notes == ()


@pytest.mark.parametrize(
    ("compression", "words"), [("jpegxl", "JPEG XL"), ("lerc", "LERC"), ("png", "PNG"), ("jpeg2000", "JPEG 2000")]
)
def test_what_libtiff_cannot_decompress_is_named(compression, words):
    with pytest.raises(BadImage, match=f"its compression, {words}, is not supported"):
        load(written(photo(20, 32, 3, 8), compression=compression))
