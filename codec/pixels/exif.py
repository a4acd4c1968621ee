"""EXIF blocks: what they say of the picture, and as much of one as another format can hold.

A block is kept as it is, bare, without the b"Exif\0\0" that JPEG files put before it. Whatever it says is untrusted.
"""

import contextlib
import re
import struct
from typing import Any

from PIL import Image

# What a TIFF directory says about the picture rather than about the layout of its pixels: description, make, model,
# orientation, resolution, software, date, artist, host, copyright, XP titles, rating.
DESCRIPTIVE = (270, 271, 272, 274, 282, 283, 296, 305, 306, 315, 316, 18246, 33432, 40091, 40092, 40093, 40094, 40095)
DIRECTORIES = (0x8769, 0x8825)  # Exif and GPS
INTEROPERABILITY = 0xA005  # inside the Exif directory: an offset that means nothing elsewhere
ORIENTATION = 0x0112
THUMBNAIL = 513, 514  # in the second directory: where a JPEG begins, and its bytes
SPARE = 64  # bytes of a block that its tags do not account for


def bare(exif: object) -> bytes | None:
    """EXIF without its prefix, also a repeated one; None unless a TIFF header follows."""
    exif = re.sub(b"^(Exif\0\0)+", b"", exif) if isinstance(exif, bytes) else b""
    return exif if exif[:4] in (b"II*\0", b"MM\0*") else None


def describe(exif: bytes | Image.Exif) -> dict[int, Any] | None:
    """The descriptive tags {tag: value} of a block or of an opened TIFF's Exif object; None where there is none that
    can be read.

    A TIFF mixes them with the layout of its pixels, and some phones write the size of the picture among them, so
    neither copies whole.
    """
    return _tags(exif, (*DESCRIPTIVE, *DIRECTORIES))


def current(image: Image.Image, block: bytes | Image.Exif | None) -> bytes | None:
    """The block of a PIL image: its own, unless what `getexif` gave was changed since; then of the tags as they are."""
    if isinstance(block, Image.Exif):  # put there by somebody
        return packed(_tags(block) or {})
    exif = getattr(image, "_exif", None)  # what it gave, and would give again
    if exif is None or not exif._loaded or exif._loaded_exif != block:
        return block  # nobody asked, or `info` was given another after that, or none
    before = Image.new("L", (1, 1))
    before.info = image.info
    try:
        unchanged = _values(exif) == _values(before.getexif())
    except Exception:  # whatever Pillow's parser raises on a lying block: `getexif` gave nobody anything either
        return block
    return block if unchanged else packed(_tags(exif) or {})


def _values(exif: Image.Exif) -> dict[int, Any]:
    """All that can be read, {tag: value or directory}."""
    found = {}
    for tag in exif:
        with contextlib.suppress(Exception):
            found[tag] = dict(exif.get_ifd(tag)) if tag in DIRECTORIES else exif[tag]
    return found


def packed(tags: dict[int, Any]) -> bytes | None:
    """A block of tags; None without one, or where Pillow cannot write them."""
    if not tags:
        return None
    try:
        block = Image.Exif()
        block.update(tags)
        return bare(block.tobytes())
    except Exception:  # whatever lying values make of Pillow's writer
        return None


def shortened(exif: bytes, most: int) -> bytes | None:
    """A block of at most so many bytes, made of all tags but the largest; None where there is none."""
    tags = _tags(exif) or {}
    places: list[tuple[Any, Any, Any]] = [
        (tags, tag, None) for tag in tags if tag not in DIRECTORIES and tag != ORIENTATION
    ]
    places += [(tags[name], tag, name) for name in DIRECTORIES if name in tags for tag in tags[name]]
    sized = [(len(_written({tag: held[tag]}, name) or b""), held, tag) for held, tag, name in places]
    sized.sort(key=lambda place: place[0])
    total = sum(size for size, *_ in sized)
    block = packed(tags) if total <= most else None
    while sized and (block is None or len(block) > most):
        while sized and total > most - SPARE:
            size, held, tag = sized.pop()
            total -= size
            del held[tag]
        block, total = packed(tags), total + total // 8 + 1  # where that was too little, more goes the next time
    return block if block and len(block) <= most else None


