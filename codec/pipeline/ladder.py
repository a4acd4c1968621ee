"""Small files at one of four qualities: so that five points more never give a smaller file or a worse picture.

Above the encoder of `pipeline`, which it runs a few times.

Where a file takes a few hundred bytes, luck in rounding a few numbers weighs more than some points of quality. So one
quality is chosen for it out of the same few whatever was asked for, the one that costs least: bits + lambda * squared
error, as in training. With more lambda such a choice never has fewer bits or more error (`contest` chooses likewise);
and the files are smaller at the same error, for one quality is luckier than another.
"""

import numpy as np

from ..bitstream import container
from ..engine.buckets import together
from ..model.config import STRIDE

RUNGS = 100, 3000, 6000, 10000  # qualities in hundredths
USUAL = 6000  # the rung that tells what kind of picture it is: the default quality
SMALL = 512  # bytes that are few with any picture
SPARSE = 0.04  # bits per pixel that are few with any picture: the smoothest photographs take more at quality 20
# A picture of one colour and noise counts as small below EVEN bits per pixel, at the usual quality too, where it has no
# more than FEW pixels, and below FLAT where it has up to MANY; larger ones are not looked at.
EVEN, FEW = 0.25, 512**2
FLAT, MANY = 0.1, 1 << 22
LEVEL = 2  # standard deviation of the means of 16 x 16 blocks of one colour, in levels of 8 bits


def limit(file, scan):
    """Bits per pixel below which files of this picture may owe what they are to luck, 0 where this one does not, or
    where every pixel is exact.
    """
    header, _ = container.read_header(file)
    if header.lossless and not header.rounded:
        return 0
    pixels = header.width * header.height
    flat = EVEN if pixels <= FEW else FLAT
    most = flat if pixels <= MANY and _below(flat, file) and is_even(scan) else SPARSE
    return most if _below(most, file) else 0


def is_even(scan):
    """Whether a picture of at least a block has one colour, and noise at most."""
    pixels = np.concatenate([piece.pixels for piece in scan.strips()])
    down, across = (side // STRIDE for side in pixels.shape[:2])
    blocks = pixels[: down * STRIDE, : across * STRIDE].reshape(down, STRIDE, across, STRIDE, pixels.shape[2])
    return blocks.size > 0 and bool((blocks.mean((1, 3)).std((0, 1)) < LEVEL << scan.depth - 8).all())


def best(first, quality, flat, weight, encoding, error):
    """As a task of `buckets`: the file of least cost among a picture's small ones, or `first`, which is that of the
    quality asked for, where that is not small.

    quality: in hundredths; flat: of `limit`; weight: bits that a unit of mean squared error is worth;
    encoding(hundredths): the task of the file of a quality; error(file): the task of its mean squared error.
    """
    made = {quality: first}
    if USUAL not in made:
        made[USUAL] = yield from encoding(USUAL)
    most = flat if _below(flat, made[USUAL]) else SPARSE
    if not _below(most, first):
        return first
    others = [rung for rung in RUNGS if rung not in made]
    made |= dict(zip(others, (yield from together(map(encoding, others)))))
    small = [made[rung] for rung in RUNGS if _below(most, made[rung])]
    errors = yield from together(map(error, small))
    costs = [8 * _size(file) + weight * error for file, error in zip(small, errors)]
    return small[costs.index(min(costs))] if small else first


def _below(bpp, file):
    header, _ = container.read_header(file)
    return _size(file) < max(SMALL, bpp / 8 * header.width * header.height)


def _size(file):
    """Bytes that depend on the quality: of the tiles and of what is drawn."""
    _, sizes = container.read_header(file)
    return sizes["tiles"] + sizes.get("drawn", 0)
