"""The 16-bit formats Pillow has no mode for: reads PNG, TIFF and PPM at full depth; `read` calls it.

Pillow keeps 8 bits of 16-bit colour, but its decoders can be asked for either byte of a sample. So a file is decoded
twice, once for the high and once for the low bytes, and every compression, predictor, tiling and interlace Pillow knows
works at full depth.
"""

import sys
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from ..errors import BadImage
from . import pil
from .formats import ppm

UNKNOWN, MULTIPLIED = 0, 1  # kinds of extra samples of a TIFF
ALIKE = 3  # levels of 8 bits that two decoders may differ by
LUMA = 0.299, 0.587, 0.114  # of red, green and blue


def read(file: BinaryIO, image: Any) -> NDArray[Any] | None:
    """Samples [H, W, 1..4] uint16 (uint8 from a PPM that needs no more) of the opened but not yet decoded `image`, or
    None when Pillow itself reads all of its bits.

    `file` is the seekable binary file under it. Decodes `image` too, unless it is a PPM; raises BadImage for what it
    cannot read.
    """
    if image.format not in ("PNG", "TIFF", "PPM") or not image.tile:
        return None
    codec, _, offset, arguments = image.tile[0]
    rawmode = arguments if isinstance(arguments, str) else arguments[0]
    if image.format == "PPM" and codec in ("ppm", "ppm_plain") and image.mode != "1":
        return _read_ppm(file, image, offset, arguments[1], plain=codec == "ppm_plain")
    if image.format == "TIFF" and image.mode.startswith("I;16"):
        return _read_gray_tiff(image, rawmode)
    if image.format == "TIFF" and pil.is_deep_gray_alpha(image.tag_v2):
        return _read_gray_alpha_tiff(image)
    if image.mode not in ("RGB", "RGBA"):
        return None
    if rawmode == "LA;16B":  # as many bytes per pixel as RGBA
        return _decode(image, "RGBA").view(">u2").astype(np.uint16)
    layout, deep, order = rawmode.partition(";16")
    if not deep:
        return None
    high = {"N": {"little": "L", "big": "B"}[sys.byteorder]}.get(order, order)  # libtiff hands out native order
    low = "BL"[high == "B"]
    plain = "RGBA" if layout == "RGBa" else layout
    samples = _decode(image, f"{plain};16{high}").astype(np.uint16) << 8
    samples |= _decode(pil.reopen(image, file), f"{plain};16{low}")
    if layout == "RGBa":
        _divide(samples)
    return samples


