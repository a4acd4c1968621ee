"""TIFF with a plane for each sample, made one with the samples side by side; used by `read`.

Pillow mixes up planes of gray and alpha, passes over the order of bits in planes, and knows none of 16-bit colours. Of
a single plane, as of all that lies side by side, it knows everything.
"""

import io
import itertools
import os
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import TiffImagePlugin

from ...errors import BadImage
from .. import pil
from . import directory, tiff
from .directory import SHORT, Layout, numbers

# What holds for a plane too.
PACKING = (
    tiff.WIDTH,
    tiff.COMPRESSION,
    tiff.FILL_ORDER,
    tiff.PREDICTOR,
    tiff.TILE_WIDTH,
    tiff.TILE_HEIGHT,
    tiff.JPEG_TABLES,
)


def together(file: BinaryIO, opened: TiffImagePlugin.TiffImageFile) -> io.BytesIO | None:
    """The TIFF under an opened one with its samples side by side, uncompressed; None where they are already.

    Raises BadImage, and whatever lying tags lead to: call it inside `pil.refusing`.
    """
    tags: Any = opened.tag_v2
    samples, height = tags.get(tiff.SAMPLES, 1), tags[tiff.HEIGHT]
    if tags.get(tiff.PLANAR, 1) != 2 or samples < 2:
        return None
    depths = set(tiff.values(tags.get(tiff.BITS, 1))[:samples])
    if depths not in ({8}, {16}):
        raise BadImage("the picture is a TIFF file with planes of other than 8 or 16 bits, which is not supported")
    if tags.get(tiff.PHOTOMETRIC) == tiff.YCBCR and tiff.values(tags.get(tiff.SUBSAMPLING, (2, 2))) != (1, 1):
        raise BadImage("the picture is a TIFF file with planes of several sizes, which is not supported")
    (depth,), order = depths, "<" if tags.prefix == b"II" else ">"
    layout = directory.layout(file, PACKING.__contains__)
    if layout is None:
        raise BadImage("the picture is a broken TIFF file (its tags contradict each other)")
    layout |= {tiff.BITS: numbers(order, depth, kind=SHORT), tiff.PHOTOMETRIC: numbers(order, tiff.BLACK)}
    planes = [_decoded(plane) for plane in _files(file, tags, order, layout, samples, depth)]
    joined = np.stack(planes, 2).astype(f"{order}u{depth // 8}").tobytes()
    file.seek(0)
    data = file.read()
    replaced = {
        tiff.BITS: numbers(order, *[depth] * samples, kind=SHORT),
        tiff.COMPRESSION: numbers(order, tiff.NONE),
        tiff.PLANAR: numbers(order, 1),
        tiff.STRIPS[0]: numbers(order, directory.behind(data)),
        tiff.STRIPS[1]: numbers(order, len(joined)),
        tiff.STRIP_ROWS: numbers(order, height),
    }
    gone = (tiff.FILL_ORDER, tiff.PREDICTOR, tiff.JPEG_TABLES, tiff.TILE_WIDTH, tiff.TILE_HEIGHT, *tiff.TILES)
    return io.BytesIO(directory.rewritten(data, dict.fromkeys(gone) | replaced, joined))


def _files(file: BinaryIO, tags: Any, order: str, layout: Layout, samples: int, depth: int) -> Iterator[bytes]:
    """Yields a small file of each plane."""
    tiled, width, height = tiff.STRIPS[0] not in tags, tags[tiff.WIDTH], tags[tiff.HEIGHT]
    rows, columns = tags.get(tiff.STRIP_ROWS, height), width
    if tiled:
        rows, columns = tags.get(tiff.TILE_HEIGHT), tags.get(tiff.TILE_WIDTH)
    if not all(isinstance(side, int) and side > 0 for side in (rows, columns)):
        raise BadImage("the picture is a broken TIFF file (its tags contradict each other)")
    rows = rows if tiled else min(rows, height)
    places = tiff.TILES if tiled else tiff.STRIPS
    across, down = -(-width // columns), -(-height // rows)
    count = across * down  # segments of a plane
    offsets, sizes = (tiff.values(tags.get(tag, ())) for tag in places)
    if len(offsets) >= count * samples and tags.get(tiff.COMPRESSION, tiff.NONE) == tiff.NONE:
        tall = [rows if tiled else min(rows, height - i // across * rows) for i in range(count)]
        sizes = [columns * depth // 8 * n for n in tall] * samples
    if min(len(offsets), len(sizes)) < count * samples or sum(sizes[: count * samples]) > file.seek(0, os.SEEK_END):
        raise BadImage("the picture is a broken TIFF file (parts of its pixels are missing)")
    for first in range(0, count * samples, count):
        chosen = range(first, first + count)
        data = [directory.stretch(file, offsets[i], sizes[i]) for i in chosen]
        starts = itertools.accumulate(map(len, data[:-1]), initial=directory.HEAD)
        own = {tiff.HEIGHT: numbers(order, height), places[0]: numbers(order, *starts)}
        own[places[1]] = numbers(order, *map(len, data))
        own |= {} if tiled else {tiff.STRIP_ROWS: numbers(order, rows)}
        yield directory.small(order, layout | own, b"".join(data))


def _decoded(plane: bytes) -> NDArray[Any]:
    """Samples [H, W] of 8 or 16 bits."""
    image = pil.open_picture(io.BytesIO(plane))
    pil.check_strips(image)
    return np.asarray(pil.decode(image))
