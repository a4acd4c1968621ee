"""The analysis with its 3x3 convolutions, but for the strided one, in 8-bit integers, twice as fast where the processor
multiplies bytes; `pipeline` runs it.

Only the encoder rounds like this: files differ by a hair from those of other processors, what they decode to does not
depend on it. Weights are rounded in steps of their own per output channel. The input channels of a layer share a step,
which the picture's extremes give (dynamic quantisation); so that they may, each is scaled until it weighs as much as
the others in the layers it goes to. The mean error of each output is taken off (both after Nagel et al. 2019,
"Data-free quantization"): errors of one sign in many small inputs would add up, and what they add to small latents
costs half a percent of the bytes.
"""

import copy
import functools
import math

import torch
import torch.nn as nn

from ...model.networks import leaky, pointwise

# Pixels from which it pays: preparing the weights, once per quality, takes as long as two such pictures in floats.
SMALLEST = 256**2
TINY = 1e-20  # keeps the step of a channel that is all zero from being zero
SOME = 8  # one of so many rows tells how far rounding moved the mean
MAGIC = 3 << 22  # a small float32 added to it leaves its nearest whole number in the lowest bits


class Conv8(nn.Module):
    """An nn.Conv2d of one group that multiplies bytes: float32 [1,C,h,w] in channels_last memory -> float32."""

    def __init__(self, layer):
        super().__init__()
        self.bias, self.shape = layer.bias.data, (list(layer.stride), list(layer.padding), list(layer.dilation), 1)
        self.unit = layer.weight.abs().amax((1, 2, 3)).clamp_min_(TINY) / 127
        self.zeros = torch.zeros(len(self.unit), dtype=torch.int64)
        weight = (layer.weight / self.unit[:, None, None, None]).round_().to(torch.int8)
        # `wanted` is what a constant input is multiplied by.
        self.wanted, self.rounded = (layer.weight.sum((2, 3)), weight.sum((2, 3)) * self.unit[:, None])
        # The layout of packed weights depends on no scale, and on a zero point only by its being there.
        self.packed = torch.ops.onednn.qconv_prepack(weight, torch.ones(1), 1.0, 1, *self.shape, None)

    def forward(self, x):
        step, zero = grid(x)
        # Adding a number so large that the sum has no fraction takes half the time of rounding.
        whole = torch.add(torch.tensor(float(MAGIC + zero)), x, alpha=1 / step).view(torch.int32).to(torch.uint8)
        some = [t.permute(0, 2, 3, 1)[:, ::SOME].flatten(0, 2).float().mean(0) for t in (x, whole)]
        # The mean stays as it is.
        return self.multiply(whole, step, zero, self.wanted @ some[0] - self.rounded @ (some[1] - zero) * step)

    def multiply(self, whole, step, zero, offset):
        """The layer's output for step * (whole - zero), and an offset [O]."""
        return torch.ops.onednn.qconv2d_pointwise(
            whole,
            step,
            zero,
            self.packed,
            self.unit,
            self.zeros,
            self.bias + offset,
            *self.shape,
            1.0,
            0,
            torch.float32,
            "none",
            [],
            "",
        )


class CellConv8(nn.Module):
    """A convolution of samples x [1,C,h,w] that are still bytes, exact but for the weights."""

    def __init__(self, first):
        super().__init__()
        self.first = Conv8(first)
        self.offset = first.weight.sum((1, 2, 3)) / 2 / 255  # a byte less 128 is half a step below its sample

    def forward(self, x):
        return self.first.multiply(x, 1 / 255, 128, self.offset)


class SampleConv(nn.Module):
    """A Pointwise of samples in [-0.5, 0.5], without a bias, of samples x [1,C,h,w] that are still bytes; in floats."""

    def __init__(self, layer):
        super().__init__()
        self.weight, self.bias = layer.weight / 255, layer.weight.sum((1, 2, 3)) / -2

    def forward(self, x):
        return pointwise(x.float(), self.weight, self.bias)


def grid(x):
    """Step and zero point of bytes for x [1,C,h,w]."""
    # The extremes in the order of memory are found ten times as fast.
    low, high = (extreme.item() for extreme in torch.aminmax(x.permute(0, 2, 3, 1)))
    low, high = min(low, 0.0), max(high, 0.0)
    step = (high - low) / 254
    if not TINY < step < 1 / TINY:  # nothing but zeros, or weights that belong to no network
        return 1.0, 0
    return step, math.ceil(-low / step)  # so that all lies in 0..255


class Same(nn.Module):
    """In the place of a Gain that the weights contain."""

    def activated(self, x, q):
        return leaky(x)


def shortened(analysis, q):
    """A copy of the Analysis that takes samples as bytes and multiplies bytes, for one quality q [1] only."""
    short = copy.deepcopy(analysis, {id(analysis.linear): analysis.linear})
    blocks = [*short.blocks, short.last_block]
    for block in blocks:
        block.b.weight.mul_(block.gain.log(q).exp()[0])
        block.gain = Same()
        balance([block.a], [block.b])
    balance([short.first, *(block.b for block in short.blocks)], [*(block.a for block in short.blocks), short.down])
    balance([short.down, short.last_block.b], [short.last_block.a, short.last])
    for block in blocks:
        block.a, block.b = Conv8(block.a), Conv8(block.b)
    short.first, short.linear = CellConv8(short.first), SampleConv(short.linear)
    return short  # `down` stays as it is: a thirtieth of the operations, and a third of the error at quality 100


def balance(before, behind):
    """Scales the channels that lead from some layers to others, so that all have the same weight in
    these on average.
    """
    size = torch.stack([layer.weight.square().mean((0, 2, 3)) for layer in behind]).mean(0).sqrt_().clamp_min_(TINY)
    for layer in before:
        layer.weight.mul_(size[:, None, None, None])
        layer.bias.mul_(size)
    for layer in behind:
        layer.weight.div_(size[:, None, None])


def pays(x):
    """Whether this is the faster way for a picture x [1,C,H,W]."""
    return x.device.type == "cpu" and x.shape[2] * x.shape[3] >= SMALLEST and is_exact()


@functools.cache
def is_exact():
    """Whether this processor multiplies bytes fast (VNNI) and this torch adds the products up without overflow."""
    if not getattr(torch.cpu, "_is_vnni_supported", lambda: False)():
        return False
    layer = nn.Conv2d(64, 16, 3, padding=1, device="cpu", dtype=torch.float32)
    x = torch.full((1, 64, 8, 8), 127.0).to(memory_format=torch.channels_last)
    with torch.inference_mode():
        layer.weight.fill_(127)
        layer.bias.fill_(1)
        try:
            return bool((Conv8(layer)(x)[:, :, 1:-1, 1:-1] == 127 * 127 * 64 * 9 + 1).all())
        except (AttributeError, RuntimeError, TypeError):  # the operators are torch's own business and may change
            return False
