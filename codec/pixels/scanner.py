"""Large picture files, read while they are coded: `png`, `tiff` and `ppm` cut them into pieces that `image` reads like
any small picture.

So nothing is known here of modes, depths and palettes, and a large file is read as a small one is. What cannot be cut
is read whole.
"""

from contextlib import contextmanager

import numpy as np
from PIL import Image

from . import image, metadata, pil
from .formats import png, ppm, tiff
from .image import MAX_PIXELS, Picture
from .strips import Scan

SMALL = 1 << 22  # pixels up to which a picture is read whole
CUT = {"PNG": png.cut, "TIFF": tiff.cut, "PPM": ppm.cut}


@contextmanager
def opened(source, max_pixels=MAX_PIXELS):
    """Context of a Scan, or a Picture, of what `image.load` takes, or of a Scan; raises as `image.load`, and the Scan's
    strips do too.

    Until the last strip has been read a broken file may go unnoticed.
    """
    if isinstance(source, Scan):
        yield source
    elif isinstance(source, (Picture, np.ndarray, Image.Image)):
        yield image.load(source, max_pixels)
    else:
        file, suffix = image.open_file(source)
        with file:
            with pil.refusing("the picture cannot be decoded"):
                scan = _scan(file, suffix, max_pixels) or image.load_file(file, suffix, max_pixels)
            yield scan


def _scan(file, suffix, max_pixels):
    """Scan of a binary file, None if it is to be read whole."""
    file.seek(0)
    whole = pil.open_picture(file)
    image.check_size(*whole.size, max_pixels)
    width, height = whole.size
    if width * height <= SMALL or whole.format not in CUT:
        return None
    if whole.format == "TIFF":
        pil.check_pages(pil.reopen(whole, file))
    parts = CUT[whole.format](file, whole)
    if parts is None:
        return None
    small, pieces = parts
    first = image.load(small, max_pixels=0)
    described = (first.icc, first.exif, first.xmp) if whole.format == "PNG" else metadata.from_pil(whole, first.gray)

    def strips():
        for piece in pieces():
            yield image.load(piece, max_pixels=0)

    return Scan(width, height, first.channels, first.depth, first.has_alpha, strips, *described, suffix)
