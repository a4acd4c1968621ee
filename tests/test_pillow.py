"""The Pillow plugin, after the patterns of Pillow's own plugin tests: detection, laziness, modes, metadata, file
objects, damage, threads, leaks.
"""

import io
import subprocess
import sys

import numpy as np
import pillow_files
import pytest
from conftest import photograph, psnr
from PIL import Image, ImageOps, UnidentifiedImageError
from pillow_files import SRGB, XMP, exif, opened, saved

import codec
import codec.pillow
from codec.bitstream import container, layout

image = pytest.fixture(scope="module")(pillow_files.image)
data = pytest.fixture(scope="module")(pillow_files.data)
path = pytest.fixture(pillow_files.path)


def claiming(width, height):
    """A file whose header is right and claims this size; its tiles are empty."""
    count = -(-width // layout.TILE) * -(-height // layout.TILE)
    header = container.Header(width, height, 6000, 3, 8, False, b"none")
    return container.pack(container.Aec(header, [container.Tile(b"", 0)] * count))


# Registration and detection


def test_registered_as_a_format():
    assert (
        Image.registered_extensions()[".aec"] == Image.EXTENSION[".aec"] == "AEC" and Image.MIME["AEC"] == "image/x-aec"
    )
    assert {"AEC"} <= set(Image.OPEN) & set(Image.SAVE) & set(Image.SAVE_ALL)
    codec.pillow.register()
    assert Image.ID.count("AEC") == 1


def test_detected_by_content_alone(data, tmp_path):
    (tmp_path / "a.png").write_bytes(data)
    with Image.open(tmp_path / "a.png") as image:
        assert (image.format, image.format_description, image.get_format_mimetype()) == (
            "AEC",
            "aecodec learned image",
            "image/x-aec",
        )
        assert isinstance(image, codec.pillow.AecImageFile) and (image.size, image.mode) == ((56, 40), "RGB")


def test_formats_restrict_detection(data):
    assert (
        Image.open(io.BytesIO(data), formats=["aec"]).format
        == Image.open(io.BytesIO(data), formats=("PNG", "AEC")).format
        == "AEC"
    )
    with pytest.raises(UnidentifiedImageError):
        Image.open(io.BytesIO(data), formats=["PNG", "JPEG"])
    for other in (b"", b"\xae", b"\xaeAE", b"\x89PNG\r\n\x1a\n" + bytes(100)):
        with pytest.raises(UnidentifiedImageError):
            Image.open(io.BytesIO(other), formats=["AEC"])


def test_other_formats_open_as_before(image):
    for format in ("PNG", "JPEG", "WEBP", "BMP"):
        file = io.BytesIO()
        image.save(file, format)
        assert Image.open(file).format == format


def test_opening_imports_no_torch(path):
    code = (
        "import sys, codec.pillow\nfrom PIL import Image\n"
        "image = Image.open(sys.argv[1])\n"
        "assert image.size == (56, 40) and image.getexif()[0x0112] == 6 and len(image.info) == 3\n"
        "image.verify()\n"
        "assert not {'torch', 'compressai', 'safetensors', 'numpy'} & {name.split('.')[0] for name in sys.modules}"
    )
    subprocess.run([sys.executable, "-c", code, path], check=True)


def test_registered_once_more_with_a_model_and_a_device(image, tmp_path):
    """The same weights under another id stand for a model of one's own: its files are read and written without naming
    it.
    """
    from safetensors import safe_open
    from safetensors.numpy import load_file, save

    from codec.model.weights import path_of

    default, other = path_of("default"), tmp_path / "other.safetensors"
    with safe_open(default, "numpy") as file:
        metadata = file.metadata()
    other.write_bytes(save(load_file(default), metadata | {"comment": "the same weights"}))
    coded = saved(image, model=str(other))
    assert codec.info(coded)["model"] != codec.info(saved(image))["model"]
    with pytest.raises(OSError, match="is not installed"):
        opened(coded).load()
    try:
        codec.pillow.register(model=str(other), device="cpu")
        assert saved(image) == coded and opened(coded).getpixel((0, 0)) == opened(
            saved(image, model="default")
        ).getpixel((0, 0))
    finally:
        codec.pillow.register()
    with pytest.raises(OSError, match="nonesuch"):
        saved(image, model="nonesuch")


# Modes


@pytest.mark.parametrize(
    "mode, back",
    [
        ("L", "L"),
        ("LA", "LA"),
        ("RGB", "RGB"),
        ("RGBA", "RGBA"),
        ("I;16", "I;16"),
        ("1", "L"),
        ("P", "RGB"),
        ("PA", "RGBA"),
        ("La", "LA"),
        ("RGBa", "RGBA"),
        ("RGBX", "RGB"),
        ("CMYK", "RGB"),
        ("YCbCr", "RGB"),
        ("HSV", "RGB"),
        ("I", "I;16"),
        ("I;16B", "I;16"),
    ],
)
def test_modes(mode, back):
    picture = photograph(40, 56, 3)
    if mode.startswith("I"):
        levels = photograph(40, 56, 3, 1, 16)[..., 0]
        source = Image.fromarray(levels.astype({"I": np.int32, "I;16": "<u2", "I;16B": ">u2"}[mode]))
        assert source.mode == mode
    else:
        source = Image.fromarray(picture)
        if mode in ("LA", "La", "PA", "RGBA", "RGBa"):
            source.putalpha(Image.linear_gradient("L").resize(source.size))
            source = source.convert("LA") if mode == "La" else source
        source = source.convert(mode, dither=Image.Dither.NONE)
    file = opened(saved(source, quality=90))
    assert (file.mode, file.size) == (back, source.size)
    assert file.load() is not None and file.mode == back
    if mode.startswith("I"):
        assert psnr(np.asarray(file), levels, 65535) > 34
    else:
        expected = source.convert(back)
        assert psnr(np.asarray(file.convert("RGB")), np.asarray(expected.convert("RGB"))) > (
            14 if mode == "1" else 24 if mode in ("P", "PA") else 30
        )
        if "A" in back:
            assert file.getchannel("A").tobytes() == expected.getchannel("A").tobytes()


def test_pixels_are_those_of_the_library(image, data, coder):
    assert np.array_equal(np.asarray(opened(data)), np.asarray(coder.decode(data)))
    assert saved(image) == coder.encode(image, 60) and saved(image, quality=33.5) == coder.encode(image, 33.5)


def test_deep_colour_opens_with_eight_bits(coder):
    for channels, mode in ((3, "RGB"), (4, "RGBA"), (2, "LA")):
        samples = np.dstack([photograph(24, 32, depth=16)] * 2)[..., :channels]
        assert (
            opened(coder.encode(samples)).mode == mode and np.asarray(opened(coder.encode(samples))).dtype == np.uint8
        )


def test_transparent_colour_becomes_alpha(image):
    keyed = image.copy()
    keyed.info["transparency"] = keyed.getpixel((3, 3))
    assert opened(saved(keyed)).getpixel((3, 3))[3] == 0
    palette = image.quantize(9)
    palette.info["transparency"] = 2
    assert np.array_equal(np.asarray(opened(saved(palette)))[..., 3] == 0, np.asarray(palette) == 2)


@pytest.mark.parametrize("mode, what", [("F", "mode F"), ("I", "outside the range")])
def test_modes_without_a_place_are_refused(mode, what):
    with pytest.raises(OSError, match=what):
        saved(Image.new(mode, (4, 4), -7))
    with pytest.raises(OSError, match="empty"):
        saved(Image.new("RGB", (0, 4)))


# Metadata


def test_metadata_is_there_before_the_pixels(data):
    file = opened(data)
    assert file.info == {"exif": exif().tobytes(), "icc_profile": SRGB, "xmp": XMP}
    assert file.getexif()[0x010F] == "Maker" and file.tile
    before = dict(file.info)
    file.load()
    assert file.info == before and not file.tile
    assert opened(saved(file)).info == {"icc_profile": SRGB}  # as Pillow's own: only the profile goes along unasked


def test_exif_as_bytes_or_object(image):
    block = exif().tobytes()
    for given in (exif(), block, block[6:]):
        assert opened(saved(image, exif=given)).info == {"exif": block}
    assert (
        opened(saved(image, exif=Image.Exif())).info
        == opened(saved(image, exif=b"")).info
        == opened(saved(image, exif=None)).info
        == {}
    )
    with pytest.raises(ValueError, match="EXIF"):
        saved(image, exif=b"no block")


def test_profile_and_xmp_as_given(image):
    profiled = image.copy()
    profiled.info |= {"icc_profile": SRGB, "exif": exif().tobytes(), "xmp": XMP, "dpi": (72, 72)}
    assert opened(saved(profiled)).info == {"icc_profile": SRGB}
    assert opened(saved(profiled, icc_profile=None)).info == {}
    assert opened(saved(image, icc_profile=SRGB, xmp=XMP.decode())).info == {"icc_profile": SRGB, "xmp": XMP}
    assert opened(saved(image.convert("L"), icc_profile=SRGB)).info == {}  # a profile of colours does not fit gray
    assert profiled.info["xmp"] == XMP


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_kept_and_applied_once(image, orientation):
    file = opened(saved(image, exif=exif(orientation), quality=90))
    assert file.size == image.size
    turned = ImageOps.exif_transpose(file)
    reference = image.copy()
    reference.getexif()[0x0112] = orientation
    expected = ImageOps.exif_transpose(reference)
    assert turned.size == expected.size and psnr(turned, expected) > 30
    assert turned.getexif().get(0x0112, 1) == 1


def test_damaged_metadata_is_left_out_and_refused_by_load(data):
    damaged = bytearray(data)
    damaged[data.index(XMP)] ^= 1
    file = opened(bytes(damaged))
    assert set(file.info) == {"exif", "icc_profile"}
    with pytest.raises(OSError, match="section xmp is damaged"):
        file.load()


# Broken files


def test_truncated_files(data):
    for length in [*range(0, len(data), 61), len(data) - 1]:
        try:
            file = opened(data[:length])
        except OSError:  # also UnidentifiedImageError
            assert length < 200
            continue
        for read in (file.load, file.verify, file.load):  # refused every time
            with pytest.raises(OSError, match=f"ends too early.*got {length}"):
                read()


def test_damaged_files(data):
    damaged = bytearray(data)
    for place in range(0, len(data), 37):
        damaged[place] ^= 16
        with pytest.raises(OSError):
            opened(bytes(damaged)).load()
        with pytest.raises(OSError):
            opened(bytes(damaged)).verify()
        damaged[place] ^= 16
    opened(bytes(damaged)).load()


def test_damaged_header_says_why(data):
    with pytest.raises(OSError, match="checksum") as caught:
        opened(data[:9] + bytes([data[9] ^ 1]) + data[10:])
    assert isinstance(caught.value.__cause__, codec.CodecError)


def test_pillows_bomb_check_comes_before_any_pixel(monkeypatch):
    with pytest.raises(Image.DecompressionBombError):
        opened(claiming(20_000, 10_000))
    with pytest.warns(Image.DecompressionBombWarning):
        file = opened(claiming(10_000, 10_000))
    with pytest.raises(OSError, match="not installed"):
        file.load()
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(Image.DecompressionBombError):
        opened(claiming(20, 20))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    file = opened(claiming(20_000, 20_000))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10**6)
    with pytest.raises(OSError, match="more than"):  # checked once more where memory is taken
        file.load()


