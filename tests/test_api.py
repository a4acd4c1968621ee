"""The package as a library: every kind of input, shared by threads, options refused, and light to import."""

import io
import json
import os
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import get_type_hints

import api_files
import numpy as np
import pytest
import torch
from conftest import photograph, psnr
from PIL import Image

import codec
from codec.errors import BadImage, BadOption, Corrupt, TooLarge, UnknownModel
from codec.pipeline import batches
from codec.pipeline.options import DecodeOptions, Decoding, EncodeOptions, Encoding

file = pytest.fixture(scope="module")(api_files.file)


# What goes in and comes out


def test_paths_images_and_arrays_give_one_file_each_way(tmp_path, coder):
    picture = photograph(56, 72)
    image = Image.fromarray(picture)
    image.save(tmp_path / "a.bmp")
    coded = {
        name: codec.compress(source, quality=60, device="cpu")
        for name, source in {
            "array": picture,
            "image": image,
            "path": tmp_path / "a.bmp",
            "text": str(tmp_path / "a.bmp"),
            "bytes": (tmp_path / "a.bmp").read_bytes(),
        }.items()
    }
    assert all(type(data) is bytes for data in coded.values())
    assert coded["array"] == coded["image"] == coded["bytes"] == coder.encode(picture, 60)
    assert coded["path"] == coded["text"] and codec.info(coded["path"])["suffix"] == "bmp"
    for data in coded.values():
        decoded = codec.decompress(data, device="cpu")
        assert isinstance(decoded, Image.Image) and decoded.mode == "RGB" and decoded.size == (72, 56)
        assert psnr(decoded, picture) > 30


@pytest.mark.parametrize(
    "shape, dtype, mode",
    [
        ((30, 40), "uint8", "L"),
        ((30, 40, 1), "uint8", "L"),
        ((30, 40, 2), "uint8", "LA"),
        ((30, 40, 3), "uint8", "RGB"),
        ((30, 40, 4), "uint8", "RGBA"),
        ((30, 40), "uint16", "I;16"),
        ((30, 40, 3), "uint16", "RGB"),
        ((30, 40, 3), ">u2", "RGB"),
    ],
)
def test_arrays(shape, dtype, mode, coder):
    depth = 8 * np.dtype(dtype).itemsize
    channels = shape[2] if len(shape) == 3 else 1
    array = np.dstack([photograph(30, 40, 1, 3, depth)] * 2)[..., :channels].reshape(shape).astype(dtype)
    data = coder.encode(array, 80)
    picture = coder.decode_picture(data)
    assert coder.decode(data).mode == mode and codec.info(data)["depth"] == depth == picture.depth
    colours = array[..., None] if array.ndim == 2 else array[..., : 3 if channels > 2 else 1]
    assert psnr(picture.pixels, colours, 2**depth - 1) > 25
    assert (picture.alpha is None) == (channels % 2 == 1)
    assert picture.alpha is None or np.array_equal(picture.alpha, array[..., -1])


def test_views_of_arrays(coder):
    picture = photograph(60, 80)
    for view in (
        picture[::-1],
        picture[:, ::2],
        picture.transpose(1, 0, 2),
        picture[..., ::-1],
        np.asfortranarray(picture),
        picture[5:50, 7:70],
    ):
        assert coder.encode(view, 50) == coder.encode(view.copy(), 50)
    assert not picture.flags.writeable


def test_what_is_decoded_belongs_to_the_caller(coder, file):
    picture = coder.decode_picture(file)
    picture.pixels[:] = 0
    assert coder.decode_picture(file).pixels.any()


def test_files_as_any_bytes(coder, file):
    expected = np.asarray(coder.decode(file))
    for data in (bytearray(file), memoryview(file)):
        assert np.array_equal(codec.decompress(data, device="cpu"), expected) and codec.info(data) == codec.info(file)
        coder.verify(data)


def test_info(file, tmp_path, coder):
    (tmp_path / "a.aec").write_bytes(file)
    info = codec.info(file)
    assert info == codec.info(tmp_path / "a.aec") == codec.info(str(tmp_path / "a.aec"))
    assert json.loads(json.dumps(info)) == info
    assert info == {
        "width": 72,
        "height": 56,
        "mode": "RGB",
        "depth": 8,
        "quality": 60.0,
        "lossless": False,
        "model": coder.model.id.hex(),
        "tiles": 1,
        "suffix": "",
        "bytes": len(file),
        "bpp": pytest.approx(8 * len(file) / (72 * 56), abs=1e-6),
        "sections": {},
    }
    with pytest.raises(codec.CodecError):
        codec.info(b"no file")
    with pytest.raises(OSError):
        codec.info(tmp_path / "none.aec")


def test_encoding_is_deterministic_and_quality_has_hundredths(coder):
    picture = photograph(56, 72)
    assert len({coder.encode(picture, quality) for quality in (60, 60.0, 60.001, np.float32(60), "60")}) == 1
    assert codec.info(coder.encode(picture, 33.335, lossless=False))["quality"] in (33.33, 33.34)
    assert coder.encode(picture) == coder.encode(picture, 60) == codec.compress(picture, device="cpu")


def test_what_fails_in_a_group_is_kept_or_raised():
    """In its place, beside what does not, and whether alone or in the group; what is no error of a picture passes."""

    def run(keep, error):
        batch = batches.Batch(lambda items: [error if item == 1 else item for item in items], keep)
        for number in range(3):
            with batch.number(number):
                batch.wait(number, number, "kind", 2)
        with batch.number(3):
            raise OSError("gone")
        return batch.results()

    bad = Corrupt("bad")
    found = run(True, bad)
    assert found[:3] == [0, bad, 2] and isinstance(found[3], OSError)
    with pytest.raises(Corrupt):
        run(False, bad)
    with pytest.raises(OSError):
        run(False, 7)
    batch = batches.Batch(list, True)
    with pytest.raises(ZeroDivisionError), batch.number(0):
        raise ZeroDivisionError


