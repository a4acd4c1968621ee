"""The Pillow plugin, after the patterns of Pillow's own plugin tests: detection, laziness, modes, metadata, file
objects, damage, threads, leaks.
"""

import copy
import io
import os
import pickle
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from conftest import photograph, psnr
from PIL import Image, ImageCms, ImageFile, ImageOps, ImageSequence, UnidentifiedImageError

import codec
import codec.pillow
from codec.bitstream import container

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"/>'


def exif(orientation=6):
    tags = Image.Exif()
    tags[0x0112], tags[0x010F] = orientation, "Maker"
    return tags


def saved(image, **options):
    file = io.BytesIO()
    image.save(file, "AEC", **options)
    return file.getvalue()


def opened(data):
    return Image.open(io.BytesIO(data))


@pytest.fixture(scope="module")
def image():
    return Image.fromarray(photograph(40, 56))


@pytest.fixture(scope="module")
def data(image):
    return saved(image, exif=exif(), icc_profile=SRGB, xmp=XMP)


@pytest.fixture
def path(data, tmp_path):
    (tmp_path / "a.aec").write_bytes(data)
    return tmp_path / "a.aec"


def claiming(width, height):
    """A file whose header is right and claims this size; its tiles are empty."""
    count = -(-width // container.TILE) * -(-height // container.TILE)
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
    from safetensors.numpy import load_file, save
    from test_model import METADATA

    from codec.model.weights import path_of

    other = tmp_path / "other.safetensors"
    other.write_bytes(save(load_file(path_of("default")), METADATA | {"comment": "the same weights"}))
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


# File objects


class NoSeek:
    def __init__(self, data):
        self.file = io.BytesIO(data)

    def read(self, count=-1):
        return self.file.read(count)


def test_paths_and_file_objects(path, data):
    expected = opened(data).tobytes()
    for source in (path, str(path), os.fsencode(path), io.BytesIO(data), NoSeek(data)):
        with Image.open(source) as file:
            assert file.tobytes() == expected
    with open(path, "rb") as handle:
        handle.seek(7)
        file = Image.open(handle)
        assert file.tobytes() == expected and not handle.closed


def test_files_are_closed(path):
    def descriptors():
        return sum(
            os.path.exists(link) and os.path.samefile(link, path)
            for link in (f"/dev/fd/{name}" for name in os.listdir("/dev/fd"))
        )

    with warnings.catch_warnings():
        warnings.simplefilter("error", ResourceWarning)
        file = Image.open(path)
        assert descriptors() == 1
        file.load()
        assert descriptors() == 0
        with Image.open(path):
            pass
        Image.open(path).verify()
        Image.open(path).close()
        assert descriptors() == 0
    path.write_bytes(path.read_bytes()[:-1])
    with Image.open(path) as file, pytest.raises(OSError):
        file.load()
    path.write_bytes(b"\xaeAEC nothing")
    with pytest.raises(OSError):
        Image.open(path)
    assert descriptors() == 0


def test_pixels_outlive_the_file(path):
    with Image.open(path) as file:
        file.load()
    path.unlink()
    assert file.crop((3, 3, 9, 9)).size == (6, 6) and file.resize((5, 5)).mode == "RGB"


def test_incremental_parser(data):
    parser = ImageFile.Parser()
    for start in range(0, len(data), 100):
        parser.feed(data[start : start + 100])
    assert parser.close().tobytes() == opened(data).tobytes()
    parser = ImageFile.Parser()
    parser.feed(data[:-1])
    with pytest.raises(OSError):
        parser.close()


def test_thumbnails_never_hold_the_whole(coder):
    picture = photograph(300, 430)
    data = coder.encode(picture, 90)
    file = opened(data)
    assert (
        file.draft(None, (60, 60)) == ("RGB", (0, 0, 107.5, 75))
        and file.size == (108, 75)
        and file.draft(None, (9, 9)) is None
    )
    means = np.asarray(coder.decode(data, scale=1 / 4))
    assert np.array_equal(np.asarray(file), means)
    file = opened(data)
    file.thumbnail((50, 50))
    expected = Image.fromarray(picture)
    expected.thumbnail((50, 50))
    assert file.size == expected.size and psnr(file, expected) > 30
    file = opened(data)
    assert (
        file.draft("L", None) is None
        and file.draft("RGB", (1000, 10)) == ("RGB", (0, 0, 430, 300))
        and np.asarray(file).shape == (300, 430, 3)
    )
    assert file.draft(None, (9, 9)) is None  # too late


def test_one_frame(data):
    file = opened(data)
    assert len(list(ImageSequence.Iterator(file))) == 1 and file.tell() == 0 and getattr(file, "n_frames", 1) == 1
    with pytest.raises(EOFError):
        file.seek(1)


# Copies


def test_copies_and_pickles(path):
    with Image.open(path) as file:
        copies = [copy.copy(Image.open(path)), copy.deepcopy(Image.open(path)), Image.open(path).copy()]
        copies += [pickle.loads(pickle.dumps(file, protocol)) for protocol in range(pickle.HIGHEST_PROTOCOL + 1)]
        for other in copies:
            assert other.tobytes() == file.tobytes() and other.info == file.info and other.mode == file.mode
        assert copies[-1] == file
    copies[-1].putpixel((0, 0), (1, 2, 3))
    assert copies[-2].getpixel((0, 0)) != (1, 2, 3)


def test_operations_on_lazy_images(path):
    for work in (
        lambda image: image.thumbnail((20, 20)),
        lambda image: image.putpixel((0, 0), (9, 9, 9)),
        lambda image: image.paste((1, 2, 3), (0, 0, 5, 5)),
        lambda image: image.putalpha(7),
        lambda image: image.rotate(90),
        lambda image: image.histogram(),
        lambda image: image.draft("L", (20, 20)),
        lambda image: np.asarray(image),
        lambda image: memoryview(np.array(image)),
        lambda image: image.show and image.getcolors(),
        lambda image: image.split(),
    ):
        image = Image.open(path)
        work(image)
        image.load()
        saved(image)


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


# Threads and leaks


def test_threads_open_and_save_as_one_does(path):
    expected = opened(path.read_bytes()).tobytes()
    picture = Image.fromarray(photograph(24, 32))
    coded, interval = saved(picture), sys.getswitchinterval()

    def work(_):
        with Image.open(path) as file:
            return file.tobytes() == expected and saved(picture) == coded

    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as pool:
            assert all(pool.map(work, range(16)))
    finally:
        sys.setswitchinterval(interval)


def test_after_the_file_is_gone(tmp_path, monkeypatch):
    """As of Pillow's own pictures: an exception that says so, and never an array without pixels."""
    monkeypatch.chdir(tmp_path)
    Image.fromarray(photograph(32, 40)).save("x.aec")

    def entered():
        with Image.open("x.aec") as picture:
            return picture

    def after(method):
        picture = Image.open("x.aec")
        getattr(picture, method)()
        return picture

    uses = [np.asarray, np.array, lambda im: im.load(), Image.Image.copy, Image.Image.tobytes]
    uses += [lambda im: im.convert("L"), lambda im: im.resize((4, 4)), lambda im: im.save(io.BytesIO(), "PNG")]
    uses += [lambda im: im.thumbnail((4, 4)), lambda im: im.getpixel((0, 0))]
    for make in (entered, lambda: after("close"), lambda: after("verify")):
        for use in uses:
            with pytest.raises(ValueError, match="closed image"):
                use(make())
        with pytest.raises(RuntimeError, match="directly after open"):
            make().verify()
        assert make().size == (40, 32) and make().close() is None
    loaded = Image.open("x.aec")
    loaded.load()
    loaded.close()
    with pytest.raises(ValueError, match="closed image"):
        np.asarray(loaded)
