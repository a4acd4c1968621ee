"""Corruptions of a batch for the denoising kind: Gaussian noise, zeroed values, masked patches.

Used by `loop` in training and by the estimator's `corrupt`.
"""

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Corruption:
    """`noise` is a name in NOISES, `level` its strength.

    gaussian: noise of `level` standard deviations, `unit` [F] in the scaled values;
    zero: the share `level` of all values becomes `empty` [F], which is what 0 is in the scaled values;
    patch: one rectangle of the share `level` of each picture's area, of random place and proportions, becomes `empty`;
    rows without a `shape` (H, W, C) lose a run of neighbouring columns.
    """

    noise: str
    level: float
    unit: torch.Tensor
    empty: torch.Tensor
    shape: tuple[int, int, int] | None

    def __call__(self, x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        """A corrupted copy of scaled rows [N, F]."""
        return NOISES[self.noise](self, x, generator)

    def _gaussian(self, x: torch.Tensor, generator: torch.Generator | None) -> torch.Tensor:
        return x + self.level * self.unit.to(x) * torch.randn(
            x.shape, generator=generator, device=x.device, dtype=x.dtype
        )

    def _zero(self, x: torch.Tensor, generator: torch.Generator | None) -> torch.Tensor:
        return torch.where(torch.rand(x.shape, generator=generator, device=x.device) < self.level, self.empty.to(x), x)

    def _patch(self, x: torch.Tensor, generator: torch.Generator | None) -> torch.Tensor:
        height, width, channels = self.shape or (1, x.shape[1], 1)
        u, top, left = torch.rand((3, len(x), 1), generator=generator, device=x.device)
        stretch = torch.exp2(u - 0.5)  # of the square of this area: 1:2 to 2:1
        if height == 1:
            stretch = torch.full_like(u, self.level**0.5)  # the whole height, all of the area in the width
        tall = (height * self.level**0.5 / stretch).round().clamp(1, height)
        wide = (width * self.level**0.5 * stretch).round().clamp(1, width)
        top, left = (top * (height - tall + 1)).floor(), (left * (width - wide + 1)).floor()
        row, column = torch.arange(height, device=x.device), torch.arange(width, device=x.device)
        hit = ((row >= top) & (row < top + tall))[:, :, None] & ((column >= left) & (column < left + wide))[:, None, :]
        return torch.where(hit[..., None].expand(-1, -1, -1, channels).flatten(1), self.empty.to(x), x)


NOISES = {"gaussian": Corruption._gaussian, "zero": Corruption._zero, "patch": Corruption._patch}
