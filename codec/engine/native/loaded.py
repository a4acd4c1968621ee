"""A weight file in the C library, and what that does with addresses alone. `model` is the same with arrays.

Neither numpy nor Pillow is imported here or by what this needs: their import takes longer than a picture.
"""

import array
import contextlib
import ctypes
import functools
import hashlib
import json
import mmap
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from ...bitstream.container import DESYNCED, Tile
from ...errors import BadOption, BadWeights, Corrupt
from ...model.config import MAX_RESIDUAL, Config
from ...model.weights import ENCODING, FORMAT, ID_BYTES, metadata_of, path_of, read_header, refusing
from . import library

KEPT = "table.", "prior.gain_y", "prior.exp2"  # of the tensors, for what Python asks
TYPECODES = {"I8": "b", "I16": "h", "I32": "i", "F32": "f"}
CORRUPT = {
    library.SIZE: "{size} bytes cannot be the entropy-coded data of a tile",
    library.STATE: "the entropy-coded data begin with an impossible state",
    library.SHORT: "the entropy-coded data end before their symbol {count}",
    library.SYMBOL: f"the tile holds a symbol beyond ±{MAX_RESIDUAL}",
    library.LONG: "the entropy-coded data do not end after {count} symbols",
    library.FORM: "the entropy-coded data are not in their shortest form",
}


class Entry(NamedTuple):
    """A tensor of a weight file: numbers of a type at bytes begin to end - 1."""

    name: str
    type: str
    shape: list[int]
    begin: int
    end: int


class Loaded:
    """A weight file: `id`, `config`, `path`; may be shared by threads. Latents are int32 [h, w, M] in 2^-12 at their
    address, qualities in hundredths.
    """

    def __init__(self, data: bytes | mmap.mmap, path: Path | None = None, encodes: bool = True):
        """`data`: the bytes of a weight file; encodes: whether it does more than decode. Raises BadWeights."""
        self._handle = None
        self.id = hashlib.sha256(data).digest()[:ID_BYTES]
        self.path: Any = path  # None of a model that is no file, which no engine runs
        with refusing("the weight file does not hold a model"):
            header = read_header(data)
            self.config = Config(**json.loads(metadata_of(header, FORMAT)["config"]))
            found = [entry for entry in entries(data, header) if encodes or not entry.name.startswith(ENCODING)]
            described, held = _described(data, found)
        self.kept = [(entry, data[entry.begin : entry.end]) for entry in found if entry.name.startswith(KEPT)]
        self._library = library.load()
        sizes = library.Sizes(*(getattr(self.config, name) for name in library.SIZES))
        message = ctypes.create_string_buffer(240)
        self._handle = self._library.aec_load(sizes, described, len(found), message, len(message))
        del held  # what is described, until here
        if not self._handle:
            raise BadWeights(message.value.decode("ascii", "replace"))

    def __del__(self) -> None:
        if self._handle:
            self._library.aec_unload(self._handle)

    def call(self, function: str, *arguments: Any) -> None:
        """A function of the library that may fail, of this model. Raises MemoryError, BadOption."""
        checked(getattr(self._library, function)(self._handle, *arguments))

    def render(self, latents: int, h: int, w: int, quality: int, size: tuple[int, int, int]) -> bytearray:
        """Samples of 8 bits [height, width, channels] of latents [h, w, M] at their address."""
        samples = bytearray(size[0] * size[1] * size[2])
        self.call("aec_render", quality, latents, h, w, library.HALO(), *size, 8, address(samples))
        return samples

    def room(self, h: int, w: int) -> int:
        """Words that the payload of h x w positions takes at most."""
        return int(self._library.aec_room(self._handle, h, w))

    def read(self, tile: Tile, h: int, w: int, quality: int, latents: int, *more: int) -> None:
        """The latents of a tile of h x w positions to their address; more: those of symbols, rows and hyper-symbols as
        of aec_read. Raises Corrupt.
        """
        check, count, size = ctypes.c_uint32(), ctypes.c_int64(), len(tile.payload)
        outputs = latents, ctypes.byref(check), *(more or (None, None, None)), ctypes.byref(count)
        result = self._library.aec_read(self._handle, quality, tile.payload, size, h, w, *outputs)
        checked(result, size, count.value)
        if check.value != tile.symbols_crc:
            raise Corrupt(DESYNCED)

    def peek(self, payload: bytes, h: int, w: int, quality: int, latents: int) -> tuple[int, int]:
        """As `Model.peek`, with the address that gets the latents."""
        part, count = ctypes.c_int32(), ctypes.c_int64()
        outputs = latents, ctypes.byref(part), ctypes.byref(count)
        result = self._library.aec_peek(self._handle, quality, payload, len(payload), h, w, *outputs)
        checked(result, len(payload), count.value)
        return part.value, count.value


