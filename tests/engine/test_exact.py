"""The parse is exact: the same symbols, means and table rows under every setting of torch, and an error where a single
one differs.

`benchmarks.exactness` is the same over real photographs; AECODEC_SLOW=1 adds its torch.compile (two minutes) to this
fast version.
"""

import os
import shutil
from itertools import groupby
from unittest.mock import patch

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from conftest import photograph, psnr
from torch.utils._python_dispatch import TorchDispatchMode

import codec
from benchmarks.exactness import BATCH, SETTINGS, agrees, batch_agrees, cuda, parse, precision, same
from codec.engine.torch.device import inference
from codec.engine.torch.model import Model
from codec.errors import CodecError
from codec.model import prior as prior_module
from codec.model.config import MAX_RESIDUAL
from codec.model.prior import EXACT, ROWS, FixedLayer, gather
from tests.fuzz import tiny

QUALITIES = (5, 50, 95)


@pytest.fixture(scope="module")
def files(on_torch):
    """(quality, file, its parse and its pixels by the plain decoder) of each picture: three of a size, one that pads,
    one of two tiles, a gray one.
    """
    pictures = [photograph(200, 264, seed) for seed in range(3)] + [
        photograph(77, 130, 3),
        photograph(40, 1050, 4),
        photograph(96, 96, 5, channels=1),
    ]
    coded = [
        (quality, on_torch.encode(picture, quality, lossless=False)) for quality in QUALITIES for picture in pictures
    ]
    found = []
    for quality, file in coded:
        pixels = []
        found.append((quality, file, parse(on_torch, file, pixels), pixels[0]))
    return found


def test_parse_sees_everything(files, on_torch):
    """The comparisons below compare something: all symbols are there, pictures differ, and so do single integers."""
    for _, file, tiles, _ in files:
        assert len(tiles) == codec.info(file)["tiles"]
        for z, *steps in tiles:
            assert z.shape[1] == on_torch.model.config.hyper and len(steps) == 12
            assert sum(x.numel() for x in steps[::3]) == on_torch.model.config.latent * 16 * z.shape[2] * z.shape[3]
            assert all(0 <= rows.min() and rows.max() < ROWS for rows in steps[1::3])
    parses = [tiles for _, _, tiles, _ in files]
    assert not any(same(a, b) for i, a in enumerate(parses) for b in parses[:i])
    changed = [[x.clone() for x in tile] for tile in parses[0]]
    changed[0][5][0, 1, 2, 3, 4] += 1
    assert not same(changed, parses[0])


@pytest.mark.parametrize("setting", [s for s in SETTINGS if "CUDA" not in s and s != "torch.compile"])
def test_same_integers_under(setting, files, on_torch):
    with SETTINGS[setting](on_torch) as other:
        assert all(agrees(other, *entry, "synthesis" in setting) for _, *entry in files)


@pytest.mark.parametrize("setting", [s for s in SETTINGS if "CUDA" in s])
def test_same_integers_on(setting, files, on_torch):
    if not torch.cuda.is_available():
        pytest.skip("there is no CUDA device")
    with SETTINGS[setting](on_torch) as other:
        assert all(agrees(other, *entry) for _, *entry in files)


def test_files_made_on_cuda_decode_on_the_processor_and_back(on_torch):
    if not torch.cuda.is_available():
        pytest.skip("there is no CUDA device")
    with cuda(on_torch) as other:
        for quality in QUALITIES:
            for maker, reader in ((on_torch, other), (other, on_torch)):
                file = maker.encode(photograph(200, 264), quality)
                assert agrees(reader, file, parse(maker, file))
                assert np.array_equal(maker.decode(file), reader.decode(file))


def test_same_integers_in_a_batch_of_8(files, on_torch):
    assert BATCH == 8
    shape = lambda entry: (entry[0], *entry[1][0].shape)
    entries = sorted(((quality, tile) for quality, _, tiles, _ in files for tile in tiles), key=shape)
    groups = [(key[0], [tile for _, tile in group]) for key, group in groupby(entries, key=shape)]
    assert max(len(tiles) for _, tiles in groups) == 3
    assert all(all(batch_agrees(on_torch, 100 * quality, tiles)) for quality, tiles in groups)


needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")


