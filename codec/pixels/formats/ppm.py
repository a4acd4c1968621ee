"""PGM and PPM: binary ones by rows, plain ones as numbers; used by `scanner`, `deep` and `write`."""

import os
import re
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import ImageFile

from ...errors import BadImage

STRETCH = 1 << 22  # bytes read at a time
BLOCK, MOST_DIGITS = 1 << 18, 10  # bytes of numbers read at a time; zeros may lead
COMMENT, SPACE = re.compile(rb"#[^\r\n]*"), re.compile(rb"\s")
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


def numbers(text: bytes, count: int, maximum: int) -> NDArray[Any]:
    """The first `count` numbers, uint16, of a plain file behind its head, where a comment is as good as a space.

    Raises BadImage unless all are there, from 0 to `maximum`.
    """
    if b"#" in text:
        text = COMMENT.sub(b" ", text)
    found, done, place = np.empty(count, np.uint16), 0, 0
    while done < count and place < len(text):
        gap = SPACE.search(text, place + BLOCK)
        stop = gap.start() if gap else len(text)
        words = text[place:stop].split()[: count - done]
        place = stop
        if not words:
            continue
        if not b"".join(words).isdigit() or max(map(len, words)) > MOST_DIGITS:
            raise BadImage("the picture is a broken PPM file (it holds something other than numbers)")
        values = np.array(words).astype(np.int64)
        if values.max() > maximum:
            raise BadImage(f"the picture is a broken PPM file (a number is larger than {maximum})")
        found[done : done + len(values)] = values
        done += len(values)
    if done < count:
        raise BadImage(f"the picture is a truncated PPM file ({count} numbers expected, {done} there)")
    return found


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
