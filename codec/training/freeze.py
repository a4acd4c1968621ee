"""Integers for the layers of `model.fixed` out of trained float networks: units per channel, limits and the finest
weights whose sums fit 32 bits.

What a channel may reach is measured (`Ranges`). Its largest value becomes about `ACTIVATION` in the layers that read
it: more bits there leave fewer to the weights, whose sums would pass 2^31. A residual stream is kept finer than its
readers take it, by as many bits as its worst case leaves.
"""

import math
from collections.abc import Callable, Iterable, Sequence

import torch
import torch.nn as nn

from ..model.fixed import GAIN, HYPER, PIXEL, SAMPLE, TOP, ResidualStream, streams
from ..model.networks import Gain
from ..model.prior import EXACT, FRACTION, HEAD
from .model import FloatLayer, Trainable

Tensors = dict[str, torch.Tensor]

NETWORKS = ("analysis", "synthesis", "hyper_analysis")
MARGIN = 1.25  # of the limits over the largest magnitude seen
ACTIVATION = 2.0**13  # a channel's largest input in units of its layer
LATENT_MARGIN = 2.0  # of the limits of latents: what text and gratings ask for depends on where they lie
SUM = 2.0**31 * 0.998  # what no sum passes; the rest is for rounding
STREAM = 2.0**30  # what no residual stream passes
# Share of the channels of a residual stream whose units the weights of a layer may make coarser.
QUANTILE = 0.25
LATENT_KEPT = 7  # fractional bits of the latents that the hyper-analysis takes
TINY = 1e-9  # range of a channel that is always zero


