"""PNG by rows: what Pillow reads and writes only whole.

Reading inflates a stretch of rows at a time and checks every CRC-32. Writing chooses each row's filter and deflates.
"""

import struct
import zlib
from collections.abc import Callable, Container, Iterable, Iterator
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ...errors import BadImage
from .. import pil
from .chunks import LEVEL, SIGNATURE, beginning, chunk

SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # colour type (gray, RGB, palette, gray + alpha, RGBA): samples per pixel
PALETTE = 3
CRITICAL = {b"IHDR", b"PLTE", b"IDAT", b"IEND"}  # of the types with a capital first letter, which no reader may skip
# The passes of Adam7: x, y, and the steps along both.
PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
BLOCK = 1 << 18  # bytes read and inflated at a time, which bounds the memory
STRETCH = 1 << 22  # bytes of rows unfiltered, or filtered, at a time


def header(file: BinaryIO) -> tuple[int, int, int, int, bool]:
    """(width, height, bit depth, colour type, interlaced) as a PNG begins with them; raises BadImage
    for another file.
    """
    file.seek(0)
    head = file.read(33)
    if head[:16] != SIGNATURE + b"\0\0\0\rIHDR" or len(head) < 33:
        raise BadImage("the picture is not a PNG file, or has a broken header")
    if head[26:28] != b"\0\0" or head[28] > 1:
        raise BadImage("the picture is a PNG file with a compression, filtering or interlacing that is not known")
    return struct.unpack(">IIBBxx?", head[16:29])


def chunks(file: BinaryIO, skip: Container[bytes] = ()) -> Iterator[tuple[bytes, bytes]]:
    """Yields (type, data) of every chunk, IDAT in blocks of bounded size, and leaves `file` after the last; raises
    BadImage.

    The CRC-32 of a chunk is checked after its data have been given. Those of the types in `skip` are passed over
    unread, with b"".
    """
    size = file.seek(0, 2)
    file.seek(len(SIGNATURE))
    kind, pixels = None, 0  # stretches of IDAT
    while kind != b"IEND":
        head = file.read(8)
        first, before, (length, kind) = kind is None, kind, struct.unpack(">I4s", head) if len(head) == 8 else (0, b"")
        if len(head) < 8 or length + 4 > size - file.tell():
            raise BadImage("the picture is a truncated PNG file")
        pixels += kind == b"IDAT" != before
        if pixels > 1:
            raise BadImage("the picture is a broken PNG file (something lies between its pixels)")
        if kind == b"IHDR" and not first:
            raise BadImage("the picture is a broken PNG file (it has two headers)")
        if not kind[0] & 32 and kind not in CRITICAL:
            raise BadImage(
                f"the picture is a PNG file with a kind of data that is not known ({ascii(kind.decode('latin-1'))})"
            )
        if kind in skip:
            file.seek(length + 4, 1)
            yield kind, b""
            continue
        crc = zlib.crc32(kind)
        for start in range(0, max(length, 1), BLOCK if kind == b"IDAT" else max(length, 1)):
            data = file.read(min(BLOCK, length - start) if kind == b"IDAT" else length)
            crc = zlib.crc32(data, crc)
            yield kind, data
        if file.read(4) != struct.pack(">I", crc):
            raise BadImage("the picture is a broken PNG file (a checksum is wrong)")


def inflated(file: BinaryIO, kinds: set[bytes]) -> Iterator[bytes]:
    """Yields the inflated pixels of a PNG in blocks, exactly as many bytes as its header asks for, and adds the chunk
    types to the set `kinds`.

    Reads and checks the file to its last chunk; raises BadImage. Check the size first: the work is what the header
    claims.
    """
    width, height, depth, colour, interlaced = header(file)
    missing = _size(width, height, depth * SAMPLES.get(colour, 0), interlaced)
    inflate = zlib.decompressobj()
    for kind, data in chunks(file):
        kinds.add(kind)
        if kind == b"IDAT" and colour == PALETTE and b"PLTE" not in kinds:
            raise BadImage("the picture is a broken PNG file (it has no palette)")
        try:
            while kind == b"IDAT" and data and missing > 0 and not inflate.eof:
                block = inflate.decompress(data, min(BLOCK, missing))
                data = inflate.unconsumed_tail
                missing -= len(block)
                if block:
                    yield block
        except zlib.error as error:
            raise BadImage("the picture is a broken PNG file (its pixels cannot be inflated)") from error
    if missing > 0:
        raise BadImage(f"the picture is a truncated PNG file ({missing} bytes of pixels are missing)")


