"""Tile geometry: which pixels and latents belong to a tile, and the halo its transforms need so that tiling leaves no seam.

A tile is an independent entropy-coded stream of TILE x TILE px. The transforms run over the tile and a halo as wide as their receptive
field, in units of latent positions (16 px); `container` stores the tiles row by row.
"""
from dataclasses import dataclass

from .container import TILE
from .networks import STRIDE

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


def spans(positions, halo):
    """Tiles along an axis of `positions` latent positions."""
    return [Span(s, min(s + LATENTS, positions), max(0, s - halo), min(min(s + LATENTS, positions) + halo, positions))
            for s in range(0, positions, LATENTS)]


def grid(height, width, halo):
    """(vertical, horizontal) spans of every tile of a picture of height x width px, row by row."""
    rows, columns = spans(-(-height // STRIDE), halo), spans(-(-width // STRIDE), halo)
    return [(r, c) for r in rows for c in columns]


def analysis_halo(config):
    """Latent positions an analysis output sees beyond its own 16 px: 2 at 1/16, one 3x3 per layer at 1/8."""
    return 2 + -(-(2 * config.analysis_blocks + 2) // 2)


def synthesis_halo(config):
    """Latent positions a pixel's synthesis reaches: 2 at 1/16, two 3x3 per block at 1/8, three at 1/4 (less than one position)."""
    return 2 + config.synthesis_blocks + 1
