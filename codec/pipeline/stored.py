"""A file that is being decoded, of as much of the picture as is wanted: its sections, and the pixels strip by strip."""

from collections import deque
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..bitstream.container import Header, Reader, Tile
from ..coding import alpha, drawn, lossless, tiles
from ..coding.spread import Range
from ..engine.seam import Engine, Latents
from ..errors import Corrupt, Truncated
from ..model.config import STRIDE
from ..pixels import exif
from ..pixels.picture import Picture
from ..pixels.strips import Region, Scan, Window
from ..pixels.terms import KINDS
from .damage import Damage
from .options import DecodeOptions

GRAY = {8: 128, 16: 128 * 257}  # samples of tiles that are damaged, by depth


class Stored:
    """An opened file, whose sections are read at once and whose tiles when they are wanted.

    reader: must stay open until the strips are read, but for tiles that are in `known`, {number: samples [H, W, C]};
    damage: collects what cannot be decoded; without one it is an error.
    """

    def __init__(self, reader: Reader, engine: Engine, options: DecodeOptions, damage: Damage | None):
        self.header, self.engine, self.known = reader.header, engine, dict[int, NDArray[Any]]()
        self._reader, self._fast, self._damage, self._partial = reader, options.fast, damage, options.partial
        self._region = region_of(self.header, options)
        header, sections = self.header, dict[str, bytes]()
        if damage is not None:
            damage.begin(header, reader.size, reader.expected, options.partial)
        for kind in reader.sections:
            with self._fence(kind):
                sections[kind] = reader.section(kind) or b""
        if damage is not None and "alpha" in sections:
            with damage.section("alpha"):  # before the first pixel, as it decides whether there is alpha
                deque(alpha.rows(sections["alpha"], header.height, header.width, header.depth), 0)
        self._over = None
        if "drawn" in sections:
            with self._fence("drawn"):
                self._over = drawn.decode(sections["drawn"], header.height, header.width)
        self._range = Range.unpack(sections["range"]) if "range" in sections else None
        lost = damage is not None and "alpha" in damage.sections.keys() | damage.missing.sections
        self._alpha = None if lost else sections.get("alpha")
        self._metadata: dict[str, Any] = {kind: sections.get(kind) for kind in KINDS}

    def _fence(self, kind: str) -> AbstractContextManager[None]:
        return self._damage.section(kind) if self._damage is not None else nullcontext()

    def scan(self) -> Scan:
        """The Scan of what is wanted, which decodes while it is read."""
        header, has_alpha = self.header, self._alpha is not None
        width, height = self._region.size
        strips = lambda: self._region.reduce(self._strips())
        kind, metadata = (header.channels, header.depth, has_alpha), self._metadata
        part = (self._region.width, self._region.height) != (header.width, header.height)
        if part and metadata["exif"]:  # its thumbnail shows what was cut away
            metadata = metadata | {"exif": exif.without_thumbnail(metadata["exif"])}
        return Scan(width, height, *kind, strips, suffix=header.suffix, **metadata)

    def _strips(self) -> Iterator[Picture]:
        """Yields the region's pixels, a row of tiles at a time; never holds the latents of more than three rows of
        tiles.
        """
        header, region = self.header, self._region
        halo = 0 if header.lossless else tiles.synthesis_halo(self.engine.model.config)
        rows, columns = tiles.axes(header.height, header.width, halo)
        needed = deque(
            (i * len(columns) + j, row, column)
            for i, row in tiles.reaching(rows, region.top, region.bottom, halo)
            for j, column in tiles.reaching(columns, region.left, region.right, halo)
        )
        mosaic, opacity = tiles.Mosaic(self.engine.blank), None
        begun = self._damage is None or self._damage.recover
        if self._alpha is not None:
            opacity = Window(alpha.rows(self._alpha, header.height, header.width, header.depth))
        for i, row in tiles.reaching(rows, region.top, region.bottom):
            top, bottom = max(region.top, row.start * STRIDE), min(region.bottom, row.stop * STRIDE)
            # An empty array takes no memory before a tile was decoded.
            pixels = np.empty((bottom - top, region.width, header.channels), f"u{header.depth // 8}")
            if self._damage is not None:
                pixels.fill(GRAY[header.depth])
            while needed and needed[0][1].start < row.outer_stop:
                self._read(mosaic, *needed.popleft())
            for j, column in tiles.reaching(columns, region.left, region.right):
                samples = self._samples(mosaic, i * len(columns) + j, row, column)
                if samples is None and begun:
                    continue  # stays gray
                if samples is None:
                    there = f"{self._reader.size:,} of {self._reader.expected:,} bytes are there"
                    raise Truncated(f"the file ends before its picture begins: {there}")
                begun = True
                left, right = max(region.left, column.start * STRIDE), min(region.right, column.stop * STRIDE)
                pixels[:, left - region.left : right - region.left] = samples[
                    top - row.start * STRIDE : bottom - row.start * STRIDE,
                    left - column.start * STRIDE : right - column.start * STRIDE,
                ]
            mosaic.forget(row.stop - halo)
            if self._over is not None:
                drawn.paste(pixels, self._over[top:bottom, region.left : region.right])
            if self._range is not None:
                pixels = self._range.restore(pixels)
            plane = opacity.rows(top, bottom)[:, region.left : region.right] if opacity else None
            yield Picture(pixels, plane)
        if opacity and region.bottom == header.height:
            opacity.finish()

    def _read(self, mosaic: tiles.Mosaic, number: int, row: tiles.Span, column: tiles.Span) -> None:
        """Decodes a tile at these spans, into the mosaic if it has latents."""
        if number in self.known:
            return
        with self._damage.tile(number) if self._damage is not None else nullcontext():
            try:
                tile = self._reader.tile(number)
            except Truncated:
                if not self._partial or self.header.lossless or not self._begun(mosaic, number, row, column):
                    raise
                return
            if self.header.lossless:
                self.known[number] = samples_of(tile, self.header, row, column)
            else:
                mosaic.put(row, column, latents_of(self.engine, tile, self.header, row, column))

    def _begun(self, mosaic: tiles.Mosaic, number: int, row: tiles.Span, column: tiles.Span) -> bool:
        """Puts what there is of a tile into the mosaic; False where that is no picture yet."""
        start, size = self._reader.beginning(number), (row.stop - row.start, column.stop - column.start)
        latents, reached = self.engine.peek(start, *size, self.header.quality)
        if reached:
            mosaic.put(row, column, latents)
            assert self._damage is not None  # as `partial` is asked for
            self._damage.missing.coarse.append(number)
        return reached > 0

    def _samples(self, mosaic: tiles.Mosaic, number: int, row: tiles.Span, column: tiles.Span) -> NDArray[Any] | None:
        """A tile's samples, None if it is damaged."""
        if self._damage is not None and self._damage.lacks(number):
            return None
        if number in self.known:
            return self.known.pop(number)
        header, halo = self.header, (*row.halo, *column.halo)
        window = mosaic.window(row, column)
        (samples,) = self.engine.render([window], [header.quality], header.channels, header.depth, halo, self._fast)
        return samples


def region_of(header: Header, options: DecodeOptions) -> Region:
    """What is wanted of a picture. Raises BadOption."""
    return Region.of(header.width, header.height, options.crop, options.scale)


def latents_of(engine: Engine, tile: Tile, header: Header, row: tiles.Span, column: tiles.Span) -> Latents:
    """What a tile of latents at these spans holds. Raises Corrupt."""
    (latents,) = engine.read([tile], row.stop - row.start, column.stop - column.start, [header.quality])
    if isinstance(latents, Corrupt):
        raise latents
    return latents


def samples_of(tile: Tile, header: Header, row: tiles.Span, column: tiles.Span) -> NDArray[Any]:
    """What a tile of samples at these spans holds, [H, W, C]. Raises Corrupt."""
    height = min(row.stop * STRIDE, header.height) - row.start * STRIDE
    width = min(column.stop * STRIDE, header.width) - column.start * STRIDE
    pixels = lossless.decode(tile.payload, height, width, header.channels, header.depth)
    if lossless.checksum(pixels) != tile.symbols_crc:
        raise Corrupt("the pixels of a lossless tile do not match their checksum")
    return pixels
