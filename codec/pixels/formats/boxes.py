"""The boxes that AVIF and JPEG 2000 files are made of."""

import struct
from collections.abc import Iterator


def boxes(data: bytes, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Yields (kind, start, end) of the contents of the boxes one after the other. Raises ValueError where they do not
    fill the place.
    """
    while start < end:
        size, kind = struct.unpack_from(">I4s", data, start)
        head = 8
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, start + 8)
            head = 16
        size = size or end - start
        if size < head or start + size > end:
            raise ValueError("a box longer than its place")
        yield kind, start + head, start + size
        start += size
