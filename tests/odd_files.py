"""What the odd files are made of, and where they are collected: ODD and BROKEN."""

import io
import itertools
import struct
import zlib

import numpy as np
from PIL import ImageCms

SIGNATURE = b"\x89PNG\r\n\x1a\n"
# The passes of Adam7: x, y, and the steps along both.
PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
ODD, BROKEN = {}, {}  # name: (bytes, samples [H,W,1..4] or None where lossy); name: bytes


def chunk(kind, data=b""):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(data, zlib.crc32(kind)))


def header(width, height, depth, colour, interlaced=0, compression=0, filtering=0):
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, compression, filtering, interlaced))


def scanlines(levels, depth, filters=(0,)):
    """Filtered rows of levels [H, W, C]."""
    if not levels.size:
        return b""
    height, _, channels = levels.shape
    bits = np.unpackbits(levels[..., None].astype(">u2").view(np.uint8), axis=-1).reshape(*levels.shape, 16)[
        ..., 16 - depth :
    ]
    rows = np.packbits(bits.reshape(height, -1), axis=1).astype(int)
    step = max(1, depth * channels // 8)
    out, above = [], np.zeros_like(rows[0])
    for row, kind in zip(rows, itertools.cycle(filters)):
        left, corner = (np.pad(line, (step, 0))[:-step] for line in (row, above))
        estimate = left + above - corner
        near = np.abs(np.stack([estimate - left, estimate - above, estimate - corner])).argmin(0)
        guess = (0 * row, left, above, (left + above) // 2, np.choose(near, (left, above, corner)))[kind]
        out.append(bytes([kind]) + ((row - guess) % 256).astype(np.uint8).tobytes())
        above = row
    return b"".join(out)


def png(
    levels, depth, colour, before=b"", after=b"", interlaced=False, filters=(0,), level=6, splits=None, palette=None
):
    """A whole file of levels [H, W, C]; `before` and `after` are chunks around the IDAT, of `splits` bytes each."""
    height, width = levels.shape[:2]
    parts = [levels[y::down, x::across] for x, y, across, down in PASSES] if interlaced else [levels]
    data = zlib.compress(b"".join(scanlines(part, depth, filters) for part in parts), level)
    pieces = [data[i : i + splits] for i in range(0, len(data), splits)] if splits else [data]
    plte = chunk(b"PLTE", palette.astype(np.uint8).tobytes()) if palette is not None else b""
    body = b"".join(chunk(b"IDAT", piece) for piece in pieces)
    return SIGNATURE + header(width, height, depth, colour, interlaced) + plte + before + body + after + chunk(b"IEND")


def noise(shape, top, seed=0):
    return np.random.default_rng(seed).integers(0, top + 1, shape)


def saved(image, format, **options):
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def smooth(channels=3, seed=0, top=255):
    rows, columns = np.mgrid[:32, :40] / 40
    planes = [0.5 + 0.4 * np.sin(5 * rows + 7 * columns * (c + 1) + seed) for c in range(channels)]
    return np.rint(np.dstack(planes) * top).astype(np.uint16 if top > 255 else np.uint8)