def check(file: BinaryIO) -> set[bytes]:
    """Checks what Pillow does not: the CRC-32 of every chunk up to the last, and that the data suffice for all pixels.

    Decodes no pixel, but inflates as many bytes as the header asks for: check the size first. Returns the set of chunk
    types, leaves `file` after the last chunk; raises BadImage.
    """
    kinds: set[bytes] = set()
    for _ in inflated(file, kinds):
        pass
    return kinds


def _size(width: int, height: int, bits: int, interlaced: bool) -> int:
    """Inflated size of a PNG's pixels: in each pass, each row has a filter type and whole bytes."""
    rows = 0
    for left, top, across, down in PASSES if interlaced else ((0, 0, 1, 1),):
        columns, lines = -((left - width) // across), -((top - height) // down)
        rows += lines * (1 + (columns * bits + 7) // 8) if columns > 0 else 0
    return rows


def rows(file: BinaryIO, kinds: set[bytes]) -> Iterator[NDArray[Any]]:
    """Yields the unfiltered bytes of a PNG that is not interlaced, arrays [n, bytes per row], from top to bottom; else
    as `inflated`.
    """
    width, height, depth, colour, _ = header(file)
    bits = depth * SAMPLES.get(colour, 0)
    stride = 1 + (width * bits + 7) // 8
    above = np.zeros(stride - 1, np.uint8)
    waiting = bytearray()
    stretch = max(1, STRETCH // stride) * stride
    for block in inflated(file, kinds):
        waiting += block
        while len(waiting) >= stretch:
            unfiltered = _unfilter(
                np.frombuffer(bytes(waiting[:stretch]), np.uint8).reshape(-1, stride), above, max(1, bits // 8)
            )
            del waiting[:stretch]
            above = unfiltered[-1]
            yield unfiltered
    if waiting:
        yield _unfilter(np.frombuffer(bytes(waiting), np.uint8).reshape(-1, stride), above, max(1, bits // 8))


def _unfilter(filtered: NDArray[Any], above: NDArray[Any], pixel: int) -> NDArray[Any]:
    """[n, w] of rows [n, 1 + w] that begin with their filter types; `above` [w] is the row before, `pixel` its bytes
    per pixel.

    Done by Pillow, in C: an unfiltered row is put on top. It knows pixels of up to 4 bytes; longer ones are filtered
    like two side by side, as every byte depends on those of the same place in other pixels only.
    """
    if filtered[:, 0].max() > 4:
        raise BadImage("the picture is a broken PNG file (a row has an unknown filter)")
    parts = 2 if pixel > 4 else 1
    mode = ("L", "LA", "RGB", "RGBA")[pixel // parts - 1]
    stacked = np.zeros((len(filtered) + 1, filtered.shape[1]), np.uint8)
    stacked[0, 1:], stacked[1:] = above, filtered
    results = []
    for part in range(parts):
        lanes = stacked if parts == 1 else _lanes(stacked, part, pixel)
        size = (lanes.shape[1] - 1) // len(mode), len(lanes)
        with pil.refusing("the picture is a broken PNG file"):
            image = Image.frombytes(mode, size, zlib.compress(lanes.data, 0), "zip", mode, 0)
        results.append(np.asarray(image)[1:].reshape(len(filtered), size[0], len(mode)))
    return (
        results[0].reshape(len(filtered), -1) if parts == 1 else np.concatenate(results, 2).reshape(len(filtered), -1)
    )


def _lanes(stacked: NDArray[Any], part: int, pixel: int) -> NDArray[Any]:
    """The first or second half of every pixel's bytes, after the filter types."""
    halves = stacked[:, 1:].reshape(len(stacked), -1, 2, pixel // 2)[:, :, part].reshape(len(stacked), -1)
    return np.concatenate([stacked[:, :1], halves], 1)


class Writer:
    """Writes a PNG to a binary file: the header at once, samples [n, width, channels] as they come, the rest when
    closed.

    channels: 1 gray, 2 gray and alpha, 3 RGB, 4 RGBA; depth: 8 or 16; `exif` is the bare TIFF block.
    """

    def __init__(
        self,
        file: BinaryIO,
        width: int,
        height: int,
        channels: int,
        depth: int,
        icc: bytes | None = None,
        exif: bytes | None = None,
        xmp: bytes | None = None,
        cicp: bytes | None = None,
        level: int = LEVEL,
    ):
        self._file, self._pixel, self._type = file, channels * depth // 8, np.dtype(f">u{depth // 8}")
        self._deflate = zlib.compressobj(level)
        self._above = np.zeros(width * self._pixel, np.uint8)
        file.write(beginning(width, height, channels, depth, icc, exif, xmp, cicp))

    def write(self, samples: NDArray[Any]) -> None:
        count = max(1, STRETCH // len(self._above) // 4)
        for top in range(0, len(samples), count):
            block = (
                np.ascontiguousarray(samples[top : top + count], self._type)
                .view(np.uint8)
                .reshape(-1, len(self._above))
            )
            if data := self._deflate.compress(_filter(block, self._above, self._pixel).data):
                self._file.write(chunk(b"IDAT", data))
            self._above = block[-1]

    def close(self) -> None:
        self._file.write(chunk(b"IDAT", self._deflate.flush()) + chunk(b"IEND", b""))


def _filter(block: NDArray[Any], above: NDArray[Any], pixel: int) -> NDArray[Any]:
    """[n, 1 + w] of rows [n, w]: each by the filter whose result has the least sum of magnitudes, as libpng chooses
    too; all but Paeth.

    Paeth takes as long as the others together, for 0.4 % of the bytes of photographs.
    """
    left = np.zeros_like(block)
    left[:, pixel:] = block[:, :-pixel]
    up = np.concatenate([above[None], block[:-1]])
    filtered = np.empty((len(block), 1 + block.shape[1]), np.uint8)
    filtered[:, 0], filtered[:, 1:] = 0, block
    least = _magnitude(block)
    average = (left >> 1) + (up >> 1) + (left & up & 1)  # floor((left + up) / 2) within 8 bits
    for kind, guess in ((1, left), (2, up), (3, average)):
        rest = block - guess
        better = (size := _magnitude(rest)) < least
        filtered[better, 0], filtered[better, 1:] = kind, rest[better]
        least = np.minimum(least, size)
    return filtered


def _magnitude(rows: NDArray[Any]) -> NDArray[Any]:
    """Sums of the rows' bytes read as signed."""
    sums: NDArray[np.uint64] = np.minimum(rows, -rows).sum(1, dtype=np.uint64)  # -x modulo 256
    return sums


def cut(file: BinaryIO, opened: object) -> tuple[bytes, Callable[[], Iterator[bytes | NDArray[Any]]]] | None:
    """A large PNG as `scanner` wants it, (small file, pieces): one row with all metadata, and what gives its rows as
    arrays or small files.

    None for what has to be decoded whole: interlaced pictures, animations, and files without pixels.
    """
    width, _, depth, colour, interlaced = header(file)
    others = []
    for kind, data in chunks(file, skip=(b"IDAT",)):
        if kind not in (b"IDAT", b"fcTL", b"fdAT") or (kind == b"IDAT" and (kind, data) not in others):
            others.append((kind, data))
    kinds = dict(others)
    if interlaced or b"acTL" in kinds or b"IDAT" not in kinds:
        return None
    stride = 1 + (width * depth * SAMPLES[colour] + 7) // 8

    def small(raw: NDArray[Any], kept: Iterable[tuple[bytes, bytes]]) -> bytes:
        """A PNG of unfiltered rows [n, bytes per row], uncompressed, with the chunks `kept`."""
        contents = {
            b"IHDR": struct.pack(">II", width, len(raw)) + kinds[b"IHDR"][8:],
            b"IDAT": zlib.compress(np.pad(raw, ((0, 0), (1, 0))).data, 0),
        }
        return SIGNATURE + b"".join(chunk(kind, contents.get(kind, data)) for kind, data in kept)

    colouring = [(kind, data) for kind, data in others if kind in (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")]

    def pieces() -> Iterator[bytes | NDArray[Any]]:
        for raw in rows(file, set()):
            if colour == PALETTE or depth < 8 or b"tRNS" in kinds:
                yield small(raw, colouring)
            else:
                yield raw.view(f">u{depth // 8}").reshape(len(raw), width, -1)

    return small(np.zeros((1, stride - 1), np.uint8), others), pieces