def test_thin_bombs_are_refused_too():
    """A line of pixels takes as much memory as the 16 lines of its blocks, which Pillow's check does not know."""
    file = opened(claiming(1, 2**25 + 32))
    with pytest.raises(OSError, match="memory"):
        file.load()


# Saving


def test_saving_to_paths(image, tmp_path):
    for name in ("a.aec", "b.AEC"):
        image.save(tmp_path / name, quality=50)
        with Image.open(tmp_path / name) as file:
            assert file.format == "AEC" and file.size == image.size
    assert (tmp_path / "a.aec").read_bytes() == saved(image, quality=50, unknown="ignored", optimize=True)
    with Image.open(tmp_path / "a.aec") as file:  # onto itself, while still lazy
        file.save(tmp_path / "a.aec", quality=20, lossless=False)
    assert codec.info(tmp_path / "a.aec")["quality"] == 20


@pytest.mark.parametrize("quality", [0, 101, -1, "best", float("nan"), None])
def test_bad_quality_is_a_value_error_and_leaves_no_file(image, tmp_path, quality):
    with pytest.raises(ValueError, match="quality"):
        image.save(tmp_path / "a.aec", quality=quality)
    assert list(tmp_path.iterdir()) == []


def test_the_current_frame_of_an_animation_is_saved():
    frames = [Image.fromarray(photograph(32, 32, seed)) for seed in range(3)]
    file = io.BytesIO()
    frames[0].save(file, "WEBP", save_all=True, append_images=frames[1:], lossless=True)
    animation = Image.open(file)
    animation.seek(1)
    assert psnr(np.asarray(opened(saved(animation, quality=90)).convert("RGB")), np.asarray(frames[1])) > 30
    for options in ({"save_all": True}, {"append_images": frames[1:]}):
        with pytest.raises(ValueError, match="one picture"):
            saved(animation, **options)
    assert opened(saved(frames[0], save_all=True)).size == (32, 32)


def test_imageio_reads_and_writes(tmp_path):
    import imageio.v3 as iio

    picture = photograph(40, 56)
    iio.imwrite(tmp_path / "a.aec", picture, quality=80)
    assert psnr(iio.imread(tmp_path / "a.aec"), picture) > 30
    assert iio.improps(tmp_path / "a.aec").shape == (40, 56, 3)
    deep = photograph(40, 56, 1, 1, 16)[..., 0]
    iio.imwrite(tmp_path / "deep.aec", deep)
    back = iio.imread(tmp_path / "deep.aec")
    assert back.dtype == np.uint16 and psnr(back, deep, 65535) > 30
    (tmp_path / "a.aec").write_bytes((tmp_path / "a.aec").read_bytes()[:-1])
    with pytest.raises(OSError, match="too early"):
        iio.imread(tmp_path / "a.aec")
