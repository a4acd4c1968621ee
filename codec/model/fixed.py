"""Convolutions of whole numbers, and what `networks` is built of in the codec: the analysis, the hyper-analysis and the
synthesis in integers, so that neither a file nor a pixel depends on the machine.

The numbers are held in floating-point tensors, and no sum can reach what these hold exactly (`Whole.bound`), so that
the order of additions does not matter. Activations have units of their own per channel, which the weights absorb; only
those below have one that is written down.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import torch
import torch.nn as nn
import torch.nn.functional as F

from .config import Config

GAIN = 10  # fractional bits of log2-gains
SAMPLE = 12  # fractional bits of the samples that the analysis takes, and of the latents it gives
HYPER = 8  # fractional bits of what the hyper-analysis gives
TARGET = 12  # fractional bits, in quantiser steps, of latents that are rounded or rendered, of thresholds and the pull
PIXEL = 20  # fractional bits of what the synthesis gives, of the full range
UNIT = 15  # fractional bits of the gains in a block
SLOPE = 3277  # of the leaky ReLUs, in 2^-UNIT
TOP = (1 << UNIT) - 1  # of 16 bits
MOST_SHIFT, MOST_CUT = 24, 16
Hundredths = int | tuple[int, ...]  # a quality in hundredths for all, or one for each of N


def fixed(x: torch.Tensor) -> torch.Tensor:
    """Nearest integer, halves up; exact for every x that float64 holds with one more bit."""
    return torch.floor(x + 0.5)


def two_to(exponents: torch.Tensor) -> torch.Tensor:
    """Powers of two of integers from -1022 to 1023, float64 and exact by definition, which no library's exp2 promises:
    an IEEE number holds its exponent, 1023 more, from bit 52 on.
    """
    return (exponents.long() + 1023 << 52).view(torch.float64)


class Whole(nn.Module):
    """The integers of a convolution: clamp each input channel to its limit, sum exactly, scale by 2^-shift, round.

    3x3 windows are laid out for a matrix product: a library may compute convolutions by other, inexact algorithms.
    Tensors are [N,C,h,w] in channels_last memory, so that a product runs over rows of channels.
    """

    weight: torch.Tensor
    bias: torch.Tensor
    shift: torch.Tensor
    limit: torch.Tensor

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, dtype: torch.dtype, shifts: int):
        super().__init__()
        self.kernel, self.stride = kernel, stride
        self.register_buffer("weight", torch.zeros(outputs, inputs, kernel, kernel, dtype=dtype))
        self.register_buffer("bias", torch.zeros(outputs, dtype=torch.int32))
        self.register_buffer("shift", torch.zeros(shifts, dtype=torch.int8))
        self.register_buffer("limit", torch.zeros(inputs, dtype=torch.int32))

    def bound(self) -> torch.Tensor:
        """Largest magnitude any sum can reach, per output channel [O]."""
        return (self.weight.long().abs() * self.limit.long()[:, None, None]).sum((1, 2, 3)) + self.bias.long().abs()

    def prepare(self, dtype: torch.dtype, half: float) -> None:
        """Makes what products take of the stored integers, in float32 or float64.

        2^-shift is in the matrix already: multiples of a power of two add as exactly as integers do, and a pass over
        the sums is saved. So is the rounding term, a `half` if it comes at once.
        """
        scale = two_to(-self.shift.long())
        # [kernel^2 * inputs, outputs].
        self.matrix = (
            (self.weight * scale[:, None, None, None]).permute(2, 3, 1, 0).flatten(0, 2).to(dtype).contiguous()
        )
        self.offset = (self.bias * scale + half).to(dtype)
        self.high = self.limit.to(dtype)
        self.low = -self.high

    def product(self, x: torch.Tensor, offset: torch.Tensor, matrix: torch.Tensor) -> tuple[torch.Tensor, int, int]:
        """The sums [N * h * w, O], and h and w, of clamped x [N,h,w,C]."""
        n, h, w, _ = x.shape
        if self.kernel == 1:
            return torch.addmm(offset, x.flatten(0, 2), matrix), h, w
        # Three neighbours side by side, then a product for each of the three rows.
        s, x = self.stride, F.pad(x, (0, 0, 1, 1, 1, 1))
        h, w = -(-h // s), -(-w // s)
        x = torch.cat([x[:, :, j : j + s * (w - 1) + 1 : s] for j in range(3)], 3)
        rows = [x[:, i : i + s * (h - 1) + 1 : s].flatten(0, 2) for i in range(3)]
        above, here, below = zip(rows, matrix.chunk(3))
        return torch.addmm(offset, *above).addmm_(*here).addmm_(*below), h, w


class FixedConv(Whole):
    """A layer of `Integers`, in float64: the input's last bits are cut, then as of `Whole`, with one shift for all.
    There is always a bias: where none was trained it is zero.
    """

    cut: torch.Tensor

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, stride: int = 1, bias: bool = True):
        super().__init__(inputs, outputs, kernel, stride, torch.int16, 1)
        self.register_buffer("cut", torch.zeros(1, dtype=torch.int8))

    def bound(self) -> torch.Tensor:
        return super().bound() + (1 << int(self.shift) >> 1)

    def freeze(self) -> None:
        """Call once after loading."""
        self.prepare(torch.float64, 0.5)
        self.coarse = 2.0 ** -int(self.cut)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x.permute(0, 2, 3, 1)
        if self.coarse < 1:
            x = fixed(x * self.coarse)
        sums, h, w = self.product(torch.clamp(x, self.low, self.high), self.offset, self.matrix)
        return sums.floor_().view(len(x), h, w, -1).permute(0, 3, 1, 2)


class FixedGain(nn.Module):
    """Gains [anchors, C] as log2 in 2^-GAIN."""

    log2: torch.Tensor

    def __init__(self, anchors: int, channels: int):
        super().__init__()
        self.register_buffer("log2", torch.zeros(anchors, channels, dtype=torch.int32))

    def forward(self, t: torch.Tensor, q: "Quality") -> torch.Tensor:
        """What the synthesis reads, in 16 bits, of latents t in quantiser steps of 2^-TARGET."""
        return fixed(t * q.power(self.log2, -TARGET)).clamp_(-TOP, TOP)

    def activated(self, x: torch.Tensor, q: "Quality") -> torch.Tensor:
        """The gain, at most 1, of what a leaky ReLU makes of x in 16 bits."""
        m = fixed(q.power(self.log2, UNIT)).clamp_(max=TOP)
        v = saturated(x)
        return times(v, torch.where(v < 0, times(m, SLOPE), m))


def saturated(x: torch.Tensor) -> torch.Tensor:
    return x.clamp(-TOP - 1, TOP)


def times(v: torch.Tensor, m: torch.Tensor | int) -> torch.Tensor:
    """v * m / 2^UNIT, rounded."""
    return fixed(v * m * 2.0**-UNIT)


def leaky(x: torch.Tensor) -> torch.Tensor:
    v = saturated(x)
    return torch.where(v < 0, times(v, SLOPE), v)


class Integers:
    """The layers of networks that are exact."""

    conv, gain, leaky = FixedConv, FixedGain, staticmethod(leaky)


class Quality:
    """A quality in hundredths, or a tuple of N, as the gains of a model want it: `q` of networks of `Integers`."""

    def __init__(self, prior: Any, quality: Hundredths):
        self.prior, self.qualities = prior, quality if isinstance(quality, tuple) else (quality,)

    def power(self, table: torch.Tensor, bits: int = 0) -> torch.Tensor:
        """2^bits and the gains of a table [A,C] of log2 in 2^-GAIN: float64 [1 or N,C,1,1], exact."""
        logs = [self.prior.interpolate(table, one) + (bits << GAIN) for one in self.qualities]
        return torch.cat([self.prior.power(log) for log in logs])


class ResidualStream:
    """What layers add up: the name of the network, its writers, its readers, and the bound of its sums.

    The outputs of the first writer may be shuffled; all others have as many channels as the stream.
    """

    def __init__(
        self, network: str, first: str, blocks: Iterable[str], readers: Iterable[str], bound: int = 2**31 - 2**16
    ):
        self.first, self.bound = f"{network}.{first}", bound
        self.blocks = [f"{network}.{block}" for block in blocks]
        self.writers = [self.first, *(f"{block}.b" for block in self.blocks)]
        self.readers = [*(f"{block}.a" for block in self.blocks), *(f"{network}.{reader}" for reader in readers)]


def streams(config: Config) -> list[ResidualStream]:
    """The residual streams of a model's networks, in the order of the data; those without readers leave it."""

    def blocks(count: int) -> list[str]:
        return [f"blocks.{i}" for i in range(count)]

    return [
        ResidualStream("analysis", "first", blocks(config.analysis_blocks), ["down"]),
        ResidualStream("analysis", "down", ["last_block"], ["last"]),
        ResidualStream("synthesis", "first", ["first_block"], ["up8"]),
        ResidualStream("synthesis", "up8", blocks(config.synthesis_blocks), ["up4"]),
        ResidualStream("synthesis", "up4", ["render"], ["last"]),
    ]


