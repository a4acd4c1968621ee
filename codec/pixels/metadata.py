"""What travels with the pixels: ICC profile, EXIF, XMP and code points of colours (`colour`); of a PIL image, and the
other way round. Used by `read`, `write` and the plugin.

Whatever it says is untrusted, and what cannot be kept is said in a note rather than held against the pixels.
"""

import re
from collections.abc import Iterable
from typing import Any

from . import colour, companions
from . import exif as blocks
from . import xmp as packets
from .terms import KINDS

RAW = re.compile("Raw profile type (exif|app1|xmp|icc|icm)", re.IGNORECASE)
# What is said of a file elsewhere, which no Picture has: Photoshop's resource and a TIFF's tag of IPTC, GeoTIFF's tags.
IPTC = "its IPTC (captions and credits)"
IPTC_RESOURCE, IPTC_TAG, GEO_TAGS = 0x0404, 33723, {33550, 33922, 34264, 34735, 34736, 34737}
XMP_HEAD = b"http://ns.adobe.com/xap/1.0/\0"


def from_pil(image: Any, gray: bool, notes: Iterable[str] = (), code: bytes | None = None) -> dict[str, Any]:
    """{kind: bytes} and notes of a decoded PIL image, to make a Picture of; what is absent or broken is left out.

    What else it says is in the notes. A profile is kept if it is of the pixels' colour space. Without one it is made of
    gamma and chromaticities. code: code points that are known beside what `info` says.
    """
    info, notes = raw(image.info) | image.info | ({"cicp": code} if code else {}), [*notes, *unkept(image)]
    icc, block, xmp, code = (info.get(name) for name in ("icc_profile", "exif", "xmp", "cicp"))
    space, wanted = profile_space(icc), b"GRAY" if gray else b"RGB "
    if image.mode in ("CMYK", "LAB"):
        icc = None  # the pixels have been converted by it
    elif icc and space != wanted:
        notes.append(f"its ICC profile ({'broken' if space is None else 'of another colour space'})")
        icc = None
    if code and code[2]:
        notes.append("its code points of colours (not those of RGB)")
        code = None
    if code and not icc:
        code = colour.cicp(code[0], code[1], code[3])  # beside a profile also what says sRGB, as it comes first
    if not (icc or code or "cicp" in info or "srgb" in info):
        try:
            icc = colour.profile_of_png(info.get("gamma"), info.get("chromaticity"), gray)
        except ValueError:
            notes.append("its gamma and chromaticities (those of no picture)")
    if image.format == "TIFF":  # all of its tags are EXIF to Pillow, those of its layout too
        block = blocks.packed(blocks.describe(image.getexif()) or {})
    else:
        block = blocks.current(image, block)
    xmp = xmp.encode() if isinstance(xmp, str) else xmp
    xmp = packets.in_utf8(xmp) if isinstance(xmp, bytes) else None
    if xmp:
        if packets.extension(xmp):  # of a PIL image, which holds the first segment only
            xmp = packets.without_note(xmp)
        xmp, named = companions.without(xmp)
        notes = companions.noted(notes, named)
    found = {"exif": blocks.bare(block), "icc": icc, "xmp": xmp, "cicp": code}
    return {kind: data or None for kind, data in found.items()} | {"notes": tuple(notes)}


def unkept(image: Any) -> list[str]:
    """Notes of what a PIL image says for people in ways that no Picture has."""
    found, tags = [], getattr(image, "tag_v2", {}) if image.format == "TIFF" else {}
    photoshop = image.info.get("photoshop")
    if isinstance(photoshop, dict) and photoshop.get(IPTC_RESOURCE) or IPTC_TAG in tags:
        found.append(IPTC)
    if image.info.get("comment") and image.format in ("JPEG", "MPO", "GIF"):
        found.append("its comment")
    if any(tag in tags for tag in GEO_TAGS):
        found.append("its place on a map (GeoTIFF)")
    return found


def raw(info: dict[Any, Any]) -> dict[str, bytes]:
    """What ImageMagick's texts in a PNG say, from the time before there were chunks; as `info` of a PIL image."""
    found = {}
    for name, text in info.items():
        role = RAW.fullmatch(name) if isinstance(name, str) else None
        lines = text.strip().split("\n", 2) if role and isinstance(text, str) else []
        try:
            data = bytes.fromhex("".join(lines[2].split())) if len(lines) == 3 and lines[1].strip().isdigit() else b""
        except ValueError:
            continue
        if role and data:
            is_xmp = role[1].lower() == "xmp" or data.startswith(XMP_HEAD)
            kind = "icc_profile" if role[1].lower().startswith("ic") else "xmp" if is_xmp else "exif"
            found[kind] = data.removeprefix(XMP_HEAD)
    return found


def to_pil(picture: Any) -> dict[str, bytes]:
    """The metadata under Pillow's names; no EXIF that is not one, as Pillow would raise on it."""
    return named(**{kind: getattr(picture, kind) for kind in KINDS}, gray=picture.channels == 1)


def named(
    exif: bytes | None = None,
    icc: bytes | None = None,
    xmp: bytes | None = None,
    cicp: bytes | None = None,
    gray: bool = False,
) -> dict[str, bytes]:
    """The same of each kind by itself; code points as a profile where one says the same, else as "cicp" without one."""
    exif = blocks.bare(exif)
    icc = cicp and colour.profile_of(cicp, gray) or icc
    found = {"exif": exif and b"Exif\0\0" + exif, "icc_profile": icc, "xmp": xmp, "cicp": None if icc else cicp}
    return {name: data for name, data in found.items() if data}


def profile_space(icc: object) -> bytes | None:
    """The colour space in the header of an ICC profile, such as b"RGB "; None without the profile's signature."""
    return icc[16:20] if isinstance(icc, bytes) and icc[36:40] == b"acsp" else None
