"""The bytes of an .aec file: `pack` writes them, `unpack` checks and reads them, `Reader` piece by piece, and
`read_header` only looks.

Its neighbours: `entropy` makes the tile payloads that are stored here, and `pipeline` fills and empties an `Aec`. No
tensor comes this far: standard library only. FORMAT.md beside this file is the specification; LAYOUT and FLAGS below
are its two tables, and writing, reading and range checks all follow from them. Every picture has exactly one encoding:
what `unpack` accepts, `pack` gives back.
"""

import dataclasses
import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from operator import index
from typing import Any, BinaryIO
from zlib import crc32

from codec.errors import BadOption, CodecError, Corrupt, NotAec, Truncated, UnsupportedVersion

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


@dataclass(frozen=True)
class Header:
    """What the file says about the picture; no field depends on the model."""

    width: int  # px
    height: int  # px
    quality: int  # hundredths, 100..10000
    channels: int  # 1 gray, 3 RGB; without alpha
    depth: int  # bits per sample of the original, 8 or 16
    alpha: bool
    model: bytes  # first 4 bytes of the SHA-256 of the weight file, NO_MODEL if `lossless`
    suffix: str = ""  # of the original file, without its dot: "" or up to 8 of a-z 0-9
    lossless: bool = False  # the tiles' payloads are pictures, see `exact`
    rounded: bool = False  # ... whose samples had been rounded before

    @property
    def tile_count(self) -> int:
        return self.columns * -(-self.height // TILE)

    @property
    def may_be_drawn(self) -> bool:
        """Whether the picture may have the section drawn."""
        return not self.lossless and self.depth == 8 and self.width * self.height <= MOST_DRAWN

    @property
    def columns(self) -> int:
        """Tiles in a row."""
        return -(-self.width // TILE)


@dataclass(frozen=True)
class Tile:
    """One entropy-coded tile."""

    payload: bytes
    symbols_crc: int  # CRC-32 of the decoded symbols: wrong weights or a machine that computes otherwise show here


@dataclass(frozen=True)
class Aec:
    """A whole file: tiles row by row, and the sections present out of SECTIONS, none of them empty."""

    header: Header
    tiles: list[Tile]
    sections: dict[str, bytes] = dataclasses.field(default_factory=dict)


def pack(aec: Aec) -> bytes:
    """The file of `aec`; BadOption when a value does not fit the format."""
    header, tiles = aec.header, aec.tiles
    sections = {kind: aec.sections[kind] for kind in SECTIONS if kind in aec.sections}
    if len(sections) < len(aec.sections) or header.alpha != ("alpha" in sections):
        raise BadOption(
            f"sections {sorted(aec.sections)} do not fit a picture with alpha={header.alpha}; "
            f"known are {', '.join(SECTIONS)}"
        )
    if header.channels not in (1, 3) or header.depth not in (8, 16):
        raise BadOption(f"pictures have 1 or 3 channels of 8 or 16 bits, not {header.channels} of {header.depth}")
    if header.lossless != (header.model == NO_MODEL):
        raise BadOption(f"a picture with lossless={header.lossless} cannot be of model {header.model.hex()}")
    if header.rounded and not header.lossless:
        raise BadOption("samples can be rounded only in a lossless picture")
    if "cicp" in sections and not _is_cicp(sections["cicp"]):
        raise BadOption(f"a section cicp cannot be {sections['cicp'].hex()}")
    if "range" in sections and not (header.depth == 16 and _is_range(sections["range"])):
        raise BadOption(f"a section range cannot be {sections['range'].hex()} with {header.depth} bits")
    if "drawn" in sections and not header.may_be_drawn:
        raise BadOption(
            f"a section drawn does not fit a picture with lossless={header.lossless}, "
            f"{header.depth} bits and {header.width} x {header.height} px"
        )
    if not re.fullmatch("[a-z0-9]{0,8}", header.suffix):
        raise BadOption(f"the suffix {header.suffix!r} is not 0 to 8 lower-case letters and digits")
    if len(tiles) != header.tile_count:
        raise BadOption(f"{header.width} x {header.height} px are {header.tile_count} tiles, not {len(tiles)}")
    spelled = header.suffix not in SUFFIXES
    suffix = SPELLED if spelled else SUFFIXES.index(header.suffix)
    present = {kind: kind in sections for kind in SECTIONS}
    flags = _join_flags(
        gray=header.channels == 1,
        deep=header.depth == 16,
        suffix=suffix,
        lossless=header.lossless,
        rounded=header.rounded,
        **present,
    )
    described = [_write("picture", header.model, flags, header.width, header.height, header.quality)]
    described += [_write("suffix", header.suffix.encode())] if spelled else []
    described += [_write("tile", len(tile.payload), crc32(tile.payload), tile.symbols_crc) for tile in tiles]
    described += [_write("section", len(content), crc32(content)) for content in sections.values()]
    checked = b"".join((_write("start", SIGNATURE, VERSION, sum(map(len, described))), *described))
    return b"".join((checked, _write("end", crc32(checked)), *(tile.payload for tile in tiles), *sections.values()))


class Reader:
    """A file opened: `header`, and tiles and sections that are read, and their checksums tested, only when asked for.

    Args: source: bytes-like, or a seekable binary file, which must stay open; check: called with the Header before the
    list of tiles is read, to refuse it; partial: take a file that ends too early, or goes on after its end, as damage
    of its last parts. What is wrong with the header is refused by either: NotAec, UnsupportedVersion, Truncated or
    Corrupt. Time and memory stay in proportion to what is read, whatever the file claims. Not to be shared by threads.
    """

    def __init__(self, source: Any, check: Callable[[Header], None] | None = None, partial: bool = False):
        self._file: BinaryIO = source if hasattr(source, "read") else io.BytesIO(source)
        self._start = self._file.tell()
        self.header, tiles, sections, position = _parse(memoryview(_read_header(self._file)), check)
        self._places = []  # (where it begins, bytes, CRC-32) of every tile, then of every section
        for size, crc in [tile[:2] for tile in tiles] + list(sections.values()):
            self._places.append((position, size, crc))
            position += size
        self._symbols = [symbols_crc for *_, symbols_crc in tiles]
        self.sections = tuple(sections)  # kinds
        self.expected = position  # bytes the whole file must measure
        self.size = self._file.seek(0, io.SEEK_END) - self._start
        if self.size < self.expected and not partial:
            raise Truncated(f"the file ends too early: expected {self.expected} bytes, got {self.size}")
        if self.size > self.expected and not partial:
            raise Corrupt(f"the file goes on after its end: expected {self.expected} bytes, got {self.size}")

    def tile(self, number: int) -> "Tile":
        """The tile of a number from 0. Raises Truncated, Corrupt."""
        return Tile(self._read(number, f"tile {number + 1} of {len(self._symbols)}"), self._symbols[number])

    def section(self, kind: str) -> bytes | None:
        """The content of a section, None where the file has none of that kind. Raises Truncated, Corrupt."""
        return self._section(kind) if kind in self.sections else None

    def _section(self, kind: str) -> bytes:
        content = self._read(len(self._symbols) + self.sections.index(kind), f"section {kind}")
        if kind == "cicp" and not _is_cicp(content):
            raise Corrupt("the section cicp does not hold code points of RGB colours")
        if kind == "range" and not _is_range(content):
            raise Corrupt("the section range does not hold a least and a greatest sample")
        return content

    def _read(self, place: int, name: str) -> bytes:
        start, size, crc = self._places[place]
        if start + size > self.size:
            raise Truncated(f"the file ends too early: {name} ends at byte {start + size}, the file at {self.size}")
        self._file.seek(self._start + start)
        content = self._file.read(size)
        if crc32(content) != crc:
            raise Corrupt(f"{name} is damaged: its checksum does not match")
        return content


def unpack(data: bytes) -> Aec:
    """The file in `data` (bytes-like), every length and checksum tested except `symbols_crc`, which needs the decoded
    symbols.

    NotAec, UnsupportedVersion, Truncated or Corrupt say what is wrong. Time and memory stay in proportion to
    `len(data)`, whatever it claims.
    """
    reader = Reader(data)
    return Aec(
        reader.header,
        [reader.tile(number) for number in range(reader.header.tile_count)],
        {kind: reader._section(kind) for kind in reader.sections},
    )


def read_header(source: Any) -> tuple[Header, dict[str, int]]:
    """The header at the start of `source` (bytes-like, or a binary file, of which no more than the header is read).

    Returns it with sizes in bytes: "header", "tiles" (all payloads together), each section present, and "file" (the
    sum: what the whole file must measure). Raises as `unpack` does, but knows nothing of the bytes after the header.
    """
    source = _read_header(source) if hasattr(source, "read") else source
    header, tiles, sections, header_end = _parse(memoryview(source).cast("B"))
    sizes = {"header": header_end, "tiles": sum(size for size, *_ in tiles)} | {
        kind: size for kind, (size, _) in sections.items()
    }
    return header, sizes | {"file": sum(sizes.values())}


def _read_header(file: BinaryIO) -> bytes:
    """The bytes of a file up to the end of its header, or of the file."""
    start = _read(file, SMALLEST_FILE)
    return start + _read(file, _header_end(memoryview(start)) - len(start))


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


def _parse(
    data: memoryview, check: Callable[[Header], None] | None = None
) -> tuple[Header, list[list[int]], dict[str, list[int]], int]:
    """Header, the `tile` groups, the `section` groups by kind, and where the header ends; nothing is trusted before its
    checksum.
    """
    end = _header_end(data)
    if len(data) < end:
        raise Truncated(f"the file ends too early: expected at least {end} bytes, got {len(data)}")
    checked = data[: end - SMALLEST["end"]]
    if Cursor(data, len(checked)).read("end") != [crc32(checked)]:
        raise Corrupt("the header is damaged: its checksum does not match")
    cursor = Cursor(checked)
    cursor.read("start")
    model, flags, width, height, quality = cursor.read("picture")
    parts = _split_flags(flags)
    suffix = _read_suffix(cursor) if parts["suffix"] == SPELLED else SUFFIXES[parts["suffix"]]
    channels, depth, lossless, rounded = (
        1 if parts["gray"] else 3,
        16 if parts["deep"] else 8,
        bool(parts["lossless"]),
        bool(parts["rounded"]),
    )
    if lossless != (model == NO_MODEL):
        raise Corrupt(f"the header names model {model.hex()} for a picture whose flag lossless is {lossless}")
    if rounded and not lossless:
        raise Corrupt("the header has the flag rounded without lossless")
    header = Header(width, height, quality, channels, depth, bool(parts["alpha"]), model, suffix, lossless, rounded)
    if parts["range"] and header.depth != 16:
        raise Corrupt("the header has the flag range for a picture of 8 bits")
    if parts["drawn"] and not header.may_be_drawn:
        raise Corrupt("the header has the flag drawn with lossless or deep, or for a picture too large for it")
    if header.tile_count * SMALLEST["tile"] > len(checked) - cursor.position:
        raise Corrupt(f"{width} x {height} px need {header.tile_count} tiles, more than the header has room for")
    if check:
        check(header)
    tiles = [cursor.read("tile") for _ in range(header.tile_count)]
    sections = {kind: cursor.read("section") for kind in SECTIONS if parts[kind]}
    if cursor.position != len(checked):
        raise Corrupt("the header is longer than what it describes")
    return header, tiles, sections, end


def _header_end(data: memoryview) -> int:
    """Where the header ends, its checksum included, from the first SMALLEST_FILE bytes of the file."""
    if data[: len(SIGNATURE)] != SIGNATURE[: len(data)]:
        raise NotAec("this is not an .aec file: it does not begin with the signature of one")
    if len(data) < SMALLEST_FILE:
        raise Truncated(f"the file ends too early: expected at least {SMALLEST_FILE} bytes, got {len(data)}")
    cursor = Cursor(data)
    _, version, header_size = cursor.read("start")
    if version != VERSION:
        raise UnsupportedVersion(f"the file has format version {version} and this package reads version {VERSION}")
    return cursor.position + int(header_size) + SMALLEST["end"]


def _read_suffix(cursor: Cursor) -> str:
    suffix: bytes
    (suffix,) = cursor.read("suffix")
    if not re.fullmatch(b"[a-z0-9]+", suffix) or suffix.decode() in SUFFIXES:
        raise Corrupt(f"the suffix {suffix!r} is not lower-case letters and digits, or has a flag of its own")
    return suffix.decode()


def _is_cicp(content: bytes) -> bool:
    """Whether a section holds primaries, transfer characteristics, 0 for RGB, and whether the range is full."""
    return len(content) == 4 and content[2] == 0 and content[3] < 2


def _is_range(content: bytes) -> bool:
    """Whether a section holds two samples of 16 bits, of which the second is not the smaller one."""
    return len(content) == 4 and int.from_bytes(content[:2], "little") <= int.from_bytes(content[2:], "little")


def _join_flags(**parts: int) -> int:
    flags = shift = 0
    for name, bits in FLAGS:
        flags |= int(parts[name]) << shift
        shift += bits
    return flags


def _split_flags(flags: int) -> dict[str, int]:
    parts, rest = {}, flags
    for name, bits in FLAGS:
        parts[name] = rest & (1 << bits) - 1
        rest >>= bits
    if rest:
        raise UnsupportedVersion(f"the file uses features that this package does not know (flags {flags:#x})")
    return parts


def _write(group: str, *values: Any) -> bytes:
    return b"".join(field.encode(value) for field, value in zip(LAYOUT[group], values, strict=True))


def _read(file: BinaryIO, count: int) -> bytes:
    """Up to `count` bytes, in pieces: a size that only the header claims must not be allocated at once."""
    got = bytearray()
    while len(got) < count and (piece := file.read(min(count - len(got), 2**16))):
        got += piece
    return bytes(got)
