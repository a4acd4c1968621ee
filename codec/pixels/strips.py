"""Pictures by rows: a Scan is a Picture that is never whole in memory. `pipeline` codes from scans and to scans.

A Picture is the scan of one strip that is there already, so that there is one path for both. `scanner` reads the
strips of files, and `write` writes them.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import BadOption
from .picture import Picture
from .terms import SCALES


@dataclass(eq=False)
class Scan:
    """What a Picture says about itself, and `strips()`: Pictures of all columns and some rows each, from top to bottom,
    without metadata.

    A scan of a file can be read while the file is open; its strips raise what reading the whole would.
    """

    width: int
    height: int
    channels: int  # 1 gray, 3 RGB; without alpha
    depth: int  # bits per sample, 8 or 16
    has_alpha: bool
    strips: Callable[[], Iterator[Picture]]
    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    suffix: str = ""
    cicp: bytes | None = None
    notes: tuple[str, ...] = ()  # as a Picture's

    def whole(self) -> Picture:
        """The Picture."""
        shape, dtype = (self.height, self.width), np.dtype(f"u{self.depth // 8}")
        pixels, alpha = np.empty((*shape, self.channels), dtype), np.empty(shape, dtype) if self.has_alpha else None
        top = 0
        for strip in self.strips():
            pixels[top : top + strip.height] = strip.pixels
            if alpha is not None:
                alpha[top : top + strip.height] = strip.alpha
            top += strip.height
        return Picture(pixels, alpha, self.icc, self.exif, self.xmp, self.suffix, self.cicp, self.notes)


class Window:
    """Rows out of arrays [n, W, ...] that follow each other: stretches whose tops never go up again, so that what is
    above is forgotten.
    """

    def __init__(self, pieces: Iterable[NDArray[Any]]):
        self._pieces = iter(pieces)
        # (First row, array): together all rows from the last top to `_bottom`.
        self._held: list[tuple[int, NDArray[Any]]] = []
        self._bottom = 0

    def rows(self, top: int, bottom: int) -> NDArray[Any]:
        """[bottom - top, W, ...], a view where one array holds them all."""
        while self._bottom < bottom:
            piece = next(self._pieces)
            self._held.append((self._bottom, piece))
            self._bottom += len(piece)
        self._held = [(first, piece) for first, piece in self._held if first + len(piece) > top]
        parts = [piece[max(0, top - first) : bottom - first] for first, piece in self._held if first < bottom]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def finish(self) -> None:
        """Once all rows are read: lets the source find out whether it ends here too."""
        for _ in self._pieces:
            pass


def error(one: Picture | Scan, other: Picture | Scan) -> float:
    """Mean squared error between the colour samples of two Scans of one size, in levels of which white has 255."""
    window, top, total = Window(strip.pixels for strip in other.strips()), 0, 0.0
    for strip in one.strips():
        for start in range(0, strip.height, BLOCK):
            rows = strip.pixels[start : start + BLOCK]
            difference = np.subtract(window.rows(top, top + len(rows)), rows, dtype=np.float32)
            total += float(np.einsum("hwc,hwc->", difference, difference, dtype=np.float64))
            top += len(rows)
            peak = np.iinfo(rows.dtype).max
    return total * (255 / peak) ** 2 / (one.width * one.height * one.channels)


def psnr(one: Picture | Scan, other: Picture | Scan) -> float:
    """PSNR in dB between the colour samples of two Scans of one size, infinite where they are the same."""
    mean = error(one, other)
    return 10 * math.log10(255**2 / mean) if mean else math.inf


@dataclass(frozen=True)
class Region:
    """Which pixels of a stored picture are wanted: the rectangle, then the mean of each square of `step` x `step` of
    its pixels.

    Squares begin at the rectangle's upper left corner; those of the last column and row are as much as is there of
    them.
    """

    left: int
    top: int
    width: int
    height: int
    step: int

    @classmethod
    def of(cls, width: int, height: int, crop: tuple[int, int, int, int] | None = None, scale: float = 1) -> "Region":
        """`crop` (left, top, width, height) in stored pixels, None for all, of a picture of width x height.

        Raises BadOption.
        """
        if scale not in SCALES:
            raise BadOption(f"scale {scale!r} is not 1, 1/2, 1/4, 1/8 or 1/16")
        try:
            left, top, wide, high = (int(v) for v in crop or (0, 0, width, height) if v == int(v))
        except (TypeError, ValueError, OverflowError):
            raise BadOption(f"a crop is four whole numbers, left, top, width and height, not {crop!r}") from None
        if left < 0 or top < 0 or wide < 1 or high < 1 or left + wide > width or top + high > height:
            raise BadOption(
                f"the crop of {wide} x {high} pixels at {left},{top} is not inside the picture of {width} x {height}"
            )
        return cls(left, top, wide, high, round(1 / scale))

    @property
    def right(self) -> int:
        return self.left + self.width

    @property
    def bottom(self) -> int:
        return self.top + self.height

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of what comes out."""
        return -(-self.width // self.step), -(-self.height // self.step)

    def reduce(self, strips: Iterable[Picture]) -> Iterator[Picture]:
        """Of the strips of the rectangle, those of its squares' means, halves rounded up.

        Colours count as much as they are opaque.
        """
        if self.step == 1:
            yield from strips
            return
        held: list[Picture] = []
        rows = 0
        for strip in strips:
            held.append(strip if not held else _below(held.pop(), strip))
            rows += strip.height
            full = held[0].height if rows == self.height else held[0].height // self.step * self.step
            for top in range(0, full, BLOCK):
                yield _means(_rows(held[0], top, min(top + BLOCK, full)), self.step)
            held = [_rows(held[0], full, None)]


# Rows reduced or compared at a time, a multiple of every step: the sums take several times the memory of the pixels.
BLOCK = 64


def _rows(picture: Picture, top: int, bottom: int | None) -> Picture:
    return Picture(picture.pixels[top:bottom], None if picture.alpha is None else picture.alpha[top:bottom])


def _below(upper: Picture, lower: Picture) -> Picture:
    if not upper.height:
        return lower
    alpha = None if upper.alpha is None else np.concatenate([upper.alpha, lower.alpha])
    return Picture(np.concatenate([upper.pixels, lower.pixels]), alpha)


def _means(picture: Picture, step: int) -> Picture:
    """Each square's mean; where all of a square is transparent, the plain mean of its colours."""

    def sums(samples: NDArray[Any]) -> NDArray[np.uint64]:
        padded = np.pad(samples, [(0, -n % step) for n in samples.shape[:2]] + [(0, 0)])
        rows, columns, channels = padded.shape
        over_rows = padded.reshape(rows // step, step, columns * channels).sum(1, dtype=np.uint64)
        over_both: NDArray[np.uint64] = over_rows.reshape(rows // step, columns // step, step, channels).sum(2)
        return over_both

    def mean(total: NDArray[np.uint64], count: NDArray[np.uint64]) -> NDArray[Any]:
        rounded: NDArray[Any] = ((2 * total + count) // (2 * count)).astype(picture.pixels.dtype)
        return rounded

    counts = sums(np.ones((*picture.pixels.shape[:2], 1), np.uint8))
    means = mean(sums(picture.pixels), counts)
    if picture.alpha is None:
        return Picture(means)
    opacity = picture.alpha[..., None]
    weights = sums(opacity)
    weighted = mean(sums(picture.pixels.astype(np.uint64) * opacity), np.maximum(weights, 1))
    return Picture(np.where(weights > 0, weighted, means), mean(weights, counts)[..., 0])
