"""TIFF by rows. Writing is uncompressed; reading cuts a file into small ones.

These are of whole strips or tiles, each of which is compressed on its own. So whatever Pillow and libtiff know of
compressions, predictors and colours works for large files too.
"""

import io
import itertools
import os
import struct
from collections.abc import Callable, Iterable, Iterator
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import TiffImagePlugin

from ...errors import BadImage
from .. import exif as blocks
from .. import pil
from . import directory
from .directory import HEAD, LONG, LONG8

STRETCH = 1 << 22  # bytes of a strip written, or least bytes of pixels read, at a time
CLASSIC = 2**32 - 2**24  # bytes of pixels beyond which offsets take 8 bytes (BigTIFF); metadata come before them
NONE = 1
# LZW, JPEG, deflate, PackBits, deflate by its old number, LZMA and Zstandard.
COMPRESSIONS = (NONE, 5, 7, 8, 32773, 32946, 34925, 50000)
# CCITT's three and PackBits: libtiff passes over their predictor, and other readers, and whoever wrote it, do not.
UNPREDICTED = (2, 3, 4, 32773)
ORIENTATION, COMPRESSION, PHOTOMETRIC, PLANAR, SUBSAMPLING = 274, 259, 262, 284, 530
WIDTH, HEIGHT, BITS, SAMPLES, STRIP_ROWS, TILE_HEIGHT, TILE_WIDTH, PREDICTOR = 256, 257, 258, 277, 278, 323, 322, 317
FILL_ORDER, SAMPLE_FORMAT, JPEG_TABLES = 266, 339, 347
SIGNED = 2
STRIPS, TILES = (273, 279), (324, 325)  # tags of the offsets and the bytes
BLACK, YCBCR = 1, 6
PROFILE, PRIVATE = 34675, 32768
# Tags that describe, whatever they hold: titles, makers, dates, resolution, page, host, XMP.
DESCRIPTIONS = (
    254,
    255,
    269,
    270,
    271,
    272,
    282,
    283,
    285,
    286,
    287,
    296,
    297,
    305,
    306,
    315,
    316,
    330,
    700,
    18246,
    18249,
)
# Old private tags that libtiff takes for layout: kind of alpha, kind of numbers, depths.
SGI = (32995, 32996, 32997, 32998)
Segment = tuple[int, list[tuple[int, int]]]  # rows, and where they lie: (offset, bytes)


