"""The codec as one differentiable function: picture and quality in, reconstruction and rate out.

`export` freezes it into a weight file.

Rate from additive uniform noise, reconstruction and context from straight-through rounding (mixed quantisation, Minnen
& Singh 2020).
"""

import math
from typing import Any

import torch
import torch.nn as nn
import torch.nn.functional as F

from ..model.config import Config
from ..model.networks import Analysis, Gain, HyperAnalysis, Synthesis
from ..model.prior import PHASE, SLOPE, STEPS, PriorNetwork, gather

SCALE_MIN = 0.11  # floor of the Gaussian scale of a symbol


class FloatLayer(nn.Conv2d):
    """Training form of a prior layer."""

    def __init__(self, inputs: int, outputs: int, kernel: int, act: bool, owns: bool = False):
        super().__init__(inputs, outputs, kernel, 1, kernel // 2)
        self.act = act

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        x = super().forward(torch.cat(inputs, 1) if len(inputs) > 1 else inputs[0])
        return F.leaky_relu(x, SLOPE) if self.act else x


class LowerBound(torch.autograd.Function):
    """max(x, bound) whose gradient still pushes up from below."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, bound: float) -> torch.Tensor:
        ctx.save_for_backward(x)
        ctx.bound = bound
        return x.clamp_min(bound)

    @staticmethod
    def backward(ctx: Any, g: torch.Tensor) -> tuple[torch.Tensor, None]:
        (x,) = ctx.saved_tensors
        return g * ((x >= ctx.bound) | (g < 0)), None


def scatter(steps: list[torch.Tensor]) -> torch.Tensor:
    """The latent [N,M,h,w] whose steps so far are given, zero elsewhere: `prior.place` as an expression that has a
    gradient.
    """
    zero = torch.zeros_like(steps[0][:, 0])
    groups = []
    for g in range(4):
        by_phase = [zero] * 4
        for t, x in enumerate(steps):
            by_phase[PHASE[(t + g) % 4]] = x[:, g]
        # Columns are interleaved, then rows.
        rows = [torch.stack(by_phase[2 * i : 2 * i + 2], -1).flatten(-2) for i in (0, 1)]
        groups.append(torch.stack(rows, -2).flatten(-3, -2))
    return torch.cat(groups, 1)


def ste_round(x: torch.Tensor) -> torch.Tensor:
    return x + (torch.round(x) - x).detach()


def noise(x: torch.Tensor) -> torch.Tensor:
    return x + torch.empty_like(x).uniform_(-0.5, 0.5)


class Trainable(nn.Module):
    """The networks and the prior of a config, in floats and with gradients; `export` makes a `Model` of it."""

    def __init__(self, config: Config | None = None):
        super().__init__()
        self.config = c = config or Config()
        self.analysis, self.synthesis, self.hyper_analysis = Analysis(c), Synthesis(c), HyperAnalysis(c)
        # Logarithms of gains, which are reciprocal quantiser steps, relative to the step of lambda = 0.008.
        steps = torch.tensor([0.5 * math.log(weight / 0.008) for weight in c.lambdas])
        self.gain_y, self.gain_z = Gain(c.anchors, c.latent, steps), Gain(c.anchors, c.hyper, 0.5 * steps)
        self.prior = PriorNetwork(FloatLayer, lambda *shape: nn.Parameter(torch.zeros(shape)), c)
        self.quality_bias = Gain(c.anchors, c.prior)  # additive; only its `log` is used
        # The logistic prior of z.
        self.z_mean, self.z_scale = (Gain(c.anchors, c.hyper), Gain(c.anchors, c.hyper, torch.full((c.anchors,), 0.7)))
        self.pull = nn.Parameter(torch.tensor([0.2, 1.0, 0.0]))  # see `centroid_pull`
        with torch.no_grad():
            for head in self.prior.heads:
                head.get_parameter("weight").mul_(0.3)

    def centroid_pull(self, log2_scale: torch.Tensor) -> torch.Tensor:
        """How far non-zero residuals are rebuilt nearer to the mean than they were rounded: falls with the scale, at
        most one step.
        """
        height, slope, middle = self.pull
        return height * torch.sigmoid(slope * (middle - log2_scale))

    def forward(
        self, x: torch.Tensor, q: torch.Tensor, amp: bool = True
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """x [N,3,H,W] in [0,1], H and W multiples of 64; q [N].

        Returns reconstruction [N,3,H,W], bits per pixel [N] and the part of z [N].
        """
        half = lambda: torch.autocast(x.device.type, torch.bfloat16, enabled=amp)
        pixels = x.shape[2] * x.shape[3]
        x = x - 0.5
        y = self.analysis(x, q, amp)
        with half():
            z = self.hyper_analysis(y)
        log_gain = self.gain_y.log(q)
        gain, gain_z = torch.exp(log_gain), torch.exp(self.gain_z.log(q))
        z = z.float() * gain_z
        z_hat = ste_round(z) if self.training else torch.round(z)
        bits_z = self.z_bits(noise(z) if self.training else z_hat, q)
        with half():
            features = self.prior.features(z_hat / gain_z, self.quality_bias.log(q))
        ys = y * gain
        gain5, log_gain5 = [v.unflatten(1, (4, -1)) for v in (gain, log_gain)]
        decoded, rebuilt, bits_y, context = [], [], torch.zeros_like(bits_z), None
        for t in range(STEPS):
            with half():
                mean, scale = self.prior.step(t, features, context)
            mean = mean.float() * gain5
            log2_scale = scale.float() + log_gain5 / math.log(2)
            target = gather(ys, t)
            residual = ste_round(target - mean) if self.training else torch.round(target - mean)
            bits_y = bits_y + self.y_bits(noise(target) - mean if self.training else residual, log2_scale)
            decoded.append((residual + mean) / gain5)
            pull = torch.sign(residual.detach()) * self.centroid_pull(log2_scale.detach())
            rebuilt.append((residual - pull + mean) / gain5)
            if t < STEPS - 1:
                context = scatter(decoded)
        x_hat = self.synthesis(scatter(rebuilt), q, amp) + 0.5
        return x_hat, (bits_y + bits_z) / pixels, bits_z / pixels

    def y_bits(self, v: torch.Tensor, log2_scale: torch.Tensor) -> torch.Tensor:
        """Bits of Gaussian residuals v, summed per sample."""
        scale = LowerBound.apply(torch.exp2(log2_scale.clamp(max=9)), SCALE_MIN)
        v, cdf = v.abs(), lambda t: 0.5 * torch.erfc(-t * 2**-0.5)
        p = cdf((0.5 - v) / scale) - cdf((-0.5 - v) / scale)
        return -torch.log2(LowerBound.apply(p, 1e-9)).sum((1, 2, 3, 4))

    def z_bits(self, z: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
        """Bits of z under a logistic prior per channel and quality, summed per sample."""
        v, scale = (z - self.z_mean.log(q)).abs(), torch.exp(self.z_scale.log(q).clamp(-2.5, 5))
        p = torch.sigmoid((0.5 - v) / scale) - torch.sigmoid((-0.5 - v) / scale)
        return -torch.log2(LowerBound.apply(p, 1e-9)).sum((1, 2, 3))


def lambda_of(q: torch.Tensor, config: Config) -> torch.Tensor:
    """Lagrangian of float anchor coordinate q [N]."""
    return config.lambda_min * torch.exp2(q)
