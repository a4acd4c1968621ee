"""What travels with the pixels: ICC profile, EXIF and XMP of a PIL image, and the other way round; used by `image` and
`deep`.

EXIF is kept as the bare TIFF block, without the b"Exif\0\0" that JPEG files put before it. Whatever it says is
untrusted.
"""

import contextlib
import re
import struct

from PIL import Image, TiffImagePlugin

KINDS = ("exif", "icc", "xmp")

# What a TIFF directory says about the picture rather than about the layout of its pixels: description, make, model,
# orientation, resolution, software, date, artist, host, copyright, XP titles, rating; then the Exif and GPS
# directories.
DESCRIPTIVE_TAGS = (
    270,
    271,
    272,
    274,
    282,
    283,
    296,
    305,
    306,
    315,
    316,
    18246,
    33432,
    40091,
    40092,
    40093,
    40094,
    40095,
)
EXIF_DIRECTORIES = (0x8769, 0x8825)
INTEROPERABILITY = 0xA005  # inside the Exif directory: an offset that means nothing elsewhere


def from_pil(image, gray):
    """(icc, exif, xmp) of a decoded PIL image; each None when absent, broken, or, for ICC, of another colour space than
    the pixels.
    """
    icc, exif, xmp = (image.info.get(name) for name in ("icc_profile", "exif", "xmp"))
    if profile_space(icc) != (b"GRAY" if gray else b"RGB ") or image.mode in ("CMYK", "LAB"):
        icc = None
    if image.format == "TIFF" and (tags := describe(image.getexif())):
        rebuilt = Image.Exif()
        rebuilt.update(tags)
        exif = rebuilt.tobytes()
    elif isinstance(legacy := image.info.get("Raw profile type exif"), str):
        # ImageMagick wrote PNG text before there was a chunk for it.
        with contextlib.suppress(ValueError):
            exif = exif or bytes.fromhex("".join(legacy.split("\n")[3:]))
    xmp = xmp.encode() if isinstance(xmp, str) else xmp
    return (icc, bare(exif), xmp if isinstance(xmp, bytes) and xmp else None)


def to_pil(picture):
    """The metadata under Pillow's names; no EXIF that is not one, as Pillow would raise on it."""
    return named(picture.exif, picture.icc, picture.xmp)


def named(exif=None, icc=None, xmp=None):
    """The same of each kind by itself."""
    exif = bare(exif)
    found = {"exif": exif and b"Exif\0\0" + exif, "icc_profile": icc, "xmp": xmp}
    return {name: data for name, data in found.items() if data}


def bare(exif):
    """EXIF without its prefix, also a repeated one; None unless a TIFF header follows."""
    exif = re.sub(b"^(Exif\0\0)+", b"", exif) if isinstance(exif, bytes) else b""
    return exif if exif[:4] in (b"II*\0", b"MM\0*") else None


def profile_space(icc):
    """The colour space in the header of an ICC profile, such as b"RGB "; None without the profile's signature."""
    return icc[16:20] if isinstance(icc, bytes) and icc[36:40] == b"acsp" else None


def describe(exif):
    """The descriptive tags {tag: value} of an EXIF block or of an opened TIFF's Exif object; None where there is none
    that can be read.

    A TIFF mixes them with the layout of its pixels, and some phones write the size of the picture among them, so
    neither copies whole.
    """
    try:
        if isinstance(exif, bytes):
            block, exif = exif, Image.Exif()
            exif.load(block)
        tags = {tag: exif[tag] for tag in DESCRIPTIVE_TAGS if tag in exif}
        for tag in EXIF_DIRECTORIES:
            if tag in exif and (directory := dict(exif.get_ifd(tag))):
                directory.pop(INTEROPERABILITY, None)
                tags[tag] = directory
        probe = TiffImagePlugin.ImageFileDirectory_v2()
        for tag, value in tags.items():
            probe[tag] = value
        probe.tobytes()  # a lying value may only show when written
        return tags
    except Exception:
        # Whatever Pillow's parser raises on a lying block: the picture is worth more than its description.
        return None


def orientation(exif):
    """1..8 from a bare EXIF block; 1 when it is absent, out of range, or the block broken."""
    order = "<" if exif.startswith(b"II") else ">"
    with contextlib.suppress(struct.error):
        (start,) = struct.unpack_from(order + "I", exif, 4)
        (entries,) = struct.unpack_from(order + "H", exif, start)
        for entry in range(start + 2, start + 2 + 12 * entries, 12):
            tag, kind, _, value = struct.unpack_from(order + "HHIH", exif, entry)
            if tag == 0x0112:
                return value if kind == 3 and 1 <= value <= 8 else 1
    return 1
