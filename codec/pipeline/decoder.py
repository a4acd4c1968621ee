"""From the bytes of an .aec file to pixels, strip by strip (`stored`); many small files together.

container -> rANS, prior -> latents of tiles, which meet in a mosaic -> synthesis -> pixels -> what is drawn over them,
scale, alpha
"""

import hashlib
import io
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ..bitstream.container import Header, Reader, Tile
from ..coding import alpha, drawn, tiles
from ..engine.seam import Engine
from ..errors import BadOption, CodecError, Corrupt, TooLarge
from ..model.config import STRIDE
from ..model.weights import name_of
from ..pixels.strips import Region, Scan
from ..pixels.terms import MAX_PIXELS
from ..stages import stage
from .batches import Batch
from .damage import Damage
from .options import DecodeOptions
from .stored import Stored, latents_of, region_of, samples_of

File = str | os.PathLike[str] | bytes | BinaryIO


class Decoder:
    """Decodes with an Engine, or with those of other installed models where files were made with these.

    Every operation on a file raises NotAec, Truncated, Corrupt, UnsupportedVersion, UnknownModel, TooLarge, and OSError
    for a path.
    """

    def __init__(self, engine: Engine):
        self.engine = engine
        self._others: dict[bytes, Engine] = {}

    @contextmanager
    def scan(self, source: File, options: DecodeOptions, damage: Damage | None = None) -> Iterator[Scan]:
        """Context of a Scan of a file, which decodes while it is read. Raises BadOption too."""
        with self._stored(source, options, damage) as (stored, _):
            yield stored.scan()

    def each(
        self, sources: Iterable[File], use: Callable[[int, Scan], Any], options: DecodeOptions, keep: bool = False
    ) -> list[Any]:
        """What `use(number, scan)` makes of every file, in order; small ones of one size are decoded together.

        keep: of a file that cannot be decoded, the CodecError or OSError is returned; else it is raised.
        """

        def together(items: list[tuple[int, Stored, Tile]]) -> list[Any]:
            results = []
            for (number, stored, _), pixels in zip(items, _pixels(items, options.fast), strict=True):
                try:
                    if isinstance(pixels, Corrupt):
                        raise pixels
                    stored.known[0] = pixels
                    results.append(use(number, stored.scan()))
                except CodecError as error:
                    results.append(error)
            return results

        batch = Batch(together, keep)
        for number, source in enumerate(sources):
            with batch.number(number), self._stored(source, options) as (stored, reader):
                header, engine = stored.header, stored.engine
                if header.tile_count > 1 or header.lossless or reader.size < reader.expected:
                    batch.put(number, use(number, stored.scan()))
                    continue
                ((row, column),) = tiles.grid(header.height, header.width, 0)
                group = engine, header.channels, header.depth, row.stop, column.stop
                full = engine.together(row.stop, column.stop)
                batch.wait(number, (number, stored, reader.tile(0)), group, full)
        return batch.results()

    def verify(self, source: File, max_pixels: int = MAX_PIXELS) -> None:
        """Checks everything about a file except pixels: structure, checksums, every symbol."""
        with _opened(source, lambda header: check_size(header, max_pixels)) as reader:
            header = reader.header
            for kind in reader.sections:
                content = reader.section(kind) or b""
                if kind == "alpha":
                    deque(alpha.rows(content, header.height, header.width, header.depth), 0)
                if kind == "drawn":
                    drawn.decode(content, header.height, header.width)
            for engine, tile, spans in self._tiles(reader):
                if header.lossless:
                    samples_of(tile, header, *spans)
                else:
                    latents_of(engine, tile, header, *spans)

    def checksum(self, source: File, max_pixels: int = MAX_PIXELS) -> str:
        """SHA-256, in hexadecimal digits, of the samples a file decodes to, alpha aside: row by row, those of a pixel
        side by side, those of 16 bits with the low byte first. The same on every machine.
        """
        total = hashlib.sha256()
        with self.scan(source, DecodeOptions(max_pixels=max_pixels)) as scan:
            for piece in scan.strips():
                total.update(piece.pixels.astype(piece.pixels.dtype.newbyteorder("<"), copy=False).tobytes())
        return total.hexdigest()

    def bits_map(self, source: File, max_pixels: int = MAX_PIXELS) -> NDArray[Any]:
        """Where a file spends its bits: float64 [ceil(H/16), ceil(W/16)], by the model's own tables.

        The hyper-latent's bits are spread over the 4x4 positions each of its symbols serves, a lossless tile's over all
        of it.
        """
        with _opened(source, lambda header: check_size(header, max_pixels)) as reader:
            header = reader.header
            bits = np.zeros((-(-header.height // STRIDE), -(-header.width // STRIDE)))
            for engine, tile, (row, column) in self._tiles(reader):
                part = bits[row.start : row.stop, column.start : column.stop]
                if header.lossless:
                    part[:] = 8 * len(tile.payload) / part.size
                else:
                    part[:] = engine.bits(tile, len(part), len(part.T), header.quality)
        return bits

    def latent(self, source: File, max_pixels: int = MAX_PIXELS) -> NDArray[Any]:
        """The latent a file decodes to, dequantised: float32 [M, ceil(H/16), ceil(W/16)]; no pixels are made.

        Raises BadOption if the file is lossless.
        """
        with _opened(source, lambda header: check_size(header, max_pixels)) as reader:
            header = reader.header
            if header.lossless:
                raise BadOption("a lossless file holds pixels and no latent")
            channels = self._for(header).model.config.latent
            latent = np.empty((channels, -(-header.height // STRIDE), -(-header.width // STRIDE)), np.float32)
            for engine, tile, (row, column) in self._tiles(reader):
                part = engine.array(latents_of(engine, tile, header, row, column))
                latent[:, row.start : row.stop, column.start : column.stop] = part
        return latent

    @contextmanager
    def _stored(
        self, source: File, options: DecodeOptions, damage: Damage | None = None
    ) -> Iterator[tuple[Stored, Reader]]:
        check = lambda header: check_size(region_of(header, options), options.max_pixels)
        if damage is None and options.partial:
            damage = Damage(recover=False)
        recover = damage is not None and damage.recover
        with _opened(source, check, recover or options.partial, recover) as reader:
            yield Stored(reader, self._for(reader.header), options, damage), reader

    def _for(self, header: Header) -> Engine:
        """The engine whose model the file was made with: the own one, or that of another installed one."""
        if header.lossless or header.model == self.engine.model.id:
            return self.engine
        if header.model not in self._others:
            self._others[header.model] = self.engine.sibling(name_of(header.model))
        return self._others[header.model]

    def _tiles(self, reader: Reader) -> Iterator[tuple[Engine, Tile, tuple[tiles.Span, tiles.Span]]]:
        """Yields the engine of an opened file's model, each tile, and its spans down and across."""
        engine, header = self._for(reader.header), reader.header
        for number, spans in enumerate(tiles.grid(header.height, header.width, 0)):
            yield engine, reader.tile(number), spans


def _pixels(items: list[tuple[int, Stored, Tile]], fast: bool) -> list[NDArray[Any] | Corrupt]:
    """Samples of the only tiles of files of one size, kind and model, or what is wrong with a tile."""
    _, files, found = zip(*items, strict=True)
    header, engine = files[0].header, files[0].engine
    rows, columns = -(-header.height // STRIDE), -(-header.width // STRIDE)
    qualities = [file.header.quality for file in files]
    read: list[Any] = engine.read(found, rows, columns, qualities)
    fine = [number for number, latents in enumerate(read) if not isinstance(latents, Corrupt)]
    if fine:
        right = [read[number] for number in fine], [qualities[number] for number in fine]
        for number, samples in zip(fine, engine.render(*right, header.channels, header.depth, fast=fast), strict=True):
            read[number] = samples
    return read


@contextmanager
def _opened(
    source: File, check: Callable[[Header], None], partial: bool = False, surplus: bool = False
) -> Iterator[Reader]:
    """Context of a container.Reader, with these arguments, over a path, bytes-like or binary file."""
    opening: Any = open(source, "rb") if isinstance(source, (str, os.PathLike)) else nullcontext(source)
    with opening as file:
        if hasattr(file, "seekable") and not file.seekable():  # a pipe, a FIFO, a socket
            file = io.BytesIO(file.read())
        with stage("container"):
            reader = Reader(file, check, partial, surplus)
        yield reader


def check_size(wanted: Header | Region, max_pixels: int) -> None:
    """Raises TooLarge when more is to be decoded than `max_pixels` allow (0: no limit)."""
    width, height = wanted.width, wanted.height
    pixels = width * height
    if max_pixels and pixels > max_pixels:
        raise TooLarge(f"{width} x {height} = {pixels} pixels are more than the {max_pixels} that --max-pixels allows")
    area = -(-width // STRIDE) * -(-height // STRIDE) * STRIDE**2
    # A line of pixels takes as much memory as 16 lines.
    if max_pixels and area > 2 * max(max_pixels, MAX_PIXELS):
        raise TooLarge(f"{width} x {height} pixels take as much memory as {area}, more than --max-pixels allows")
