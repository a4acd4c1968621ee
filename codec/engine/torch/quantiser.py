"""Between latents and symbols: what is rounded to which symbol, and what latents are rebuilt from symbols.

All numbers are whole ones in float64, most of them quantiser steps of 2^-TARGET.
"""

import torch

from ...model.config import MAX_RESIDUAL
from ...model.fixed import TARGET, Hundredths, fixed
from ...model.prior import LATENT, ROWS
from .model import Model

BUSIEST = 3 << TARGET  # what of a latent counts as busyness
# Busyness over the usual, times 2^8, from which the level is one more: a quarter of an octave each.
EDGES = [round(2 ** (8 + (k - 7.5) / 4)) for k in range(16)]


def busyness(target: torch.Tensor) -> torch.Tensor:
    """How large the latents [N,M,h,w] of a position are together, in steps of 2^-TARGET: [N,1,h,w], float64."""
    return target.clamp(-BUSIEST, BUSIEST).abs_().sum(1, keepdim=True)


def levels_of(model: Model, target: torch.Tensor, quality: Hundredths) -> torch.Tensor:
    """Which thresholds the symbols of latents [N,M,h,w] have, in steps of 2^-TARGET, float64: int32, the same shape.

    The busier it is around a latent, the less its error shows, and the more error a bit has to save (as in Zeng, Daly,
    Lei 2002, "An overview of the visual optimization tools in JPEG 2000").
    """
    n = model.networks
    count = len(n.thresholds) // 2
    if count == 1:
        return torch.zeros_like(target, dtype=torch.int32)
    relative = fixed(busyness(target) * model.at(quality).power(n.thresholds_busyness, 8))
    edges = torch.tensor(EDGES, dtype=torch.float64, device=target.device)
    own = torch.searchsorted(edges, relative, right=True, out_int32=True) - len(EDGES) // 2
    return (own + n.thresholds_channel[:, None, None] + count // 2).clamp_(0, count - 1)


def quantised(model: Model, residuals: torch.Tensor, rows: torch.Tensor, levels: torch.Tensor) -> torch.Tensor:
    """The symbols of residuals [n], in steps of 2^-TARGET, under their rows and at their `levels_of`: rounded where
    the error saved is worth its bits (`Networks.thresholds`); both float64.
    """
    place = levels.long() * (2 * ROWS) + rows
    one, more = (model.networks.thresholds.view(-1)[start:].index_select(0, place) for start in (0, ROWS))
    size = residuals.abs()
    whole = torch.sub(size, more).mul_(2.0**-TARGET).add_(1).floor_()
    return torch.where(whole > 1, whole, size >= one).copysign_(residuals).clamp_(-MAX_RESIDUAL, MAX_RESIDUAL)


def rebuilt(pull: torch.Tensor, decoded: torch.Tensor, symbols: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """y in steps of 2^-TARGET, float64 [N,M,high,wide], of y in 2^-LATENT, its symbols and their rows: what is not zero
    is pulled to the mean. Overwrites `decoded` and `symbols`.
    """
    y = decoded.mul_(1 << TARGET - LATENT)
    y.view(-1).addcmul_(symbols.sign_().view(-1), pull.index_select(0, rows.view(-1)).double(), value=-1)
    return y


def dequantised(model: Model, y: torch.Tensor, quality: Hundredths) -> torch.Tensor:
    """y [N,M,h,w] of quantiser steps of 2^-TARGET, float64."""
    reciprocal = model.networks.prior.gains(quality)[1] * 2.0**-TARGET
    return torch.mul(y, reciprocal).contiguous(memory_format=torch.channels_last)


def steps(model: Model, y: torch.Tensor, quality: Hundredths) -> torch.Tensor:
    """What `dequantised` multiplied, in quantiser steps of 2^-TARGET: whole numbers, to the bit; float64."""
    return fixed(y.double() / (model.networks.prior.gains(quality)[1] * 2.0**-TARGET))
