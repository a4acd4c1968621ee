"""How alike two pictures look, by SSIMULACRA2: what `--ssimulacra2` aims at. By the package of that name.

100 is equal, 90 cannot be told apart by flicking to and fro, 80 hardly side by side, 70 is high, 50 medium quality.
"""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..errors import Missing, TooLarge
from .picture import Picture
from .strips import Scan

MOST_PIXELS = 2**23  # half a kilobyte each is what the package takes
WHITE = {8: 1, 16: 257}  # levels of one of 8 bits


def ssimulacra2(one: Picture | Scan, other: Picture | Scan) -> float:
    """The score of the colour samples of two Scans of one size, in 8 bits. Raises Missing, TooLarge."""
    try:
        from ssimulacra2 import compute_ssimulacra2
    except ImportError as error:
        raise Missing(f"SSIMULACRA2 needs the package ssimulacra2 (pip install aecodec[eye]): {error}") from None
    if one.width * one.height > MOST_PIXELS:
        raise TooLarge(
            f"SSIMULACRA2 is computed of at most {MOST_PIXELS:,} pixels, this picture has {one.width * one.height:,}"
        )
    files = []
    for scan in (one, other):
        files.append(io.BytesIO())
        Image.fromarray(_rgb(scan)).save(files[-1], "BMP")
    return float(compute_ssimulacra2(*files))


def _rgb(scan: Picture | Scan) -> NDArray[np.uint8]:
    """[H, W, 3] of a gray or coloured Scan of 8 or 16 bits."""
    samples = np.concatenate([strip.pixels for strip in scan.strips()])
    step = WHITE[scan.depth]
    samples = ((samples.astype(np.uint32) + step // 2) // step).astype(np.uint8)
    return np.ascontiguousarray(np.broadcast_to(samples, (*samples.shape[:2], 3)))
