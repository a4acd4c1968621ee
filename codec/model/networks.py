"""Float networks of the codec: analysis, hyper-analysis and synthesis (`prior` holds what must be exact; `pipeline`
joins them).

Shapes: picture x [N,3,H,W] in [-0.5, 0.5], H and W multiples of 16; latent y [N,M,H/16,W/16]; hyper-latent z
[N,Nz,ceil(H/64),ceil(W/64)]. Every transform is a linear 16x16 DCT-initialised shortcut plus a residual branch. `q` [N]
is the quality as a float anchor coordinate in [0, len(lambdas)-1]; one network serves every rate through per-channel
log-gains learned at the anchors (Cui et al. 2021, "Asymmetric gained deep image compression with continuous rate
adaptation").
"""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn as nn
import torch.nn.functional as F

from . import basis
from .config import STRIDE, Config

CELL = 8  # picture pixels per position at 1/8, along each axis
SLOPE = 0.1  # of the leaky ReLUs


class Pointwise(nn.Conv2d):
    """A 1x1 convolution as a matrix product: x [N,C,h,w], best in channels_last memory.

    Its sums do not depend on the number of threads, but for less than a dozen positions; those of a library's
    convolution do, and in some of the 500,000 symbols of a picture that shows.
    """

    def __init__(self, i: int, o: int, bias: bool = True):
        super().__init__(i, o, 1, bias=bias)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return pointwise(x, self.weight, self.bias)