def faults(networks: nn.Module, config: Config) -> Iterator[str]:
    """Yields a sentence for every layer of `Integers` in networks, {name: module}, that could leave exact arithmetic
    (FORMAT.md, "Weight file").
    """
    layers: dict[str, torch.Tensor] = {}
    for name, layer in networks.named_modules():
        if isinstance(layer, FixedGain) and int(layer.log2.long().abs().max()) > 64 << GAIN:
            yield f"the gains of {name} are out of range"
        if isinstance(layer, FixedConv):
            shift, cut, limit = int(layer.shift), int(layer.cut), layer.limit
            if not (
                0 <= shift <= MOST_SHIFT and 0 <= cut <= MOST_CUT and 0 <= int(limit.min()) <= int(limit.max()) <= TOP
            ):
                yield f"the shift, the cut or a limit of layer {name} is out of range"
                continue
            bound = layer.bound()
            if int(bound.max()) >= 2**31:
                yield f"layer {name} does not keep its sums exact"
            layers[name] = bound >> shift
    for stream in streams(config):
        if all(name in layers for name in stream.writers):
            parts = [layers[name] for name in stream.writers]
            reader: Any = networks.get_submodule(stream.readers[0])
            width = len(reader.limit)
            if int(torch.stack([part.view(-1, width).amax(0) for part in parts]).sum(0).max()) >= stream.bound:
                yield f"what layer {stream.first} begins does not keep its sums exact"
    for names, most in (
        (("synthesis.linear", "synthesis.last"), 2**29),
        (("analysis.linear", "analysis.last"), 2**30),
        (("hyper_analysis.c",), 2**30),
    ):
        if all(name in layers for name in names) and sum(int(layers[name].max()) for name in names) >= most:
            yield f"what layer {names[-1]} gives is out of range"


def freeze(networks: nn.Module) -> None:
    """Once after loading."""
    for layer in networks.modules():
        if isinstance(layer, FixedConv):
            layer.freeze()
