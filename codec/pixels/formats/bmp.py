"""The ICC profile inside a BMP, which Pillow does not look for; used by `read`."""

import struct
from typing import BinaryIO

FILE_HEAD, VERSION_5 = 14, 124  # bytes
EMBEDDED = b"DEBM"  # the kind of colour space "MBED", little-endian


def profile(file: BinaryIO) -> bytes | None:
    """That of a file of version 5."""
    file.seek(0)
    head = file.read(FILE_HEAD + VERSION_5)
    if len(head) < FILE_HEAD + VERSION_5 or struct.unpack_from("<I", head, FILE_HEAD)[0] != VERSION_5:
        return None
    start, size = struct.unpack_from("<II", head, FILE_HEAD + 112)
    if head[FILE_HEAD + 56 : FILE_HEAD + 60] != EMBEDDED or not size:
        return None
    file.seek(FILE_HEAD + start)
    return file.read(size)
