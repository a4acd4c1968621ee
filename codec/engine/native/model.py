"""A model in the C library: its four operations on arrays, one tile or window each."""

import ctypes
import functools
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...bitstream.container import Tile
from ...coding.tiles import Halo
from ...model.config import HYPER_STRIDE, STRIDE
from ...model.weights import read_header
from . import library, loaded
from .loaded import Entry, Loaded

FIXED = 12  # fractional bits of latents


class Model:
    """A loaded weight file: `id`, `config`, `path`; may be shared by threads. Latents are int32 [h, w, M] in 2^-12, of
    an analysis in its own units, else in quantiser steps. Qualities are in hundredths.
    """

    def __init__(self, data: bytes | Loaded, path: Path | None = None):
        """`data`: the bytes of a weight file, or what was loaded. Raises BadWeights."""
        self._loaded = data if isinstance(data, Loaded) else Loaded(data, path)
        self.id, self.config, self.path = self._loaded.id, self._loaded.config, self._loaded.path
        self._kept = {entry.name: _array(entry, content) for entry, content in self._loaded.kept}

    def analyse(self, pixels: NDArray[Any], quality: int, halo: Halo = (0, 0, 0, 0)) -> NDArray[Any]:
        """Latents of samples [H, W, 1 or 3], uint8 or uint16, whose right and lower edge is repeated to whole
        positions; without those of the halo (positions at top, bottom, left and right).
        """
        if pixels.strides[1:] != (pixels.shape[2] * pixels.itemsize, pixels.itemsize) or pixels.strides[0] < 0:
            pixels = np.ascontiguousarray(pixels)
        height, width, channels = pixels.shape
        top, bottom, left, right = halo
        h, w = -(-height // STRIDE) - top - bottom, -(-width // STRIDE) - left - right
        latents = np.empty((max(h, 0), max(w, 0), self.config.latent), np.int32)
        stride = pixels.strides[0] // pixels.itemsize
        size = height, width, channels, 8 * pixels.itemsize
        self._loaded.call("aec_analyse", quality, _at(pixels), stride, *size, library.HALO(*halo), _at(latents))
        return latents

    def write(self, latents: NDArray[Any], quality: int) -> Tile:
        """Payload and checksum of the latents [h, w, M] of an analysis."""
        return self._packed("aec_write", quality, latents.shape[:2], _at(latents := _whole(latents)))

    def pack(self, hyper: NDArray[Any], target: NDArray[Any], quality: int) -> Tile:
        """Payload and checksum of hyper-symbols [Z, ceil(h/4), ceil(w/4)] and of the latents nearest to `target`
        [h, w, M], quantiser steps in 2^-12.
        """
        hyper, target = _whole(hyper), _whole(target)
        return self._packed("aec_pack", quality, target.shape[:2], _at(hyper), _at(target))

    def _packed(self, function: str, quality: int, size: tuple[int, ...], *arrays: int) -> Tile:
        room = self._loaded.room(*size)
        words, length, check = np.empty(room, np.uint32), ctypes.c_int64(), ctypes.c_uint32()
        self._loaded.call(
            function, quality, *arrays, *size, _at(words), room, ctypes.byref(length), ctypes.byref(check)
        )
        return Tile(words[room - length.value :].astype("<u4", copy=False).tobytes(), check.value)

    def read(self, tile: Tile, h: int, w: int, quality: int) -> NDArray[Any]:
        """The latents of a tile of h x w positions, as a decoder has them. Raises Corrupt."""
        return self._read(tile, h, w, quality)

    def peek(self, payload: bytes, h: int, w: int, quality: int) -> tuple[NDArray[Any], int, int]:
        """The latents of a tile by the first bytes of its payload, however few, with the prior's means in place of what
        has not come; how far the bytes reach: 0: into z, 1 to 4: into that step of y, 5: the payload is whole; and how
        many symbols are there.

        Raises Corrupt, where damage shows without a checksum.
        """
        latents = np.empty((h, w, self.config.latent), np.int32)
        return latents, *self._loaded.peek(payload, h, w, quality, _at(latents))

    def symbols(self, tile: Tile, h: int, w: int, quality: int) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Residuals int32 and table rows uint8 [M, H, W] and hyper-symbols int32 [Z, H/4, W/4] of a tile, on its grid.
        Raises Corrupt.
        """
        high, wide = -(-h // HYPER_STRIDE), -(-w // HYPER_STRIDE)
        grid = self.config.latent, high * HYPER_STRIDE, wide * HYPER_STRIDE
        found = np.empty(grid, np.int32), np.empty(grid, np.uint8), np.empty((self.config.hyper, high, wide), np.int32)
        self._read(tile, h, w, quality, *[_at(array) for array in found])
        return found

    def _read(self, tile: Tile, h: int, w: int, quality: int, *more: int) -> NDArray[Any]:
        latents = np.empty((h, w, self.config.latent), np.int32)
        self._loaded.read(tile, h, w, quality, _at(latents), *more)
        return latents

    def render(
        self,
        latents: NDArray[Any],
        quality: int,
        channels: int,
        depth: int,
        halo: Halo = (0, 0, 0, 0),
        size: tuple[int, int] | None = None,
    ) -> NDArray[Any]:
        """Samples [H, W, channels], uint8 or uint16, of latents [h, w, M], but for those of the halo; size: H and W,
        where the picture ends within the last position.
        """
        h, w, _ = latents.shape
        top, bottom, left, right = halo
        height, width = size or (STRIDE * (h - top - bottom), STRIDE * (w - left - right))
        pixels = np.empty((height, width, channels), f"u{depth // 8}")
        latents = _whole(latents)
        self._loaded.call(
            "aec_render", quality, _at(latents), h, w, library.HALO(*halo), *pixels.shape, depth, _at(pixels)
        )
        return pixels

    def table(self, name: str) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Cumulative frequencies [rows, most] padded with 65536, sizes and offsets of the table y or z."""
        cdfs, sizes, offsets = (self._kept[f"table.{name}.{part}"] for part in ("cdfs", "sizes", "offsets"))
        padded = np.full((len(sizes), sizes.max()), 1 << 16, np.int32)
        padded[np.arange(sizes.max()) < sizes[:, None]] = cdfs
        return padded, sizes, offsets

    def anchor(self, quality: int) -> int:
        """The anchor nearest to a quality."""
        low, part = self.config.position(quality)
        return low + (part >= 4950)

    def reciprocal(self, quality: int) -> NDArray[Any]:
        """float64 [M]: what takes quantiser steps to the units of the analysis."""
        low, part = self.config.position(quality)
        below, above = self._kept["prior.gain_y"][low : low + 2].astype(np.int64)
        log2 = -((below * (9900 - part) + above * part + 4950) // 9900)
        factors: NDArray[np.float64] = np.ldexp(
            self._kept["prior.exp2"][log2 & 1023].astype(np.float64), (log2 >> 10) - 15
        )
        return factors


def _at(array: NDArray[Any]) -> int:
    return array.ctypes.data


def _whole(array: NDArray[Any]) -> NDArray[Any]:
    return np.ascontiguousarray(array, np.int32)


def tensors_of(data: bytes) -> dict[str, NDArray[Any]]:
    """The tensors of a safetensors file. Raises ValueError, KeyError, TypeError, AttributeError for what is none."""
    return {
        entry.name: _array(entry, data[entry.begin : entry.end]) for entry in loaded.entries(data, read_header(data))
    }


def _array(entry: Entry, content: bytes) -> NDArray[Any]:
    dtype = {"I8": "i1", "I16": "<i2", "I32": "<i4", "F32": "<f4"}[entry.type]
    return np.frombuffer(content, dtype).reshape(entry.shape)


def load(name: str | Path) -> Model:
    """The Model of that name or path, read once per process. Raises UnknownModel, BadWeights."""
    return _of(loaded.load(name))


@functools.lru_cache(16)
def _of(found: Loaded) -> Model:
    return Model(found)
