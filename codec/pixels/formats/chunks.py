"""What a PNG is made of but for its pixels: the signature and the chunks before them. `png` has the rest."""

import struct
import zlib

SIGNATURE = b"\x89PNG\r\n\x1a\n"
COLOURS = {1: 0, 2: 4, 3: 2, 4: 6}  # samples per pixel: colour type (gray, gray + alpha, RGB, RGBA)
LEVEL = 2  # of zlib: photographs are 1.3 % larger than at 3, in three fifths of its time, and 1.1 % smaller than at 1


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(data, zlib.crc32(kind)))


def beginning(
    width: int,
    height: int,
    channels: int,
    depth: int,
    icc: bytes | None = None,
    exif: bytes | None = None,
    xmp: bytes | None = None,
    cicp: bytes | None = None,
) -> bytes:
    """All before the pixels.

    channels: 1 gray, 2 gray and alpha, 3 RGB, 4 RGBA; depth: 8 or 16; `exif` is the bare TIFF block.
    """
    start = SIGNATURE + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, COLOURS[channels], 0, 0, 0))
    if cicp:
        start += chunk(b"cICP", cicp)
    if icc:
        start += chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(icc))
    if exif:
        start += chunk(b"eXIf", exif)
    if xmp:
        start += chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp)
    return start
