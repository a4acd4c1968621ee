"""Pictures into files of the formats that others read; the last stage of the codec, as `read` is its first."""

import io
from dataclasses import replace
from typing import Any, BinaryIO

from ..errors import BadImage
from ..files import output
from . import colour, metadata, pil
from . import exif as blocks
from .formats import avif, jpeg, png, ppm, tiff
from .picture import Picture, join, shallow, to_pil, turned
from .strips import Scan

SUFFIXES = {
    "png": "PNG",
    "jpg": "JPEG",
    "jpeg": "JPEG",
    "webp": "WEBP",
    "avif": "AVIF",
    "tif": "TIFF",
    "tiff": "TIFF",
    "bmp": "BMP",
    "ppm": "PPM",
    "pgm": "PPM",
    "pnm": "PPM",
}
WITH_ALPHA = ("PNG", "WEBP", "AVIF", "TIFF")
# These take rows as they come, of 8 or 16 bits; the other formats get 8.
WRITERS = {"PNG": png.Writer, "TIFF": tiff.Writer, "PPM": ppm.Writer}
# Pixels per side that a format holds, or that its readers take; beyond it libjpeg prints before it fails.
MAX_SIDE = {"JPEG": 65500, "WEBP": 16383, "AVIF": avif.MOST_SIDE, "PNG": 2**31 - 1, "TIFF": 2**32 - 1, "BMP": 2**31 - 1}
MAX_PIXELS = {"AVIF": avif.MOST_PIXELS}
BMP_HEAD, MAX_BMP = 54 + 1024, 2**32 - 1  # bytes: head with the palette of gray, and the whole file
MOST_ICC = {"JPEG": jpeg.MOST_ICC, "PNG": 2**20}  # bytes; of PNG what Pillow reads, of the others more than there are
PLAIN = ("BMP", "PPM")  # without a place for metadata
OPTIONS = {
    "JPEG": {"quality": 95, "subsampling": 0},  # the picture has been through one lossy codec: no visible second loss
    "WEBP": {"quality": 95},
    "AVIF": {"quality": 90},
}


def save(picture: Picture | Scan, target: Any, format: str) -> tuple[str, ...]:
    """Writes the Picture to a path or binary file in the format of a suffix, such as "png": those of SUFFIXES.

    The picture may be a Scan: PNG, TIFF and PPM are written row by row. They keep 16 bits, the others get 8. Returns
    what could not be kept, as the picture's own notes. Raises BadImage for an unknown format, transparency in a format
    without it, and what the format cannot hold; OSError when the target cannot be written.
    """
    picture = fitted(picture, format)
    name = _name(format)
    if hasattr(target, "write"):
        _write(picture, name, target)
    else:
        with output.atomic(target, overwrite=True) as file:
            _write(picture, name, file)
    return picture.notes


def fitted(picture: Picture | Scan, format: str) -> Picture | Scan:
    """The Picture, or Scan, as a format can hold it, with notes about what it cannot; raises as `save`.

    Metadata never stand in the way of pixels: what is too long or has no place is left out. Where the orientation has
    none, the pixels are turned.
    """
    name = _name(format)
    _check(picture, name)
    notes, exif, icc, xmp, code = list(picture.notes), picture.exif, picture.icc, picture.xmp, picture.cicp
    with pil.refusing(f"the picture cannot be written as {name}"):
        exif = _exif(blocks.bare(exif), name)
    if blocks.orientation(picture.exif) > 1 and blocks.orientation(exif) == 1:
        picture = turned(picture)
        xmp = picture.xmp
    if picture.depth == 16 and name not in WRITERS:
        notes.append("all but 8 of its 16 bits per sample")
    if picture.exif and exif != picture.exif and name not in PLAIN:
        notes.append(f"{'a part of its' if exif else 'its'} EXIF")
    if name in PLAIN:
        held = {"EXIF": picture.exif, "ICC profile": icc, "XMP": xmp}
        if names := [kind for kind, data in held.items() if data]:
            notes.append("its " + " and ".join(filter(None, (", ".join(names[:-1]), names[-1]))))
        icc = xmp = None
    if code and name == "AVIF" and code[3]:
        icc = None  # it would come first
    elif code and name != "PNG":
        made = None if name in PLAIN else colour.profile_of(code, picture.channels == 1)
        icc = made or icc
        if not icc:
            notes.append(f"the meaning of its colours ({colour.named(code)})")
        code = None
    if icc and len(icc) > MOST_ICC.get(name, len(icc)):
        notes.append(f"its ICC profile, {len(icc)} bytes that no reader of {name} takes")
        icc = None
    return replace(picture, exif=exif, icc=icc, xmp=xmp, cicp=code, notes=tuple(dict.fromkeys(notes)))