class Ranges:
    """What the inputs and outputs of a trained model's convolutions reach, watched while it is a context: the largest
    magnitude, mean and mean square of inputs, the largest magnitude of outputs, per channel.
    """

    def __init__(self, model: nn.Module, networks: Sequence[str] = NETWORKS):
        self.layers = {
            name: layer
            for name, layer in model.named_modules()
            if isinstance(layer, nn.Conv2d) and name.partition(".")[0] in networks
        }
        self.top: Tensors = {}
        self.out: Tensors = {}
        # Sums, each with how many numbers were added up.
        self.sums: dict[str, tuple[torch.Tensor, int]] = {}
        self.squares: dict[str, tuple[torch.Tensor, int]] = {}

    def __enter__(self) -> "Ranges":
        self.hooks = [layer.register_forward_hook(self._watch(name)) for name, layer in self.layers.items()]
        return self

    def __exit__(self, *_: object) -> None:
        for hook in self.hooks:
            hook.remove()

    def _watch(self, name: str) -> Callable[[nn.Module, tuple[torch.Tensor, ...], torch.Tensor], None]:
        def watch(_: nn.Module, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
            x = torch.cat(inputs, 1)
            for seen, y in ((self.top, x), (self.out, output)):
                top = y.detach().abs().amax((0, 2, 3)).double()
                seen[name] = torch.maximum(seen[name], top) if name in seen else top
            x, count = x.detach().double(), x.numel() // x.shape[1]
            for sums, total in ((self.sums, x.sum((0, 2, 3))), (self.squares, x.square().sum((0, 2, 3)))):
                before, number = sums.get(name, (torch.zeros_like(total), 0))
                sums[name] = before + total, number + count

        return watch

    def most(self, name: str) -> torch.Tensor:
        if name in ("analysis.first", "analysis.linear"):
            return torch.full_like(self.top[name], 0.5)  # of samples
        margin = LATENT_MARGIN if name in ("synthesis.first", "synthesis.linear", "hyper_analysis.a") else MARGIN
        return (self.top[name] * margin).clamp_min(TINY)

    def given(self, name: str) -> torch.Tensor:
        return (self.out[name] * MARGIN).clamp_min(TINY)

    def mean(self, name: str) -> torch.Tensor:
        total, count = self.sums[name]
        return total / count

    def rms(self, name: str) -> torch.Tensor:
        total, count = self.squares[name]
        return (total / count).sqrt()


class Freezer:
    """Chooses the units of a network's layers in the order of the data, then rounds their weights (`tensors`)."""

    def __init__(self, ranges: Ranges):
        self.ranges = ranges
        self.gains: Tensors = {}
        # Of a layer's input, per channel, once so many bits are cut.
        self.unit: Tensors = {}
        self.cut: dict[str, int] = {}
        # Of a layer's sums, per channel, and by how much they are shifted.
        self.sums: Tensors = {}
        self.shift: dict[str, int] = {}

    def weights(self, name: str) -> tuple[torch.Tensor, torch.Tensor]:
        layer = self.ranges.layers[name]
        w = layer.weight.detach().double()
        return w, torch.zeros(len(w), dtype=torch.float64) if layer.bias is None else layer.bias.detach().double()

    def reads(self, name: str, unit: torch.Tensor, cut: int = 0) -> None:
        self.unit[name], self.cut[name] = unit, cut

    def writes(self, name: str, unit: torch.Tensor, shift: int) -> None:
        """The outputs of a layer are in this unit [O] after a shift."""
        self.shift[name] = max(0, min(24, shift))
        self.sums[name] = unit / 2.0 ** self.shift[name]

    def finest(self, name: str) -> torch.Tensor:
        """Smallest unit [O] of the sums of a layer whose input's units are known."""
        w, b = self.weights(name)
        worst = w.abs().sum((2, 3)) @ (self.ranges.most(name) + self.unit[name]) + b.abs()
        largest = (w.abs() * self.unit[name][:, None, None]).amax((1, 2, 3))
        return torch.maximum(worst / SUM, largest / TOP).clamp_min(TINY**3)

    def balanced(self, name: str, bits: int) -> torch.Tensor:
        """Units [I] of a layer's input, for outputs of 2^-bits, that make the errors of its inputs and of its weights
        equally large.
        """
        w, _ = self.weights(name)
        worst = float((w.abs().sum((2, 3)) @ self.ranges.most(name)).max()) / SUM
        sums = 2.0 ** -(bits + math.floor(math.log2(2.0**-bits / worst)))
        units = (self.ranges.rms(name) * sums / w.square().mean((0, 2, 3)).sqrt()).sqrt()
        return torch.maximum(units, self.ranges.most(name) / TOP)

    def known(self, names: Iterable[str], bits: int) -> None:
        """Layers whose outputs, of 2^-bits, are added up."""
        for name in names:
            unit = torch.full((len(self.weights(name)[0]),), 2.0**-bits, dtype=torch.float64)
            self.writes(name, unit, _shift(unit, self.finest(name), 0))

    def inner(self, name: str, target: str, gain: torch.Tensor | None = None) -> None:
        """A layer whose outputs go, in 16 bits, through a leaky ReLU and maybe a gain [A,C] (natural log) to the layer
        `target`.
        """
        finest, needed = self.finest(name), self.ranges.given(name) / TOP
        shift = max(0, min(24, _shift(needed, finest, 0.5)))
        unit = torch.maximum(needed, finest * 2.0**shift)
        self.writes(name, unit, shift)
        if gain is None:
            self.reads(target, unit)
            return
        own = torch.maximum(self.ranges.most(target) / ACTIVATION, gain.exp().amax(0) * unit)
        self.reads(target, own)
        log2 = gain / math.log(2) + torch.log2(unit / own)
        self.gains[f"{name.rpartition('.')[0]}.gain.log2"] = _table(log2).clamp_max(0)

    def stream(self, stream: ResidualStream, gains: Tensors) -> None:
        """The units of a `fixed.ResidualStream`, and of the layers of its blocks."""
        readers, writers = stream.readers, stream.writers
        unit = torch.stack([self.ranges.most(name) for name in readers]).amax(0) / ACTIVATION
        finest = lambda name: self.finest(name).view(-1, len(unit)).amax(0)
        # What the layers of blocks need depends on the stream's unit, which depends on what they need: mended once.
        for _ in range(2):
            for name in readers:
                self.reads(name, unit)
            for block in stream.blocks:
                self.inner(f"{block}.a", f"{block}.b", gains[block])
            shifts = [_shift(unit, finest(name), QUANTILE) for name in writers]
            unit = torch.stack([unit, *(finest(name) * 2.0**shift for name, shift in zip(writers, shifts))]).amax(0)
        reach = sum(finest(name) for name in writers) * SUM / unit
        cut = max(0, min(16, *shifts, math.floor(math.log2(STREAM / float(reach.max())))))
        for name in readers:
            self.reads(name, unit, cut)
        for name, shift in zip(writers, shifts):
            self.writes(name, (unit / 2.0**cut).repeat(len(self.weights(name)[0]) // len(unit)), shift - cut)

    def tensors(self) -> Tensors:
        """The layers in integers and the gains: {name: tensor}. Raises ValueError for a layer that does not fit."""
        tensors = dict(self.gains)
        for name, sums in self.sums.items():
            w, b = self.weights(name)
            trained = self.ranges.layers[name].bias is not None  # another must stay zero
            own, shift, cut = self.unit[name], self.shift[name], self.cut[name]
            limit = torch.ceil(self.ranges.most(name) / own).clamp_(1, TOP)
            whole = torch.round(w * own[:, None, None] / sums[:, None, None, None])
            lost = w - whole * sums[:, None, None, None] / own[:, None, None]
            b = torch.round((b + trained * (lost.sum((2, 3)) @ self.ranges.mean(name))) / sums)
            bound = (whole.abs() * limit[:, None, None]).sum((1, 2, 3)) + b.abs() + (1 << shift >> 1)
            if bound.max() >= 2**31 or whole.abs().max() > TOP:
                raise ValueError(
                    f"{name} does not fit: sums to 2^{bound.max().log2():.2f}, weights to {whole.abs().max()}"
                )
            parts = {"weight": whole.to(torch.int16), "bias": b.to(torch.int32), "limit": limit.to(torch.int32)}
            parts |= {"shift": torch.tensor([shift], dtype=torch.int8), "cut": torch.tensor([cut], dtype=torch.int8)}
            tensors |= {f"{name}.{key}": value for key, value in parts.items()}
        return tensors


def _shift(unit: torch.Tensor, finest: torch.Tensor, share: float) -> int:
    """Largest shift of sums in their finest units [O] to these units, for all channels but this share, whose units must
    be coarser.
    """
    return math.floor(math.log2(float((unit / finest).quantile(share))))


def _table(log2: torch.Tensor) -> torch.Tensor:
    return torch.round(log2 * (1 << GAIN)).to(torch.int32)


def freeze_layer(layer: FloatLayer, top: torch.Tensor, fraction_out: int) -> Tensors:
    """Integers of one layer: per output channel the largest shift that keeps every sum exact and every weight in 8
    bits.

    `top` [inputs] is the largest input magnitude; outputs get `fraction_out` fractional bits.
    """
    weight, bias = layer.weight.detach().double(), layer.get_parameter("bias").detach().double()
    limit = torch.ceil(MARGIN * top * 2**FRACTION) + 1
    shift = torch.full_like(bias, -1.0)
    for s in range(20, -1, -1):  # s: shift of the sums; weights have s - FRACTION + fraction_out fractional bits
        bits = s - FRACTION + fraction_out
        w, b = torch.round(weight * 2.0**bits), torch.round(bias * 2.0 ** (bits + FRACTION))
        fits = (w.abs().amax((1, 2, 3)) <= 127) & ((w.abs() * limit[:, None, None]).sum((1, 2, 3)) + b.abs() < EXACT)
        shift = torch.where((shift < 0) & fits, float(s), shift)
    assert (shift >= 0).all(), "a prior layer does not fit exact arithmetic"
    unit = torch.exp2(shift - FRACTION + fraction_out)
    w, b = torch.round(weight * unit[:, None, None, None]), torch.round(bias * unit * 2.0**FRACTION)
    return {
        "weight": w.to(torch.int8),
        "bias": b.to(torch.int32),
        "shift": shift.to(torch.int8),
        "limit": limit.to(torch.int32),
    }


def freeze_prior(model: Trainable, ranges: Ranges) -> Tensors:
    """The tensors of `prior.Prior` for a trained model."""
    tensors: Tensors = {}
    for name, layer in model.prior.named_modules():
        if isinstance(layer, FloatLayer):
            fraction = HEAD if name.startswith("heads.") else FRACTION
            parts = freeze_layer(layer, ranges.top[f"prior.{name}"], fraction)
            tensors |= {f"network.{name}.{key}": value for key, value in parts.items()}
    octaves = lambda gain: torch.round(gain.w.detach().double() / math.log(2) * (1 << GAIN)).to(torch.int32)
    tensors["gain_y"], tensors["gain_z"] = octaves(model.gain_y), octaves(model.gain_z)
    tensors["quality_bias"] = torch.round(model.quality_bias.w.detach().double() * 2**FRACTION).to(torch.int32)
    tensors["network.phase_bias"] = torch.round(model.prior.phase_bias.detach().double() * 2**FRACTION).to(torch.int32)
    tensors["exp2"] = torch.round(2.0 ** (15 + torch.arange(1 << GAIN, dtype=torch.float64) / (1 << GAIN))).to(
        torch.int32
    )
    return {f"prior.{k}": v for k, v in tensors.items()}


def freeze_networks(model: Trainable, ranges: Ranges) -> Tensors:
    """The tensors of the analysis, the hyper-analysis and the synthesis of a trained model: {name: tensor}."""
    f, c = Freezer(ranges), model.config
    gains = {
        name.removesuffix(".gain"): layer.w.detach().double()
        for name, layer in model.named_modules()
        if isinstance(layer, Gain)
    }
    first = f.balanced("synthesis.linear", PIXEL)
    for name in ("synthesis.first", "synthesis.linear"):
        f.reads(name, first)
    log2 = (gains["synthesis"] - model.gain_y.w.detach().double()) / math.log(2) - torch.log2(first)
    f.gains["synthesis.gain.log2"] = _table(log2)
    for name in ("analysis.first", "analysis.linear"):
        f.reads(name, torch.full_like(ranges.top[name], 2.0**-SAMPLE))
    for stream in streams(c):
        f.stream(stream, gains)
    f.known(["synthesis.last", "synthesis.linear"], PIXEL)
    f.known(["analysis.last", "analysis.linear"], SAMPLE)

    cut = SAMPLE - LATENT_KEPT
    f.reads("hyper_analysis.a", torch.full_like(ranges.top["hyper_analysis.a"], 2.0**-LATENT_KEPT), cut)
    f.inner("hyper_analysis.a", "hyper_analysis.b")
    f.inner("hyper_analysis.b", "hyper_analysis.c")
    f.known(["hyper_analysis.c"], HYPER)
    return f.tensors()
