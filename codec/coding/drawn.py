"""Drawn parts of a picture that is half photographed: a page or window with pictures in it.

Their pixels are kept to the last bit in a section of their own.

Text and lines are what the networks are worst at, photographs what lossless coding is. Blocks of 16 x 16 pixels that
look drawn go to a WebP lossless bitstream, transparent elsewhere; where they were, the networks see a smooth surface,
which costs next to nothing. `pipeline` tries it where `contest` finds plain runs, and keeps it where it costs less
(`MOST_DRAWN` of `layout` says up to which size).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..errors import Corrupt
from ..model.config import STRIDE
from . import lossless

NEARLY = 0.98  # share of drawn blocks from which there is no photograph worth its own coding
LONGEST = 16383  # pixels of a side of a WebP
# A drawn block has this share of pixels that equal a neighbour, this many levels between its darkest and its brightest
# sample (a sky has fewer), and no more than these colours (the edge of a photograph has more).
EQUAL, CONTRAST, COLOURS = 0.5, 32, 64
# Of a block's 8 neighbours: with fewer than ALONE that are drawn or of one colour it is not drawn either, with AMONG or
# more it is, whatever it looks like.
ALONE, AMONG = (3, 6)


def split(pixels: NDArray[Any]) -> tuple[bytes, NDArray[Any]] | tuple[None, None]:
    """The section of the drawn blocks of uint8 samples [H, W, C], and the samples with these blocks filled;
    (None, None) without any, or if nearly all are.
    """
    mask = find(pixels)
    if not 0 < mask.mean() < NEARLY or max(pixels.shape) > LONGEST:
        return None, None
    wide = mask.repeat(STRIDE, 0).repeat(STRIDE, 1)[: pixels.shape[0], : pixels.shape[1], None]
    colours = np.broadcast_to(pixels, (*pixels.shape[:2], 3))
    section = lossless.webp(np.concatenate([colours * wide, np.uint8(255) * wide], 2))
    return section, np.where(wide, _smooth(pixels, mask), pixels)


def find(pixels: NDArray[Any]) -> NDArray[Any]:
    """Which blocks of uint8 samples [H, W, C] are drawn or of one colour: bool [ceil(H/16), ceil(W/16)]; none at all if
    none is drawn.
    """
    pixels = _padded(pixels)
    colours = (pixels.astype(np.uint32) << np.arange(0, 8 * pixels.shape[2], 8, dtype=np.uint32)).sum(
        2, dtype=np.uint32
    )
    same = np.zeros(colours.shape, bool)
    same[:, 1:] = colours[:, 1:] == colours[:, :-1]
    same[1:] |= colours[1:] == colours[:-1]
    contrast = (_blocks(pixels).max((2, 3)) - _blocks(pixels).min((2, 3))).max(2)
    drawn: NDArray[np.bool_] = (_blocks(same).mean((2, 3)) >= EQUAL) & (contrast >= CONTRAST)
    in_order = np.sort(_blocks(colours)[drawn].reshape(-1, STRIDE**2), 1)
    drawn[drawn] = (in_order[:, 1:] != in_order[:, :-1]).sum(1) < COLOURS
    flat: NDArray[np.bool_] = contrast == 0
    drawn &= _around(drawn | flat, False) >= ALONE
    if not drawn.any():
        return drawn
    for _ in range(2):
        drawn |= _around(drawn | flat, True) >= AMONG
    return drawn | flat


def decode(data: bytes, height: int, width: int) -> NDArray[Any]:
    """RGBA samples [H, W, 4] of a section, transparent where nothing is drawn. Raises Corrupt."""
    samples = lossless.decode_webp(data, height, width, 4, "the section drawn")
    if not np.isin(samples[..., 3], (0, 255)).all():
        raise Corrupt("the section drawn is partly transparent")
    return samples


def paste(pixels: NDArray[Any], samples: NDArray[Any]) -> None:
    """Puts what is drawn in samples [H, W, 4] over uint8 pixels [H, W, 1 or 3]."""
    np.copyto(pixels, samples[..., : pixels.shape[2]], where=samples[..., 3:] > 0)


def _around(mask: NDArray[Any], outside: bool) -> NDArray[Any]:
    """How many of its 8 neighbours are in a mask [H, W], for which also counts whether what is outside of it is."""
    rows, columns = mask.shape
    padded = np.pad(mask, 1, constant_values=outside).astype(np.int8)
    return sum(padded[i : i + rows, j : j + columns] for i in range(3) for j in range(3)) - mask


def _padded(pixels: NDArray[Any]) -> NDArray[Any]:
    """Samples [H, W, C] with their edge repeated up to whole blocks."""
    return np.pad(pixels, (*((0, -side % STRIDE) for side in pixels.shape[:2]), (0, 0)), "edge")


def _blocks(samples: NDArray[Any]) -> NDArray[Any]:
    """[H, W, ...] as blocks [H/16, W/16, 16, 16, ...]."""
    down, across = (side // STRIDE for side in samples.shape[:2])
    return samples.reshape(down, STRIDE, across, STRIDE, *samples.shape[2:]).swapaxes(1, 2)


def _smooth(pixels: NDArray[Any], mask: NDArray[Any]) -> NDArray[Any]:
    """A surface [H, W, C] that runs through the mean colours of the blocks that are not masked."""
    means = _spread(_blocks(_padded(pixels)).mean((2, 3), dtype=np.float32), ~mask)
    height, width = (side * STRIDE for side in mask.shape)
    surface: NDArray[np.uint8] = np.rint(_resized(means, width, height)).astype(np.uint8)
    return surface[: pixels.shape[0], : pixels.shape[1]]


def _spread(values: NDArray[Any], known: NDArray[Any]) -> NDArray[Any]:
    """values [h, w, C] where they are known, elsewhere those of the means of 2 x 2, 4 x 4, ... around that first know
    one.
    """
    if known.all():
        return values
    missing = [(0, side % 2) for side in known.shape]
    weights = np.pad(known, missing).astype(np.float32)

    def halves(x: NDArray[Any]) -> Any:
        return x.reshape(x.shape[0] // 2, 2, x.shape[1] // 2, 2, *x.shape[2:]).sum((1, 3))

    total, count = halves(np.pad(values, (*missing, (0, 0))) * weights[..., None]), halves(weights)
    coarse = _spread(total / np.maximum(count, 1)[..., None], count > 0)
    return np.where(
        known[..., None], values, _resized(coarse, *weights.shape[::-1])[: known.shape[0], : known.shape[1]]
    )


def _resized(samples: NDArray[Any], width: int, height: int) -> NDArray[Any]:
    """float32 [h, w, C], bilinear."""
    return np.stack(
        [
            np.asarray(Image.fromarray(plane).resize((width, height), Image.Resampling.BILINEAR))
            for plane in np.moveaxis(samples, 2, 0)
        ],
        2,
    )
