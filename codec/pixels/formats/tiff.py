"""TIFF by rows; used by `scanner` and `image`. Writing is uncompressed; reading cuts a file into small ones of whole strips or tiles.

Whatever Pillow and libtiff know of compressions, predictors and colours thus works for large files too, as every strip and tile is
compressed on its own.
"""

import io
import itertools
import os
import struct

import numpy as np
from PIL import TiffImagePlugin

from ...errors import BadImage
from .. import metadata, pil

STRETCH = 1 << 22  # bytes of a strip written, or least bytes of pixels read, at a time
CLASSIC = (1 << 32) - (
    1 << 24
)  # bytes of pixels beyond which offsets take 8 bytes (BigTIFF); metadata come before them
NONE = 1
COMPRESSIONS = (
    NONE,
    5,
    7,
    8,
    32773,
    32946,
    34925,
    50000,
)  # LZW, JPEG, deflate, PackBits, deflate by its old number, LZMA, Zstandard
ORIENTATION, COMPRESSION, PHOTOMETRIC, PLANAR = 274, 259, 262, 284
WIDTH, HEIGHT, BITS, SAMPLES, STRIP_ROWS, TILE_HEIGHT, TILE_WIDTH = 256, 257, 258, 277, 278, 323, 322
STRIPS, TILES = (273, 279), (324, 325)  # tags of the offsets and the bytes
YCBCR = 6
# What says how pixels are stored, beyond the tags above: fill order, predictor, palette, kind of alpha, kind of numbers, JPEG tables, subsampling.
LAYOUT = (
    WIDTH,
    BITS,
    COMPRESSION,
    PHOTOMETRIC,
    266,
    SAMPLES,
    PLANAR,
    317,
    320,
    TILE_WIDTH,
    TILE_HEIGHT,
    338,
    339,
    347,
    530,
)
SHORT, LONG, LONG8, BYTES = 3, 4, 16, 7