def _name(format: str) -> str:
    name = SUFFIXES.get(format.lower().removeprefix("."))
    if name is None:
        raise BadImage(f"pictures cannot be written as {format!r}, only as {', '.join(SUFFIXES)}")
    return name


def _check(picture: Picture | Scan, name: str) -> None:
    """Raises BadImage for what a format cannot hold."""
    if picture.has_alpha and name not in WITH_ALPHA:
        raise BadImage(f"{name} cannot hold the transparency of this picture; use {', '.join(WITH_ALPHA)}")
    if (side := max(picture.height, picture.width)) > MAX_SIDE.get(name, side):
        raise BadImage(f"{name} holds at most {MAX_SIDE[name]} pixels per side and this picture has {side}")
    if (pixels := picture.height * picture.width) > MAX_PIXELS.get(name, pixels):
        raise BadImage(f"{name} holds at most {MAX_PIXELS[name]} pixels and this picture has {pixels}")
    row = -(-picture.width * picture.channels // 4) * 4  # bytes of a BMP's
    if name == "BMP" and row * picture.height + BMP_HEAD > MAX_BMP:
        raise BadImage(f"BMP holds at most {MAX_BMP} bytes and this picture takes {row * picture.height + BMP_HEAD}")


def _exif(exif: bytes | None, name: str) -> bytes | None:
    """As much of a block as a format can hold."""
    if not exif or name in PLAIN:
        return None
    if name == "JPEG" and len(exif) > jpeg.MOST_EXIF:
        return blocks.shortened(exif, jpeg.MOST_EXIF)
    if name == "AVIF":
        return blocks.rewritable(exif)  # Pillow rewrites it without its orientation
    if name == "TIFF" and blocks.orientation(exif) != (blocks.describe(exif) or {}).get(blocks.ORIENTATION, 1):
        return None
    return exif


def _write(picture: Picture | Scan, name: str, file: BinaryIO) -> None:
    if name in WRITERS:
        options = {} if name == "PPM" else {kind: getattr(picture, kind) for kind in ("icc", "exif", "xmp")}
        if name == "PNG":
            options["cicp"] = picture.cicp
        writer = WRITERS[name](
            file, picture.width, picture.height, picture.channels + picture.has_alpha, picture.depth, **options
        )
        for strip in picture.strips():
            writer.write(join(strip))
        writer.close()
        return
    buffer = io.BytesIO()
    picture = picture.whole()
    long_xmp = name == "JPEG" and picture.xmp and len(picture.xmp) > jpeg.MOST_XMP
    with pil.refusing(f"the picture cannot be written as {name}"):
        shown = replace(picture, cicp=None, xmp=None if long_xmp else picture.xmp)
        to_pil(shallow(shown)).save(buffer, name, **OPTIONS.get(name, {}) | metadata.to_pil(shown))
    data: bytes | memoryview = buffer.getbuffer()
    if long_xmp and picture.xmp:
        data = jpeg.with_long_xmp(bytes(data), picture.xmp)
    if picture.cicp and name == "AVIF":
        data = avif.with_code(bytes(data), picture.cicp)
    file.write(data)
