"""Pictures into files of the formats that others read; the last stage of the codec, as `image` is its first."""

import io

from ..app import output
from ..errors import BadImage
from . import image, metadata, pil
from .formats import png, ppm, tiff

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
MAX_SIDE = {"JPEG": 65500, "WEBP": 16383}  # pixels; beyond it libjpeg prints before it fails
OPTIONS = {
    "JPEG": {"quality": 95, "subsampling": 0},  # the picture has been through one lossy codec: no visible second loss
    "WEBP": {"quality": 95},
    "AVIF": {"quality": 90},
}


def save(picture, target, format):
    """Writes the Picture to a path or binary file in the format of a suffix, such as "png": those of SUFFIXES.

    The picture may be a Scan: PNG, TIFF and PPM are written row by row. They keep 16 bits, the others get 8. BMP and
    PPM have no place for metadata. Raises BadImage for an unknown format, transparency in a format without it, and what
    the format cannot hold; OSError when the target cannot be written.
    """
    name = SUFFIXES.get(format.lower().removeprefix("."))
    if name is None:
        raise BadImage(f"pictures cannot be written as {format!r}, only as {', '.join(SUFFIXES)}")
    if picture.has_alpha and name not in WITH_ALPHA:
        raise BadImage(f"{name} cannot hold the transparency of this picture; use {', '.join(WITH_ALPHA)}")
    if (side := max(picture.height, picture.width)) > MAX_SIDE.get(name, side):
        raise BadImage(f"{name} holds at most {MAX_SIDE[name]} pixels per side and this picture has {side}")
    if hasattr(target, "write"):
        _write(picture, name, target)
    else:
        with output.atomic(target, overwrite=True) as file:
            _write(picture, name, file)


def _write(picture, name, file):
    if name in WRITERS:
        options = {} if name == "PPM" else {"icc": picture.icc, "exif": metadata.bare(picture.exif), "xmp": picture.xmp}
        writer = WRITERS[name](
            file, picture.width, picture.height, picture.channels + picture.has_alpha, picture.depth, **options
        )
        for strip in picture.strips():
            writer.write(image.join(strip))
        writer.close()
        return
    buffer = io.BytesIO()
    picture = picture.whole()
    with pil.refusing(f"the picture cannot be written as {name}"):
        options = OPTIONS.get(name, {}) | metadata.to_pil(picture)
        if name == "AVIF" and picture.exif and metadata.describe(picture.exif) is None:
            options.pop("exif", None)  # Pillow reads it, for the orientation, and would fail
        image.to_pil(image.shallow(picture)).save(buffer, name, **options)
    file.write(buffer.getbuffer())