# Threads


def test_one_codec_shared_by_four_threads(coder):
    """Each thread encodes and decodes other pictures at other qualities, all at once, with switches
    every microsecond.
    """
    jobs = [(photograph(48 + 16 * (i % 4), 64, i, 3 if i % 3 else 1), 5 + 11 * (i % 8)) for i in range(16)]
    serial = [coder.encode(*job) for job in jobs]
    pixels = [np.asarray(coder.decode(data)) for data in serial]
    barrier, interval = threading.Barrier(4), sys.getswitchinterval()

    def work(first):
        barrier.wait()
        order = [(first + 5 * i) % len(jobs) for i in range(len(jobs))]
        return [(i, coder.encode(*jobs[i]), np.asarray(coder.decode(serial[i]))) for i in order]

    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as pool:
            results = [result for thread in pool.map(work, range(4)) for result in thread]
    finally:
        sys.setswitchinterval(interval)
    assert len(results) == 64
    assert all(data == serial[i] and np.array_equal(image, pixels[i]) for i, data, image in results)


def test_codecs_share_their_model():
    assert codec.Codec(device="cpu").model is codec.Codec("default", "cpu").model


# Options


def test_bad_options_are_refused_before_any_work(file):
    for quality in (0, 0.5, 101, float("nan"), "good", None):
        with pytest.raises(BadOption, match="quality"):
            codec.compress(b"not even a picture", quality=quality, device="cpu")
    for device in ("gpu", "cuda:99", "meta", "mps:x", "", "cpu:cpu", 3.5, None):
        with pytest.raises(BadOption, match="device"):
            codec.Codec(device=device)
        with pytest.raises(BadOption):
            codec.decompress(file, device=device)
    with pytest.raises(UnknownModel, match="default"):
        codec.compress(photograph(8, 8), model="nonesuch", device="cpu")
    with pytest.raises(BadOption, match="gps"):
        codec.compress(photograph(8, 8), strip=["gps"], device="cpu")


def test_errors_are_one_family():
    with pytest.raises(ValueError):
        codec.compress(photograph(8, 8), quality=0, device="cpu")
    for error in (BadImage, BadOption, TooLarge, UnknownModel):
        assert issubclass(error, codec.CodecError)
    with pytest.raises(codec.CodecError, match="--max-pixels"):
        codec.decompress(codec.compress(photograph(8, 8), device="cpu"), max_pixels=63, device="cpu")


def test_threads_are_set_where_asked_for():

    before = torch.get_num_threads()
    try:
        codec.Codec(device="cpu", threads=2, engine="torch")
        assert torch.get_num_threads() == 2
        codec.Codec(device="cpu", engine="torch")
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


# Imports


def modules_after(code, *arguments):
    """What the interpreter has imported after `code`, by top-level name."""
    code += "\nimport sys; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


HEAVY = {"torch", "numpy", "PIL", "scipy", "compressai", "safetensors", "click", "tqdm"}


def test_import_and_info_are_light(file, tmp_path):
    (tmp_path / "a.aec").write_bytes(file)
    assert not HEAVY & modules_after("import codec; codec.CodecError; codec.__version__; dir(codec)")
    assert not HEAVY & modules_after(
        "import codec, sys; codec.info(sys.argv[1]); codec.info(open(sys.argv[1], 'rb').read())",
        str(tmp_path / "a.aec"),
    )


def test_coding_imports_no_more_than_it_needs(file, tmp_path):
    (tmp_path / "a.aec").write_bytes(file)
    loaded = modules_after(
        "import codec, sys; codec.compress(codec.decompress(open(sys.argv[1], 'rb').read()))", str(tmp_path / "a.aec")
    )
    assert {"numpy", "PIL"} <= loaded
    assert (
        not {"torch", "compressai", "safetensors", "sympy", "pandas", "scipy", "torchvision", "click", "matplotlib"}
        & loaded
    )
    assert "codec" in loaded


def test_training_is_never_imported_by_the_codec(file, tmp_path):
    code = (
        "import codec; c = codec.Codec(device='cpu'); c.decode(c.encode(__import__('numpy').zeros((8, 8), 'uint8'))); "
        "import sys; print([m for m in sys.modules if m.startswith('codec.training')])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_public_names():
    names = {}
    exec("from codec import *", names)
    assert {"Codec", "CodecError", "compress", "decompress", "info"} == set(names) - {"__builtins__"}
    with pytest.raises(AttributeError, match="nonesuch"):
        codec.nonesuch  # noqa: B018
    assert codec.Codec is codec.pipeline.codec.Codec and codec.__version__.count(".") == 2


def test_pil_files_opened_elsewhere(coder, tmp_path):
    """An image that is still lazy, from a file that is gone by name but open."""
    stored = io.BytesIO()
    Image.fromarray(photograph(40, 56)).save(stored, "PNG")
    image = Image.open(stored)
    assert coder.encode(image, 50) == coder.encode(photograph(40, 56), 50)
    path = tmp_path / "gone.png"
    path.write_bytes(stored.getvalue())
    image = Image.open(path)
    os.unlink(path)
    assert coder.decode(coder.encode(image, 50)).size == (56, 40)


def test_the_keywords_that_type_checkers_know_are_the_options():
    assert {"quality": float, **get_type_hints(Encoding)} == get_type_hints(EncodeOptions)
    assert get_type_hints(Decoding) == get_type_hints(DecodeOptions)
