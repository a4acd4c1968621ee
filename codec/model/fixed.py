"""The layers of the analysis, the hyper-analysis and the synthesis in integers: what `networks` is built of where a
picture must not depend on the machine.

Everything is a whole number held in float64, and no sum can reach 2^31 (`FixedConv.bound`), so that it is exact in
whatever order it is added. Activations have units of their own per channel, which the weights absorb; only those below
have one that is written down.
"""

import torch
import torch.nn as nn
import torch.nn.functional as F

from .prior import GAIN, fixed

SAMPLE = 12  # fractional bits of the samples that the analysis takes, and of the latents it gives
HYPER = 8  # fractional bits of what the hyper-analysis gives
TARGET = 12  # fractional bits of the latents that are rounded, of thresholds and of the pull, in quantiser steps
PIXEL = 20  # fractional bits of what the synthesis gives, of the full range
UNIT = 15  # fractional bits of the gains in a block
SLOPE = 3277  # of the leaky ReLUs, in 2^-UNIT
TOP = (1 << UNIT) - 1  # of 16 bits


class Quality:
    """A quality in hundredths, or a tuple of N, as the gains of a model want it."""

    def __init__(self, prior, quality):
        self.prior, self.qualities = prior, quality if isinstance(quality, tuple) else (quality,)

    def power(self, table, bits=0):
        """2^bits and the gains of a table [A,C] of log2 in 2^-GAIN: float64 [1 or N,C,1,1], exact."""
        logs = [self.prior.interpolate(table, one) + (bits << GAIN) for one in self.qualities]
        return torch.cat([self.prior.power(log) for log in logs])


class FixedConv(nn.Module):
    """A convolution of whole numbers x [N,C,h,w], float64: the input's last bits are cut, each channel is clamped to
    its limit, the sums are scaled by 2^-shift and rounded. There is always a bias: where none was trained it takes off
    the mean error of the weights.
    """

    def __init__(self, inputs, outputs, kernel=3, stride=1, bias=True):
        super().__init__()
        self.kernel, self.stride = kernel, stride
        self.register_buffer("weight", torch.zeros(outputs, inputs, kernel, kernel, dtype=torch.int16))
        self.register_buffer("bias", torch.zeros(outputs, dtype=torch.int32))
        self.register_buffer("limit", torch.zeros(inputs, dtype=torch.int32))
        self.register_buffer("shift", torch.zeros(1, dtype=torch.int8))
        self.register_buffer("cut", torch.zeros(1, dtype=torch.int8))

    def bound(self):
        """Largest magnitude any sum can reach, with the half that rounds it, per output channel [O]."""
        product = self.weight.long().abs() * self.limit.long()[:, None, None]
        return product.sum((1, 2, 3)) + self.bias.long().abs() + (1 << int(self.shift) >> 1)

    def freeze(self):
        """Makes what `forward` multiplies by."""
        scale = 2.0 ** -int(self.shift)
        self.matrix = (self.weight.double() * scale).permute(2, 3, 1, 0).flatten(0, 2).contiguous()
        self.offset, self.high = self.bias.double() * scale + 0.5, self.limit.double()
        self.coarse = 2.0 ** -int(self.cut)

    def forward(self, x):
        x = x.permute(0, 2, 3, 1)
        n, h, w, c = x.shape
        if self.coarse < 1:
            x = fixed(x * self.coarse)
        x = torch.clamp(x, -self.high, self.high)
        if self.kernel == 1:
            x = torch.addmm(self.offset, x.flatten(0, 2), self.matrix)
        else:
            x, s = F.pad(x, (0, 0, 1, 1, 1, 1)), self.stride
            h, w = -(-h // s), -(-w // s)
            total = self.offset
            for i, part in enumerate(self.matrix.chunk(3)):
                rows = x[:, i : i + s * (h - 1) + 1 : s]
                rows = torch.cat([rows[:, :, j : j + s * (w - 1) + 1 : s] for j in range(3)], 3).flatten(0, 2)
                total = torch.addmm(total, rows, part)
            x = total
        return x.floor_().view(n, h, w, -1).permute(0, 3, 1, 2)


class FixedGain(nn.Module):
    """Gains [anchors, C] as log2 in 2^-GAIN."""

    def __init__(self, anchors, channels):
        super().__init__()
        self.register_buffer("log2", torch.zeros(anchors, channels, dtype=torch.int32))

    def forward(self, t, q):
        """What the synthesis reads, in 16 bits, of latents t in quantiser steps of 2^-TARGET."""
        return fixed(t * q.power(self.log2, -TARGET)).clamp_(-TOP, TOP)

    def activated(self, x, q):
        """The gain, at most 1, of what a leaky ReLU makes of x in 16 bits."""
        m = fixed(q.power(self.log2, UNIT)).clamp_(max=TOP)
        v = saturated(x)
        return times(v, torch.where(v < 0, times(m, SLOPE), m))


def saturated(x):
    return x.clamp(-TOP - 1, TOP)


def times(v, m):
    """v * m / 2^UNIT, rounded."""
    return fixed(v * m * 2.0**-UNIT)


def leaky(x):
    v = saturated(x)
    return torch.where(v < 0, times(v, SLOPE), v)


class Integers:
    """The layers of networks that are exact."""

    conv, gain, leaky = FixedConv, FixedGain, staticmethod(leaky)


def freeze(network):
    """Once after loading."""
    for layer in network.modules():
        if isinstance(layer, FixedConv):
            layer.freeze()
