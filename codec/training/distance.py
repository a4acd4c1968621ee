"""SSIMULACRA2's distance of two pictures as a differentiable function: what the visual model is trained on.

SSIMULACRA2 (Jon Sneyers, Cloudinary, 2022; version 2.1 of April 2023) compares structure, ringing and blur in the
colour space XYB at six scales, and adds norms of these maps up with weights fitted to ratings of compressed pictures by
people. The constants are those of libjxl, tools/ssimulacra2.cc and lib/jxl/opsin_params.h (BSD 3-clause), as in the
Python package `ssimulacra2` 0.3, with which a test compares the scores. Here the sum ends before the score's last
power, whose slope at equal pictures is infinite.
"""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn as nn
import torch.nn.functional as F

MIX = ((0.30, 0.622, 0.078), (0.23, 0.692, 0.078), (0.24342268924547819, 0.20476744424496821, 0.55180986650955360))
BIAS = 0.0037930732552754493
C2 = 0.0009  # keeps the structure of flat areas from being noise
RADIUS, SIGMA = 5, 1.5  # pixels of the Gaussian window
BAND = 32  # lines of a part, where only the band around a window's diagonal is multiplied
SCALES = 6
SMALLEST = 8  # pixels of the shorter side of the last scale that is looked at
CHANNELS = ("X", "Y", "B-Y")
# Weights by scale and channel: of the means of the maps of structure, ringing and blur, and of their 4-norms. The
# published ones below 0.01, of 83 other norms, add up to 0.02 and change no score by as much as 0.01.
WEIGHTS: dict[tuple[int, str], tuple[float, ...]] = {
    (0, "Y"): (0, 0, 0, 7.466890328078848, 0, 17.445833984131262),
    (1, "X"): (0, 0, 0, 1.1041726426657346, 0, 0),
    (1, "Y"): (0, 0, 0, 6.683678146179332, 0, 1.027889937768264),
    (2, "X"): (0, 0, 0, 1.8422455520539298, 11.441172603757666, 0),
    (2, "Y"): (225.20515300849274, 0, 0, 19.213238186143016, 0, 0),
    (3, "X"): (0, 0, 0, 1.8787594979546387, 10.94906990605142, 0),
    (3, "Y"): (176.39317598450694, 0, 0, 24.43300999870476, 0.28520802612117757, 0),
    (3, "B-Y"): (0, 0, 0, 8.826982764996862, 23.19243343998926, 0),
    (4, "X"): (0, 0.9677937080626833, 0, 0, 0.9981766977854967, 0),
    (4, "Y"): (0, 0, 0, 34.77906344483772, 44.835625328877896, 0),
    (4, "B-Y"): (95.1080498811086, 0.9863978034400682, 0.9834382792465353, 0, 171.2667255897307, 0.9807858872435379),
}
# Weights of the mean of structure that training adds, as shares of `fine`: what the published ones leave out altogether
# a network learns to spoil (luma at full and half resolution, chroma's means). They are a few percent of the whole.
FINE = {(0, "Y"): 20.0, (1, "Y"): 20.0, (2, "Y"): 20.0} | {(s, c): 4.0 for s in range(2, 6) for c in ("X", "B-Y")}


def weights(fine: float = 0.0) -> dict[tuple[int, str], tuple[float, ...]]:
    """{(scale, channel): six weights} of the distance, with so much of what training adds."""
    table = dict(WEIGHTS)
    if fine:
        for place, more in FINE.items():
            first, *others = table.get(place, (0.0,) * 6)
            table[place] = (first + fine * more, *others)
    return table


def window(size: int, zero: bool = False) -> torch.Tensor:
    """The Gaussian window along one side as a matrix [size,size]; beyond the border are the pixels
    mirrored, or zeros.
    """
    taps = torch.exp(-0.5 * (torch.arange(-RADIUS, RADIUS + 1, dtype=torch.float64) / SIGMA) ** 2)
    matrix, places = torch.zeros(size, size, dtype=torch.float64), torch.arange(size)
    for offset, tap in zip(range(-RADIUS, RADIUS + 1), taps / taps.sum(), strict=True):
        read = places + offset
        inside = (read >= 0) & (read < size)
        read = torch.where(read < 0, -1 - read, torch.where(read >= size, 2 * size - 1 - read, read))
        matrix[places, read] += tap * (inside | torch.tensor(not zero))
    return matrix.float()