@needs_compiler
@pytest.mark.skipif(os.environ.get("AECODEC_SLOW") != "1", reason="takes two minutes; AECODEC_SLOW=1 runs it")
def test_same_integers_compiled(files, on_torch):
    with SETTINGS["torch.compile"](on_torch) as other:
        assert all(agrees(other, *entry) for _, *entry in files)


@needs_compiler
def test_compiled_block_gives_the_same_integers(on_torch):
    """One block of the prior: 3x3 and 1x1 layers with all their roundings, at the limits of their inputs."""
    block = on_torch.model.networks.prior.network.blocks[1]
    x = random_integers((1, block.a.weight.shape[1], 8, 8), 2 * int(block.a.limit.max()))
    with torch.inference_mode():
        assert torch.equal(torch.compile(block)(x), block(x))


class LossyProducts(TorchDispatchMode):
    """Rounds the factors of float32 matrix products to bfloat16, as processors may that are fast at it and this one may
    not be.
    """

    products = (
        torch.ops.aten.mm,
        torch.ops.aten.addmm,
        torch.ops.aten.bmm,
        torch.ops.aten.baddbmm,
        torch.ops.aten.convolution,
    )

    def __init__(self):
        super().__init__()
        self.types = set()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        if function.overloadpacket in self.products:
            self.types.add(args[1].dtype)
            lossy = lambda x: (
                x.bfloat16().to(x.dtype) if isinstance(x, torch.Tensor) and x.dtype == torch.float32 else x
            )
            args = (args[0], *map(lossy, args[1:])) if "add" in str(function) else tuple(map(lossy, args))
        return function(*args, **kwargs or {})


def test_float64_takes_over_where_float32_is_allowed_to_lose_bits(files, on_torch):
    with LossyProducts() as lossy:
        assert not any(agrees(on_torch, *entry) for _, *entry in files[-2:])
        assert lossy.types == {torch.float32}
        lossy.types.clear()
        with precision(on_torch, "medium"):
            assert all(agrees(on_torch, *entry) for _, *entry in files[-2:])
        assert lossy.types == {torch.float64}


@pytest.mark.parametrize("library", ["ONEDNN", "DNNL"])
def test_float64_takes_over_where_the_environment_asks_for_lossy_products(library, monkeypatch):
    assert prior_module.float32_is_whole()
    for value, whole in (("BF16", False), ("any", False), ("strict", True)):
        monkeypatch.setenv(f"{library}_DEFAULT_FPMATH_MODE", value)
        assert prior_module.float32_is_whole() == whole


def test_a_caller_with_another_default_type(on_torch):
    file = on_torch.encode(photograph(40, 56), 50)
    pixels = np.asarray(on_torch.decode(file))
    for dtype in (torch.float64, torch.bfloat16):
        torch.set_default_dtype(dtype)
        try:
            assert np.array_equal(on_torch.decode(file), pixels)
            on_torch.verify(on_torch.encode(photograph(40, 56), 50))
        finally:
            torch.set_default_dtype(torch.float32)


def test_synthesis_in_bfloat16_shows_the_same_picture(on_torch):
    file = on_torch.encode(photograph(200, 264), 50)
    with SETTINGS["synthesis in bfloat16"](on_torch) as other:
        half = other.decode(file)
    assert 40 < psnr(half, on_torch.decode(file)) < 90


# The arithmetic itself, against integers


def random_integers(shape, reach, seed=0):
    """Integers up to +-reach, most of them small, float32."""
    generator = torch.Generator().manual_seed(seed)
    size = torch.rand(shape, generator=generator) ** 4 * reach
    return torch.round(size * torch.sign(torch.rand(shape, generator=generator) - 0.5))


