"""Planes and tiles kept to the last bit: WebP lossless for tiles, strict PNG for alpha planes; `pipeline` calls it.

WebP knows 8 bits: 16-bit samples are given to it as their high and low bytes. That takes 15 to 50 % less than PNG for
photographs, depth and medical pictures, and far less for labels and masks.

Graphics and screenshots are what the networks are worst at and what these are best at: they then take fewer bytes than
any lossy quality. `contest` says when.
"""

import functools
import io
import struct
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.WebPImagePlugin import WebPImageFile

from ..errors import BadImage, Corrupt
from ..pixels import pil
from ..pixels.formats import png

# These settings come within 3 % of the smallest on screenshots, in a fiftieth of the time.
WEBP = {"lossless": True, "quality": 75, "method": 4}
RIFF = 20  # bytes of the container around a WebP bitstream: RIFF, its size, WEBP, VP8L, the bitstream's size
VP8L = 0x2F  # signature of the bitstream
NO_MEMORY = "encoding error 1"  # as Pillow says it of libwebp
SMALL_PIXELS = 256**2  # pixels of tiles that are coded again, the same, at other qualities
SAMPLED = 8  # one row or pair of rows in so many is looked at
RUN = 16  # pixels


def equal(pixels: NDArray[Any], step: int = 1) -> float:
    """Share of the pixels [H, W, C], rounded to multiples of a step, that are equal to a neighbour: 0.05 to 0.31 on
    Kodak's photographs, 0.87 on a page of text.
    """
    rows, above = pixels[1::SAMPLED], pixels[:-1:SAMPLED]
    if not rows.size:
        return 0.0
    if step > 1:
        rows, above = rounded(rows, step), rounded(above, step)

    # Channel by channel: numpy's `all` over three channels takes five times as long.
    def same_as(a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.bool_]:
        return functools.reduce(np.logical_and, np.moveaxis(a == b, 2, 0))

    same = same_as(rows, above)
    same[:, 1:] |= same_as(rows[:, 1:], rows[:, :-1])
    return float(same.mean())


