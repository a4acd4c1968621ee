"""The bytes of an .aec file: `pack` writes them, `unpack` checks and reads them, `Reader` piece by piece, and
`read_header` only looks.

Its neighbours: `entropy` makes the tile payloads that are stored here, and `pipeline` fills and empties an `Aec`. No
tensor comes this far: standard library only. FORMAT.md beside this file is the specification, whose two tables are
those of `layout`. Every picture has exactly one encoding: what `unpack` accepts, `pack` gives back.
"""

import dataclasses
import io
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO
from zlib import crc32

from ..errors import BadOption, Corrupt, NotAec, Truncated, UnsupportedVersion
from .layout import (
    MOST_DRAWN,
    NO_MODEL,
    SECTIONS,
    SIGNATURE,
    SMALLEST,
    SMALLEST_FILE,
    SPELLED,
    SUFFIXES,
    TILE,
    VERSION,
    Cursor,
    is_cicp,
    is_range,
    join_flags,
    split_flags,
    write,
)

DESYNCED = "the decoded symbols do not match their checksum: the file is damaged or this machine computes otherwise"


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
    lossless: bool = False  # the tiles' payloads are pictures, see `coding.lossless`
    rounded: bool = False  # lossless of samples that had been rounded before

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
    if "cicp" in sections and not is_cicp(sections["cicp"]):
        raise BadOption(f"a section cicp cannot be {sections['cicp'].hex()}")
    if "range" in sections and not (header.depth == 16 and is_range(sections["range"])):
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
    flags = join_flags(
        gray=header.channels == 1,
        deep=header.depth == 16,
        suffix=suffix,
        lossless=header.lossless,
        rounded=header.rounded,
        **present,
    )
    described = [write("picture", header.model, flags, header.width, header.height, header.quality)]
    described += [write("suffix", header.suffix.encode())] if spelled else []
    described += [write("tile", len(tile.payload), crc32(tile.payload), tile.symbols_crc) for tile in tiles]
    described += [write("section", len(content), crc32(content)) for content in sections.values()]
    checked = b"".join((write("start", SIGNATURE, VERSION, sum(map(len, described))), *described))
    return b"".join((checked, write("end", crc32(checked)), *(tile.payload for tile in tiles), *sections.values()))


class Reader:
    """A file opened: `header`, and tiles and sections that are read, and their checksums tested, only when asked for.

    Args: source: bytes-like, or a seekable binary file, which must stay open; check: called with the Header before the
    list of tiles is read, to refuse it; partial: take a file that ends too early, surplus: one that goes on after its
    end. What is wrong with the header is refused by either: NotAec, UnsupportedVersion, Truncated or
    Corrupt. Time and memory stay in proportion to what is read, whatever the file claims. Not to be shared by threads.
    """

    def __init__(
        self, source: Any, check: Callable[[Header], None] | None = None, partial: bool = False, surplus: bool = False
    ):
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
        if self.size > self.expected and not surplus:
            raise Corrupt(f"the file goes on after its end: expected {self.expected} bytes, got {self.size}")

    def tile(self, number: int) -> "Tile":
        """The tile of a number from 0. Raises Truncated, Corrupt."""
        return Tile(self._read(number, f"tile {number + 1} of {len(self._symbols)}"), self._symbols[number])

    def beginning(self, number: int) -> bytes:
        """What there is of the payload of a tile that the file ends in, or before. No checksum is tested."""
        start, size, _ = self._places[number]
        self._file.seek(self._start + start)
        return self._file.read(min(size, max(0, self.size - start)))

    def section(self, kind: str) -> bytes | None:
        """The content of a section, None where the file has none of that kind. Raises Truncated, Corrupt."""
        return self._section(kind) if kind in self.sections else None

    def _section(self, kind: str) -> bytes:
        content = self._read(len(self._symbols) + self.sections.index(kind), f"section {kind}")
        if kind == "cicp" and not is_cicp(content):
            raise Corrupt("the section cicp does not hold code points of RGB colours")
        if kind == "range" and not is_range(content):
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
    parts = split_flags(flags)
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


def _read(file: BinaryIO, count: int) -> bytes:
    """Up to `count` bytes, in pieces: a size that only the header claims must not be allocated at once."""
    got = bytearray()
    while len(got) < count and (piece := file.read(min(count - len(got), 2**16))):
        got += piece
    return bytes(got)