def _divide(samples: NDArray[Any]) -> None:
    """Makes of colours that are multiplied by alpha, the last channel, those that are not."""
    alpha = samples[..., -1:].astype(np.uint32)
    colours = (samples[..., :-1].astype(np.uint32) * 65535 + alpha // 2) // np.maximum(alpha, 1)
    samples[..., :-1] = np.minimum(colours, 65535)


def _decode(image: Any, rawmode: str) -> NDArray[Any]:
    """Decodes with `rawmode` in place of the file's own; [H, W, C] uint8."""
    image.tile = [
        tile._replace(args=rawmode if isinstance(tile.args, str) else (rawmode, *tile.args[1:])) for tile in image.tile
    ]
    return np.asarray(pil.decode(image))


def _read_gray_tiff(image: Any, rawmode: str) -> NDArray[Any]:
    """16-bit and 12-bit gray, whose white level and polarity Pillow leaves as they are in the file."""
    samples: NDArray[Any] = np.asarray(pil.decode(image)).astype(np.uint16)[..., None]
    if rawmode == "I;12":
        samples = samples << 4 | samples >> 8
    return ~samples if image.tag_v2.get(262, 0) == 0 else samples


def _read_gray_alpha_tiff(image: Any) -> NDArray[Any]:
    """16-bit gray with another sample, which was opened as RGBA of 8 bits: alpha, by which gray may be multiplied, or
    something unknown that is passed over, as at 8 bits.
    """
    tags = image.tag_v2
    order = "=" if image.tile[0].codec_name == "libtiff" else "<" if tags.prefix == b"II" else ">"
    samples = _decode(image, "RGBA").view(f"{order}u2").astype(np.uint16)
    (kind,) = tags[pil.EXTRA]
    if kind == MULTIPLIED:
        _divide(samples)
    return samples[..., :1] if kind == UNKNOWN else samples


def _read_ppm(file: BinaryIO, image: Any, offset: int, maximum: int, plain: bool) -> NDArray[Any]:
    """PGM and PPM with any maximum, scaled to 8 or 16 bits; uint8 where that holds it. plain: in words, not binary."""
    stored, full = (">u2", 65535) if maximum > 255 else ("u1", 255)
    shape = (image.height, image.width, 3 if image.mode == "RGB" else 1)
    file.seek(offset)
    count = int(np.prod(shape, dtype=np.int64))
    if plain:
        samples = ppm.numbers(file.read(), count, maximum).reshape(shape)
    else:
        size = count * np.dtype(stored).itemsize
        data = file.read(size)
        if len(data) < size:
            raise BadImage(f"the picture is a truncated PPM file ({size} bytes of pixels expected, {len(data)} there)")
        samples = np.minimum(np.frombuffer(data, stored).reshape(shape), maximum).astype(np.uint32)
    return _scaled(samples, maximum).astype(np.uint16 if full > 255 else np.uint8)


def _scaled(samples: NDArray[Any], maximum: int) -> NDArray[Any]:
    """From 0..maximum to the range of 8 bits, or of 16 where it takes these."""
    full = 65535 if maximum > 255 else 255
    return (samples.astype(np.uint32) * full + maximum // 2) // maximum


def of_gray_boxes(samples: NDArray[Any], depth: int) -> NDArray[Any]:
    """Samples of a JPEG 2000 file of 9 to 16 bits with white at 65535: Pillow gives them as the upper bits."""
    return _scaled(samples >> (16 - depth), 2**depth - 1).astype(np.uint16)


def of_boxes(data: bytes, shallow: NDArray[Any], depth: int) -> tuple[NDArray[Any], list[str]]:
    """(samples, what is lost) of an AVIF or JPEG 2000 file of more than 8 bits per sample, of which Pillow gave 8.

    By imagecodecs where it is installed (`pip install aecodec[deep]`), as long as it sees the same picture. Raises
    BadImage for a JPEG 2000 where Pillow alone may be wrong: it rounds what is nearly white up to 256, which is black.
    """
    kind = "AVIF" if data[4:8] == b"ftyp" else "JPEG 2000"
    try:
        import imagecodecs
    except ImportError:
        how = " (pip install 'aecodec[deep]' keeps them)"
    else:
        how = ""
        try:
            found = (imagecodecs.avif_decode if kind == "AVIF" else imagecodecs.jpeg2k_decode)(data)
        except Exception:  # whatever it makes of a file that Pillow has read
            found = shallow
        found = found[..., None] if found.ndim == 2 else found
        if found.shape == shallow.shape and found.dtype == np.uint16 and found.max() < 2**depth:
            samples = _scaled(found, 2**depth - 1).astype(np.uint16)
            if _alike(samples, shallow, wraps=kind != "AVIF"):
                return samples, []
    if kind != "AVIF" and not shallow.all():
        raise BadImage(
            f"the picture is a JPEG 2000 file of {depth} bits per sample, of which Pillow makes black of white{how}"
        )
    return shallow, [f"all but 8 of its {depth} bits per sample{how}"]


def _alike(samples: NDArray[Any], shallow: NDArray[Any], wraps: bool) -> bool:
    """Whether samples of 16 bits are the picture that Pillow gave with 8, as well as two decoders agree.

    Colours of half the size they enlarge in different ways, most of all at the edge of an odd width, so that only the
    luma is near. wraps: 0 may be 256.
    """
    distance = (samples >> 8).astype(np.int16) - shallow
    if wraps:
        distance[shallow == 0] = np.minimum(distance[shallow == 0], 256 - distance[shallow == 0])
    if np.abs(distance).max() <= ALIKE:
        return True
    if wraps or shallow.shape[2] < 3 or np.abs(distance[..., 3:]).max(initial=0) > ALIKE:
        return False
    luma = distance[..., :3].astype(np.float32) @ np.array(LUMA, np.float32)
    return float(np.abs(luma).mean()) <= 1 and float(np.abs(distance).mean()) <= ALIKE
