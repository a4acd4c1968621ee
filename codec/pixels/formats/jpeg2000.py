"""What a JPEG 2000 file says of its colours and depth, which Pillow does not tell; used by `read`."""

import struct

from .boxes import boxes

CODESTREAM = b"\xff\x4f\xff\x51"  # its first two markers; sizes and components follow


def described(data: bytes) -> tuple[bytes | None, int]:
    """(ICC profile or None, most bits per sample of a component)."""
    icc, depth, start = None, 8, data.find(CODESTREAM)
    try:
        (count,) = struct.unpack_from(">H", data, start + 40)
        depth = max((data[start + 42 + 3 * i] & 127) + 1 for i in range(count)) if start >= 0 else 8
        for kind, first, last in boxes(data, 0, len(data)) if not data.startswith(CODESTREAM) else ():
            for inner, place, end in boxes(data, first, last) if kind == b"jp2h" else ():
                if inner == b"colr" and data[place] == 2:
                    icc = data[place + 3 : end]
    except (struct.error, IndexError, ValueError):
        pass
    return icc, depth