class Writer:
    """Writes an uncompressed TIFF to a binary file: the directory at once, samples [n, width, channels] as they come.

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
    ):
        alpha = channels in (2, 4)
        self._file, self._type = file, f"<u{depth // 8}"
        # Pillow and others read no 16-bit gray with alpha.
        self._spread = channels == 2 and depth == 16
        channels = 4 if self._spread else channels
        row = width * channels * depth // 8
        rows = max(1, min(height, STRETCH // row))
        tops = range(0, height, rows)
        big = row * height > CLASSIC
        head = io.BytesIO()
        with pil.refusing("the picture cannot be written as TIFF"):
            tags = TiffImagePlugin.ImageFileDirectory_v2(b"II+\0\x08\0\0\0" + bytes(8) if big else b"II*\0" + bytes(4))
            for tag, value in (exif and blocks.describe(exif) or {}).items():
                tags[tag] = value
            tags[WIDTH], tags[HEIGHT] = width, height
            tags[BITS] = (depth,) * channels
            tags[COMPRESSION], tags[PLANAR] = NONE, 1  # samples side by side
            tags[PHOTOMETRIC] = 2 if channels > 2 else 1  # RGB, or gray where 0 is black
            tags[SAMPLES], tags[STRIP_ROWS] = channels, rows
            tags.tagtype[STRIPS[0]] = LONG8 if big else LONG
            # The directory's own size is added when it is saved.
            tags[STRIPS[0]] = tuple(top * row for top in tops)
            tags[STRIPS[1]] = tuple(min(rows, height - top) * row for top in tops)
            if alpha:
                tags[338] = 2  # not multiplied into the colours
            if icc:
                tags[34675] = icc
            if xmp:
                tags[700] = xmp
            tags.save(head)
        file.write(head.getbuffer())

    def write(self, samples: NDArray[Any]) -> None:
        samples = samples[..., [0, 0, 0, 1]] if self._spread else samples
        self._file.write(np.ascontiguousarray(samples, self._type).data)

    def close(self) -> None:
        pass


def readable(file: BinaryIO) -> BinaryIO:
    """The file, or another that says the same where Pillow does not understand it: BigTIFF in big-endian order.

    Raises BadImage.
    """
    size, _ = file.seek(0, os.SEEK_END), file.seek(0)
    head = file.read(4)
    file.seek(0)
    if head != b"MM\0+":
        return file
    if size > CLASSIC:
        raise BadImage("the picture is a BigTIFF file in big-endian order of more than 4 GB, which is not supported")
    with pil.refusing("the picture is a broken TIFF file"):
        return io.BytesIO(directory.rewritten(file.read(), {}))


def check(opened: TiffImagePlugin.TiffImageFile) -> None:
    """Raises BadImage for an opened TIFF whose samples Pillow would give as they are not meant."""
    tags: Any = opened.tag_v2
    if tags.get(PREDICTOR, 1) != 1 and tags.get(COMPRESSION, NONE) in UNPREDICTED:
        raise BadImage(
            "the picture is a TIFF file that combines a predictor with a compression that libtiff reads without one"
        )


def check_signs(opened: TiffImagePlugin.TiffImageFile, samples: NDArray[Any]) -> None:
    """Raises BadImage for a TIFF with negative samples of 8 bits, which Pillow takes for bright ones."""
    if values(opened.tag_v2.get(SAMPLE_FORMAT, 1))[0] == SIGNED and samples.itemsize == 1 and samples.max() > 127:
        raise BadImage("the picture has negative samples, which are not supported")


def cut(file: BinaryIO, opened: TiffImagePlugin.TiffImageFile) -> tuple[bytes, Callable[[], Iterator[bytes]]] | None:
    """A large TIFF as `scanner` wants it, (small file, pieces): its first segment, and what gives the rows as small
    files.

    None for what has to be decoded whole: pictures that are to be turned, planes, old compressions, one compressed
    strip for all, and whatever the small files could not say as the large one does.
    """
    try:
        return _cut(file, opened)
    except (struct.error, TypeError, ValueError, ArithmeticError, LookupError):  # lying tags: Pillow says what is wrong
        return None


def _cut(file: BinaryIO, opened: TiffImagePlugin.TiffImageFile) -> tuple[bytes, Callable[[], Iterator[bytes]]] | None:
    tags: Any = opened.tag_v2
    width, height = opened.width, opened.height
    compression, tiled = tags.get(COMPRESSION, NONE), STRIPS[0] not in tags
    orientation = opened.getexif().get(ORIENTATION, 1)  # Pillow turns by what XMP says, too
    if orientation != 1 or tags.get(PLANAR, 1) != 1 or compression not in COMPRESSIONS:
        return None
    if any(tag in tags for tag in (STRIPS if tiled else TILES)):
        return None  # both, of which readers choose one or the other
    offsets, sizes = (values(tags.get(tag, ())) for tag in (TILES if tiled else STRIPS))
    rows, columns = (tags.get(TILE_HEIGHT), tags.get(TILE_WIDTH)) if tiled else (tags.get(STRIP_ROWS, height), width)
    if not all(isinstance(side, int) and side > 0 for side in (rows, columns)):
        return None
    rows, bits = rows if tiled else min(rows, height), _bits_per_pixel(tags)
    across, count = -(-width // columns), -(-height // rows)  # segments from left to right, and from top to bottom
    row = -(-columns * bits // 8)  # bytes of a row of a segment
    if compression == NONE:
        if len(offsets) != count * across or tags.get(PHOTOMETRIC) == YCBCR or tiled and columns * bits % 8:
            return None
        sizes = [row * min(rows, height - i // across * rows) for i in range(count * across)]
    elif len(offsets) < count * across or len(sizes) < len(offsets) or not all(sizes) or rows >= height:
        return None
    elif tags.get(PHOTOMETRIC) == YCBCR and any(
        part % values(tags.get(SUBSAMPLING, (2, 2)))[-1] for part in (rows, height % rows)
    ):
        return None  # a part of a chroma sample by itself is no picture to libtiff
    layout = directory.layout(file, lambda tag: _decides(tag, opened.mode))
    if layout is None or layout.keys() != {tag for tag in tags if _decides(tag, opened.mode)}:
        return None  # Pillow passes over tags that it cannot read, and over all behind them
    end = file.seek(0, os.SEEK_END)
    if any(not 0 <= offset <= offset + size <= end for offset, size in zip(offsets, sizes)):
        if compression != NONE:
            return None
        raise BadImage("the picture is a truncated TIFF file")

    def segments() -> Iterator[Segment]:
        """(rows, [(offset, bytes)]) from top to bottom."""
        if compression != NONE or tiled:
            for i in range(count):
                yield (
                    min(rows, height - i * rows),
                    [(offsets[j], sizes[j]) for j in range(i * across, (i + 1) * across)],
                )
            return
        most = max(1, STRETCH // row)  # an uncompressed strip can be cut anywhere
        for i in range(count):
            full = min(rows, height - i * rows)
            for top in range(0, full, most):
                yield min(most, full - top), [(offsets[i] + top * row, min(most, full - top) * row)]

    def small(group: Iterable[Segment]) -> bytes:
        data = [directory.stretch(file, *place) for _, places in group for place in places]
        total = sum(n for n, _ in group)
        places = {HEIGHT: [total]} | ({} if tiled else {STRIP_ROWS: [rows]})
        if compression == NONE and not tiled:
            data, places[STRIP_ROWS] = [b"".join(data)], [total]
        places[(TILES if tiled else STRIPS)[1]] = [len(piece) for piece in data]
        places[(TILES if tiled else STRIPS)[0]] = list(itertools.accumulate(map(len, data[:-1]), initial=HEAD))
        order = "<" if tags.prefix == b"II" else ">"
        entries = {
            tag: (LONG, len(numbers), struct.pack(f"{order}{len(numbers)}I", *numbers))
            for tag, numbers in places.items()
        }
        return directory.small(order, layout | entries, b"".join(data))

    def pieces() -> Iterator[bytes]:
        group, enough = [], -(-STRETCH * 8 // (width * bits))
        for segment in segments():
            group.append(segment)
            if sum(n for n, _ in group) >= enough:
                yield small(group)
                group = []
        if group:
            yield small(group)

    return small(list(itertools.islice(segments(), 1))), pieces


def _bits_per_pixel(tags: Any) -> int:
    """As Pillow counts them: one number stands for all samples, and those beyond the samples mean nothing."""
    bits, samples = values(tags.get(BITS, 1)), tags.get(SAMPLES, 1)
    return samples * bits[0] if len(bits) == 1 else sum(bits[:samples])


def _decides(tag: int, mode: str) -> bool:
    """Whether a tag may say something about the pixels: all standard ones may but those that describe or say where they
    are, and some private ones that Pillow or libtiff ask.
    """
    if tag < PRIVATE:
        return tag not in (*DESCRIPTIONS, *STRIPS, *TILES, HEIGHT, STRIP_ROWS)
    return tag in SGI or (tag == PROFILE and mode == "CMYK")


def values(value: Any) -> Any:
    """Of a tag, as a tuple."""
    return value if isinstance(value, tuple) else (value,)
