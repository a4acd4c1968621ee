"""Files in WebAssembly under Node: the samples of the native engine, to the last bit, and its refusals."""

import hashlib
import json

import numpy as np
import pytest
from conftest import photograph
from PIL import Image

import codec
from codec.pixels.picture import Picture, join, shallow, turned
from codec.pixels.read import load
from codec.pixels.terms import MAX_PIXELS
from tests.golden.make import BAD, GOOD
from tests.web import node

GOLDEN = json.loads((GOOD / "golden.json").read_text())
ERRORS = json.loads((BAD / "errors.json").read_text())
SAMPLES = {"format": "samples"}


def sha256(array):
    little = array.astype(array.dtype.newbyteorder("<"), copy=False)
    return hashlib.sha256(np.ascontiguousarray(little).tobytes()).hexdigest()


def decoded(files, models, folder, threads=1, **options):
    """What Node makes of files."""
    paths = [folder / f"{number}.aec" for number in range(len(files))]
    for path, file in zip(paths, files, strict=True):
        path.write_bytes(file)
    return node.run("decode.mjs", models, files=paths, options=options, opening={"threads": threads})


def test_golden_files(web_models):
    found = node.run("decode.mjs", web_models, files=[GOOD / f"{name}.aec" for name in GOLDEN], options=SAMPLES)
    for name, one in zip(GOLDEN, found, strict=True):
        expected = load(GOOD / f"{name}.png")
        height, width, channels = expected.pixels.shape
        assert one.get("data") == GOLDEN[name]["pixels"], (name, one)
        assert (one["width"], one["height"], one["channels"]) == (width, height, channels)
        assert (one["depth"], one["model"]) == (expected.depth, GOLDEN[name]["model"])
        assert one["alpha"] == (None if expected.alpha is None else sha256(expected.alpha))


def test_bad_files_are_refused_with_the_error_of_python(web_models):
    options = SAMPLES | {"maxPixels": MAX_PIXELS}
    found = node.run("decode.mjs", web_models, files=[BAD / name for name in ERRORS], options=options)
    for name, one in zip(ERRORS, found, strict=True):
        assert one.get("error") == ERRORS[name], (name, one)
        assert 10 < len(one["message"]) < 250 and "\n" not in one["message"]


def test_pictures_of_odd_sizes_and_several_tiles(web_models, tmp_path):
    coder, rng, files = codec.Codec("default", engine="native"), np.random.default_rng(23), []
    sizes = [tuple(map(int, rng.integers(1, 150, 2))) for _ in range(36)] + [(1100, 90), (50, 2100), (1040, 1090)]
    for seed, size in enumerate(sizes):
        picture = photograph(*size, seed, (1, 3)[seed % 2], (8, 16)[seed // 2 % 2])
        files.append(coder.encode(picture, rng.integers(100, 10001) / 100, lossless=False))
    for threads in (1, 3):
        found = decoded(files, web_models, tmp_path, threads, **SAMPLES)
        assert [one.get("data") for one in found] == [coder.checksum(file) for file in files]


def test_real_photographs(kodak, web_models, tmp_path):
    coder = codec.Codec("default", engine="native")
    files = [coder.encode(load(path).pixels, 10 + 85 * i / 23, lossless=False) for i, path in enumerate(kodak)]
    found = decoded(files, web_models, tmp_path, 2, **SAMPLES)
    assert [one.get("data") for one in found] == [coder.checksum(file) for file in files]


def tiff(orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif.tobytes().removeprefix(b"Exif\0\0")


@pytest.mark.parametrize("depth", [8, 16])
def test_what_pages_get_is_what_python_shows(depth, web_models, tmp_path):
    """RGBA of 8 bits, upright: of gray and colour, with alpha, turned in every way, of several tiles."""
    coder, files, expected = codec.Codec("default", engine="native"), [], []
    for orientation in range(1, 9):
        channels, size = (1, 3)[orientation % 2], (1030, 40) if orientation in (3, 6) else (30, 50)
        pixels = photograph(*size, orientation, channels, depth)
        alpha = photograph(*size, orientation + 50, 1, depth)[..., 0] if orientation % 3 else None
        files.append(coder.encode(Picture(pixels, alpha, exif=tiff(orientation)), 70, lossless=False))
        shown = join(shallow(turned(coder.decode_picture(files[-1]))))
        colours, rest = np.split(shown, [channels], 2)
        rgba = np.concatenate([np.broadcast_to(colours, (*shown.shape[:2], 3)), rest], 2)
        expected.append(rgba if rest.size else np.pad(rgba, ((0, 0), (0, 0), (0, 1)), constant_values=255))
    found = decoded(files, web_models, tmp_path)
    assert [(one["height"], one["width"]) for one in found] == [rgba.shape[:2] for rgba in expected]
    assert [one["orientation"] for one in found] == list(range(1, 9))
    assert [one["data"] for one in found] == [sha256(rgba) for rgba in expected]
    rgb = decoded(files, web_models, tmp_path, format="rgb")
    assert [one["data"] for one in rgb] == [sha256(rgba[..., :3]) for rgba in expected]
    lying = decoded(files, web_models, tmp_path, orient=False)
    assert (lying[5]["width"], lying[5]["height"]) == (found[5]["height"], found[5]["width"])


def test_bits_are_counted_as_python_counts_them(web_models, tmp_path):
    coder = codec.Codec("default", engine="native")
    cases = ((90, 1100, 3, 3), (60, 97, 3, 62.5), (130, 90, 1, 100))  # height, width, channels, quality
    files = [coder.encode(photograph(*case[:2], 5, case[2]), case[3], lossless=False) for case in cases]
    files.append(coder.encode(photograph(70, 50, 6, 3), lossless=True))
    paths = [tmp_path / f"{number}.aec" for number in range(len(files))]
    for path, file in zip(paths, files, strict=True):
        path.write_bytes(file)
    for file, one in zip(files, node.run("bits.mjs", web_models, files=paths), strict=True):
        expected = coder.bits_map(file)
        assert (one["height"], one["width"]) == expected.shape
        assert one["values"] == pytest.approx(expected.ravel().tolist(), rel=1e-5, abs=1e-2)
