"""A model in the C library: its four operations on arrays, one tile or window each."""

import ctypes
import functools
import hashlib
import json
import os
import threading
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...bitstream.container import Tile
from ...coding.tiles import Halo
from ...errors import BadOption, BadWeights, Corrupt
from ...model.config import HYPER_STRIDE, STRIDE, Config
from ...model.weights import ID_BYTES, path_of, read_metadata, refusing
from . import library

FORMAT = "aecodec model 2"
FIXED = 12  # fractional bits of latents
MAX_RESIDUAL = 1 << 14
KEPT = "table.", "prior.gain_y", "prior.exp2"  # of the tensors, for what Python asks
CORRUPT = {
    library.SIZE: "{size} bytes cannot be the entropy-coded data of a tile",
    library.STATE: "the entropy-coded data begin with an impossible state",
    library.SHORT: "the entropy-coded data end before their symbol {count}",
    library.SYMBOL: f"the tile holds a symbol beyond ±{MAX_RESIDUAL}",
    library.LONG: "the entropy-coded data do not end after {count} symbols",
    library.FORM: "the entropy-coded data are not in their shortest form",
}
DESYNCED = "the decoded symbols do not match their checksum: the file is damaged or this machine computes otherwise"


class Model:
    """A loaded weight file: `id`, `config`, `path`; may be shared by threads. Latents are int32 [h, w, M] in 2^-12, of
    an analysis in its own units, else in quantiser steps. Qualities are in hundredths.
    """

    def __init__(self, data: bytes, path: Path | None = None):
        """`data`: the bytes of a weight file. Raises BadWeights."""
        self._handle = None
        self.id = hashlib.sha256(data).digest()[:ID_BYTES]
        self.path: Any = path  # None of a model that is no file, which no engine runs
        with refusing("the weight file does not hold a model"):
            self.config = Config(**json.loads(read_metadata(data, FORMAT)["config"]))
            tensors = tensors_of(data)
            self._kept = {name: array.copy() for name, array in tensors.items() if name.startswith(KEPT)}
        self._library = library.load()
        sizes = library.Sizes(*(getattr(self.config, name) for name in library.SIZES))
        message = ctypes.create_string_buffer(240)
        self._handle = self._library.aec_load(sizes, _described(tensors), len(tensors), message, len(message))
        if not self._handle:
            raise BadWeights(message.value.decode("ascii", "replace"))

    def __del__(self) -> None:
        if self._handle:
            self._library.aec_unload(self._handle)

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
        self._call("aec_analyse", quality, _at(pixels), stride, *size, library.HALO(*halo), _at(latents))
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
        room = self._library.aec_room(self._handle, *size)
        words, length, check = np.empty(room, np.uint32), ctypes.c_int64(), ctypes.c_uint32()
        self._call(function, quality, *arrays, *size, _at(words), room, ctypes.byref(length), ctypes.byref(check))
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
        data = np.frombuffer(payload, np.uint8)
        latents = np.empty((h, w, self.config.latent), np.int32)
        part, count = ctypes.c_int32(), ctypes.c_int64()
        outputs = _at(latents), ctypes.byref(part), ctypes.byref(count)
        result = self._library.aec_peek(self._handle, quality, _at(data), data.size, h, w, *outputs)
        _raise(result, data.size, count.value)
        return latents, part.value, count.value

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
        payload = np.frombuffer(tile.payload, np.uint8)
        latents = np.empty((h, w, self.config.latent), np.int32)
        check, count = ctypes.c_uint32(), ctypes.c_int64()
        outputs = _at(latents), ctypes.byref(check), *(more or (None, None, None)), ctypes.byref(count)
        result = self._library.aec_read(self._handle, quality, _at(payload), payload.size, h, w, *outputs)
        _raise(result, payload.size, count.value)
        if check.value != tile.symbols_crc:
            raise Corrupt(DESYNCED)
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
        self._call("aec_render", quality, _at(latents), h, w, library.HALO(*halo), *pixels.shape, depth, _at(pixels))
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
        return np.ldexp(self._kept["prior.exp2"][log2 & 1023].astype(np.float64), (log2 >> 10) - 15)

    def _call(self, function: str, *arguments: Any) -> None:
        _raise(getattr(self._library, function)(self._handle, *arguments))


def _raise(result: int, size: int = 0, count: int = 0) -> None:
    """size, count: bytes of a payload and symbols that were read of it."""
    if result in CORRUPT:
        raise Corrupt(CORRUPT[result].format(size=size, count=count))
    if result == library.MEMORY:
        raise MemoryError("the native engine has no memory left")
    if result:
        raise BadOption("the native engine was given sizes that it does not take")


def _at(array: NDArray[Any]) -> int:
    return array.ctypes.data


def _whole(array: NDArray[Any]) -> NDArray[Any]:
    return np.ascontiguousarray(array, np.int32)


def tensors_of(data: bytes) -> dict[str, NDArray[Any]]:
    """The tensors of a safetensors file, as views of it where they are aligned. Raises ValueError, KeyError, TypeError
    for what is none.
    """
    start = 8 + int.from_bytes(data[:8], "little")
    entries = json.loads(data[8:start])
    del entries["__metadata__"]
    found = {}
    for name, entry in entries.items():
        if entry["dtype"] not in library.TYPES:
            raise ValueError(f"{name} is of {entry['dtype']}")
        begin, end = entry["data_offsets"]
        if not 0 <= begin <= end <= len(data) - start:
            raise ValueError(f"{name} lies outside the file")
        dtype = {"I8": "i1", "I16": "<i2", "I32": "<i4", "F32": "<f4"}[entry["dtype"]]
        values = np.frombuffer(memoryview(data)[start + begin : start + end], dtype)
        found[name] = np.require(values.reshape(entry["shape"]), requirements="A")
    return found


def _described(tensors: dict[str, NDArray[Any]]) -> Any:
    described = (library.Tensor * len(tensors))()
    for entry, (name, array) in zip(described, tensors.items(), strict=True):
        if array.ndim > 4:
            raise BadWeights(f"the weight file's {name!r} has more than 4 dimensions")
        array = array.astype(array.dtype.newbyteorder("="), copy=False)
        entry.name, entry.data, entry.bytes = name.encode(), array.ctypes.data, array.nbytes
        entry.shape[: array.ndim], entry.dimensions = array.shape, array.ndim
        entry.type = {"int8": 0, "int16": 1, "int32": 2, "float32": 3}[array.dtype.name]
    return described


_lock = threading.Lock()
if hasattr(os, "register_at_fork"):  # Windows does not fork
    os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release)


def load(name: str | Path) -> Model:
    """The Model of that name or path, read once per process. Raises UnknownModel, BadWeights."""
    path = path_of(name).absolute()
    with _lock:
        return _load(path, path.stat().st_mtime_ns)


@functools.lru_cache(16)
def _load(path: Path, _modified: int) -> Model:
    return Model(path.read_bytes(), path)
