"""The short way from a file to a PNG, which most files can go: one tile of colours or gray of 8 bits, with metadata but
without alpha or parts that are drawn, by the engine in C.

Neither numpy nor Pillow is imported, which takes as long as all the rest. `decoder` and `pixels.write` make the same
picture of every file.
"""

import ctypes
import zlib
from typing import NamedTuple

from ..bitstream.container import Header, Reader
from ..engine.native.loaded import Loaded, filtered
from ..errors import CodecError
from ..model.config import STRIDE
from ..pixels.formats.chunks import LEVEL, beginning, chunk
from ..pixels.terms import KINDS

MOST_ICC = 2**20  # bytes that readers of PNG take
TIFF = b"II*\0", b"MM\0*"  # how EXIF begins that a PNG can hold


class Plain(NamedTuple):
    """A picture: samples [height, width, channels] of 8 bits, metadata by kind."""

    header: Header
    samples: bytearray
    metadata: dict[str, bytes]

    def png(self) -> bytes:
        """Raises MemoryError."""
        header = self.header
        start = beginning(header.width, header.height, header.channels, 8, **self.metadata)
        rows = filtered(self.samples, header.height, header.channels)
        return start + chunk(b"IDAT", zlib.compress(rows, LEVEL)) + chunk(b"IEND", b"")


def decoded(loaded: Loaded, source: bytes | str, max_pixels: int) -> Plain | None:
    """The picture of a file, bytes or a path; None where it has to go the long way, which also says what is wrong with
    it. Raises OSError, MemoryError.
    """
    if isinstance(source, str):
        with open(source, "rb") as file:
            source = file.read()
    try:
        reader = Reader(source)
        header, metadata = reader.header, {kind: reader.section(kind) or b"" for kind in reader.sections}
        if not _is_plain(header, metadata, loaded, max_pixels):
            return None
        h, w = -(-header.height // STRIDE), -(-header.width // STRIDE)
        latents = (ctypes.c_int32 * (h * w * loaded.config.latent))()
        place = ctypes.addressof(latents)
        loaded.read(reader.tile(0), h, w, header.quality, place)
        samples = loaded.render(place, h, w, header.quality, (header.height, header.width, header.channels))
        return Plain(header, samples, metadata)
    except CodecError:
        return None


def _is_plain(header: Header, metadata: dict[str, bytes], loaded: Loaded, max_pixels: int) -> bool:
    return (
        header.tile_count == 1
        and header.depth == 8
        and header.model == loaded.id
        and (not max_pixels or header.width * header.height <= max_pixels)
        and metadata.keys() <= {*KINDS}
        and metadata.get("exif", TIFF[0])[:4] in TIFF
        and len(metadata.get("icc", b"")) <= MOST_ICC
    )
