"""Small files at one of four qualities: so that five points more never give a smaller file or a worse picture.

Where a file takes a few hundred bytes, luck in rounding a few numbers weighs more than some points of quality. So one
quality is chosen for it out of the same few whatever was asked for, the one that costs least. With more lambda such a
choice never has fewer bits or more error; and the files are smaller at the same error, for one quality is luckier than
another.
"""

from collections.abc import Callable, Sequence

import numpy as np

from ..bitstream import container
from ..model.config import STRIDE
from ..pixels.picture import Picture
from ..pixels.strips import Scan
from .choice import Candidate, cheapest

RUNGS = 100, 3000, 6000, 10000  # qualities in hundredths
USUAL = 6000  # the rung that tells what kind of picture it is: the default quality
SMALL_BYTES = 512  # bytes that are few with any picture
SPARSE = 0.04  # bits per pixel that are few with any picture: the smoothest photographs take more at quality 20
# A picture of one colour and noise counts as small below EVEN bits per pixel, at the usual quality too, where it has no
# more than FEW pixels, and below FLAT where it has up to MANY; larger ones are not looked at.
EVEN, FEW = 0.25, 512**2
FLAT, MANY = 0.1, 1 << 22
LEVEL = 2  # standard deviation of the means of 16 x 16 blocks of one colour, in levels of 8 bits


def limit(file: bytes, scan: Picture | Scan) -> float:
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


def is_even(scan: Picture | Scan) -> bool:
    """Whether a picture of at least a block has one colour, and noise at most."""
    pixels = np.concatenate([piece.pixels for piece in scan.strips()])
    down, across = (side // STRIDE for side in pixels.shape[:2])
    blocks = pixels[: down * STRIDE, : across * STRIDE].reshape(down, STRIDE, across, STRIDE, pixels.shape[2])
    return blocks.size > 0 and bool((blocks.mean((1, 3)).std((0, 1)) < LEVEL << scan.depth - 8).all())


def best(
    scans: Sequence[Picture | Scan],
    first: Sequence[bytes],
    quality: int,
    weight: float,
    encode: Callable[[list[tuple[int, int]]], list[bytes]],
    measure: Callable[[list[tuple[int, Candidate]]], None],
) -> list[bytes]:
    """Of every picture the file of least cost among its small ones, or the first, which is that of the quality asked
    for, where that is not small.

    quality: in hundredths; weight: lambda; encode([(number of the picture, quality)]): files; measure: sets the errors
    of candidates, each of which comes with the number of its picture.
    """
    limits = {number: most for number, scan in enumerate(scans) if (most := limit(first[number], scan))}
    made = {number: {quality: first[number]} for number in limits}

    def make(*qualities: int) -> None:
        wanted = [(number, one) for number, files in made.items() for one in qualities if one not in files]
        for (number, one), file in zip(wanted, encode(wanted), strict=True):
            made[number][one] = file

    make(USUAL)
    for number, most in limits.items():
        limits[number] = most if _below(most, made[number][USUAL]) else SPARSE
        if not _below(limits[number], first[number]):
            del made[number]
    make(*RUNGS)
    small = {
        number: [Candidate(files[one], 8 * _size(files[one])) for one in RUNGS if _below(limits[number], files[one])]
        for number, files in made.items()
    }
    small = {number: candidates for number, candidates in small.items() if candidates}
    measure([(number, one) for number, candidates in small.items() for one in candidates])
    chosen = cheapest([(candidates, weight) for candidates in small.values()], measure)
    files = list(first)
    for number, candidate in zip(small, chosen, strict=True):
        files[number] = candidate.file
    return files


def _below(bpp: float, file: bytes) -> bool:
    header, _ = container.read_header(file)
    return _size(file) < max(SMALL_BYTES, bpp / 8 * header.width * header.height)


def _size(file: bytes) -> int:
    """Bytes that depend on the quality: of the tiles and of what is drawn."""
    _, sizes = container.read_header(file)
    return sizes["tiles"] + sizes.get("drawn", 0)
