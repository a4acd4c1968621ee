"""Tile geometry: which pixels and latents belong to a tile, and the halo its transforms need so that tiling leaves no
seam.

A tile is an independent entropy-coded stream of TILE x TILE px. The transforms run over the tile and a halo as wide as
their receptive field, in units of latent positions (16 px); `container` stores the tiles row by row.
"""

from dataclasses import dataclass

import torch

from ..bitstream.container import TILE
from ..model.config import STRIDE

LATENTS = TILE // STRIDE  # latent positions per tile side


@dataclass(frozen=True)
class Span:
    """A stretch of latent positions along one axis: [start, stop), and [outer_start, outer_stop) with the halo."""

    start: int
    stop: int
    outer_start: int
    outer_stop: int

    @property
    def inner(self):
        """The stretch as a slice of the one with its halo."""
        return slice(self.start - self.outer_start, self.stop - self.outer_start)

    @property
    def halo(self):
        """Positions of the halo before and after it; none at the picture's edges."""
        return self.start - self.outer_start, self.outer_stop - self.stop


def spans(positions, halo, together=1):
    """Tiles, or stretches of so many together, along an axis of `positions` latent positions."""
    step = LATENTS * together
    return [
        Span(s, min(s + step, positions), max(0, s - halo), min(min(s + step, positions) + halo, positions))
        for s in range(0, positions, step)
    ]


def axes(height, width, halo, together=1):
    """Tiles of a picture of height x width px along both axes, so many together along the second."""
    return spans(-(-height // STRIDE), halo), spans(-(-width // STRIDE), halo, together)


def reaching(spans, start, stop, halo=0):
    """(number, span) of those that reach a stretch [start, stop) of pixels widened by `halo` latent positions."""
    return [
        (i, s) for i, s in enumerate(spans) if s.start < -(-stop // STRIDE) + halo and s.stop > start // STRIDE - halo
    ]


def grid(height, width, halo):
    """(vertical, horizontal) spans of every tile of a picture of height x width px, row by row."""
    rows, columns = axes(height, width, halo)
    return [(r, c) for r in rows for c in columns]


def analysis_halo(config):
    """Latent positions an analysis output sees beyond its own 16 px: 2 at 1/16, one 3x3 per layer at 1/8."""
    return 2 + -(-(2 * config.analysis_blocks + 2) // 2)


def synthesis_halo(config):
    """Latent positions a pixel's synthesis reaches: 2 at 1/16, two 3x3 per block at 1/8, three at 1/4 (less than one
    position).
    """
    return 2 + config.synthesis_blocks + 1


class Mosaic:
    """Latents of tiles side by side, out of which `window` cuts what reaches over several; where no tile was put, they
    are zero.
    """

    def __init__(self):
        self._parts = []  # (first row, first column, latents [1,M,h,w])

    def put(self, row, column, y):
        """y [1,M,h,w] of the tile at these spans."""
        self._parts.append((row.start, column.start, y))

    def window(self, row, column):
        """[1,M,H,W] of two spans, with their halos."""
        (_, _, first), *_ = self._parts
        shape = 1, first.shape[1], row.outer_stop - row.outer_start, column.outer_stop - column.outer_start
        window = torch.zeros(shape, dtype=first.dtype, device=first.device).to(memory_format=torch.channels_last)
        for top, left, y in self._parts:
            bottom, right = top + y.shape[2], left + y.shape[3]
            rows = slice(max(top, row.outer_start), min(bottom, row.outer_stop))
            columns = slice(max(left, column.outer_start), min(right, column.outer_stop))
            if rows.start < rows.stop and columns.start < columns.stop:
                window[:, :, _moved(rows, row.outer_start), _moved(columns, column.outer_start)] = y[
                    :, :, _moved(rows, top), _moved(columns, left)
                ]
        return window

    def forget(self, row):
        """Lets go of all rows above this one."""
        self._parts = [
            (max(top, row), left, y if top >= row else y[:, :, row - top :].clone())
            for top, left, y in self._parts
            if top + y.shape[2] > row
        ]


def _moved(part, origin):
    return slice(part.start - origin, part.stop - origin)
