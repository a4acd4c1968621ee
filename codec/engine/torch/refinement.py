"""Latents fitted to the picture that they decode to: what `--effort` adds to an encoding.

Between `payload`, which rounds them, and the synthesis, whose gradient says how.

The analysis makes every latent as if it were to be rounded alone, but what they draw in the picture overlaps, and so do
their errors. A pass decodes what was rounded; the gradient of the error (`error`: squared, or as the eye sees it) says
which latents would serve the picture better beside the others as they are, and what is rounded next is the mean of the
first latents and all such wishes. (Newton steps for all latents at once, a half, a third, a quarter ... of the way:
whole ones diverge, as neighbours mend the same error.) The decoder knows nothing of it. How curved the error is along
each channel is measured on the picture itself, by Hutchinson's estimator (Bekas, Kokiopoulou, Saad 2007, "An estimator
for the diagonal of a matrix"): a model for the eye draws low qualities in coarser steps than its error alone would
have, and one curvature for all made files there a tenth larger for nothing. Annealed stochastic rounding (Yang et al.
2020, "Improving inference for neural image compression") took fifty times the passes for as much.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from ...coding.tiles import Halo
from ...model.fixed import Hundredths
from ...stages import stage
from .device import has_bfloat16
from .error import ERRORS, SquaredError
from .model import Model

# The latents are moved by so many steps of the quantiser to see how the gradient changes: where the synthesis is still
# straight, and the change well above the noise of bfloat16.
PROBE = 0.3
# Probes are made until they have moved so many latents of each channel, which leaves a few percent of noise in most.
PROBED, MOST_PROBES = 256, 16
# Bits per squared step, the least that is believed: channels that draw what does not count, such as the colours of a
# gray picture, would else be moved at random. Squared error has 15 to 17 in nine tenths of the channels.
LEAST_CURVATURE = 2.0


class Fit:
    """The passes over N tiles of h x w positions, with a margin of their neighbours' latents.

    Args: model; quality: in hundredths, or a tuple of N; passes; samples: per tile [H,W,C], uint8 or uint16, 16h x 16w
    or fewer where the picture ends; y: the latents [N,M,...] of the tiles and around them; margin: how many positions
    there are at top, bottom, left and right, as many as `tiles.synthesis_halo` says or fewer at the picture's edge.
    """

    def __init__(
        self,
        model: Model,
        quality: Hundredths,
        passes: int,
        samples: Sequence[NDArray[Any]],
        y: torch.Tensor,
        margin: Halo,
    ):
        self.model, self.quality, self.passes, self.margin = model, quality, passes, margin
        self.around = y.float()
        top, bottom, left, right = margin
        self.inner = slice(top, y.shape[2] - bottom), slice(left, y.shape[3] - right)
        error_of = ERRORS.get(model.objective, SquaredError)
        with torch.inference_mode(False):  # what a gradient passes through is not made in that mode
            errors = [error_of(_picture(tile, y.device)) for tile in samples]
        self.own = list(zip(errors, quality if isinstance(quality, tuple) else (quality,) * len(samples)))

    def __call__(self, target: torch.Tensor, quantised: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
        """The target [N,M,high,wide], in quantiser steps on the padded grid, that fits best once it is quantised;
        quantised(target): what the synthesis gets of it.
        """
        curvature = torch.ones(())  # is measured in the first pass
        for number in range(self.passes):
            steps = quantised(target)
            gradient = self.gradient(steps)
            curvature = curvature if number else self.curvature(steps, gradient)
            target = target.lerp(steps - gradient / curvature, 1 / (number + 2))
        return target

    def curvature(self, steps: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
        """Of the error along each latent alone, in bits per squared quantiser step: that of its channel, times what the
        error counts where the latent is; [N,M,high,wide] or what is broadcast to that. Args: as of `by_channel`.
        """
        return self.by_channel(steps, gradient).clamp_min(LEAST_CURVATURE) * self.weights(*steps.shape[2:])

    def by_channel(self, steps: torch.Tensor, gradient: torch.Tensor) -> torch.Tensor:
        """The curvature of each channel where the error counts 1: [N,M,1,1].

        Args: steps, gradient: where it is measured, both [N,M,high,wide].
        """
        h, w = self.around[:, :, *self.inner].shape[2:]
        weights = self.weights(*steps.shape[2:])
        signs = torch.Generator().manual_seed(0)  # The same for every tile, so that files do not depend on the others.
        probes = min(MOST_PROBES, -(-PROBED // (h * w)))
        found = torch.zeros_like(steps[:, :, :1, :1])
        for _ in range(probes):
            moved = PROBE * (2 * torch.randint(0, 2, steps.shape[1:], generator=signs) - 1).to(steps)
            # A latent's own share of the change remains, since the signs of its neighbours are any.
            own = (self.gradient(steps + moved) - gradient) / moved / weights
            found += own[:, :, :h, :w].mean((2, 3), keepdim=True) / probes
        return found

    def weights(self, high: int, wide: int) -> float | torch.Tensor:
        """What the error counts around each latent: broadcast to [N,M,high,wide]."""
        found = [error.at_latents(high, wide) for error, _ in self.own]
        each = [one for one in found if isinstance(one, torch.Tensor)]
        return torch.cat(each) if each else found[0]

    def gradient(self, steps: torch.Tensor) -> torch.Tensor:
        """Of the error in bits, by latents in quantiser steps; both [N,M,high,wide]."""
        reciprocal = self.model.networks.prior.gains(self.quality)[1].float()
        inside = self.around[:, :, *self.inner]
        h, w = inside.shape[2:]
        inside.copy_((steps * reciprocal)[:, :, :h, :w])
        # One by one, so that files are those of single pictures.
        gradients = [self._gradient_of(self.around[i : i + 1], *own) for i, own in enumerate(self.own)]
        return F.pad(
            torch.cat(gradients)[:, :, *self.inner] * reciprocal, (0, steps.shape[3] - w, 0, steps.shape[2] - h)
        )

    def _gradient_of(self, y: torch.Tensor, error: SquaredError, quality: int) -> torch.Tensor:
        """The same by the latents y [1,M,...] themselves, of one tile with its margin."""
        height, width = error.picture.shape[2:]
        with torch.inference_mode(False), torch.enable_grad():
            y = y.clone(memory_format=torch.channels_last).requires_grad_()
            with stage("synthesis"):
                half = has_bfloat16(y.device)
                x = self.model.floats.synthesis(y, self.model.coordinate(quality), half, halo=self.margin)
            x = x[:, :, :height, :width].clamp(-0.5, 0.5)
            gradient: torch.Tensor = torch.autograd.grad(self.model.config.lambda_at(quality) * error(x), y)[0]
            return gradient


def _picture(samples: NDArray[Any], device: torch.device) -> torch.Tensor:
    """[1,C,H,W] in [-0.5,0.5] of samples [H,W,C]."""
    scaled = torch.from_numpy(samples.astype("f4")).to(device) / ((1 << 8 * samples.itemsize) - 1) - 0.5
    return scaled.permute(2, 0, 1)[None]
