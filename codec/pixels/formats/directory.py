"""Directories of TIFF files: as they stand, of small files, and written anew; used by `tiff` and `planes`."""

import struct
from collections.abc import Callable, Mapping
from typing import BinaryIO

HEAD = 8  # bytes before the data in a small file
# Bytes of a value of each type.
SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
WIDE = {16: "Q", 17: "q", 18: "Q"}  # types that only BigTIFF has
SHORT, LONG, LONG8 = 3, 4, 16
Entry = tuple[int, int, bytes]  # type, count and bytes
Layout = dict[int, Entry]  # of each tag
INNER = 34665, 34853  # tags of the directories of EXIF and GPS
MOST_PAGES = 65  # directories of a file that are written anew: more than are looked at
ROOM = 1 << 16  # bytes that directories may grow by


def layout(file: BinaryIO, decides: Callable[[int], bool]) -> Layout | None:
    """{tag: (type, count, bytes)} of what decides, as it stands in the first directory; None if a small file cannot say
    the same.
    """
    order, big, start = _begun(stretch(file, 0, 16))
    number, entry, pointer = _coding(big)
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


def rewritten(data: bytes, replaced: Mapping[int, Entry | None], more: bytes = b"") -> bytes:
    """A TIFF or BigTIFF as a classic one, with other entries in its first directory (None: without that one).

    more: bytes that go behind its own, at `behind(data)`. All else stays where it is but the head and, of a BigTIFF,
    the directories. Raises struct.error, ValueError and LookupError for directories that lie.
    """
    order, big, begin = _begun(data[:16])
    out = bytearray(data) + bytes(behind(data) - len(data)) + more
    copy = _Copy(data, out, order, big, len(out) + len(data) + ROOM)
    first, link, start = copy.directory(begin, replaced)
    struct.pack_into(order + "HI", out, 2, 42, first)
    seen = {0, begin}  # directories that are followed by one of them go on forever
    while big and start not in seen and len(seen) < MOST_PAGES:
        seen.add(start)
        place, following, start = copy.directory(start, {})
        struct.pack_into(order + "I", out, link, place)
        link = following
    struct.pack_into(order + "I", out, link, 0 if big else start)
    return bytes(out)


def numbers(order: str, *values: int, kind: int = LONG) -> Entry:
    """An entry of LONG or SHORT numbers."""
    return kind, len(values), struct.pack(f"{order}{len(values)}{'I' if kind == LONG else 'H'}", *values)


def behind(data: bytes | bytearray) -> int:
    """Where there is room behind the bytes of a file."""
    return -(-len(data) // 8) * 8


class _Copy:
    """Directories of `data` copied to the end of `out`, as classic ones; `out` has at most so many bytes."""

    def __init__(self, data: bytes, out: bytearray, order: str, big: bool, most: int):
        self._data, self._out, self._order, self._big, self._most = data, out, order, big, most
        self._number, self._entry, self._pointer = (order + code for code in _coding(big))

    def directory(self, start: int, replaced: Mapping[int, Entry | None], inner: bool = True) -> tuple[int, int, int]:
        """(its place, place of the link to the next, where the next begins in `data`) of that which begins at a place.

        inner: whether it may hold others.
        """
        (count,) = struct.unpack_from(self._number, self._data, start)
        first, size = start + struct.calcsize(self._number), struct.calcsize(self._entry)
        (following,) = struct.unpack_from(self._pointer, self._data, first + count * size)
        entries = []
        for place in range(first, first + count * size, size):
            tag, kind, number, _ = struct.unpack_from(self._entry, self._data, place)
            if tag not in replaced:
                value = place + size - struct.calcsize(self._pointer)
                entries.append((tag, *self._value(tag, kind, number, value, inner)))
        for tag, entry in replaced.items():
            if entry:
                entries.append((tag, *entry[:2], self._inline(entry[2])))
        packed = b"".join(struct.pack(self._order + "HHI4s", *entry) for entry in sorted(entries))
        place = self._append(struct.pack(self._order + "H", len(entries)) + packed + bytes(4))
        return place, place + 2 + len(packed), following

    def _value(self, tag: int, kind: int, count: int, place: int, inner: bool) -> tuple[int, int, bytes]:
        """(type, count, 4 bytes) of a classic entry for one whose value, or the place of it, lies at a place."""
        size = count * SIZES.get(kind, 1)
        if not self._big:
            return kind, count, self._data[place : place + 4]
        if size > 8:
            (place,) = struct.unpack_from(self._pointer, self._data, place)
        if kind in WIDE or tag in INNER:
            code = WIDE.get(kind, "I")
            numbers = struct.unpack_from(f"{self._order}{count}{code}", self._data, place)
            if tag in INNER and inner:
                numbers = tuple(self.directory(number, {}, inner=False)[0] for number in numbers[:1])
            return LONG, len(numbers), self._inline(struct.pack(f"{self._order}{len(numbers)}I", *numbers))
        if size <= 4:
            return kind, count, self._data[place : place + size].ljust(4, b"\0")
        return kind, count, struct.pack(self._order + "I", place)

    def _inline(self, value: bytes) -> bytes:
        """Of the bytes of a value, those that stand in its entry."""
        return value.ljust(4, b"\0") if len(value) <= 4 else struct.pack(self._order + "I", self._append(value))

    def _append(self, content: bytes) -> int:
        place = behind(self._out)
        if place + len(content) > self._most:
            raise ValueError("directories that say more than there is")
        self._out += bytes(place - len(self._out)) + content
        return place


def _begun(head: bytes) -> tuple[str, bool, int]:
    """(order, whether it is a BigTIFF, where its first directory begins) of the first 16 bytes of a file."""
    order, big = "<" if head[:2] == b"II" else ">", 43 in head[2:4]
    (start,) = struct.unpack_from(order + _coding(big)[2], head, 8 if big else 4)
    return order, big, start


def _coding(big: bool) -> tuple[str, str, str]:
    """How struct calls the number of entries, an entry, and a place."""
    return ("Q", "HHQ8s", "Q") if big else ("H", "HHI4s", "I")
