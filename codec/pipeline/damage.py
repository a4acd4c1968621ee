"""What of a damaged .aec file is lost and what of one that ends too early is missing, for who wants to see the rest:
`pipeline` fills a Damage, the command line says what is in it.
"""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

from ..bitstream.container import Header
from ..errors import CodecError, Corrupt, Truncated

LOSS = {
    "alpha": "the picture is opaque",
    "drawn": "text and lines are missing",
    "range": "samples are of another scale",
}


@dataclass
class Shortfall:
    """Of a file of `expected` bytes that lacks the last `bytes`: the number from 0 of the tile that is `coarse`, the
    numbers of those of which nothing is there, `tiles`, and the kinds of `sections` that are left out.
    """

    bytes: int = 0
    expected: int = 0
    coarse: list[int] = field(default_factory=list)
    tiles: list[int] = field(default_factory=list)
    sections: list[str] = field(default_factory=list)

    def sentence(self, tile_count: int) -> str:
        """ "" for a whole file."""
        if not self.bytes:
            return ""
        parts = []
        if self.coarse:
            parts.append("the picture is coarse" if tile_count == 1 else f"{_ranges(self.coarse)} is coarse")
        if self.tiles:
            verb = "is" if len(self.tiles) == 1 else "are"
            parts.append(f"{_ranges(self.tiles)} of {tile_count} {verb} painted gray")
        if self.sections:
            effects = "".join(f", {LOSS[kind]}" for kind in self.sections if kind in LOSS)
            parts.append(f"without the sections {', '.join(self.sections)}{effects}")
        share = 100 * self.bytes / self.expected
        end = f"the last {self.bytes:,} of {self.expected:,} bytes are missing ({share:.2g} %)"
        return ": ".join((end, "; ".join(parts))) if parts else end

    def record(self) -> dict[str, Any]:
        """The same for programs, tiles counted from 1."""
        numbers = {name: [number + 1 for number in getattr(self, name)] for name in ("coarse", "tiles")}
        return {"bytes": self.bytes, "percent": round(100 * self.bytes / self.expected, 2), **numbers} | {
            "sections": self.sections
        }


class Damage:
    """Collects what could not be decoded: `tiles` {number from 0: error}, `sections` {kind: error}; `surplus` bytes
    after the end; `missing`, where files that end too early are asked for. `header` is that of the file, the
    container's.

    recover: whether damaged parts are collected; else they are errors.
    """

    def __init__(self, recover: bool = True) -> None:
        self.recover, self.partial = recover, False
        self.tiles: dict[int, CodecError] = {}
        self.sections: dict[str, CodecError] = {}
        self.surplus = 0
        self.missing = Shortfall()
        self.header: Header | None = None

    def begin(self, header: Header, size: int, expected: int, partial: bool) -> None:
        """The file that is read, its bytes and those that it should have; partial: whether it may end too early."""
        self.header, self.partial, self.surplus = header, partial, max(0, size - expected)
        self.missing.expected, self.missing.bytes = expected, max(0, expected - size) if partial else 0

    def tile(self, number: int) -> AbstractContextManager[None]:
        """Context of decoding a tile: ends quietly where it is damaged or missing, if that is collected."""
        return self._collecting(self.tiles, self.missing.tiles, number)

    def section(self, kind: str) -> AbstractContextManager[None]:
        """The same of a section."""
        return self._collecting(self.sections, self.missing.sections, kind)

    def lacks(self, number: int) -> bool:
        """Whether nothing could be decoded of a tile."""
        return number in self.tiles or number in self.missing.tiles

    @contextmanager
    def _collecting(self, errors: dict[Any, CodecError], missing: list[Any], key: Any) -> Iterator[None]:
        try:
            yield
        except (Corrupt, Truncated) as error:
            if self.partial and isinstance(error, Truncated):
                missing.append(key)
            elif self.recover:
                errors[key] = error
            else:
                raise

    def sentences(self) -> Iterator[str]:
        """One per kind of part that is damaged, none for a whole file."""
        if self.tiles and self.header:
            verb = "is" if len(self.tiles) == 1 else "are"
            yield (
                f"{_ranges(self.tiles)} of {self.header.tile_count} {verb} damaged and painted gray "
                f"({self.header.columns} in a row, counted from 1)"
            )
        for kind in self.sections:
            yield f"the {kind} section is damaged and left out" + (f": {LOSS[kind]}" if kind in LOSS else "")
        if self.surplus:
            yield f"{self.surplus} bytes after the end of the file are ignored"


def _ranges(numbers: Iterable[int]) -> str:
    """ "tile 3" or "tiles 3, 7-9" of numbers from 0."""
    numbers, runs = sorted(numbers), []
    for _, places in groupby(enumerate(numbers), lambda place: place[1] - place[0]):
        run = [number + 1 for _, number in places]
        runs.append(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}")
    return ("tile " if len(numbers) == 1 else "tiles ") + ", ".join(runs)
