"""Tile geometry: which pixels and latents belong to a tile, and the halo its transforms need so that tiling leaves no
seam.

A tile is an independent entropy-coded stream of TILE x TILE px. The transforms run over the tile and a halo as wide as
their receptive field, in units of latent positions (16 px); `container` stores the tiles row by row.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..bitstream.layout import TILE
from ..model.config import STRIDE, Config

LATENTS = TILE // STRIDE  # latent positions per tile side
Halo = tuple[int, int, int, int]  # latent positions at top, bottom, left and right


@dataclass(frozen=True)
class Span:
    """A stretch of latent positions along one axis: [start, stop), and [outer_start, outer_stop) with the halo."""

    start: int
    stop: int
    outer_start: int
    outer_stop: int

    @property
    def inner(self) -> slice:
        """The stretch as a slice of the one with its halo."""
        return slice(self.start - self.outer_start, self.stop - self.outer_start)

    @property
    def halo(self) -> tuple[int, int]:
        """Positions of the halo before and after it; none at the picture's edges."""
        return self.start - self.outer_start, self.outer_stop - self.stop


def spans(positions: int, halo: int, together: int = 1) -> list[Span]:
    """Tiles, or stretches of so many together, along an axis of `positions` latent positions."""
    step = LATENTS * together
    return [
        Span(s, min(s + step, positions), max(0, s - halo), min(min(s + step, positions) + halo, positions))
        for s in range(0, positions, step)
    ]


def axes(height: int, width: int, halo: int, together: int = 1) -> tuple[list[Span], list[Span]]:
    """Tiles of a picture of height x width px along both axes, so many together along the second."""
    return spans(-(-height // STRIDE), halo), spans(-(-width // STRIDE), halo, together)


def reaching(spans: Sequence[Span], start: int, stop: int, halo: int = 0) -> list[tuple[int, Span]]:
    """(number, span) of those that reach a stretch [start, stop) of pixels widened by `halo` latent positions."""
    return [
        (i, s) for i, s in enumerate(spans) if s.start < -(-stop // STRIDE) + halo and s.stop > start // STRIDE - halo
    ]


def grid(height: int, width: int, halo: int) -> list[tuple[Span, Span]]:
    """(vertical, horizontal) spans of every tile of a picture of height x width px, row by row."""
    rows, columns = axes(height, width, halo)
    return [(r, c) for r in rows for c in columns]


def analysis_halo(config: Config) -> int:
    """Latent positions an analysis output sees beyond its own 16 px: 2 at 1/16, one 3x3 per layer at 1/8."""
    return 2 + -(-(2 * config.analysis_blocks + 2) // 2)


def synthesis_halo(config: Config) -> int:
    """Latent positions a pixel's synthesis reaches: 2 at 1/16, two 3x3 per block at 1/8, three at 1/4 (less than one
    position).
    """
    return 2 + config.synthesis_blocks + 1


def parted(halo: Halo, margin: int) -> tuple[Halo, Halo]:
    """What of a halo lies beyond a margin, and what within."""
    top, bottom, left, right = (min(side, margin) for side in halo)
    return (halo[0] - top, halo[1] - bottom, halo[2] - left, halo[3] - right), (top, bottom, left, right)


def cut(pixels: NDArray[Any], row: Span, column: Span) -> NDArray[Any]:
    """Samples [16h,16w,C] of two spans with their halos, out of the rows [n,W,C] of the first: the picture's edge is
    repeated up to whole latent positions.
    """
    part = pixels[:, column.outer_start * STRIDE : column.outer_stop * STRIDE]
    missing = [(span.outer_stop - span.outer_start) * STRIDE - side for span, side in zip((row, column), part.shape)]
    return np.pad(part, ((0, missing[0]), (0, missing[1]), (0, 0)), "edge") if any(missing) else part


class Mosaic:
    """Latents of tiles side by side, out of which `window` cuts what reaches over several; where no tile was put, they
    are zero.

    blank: `Engine.blank` of the engine whose latents they are.
    """

    def __init__(self, blank: Callable[[int, int], Any]):
        self._blank = blank
        self._parts: list[tuple[int, int, Any]] = []  # (first row, first column, latents [M,h,w])

    def put(self, row: Span, column: Span, y: Any) -> None:
        """y [M,h,w] of the tile at these spans."""
        self._parts.append((row.start, column.start, y))

    def window(self, row: Span, column: Span) -> Any:
        """[M,H,W] of two spans, with their halos."""
        window = self._blank(row.outer_stop - row.outer_start, column.outer_stop - column.outer_start)
        for top, left, y in self._parts:
            _, h, w = y.shape
            rows = slice(max(top, row.outer_start), min(top + h, row.outer_stop))
            columns = slice(max(left, column.outer_start), min(left + w, column.outer_stop))
            if rows.start < rows.stop and columns.start < columns.stop:
                here = y[:, _moved(rows, top), _moved(columns, left)]
                window[:, _moved(rows, row.outer_start), _moved(columns, column.outer_start)] = here
        return window

    def forget(self, row: int) -> None:
        """Lets go of all rows above this one."""
        self._parts = [
            (max(top, row), left, y if top >= row else self._kept(y, row - top))
            for top, left, y in self._parts
            if top + y.shape[1] > row
        ]

    def _kept(self, y: Any, start: int) -> Any:
        """The rows of y from one on, in memory of their own."""
        kept = self._blank(y.shape[1] - start, y.shape[2])
        kept[:] = y[:, start:]
        return kept


def _moved(part: slice, origin: int) -> slice:
    return slice(part.start - origin, part.stop - origin)
