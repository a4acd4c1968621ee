"""XMP of JPEG files beyond one segment, which Pillow neither reads nor writes, and what else lies in such files; used
by `read` and `write`.
"""

import contextlib
import struct
from collections.abc import Iterator
from typing import Any, BinaryIO

from .. import xmp as packets
from ..companions import GAIN_MAP, PICTURES, VIDEO

APP1, APP2 = 0xE1, 0xE2
START = b"\xff\xd8\xff"  # of a JPEG
SEGMENT = 65533  # bytes that a segment holds
STANDARD, EXTENSION = b"http://ns.adobe.com/xap/1.0/\0", b"http://ns.adobe.com/xmp/extension/\0"
PIECE = 65400  # bytes of an extension in a segment, a little less than fit
MOST_XMP, MOST_EXIF, MOST_ICC = SEGMENT - len(STANDARD), SEGMENT - len(b"Exif\0\0"), 255 * 65519  # bytes

# What says that another picture of the file is a gain map: Adobe's XMP and ISO 21496-1 in the first, Apple's XMP in it.
GAIN_MAPS = b"http://ns.adobe.com/hdr-gain-map/1.0/", b"urn:iso:std:iso:ts:21496:-1", b"aux:hdrgainmap"
# What says that a video lies behind the pixels: Samsung's mark before it, or XMP, and then the beginning of an MP4.
MOTION, MOVING, MP4 = b"MotionPhoto_Data", (b"MotionPhoto", b"MicroVideo"), b"ftyp"
ENTRIES, ATTRIBUTE, TYPE, VIEWS = 0xB002, "Attribute", "MPType", "Multi-Frame"  # of a file of several pictures


def lost(file: BinaryIO, opened: Any) -> list[str]:
    """What of an opened JPEG no Picture has: its gain map, video, or other views. Smaller copies of it are no loss."""
    file.seek(0)
    data, parts = file.read(), [part for _, part in _segments(file)]
    others = data.find(START, file.tell()) >= 0  # which the coded pixels cannot hold
    found = []
    if any(part.startswith(GAIN_MAPS[1]) for part in parts) or others and any(mark in data for mark in GAIN_MAPS):
        found.append(GAIN_MAP)
    elif opened.format == "MPO":
        with contextlib.suppress(KeyError, TypeError, IndexError, AttributeError):
            if any(entry[ATTRIBUTE][TYPE].startswith(VIEWS) for entry in opened.mpinfo[ENTRIES][1:]):
                found.append(PICTURES)
    xmp = opened.info.get("xmp") or b""
    if MOTION in data or MP4 in data and any(word in xmp for word in MOVING):
        found.append(VIDEO)
    return found


def with_extension(file: BinaryIO, xmp: bytes | None) -> tuple[bytes | None, bool]:
    """(the packet merged with its extension, whether all of this was there) of a JPEG whose first XMP segment Pillow
    has read.
    """
    if not xmp or not (name := packets.extension(xmp)):
        return xmp, True
    size, pieces = 0, {}
    for marker, data in _segments(file):
        head = len(EXTENSION) + 32
        if (
            marker == APP1
            and data.startswith(EXTENSION)
            and data[len(EXTENSION) : head].decode("latin-1").upper() == name
            and len(data) > head + 8
        ):
            size, offset = struct.unpack_from(">II", data, head)
            pieces[offset] = data[head + 8 :]
    more = b""
    while len(more) in pieces and len(more) < size:
        more += pieces[len(more)]
    if not size or len(more) != size:
        return packets.without_note(xmp), False
    return packets.merged(xmp, more), True


def with_long_xmp(data: bytes, xmp: bytes) -> bytes:
    """The JPEG with an XMP packet of any length, which it has none of."""
    packet, name = packets.split(xmp)
    contents = [STANDARD + packet]
    for start in range(0, len(xmp), PIECE):
        contents.append(EXTENSION + name + struct.pack(">II", len(xmp), start) + xmp[start : start + PIECE])
    place = 2
    while data[place : place + 2] in (b"\xff\xe0", b"\xff\xe1"):  # behind JFIF and EXIF
        place += 2 + struct.unpack_from(">H", data, place + 2)[0]
    segments = b"".join(b"\xff\xe1" + struct.pack(">H", len(content) + 2) + content for content in contents)
    return data[:place] + segments + data[place:]


def _segments(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Yields the marker and the content of the APP1 and APP2 segments before the pixels."""
    file.seek(2)
    while len(head := file.read(2)) == 2 and head[0] == 0xFF:
        marker = head[1]
        while marker == 0xFF and (more := file.read(1)):
            marker = more[0]
        if marker in (0xDA, 0xD9, 0xFF):
            return
        if marker == 0x01 or 0xD0 <= marker <= 0xD8:
            continue
        length = file.read(2)
        if len(length) < 2 or (size := struct.unpack(">H", length)[0]) < 2:
            return
        data = file.read(size - 2)
        if marker in (APP1, APP2):
            yield marker, data
