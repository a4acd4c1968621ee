"""Directories of TIFF files as they stand, and small files made of them; used by `tiff`."""

import struct
from collections.abc import Callable
from typing import BinaryIO

HEAD = 8  # bytes before the data in a small file
# Bytes of a value of each type.
SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
WIDE = {16: "Q", 17: "q", 18: "Q"}  # types that only BigTIFF has
LONG, LONG8 = 4, 16
Layout = dict[int, tuple[int, int, bytes]]  # {tag: (type, count, bytes)}


def layout(file: BinaryIO, decides: Callable[[int], bool]) -> Layout | None:
    """{tag: (type, count, bytes)} of what decides, as it stands in the first directory; None if a small file cannot say
    the same.
    """
    head = stretch(file, 0, 16)
    order, big = "<" if head[:2] == b"II" else ">", head[2] == 43
    number, entry, pointer = ("Q", "HHQ8s", "Q") if big else ("H", "HHI4s", "I")
    (start,) = struct.unpack_from(order + pointer, head, 8 if big else 4)
    (count,) = struct.unpack(order + number, stretch(file, start, struct.calcsize(order + number)))
    entries = stretch(file, start + struct.calcsize(order + number), count * struct.calcsize(order + entry))
    found = {}
    for tag, kind, count, value in struct.iter_unpack(order + entry, entries):
        if not decides(tag):
            continue
        if tag in found or kind not in SIZES:
            return None  # what readers do not agree about
        size = count * SIZES[kind]
        if size <= len(value):
            value = value[:size]
        else:
            (place,) = struct.unpack(order + pointer, value)
            value = stretch(file, place, size)
        if len(value) < size:
            return None
        if kind in WIDE:
            numbers = struct.unpack(f"{order}{count}{WIDE[kind]}", value)
            if not all(0 <= number < 1 << 32 for number in numbers):
                return None
            kind, value = LONG, struct.pack(f"{order}{count}I", *numbers)
        found[tag] = kind, count, value
    return found


def small(order: str, entries: Layout, data: bytes) -> bytes:
    """A TIFF: head, data, directory of {tag: (type, count, bytes)}, and what does not fit into it."""
    position = HEAD + len(data) + len(data) % 2
    extra_position = position + 2 + 12 * len(entries) + 4
    directory, extra = [struct.pack(order + "H", len(entries))], b""
    for tag, (kind, count, value) in sorted(entries.items()):
        if len(value) > 4:
            extra, value = extra + value + bytes(len(value) % 2), struct.pack(order + "I", extra_position + len(extra))
        directory.append(struct.pack(order + "HHI", tag, kind, count) + value.ljust(4, b"\0"))
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", position)
    return b"".join([head, data, bytes(len(data) % 2), *directory, bytes(4), extra])


def stretch(file: BinaryIO, offset: int, size: int) -> bytes:
    file.seek(offset)
    return file.read(size)
