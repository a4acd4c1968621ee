"""The short way of `aecodec decompress`: the picture that the long way makes, without numpy and Pillow."""

import io
import os
import subprocess
import sys

import numpy as np
import pytest
from conftest import photograph
from PIL import Image, ImageCms

import codec
from codec.engine.native import library, loaded
from codec.pipeline import short
from codec.pixels import write
from codec.pixels.formats import png

pytestmark = pytest.mark.skipif(library.path() is None, reason="the native engine is not built")
ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@pytest.fixture(scope="module")
def model():
    return loaded.load("default")


def compressed(coder, array, kind="PNG", quality=60, **metadata):
    """An .aec file of a picture with metadata."""
    buffer = io.BytesIO()
    Image.fromarray(array.squeeze()).save(buffer, kind, **metadata)
    return coder.encode(buffer.getvalue(), quality, lossless=False)


def test_both_ways_give_one_picture(coder, model):
    rotated = Image.Exif()
    rotated[0x0112] = 6
    for height, width, channels, metadata in (
        (40, 56, 3, {}),
        (17, 16, 1, {}),
        (1, 1, 3, {}),
        (130, 3, 3, {"icc_profile": ICC}),
        (64, 64, 3, {"exif": rotated.tobytes(), "icc_profile": ICC}),
    ):
        data = compressed(coder, photograph(height, width, channels=channels), **metadata)
        made, long = short.decoded(model, data, 0), io.BytesIO()
        with coder.scan(data) as scan:
            write.save(scan, long, "png")
        assert made
        one, other = Image.open(io.BytesIO(made.png())), Image.open(long)
        assert one.mode == other.mode and np.array_equal(one, other)
        assert one.info == other.info and one.getexif() == other.getexif()
        assert len(metadata) <= len(one.info)


def test_other_files_go_the_long_way(coder, model):
    picture = photograph(40, 56)
    opaque = np.full((40, 56, 1), 200, np.uint8)
    fine = compressed(coder, picture)
    assert short.decoded(model, fine, 40 * 56)
    for data in (
        compressed(coder, np.concatenate([picture, opaque], 2)),
        compressed(coder, photograph(1100, 40)),
        coder.encode(picture, lossless=True),
        coder.encode(photograph(40, 56, depth=16), lossless=False),
        codec.Codec("psnr", device="cpu").encode(picture),
        fine[:-1],
        fine[:-9] + bytes([fine[-9] ^ 1]) + fine[-8:],
        b"",
    ):
        assert short.decoded(model, data, 0) is None
    assert short.decoded(model, fine, 40 * 56 - 1) is None


def test_rows_are_filtered_as_numpy_does():
    rng = np.random.default_rng(0)
    for height, width, pixel in ((1, 1, 1), (9, 5, 3), (40, 5000, 4), (3, 2, 6), (200, 41, 3)):
        rows = rng.integers(0, 256, (height, width * pixel)).astype(np.uint8)
        rows[::2] = np.cumsum(rows[::2] % 3, 1)
        rows[height // 2 :] = rows[: height - height // 2]
        wanted = png._filter(rows, np.zeros(width * pixel, np.uint8), pixel)
        assert loaded.filtered(bytearray(rows.tobytes()), height, pixel) == wanted.tobytes()
    assert set(wanted[:, 0]) == {0, 1, 2, 3}


def test_the_command_goes_it(coder, tmp_path):
    (tmp_path / "a.aec").write_bytes(compressed(coder, photograph(40, 56)))
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([os.getcwd(), *filter(None, sys.path)])}

    def imported(*options):
        command = [sys.executable, "-X", "importtime", "-m", "codec", "decompress", "-f", *options, "a.aec"]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment, check=True)
        return {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}

    assert not {"numpy", "PIL", "torch"} & imported()
    assert np.array_equal(Image.open(tmp_path / "a.png"), coder.decode(tmp_path / "a.aec"))
    assert {"numpy", "PIL"} <= imported("-o", "a.jpg")
    assert {"numpy", "PIL"} <= imported("--scale", "1/2")
