"""Between latents and symbols: what is rounded to which symbol, and what latents are rebuilt from symbols.

All numbers are whole ones in float64, most of them quantiser steps of 2^-TARGET.
"""

import torch

from ...model.config import MAX_RESIDUAL
from ...model.fixed import TARGET, Hundredths, fixed
from ...model.prior import LATENT
from .model import Model


def quantised(model: Model, residuals: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """The symbols of residuals [n], in steps of 2^-TARGET, under their table rows: rounded where the error saved is
    worth its bits (`Networks.thresholds`); both float64.
    """
    one, more = (x.index_select(0, rows) for x in model.networks.thresholds)
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
