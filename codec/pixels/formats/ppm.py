"""Binary PGM and PPM by rows; used by `scanner` and `read`."""

import os
import re
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import ImageFile

from ...errors import BadImage

STRETCH = 1 << 22  # bytes read at a time
HEAD = re.compile(rb"P[56](?:\s+|#[^\r\n]*[\r\n])+\d+(?:\s+|#[^\r\n]*[\r\n])+\d+(?:\s+|#[^\r\n]*[\r\n])+(\d+)")


class Writer:
    """Writes the header to a binary file at once and samples [n, width, 1 or 3] of 8 or 16 bits as they come."""

    def __init__(self, file: BinaryIO, width: int, height: int, channels: int, depth: int):
        self._file, self._type = file, f">u{depth // 8}"
        file.write(b"P%d\n%d %d\n%d\n" % (6 if channels == 3 else 5, width, height, 2**depth - 1))

    def write(self, samples: NDArray[Any]) -> None:
        self._file.write(np.ascontiguousarray(samples, self._type).data)

    def close(self) -> None:
        pass


def cut(file: BinaryIO, opened: ImageFile.ImageFile) -> tuple[bytes, Callable[[], Iterator[bytes]]] | None:
    """A large PGM or PPM as `scanner` wants it, (small file, pieces): one row, and what gives the rows as small files;
    None for the other kinds.
    """
    codec, _, offset, _ = opened.tile[0]
    file.seek(0)
    head = HEAD.match(file.read(offset))
    if codec not in ("raw", "ppm") or not head:
        return None
    maximum = int(head[1])
    stride = opened.width * (3 if opened.mode == "RGB" else 1) * (2 if maximum > 255 else 1)
    if (there := file.seek(0, os.SEEK_END) - offset) < stride * opened.height:
        raise BadImage(
            f"the picture is a truncated PPM file ({stride * opened.height} bytes of pixels expected, {there} there)"
        )

    def small(top: int, count: int) -> bytes:
        file.seek(offset + top * stride)
        return b"P%d\n%d %d\n%d\n" % (6 if opened.mode == "RGB" else 5, opened.width, count, maximum) + file.read(
            count * stride
        )

    def pieces() -> Iterator[bytes]:
        count = max(1, STRETCH // stride)
        for top in range(0, opened.height, count):
            yield small(top, min(count, opened.height - top))

    return small(0, 1), pieces
