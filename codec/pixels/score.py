"""How alike two pictures look, by SSIMULACRA2: what `--ssimulacra2` aims at. By the package of that name.

100 is equal, 90 cannot be told apart by flicking to and fro, 80 hardly side by side, 70 is high, 50 medium quality.
"""

import io
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..errors import Missing, TooLarge
from .picture import Picture
from .strips import Scan

MOST_PIXELS = 2**23  # half a kilobyte each is what the package takes
# Pixels of a side: the least that is 8 pixels long at the sixth scale, with less than which the package ends; and how
# long shorter ones are made.
LEAST, MADE = 7 * 32 + 1, 256
WHITE = {8: 1, 16: 257}  # levels of one of 8 bits


def ssimulacra2(one: Picture | Scan, other: Picture | Scan) -> float:
    """The score of the colour samples of two Scans of one size, in 8 bits. Raises Missing, TooLarge."""
    _package()
    if one.width * one.height > MOST_PIXELS:
        raise TooLarge(
            f"SSIMULACRA2 is computed of at most {MOST_PIXELS:,} pixels, this picture has {one.width * one.height:,}"
        )
    return points(_rgb(one), _rgb(other))


def points(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """The score of two pictures [H, W, 3]. Raises Missing.

    Of a side of less than LEAST pixels there are fewer than six scales, and the package then takes weights of other
    scales and channels: 27 points where 64 are right. Small pictures are judged with their mirror images beside them.
    """
    compute = _package()
    files = []
    for pixels in (one, other):
        files.append(io.BytesIO())
        beside = [(0, max(0, MADE - side) if side < LEAST else 0) for side in pixels.shape[:2]]
        Image.fromarray(np.pad(pixels, (*beside, (0, 0)), "symmetric")).save(files[-1], "BMP")
    return float(compute(*files))


def _package() -> Callable[..., float]:
    """The function of the package. Raises Missing."""
    try:
        from ssimulacra2 import compute_ssimulacra2
    except ImportError as error:
        raise Missing(f"SSIMULACRA2 needs the package ssimulacra2 (pip install 'aecodec[eye]'): {error}") from None
    compute: Callable[..., float] = compute_ssimulacra2
    return compute


def _rgb(scan: Picture | Scan) -> NDArray[np.uint8]:
    """[H, W, 3] of a gray or coloured Scan of 8 or 16 bits."""
    samples = np.concatenate([strip.pixels for strip in scan.strips()])
    step = WHITE[scan.depth]
    samples = ((samples.astype(np.uint32) + step // 2) // step).astype(np.uint8)
    return np.ascontiguousarray(np.broadcast_to(samples, (*samples.shape[:2], 3)))
