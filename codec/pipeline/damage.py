"""What of a damaged .aec file is lost, for who wants to see the rest: `pipeline` fills a Damage, the command line says
what is in it.
"""

from contextlib import contextmanager
from itertools import groupby

from ..errors import Corrupt, Truncated

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

    def __init__(self):
        self.tiles, self.sections, self.surplus, self.header = {}, {}, 0, None

    def tile(self, number):
        """Context of decoding a tile: ends quietly where it is damaged."""
        return _collecting(self.tiles, number)

    def section(self, kind):
        """The same of a section."""
        return _collecting(self.sections, kind)

    def sentences(self):
        """One per kind of part, none for a whole file."""
        if self.tiles:
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
def _collecting(errors, key):
    try:
        yield
    except (Corrupt, Truncated) as error:
        errors[key] = error


def _ranges(numbers):
    """ "tile 3" or "tiles 3, 7-9" of numbers from 0."""
    runs = []
    for _, run in groupby(enumerate(sorted(numbers)), lambda place: place[1] - place[0]):
        run = [number + 1 for _, number in run]
        runs.append(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}")
    return ("tile " if len(numbers) == 1 else "tiles ") + ", ".join(runs)
