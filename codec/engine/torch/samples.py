"""Samples of pictures as the networks in integers take and give them (FORMAT.md, "Pixels"); everything is a whole
number in float64.
"""

import torch

from ...model.fixed import PIXEL, SAMPLE


def taken(samples: torch.Tensor, most: int) -> torch.Tensor:
    """What the analysis takes, in 2^-SAMPLE of the range about its middle, of samples 0 to `most`."""
    return torch.floor((samples.double() * (2 << SAMPLE) + most) / (2 * most)) - (1 << SAMPLE - 1)


def given(p: torch.Tensor, channels: int, depth: int) -> torch.Tensor:
    """Samples [N,H,W,C] of what the synthesis gives, [N,3,H,W] in 2^-PIXEL of the range about its middle; gray ones are
    the mean of three.
    """
    p, parts = p.permute(0, 2, 3, 1), 3 // channels
    if parts > 1:
        p = p.sum(3, keepdim=True)
    half = 1 << PIXEL - 1
    c = p.add(parts * half).clamp_(0, parts << PIXEL)
    return c.mul_((2**depth - 1) // parts).add_(half).mul_(2.0**-PIXEL).floor_()