def checked(result: int, size: int = 0, count: int = 0) -> None:
    """Raises what a function of the library failed with. size, count: bytes of a payload and symbols read of it."""
    if result in CORRUPT:
        raise Corrupt(CORRUPT[result].format(size=size, count=count))
    if result == library.MEMORY:
        raise MemoryError("the native engine has no memory left")
    if result:
        raise BadOption("the native engine was given sizes that it does not take")


def address(buffer: bytearray) -> int:
    """Where the bytes of a buffer are, which must not go meanwhile."""
    return ctypes.addressof(ctypes.c_char.from_buffer(buffer))


def filtered(rows: bytearray, count: int, pixel: int) -> bytearray:
    """`count` rows of bytes, `pixel` of them side by side, as a PNG has them: each with the byte of its filter. Raises
    MemoryError.
    """
    out = bytearray(len(rows) + count)
    checked(library.load().aec_filter(address(rows), count, len(rows) // count, pixel, address(out)))
    return out


def entries(data: bytes | mmap.mmap, header: dict[str, Any]) -> Iterator[Entry]:
    """The tensors of a safetensors file. Raises ValueError, KeyError, TypeError, AttributeError for what is none."""
    start = 8 + int.from_bytes(data[:8], "little")
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        begin, end, *rest = entry["data_offsets"]
        numbers = begin, end, *entry["shape"]
        if rest or "\0" in name or any(type(number) is not int or not 0 <= number < 1 << 40 for number in numbers):
            raise ValueError(f"{name} has no place or shape")
        if entry["dtype"] not in TYPECODES:
            raise ValueError(f"{name} is of {entry['dtype']}")
        if not begin <= end <= len(data) - start:
            raise ValueError(f"{name} lies outside the file")
        yield Entry(name, entry["dtype"], entry["shape"], start + begin, start + end)


def _described(data: bytes | mmap.mmap, found: list[Entry]) -> tuple[Any, Any]:
    """The tensors as the library wants them, and what has to be there as long as it reads them. Raises ValueError."""
    content = data if isinstance(data, mmap.mmap) else bytearray(data)
    first = ctypes.c_char.from_buffer(content)
    held: list[Any] = [first]
    described = (library.Tensor * len(found))()
    for tensor, entry in zip(described, found, strict=True):
        if len(entry.shape) > 4:
            raise ValueError(f"{entry.name} has more than 4 dimensions")
        address = ctypes.addressof(first) + entry.begin
        if sys.byteorder == "big" or address % array.array(TYPECODES[entry.type]).itemsize:
            values = array.array(TYPECODES[entry.type], bytes(data[entry.begin : entry.end]))
            if sys.byteorder == "big":
                values.byteswap()
            held.append(values)
            address = values.buffer_info()[0]
        tensor.name, tensor.data, tensor.bytes = entry.name.encode(), address, entry.end - entry.begin
        tensor.shape[: len(entry.shape)], tensor.dimensions = entry.shape, len(entry.shape)
        tensor.type = library.TYPES[entry.type]
    return described, held


_lock = threading.Lock()
if hasattr(os, "register_at_fork"):  # Windows does not fork
    os.register_at_fork(before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release)


def load(name: str | Path, encodes: bool = True) -> Loaded:
    """The weight file of that name or path, read once per process, or twice: to decode only too. Raises UnknownModel,
    BadWeights.
    """
    path = path_of(name).absolute()
    with _lock:
        return _load(path, path.stat().st_mtime_ns, encodes)


@functools.lru_cache(16)
def _load(path: Path, _modified: int, encodes: bool) -> Loaded:
    return Loaded(_content(path), path, encodes)


def _content(path: Path) -> bytes | mmap.mmap:
    """What a file holds, in large pages where there are some: thousands of small ones take longer than the reading."""
    with open(path, "rb") as file:
        size = os.fstat(file.fileno()).st_size
        if not size:
            return b""
        content = mmap.mmap(-1, size)
        if hasattr(mmap, "MADV_HUGEPAGE"):
            with contextlib.suppress(OSError):  # a system without them
                content.madvise(mmap.MADV_HUGEPAGE)
        file.readinto(content)
        return content
