"""From the bytes of an .aec file to pixels: the half of `pipeline` that its other half, `encoding`, mirrors; strip by
strip, of as much of the picture as is wanted.

container -> rANS, prior (`payload`) -> latents of tiles, which meet in a mosaic -> synthesis -> pixels -> what is drawn
over them, scale, alpha
"""

import io
import os
from collections import deque
from contextlib import contextmanager, nullcontext

import numpy as np

from ..bitstream import container
from ..coding import alpha, drawn, exact, tiles
from ..engine import buckets
from ..errors import BadOption, Corrupt, TooLarge
from ..model.config import STRIDE
from ..pixels import image
from ..pixels.image import MAX_PIXELS
from ..pixels.metadata import KINDS
from ..pixels.strips import Region, Scan, Window


class Decoding:
    """What a `pipeline.Codec` decodes with."""

    def decode(self, source, **options):
        """PIL image of an .aec file, with the options of `scan`."""
        return image.to_pil(self.decode_picture(source, **options))

    def decode_batch(self, files, *, return_exceptions=False, **options):
        """The image `decode` makes of every file, in order; small pictures of one size share their work: one in 100,000
        samples of 8 bits then differs by a level.

        return_exceptions: of a file that cannot be decoded, the CodecError or OSError is returned; else it is raised.
        """
        tasks = (self._decoding(file, **options) for file in files)
        return buckets.run(map(buckets.keeping, tasks) if return_exceptions else tasks, self._work)

    def _decoding(self, source, then=lambda scan: image.to_pil(scan.whole()), **options):
        """`decode` as a task of `buckets`: yields the Tile of a file that has one, is sent its pixels, and returns
        `then` of the Scan.
        """
        with self._scan(source, **options) as (scan, reader, known):
            header = reader.header
            if header.tile_count == 1 and not header.lossless and options.get("damage") is None:
                ((row, column),) = tiles.grid(header.height, header.width, 0)
                key = (
                    self._for(header),
                    header.channels,
                    header.depth,
                    options.get("fast", False),
                    row.stop,
                    column.stop,
                )
                known[0] = yield (Decoding._decode_bucket, *key), (reader.tile(0), header.quality)
            return then(scan)

    def _decode_bucket(self, found, qualities, engine, channels, depth, fast, h, w):
        """Pixels of tiles, or what is wrong with them."""
        read = engine.read(found, h, w, qualities)
        fine = [i for i, y in enumerate(read) if not isinstance(y, Corrupt)]
        if fine:
            pixels = engine.render([read[i] for i in fine], [qualities[i] for i in fine], channels, depth, fast=fast)
            for i, samples in zip(fine, pixels):
                read[i] = samples
        return read

    def decode_picture(self, source, **options):
        """Picture of an .aec file at its full depth, with the options of `scan`."""
        with self.scan(source, **options) as scan:
            return scan.whole()

    @contextmanager
    def scan(self, source, **options):
        """Context of a Scan of an .aec file (bytes, path or binary file), which decodes while it is read.

        Options: max_pixels, most that may be decoded, 0 for any number; crop: (left, top, width, height) in stored
        pixels, EXIF's orientation not applied; scale: 1, 1/2, 1/4, 1/8 or 1/16, of the crop. Only the tiles these need
        are read, and only their checksums tested. damage: a Damage, which collects what cannot be decoded; without one
        it is an error. fast: the synthesis in bfloat16 where the device multiplies it, in 0.6 of its time, samples of
        photographs then off by a level of 8 bits, of patterns in pure colours by more. Raises NotAec, Truncated,
        Corrupt, UnsupportedVersion, UnknownModel, TooLarge, BadOption, OSError for a path.
        """
        with self._scan(source, **options) as (scan, *_):
            yield scan

    @contextmanager
    def _scan(self, source, *, max_pixels=MAX_PIXELS, crop=None, scale=1, damage=None, fast=False):
        """`scan`, with the container.Reader and a dict {number: pixels [H,W,C]} for tiles that are decoded already when
        their turn comes.
        """
        region_of = lambda header: Region.of(header.width, header.height, crop, scale)
        with _opened(source, lambda header: _check_size(region_of(header), max_pixels), damage is not None) as reader:
            header, region = reader.header, region_of(reader.header)
            if damage is not None:
                damage.header, damage.surplus = header, max(0, reader.size - reader.expected)
            sections = {}
            for kind in reader.sections:
                with damage.section(kind) if damage is not None else nullcontext():
                    sections[kind] = reader.section(kind)
            opacity = lambda: alpha.rows(sections["alpha"], header.height, header.width, header.depth)
            if damage is not None and "alpha" in sections:
                with damage.section("alpha"):  # before the first pixel, as it decides whether there is alpha
                    deque(opacity(), 0)
            over = None
            if "drawn" in sections:
                with damage.section("drawn") if damage is not None else nullcontext():
                    over = drawn.decode(sections["drawn"], header.height, header.width)
            metadata = {kind: sections.get(kind) for kind in KINDS}
            has_alpha = "alpha" in sections and not (damage is not None and "alpha" in damage.sections)
            known = {}
            strips = lambda: region.reduce(
                self._decode_strips(reader, region, opacity() if has_alpha else None, over, damage, known, fast)
            )
            yield (
                Scan(*region.size, header.channels, header.depth, has_alpha, strips, **metadata, suffix=header.suffix),
                reader,
                known,
            )

    def verify(self, source, *, max_pixels=MAX_PIXELS):
        """Checks everything about a file except pixels: structure, checksums, every symbol. Raises as `scan`."""
        with _opened(source, lambda header: _check_size(header, max_pixels)) as reader:
            header = reader.header
            for kind in reader.sections:
                content = reader.section(kind)
                if kind == "alpha":
                    deque(alpha.rows(content, header.height, header.width, header.depth), 0)
                if kind == "drawn":
                    drawn.decode(content, header.height, header.width)
            for engine, tile, spans in self._tiles(reader):
                self._decode(engine, tile, header, *spans)

    def _tiles(self, reader):
        """Yields the engine of an opened file's model, each tile, and its spans down and across."""
        engine, header = self._for(reader.header), reader.header
        for number, spans in enumerate(tiles.grid(header.height, header.width, 0)):
            yield engine, reader.tile(number), spans

    def _decode_strips(self, reader, region, opacity, over, damage, known, fast):
        """Yields the region's pixels as Pictures, a row of tiles at a time; never holds the latents of more than three
        rows of tiles.

        opacity: all rows, as `alpha.rows` yields them, or None; over: what `drawn.decode` gave, or None; known:
        {number: pixels} of tiles that are decoded already.
        """
        header = reader.header
        engine = self._for(header)
        halo = 0 if header.lossless else tiles.synthesis_halo(engine.model.config)
        rows, columns = tiles.axes(header.height, header.width, halo)
        needed = deque(
            (i * len(columns) + j, row, column)
            for i, row in tiles.reaching(rows, region.top, region.bottom, halo)
            for j, column in tiles.reaching(columns, region.left, region.right, halo)
        )
        mosaic, opacity = tiles.Mosaic(engine.blank), opacity and Window(opacity)
        for i, row in tiles.reaching(rows, region.top, region.bottom):
            top, bottom = max(region.top, row.start * STRIDE), min(region.bottom, row.stop * STRIDE)
            # An empty array takes no memory before a tile was decoded.
            pixels = np.empty((bottom - top, region.width, header.channels), f"u{header.depth // 8}")
            if damage is not None:
                pixels.fill(128 if header.depth == 8 else 128 * 257)
            while needed and needed[0][1].start < row.outer_stop:
                number, *spans = needed.popleft()
                if number in known:
                    continue
                with damage.tile(number) if damage is not None else nullcontext():
                    decoded = self._decode(engine, reader.tile(number), header, *spans)
                    if header.lossless:
                        known[number] = decoded
                    else:
                        mosaic.put(*spans, decoded)
            for j, column in tiles.reaching(columns, region.left, region.right):
                number = i * len(columns) + j
                if damage is not None and number in damage.tiles:
                    continue  # stays gray
                if (x := known.pop(number, None)) is None:
                    (x,) = engine.render(
                        [mosaic.window(row, column)],
                        [header.quality],
                        header.channels,
                        header.depth,
                        (*row.halo, *column.halo),
                        fast,
                    )
                left, right = max(region.left, column.start * STRIDE), min(region.right, column.stop * STRIDE)
                pixels[:, left - region.left : right - region.left] = x[
                    top - row.start * STRIDE : bottom - row.start * STRIDE,
                    left - column.start * STRIDE : right - column.start * STRIDE,
                ]
            mosaic.forget(row.stop - halo)
            if over is not None:
                drawn.paste(pixels, over[top:bottom, region.left : region.right])
            yield image.Picture(pixels, opacity and opacity.rows(top, bottom)[:, region.left : region.right])
        if opacity and region.bottom == header.height:
            opacity.finish()

    def _decode(self, engine, tile, header, row, column):
        """What a tile at these spans holds: latents [M,h,w], or pixels [H,W,C] if the file is lossless.

        Raises Corrupt.
        """
        if not header.lossless:
            (y,) = engine.read([tile], row.stop - row.start, column.stop - column.start, [header.quality])
            if isinstance(y, Corrupt):
                raise y
            return y
        size = [
            min(span.stop * STRIDE, end) - span.start * STRIDE
            for span, end in ((row, header.height), (column, header.width))
        ]
        pixels = exact.decode(tile.payload, *size, header.channels, header.depth)
        if exact.checksum(pixels) != tile.symbols_crc:
            raise Corrupt("the pixels of a lossless tile do not match their checksum")
        return pixels

    def bits_map(self, source, *, max_pixels=MAX_PIXELS):
        """Where a file spends its bits: float64 [ceil(H/16), ceil(W/16)], by the model's own tables; raises as `scan`.

        The hyper-latent's bits are spread over the 4x4 positions each of its symbols serves, a lossless tile's over all
        of it.
        """
        with _opened(source, lambda header: _check_size(header, max_pixels)) as reader:
            header = reader.header
            bits = np.zeros((-(-header.height // STRIDE), -(-header.width // STRIDE)))
            for engine, tile, (row, column) in self._tiles(reader):
                part = bits[row.start : row.stop, column.start : column.stop]
                if header.lossless:
                    part[:] = 8 * len(tile.payload) / part.size
                    continue
                part[:] = engine.bits(tile, *part.shape, header.quality)
        return bits

    def latent(self, source, *, max_pixels=MAX_PIXELS):
        """The latent a file decodes to, dequantised: float32 [M, ceil(H/16), ceil(W/16)]; no pixels are made.

        Raises as `scan`, BadOption if it is lossless.
        """
        with _opened(source, lambda header: _check_size(header, max_pixels)) as reader:
            header = reader.header
            if header.lossless:
                raise BadOption("a lossless file holds pixels and no latent")
            latent = np.empty(
                (self._for(header).model.config.latent, -(-header.height // STRIDE), -(-header.width // STRIDE)),
                np.float32,
            )
            for engine, tile, (row, column) in self._tiles(reader):
                y = engine.array(self._decode(engine, tile, header, row, column))
                latent[:, row.start : row.stop, column.start : column.stop] = y
        return latent


@contextmanager
def _opened(source, check, partial=False):
    """Context of a container.Reader, with these arguments, over a path, bytes-like or binary file."""
    with open(source, "rb") if isinstance(source, (str, os.PathLike)) else nullcontext(source) as file:
        if hasattr(file, "seekable") and not file.seekable():  # a pipe, a FIFO, a socket
            file = io.BytesIO(file.read())
        yield container.Reader(file, check, partial)


def _check_size(wanted, max_pixels):
    """Raises TooLarge when more is to be decoded than `max_pixels` allow (0: no limit). wanted: a Header or Region."""
    width, height = wanted.width, wanted.height
    pixels = width * height
    if max_pixels and pixels > max_pixels:
        raise TooLarge(f"{width} x {height} = {pixels} pixels are more than the {max_pixels} that --max-pixels allows")
    positions = -(-width // STRIDE) * -(-height // STRIDE)
    # A line of pixels takes as much memory as 16 lines.
    if max_pixels and positions * STRIDE**2 > 2 * max(max_pixels, MAX_PIXELS):
        raise TooLarge(
            f"{width} x {height} pixels take as much memory as {positions * STRIDE**2}, more than --max-pixels allows"
        )