def integer_layer(layer, *inputs):
    """FixedLayer over int64 alone: sums are eight times as large, so that the slope of an eighth stays an integer."""
    x = torch.cat(inputs, 1)
    x = torch.maximum(torch.minimum(x.long(), layer.limit.long()[:, None, None]), -layer.limit.long()[:, None, None])
    n, _, h, w = x.shape
    columns = F.unfold(x.double(), layer.kernel, padding=layer.kernel // 2).long() if layer.kernel > 1 else x.flatten(2)
    sums = (layer.weight.long().flatten(1) @ columns + layer.bias.long()[:, None]).view(n, -1, h, w) * 8
    if layer.act:
        sums = torch.where(sums < 0, sums >> 3, sums)
    shift = layer.shift.long()[:, None, None] + 3
    return ((sums + (1 << shift >> 1)) >> shift).to(torch.float32)


def walks_like_integers(model):
    """z and residuals far beyond those of pictures, so that limits, clamps and the ends of the tables take part."""
    prior = model.networks.prior
    for quality, reach in ((100, 3), (3330, 40), (10000, MAX_RESIDUAL)):
        z = random_integers((1, model.config.hyper, 3, 2), reach, quality).double()
        symbols = random_integers((1, model.config.latent, 12, 8), reach, quality + 1).double()
        results = []
        for forward in (FixedLayer.forward, integer_layer):
            heard = []

            def code(t, mean, rows):
                heard.extend((mean.clone(), rows.clone()))
                return gather(symbols, t)

            with patch.object(FixedLayer, "forward", forward), inference(model.networks):
                y = prior.walk(z, quality, code)
            results.append([y, *heard])
        assert all(map(torch.equal, *results))
        assert results[0][0].abs().max() > 0 and len(results[0][2].unique()) > 3


def test_walk_is_the_one_of_pure_integers(on_torch):
    walks_like_integers(on_torch.model)


@pytest.mark.parametrize("seed", range(2, 12))
def test_so_are_the_walks_of_networks_of_noise(seed):
    walks_like_integers(Model(tiny.build(seed)))


def test_sums_are_exact_at_their_bounds(on_torch):
    """The worst input of every output of every layer: its sum is the bound itself, and float32 must hold it to the last
    unit.
    """
    layers = [layer for layer in on_torch.model.networks.modules() if isinstance(layer, FixedLayer)]
    assert len(layers) == 35
    for layer in layers:
        weight = layer.weight[:, :, layer.kernel // 2, layer.kernel // 2].float()  # [O, I]
        # A position per output, and each twice, so that the clamp takes part.
        worst = torch.sign(weight).T[None, :, :, None] * layer.limit[:, None, None] * 2
        worst = torch.cat([worst, -worst, worst - torch.sign(worst)], 3)
        with torch.inference_mode():
            assert torch.equal(layer(worst), integer_layer(layer, worst))
        assert int(layer.bound().max()) < EXACT


def test_what_flows_between_layers_fits_float32(on_torch):
    """Residual sums are not clamped before the next layer: their largest possible values must stay exact as well."""
    network, vectors = on_torch.model.networks.prior.network, on_torch.model.networks.prior
    top = lambda layer: int(((layer.bound() >> layer.shift.long()) + 1).max())
    through = lambda block: top(block.b) + top(block.f2)
    features = top(network.up1) + int(vectors.quality_bias.abs().max()) + through(network.body)
    steps = [
        top(join) + int(network.phase_bias.abs().max()) + through(block)
        for join, block in zip(network.join, network.blocks)
    ]
    assert max(features, *steps) < 1 << 24
    assert torch.equal(network.phase_bias, network.phase_bias.round())


# A decoder that errs


def test_one_wrong_row_or_mean_is_always_an_error(on_torch):
    """300 decodings, each with one table row or one mean off by one unit."""
    file = on_torch.encode(photograph(64, 64), 60)
    prior = on_torch.model.networks.prior
    walk = prior.walk
    rng = np.random.default_rng(0)
    for trial in range(300):
        which, t, place, sign = ("row", "mean")[trial % 2], rng.integers(4), rng.random(), int(rng.choice((-1, 1)))

        def erring(z, quality, code):
            def err(step, mean, rows):
                if step == t:
                    integers = rows if which == "row" else mean
                    i = np.unravel_index(int(place * integers.numel()), integers.shape)
                    step_off = sign if which == "mean" or 0 <= rows[i] + sign < ROWS else -sign
                    integers[i] += step_off
                return code(step, mean, rows)

            return walk(z, quality, err)

        with patch.object(prior, "walk", erring), pytest.raises(CodecError):
            on_torch.verify(file)
    on_torch.verify(file)


def test_real_photographs_parse_the_same(kodak, on_torch):
    for path in kodak[::6]:
        file = on_torch.encode(path, 50)
        tiles = parse(on_torch, file)
        for setting in ("1 thread", "prior in float64", "autocast to bfloat16"):
            with SETTINGS[setting](on_torch) as other:
                assert agrees(other, file, tiles)
