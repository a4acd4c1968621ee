"""Where an encoder rounds: what is in a weight file of how symbols are chosen, for `engine.torch.quantiser`."""

import math

import torch

from ..bitstream.tables import Tables
from ..model.fixed import TARGET

# The worth of a bit in squared quantiser steps: the best of 0.04, 0.08 and more on training pictures (theory for high
# rates: 0.1155).
BIT = 0.065


def rounding_thresholds(tables: Tables, pull: torch.Tensor) -> torch.Tensor:
    """Where the encoder rounds up, by row: residual magnitudes from which 1 is coded, and distances past k >= 1 from
    which k + 1 is: int32 [2,ROWS], in steps of 2^-TARGET, like the pull [ROWS].

    Rate-distortion optimal for one symbol: the larger value must save more squared error, against values rebuilt `pull`
    nearer to the mean, than its further bits are worth.
    """
    thresholds = []
    for r, towards in enumerate((pull * 2.0**-TARGET).tolist()):
        zero, one, two = [tables.frequency(r, symbol) for symbol in (0, 1, 2)]
        value = 1 - towards
        first = (value**2 + BIT * math.log2(zero / one)) / (2 * value)
        further = min(1.0, max(0.0, 0.5 - towards + BIT * math.log2(one / two) / 2))
        thresholds.append((min(first, 1 + further), further))
    return torch.round(torch.tensor(thresholds, dtype=torch.float64).t() * (1 << TARGET)).to(torch.int32)
