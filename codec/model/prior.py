"""The prior: from the hyper-latent and the latents decoded so far to a mean and a table row for every symbol still to
come.

`PriorNetwork` is the structure, written once over two kinds of layers: float convolutions (training, `codec.training`)
and `FixedLayer` (the codec). In the codec everything here is exact integer arithmetic, held in floating-point tensors
whose sums stay below 2^53 (float64) or 2^24 (float32), so that threads, batch, device and library cannot change a bit
of it: the decoder finds the rows the encoder used.

Four steps over a 2x2 grid of positions and four channel groups: in step t group g is coded at the positions of phase
PHASE[(t + g) % 4]. The prior works in a quality-independent domain: latents divided by their gain; means are multiplied
by it again, log-scales get its logarithm.
"""

import functools
import os
from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn as nn
import torch.nn.functional as F

from .config import MAX_RESIDUAL, Config
from .fixed import GAIN, Hundredths, Whole, fixed, two_to
from .networks import add, shuffle

STEPS = 4
PHASE = (0, 3, 1, 2)  # order of the 2x2 positions (row-major index): diagonal first
SLOPE = 0.125  # of the leaky ReLUs: a power of two stays exact


class Block(nn.Module):
    """Bottleneck 3x3 mixing, then a 1x1 feed-forward, both residual.

    `layer(inputs, outputs, kernel, act, owns)` makes a layer; `owns`: nobody else reads its input, so that it may be
    overwritten.
    """

    def __init__(self, layer: Callable[..., nn.Module], channels: int, mid: int):
        super().__init__()
        self.a, self.d = layer(channels, mid, 1, True), layer(mid, mid, 3, True, True)
        self.b = layer(mid, channels, 1, False, True)
        self.f1, self.f2 = layer(channels, 2 * channels, 1, True), layer(2 * channels, channels, 1, False, True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = add(x, self.b(self.d(self.a(x))))
        return add(x, self.f2(self.f1(x)))


class PriorNetwork(nn.Module):
    """z/gain [N,Nz,h/4,w/4] and decoded y/gain [N,M,h,w] -> per step mean and log2-scale [N,4,M/4,h/2,w/2], groups in
    phase order.
    """

    def __init__(self, layer: Callable[..., nn.Module], vectors: Callable[..., torch.Tensor], c: Config):
        """`vectors(*shape)` makes the additive vectors, per step and phase."""
        super().__init__()
        m, p = c.latent, c.prior
        self.up2, self.up1 = layer(c.hyper, 4 * 96, 1, True), layer(96, 4 * p, 1, True, True)
        self.body = Block(layer, p, c.prior_mid)
        self.join = nn.ModuleList(layer(p + (m if t else 0), p, 1, False) for t in range(STEPS))
        self.blocks = nn.ModuleList(Block(layer, p, c.prior_mid) for _ in range(STEPS))
        # One head per channel group gives M/4 means and M/4 log2-scales.
        self.heads = nn.ModuleList(layer(p, 2 * m // 4, 1, False) for _ in range(4))
        self.phase_bias = vectors(STEPS, p, 2, 2)

    def features(self, z: torch.Tensor, quality_bias: torch.Tensor) -> torch.Tensor:
        """Hyper-synthesis: z/gain and a bias [N or 1,P,1,1] of the quality -> features [N,P,h,w]."""
        x = shuffle(self.up1(shuffle(self.up2(z), 2)), 2)
        return self.body(x + quality_bias)

    def step(self, t: int, features: torch.Tensor, y: torch.Tensor | None) -> tuple[torch.Tensor, ...]:
        """Mean and log2-scale, each [N,4,M/4,h/2,w/2], of the symbols of step t, given y/gain with zeros where nothing
        is decoded yet; step 0 does not look at it.
        """
        x = self.join[t](*([features, y] if t else [features]))
        n, c, h, w = x.shape
        x = add(self.vector(t)[:, None, :, None], x.view(n, c, h // 2, 2, w // 2, 2))
        return self.speak(t, self.blocks[t](x.reshape(n, c, h, w))).chunk(2, 2)

    def vector(self, t: int) -> torch.Tensor:
        """What is added in step t, [P,2,2]."""
        return self.phase_bias[t]

    def speak(self, t: int, x: torch.Tensor) -> torch.Tensor:
        """The heads' outputs [N,4,M/2,h/2,w/2] of step t, each group's at its positions."""
        return torch.stack([self.heads[g](phase(x, PHASE[(t + g) % 4])) for g in range(4)], 1)


def phase(x: torch.Tensor, p: int) -> torch.Tensor:
    """Positions of phase p of x [N,C,h,w]: [N,C,h/2,w/2]."""
    if torch.is_grad_enabled():
        return x[:, :, p // 2 :: 2, p % 2 :: 2]
    # The same in a third of the time, which counts for small pictures.
    n, c, h, w = x.shape
    a, b, i, j = x.stride()
    return x.as_strided((n, c, h // 2, w // 2), (a, b, 2 * i, 2 * j), x.storage_offset() + p // 2 * i + p % 2 * j)


def gather(x: torch.Tensor, t: int) -> torch.Tensor:
    """The symbols of step t out of a latent x [N,M,h,w]: [N,4,M/4,h/2,w/2]."""
    groups = x.chunk(4, 1)
    return torch.stack([phase(groups[g], PHASE[(t + g) % 4]) for g in range(4)], 1)


def place(x: torch.Tensor, t: int, step: torch.Tensor) -> None:
    """Writes the symbols of step t [N,4,M/4,h/2,w/2] to their positions in a latent x [N,M,h,w]
    (inverse of `gather`).
    """
    for g, (group, symbols) in enumerate(zip(x.chunk(4, 1), step.unbind(1))):
        phase(group, PHASE[(t + g) % 4]).copy_(symbols)


# Exact arithmetic. Fixed-point units: activations and latents/gain 2^-FRACTION, head outputs 2^-HEAD, means and latents
# 2^-8 quantiser step, log2-gains 2^-10. A row of the table is an eighth of an octave of the scale; rows below the first
# are row 0, which is not coded.

FRACTION, HEAD, LATENT = 7, 12, 8
ROWS = 84
LEVELS = 33  # of the thresholds by which an encoder rounds, where it weighs places and channels
ROW_START = -2.5  # log2-scale where row 0 begins; row r stands for scales about 2^(ROW_START + (r + 0.5) / 8)
ROW_SHIFT = HEAD - 3
EXACT = 1 << 23  # bound of every sum: float32 holds integers to 2^24, one bit is left for the rounding term
QUALITIES = 64  # at which constants are kept: 20 kB each


def float32_is_whole() -> bool:
    """Whether products of float32 matrices keep every bit: a caller, for the whole process, or the environment may have
    allowed TF32 or bf16.
    """
    modes = (os.environ.get(f"{library}_DEFAULT_FPMATH_MODE", "STRICT") for library in ("ONEDNN", "DNNL"))
    if any(mode.upper() != "STRICT" for mode in modes):
        return False
    try:
        return torch.get_float32_matmul_precision() == "highest"
    except RuntimeError:  # torch >= 2.9 refuses to answer when single backends were set to other precisions
        return False


def for_each(of: Callable[[int], Any]) -> Callable[[Hundredths], Any]:
    """The function of a quality that returns tensors [1,...], also for a tuple of qualities, whose tensors follow each
    other in the first dimension.
    """
    return lambda quality: (
        [torch.cat(parts) for parts in zip(*map(of, quality))] if isinstance(quality, tuple) else of(quality)
    )


def as_type(dtype: torch.dtype, *tensors: torch.Tensor) -> Sequence[torch.Tensor]:
    """The tensors in that type, which they mostly have: asking costs less than `to`."""
    return tensors if tensors[0].dtype == dtype else [tensor.to(dtype) for tensor in tensors]


class FixedLayer(Whole):
    """A layer of the prior; its limits bound every sum below EXACT (checked when a model is loaded), so float32 gives
    the same integers as any wider type.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, act: bool, owns: bool = False):
        super().__init__(inputs, outputs, kernel, 1, torch.int8, outputs)
        self.act, self.owns = act, owns

    def freeze(self, dtype: torch.dtype) -> None:
        """Before the leaky ReLU nothing is rounded."""
        self.prepare(dtype, 0 if self.act else 0.5)

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        """inputs [N,C,h,w]: one after the other the layer's channels; only a 1x1 layer may have two."""
        offset, matrix, low, high = as_type(inputs[0].dtype, self.offset, self.matrix, self.low, self.high)
        first, *others = [x.permute(0, 2, 3, 1) for x in inputs]
        n, h, w, c = first.shape
        x = torch.clamp(first, low[:c], high[:c], out=first if self.owns else None)
        x, *_ = self.product(x, offset, matrix[:c] if others else matrix)
        for other in others:  # one at most, of a 1x1 layer
            x.addmm_(torch.clamp(other, low[c:], high[c:]).flatten(0, 2), matrix[c:])
        if self.act:
            x = F.leaky_relu_(x, SLOPE).add_(0.5)
        return x.floor_().view(n, h, w, -1).permute(0, 3, 1, 2)


class FixedNetwork(PriorNetwork):
    """The network of `FixedLayer`s, whose four heads are one batched product."""

    def freeze(self, dtype: torch.dtype) -> None:
        for layer in self.modules():
            if isinstance(layer, FixedLayer):
                layer.freeze(dtype)
        self.phases = self.phase_bias.to(dtype)
        heads: list[Any] = list(self.heads)
        names = "low", "high", "offset", "matrix"
        low, high, offset, self.matrix = [torch.stack([getattr(head, name) for head in heads]) for name in names]
        self.low, self.high, self.offset = low[:, None], high[:, None], offset[:, None]

    def vector(self, t: int) -> torch.Tensor:
        return self.phases[t]

    def speak(self, t: int, x: torch.Tensor) -> torch.Tensor:
        x = torch.stack([phase(x, PHASE[(t + g) % 4]).permute(0, 2, 3, 1) for g in range(4)])
        _, n, h, w, _ = x.shape
        x = x.flatten(1, 3).clamp_(self.low, self.high)
        offset, matrix = as_type(x.dtype, self.offset, self.matrix)
        return torch.baddbmm(offset, x, matrix).floor_().view(4, n, h, w, -1).permute(1, 0, 4, 2, 3)


class Prior(nn.Module):
    """The frozen prior of one model; immutable after `freeze`, shared by threads."""

    gain_y: torch.Tensor
    gain_z: torch.Tensor
    quality_bias: torch.Tensor
    exp2: torch.Tensor

    def __init__(self, c: Config):
        super().__init__()
        self.config = c
        self.network = FixedNetwork(FixedLayer, self._vectors, c)
        for name, channels in (("gain_y", c.latent), ("gain_z", c.hyper), ("quality_bias", c.prior)):
            self.register_buffer(name, torch.zeros(c.anchors, channels, dtype=torch.int32))
        self.register_buffer("exp2", torch.zeros(1 << GAIN, dtype=torch.int32))  # 2^15 * 2^(i / 2^GAIN)

    def _vectors(self, *shape: int) -> nn.Parameter:
        return nn.Parameter(torch.zeros(shape, dtype=torch.int32), requires_grad=False)

    def freeze(self, dtype: torch.dtype = torch.float32) -> None:
        """Call once after loading. Either type gives the same integers: float32 is faster, float64 the proof."""
        self.dtype = dtype
        self.network.freeze(dtype)
        self.gains, self._units = (for_each(functools.lru_cache(QUALITIES)(of)) for of in (self._gains, self._units_of))

    def interpolate(self, table: torch.Tensor, quality: int) -> torch.Tensor:
        """A vector per anchor, linear between anchors: int64 [C]."""
        low, part = self.config.position(quality)
        a, b = table[low].long(), table[low + 1].long()
        return torch.div(a * (9900 - part) + b * part + 4950, 9900, rounding_mode="floor")

    def power(self, log2: torch.Tensor) -> torch.Tensor:
        """2^(log2 / 2^GAIN) as exact float64 multiples of a power of two, [1,C,1,1]."""
        mantissa = self.exp2[log2 & ((1 << GAIN) - 1)].double()
        return (mantissa * two_to((log2 >> GAIN) - 15))[None, :, None, None]

    def _gains(self, quality: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """`gains`: gain of y and its reciprocal [1,M,1,1], gain of z [1,Nz,1,1]: float64, exact."""
        log_y = self.interpolate(self.gain_y, quality)
        return self.power(log_y), self.power(-log_y), self.power(self.interpolate(self.gain_z, quality))

    def _units_of(self, quality: int) -> tuple[torch.Tensor, ...]:
        """`_units`: what `walk` converts with at a quality: head outputs to 2^-LATENT and that to context
        [1,4,M/4,1,1], log-scales to rows [1,4,M/4,1,1], z to the network's fixed point [1,Nz,1,1], the quality's bias
        [1,P,1,1].
        """
        log_y = self.interpolate(self.gain_y, quality)
        gain, reciprocal, _ = self.gains(quality)
        row_offset = ((log_y << (HEAD - GAIN)) - int(ROW_START * (1 << HEAD))).int().view(1, 4, -1, 1, 1)
        unit = self.power(-self.interpolate(self.gain_z, quality)) * (1 << FRACTION)
        bias = self.interpolate(self.quality_bias, quality).to(self.dtype)[None, :, None, None]
        return (
            gain.unflatten(1, (4, -1)) * 2.0 ** (LATENT - HEAD),
            reciprocal.unflatten(1, (4, -1)) * 2.0 ** (FRACTION - LATENT),
            row_offset,
            unit,
            bias,
        )

    def walk(
        self, z: torch.Tensor, quality: Hundredths, code: Callable[[int, torch.Tensor, torch.Tensor], torch.Tensor]
    ) -> torch.Tensor:
        """Runs the prior over z symbols, float64 [N,Nz,h/4,w/4], calling `code(step, mean, rows)` -> residuals for each
        of the four steps.

        mean [N,4,M/4,h/2,w/2] float64 is in 2^-LATENT, rows int32 of the same shape; the residuals returned are
        integers in float64.
        quality: in hundredths, or a tuple of N. The encoder's `code` quantises, the decoder's reads: both walk the same
        path. Returns y [N,M,h,w] in 2^-LATENT.
        """
        dtype = self.dtype if float32_is_whole() else torch.float64
        to_latent, to_context, row_offset, unit, bias = self._units(quality)
        features = self.network.features(fixed(z * unit).to(dtype), bias.to(dtype))
        n, _, h, w = features.shape
        y = torch.empty(n, self.config.latent, h, w, dtype=torch.float64, device=z.device)
        # The layout is channels_last.
        context = torch.zeros(n, h, w, self.config.latent, dtype=dtype, device=z.device).permute(0, 3, 1, 2)
        for t in range(STEPS):
            mean, scale = self.network.step(t, features, context)
            mean = (
                mean.to(torch.float64, memory_format=torch.contiguous_format)
                .mul_(to_latent)
                .add_(0.5)
                .floor_()
                .clamp_(-MAX_RESIDUAL << LATENT, MAX_RESIDUAL << LATENT)
            )
            rows = (
                scale.to(torch.int32, memory_format=torch.contiguous_format)
                .add_(row_offset)
                .bitwise_right_shift_(ROW_SHIFT)
                .clamp_(0, ROWS - 1)
            )
            step = torch.add(mean, code(t, mean, rows), alpha=1 << LATENT)
            place(y, t, step)
            if t < STEPS - 1:
                place(context, t, step.mul_(to_context).add_(0.5).floor_())
        return y