def pointwise(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    return F.linear(x.permute(0, 2, 3, 1), weight.flatten(1), bias).permute(0, 3, 1, 2)


def conv(i: int, o: int, kernel: int = 3, stride: int = 1, bias: bool = True) -> nn.Conv2d:
    return nn.Conv2d(i, o, kernel, stride, kernel // 2) if kernel > 1 else Pointwise(i, o, bias)


def add(x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    """x + t, in the memory of the fresh t where no gradient needs it."""
    return t.add_(x) if t.dtype == x.dtype and not torch.is_grad_enabled() else x + t


class Gain(nn.Module):
    """Per-channel gains exp(w), w [anchors, C] linear between anchors; `log` gives log-gains [N,C,1,1]."""

    def __init__(self, anchors: int, channels: int, init: Any = None):
        super().__init__()
        self.w = nn.Parameter(
            torch.zeros(anchors, channels)
            if init is None
            else torch.as_tensor(init, dtype=torch.float32)[:, None].repeat(1, channels)
        )

    def log(self, q: torch.Tensor) -> torch.Tensor:
        low = q.floor().clamp(0, self.w.shape[0] - 2).long()
        part = (q - low)[:, None]
        return (self.w[low] * (1 - part) + self.w[low + 1] * part)[:, :, None, None]

    def forward(self, x: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
        return x * torch.exp(self.log(q)).to(x.dtype)

    def activated(self, x: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
        """The gain of what a leaky ReLU makes of a fresh x."""
        return self(leaky(x), q)


def leaky(x: torch.Tensor) -> torch.Tensor:
    """Leaky ReLU of a fresh x, in its memory where no gradient needs it."""
    return F.leaky_relu(x, SLOPE, not torch.is_grad_enabled())


class Floats:
    """The layers of trainable networks; `fixed.Integers` are those of the codec."""

    conv, gain, leaky = staticmethod(conv), Gain, staticmethod(leaky)


class ResBlock(nn.Module):
    """Two 3x3 convolutions; the gain between them adapts the block to the quality."""

    def __init__(self, channels: int, anchors: int, layers: Any = Floats):
        super().__init__()
        self.a, self.b = layers.conv(channels, channels), layers.conv(channels, channels)
        self.gain = layers.gain(anchors, channels)

    def forward(self, x: torch.Tensor, q: Any) -> torch.Tensor:
        return add(x, self.b(self.gain.activated(self.a(x), q)))


def unshuffle(x: torch.Tensor, size: int) -> torch.Tensor:
    """[N,C,size*h,size*w] -> [N,size^2*C,h,w], channels in order of row, column and channel within the cell:
    channels_last memory stays in runs of a cell's row.
    """
    n, c, h, w = x.shape
    x = x.permute(0, 2, 3, 1).reshape(n, h // size, size, w // size, size * c).transpose(2, 3)
    return x.reshape(n, h // size, w // size, size**2 * c).permute(0, 3, 1, 2)


def shuffle(x: torch.Tensor, size: int) -> torch.Tensor:
    """Inverse of `unshuffle`."""
    n, c, h, w = x.shape
    x = x.permute(0, 2, 3, 1).reshape(n, h, w, size, c // size).transpose(2, 3)
    return x.reshape(n, h * size, w * size, c // size**2).permute(0, 3, 1, 2)


def shed(x: torch.Tensor, halo: Sequence[int], keep: int) -> tuple[torch.Tensor, list[int]]:
    """x [N,C,h,w] without what is beyond `keep` positions of its halo (those at top, bottom, left and right), and what
    is left of that.
    """
    left = [min(side, keep) for side in halo]
    top, bottom, start, end = (side - kept for side, kept in zip(halo, left))
    return x[:, :, top : x.shape[2] - bottom, start : x.shape[3] - end], left


def dct_basis(channels: int, size: int = STRIDE) -> torch.Tensor:
    """The lowest `channels` size x size DCT functions over an orthonormal luma/chroma space, [channels, 3, size, size];
    dealt in turn to the prior's four channel groups, so that each group holds low and high frequencies."""
    colour, d = (torch.from_numpy(axes) for axes in (basis.colours(), basis.cosines(size)))
    functions = [torch.einsum("c,i,j->cij", colour[c], d[u], d[v]) for c, u, v in basis.lowest(channels, size)]
    return torch.stack([functions[i] for g in range(4) for i in range(g, channels, 4)]).float()


STEP_RECIPROCAL = 4.47  # 1 / quantiser step (in [0,1] pixel units) at lambda = 0.008: step^2 = 4.0e-4 / lambda


class Analysis(nn.Module):
    """x [N,3,H,W] -> y [N,M,H/16,W/16], in quantiser steps of lambda = 0.008."""

    def __init__(self, c: Config, layers: Any = Floats):
        super().__init__()
        self.linear = layers.conv(3 * STRIDE**2, c.latent, 1, bias=False)
        self.first = layers.conv(3 * CELL**2, c.width)
        self.blocks = nn.ModuleList(ResBlock(c.width, c.anchors, layers) for _ in range(c.analysis_blocks))
        self.down = layers.conv(c.width, c.deep, 3, 2)
        self.last_block = ResBlock(c.deep, c.anchors, layers)
        self.last = layers.conv(c.deep, c.latent, 1)
        if layers is not Floats or self.last.weight.is_meta:  # the weights will come from a file
            return
        with torch.no_grad():
            self.linear.weight.copy_(
                (dct_basis(c.latent) * STEP_RECIPROCAL).permute(0, 2, 3, 1).reshape(c.latent, -1, 1, 1)
            )
            self.last.weight.mul_(0.3)

    def branch(self, x: torch.Tensor, q: Any, halo: Sequence[int]) -> torch.Tensor:
        t, halo = self.first(unshuffle(x, CELL)), [2 * side for side in halo]
        # Positions at 1/8 that the rest of the branch sees, made even: two 3x3 at 1/16, two per block, one.
        beyond = 4 + 2 * len(self.blocks) + 2
        for block in self.blocks:
            beyond -= 2
            t, halo = shed(block(t, q), halo, beyond)
        t, halo = self.down(t), [side // 2 for side in halo]
        return self.last(shed(self.last_block(t, q), halo, 0)[0])

    def shortcut(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(unshuffle(x, STRIDE))

    def forward(self, x: torch.Tensor, q: Any, half: bool = False, halo: Sequence[int] = (0, 0, 0, 0)) -> torch.Tensor:
        """half: the branch in bfloat16, as in training; halo: latent positions at top, bottom, left and right of x that
        y shall not show, each as many as `tiles.analysis_halo` says, or fewer where the picture begins or ends there.
        """
        with torch.autocast(x.device.type, torch.bfloat16, enabled=half):
            y = self.branch(x, q, halo)
        shortcut = self.shortcut(shed(x, [STRIDE * side for side in halo], 0)[0])
        return add(y.to(shortcut.dtype), shortcut)


class Synthesis(nn.Module):
    """y [N,M,h,w] (dequantised) -> x [N,3,16h,16w]; ends in a small renderer at 1/4 resolution."""

    def __init__(self, c: Config, layers: Any = Floats):
        super().__init__()
        self.linear = layers.conv(c.latent, 3 * STRIDE**2, 1, bias=False)
        self.gain = layers.gain(c.anchors, c.latent)
        self.first = layers.conv(c.latent, c.deep, 1)
        self.first_block = ResBlock(c.deep, c.anchors, layers)
        self.up8 = layers.conv(c.deep, 4 * c.width, 1)
        self.blocks = nn.ModuleList(ResBlock(c.width, c.anchors, layers) for _ in range(c.synthesis_blocks))
        self.up4 = layers.conv(c.width, 4 * c.render, 1)
        self.render = ResBlock(c.render, c.anchors, layers)
        self.last = layers.conv(c.render, 48)
        if layers is not Floats or self.last.weight.is_meta:
            return
        with torch.no_grad():
            self.linear.weight.copy_(
                (dct_basis(c.latent) / STEP_RECIPROCAL).permute(0, 2, 3, 1).reshape(c.latent, -1).t()[:, :, None, None]
            )
            self.last.weight.mul_(0.03)
            self.last.bias.zero_()

    def branch(self, y: torch.Tensor, q: Any, halo: Sequence[int]) -> torch.Tensor:
        # Positions at 1/8 that the rest of the branch sees: two 3x3 per block, three at 1/4.
        beyond = 2 * len(self.blocks) + 2
        t, halo = shed(self.first_block(self.first(y), q), halo, beyond // 2)
        t, halo = shuffle(self.up8(t), 2), [2 * side for side in halo]
        for block in self.blocks:
            beyond -= 2
            t, halo = shed(block(t, q), halo, beyond)
        t, halo = shuffle(self.up4(t), 2), [2 * side for side in halo]
        t, halo = shed(self.render(t, q), halo, 1)
        return shuffle(shed(self.last(t), halo, 0)[0], 4)

    def shortcut(self, y: torch.Tensor) -> torch.Tensor:
        return shuffle(self.linear(y), STRIDE)

    def forward(self, y: torch.Tensor, q: Any, half: bool = False, halo: Sequence[int] = (0, 0, 0, 0)) -> torch.Tensor:
        """halo: as of the analysis, positions of y that x shall not show, each as many as `tiles.synthesis_halo` says,
        or fewer.
        """
        y = self.gain(y, q)
        with torch.autocast(y.device.type, torch.bfloat16, enabled=half):
            x = self.branch(y, q, halo)
        shortcut = self.shortcut(shed(y, halo, 0)[0])
        return add(x.to(shortcut.dtype), shortcut)


class HyperAnalysis(nn.Module):
    """y [N,M,h,w] -> z [N,Nz,ceil(h/4),ceil(w/4)], before its gain and rounding."""

    def __init__(self, c: Config, layers: Any = Floats):
        super().__init__()
        self.leaky, self.a = layers.leaky, layers.conv(c.latent, c.width, 1)
        self.b, self.c = layers.conv(c.width, c.width, 3, 2), layers.conv(c.width, c.hyper, 3, 2)

    def forward(self, y: torch.Tensor) -> torch.Tensor:
        return self.c(self.leaky(self.b(self.leaky(self.a(y)))))