class Writer:
    """Writes an uncompressed TIFF to a binary file: the directory at once, samples [n, width, channels] as they come.

    channels: 1 gray, 2 gray and alpha, 3 RGB, 4 RGBA; depth: 8 or 16; `exif` is the bare TIFF block.
    """

    def __init__(self, file, width, height, channels, depth, icc=None, exif=None, xmp=None):
        alpha = channels in (2, 4)
        self._file, self._type = file, f"<u{depth // 8}"
        self._spread = (
            channels == 2 and depth == 16
        )  # Pillow and others, this module too, read no 16-bit gray with alpha
        channels = 4 if self._spread else channels
        row = width * channels * depth // 8
        rows = max(1, min(height, STRETCH // row))
        tops = range(0, height, rows)
        big = row * height > CLASSIC
        head = io.BytesIO()
        with pil.refusing("the picture cannot be written as TIFF"):
            directory = TiffImagePlugin.ImageFileDirectory_v2(
                b"II+\0\x08\0\0\0" + bytes(8) if big else b"II*\0" + bytes(4)
            )
            for tag, value in (exif and metadata.describe(exif) or {}).items():
                directory[tag] = value
            directory[WIDTH], directory[HEIGHT] = width, height
            directory[BITS] = (depth,) * channels
            directory[COMPRESSION], directory[PLANAR] = NONE, 1  # samples side by side
            directory[PHOTOMETRIC] = 2 if channels > 2 else 1  # RGB, or gray where 0 is black
            directory[SAMPLES], directory[STRIP_ROWS] = channels, rows
            directory.tagtype[STRIPS[0]] = LONG8 if big else LONG
            directory[STRIPS[0]] = tuple(
                top * row for top in tops
            )  # the directory's own size is added when it is saved
            directory[STRIPS[1]] = tuple(min(rows, height - top) * row for top in tops)
            if alpha:
                directory[338] = 2  # not multiplied into the colours
            if icc:
                directory[34675] = icc
            if xmp:
                directory[700] = xmp
            directory.save(head)
        file.write(head.getbuffer())

    def write(self, samples):
        self._file.write(np.ascontiguousarray(samples[..., [0, 0, 0, 1]] if self._spread else samples, self._type))

    def close(self):
        pass


def cut(file, opened):
    """A large TIFF as `scanner` wants it, (small file, pieces): its first segment, and what gives the rows as small files.

    None for what has to be decoded whole: pictures that are to be turned, planes, old compressions, and one compressed strip for all.
    """
    tags, width, height = opened.tag_v2, opened.width, opened.height
    compression, tiled = tags.get(COMPRESSION, NONE), TILES[0] in tags
    if tags.get(ORIENTATION, 1) != 1 or tags.get(PLANAR, 1) != 1 or compression not in COMPRESSIONS:
        return None
    offsets, sizes = (tags.get(tag) for tag in (TILES if tiled else STRIPS))
    rows = tags.get(TILE_HEIGHT) if tiled else min(tags.get(STRIP_ROWS, height), height)
    across = -(-width // tags.get(TILE_WIDTH)) if tiled else 1
    count = -(-height // rows)  # segments from top to bottom
    if not offsets or len(offsets) < count * across:
        return None
    row = -(-width * sum(_values(tags.get(BITS, 1))) // 8)
    if compression == NONE and not tiled:
        if tags.get(PHOTOMETRIC) == YCBCR:
            return None
        sizes = [row * min(rows, height - top) for top in range(0, height, rows)]
    elif not sizes or len(sizes) < len(offsets) or rows >= height:
        return None
    end = file.seek(0, os.SEEK_END)
    if any(not 0 <= offset <= offset + size <= end for offset, size in zip(offsets, sizes)):
        raise BadImage("the picture is a truncated TIFF file")

    def segments():
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

    def small(group):
        data = [_read(file, *place) for _, places in group for place in places]
        total = sum(n for n, _ in group)
        layout = {tag: tags[tag] for tag in LAYOUT if tag in tags} | {HEIGHT: total}
        if not tiled:
            layout[STRIP_ROWS] = rows
        if compression == NONE and not tiled:
            data, layout[STRIP_ROWS] = [b"".join(data)], total
        layout[(TILES if tiled else STRIPS)[1]] = tuple(map(len, data))
        layout[(TILES if tiled else STRIPS)[0]] = tuple(itertools.accumulate(map(len, data[:-1]), initial=HEAD))
        return _file("<" if tags.prefix == b"II" else ">", layout, b"".join(data))

    def pieces():
        group = []
        for segment in segments():
            group.append(segment)
            if sum(n for n, _ in group) * row >= STRETCH:
                yield small(group)
                group = []
        if group:
            yield small(group)

    return small(list(itertools.islice(segments(), 1))), pieces


HEAD = 8  # bytes before the data in a small file


def _file(order, tags, data):
    """A TIFF: head, data, directory of `tags` {tag: bytes or integers}, and what does not fit into its entries."""
    position = HEAD + len(data) + len(data) % 2
    extra_position = position + 2 + 12 * len(tags) + 4
    entries, extra = [struct.pack(order + "H", len(tags))], b""
    for tag, value in sorted(tags.items()):
        if isinstance(value, bytes):
            kind, count, value = BYTES, len(value), value
        else:
            kind = SHORT if max(_values(value)) < 1 << 16 else LONG
            count, value = (
                len(_values(value)),
                struct.pack(f"{order}{len(_values(value))}{'I' if kind == LONG else 'H'}", *_values(value)),
            )
        if len(value) > 4:
            extra, value = extra + value + bytes(len(value) % 2), struct.pack(order + "I", extra_position + len(extra))
        entries.append(struct.pack(order + "HHI", tag, kind, count) + value.ljust(4, b"\0"))
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", position)
    return b"".join([head, data, bytes(len(data) % 2), *entries, bytes(4), extra])


def _values(value):
    return value if isinstance(value, tuple) else (value,)


def _read(file, offset, size):
    file.seek(offset)
    return file.read(size)
