"""Colours that nobody sees: where alpha is 0 they are made of those around, so that noise under it costs nothing.

Bands of rows are filled one after the other, whole pictures too, so that a picture read by rows is the same.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .picture import Picture
from .strips import Scan, Window

BAND = 64  # rows filled at a time
SMOOTH = 2  # rounds in which what is filled becomes the mean of its neighbours, at every scale


def is_there(scan: Picture | Scan) -> bool:
    """Whether alpha is 0 anywhere in a Picture or Scan."""
    return scan.has_alpha and any(not _alpha(strip).all() for strip in scan.strips())


def smoothed(scan: Picture | Scan) -> Picture | Scan:
    """The Picture, or Scan, with smooth colours where alpha is 0; alpha and all that can be seen stay as they are."""
    return _of(scan, lambda: _smooth(scan))


def flat(scan: Picture | Scan) -> Picture | Scan:
    """The same with zeros, which cost least where samples are coded as they are."""
    if not scan.has_alpha:
        return scan
    return _of(scan, lambda: (replace(s, pixels=s.pixels * (_alpha(s) > 0)[..., None]) for s in scan.strips()))


def _of(scan: Picture | Scan, strips: Callable[[], Iterator[Picture]]) -> Picture | Scan:
    """The Picture, or Scan, of other strips."""
    if isinstance(scan, Picture):
        return replace(scan, pixels=np.concatenate([strip.pixels for strip in strips()]))
    return replace(scan, strips=strips)


def _smooth(scan: Picture | Scan) -> Iterator[Picture]:
    """The rows of a scan in bands. Those above all that can be seen are like the first of the others."""
    pairs = ((strip.pixels, _alpha(strip)) for strip in scan.strips())
    joined = Window(_joined(pixels, alpha) for pixels, alpha in pairs)
    above, before = None, 0
    for top in range(0, scan.height, BAND):
        rows = joined.rows(top, min(top + BAND, scan.height))
        pixels, alpha = rows[..., :-1], rows[..., -1]
        if not alpha.any():
            if above is None:
                before += len(rows)
            else:
                yield from _repeated(above, len(rows))
            continue
        pixels = filled(pixels, alpha > 0, above)
        if before:
            yield from _repeated(pixels[0], before)
            before = 0
        above = pixels[-1]
        yield Picture(pixels, np.ascontiguousarray(alpha))
    joined.finish()
    if before:
        yield from _repeated(np.zeros_like(rows[0, :, :-1]), before)


def _alpha(strip: Picture) -> NDArray[Any]:
    """Of a strip of what has alpha."""
    assert strip.alpha is not None
    return strip.alpha


def _joined(pixels: NDArray[Any], alpha: NDArray[Any]) -> NDArray[Any]:
    return np.concatenate([pixels, alpha[..., None]], 2)


def _repeated(row: NDArray[Any], count: int) -> Iterator[Picture]:
    """So many times a row of pixels that nobody sees."""
    for top in range(0, count, BAND):
        pixels = np.repeat(row[None], min(BAND, count - top), 0)
        yield Picture(pixels, np.zeros(pixels.shape[:2], row.dtype))


def filled(pixels: NDArray[Any], seen: NDArray[Any], above: NDArray[Any] | None = None) -> NDArray[Any]:
    """Pixels [H,W,C] as they are where they are seen [H,W], elsewhere smooth; above: the row [W,C] that goes before."""
    if seen.all():
        return np.ascontiguousarray(pixels)
    if above is not None:
        pixels = np.concatenate([above[None], pixels])
        seen = np.pad(seen, [(1, 0), (0, 0)], constant_values=True)
    colours = _spread(np.where(seen[..., None], pixels, 0).astype(np.float32), seen)
    made = np.where(seen[..., None], pixels, np.rint(colours).astype(pixels.dtype))
    return made if above is None else made[1:]


def _spread(colours: NDArray[Any], known: NDArray[Any]) -> NDArray[Any]:
    """Colours [H,W,C], where they are known kept, elsewhere those of half the size, spread in the same way."""
    height, width = known.shape
    if known.all() or max(height, width) == 1:
        return colours
    padding = [(0, height % 2), (0, width % 2)]
    weights = np.pad(known, padding).astype(np.float32)[..., None]
    sums = np.pad(colours, [*padding, (0, 0)]) * weights
    sums, counts = (a.reshape(len(a) // 2, 2, a.shape[1] // 2, 2, -1).sum((1, 3)) for a in (sums, weights))
    coarse = _spread(sums / np.maximum(counts, 1), counts[..., 0] > 0)
    coarse = coarse.repeat(2, 0).repeat(2, 1)[:height, :width]
    found, known = np.where(known[..., None], colours, coarse), known[..., None]
    for _ in range(SMOOTH):
        edged = np.pad(found, [(1, 1), (1, 1), (0, 0)], "edge")
        means = (edged[:-2, 1:-1] + edged[2:, 1:-1] + edged[1:-1, :-2] + edged[1:-1, 2:]) / 4
        found = np.where(known, colours, means)
    return found
