"""The native engine behind the seam: whole files by the ordinary Codec, with a model of noise."""

import subprocess
import sys

import numpy as np
import pytest
from conftest import photograph

from codec.engine.native import library
from codec.engine.native.engine import NativeEngine
from codec.engine.native.model import Model
from codec.errors import Corrupt
from codec.pipeline.codec import Codec
from tests.native import models

pytestmark = pytest.mark.skipif(library.path() is None, reason="installed without a C compiler")


@pytest.fixture(scope="module")
def coder():
    return Codec.over(NativeEngine(Model(models.noise())))


def encoded(coder, *size, quality=60, **options):
    return coder.encode(photograph(*size), quality, lossless=False, **options)


def test_tiles_of_a_file_leave_no_seam(coder):
    """The latents of a picture of four tiles, rendered as one window, are the pixels of the file."""
    file = encoded(coder, 1100, 1050)
    pixels, engine = np.asarray(coder.decode(file)), coder.engine
    whole = engine.analyse(np.pad(photograph(1100, 1050), ((0, 4), (0, 6), (0, 0)), "edge"), 6000)
    assert whole.shape == (12, 69, 66)
    found = coder.decode(file, crop=(1000, 990, 50, 60))
    assert (np.asarray(found) == pixels[990:1050, 1000:1050]).all()
    joined = engine.blank(69, 66)
    for rows in (slice(0, 64), slice(64, 69)):
        for columns in (slice(0, 64), slice(64, 66)):
            part = whole[:, rows, columns]
            tiles = engine.write([part], [6000])
            (joined[:, rows, columns],) = engine.read(tiles, *part.shape[1:], [6000])
    (rendered,) = engine.render([joined], [6000], 3, 8)
    assert (rendered[:1100, :1050] == pixels).all()


def test_a_pieced_analysis_is_the_whole_one(coder):
    """Tiles side by side are analysed at once or one by one; either gives the same file."""
    file = encoded(coder, 80, 2100)
    assert file == encoded(coder, 80, 2100)
    engine, pixels = coder.engine, np.pad(photograph(80, 2100), ((0, 0), (0, 12), (0, 0)), "edge")
    whole = engine.analyse(pixels, 6000)
    part = engine.analyse(pixels[:, 1024 - 64 :], 6000, (0, 0, 4, 0))
    assert (part == whole[:, :, 64:]).all()


def test_gray_and_deep(coder):
    for channels, depth in [(1, 8), (3, 16), (1, 16)]:
        picture = photograph(50, 70, 0, channels, depth)
        scan = coder.decode_picture(coder.encode(picture, 80, lossless=False))
        assert scan.pixels.shape == (50, 70, channels) and scan.pixels.dtype == f"u{depth // 8}"


def test_a_batch_is_its_pictures(coder):
    pictures = [photograph(64, 64, seed) for seed in range(5)] + [photograph(40, 90)]
    files = coder.encode_batch(pictures, 70, lossless=False)
    assert files == [coder.encode(picture, 70, lossless=False) for picture in pictures]
    broken = files[1][:-5] + bytes([files[1][-5] ^ 1]) + files[1][-4:]
    found = coder.decode_batch([files[0], broken, files[2]], return_exceptions=True)
    assert isinstance(found[1], Corrupt)
    assert all((np.asarray(found[i]) == np.asarray(coder.decode(files[i]))).all() for i in (0, 2))


def test_bits_are_those_of_the_payload(coder):
    file = encoded(coder, 256, 320)  # whole positions of z, whose bits lie outside the picture otherwise
    assert 0 <= len(file) - coder.bits_map(file).sum() / 8 < 40


def test_latents_in_the_units_of_the_analysis(coder):
    """What is decoded lies near what was analysed: within a quantiser step or so, but for pulls."""
    engine, pixels = coder.engine, photograph(160, 160)
    y = engine.analyse(pixels, 9000)
    (decoded,) = engine.read(engine.write([y], [9000]), 10, 10, [9000])
    step = engine.model.reciprocal(9000)[:, None, None]
    difference = np.abs(engine.array(decoded) - engine.array(y)) / step
    assert np.median(difference) < 0.5 and engine.array(y).dtype == np.float32
    (again,) = engine.write([engine.array(y)], [9000])
    assert again == engine.write([y], [9000])[0]


def test_a_file_takes_neither_torch_nor_compressai():
    code = (
        "import sys; from codec.engine.native.engine import NativeEngine; from codec.engine.native.model import Model;"
        "from tests.native import models; import numpy as np; engine = NativeEngine(Model(models.noise()));"
        "y = engine.analyse(np.zeros((32, 48, 3), np.uint8), 6000); tiles = engine.write([y], [6000]);"
        "engine.render(engine.read(tiles, 2, 3, [6000]), [6000], 3, 8);"
        "assert not {'torch', 'compressai'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
