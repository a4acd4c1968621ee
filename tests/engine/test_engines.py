"""The engines agree: latents, payloads and pixels of the one in C are those of the one on torch, to the bit."""

import numpy as np
import pytest
import torch

from codec.bitstream import container
from codec.engine.native.engine import NativeEngine
from codec.engine.native.library import load
from codec.engine.torch.engine import TorchEngine
from codec.errors import Missing
from codec.model.fixed import SAMPLE
from codec.model.weights import path_of
from tests.fuzz import tiny
from tests.native import models

SEEDS = 4  # of models of noise, which reach what trained ones do not: limits, saturation, clamps


@pytest.fixture(scope="module", params=["psnr", "tiny", *range(SEEDS)])
def engines(request, tmp_path_factory):
    """One of each kind, of the same model."""
    try:
        load()
    except Missing as missing:
        pytest.skip(str(missing))
    path = {"psnr": path_of("psnr"), "tiny": tiny.PATH}.get(request.param)
    if path is None:
        path = tmp_path_factory.mktemp("model") / "noise.safetensors"
        path.write_bytes(models.noise(request.param))
    return TorchEngine.opened(str(path), "cpu"), NativeEngine.opened(str(path))


@pytest.mark.parametrize("quality", [100, 3777, 6000, 10000])
@pytest.mark.parametrize(
    "height, width, channels, depth", [(1, 1, 3, 8), (3, 5, 3, 8), (4, 2, 1, 16), (5, 7, 3, 16), (6, 9, 1, 8)]
)
def test_latents_payloads_and_pixels_are_the_same(engines, height, width, channels, depth, quality):
    draw = np.random.default_rng(height)
    pixels = draw.integers(0, 2**depth, (16 * height, 16 * width, channels)).astype(f"u{depth // 8}")
    pixels[:, ::2] = pixels[:1, :1]  # half of it is of one colour
    ours, native = engines
    one, two = (engine.analyse(pixels, quality) for engine in engines)
    assert torch.equal(one * 2**SAMPLE, torch.from_numpy(np.asarray(two, np.float64)))
    (tile,) = ours.write([one], [quality])
    assert isinstance(tile, container.Tile) and native.write([two], [quality]) == [tile]
    (one,), (two,) = (engine.read([tile], height, width, [quality]) for engine in engines)
    for shape in ((3, 8), (1, 8), (3, 16), (1, 16)):
        (known,), (found,) = ours.render([one], [quality], *shape), native.render([two], [quality], *shape)
        assert found.dtype == known.dtype and np.array_equal(found, known)
    peeked = [engine.peek(tile.payload[: len(tile.payload) // 2], height, width, quality) for engine in engines]
    (known,), (found,) = (engine.render([y], [quality], 3, 8) for engine, (y, _) in zip(engines, peeked))
    assert np.array_equal(found, known) and peeked[0][1] == peeked[1][1] < 5


def test_an_engine_that_was_sent_on_is_sent_on_as_before():
    """What was asked for counts on the next machine too: auto is another device there, perhaps."""
    engine = TorchEngine.opened("default", "auto")
    make, arguments = engine.__reduce__()
    assert make(*arguments).__reduce__() == (make, arguments)
