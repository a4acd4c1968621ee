"""What an AVIF says of its colours and depth in its boxes, which Pillow does not tell; used by `read` and `write`."""

import struct
from collections.abc import Iterator

from ..companions import DEPTH_MAP, GAIN_MAP, PICTURES
from . import av1
from .boxes import boxes

MOST_SIDE, MOST_PIXELS = 32768, 2**28  # of a picture that libavif, and with it Pillow and the browsers, reads
LIGHT = b"mdcv", b"clli", b"cclv", b"amve"  # properties for HDR displays
# What the names of an item's kind end with, and what the item is; alpha is read.
AUXILIARY = {
    b"auxiliary:depth": DEPTH_MAP,
    b"auxid:2": DEPTH_MAP,
    b"aux:hdrgainmap": GAIN_MAP,
    b"auxiliary:alpha": None,
    b"auxid:1": None,
}
FIRST = 1 << 16  # bytes of an item that are looked at
Place = tuple[int, int]  # where the content of a box begins and ends
BROKEN = (KeyError, ValueError, struct.error, IndexError)  # what reading a broken file comes to


def described(data: bytes) -> tuple[tuple[int, int] | None, int, list[str]]:
    """((primaries, transfer), bits per sample, what of it no Picture has) of the primary picture; None where it says
    neither, 8 bits where it says none.
    """
    code, depth, lost, has_profile = None, 8, [], False
    for kind, start, end in _properties(data):
        if kind == b"colr" and data[start : start + 4] == b"nclx" and end - start >= 11:
            code = struct.unpack_from(">HH", data, start + 4)
        elif kind == b"colr":
            has_profile = True
        elif kind == b"pixi" and end - start > 5:
            depth = max(data[start + 5 : end])
        elif kind == b"av1C" and end - start > 2:
            depth = max(depth, 12 if data[start + 2] & 32 else 10 if data[start + 2] & 64 else 8)
        elif kind in LIGHT:
            lost.append(f"its {kind.decode()} (levels of light for HDR displays)")
    try:
        meta = _Meta(data)
        if any(kind == b"tmap" for kind in meta.kinds().values()):
            lost.append(GAIN_MAP)
        if code is None and not has_profile:
            code = av1.colours(meta.coded())
        lost += (name for name in meta.auxiliaries() if name not in lost)
    except BROKEN:
        pass
    return code, depth, lost


def with_code(data: bytes, code: bytes) -> bytes:
    """An AVIF of Pillow's with other code points of primaries and transfer."""
    for kind, start, _ in _properties(data):
        if kind == b"colr" and data[start : start + 4] == b"nclx":
            return data[: start + 4] + struct.pack(">HH", *code[:2]) + data[start + 8 :]
    return data


def _properties(data: bytes) -> list[tuple[bytes, int, int]]:
    """(kind, start, end) of the contents of the boxes that belong to the primary picture; nothing of what is broken."""
    try:
        meta = _Meta(data)
        inner = {kind: (start, end) for kind, start, end in boxes(data, *meta.parts[b"iprp"])}
        properties = list(boxes(data, *inner[b"ipco"]))
        return [
            properties[number - 1]
            for number in _numbers(data, inner[b"ipma"][0], meta.primary)
            if 0 < number <= len(properties)
        ]
    except BROKEN:
        return []


class _Meta:
    """The box that says which items there are: `parts`, the places of the boxes in it by kind, and the number of the
    `primary` item. Raises BROKEN, as its methods do.
    """

    def __init__(self, data: bytes):
        self._data = data
        ((start, end),) = [(start, end) for kind, start, end in boxes(data, 0, len(data)) if kind == b"meta"]
        self.parts: dict[bytes, Place] = {kind: (first, last) for kind, first, last in boxes(data, start + 4, end)}
        place, _ = self.parts[b"pitm"]
        (self.primary,) = struct.unpack_from(">I" if data[place] else ">H", data, place + 4)

    def kinds(self) -> dict[int, bytes]:
        """The type of each item by number."""
        start, end = self.parts[b"iinf"]
        found = {}
        for _, place, _ in boxes(self._data, start + (8 if self._data[start] else 6), end):
            wide = self._data[place] > 2
            number, _, kind = struct.unpack_from(">IH4s" if wide else ">HH4s", self._data, place + 4)
            found[number] = kind
        return found

    def auxiliaries(self) -> list[str]:
        """What items beside the pictures are, but for alpha."""
        inner = {kind: place for kind, *place in boxes(self._data, *self.parts[b"iprp"])}
        found: dict[str, None] = {}
        for kind, start, end in boxes(self._data, *inner[b"ipco"]):
            if kind == b"auxC":
                urn = self._data[start + 4 : end].partition(b"\0")[0]
                name = next((name for ending, name in AUXILIARY.items() if urn.endswith(ending)), PICTURES)
                found |= {name: None} if name else {}
        return list(found)

    def coded(self) -> bytes:
        """The AV1 data of the primary picture, or of the first of those that it is put together of."""
        number = self.primary
        if self.kinds().get(number) != b"av01":
            number = next(to for kind, of, to in self._references() if (kind, of) == (b"dimg", number))
        return self._content(number)

    def _references(self) -> Iterator[tuple[bytes, int, int]]:
        """(kind, item, the first that it refers to)."""
        start, end = self.parts[b"iref"]
        wide = self._data[start]
        for kind, place, _ in boxes(self._data, start + 4, end):
            of, count, to = struct.unpack_from(">IHI" if wide else ">HHH", self._data, place)
            if count:
                yield kind, of, to

    def _content(self, item: int) -> bytes:
        """The first bytes of an item."""
        place, _ = self.parts[b"iloc"]
        version, sizes = self._data[place], struct.unpack_from(">H", self._data, place + 4)[0]
        offset, length, base, index = (sizes >> shift & 15 for shift in (12, 8, 4, 0))
        count, place = self._number(place + 6, 4 if version == 2 else 2)
        for _ in range(count):
            number, place = self._number(place, 4 if version == 2 else 2)
            method, place = self._number(place, 2 if version else 0)
            start, place = self._number(place + 2, base)
            stretches, place = self._number(place, 2)
            extra = index if version else 0
            if number == item and stretches:
                first, place = self._number(place + extra, offset)
                size, _ = self._number(place, length)
                start += first + (self.parts[b"idat"][0] if method & 15 == 1 else 0)
                return self._data[start : start + min(size or FIRST, FIRST)]
            place += stretches * (extra + offset + length)
        raise KeyError(item)

    def _number(self, place: int, size: int) -> tuple[int, int]:
        """(number of so many bytes, where it ends)."""
        if place + size > len(self._data):
            raise IndexError(place)
        return int.from_bytes(self._data[place : place + size], "big"), place + size


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