def plain(pixels: NDArray[Any]) -> float:
    """Share of runs of 16 pixels [H, W, C] that have one colour, in some rows."""
    rows, channels = pixels[1::SAMPLED, : pixels.shape[1] // RUN * RUN], pixels.shape[2]
    runs = rows.reshape(len(rows), pixels.shape[1] // RUN, RUN * channels)
    # Every pixel is the one before: numpy's `all` over one axis takes a fifth of that over two.
    return float((runs[:, :, channels:] == runs[:, :, :-channels]).all(2).mean()) if runs.size else 0.0


def regular(pixels: NDArray[Any]) -> float:
    """Share of the pixels [H, W, C] that differ from the one before as those above do, in some rows: 1 on slopes."""
    rows = np.diff(pixels[1::SAMPLED].astype(np.int32), axis=1)
    above = np.diff(pixels[:-1:SAMPLED].astype(np.int32), axis=1)
    return float((rows == above).all(2).mean()) if rows.size else 0.0


def rounded(pixels: NDArray[Any], step: int) -> NDArray[Any]:
    """Samples rounded to multiples of a step in levels of 8 bits, halves to even ones so that the mean stays; white
    stays white.
    """
    unit = np.iinfo(pixels.dtype).max // 255
    levels: NDArray[np.float32] = np.minimum(np.rint(pixels / np.float32(unit * step)) * step, 255)
    return (levels * unit).astype(pixels.dtype)


def encode(pixels: NDArray[Any]) -> bytes:
    """Bytes of a tile [H, W, 1 or 3] of uint8 or uint16, at most 8191 pixels wide and 16383 high."""
    samples = _bytes(pixels) if pixels.dtype == np.uint16 else np.broadcast_to(pixels, (*pixels.shape[:2], 3))
    return (_webp_again if samples.size <= 3 * SMALL_PIXELS else _webp)(samples.shape, samples.tobytes())


def _bytes(pixels: NDArray[Any]) -> NDArray[Any]:
    """uint16 samples as uint8 ones [H, W, 3]: gray as green and blue; colours as two pictures side by side, or as one
    where the low bytes say nothing.
    """
    high, low = (pixels >> 8).astype(np.uint8), pixels.astype(np.uint8)
    widened = np.array_equal(high, low)  # 8-bit samples, times 257
    if pixels.shape[2] == 1:
        return np.concatenate([high if widened else np.zeros_like(high), high, low], 2)
    return high if widened else np.concatenate([high, low], 1)


def webp(samples: NDArray[Any]) -> bytes:
    """WebP lossless bitstream of uint8 samples [H, W, 3 or 4], at most 16383 pixels per side; colours of transparent
    ones are lost.
    """
    return _webp(samples.shape, samples.tobytes())


def _webp(shape: tuple[int, ...], samples: bytes) -> bytes:
    file = io.BytesIO()
    try:
        Image.frombytes("RGBA"[: shape[2]], (shape[1], shape[0]), samples).save(file, "WEBP", **WEBP)
    except ValueError as error:
        if str(error) == NO_MEMORY:
            raise MemoryError from error
        raise
    data = file.getvalue()
    (size,) = struct.unpack_from("<I", data, RIFF - 4)
    return data[RIFF : RIFF + size]


_webp_again = functools.lru_cache(8)(_webp)


def decode(data: bytes, height: int, width: int, channels: int, depth: int) -> NDArray[Any]:
    """The tile [height, width, channels] of `encode`.

    Raises Corrupt, before a pixel is decoded when its size or kind is another.
    """
    if depth == 8:
        return decode_webp(data, height, width, 3, "a lossless tile")[..., :channels]
    if channels == 1:
        samples = decode_webp(data, height, width, 3, "a lossless tile").astype(np.uint16)
        return samples[..., 1:2] << 8 | samples[..., 2:]
    halves = len(data) > 4 and (struct.unpack_from("<I", data, 1)[0] & 0x3FFF) + 1 == 2 * width
    samples = decode_webp(data, height, width * (1 + halves), 3, "a lossless tile").astype(np.uint16)
    return samples[:, :width] << 8 | samples[:, -width:]


def decode_webp(data: bytes, height: int, width: int, channels: int, name: str) -> NDArray[Any]:
    """Samples uint8 [height, width, channels 3 or 4] of `webp`.

    Raises Corrupt, in a sentence that begins with `name`, before a pixel is decoded when the size is another.
    """
    mode, kind = "RGBA"[:channels], f"of {width} x {height} pixels with{'out' * (channels == 3)} alpha"
    with pil.refusing(f"{name} is broken", Corrupt):
        if len(data) < 5 or data[0] != VP8L:
            raise Corrupt(f"{name} is not a WebP lossless bitstream")
        # 14 bits of width - 1, 14 of height - 1, one of alpha_is_used, 3 of version.
        (head,) = struct.unpack_from("<I", data, 1)
        if head != width - 1 | height - 1 << 14 | (channels == 4) << 28:
            raise Corrupt(f"{name} is not {kind}")
        odd = len(data) % 2
        riff = struct.pack("<4sI8sI", b"RIFF", 12 + len(data) + odd, b"WEBPVP8L", len(data)) + data + bytes(odd)
        image = pil.decode(WebPImageFile(io.BytesIO(riff), ""))
        if image.mode != mode or image.size != (width, height):
            raise Corrupt(f"{name} is not {kind}")
        return np.asarray(image)


def checksum(pixels: NDArray[Any]) -> int:
    """CRC-32 of a tile's samples, little-endian."""
    return zlib.crc32(np.ascontiguousarray(pixels, pixels.dtype.newbyteorder("<")).data)


def png_rows(data: bytes, height: int, width: int, channels: int, depth: int, name: str) -> Iterator[NDArray[Any]]:
    """Yields the rows [n, width, channels] of a PNG of just these sizes, not interlaced, that holds nothing but its
    pixels.

    `name` begins the sentence of Corrupt, which is raised for everything else, before a pixel is decoded when the size,
    the depth or the kind of PNG is another.
    """
    colour, word = {1: (0, "gray"), 3: (2, "RGB")}[channels]
    try:
        file = io.BytesIO(data)
        if png.header(file) != (width, height, depth, colour, False):
            raise Corrupt(f"{name} is not a {word} PNG of {width} x {height} pixels with {depth} bits")
        kinds: set[bytes] = set()
        for raw in png.rows(file, kinds):
            yield raw.view(f">u{depth // 8}").astype(f"u{depth // 8}").reshape(-1, width, channels)
    except (BadImage, TypeError) as error:
        raise Corrupt(f"{name} is not a whole PNG") from error
    if not kinds <= {b"IHDR", b"IDAT", b"IEND"} or file.read(1):
        raise Corrupt(f"{name} is a PNG with more than its pixels")
