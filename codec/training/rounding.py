"""Where an encoder rounds: what is in a weight file of how symbols are chosen, for `engine.torch.quantiser`.

A model for squared error has one set of thresholds. One for the eye has a level for each symbol, which says what a bit
is worth in squared error: more where the picture is busy, for errors show less there, and more in channels along which
the eye's error is steep, which was found by trial.
"""

import itertools
import math
from collections.abc import Sequence

import torch

from ..bitstream.tables import Tables
from ..engine.torch.model import Model
from ..engine.torch.quantiser import busyness
from ..engine.torch.refinement import Fit
from ..model.fixed import GAIN, TARGET, fixed
from ..model.prior import LEVELS

# The worth of a bit in squared quantiser steps: the best of 0.04, 0.08 and more on training pictures (theory for high
# rates: 0.1155).
BIT = 0.065
STEPS = 8  # levels in an octave of what a bit is worth
# What a bit is worth in a channel of a model for the eye: BIT times WORTH, times the channel's curvature over the
# median channel's to this power. The best by most measures of 1.0 and 1.2 with powers of 0.2, 0.5 and 0.8, on six
# photographs held out (qualities 2 to 88).
WORTH, POWER = 1.2, 0.8
LEAST = 4.0  # bits per squared step, the least curvature that is believed


def rounding_thresholds(tables: Tables, pull: torch.Tensor, levels: int = 1) -> torch.Tensor:
    """Where the encoder rounds up, by row: residual magnitudes from which 1 is coded, and distances past k >= 1 from
    which k + 1 is: int32 [2*levels,ROWS], in steps of 2^-TARGET, like the pull [ROWS].

    Rate-distortion optimal for one symbol: the larger value must save more squared error, against values rebuilt `pull`
    nearer to the mean, than its further bits are worth. The middle of the levels has a bit worth BIT.
    """
    thresholds: list[tuple[float, ...]] = []
    for level in range(levels):
        bit = BIT * 2 ** ((level - levels // 2) / STEPS)
        both = []
        for r, towards in enumerate((pull * 2.0**-TARGET).tolist()):
            zero, one, two = [tables.frequency(r, symbol) for symbol in (0, 1, 2)]
            value = 1 - towards
            first = (value**2 + bit * math.log2(zero / one)) / (2 * value)
            further = min(1.0, max(0.0, 0.5 - towards + bit * math.log2(one / two) / 2))
            both.append((min(first, 1 + further), further))
        thresholds += zip(*both)
    return torch.round(torch.tensor(thresholds, dtype=torch.float64) * (1 << TARGET)).to(torch.int32)


def masking(model: Model, crops: Sequence[torch.Tensor]) -> dict[str, torch.Tensor]:
    """What says which level a symbol has: tensors of a weight file, measured on batches of crops [N,3,H,W] in [0,1],
    whose sides are multiples of 64.
    """
    anchors = model.config.anchors
    usual = torch.zeros(anchors, dtype=torch.float64)
    curvature = torch.zeros(model.config.latent, dtype=torch.float64)
    for x, anchor in itertools.product(crops, range(anchors)):
        quality = round(100 + 9900 * anchor / (anchors - 1))
        with torch.no_grad():
            y = model.floats.analysis(x - 0.5, torch.full((len(x),), float(anchor)))
        steps = y.double() * model.networks.prior.gains(quality)[0]
        usual[anchor] += busyness(fixed(steps * (1 << TARGET))).clamp_min(1).log2().mean() / len(crops)
        samples = [one.numpy() for one in (x * 255).round().byte().permute(0, 2, 3, 1)]
        fit = Fit(model, quality, 1, samples, y.clone(), (0, 0, 0, 0))
        gradient = fit.gradient(steps.float())
        curvature += fit.by_channel(steps.float(), gradient).mean((0, 2, 3)) / (anchors * len(crops))
    curvature.clamp_min_(LEAST)
    worth = WORTH * (curvature / curvature.median()) ** POWER
    return {
        "thresholds_channel": (STEPS * worth.log2()).round().clamp(-LEVELS, LEVELS).int(),
        "thresholds_busyness": (-usual * (1 << GAIN)).round().int()[:, None].contiguous(),
    }
