"""What an AVIF says of its colours and depth in its boxes, which Pillow does not tell; used by `read` and `write`."""

import struct

from .boxes import boxes

MOST_SIDE, MOST_PIXELS = 32768, 2**28  # of a picture that libavif, and with it Pillow and the browsers, reads


def described(data: bytes) -> tuple[tuple[int, int] | None, int]:
    """((primaries, transfer), bits per sample) of the primary picture; None where it says neither, 8 bits where it
    says none.
    """
    code, depth = None, 8
    for kind, start, end in _properties(data):
        if kind == b"colr" and data[start : start + 4] == b"nclx" and end - start >= 11:
            code = struct.unpack_from(">HH", data, start + 4)
        elif kind == b"pixi" and end - start > 5:
            depth = max(data[start + 5 : end])
        elif kind == b"av1C" and end - start > 2:
            depth = max(depth, 12 if data[start + 2] & 32 else 10 if data[start + 2] & 64 else 8)
    return code, depth


def with_code(data: bytes, code: bytes) -> bytes:
    """An AVIF of Pillow's with other code points of primaries and transfer."""
    for kind, start, _ in _properties(data):
        if kind == b"colr" and data[start : start + 4] == b"nclx":
            return data[: start + 4] + struct.pack(">HH", *code[:2]) + data[start + 8 :]
    return data


def _properties(data: bytes) -> list[tuple[bytes, int, int]]:
    """(kind, start, end) of the contents of the boxes that belong to the primary picture; nothing of what is broken."""
    try:
        (meta,) = [place for kind, *place in boxes(data, 0, len(data)) if kind == b"meta"]
        parts = {kind: place for kind, *place in boxes(data, meta[0] + 4, meta[1])}
        start, _ = parts[b"pitm"]
        (primary,) = struct.unpack_from(">I" if data[start] else ">H", data, start + 4)
        inner = {kind: place for kind, *place in boxes(data, *parts[b"iprp"])}
        properties = list(boxes(data, *inner[b"ipco"]))
        return [
            properties[number - 1]
            for number in _numbers(data, inner[b"ipma"][0], primary)
            if 0 < number <= len(properties)
        ]
    except (KeyError, ValueError, struct.error, IndexError):
        return []


def _numbers(data: bytes, start: int, item: int) -> list[int]:
    """Numbers of the properties of an item, from the box ipma."""
    version, wide = data[start], data[start + 3] & 1
    (count,) = struct.unpack_from(">I", data, start + 4)
    place = start + 8
    for _ in range(count):
        (found,) = struct.unpack_from(">I" if version else ">H", data, place)
        place += 4 if version else 2
        many, place = data[place], place + 1
        numbers = struct.unpack_from(f">{many}{'H' if wide else 'B'}", data, place)
        place += many * (2 if wide else 1)
        if found == item:
            return [number & (0x7FFF if wide else 0x7F) for number in numbers]
    return []
