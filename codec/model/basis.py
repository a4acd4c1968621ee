"""The functions that every transform starts from: a DCT over an orthonormal space of luma and two chroma axes.

What of a picture the lowest of them cannot represent, the networks hardly can.
"""

import functools
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .config import STRIDE

CHROMA = 2.6  # times faster than luma's the energy of chroma falls with frequency (measured on training photographs)


def colours() -> NDArray[Any]:
    """The axes of luma and chroma, orthonormal: float64 [3, 3], in terms of R, G and B."""
    axes = np.array([[1, 1, 1], [1, 0, -1], [-0.5, 1, -0.5]])
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    return axes


def cosines(size: int = STRIDE) -> NDArray[Any]:
    """The orthonormal DCT of one dimension: float64 [size, size], a frequency per row."""
    k = np.arange(size)
    d: NDArray[Any] = math.sqrt(2 / size) * np.cos(math.pi * (2 * k + 1) * k[:, None] / (2 * size))
    d[0] /= math.sqrt(2)
    return d


def lowest(count: int, size: int = STRIDE) -> list[tuple[int, int, int]]:
    """The `count` functions of most energy in photographs: colour axis and frequencies down and across."""
    order = sorted(
        ((math.hypot(u, v) + 0.3) * (CHROMA if c else 1), c, u, v)
        for c in range(3)
        for u in range(size)
        for v in range(size)
    )
    return [(c, u, v) for _, c, u, v in order[:count]]


@functools.lru_cache(4)
def _beyond(count: int) -> NDArray[Any]:
    """Which functions are not among the lowest: bool [3, STRIDE, STRIDE]."""
    mask = np.ones((3, STRIDE, STRIDE), bool)
    mask[tuple(zip(*lowest(count), strict=True))] = False
    return mask


def missing(blocks: NDArray[Any], count: int) -> float:
    """Mean squared error of blocks [N, 3, STRIDE, STRIDE] if only the lowest `count` functions may represent them."""
    # Sums along the first axis by einsum, as fast as products by a library for linear algebra: such a library would
    # start threads, and the usual one waits without end where memory is short. The blocks come last, in memory too,
    # for which all sums are of long rows.
    d = cosines().astype(np.float32)
    planes = _along(colours().astype(np.float32), np.ascontiguousarray(blocks.transpose(1, 2, 3, 0)))
    down = np.stack([_along(d, plane) for plane in planes])
    across = _along(d, np.ascontiguousarray(down.transpose(2, 0, 1, 3)))
    energy = np.einsum("vcun,vcun->cuv", across, across)
    return float(energy[_beyond(count)].sum(dtype=np.float64) / blocks.size)


def _along(rows: NDArray[Any], values: NDArray[Any]) -> NDArray[Any]:
    """The products of rows [K, K] with all along the first axis of values [K, ...]."""
    products: NDArray[Any] = np.einsum("ki,ij->kj", rows, values.reshape(len(rows), -1))
    return products.reshape(values.shape)