class Distance(nn.Module):
    """Distance [N] of pictures [N,3,H,W] in [0,1] from originals of the same shape: 0 for equal ones, about 2 at score
    70.

    A matrix product blurs faster here than any convolution (`Blur`). `zero`: beyond the left and right border are
    zeros, as in the package `ssimulacra2`; otherwise all borders are mirrored, so that pixels next to them count as
    others do.
    """

    def __init__(self, height: int, width: int, fine: float = 0.0, zero: bool = False):
        """Raises ValueError for sides of less than 8 pixels."""
        super().__init__()
        if min(height, width) < SMALLEST:
            raise ValueError(f"{width}x{height} pixels are too few to be judged: {SMALLEST}x{SMALLEST} at least")
        self.table, self.scales = weights(fine), 0
        while min(height, width) >= SMALLEST and self.scales < SCALES:
            self.register_buffer(f"rows{self.scales}", window(height), persistent=False)
            self.register_buffer(f"columns{self.scales}", window(width, zero).t().contiguous(), persistent=False)
            height, width, self.scales = (height + 1) // 2, (width + 1) // 2, self.scales + 1

    def forward(self, original: torch.Tensor, picture: torch.Tensor, epsilon: float = 1e-8) -> torch.Tensor:
        """`epsilon` keeps the slope of 4-norms finite; 0 for a score."""
        original, picture = linear(original), linear(picture)
        total = original.new_zeros(len(original))
        for scale in range(self.scales):
            used = [c for c in CHANNELS if (scale, c) in self.table]
            if used:
                windows = getattr(self, f"rows{scale}"), getattr(self, f"columns{scale}")
                for channel, *three in zip(used, *maps(xyb(original, used), xyb(picture, used), *windows), strict=True):
                    for of_mean, of_norm, values in zip(
                        self.table[scale, channel][:3], self.table[scale, channel][3:], three, strict=True
                    ):
                        if of_mean:
                            total = total + of_mean * values.mean((1, 2))
                        if of_norm:
                            total = total + of_norm * (values.square() + epsilon).square().mean((1, 2)).pow(0.25)
            original, picture = (
                F.avg_pool2d(x, 2, ceil_mode=True, count_include_pad=False) for x in (original, picture)
            )
        return total


class Blur(torch.autograd.Function):
    """rows [h,h] @ x [N,C,h,w] @ columns [w,w], for matrices that are 0 beyond RADIUS of their diagonal.

    On a processor only what is not 0 of large ones is multiplied: a third of the time. Autograd would do as much again
    to add the gradients of the overlapping parts up.
    """

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(rows, columns)
        return banded(x, rows, columns)

    @staticmethod
    def backward(ctx: Any, slope: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        rows, columns = ctx.saved_tensors
        return banded(slope, rows.t(), columns.t()), None, None


def banded(x: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor) -> torch.Tensor:
    """What `Blur` says, in parts of BAND lines."""
    if x.device.type != "cpu" or min(x.shape[2:]) < 4 * BAND:
        return rows @ x @ columns
    x = torch.cat([rows[inner, outer] @ x[:, :, outer] for inner, outer in _bands(x.shape[2])], 2)
    return torch.cat([x[..., outer] @ columns[outer, inner] for inner, outer in _bands(x.shape[3])], 3)


def _bands(size: int) -> list[tuple[slice, slice]]:
    """Of each part the lines it makes, and those it needs."""
    starts = range(0, size, BAND)
    return [(slice(i, i + BAND), slice(max(0, i - RADIUS), min(size, i + BAND + RADIUS))) for i in starts]


def maps(a: torch.Tensor, b: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor) -> list[torch.Tensor]:
    """Of originals and pictures [N,C,h,w]: the maps of lost structure, of ringing and of blur, each [C,N,h,w]."""
    mean_a = Blur.apply(a, rows, columns)  # by itself, as the original needs no gradient
    mean_b, squares, product = Blur.apply(torch.cat([b, a * a + b * b, a * b], 1), rows, columns).chunk(3, 1)
    variances, covariance = squares - mean_a * mean_a - mean_b * mean_b, product - mean_a * mean_b
    structure = 1 - (1 - (mean_a - mean_b).square()) * (2 * covariance + C2) / (variances + C2)
    edges = (1 + (b - mean_b).abs()) / (1 + (a - mean_a).abs()) - 1
    return [x.clamp_min(0).transpose(0, 1) for x in (structure, edges, -edges)]


def linear(x: torch.Tensor) -> torch.Tensor:
    """Light of sRGB samples in [0,1]."""
    x = x.clamp(0, 1)
    return torch.where(x <= 0.04045, x / 12.92, ((x.clamp_min(0.04) + 0.055) / 1.055) ** 2.4)


def xyb(light: torch.Tensor, channels: Sequence[str]) -> torch.Tensor:
    """The named channels [N,C,H,W] of XYB, scaled to be positive, of light [N,3,H,W]."""
    red, green, blue = light.unbind(1)
    long, middle, short = [(r * red + g * green + b * blue + BIAS).pow(1 / 3) - BIAS ** (1 / 3) for r, g, b in MIX]
    luma = (long + middle) / 2 + 0.01
    made = {"X": 7 * (long - middle) + 0.42, "Y": luma, "B-Y": short - luma + 0.56}
    return torch.stack([made[c] for c in channels], 1)


def score(distance: torch.Tensor) -> torch.Tensor:
    """SSIMULACRA2's points of distances: 100 for equal pictures, 90 cannot be told apart, 70 is high, 50 medium
    quality.
    """
    x = 0.9562382616834844 * distance
    x = 2.326765642916932 * x - 0.020884521182843837 * x.square() + 6.248496625763138e-05 * x**3
    return 100 - 10 * x.clamp_min(0).pow(0.6276336467831387)
