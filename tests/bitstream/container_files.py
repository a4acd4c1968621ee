"""Files and headers for the tests of the container."""

import random
import re
from pathlib import Path
from zlib import crc32

from codec.bitstream import container
from codec.bitstream.container import Aec, Header, Tile, pack

FORMAT = Path(container.__file__).with_name("FORMAT.md").read_text("utf-8")


EXAMPLE_HEADER = Header(5, 3, 155, channels=1, depth=16, alpha=True, model=b"\xde\xad\xbe\xef", suffix="webp")


EXAMPLE = Aec(EXAMPLE_HEADER, [Tile(b"0123", 7)], {"alpha": b"PNG", "xmp": b"<x/>"})


EXAMPLE_BYTES = pack(EXAMPLE)  # header 44 bytes, payload 4, alpha 3, xmp 4


def random_aec(rng: random.Random) -> Aec:
    width, height = (rng.choice((1, 127, 128, 1024, 1025, rng.randint(1, 5000))) for _ in "wh")
    quality = rng.choice((100, 127, 128, 10000, rng.randint(100, 10000)))
    channels, depth, alpha = rng.choice((1, 3)), rng.choice((8, 16)), rng.random() < 0.5
    suffix = rng.choice(("", "png", "jpg", "jpeg", "a", "abcdefg8"))
    lossless = rng.random() < 0.3
    header = Header(
        width,
        height,
        quality,
        channels,
        depth,
        alpha,
        bytes(4) if lossless else rng.randbytes(4),
        suffix,
        lossless,
        lossless and rng.random() < 0.5,
    )
    tiles = [
        Tile(rng.randbytes(rng.choice((0, 4, 127, 128, 300))), rng.getrandbits(32)) for _ in range(header.tile_count)
    ]
    kinds = (
        [kind for kind in ("icc", "exif", "xmp") if rng.random() < 0.4]
        + ["alpha"] * header.alpha
        + ["drawn"] * (header.may_be_drawn and rng.random() < 0.5)
    )
    sections = {kind: rng.randbytes(rng.randint(1, 200)) for kind in kinds}
    if rng.random() < 0.3:
        sections["cicp"] = rng.randbytes(2) + bytes([0, rng.randint(0, 1)])
    if header.depth == 16 and rng.random() < 0.5:
        low = rng.randrange(65536)
        sections["range"] = low.to_bytes(2, "little") + rng.randrange(low, 65536).to_bytes(2, "little")
    return Aec(header, tiles, sections)


def sealed(start_to_section: bytes, rest: bytes = b"") -> bytes:
    """A file whose header checksum is right, whatever the header says."""
    return start_to_section + crc32(start_to_section).to_bytes(4, "little") + rest


def varint(value: int) -> bytes:
    groups = [value >> shift & 127 | 128 for shift in range(0, max(value.bit_length(), 1), 7)]
    return bytes(groups[:-1] + [groups[-1] & 127])


def table(*columns: str) -> list[list[str]]:
    """Rows of the table of FORMAT.md that begins with these columns, cut to them."""
    (rows,) = re.findall(rf"^\| {re.escape(' | '.join(columns))} \|.*\n\|[-|]+\n((?:\|.*\n)+)", FORMAT, re.MULTILINE)
    return [[cell.strip() for cell in row.split("|")[1 : len(columns) + 1]] for row in rows.splitlines()]
