"""Convolutions in 8-bit integers: near the layers they stand for, and files near those without them."""

import functools
from unittest.mock import patch

import numpy as np
import pytest
import torch
from conftest import photograph, psnr

from codec.engine.torch import int8
from codec.model.networks import conv, unshuffle

fast = pytest.mark.skipif(not int8.is_exact(), reason="this processor does not multiply bytes")


def float_only():
    return patch.object(int8, "pays", lambda x: False)


@fast
@pytest.mark.parametrize(
    "inputs, outputs, kernel, stride", [(12, 8, 3, 1), (12, 40, 3, 2), (7, 5, 1, 1), (192, 128, 3, 1)]
)
@pytest.mark.parametrize("shift", [0, 2, -40])
def test_convolutions_are_near_those_of_floats(inputs, outputs, kernel, stride, shift):
    torch.manual_seed(inputs)
    layer = torch.nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2)
    x = torch.randn(1, inputs, 21, 34) + shift  # ranges about zero, mostly above it, and all below
    with torch.inference_mode():
        x[:, 0], layer.weight[1] = 0, 0
        expected, found = layer(x), int8.Conv8(layer)(x.to(memory_format=torch.channels_last))
    assert found.shape == expected.shape and found.dtype == torch.float32
    assert torch.equal(found[:, 1], expected[:, 1])
    assert (found - expected).square().mean().sqrt() < 0.015 * expected.std() * max(1, abs(shift))


@fast
def test_bytes_that_need_no_rounding_come_out_exactly():
    torch.manual_seed(1)
    layer = torch.nn.Conv2d(9, 6, 3, padding=1)
    x = torch.randint(-127, 128, (1, 9, 10, 12)).float()
    with torch.inference_mode():
        layer.weight.copy_(torch.randint(-127, 128, layer.weight.shape))
        layer.bias.copy_(torch.randint(-99, 99, layer.bias.shape))
        x[0, :, 0, 0], x[0, :, 0, 1], layer.weight[:, :, 1, 1] = 127, -127, -127  # both steps are 1
        # The sums are tens of thousands, and the mean is taken off in floats.
        assert torch.allclose(int8.Conv8(layer)(x.to(memory_format=torch.channels_last)), layer(x), atol=0.1)


@fast
def test_samples_come_out_exactly():
    layer = conv(3 * 64, 6)
    samples = torch.arange(256).repeat(3 * 24 * 32 * 64 // 256).view(1, 3, 8 * 24, 8 * 8 * 4)
    x = samples.to(torch.uint8, memory_format=torch.channels_last)
    with torch.inference_mode():
        layer.weight.copy_(torch.randint(-127, 128, layer.weight.shape))
        layer.weight[:, 0, 0, 0] = 127  # the step of the weights is 1
        difference = int8.CellConv8(layer)(unshuffle(x, 8)) - layer(unshuffle(x / 255 - 0.5, 8))
        # The sums are about 1,000; outside the picture there are no samples, so that half a step is missing.
        assert difference[:, :, 1:-1, 1:-1].abs().max() < 1e-2


@fast
@pytest.mark.parametrize("value", [0.0, -0.0, 1e-30, 1e30, float("inf"), float("nan")])
def test_no_picture_or_network_makes_it_fail(value):
    layer = torch.nn.Conv2d(4, 4, 3, padding=1)
    with torch.inference_mode():
        assert int8.Conv8(layer)(torch.full((1, 4, 9, 9), value).to(memory_format=torch.channels_last)).shape == (
            1,
            4,
            9,
            9,
        )


@fast
def test_equal_weights_leave_the_network_as_it_was(coder):
    """Before anything is rounded, the shortened analysis is the analysis."""
    x = torch.rand(1, 3, 96, 128).to(memory_format=torch.channels_last) - 0.5
    with (
        torch.inference_mode(),
        patch.object(int8, "Conv8", lambda layer: layer),
        patch.object(int8, "CellConv8", lambda layer: layer),
        patch.object(int8, "SampleConv", lambda layer: layer),
    ):
        expected = coder.model.networks.analysis(x, coder.model.coordinate(7300))
        found = int8.shortened(coder.model.networks.analysis, coder.model.coordinate(7300))(x, None)
    assert (found - expected).abs().max() < 1e-4 * expected.abs().max()


@fast
@pytest.mark.parametrize("quality", [5, 50, 95])
@pytest.mark.parametrize("channels", [1, 3])
def test_files_are_near_those_of_floats(quality, channels, coder):
    picture = photograph(400, 430, 3)[..., :channels]
    short = coder.encode(picture, quality)
    with float_only():
        exact = coder.encode(picture, quality)
    assert short != exact and abs(len(short) / len(exact) - 1) < 0.01
    near, best = (psnr(coder.decode_picture(file).pixels, picture) for file in (short, exact))
    assert abs(near - best) < 0.05


def test_deep_pictures_are_left_to_floats(coder):
    """Their samples are no bytes."""
    picture = photograph(300, 310, 3).astype(np.uint16) * 200
    file = coder.encode(picture)
    with float_only():
        assert coder.encode(picture) == file


def test_small_pictures_and_other_devices_are_left_to_floats():
    assert not int8.pays(torch.empty(1, 3, 250, 256)) and not int8.pays(torch.empty(1, 3, 512, 512, device="meta"))
    assert int8.pays(torch.empty(1, 3, 256, 256)) == int8.is_exact()


@pytest.mark.parametrize("broken", [RuntimeError, AttributeError, TypeError, None])
def test_operators_that_fail_or_overflow_are_not_used(broken, coder):
    def convolve(self, x):
        if broken:
            raise broken("no such operator")
        return torch.full((1, 16, 8, 8), 2.0**15)  # what pairs of products saturate at without VNNI

    picture = photograph(400, 400, 4)
    with float_only():
        expected = coder.encode(picture)
    fresh = patch.object(int8, "is_exact", functools.cache(int8.is_exact.__wrapped__))
    with (
        fresh,
        patch.object(int8.Conv8, "forward", convolve),
        patch.object(torch.cpu, "_is_vnni_supported", lambda: True, create=True),
    ):
        assert not int8.is_exact() and coder.encode(picture) == expected


def test_processors_without_the_instructions_are_left_to_floats():
    with patch.object(torch.cpu, "_is_vnni_supported", lambda: False, create=True):
        assert not int8.is_exact.__wrapped__()


@fast
def test_small_inputs_of_one_sign_leave_no_mean_error():
    """What rounding alone would make nothing of."""
    torch.manual_seed(2)
    layer = torch.nn.Conv2d(32, 8, 3, padding=1)
    x = 0.3 / 254 * torch.rand(1, 32, 64, 64)
    x[0, 0, 5, 5] = 1
    with torch.inference_mode():
        error = (int8.Conv8(layer)(x.to(memory_format=torch.channels_last)) - layer(x))[:, :, 8:-1, 1:-1]
        assert (
            error.mean((0, 2, 3)).abs().max() < 0.1 * (layer(x) - layer.bias[:, None, None]).mean((0, 2, 3)).abs().max()
        )
