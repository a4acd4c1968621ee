"""A picture that is being encoded: its rows as often as they are wanted, and what is found out about it once."""

import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..bitstream import container, layout
from ..bitstream.container import Tile
from ..coding import alpha, drawn
from ..coding.spread import Range
from ..pixels.picture import Picture
from ..pixels.strips import Scan
from ..pixels.terms import KINDS
from ..stages import stage


@dataclass(frozen=True, eq=False)
class Trial:
    """One encoding of a picture: quality in hundredths; lossless as in `EncodeOptions`."""

    source: "Source"
    quality: int
    lossless: bool | None


@dataclass(frozen=True, eq=False)
class Parts:
    """The section of what is drawn in a picture, and the samples [H, W, C] with that filled."""

    section: bytes
    rest: NDArray[Any]


class Source:
    """A Scan or Picture on its way into a file. `errors` are the mean squared errors of files of it, {bytes: error}, of
    samples as `coded` has them.
    """

    def __init__(self, scan: Picture | Scan):
        self.scan, self.pixels = scan, scan.width * scan.height
        self.errors: dict[bytes, float] = {}
        self._sections = {kind: getattr(scan, kind) for kind in KINDS if getattr(scan, kind)}

    @cached_property
    def range(self) -> Range | None:
        """What the samples of a 16-bit picture use of their range, where it is little."""
        return Range.of(piece.pixels for piece in self.scan.strips()) if self.scan.depth == 16 else None

    @property
    def gain(self) -> float:
        """By what factor the differences of `coded` are larger than those of the picture."""
        return 1.0 if self.range is None else self.range.gain

    @cached_property
    def coded(self) -> Picture | Scan:
        """The Scan with its samples spread over all of their range, as latents and rounded samples hold them."""
        spread, scan = self.range, self.scan
        if spread is None:
            return scan
        strips = lambda: (replace(piece, pixels=spread.spread(piece.pixels)) for piece in scan.strips())
        return Scan(scan.width, scan.height, scan.channels, scan.depth, scan.has_alpha, strips)

    def rows(self, original: bool = False) -> Iterator[NDArray[Any]]:
        """Yields the samples [n, W, C], from top to bottom; original: those of the picture, not of `coded`.

        The first time to their end alpha is coded beside them.
        """
        scan, file, writer = self.scan, io.BytesIO(), None
        if scan.has_alpha and "alpha" not in self._sections:
            writer = alpha.Writer(file, scan.width, scan.height, scan.depth)
        for piece in (scan if original else self.coded).strips():
            if writer and piece.alpha is not None:
                writer.write(piece.alpha[..., None])
            yield piece.pixels
        if writer:
            writer.close()
            self._sections["alpha"] = file.getvalue()

    @cached_property
    def parts(self) -> Parts | None:
        """What is drawn, where not all of the picture is; for pictures that fit into memory."""
        section, rest = drawn.split(np.concatenate(list(self.rows())))
        return None if section is None or rest is None else Parts(section, rest)

    def file(
        self, tiles: list[Tile], step: int = 0, *, quality: int, model: bytes, drawn: bytes | None = None
    ) -> bytes:
        """The bytes of an .aec file, once all rows were read.

        step: 0 for tiles of latents, 1 for samples as they are, more for rounded ones; quality: in hundredths; drawn:
        the section of what is drawn over them.
        """
        scan = self.scan
        header = container.Header(
            scan.width,
            scan.height,
            quality,
            scan.channels,
            scan.depth,
            scan.has_alpha,
            layout.NO_MODEL if step else model,
            scan.suffix,
            step > 0,
            step > 1,
        )
        sections = self._sections if drawn is None else self._sections | {"drawn": drawn}
        if step != 1 and self.range is not None:
            sections = sections | {"range": self.range.pack()}
        with stage("container"):
            return container.pack(container.Aec(header, tiles, sections))
