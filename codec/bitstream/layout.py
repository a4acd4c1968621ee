"""The layout of an .aec file as data: groups of fields and the parts of the field `flags`, how each is written and
read, and what the numbers in them mean.

Used by `container`. FORMAT.md beside this file is the specification; LAYOUT and FLAGS below are its two tables, and
writing, reading and range checks all follow from them.
"""

from dataclasses import dataclass
from operator import index
from typing import Any

from ..errors import BadOption, CodecError, Corrupt, UnsupportedVersion

SIGNATURE = b"\xaeAEC"  # the first byte is neither ASCII nor a start of UTF-8: no text file begins so
VERSION = 2
TILE = 1024  # px: side of the tiles that are coded on their own
SPELLED = 3  # value of the suffix flag for a name that is not in SUFFIXES
SUFFIXES = "", "png", "jpg"  # index = value of the suffix flag: the names that cost no byte
NO_MODEL = bytes(4)
SECTIONS = "alpha", "icc", "exif", "xmp", "drawn", "cicp", "range"  # in file order
MOST_DRAWN = 2**24  # pixels of a picture with the section drawn


@dataclass(frozen=True)
class Field:
    """One field.

    `coding` is u8, u32 or varint, an integer in low..high; or bytes, low..high of them, after a u8 count if those
    differ.
    """

    name: str
    coding: str
    low: int
    high: int

    def encode(self, value: Any) -> bytes:
        """The bytes of `value`, an integer or bytes by the coding; BadOption outside the range."""
        if self.coding == "bytes":
            count = self._checked(len(value), BadOption)
            return bytes(value) if self.low == self.high else bytes([count]) + value
        rest = self._checked(index(value), BadOption)
        if self.coding != "varint":
            return rest.to_bytes(WIDTHS[self.coding], "little")
        groups = bytearray()
        while rest > 127:
            groups.append(rest & 127 | 128)
            rest >>= 7
        return bytes(groups) + bytes([rest])

    def decode(self, cursor: "Cursor") -> Any:
        """The value at `cursor`, which moves on; Corrupt outside the range."""
        if self.coding == "bytes":
            return cursor.take(self.low if self.low == self.high else self._checked(cursor.take(1)[0], Corrupt))
        if self.coding == "varint":
            return self._checked(cursor.varint(), Corrupt)
        return self._checked(int.from_bytes(cursor.take(WIDTHS[self.coding]), "little"), Corrupt)

    @property
    def smallest(self) -> int:
        """Bytes it takes at least."""
        return self.low + (self.low < self.high) if self.coding == "bytes" else WIDTHS.get(self.coding, 1)

    def _checked(self, number: int, error: type[CodecError]) -> int:
        if not self.low <= number <= self.high:
            raise error(f"the field {self.name} is {number}, outside {self.low} to {self.high}")
        return number


WIDTHS = {"u8": 1, "u32": 4}  # bytes, little-endian
U32 = 2**32 - 1

# Groups in file order; `suffix` only when spelled out, `tile` once per tile, `section` once per section present.
LAYOUT = {
    "start": (
        Field("signature", "bytes", 4, 4),
        Field("version", "u8", 0, 255),
        Field("header_size", "varint", 1, 2**28 - 1),  # bytes of all groups between start and end
    ),
    "picture": (
        Field("model", "bytes", 4, 4),
        Field("flags", "varint", 0, U32),
        Field("width", "varint", 1, 2**30),
        Field("height", "varint", 1, 2**30),
        Field("quality", "varint", 100, 10000),  # hundredths
    ),
    "suffix": (Field("suffix", "bytes", 1, 8),),
    "tile": (
        Field("payload_size", "varint", 0, 2**28 - 1),
        Field("payload_crc", "u32", 0, U32),
        Field("symbols_crc", "u32", 0, U32),
    ),
    "section": (Field("section_size", "varint", 1, U32), Field("section_crc", "u32", 0, U32)),
    "end": (Field("header_crc", "u32", 0, U32),),
}

# Parts of the field `flags` from the lowest bit up, each with its number of bits.
FLAGS = (
    ("gray", 1),
    ("deep", 1),
    ("suffix", 2),
    ("alpha", 1),
    ("icc", 1),
    ("exif", 1),
    ("xmp", 1),
    ("lossless", 1),
    ("rounded", 1),
    ("drawn", 1),
    ("cicp", 1),
    ("range", 1),
)

SMALLEST = {group: sum(field.smallest for field in fields) for group, fields in LAYOUT.items()}
SMALLEST_FILE = sum(SMALLEST[group] for group in ("start", "picture", "tile", "end"))  # bytes: one tile of no symbols


class Cursor:
    """A place in `data` that moves on as it is read; running over the end contradicts a length that
    was checked before.
    """

    def __init__(self, data: memoryview, position: int = 0):
        self.data, self.position = data, position

    def take(self, count: int) -> bytes:
        taken = bytes(self.data[self.position : self.position + count])
        if len(taken) < count:
            raise Corrupt("the header is shorter than what it describes")
        self.position += count
        return taken

    def varint(self) -> int:
        value = 0
        for shift in range(0, 35, 7):  # at most 5 bytes
            byte = self.take(1)[0]
            value |= (byte & 127) << shift
            if byte < 128:
                if byte == 0 < shift:  # a zero on top: a second way to write the same number
                    break
                return value
        raise Corrupt("a number in the header is not written in its shortest form of at most 5 bytes")

    def read(self, group: str) -> list[Any]:
        return [field.decode(self) for field in LAYOUT[group]]


def write(group: str, *values: Any) -> bytes:
    return b"".join(field.encode(value) for field, value in zip(LAYOUT[group], values, strict=True))


def join_flags(**parts: int) -> int:
    flags = shift = 0
    for name, bits in FLAGS:
        flags |= int(parts[name]) << shift
        shift += bits
    return flags


def split_flags(flags: int) -> dict[str, int]:
    parts, rest = {}, flags
    for name, bits in FLAGS:
        parts[name] = rest & (1 << bits) - 1
        rest >>= bits
    if rest:
        raise UnsupportedVersion(f"the file uses features that this package does not know (flags {flags:#x})")
    return parts


def is_cicp(content: bytes) -> bool:
    """Whether a section holds primaries, transfer characteristics, 0 for RGB, and whether the range is full."""
    return len(content) == 4 and content[2] == 0 and content[3] < 2


def is_range(content: bytes) -> bool:
    """Whether a section holds two samples of 16 bits, of which the second is not the smaller one."""
    return len(content) == 4 and int.from_bytes(content[:2], "little") <= int.from_bytes(content[2:], "little")
