"""Latents fitted to the picture that they decode to: what `--effort` adds to an encoding.

Between `payload`, which rounds them, and the synthesis, whose gradient says how.

The analysis makes every latent as if it were to be rounded alone, but what they draw in the picture overlaps, and so do
their errors. A pass decodes what was rounded; the gradient of the error (`error`: squared, or as the eye sees it) says
which latents would serve the picture better beside the others as they are, and what is rounded next is the mean of the
first latents and all such wishes. (Newton steps for all latents at once, a half, a third, a quarter ... of the way:
whole ones diverge, as neighbours mend the same error.) The decoder knows nothing of it. Annealed stochastic rounding
(Yang et al. 2020, "Improving inference for neural image compression") took fifty times the passes for as much.
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
        worth = self.worth(*target.shape[2:])
        for number in range(self.passes):
            steps = quantised(target)
            target = target.lerp(steps - self.gradient(steps) / (2 * worth), 1 / (number + 2))
        return target

    def worth(self, high: int, wide: int) -> float | torch.Tensor:
        """Bits that a squared step of each latent is worth, half the curvature of a Newton step: broadcast to
        [N,M,high,wide].
        """
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
