"""The networks in integers: each layer as FORMAT.md's words say, and a frozen network near the one it was made of."""

import numpy as np
import pytest
import torch
from conftest import photograph, psnr

from codec.model import fixed
from codec.model.networks import Analysis, HyperAnalysis, ResBlock, Synthesis
from codec.training.freeze import Ranges, freeze_networks
from codec.training.patterns import patterns
from codec.training.thaw import thaw


def nearest(x, shift):
    """x / 2^shift, halves up, of whole numbers of any size."""
    return (x + ((1 << shift) >> 1)) >> shift


def convolved(x, layer):
    """What a layer gives of whole numbers x [C,h,w], one product after the other."""
    cut, shift, k, s = int(layer.cut), int(layer.shift), layer.kernel, layer.stride
    limit = layer.limit.numpy().astype(object)[:, None, None]
    x = np.minimum(np.maximum(nearest(x.astype(object), cut), -limit), limit)
    weight, (_, h, w) = layer.weight.numpy().astype(object), x.shape
    x = np.pad(x, ((0, 0), (k // 2, k // 2), (k // 2, k // 2)))
    out = np.empty((len(weight), -(-h // s), -(-w // s)), object)
    for i, j in np.ndindex(*out.shape[1:]):
        window = x[:, s * i : s * i + k, s * j : s * j + k]
        out[:, i, j] = layer.bias.numpy().astype(object) + (weight * window[None]).sum((1, 2, 3))
    return nearest(out, shift)


def filled(layer, seed=0):
    """A layer of random integers, as large as its sums allow."""
    chance = torch.Generator().manual_seed(seed)
    whole = lambda low, high, like: torch.randint(low, high + 1, like.shape, generator=chance, dtype=like.dtype)
    layer.weight, layer.bias = whole(-3000, 3000, layer.weight), whole(-(2**30), 2**30, layer.bias)
    layer.limit, layer.shift[0], layer.cut[0] = whole(0, 32767, layer.limit), 5 + seed, 2 * (seed % 3)
    inputs = layer.weight[0].numel()
    layer.weight = (layer.weight.double() * min(1, 2**30 / (3000 * 32767 * inputs))).to(torch.int16)
    assert layer.bound().max() < 2**31
    layer.freeze()
    return layer


@pytest.mark.parametrize("kernel, stride, h, w", [(1, 1, 4, 5), (3, 1, 5, 4), (3, 2, 5, 7), (3, 2, 4, 6), (3, 2, 1, 1)])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_layer_is_what_its_words_say(kernel, stride, h, w, seed):
    layer = filled(fixed.FixedConv(6, 9, kernel, stride), seed)
    x = torch.from_numpy(np.random.default_rng(seed).integers(-(2**17), 2**17, (2, 6, h, w)))
    found = layer(x.double())
    assert found.dtype == torch.float64
    for one, own in zip(x.numpy(), found.numpy()):
        assert np.array_equal(own.astype(int), convolved(one, layer).astype(int))


def test_gains_and_leaky_are_what_their_words_say(on_torch):
    prior = on_torch.model.networks.prior
    table = np.random.default_rng(3).integers(-5000, 1, (prior.config.anchors, 8))
    gain = fixed.FixedGain(prior.config.anchors, 8)
    gain.log2.copy_(torch.from_numpy(table))
    x = torch.tensor([-(2**31), -40000, -32768, -32767, -5, -1, 0, 1, 7, 32767, 32768, 2**31 - 1]).repeat(8, 1)
    found = gain.activated(x.view(1, 8, 3, 4).double(), fixed.Quality(prior, 6000))
    low, part = prior.config.position(6000)
    logs = (table[low] * (9900 - part) + table[low + 1] * part + 4950) // 9900
    for own, log in zip(found.view(8, -1).numpy(), logs.tolist()):
        m = min(32767, nearest(int(prior.exp2[log & 1023]), -(log >> 10)))
        n = nearest(m * 3277, 15)
        v = [min(max(value, -32768), 32767) for value in x[0].tolist()]
        assert own.tolist() == [nearest(value * (m if value >= 0 else n), 15) for value in v]
    leaky = fixed.leaky(x[0].double()).tolist()
    assert leaky == [value if value >= 0 else nearest(value * 3277, 15) for value in v]


def test_a_block_adds_to_its_stream(on_torch):
    block = ResBlock(8, on_torch.model.config.anchors, fixed.Integers)
    filled(block.a, 1), filled(block.b, 2)
    q = fixed.Quality(on_torch.model.networks.prior, 4321)
    x = torch.randint(-(2**20), 2**20, (1, 8, 6, 5)).double()
    with torch.inference_mode():
        assert torch.equal(block(x.clone(), q), x + block.b(block.gain.activated(block.a(x), q)))


@pytest.fixture(scope="module")
def frozen(on_torch):
    """The networks of the shipped model in integers, calibrated on a few drawn pictures."""
    trained = thaw(on_torch.model.path.read_bytes()).eval()
    with torch.no_grad():
        ranges = Ranges(trained)
        pictures = torch.cat(
            [torch.from_numpy(photograph(128, 128, seed) / np.float32(255)).permute(2, 0, 1)[None] for seed in range(4)]
        )
        with ranges:
            for anchor in (0, 5, 10):
                for x in (pictures, patterns(128)[::4]):
                    trained(x, torch.full((len(x),), float(anchor)), amp=False)
        tensors = freeze_networks(trained, ranges)
    networks = torch.nn.ModuleDict(
        {
            "analysis": Analysis(trained.config, fixed.Integers),
            "synthesis": Synthesis(trained.config, fixed.Integers),
            "hyper_analysis": HyperAnalysis(trained.config, fixed.Integers),
        }
    )
    networks.load_state_dict(tensors)
    fixed.freeze(networks)
    return networks


def test_no_sum_of_a_frozen_network_passes_31_bits(frozen):
    layers = [layer for layer in frozen.modules() if isinstance(layer, fixed.FixedConv)]
    assert len(layers) == 28 and max(int(layer.bound().max()) for layer in layers) < 2**31


@pytest.mark.parametrize("quality, worst", [(2000, 0.005), (6000, 0.01), (10000, 0.03)])
def test_a_frozen_network_is_near_the_one_it_was_made_of(on_torch, frozen, quality, worst):
    prior, picture = on_torch.model.networks.prior, photograph(160, 240, 7)
    samples = torch.from_numpy(picture.astype(np.int64)).permute(2, 0, 1)[None]
    with torch.inference_mode():
        x = (torch.div(samples * 8192 + 255, 510, rounding_mode="floor") - 2048).double()
        q = fixed.Quality(prior, quality)
        y = on_torch.model.floats.analysis(samples / 255 - 0.5, on_torch.model.coordinate(quality))
        found = frozen["analysis"](x, q) * 2.0**-fixed.SAMPLE
        assert (found - y).square().mean().sqrt() < 0.002
        z = on_torch.model.floats.hyper_analysis(y)
        assert (frozen["hyper_analysis"](found * 2**12) * 2.0**-8 - z).square().mean().sqrt() < 0.01
        steps = torch.round(y * prior.gains(quality)[0])
        expected = on_torch.model.floats.synthesis(
            (steps / prior.gains(quality)[0]).float(), on_torch.model.coordinate(quality)
        )
        p = frozen["synthesis"](steps * 2**fixed.TARGET, q) * 2.0**-fixed.PIXEL
    pixels = [(one + 0.5).clamp(0, 1).mul(255).round()[0].permute(1, 2, 0).numpy() for one in (expected, p)]
    assert psnr(pixels[0], picture) - psnr(pixels[1], picture) < worst


def test_a_window_with_its_halo_is_part_of_the_whole(on_torch, frozen):
    prior, halo = on_torch.model.networks.prior, 3 + on_torch.model.config.synthesis_blocks
    t = torch.randint(-(2**15), 2**15, (1, on_torch.model.config.latent, 16, 4)).double()
    with torch.inference_mode():
        q = fixed.Quality(prior, 5555)
        whole = frozen["synthesis"](t, q)
        part = frozen["synthesis"](t[:, :, 6 - halo : 7 + halo], q, halo=(halo, halo, 0, 0))
    assert torch.equal(part, whole[:, :, 6 * 16 : 7 * 16])