def rewritable(exif: bytes) -> bytes | None:
    """The block, if Pillow can read it and write it again; else one of the tags that it can."""
    try:
        block = Image.Exif()
        block.load(exif)
        block.tobytes()
        return exif
    except Exception:
        return packed(_tags(exif) or {})


def orientation(exif: bytes | None) -> int:
    """1..8 from a bare block; 1 when it is absent, out of range, or the block broken."""
    found = _orientation(exif)
    return found[1] if found else 1


def upright(exif: bytes) -> bytes:
    """The block with the orientation 1."""
    found = _orientation(exif)
    if not found:
        return exif
    order = "<" if exif.startswith(b"II") else ">"
    return exif[: found[0]] + struct.pack(order + "H", 1) + exif[found[0] + 2 :]


def without_thumbnail(exif: bytes) -> bytes:
    """The block without its smaller copy of the whole picture: nothing leads to it, and its bytes are zero."""
    order, block = "<" if exif.startswith(b"II") else ">", bytearray(exif)
    with contextlib.suppress(struct.error):
        (start,) = struct.unpack_from(order + "I", exif, 4)
        (entries,) = struct.unpack_from(order + "H", exif, start)
        (second,) = struct.unpack_from(order + "I", exif, start + 2 + 12 * entries)
        if not second:
            return exif
        struct.pack_into(order + "I", block, start + 2 + 12 * entries, 0)
        (entries,) = struct.unpack_from(order + "H", exif, second)
        places = range(second + 2, second + 2 + 12 * entries, 12)
        found = {tag: value for tag, _, value in (struct.unpack_from(order + "H6sI", exif, place) for place in places)}
        offset, size = (found.get(tag, 0) for tag in THUMBNAIL)
        if exif[offset : offset + 2] == b"\xff\xd8":
            block[offset : offset + size] = bytes(len(block[offset : offset + size]))
    return bytes(block)


def _orientation(exif: bytes | None) -> tuple[int, int] | None:
    """(where it stands, 1..8)."""
    if not exif:
        return None
    order = "<" if exif.startswith(b"II") else ">"
    with contextlib.suppress(struct.error):
        (start,) = struct.unpack_from(order + "I", exif, 4)
        (entries,) = struct.unpack_from(order + "H", exif, start)
        for entry in range(start + 2, start + 2 + 12 * entries, 12):
            tag, kind, _, value = struct.unpack_from(order + "HHIH", exif, entry)
            if tag == ORIENTATION:
                return (entry + 8, value) if kind == 3 and 1 <= value <= 8 else None
    return None


def _tags(exif: bytes | Image.Exif, wanted: tuple[int, ...] = ()) -> dict[int, Any] | None:
    """The tags {tag: value} that Pillow can read and write, one by one: a broken one costs no other; None without a
    block.

    All of them, or those that are wanted.
    """
    try:
        if isinstance(exif, bytes):
            block, exif = exif, Image.Exif()
            exif.load(block)
        numbers = [tag for tag in exif if not wanted or tag in wanted]
    except Exception:  # whatever Pillow's parser raises on a lying block
        return None
    tags = {}
    for tag in numbers:
        with contextlib.suppress(Exception):
            if tag in DIRECTORIES:
                inner = {name: value for name, value in exif.get_ifd(tag).items() if name != INTEROPERABILITY}
                inner = {name: value for name, value in inner.items() if _written({name: value}, tag) is not None}
                if inner:
                    tags[tag] = inner
            elif _written({tag: (value := exif[tag])}) is not None:
                tags[tag] = value
    return tags if _written(tags) is not None else None


def _written(tags: dict[int, Any], group: int | None = None) -> bytes | None:
    """The directory of some tags; a lying value may only show when written."""
    from PIL import TiffImagePlugin

    try:
        probe = TiffImagePlugin.ImageFileDirectory_v2(group=group)
        for tag, value in tags.items():
            probe[tag] = value
        return probe.tobytes()
    except Exception:
        return None
