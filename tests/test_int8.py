"""Convolutions in 8-bit integers: near the layers they stand for, and files near those without them."""
import functools
from unittest.mock import patch

import pytest
import torch
from conftest import photograph, psnr

from codec import int8

fast = pytest.mark.skipif(not int8.is_exact(), reason="this processor does not multiply bytes")


def float_only():
    return patch.object(int8, "pays", lambda x: False)


@fast
@pytest.mark.parametrize("inputs, outputs, kernel, stride", [(12, 8, 3, 1), (12, 40, 3, 2), (7, 5, 1, 1), (192, 128, 3, 1)])
def test_convolutions_are_near_those_of_floats(inputs, outputs, kernel, stride):
    torch.manual_seed(inputs)
    layer = torch.nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2)
    sizes = torch.logspace(-3, 3, inputs)[:, None, None]  # steps common to all channels would lose the small ones, which count as much
    x = torch.randn(1, inputs, 21, 34) * sizes
    with torch.inference_mode():
        layer.weight /= sizes
        x[:, 0], layer.weight[1] = 0, 0
        expected, found = layer(x), int8.convolve(layer, x.to(memory_format=torch.channels_last))
    assert found.shape == expected.shape and found.dtype == torch.float32
    assert torch.equal(found[:, 1], expected[:, 1])
    assert (found - expected).square().mean().sqrt() < 0.015 * expected.std()


@fast
def test_bytes_that_need_no_rounding_come_out_exactly():
    torch.manual_seed(1)
    layer = torch.nn.Conv2d(9, 6, 3, padding=1)
    x = torch.randint(-127, 128, (1, 9, 10, 12)).float()
    with torch.inference_mode():
        layer.weight.copy_(torch.randint(-127, 128, layer.weight.shape))
        layer.bias.copy_(torch.randint(-99, 99, layer.bias.shape))
        x[0, :, 0, 0], layer.weight[:, :, 1, 1] = 127, -127  # both scales are 1
        assert torch.equal(int8.convolve(layer, x.to(memory_format=torch.channels_last)), layer(x))


@fast
@pytest.mark.parametrize("quality", [5, 50, 95])
def test_files_are_near_those_of_floats(quality, coder):
    picture = photograph(400, 430, 3)
    short = coder.encode(picture, quality)
    with float_only():
        exact = coder.encode(picture, quality)
    assert short != exact and abs(len(short) / len(exact) - 1) < 0.01
    near, best = (psnr(coder.decode_picture(file).pixels, picture) for file in (short, exact))
    assert abs(near - best) < 0.05


def test_small_pictures_and_other_devices_are_left_to_floats():
    assert not int8.pays(torch.empty(1, 3, 390, 400)) and not int8.pays(torch.empty(1, 3, 512, 512, device="meta"))
    assert int8.pays(torch.empty(1, 3, 400, 400)) == int8.is_exact()


@pytest.mark.parametrize("broken", [RuntimeError, AttributeError, TypeError, None])
def test_operators_that_fail_or_overflow_are_not_used(broken, coder):
    def convolve(layer, x):
        if broken:
            raise broken("no such operator")
        return layer(x).clamp(max=2.0**15)  # what pairs of products saturate at without VNNI

    picture = photograph(400, 400, 4)
    with float_only():
        expected = coder.encode(picture)
    fresh = patch.object(int8, "is_exact", functools.cache(int8.is_exact.__wrapped__))
    with fresh, patch.object(int8, "convolve", convolve), patch.object(torch.cpu, "_is_vnni_supported", lambda: True, create=True):
        assert not int8.is_exact() and coder.encode(picture) == expected


def test_processors_without_the_instructions_are_left_to_floats():
    with patch.object(torch.cpu, "_is_vnni_supported", lambda: False, create=True):
        assert not int8.is_exact.__wrapped__()
