"""What of a damaged .aec file is lost, for who wants to see the rest: `pipeline` fills a Damage, the command line says
what is in it.
"""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from itertools import groupby
from typing import Any

from ..bitstream.container import Header
from ..errors import CodecError, Corrupt, Truncated

LOSS = {
    "alpha": ": the picture is opaque",
    "drawn": ": text and lines are missing",
    "range": ": samples are of another scale",
}


class Damage:
    """Collects the parts that could not be decoded: `tiles` {number from 0: error}, `sections` {kind: error}; `surplus`
    bytes after the end.

    `header` is that of the file, the container's.
    """

    def __init__(self) -> None:
        self.tiles: dict[int, CodecError] = {}
        self.sections: dict[str, CodecError] = {}
        self.surplus = 0
        self.header: Header | None = None

    def tile(self, number: int) -> AbstractContextManager[None]:
        """Context of decoding a tile: ends quietly where it is damaged."""
        return _collecting(self.tiles, number)

    def section(self, kind: str) -> AbstractContextManager[None]:
        """The same of a section."""
        return _collecting(self.sections, kind)

    def sentences(self) -> Iterator[str]:
        """One per kind of part, none for a whole file."""
        if self.tiles and self.header:
            verb = "is" if len(self.tiles) == 1 else "are"
            yield (
                f"{_ranges(self.tiles)} of {self.header.tile_count} {verb} damaged and painted gray "
                f"({self.header.columns} in a row, counted from 1)"
            )
        for kind in self.sections:
            yield f"the {kind} section is damaged and left out" + LOSS.get(kind, "")
        if self.surplus:
            yield f"{self.surplus} bytes after the end of the file are ignored"


@contextmanager
def _collecting(errors: dict[Any, CodecError], key: Any) -> Iterator[None]:
    try:
        yield
    except (Corrupt, Truncated) as error:
        errors[key] = error


def _ranges(numbers: Iterable[int]) -> str:
    """ "tile 3" or "tiles 3, 7-9" of numbers from 0."""
    numbers, runs = sorted(numbers), []
    for _, places in groupby(enumerate(numbers), lambda place: place[1] - place[0]):
        run = [number + 1 for _, number in places]
        runs.append(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}")
    return ("tile " if len(numbers) == 1 else "tiles ") + ", ".join(runs)
