"""Large picture files, read while they are coded: `png`, `tiff` and `ppm` cut them into pieces that `read` reads like
any small picture.

So nothing is known here of modes, depths and palettes, and a large file is read as a small one is. What cannot be cut
is read whole.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from ..stages import stage
from . import metadata, pil
from .formats import png, ppm, tiff
from .formats.chunks import SIGNATURE
from .picture import Picture
from .read import check_size, load, load_file, open_file
from .strips import Scan
from .terms import KINDS, MAX_PIXELS

SMALL_PIXELS = 1 << 22  # pixels up to which a picture is read whole
CUT = {"PNG": png.cut, "TIFF": tiff.cut, "PPM": ppm.cut}


@contextmanager
def opened(source: Any, max_pixels: int = MAX_PIXELS) -> Iterator[Picture | Scan]:
    """Context of a Scan, or a Picture, of what `load` takes, or of a Scan; raises as `load`, and the Scan's
    strips do too.

    Until the last strip has been read a broken file may go unnoticed.
    """
    if isinstance(source, Scan):
        yield source
    elif isinstance(source, (Picture, np.ndarray, Image.Image)):
        with stage("pixels"):
            picture = load(source, max_pixels)
        yield picture
    else:
        file, suffix = open_file(source)
        with file:
            with stage("pixels"), pil.refusing("the picture cannot be decoded"):
                scan = _scan(file, suffix, max_pixels) or load_file(file, suffix, max_pixels)
            yield scan


def _scan(file: BinaryIO, suffix: str, max_pixels: int) -> Scan | None:
    """Scan of a binary file, None if it is to be read whole."""
    whole: Any
    file.seek(0)
    if file.read(len(SIGNATURE)) == SIGNATURE:
        whole, name, size = None, "PNG", png.header(file)[:2]
    else:
        file.seek(0)
        whole = pil.open_picture(file)
        name, size = whole.format, whole.size
    width, height = size
    check_size(width, height, max_pixels)
    if size[0] * size[1] <= SMALL_PIXELS or name not in CUT:
        return None
    if name == "TIFF":
        pil.check_pages(pil.reopen(whole, file))
    parts = CUT[name](file, whole)
    if parts is None:
        return None
    small, pieces = parts
    first = load(small, max_pixels=0)
    if name == "PNG":  # its small file has all metadata
        described = {kind: getattr(first, kind) for kind in (*KINDS, "notes")}
    else:
        described = metadata.from_pil(whole, first.gray, first.notes)

    def strips() -> Iterator[Picture]:
        for piece in pieces():
            yield load(piece, max_pixels=0)

    return Scan(width, height, first.channels, first.depth, first.has_alpha, strips, **{"suffix": suffix, **described})
