"""Pictures from files, bytes, arrays and PIL images: the first stage of the codec, as `write` is its last.

Below it, `pil` fences Pillow, `deep` reads the 16-bit formats beyond Pillow, and `metadata` takes care of what travels
with the pixels.
"""

import contextlib
import io
import os
import re
from collections.abc import Callable, Iterable
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..errors import BadImage, CodecError, TooLarge
from . import colour, deep, exif, metadata, pil, xmp
from .formats import ancillary, avif, bmp, jpeg, jpeg2000, planes, png, tiff
from .formats.chunks import SIGNATURE
from .picture import Picture
from .terms import MAX_PIXELS


def load(source: Any, max_pixels: int = MAX_PIXELS) -> Picture:
    """Picture of `source`: a path, bytes, a binary file, a PIL image, an array [H, W] or [H, W, 1..4] of uint8 or
    uint16, or a Picture.

    Raises TooLarge above `max_pixels` (0: no limit) before a pixel is decoded, BadImage for everything that is not one
    whole picture.
    """
    if isinstance(source, Picture):
        check_size(source.width, source.height, max_pixels)
        return source
    if isinstance(source, np.ndarray):
        return _from_array(source, max_pixels)
    if isinstance(source, Image.Image):
        with pil.refusing("the picture cannot be decoded"):
            check_size(*source.size, max_pixels)
            if getattr(source, "tile", None) and getattr(source, "fp", None) is None:
                raise BadImage("the PIL image was closed before it was decoded")
            return _from_pil(source, None, _suffix(getattr(source, "filename", None) or ""))
    file, suffix = open_file(source)
    with file, pil.refusing("the picture cannot be decoded"):
        return load_file(file, suffix, max_pixels)


def open_file(source: Any) -> tuple[BinaryIO, str]:
    """(seekable binary file, suffix of its name or "") of a path, bytes or a binary file; raises BadImage."""
    try:
        if isinstance(source, (bytes, bytearray, memoryview)):
            return tiff.readable(io.BytesIO(source)), ""
        if hasattr(source, "read"):
            return tiff.readable(io.BytesIO(source.read())), ""  # its name may be that of an archive
        file = open(os.fspath(source), "rb")  # fspath: a number is no file descriptor here
        return tiff.readable(file if file.seekable() else io.BytesIO(file.read())), _suffix(source)
    except OSError as error:
        raise BadImage(f"the picture cannot be read ({(error.strerror or str(error)).lower()})") from error
    except (TypeError, ValueError, BufferError) as error:
        raise BadImage("a picture must be a path, bytes, a binary file, a PIL image or an array") from error


def check_size(width: int, height: int, max_pixels: int) -> None:
    """Raises BadImage for no pixels, TooLarge for more than `max_pixels` (0: no limit)."""
    if width < 1 or height < 1:
        raise BadImage(f"the picture is empty ({width} x {height} pixels)")
    if max_pixels and width * height > max_pixels:
        raise TooLarge(
            f"the picture has {width} x {height} = {width * height} pixels, more than the limit of {max_pixels}"
            " (raise it with --max-pixels)"
        )


def _suffix(path: Any) -> str:
    suffix = os.path.splitext(os.fsdecode(path))[1][1:].lower()
    return suffix if re.fullmatch("[a-z0-9]{1,8}", suffix) else ""


def _from_array(array: NDArray[Any], max_pixels: int) -> Picture:
    samples = array[..., None] if array.ndim == 2 else array
    if (
        samples.ndim != 3
        or not 1 <= samples.shape[2] <= 4
        or array.dtype.newbyteorder("=") not in (np.uint8, np.uint16)
    ):
        raise BadImage(
            f"an array must be [H, W] or [H, W, 1 to 4] of uint8 or uint16, not {list(array.shape)} of {array.dtype}"
        )
    check_size(samples.shape[1], samples.shape[0], max_pixels)
    return Picture(*_split(samples.astype(samples.dtype.newbyteorder("="), copy=False)))


def load_file(file: BinaryIO, suffix: str, max_pixels: int) -> Picture:
    """Picture of a seekable binary file, read whole. Call it inside `pil.refusing`."""
    file.seek(0)
    if file.read(len(SIGNATURE)) == SIGNATURE:
        return _load_png(file, suffix, max_pixels)
    file.seek(0)
    image = pil.open_picture(file)
    check_size(image.width, image.height, max_pixels)
    notes: list[str] = []
    if image.format == "TIFF" and (joined := planes.together(file, image)):
        return load_file(joined, suffix, max_pixels)
    if image.format in ("JPEG", "MPO"):
        notes += jpeg.lost(file, image)
        image.info["xmp"], whole = jpeg.with_extension(file, image.info.get("xmp"))
        notes += [] if whole else ["a part of its XMP that is not in the file"]
    elif image.format == "BMP" and (icc := bmp.profile(file)):
        image.info["icc_profile"] = icc
    elif image.format in ("AVIF", "JPEG2000"):
        file.seek(0)
        data = file.read()
        if image.format == "AVIF":
            code, depth, lost = avif.described(data)
            notes += lost
            if code and not image.info.get("icc_profile"):
                image.info["cicp"] = colour.cicp(*code)
        else:
            icc, depth = jpeg2000.described(data)
            if icc:
                image.info["icc_profile"] = icc
        if depth > 8 and image.mode.startswith("I"):
            return _from_pil(image, file, suffix, notes, lambda decoded: (deep.of_gray_boxes(decoded, depth), []))
        if depth > 8:
            return _from_pil(image, file, suffix, notes, lambda decoded: deep.of_boxes(data, decoded, depth))
    return _from_pil(image, file, suffix, notes)


def _load_png(file: BinaryIO, suffix: str, max_pixels: int) -> Picture:
    width, height, depth, kind, _ = png.header(file)
    check_size(width, height, max_pixels)
    png.check(file)
    pixels = ancillary.bare(file)
    image = pil.open_picture(pixels)
    if kind == 0 and depth in (2, 4) and "transparency" in image.info:
        image.info["transparency"] *= 255 // (2**depth - 1)  # Pillow widens the pixels only
    described, notes = ancillary.described(file)
    image.info.update(described)
    return _from_pil(image, pixels, suffix, notes)


def _from_pil(
    image: Any,
    file: BinaryIO | None,
    suffix: str,
    notes: Iterable[str] = (),
    deeper: Callable[[NDArray[Any]], tuple[NDArray[Any], list[str]]] | None = None,
) -> Picture:
    """Picture of a PIL image; `file` is the binary file under one that was opened here, else None.

    deeper(decoded samples): (samples, notes) with all of its bits, where Pillow gives 8 of them only.
    """
    was_turned = image.format == "TIFF" and image.getexif().get(exif.ORIENTATION, 1) in range(2, 9)  # Pillow does that
    if image.format == "TIFF" and file is not None:
        tiff.check(image)
        pil.check_strips(image)
        pil.check_pages(pil.reopen(image, file))
    elif getattr(image, "is_animated", False) and image.format != "MPO":
        # The other frames of MPO are a JPEG's previews or gain maps.
        raise BadImage("the picture is an animation, which is not supported")
    code = _code_of(image) if file is None else None
    samples = deep.read(file, image) if file is not None else None
    if samples is None:
        samples = _samples(pil.decode(image))
        if image.format == "TIFF" and file is not None:
            tiff.check_signs(image, samples)
            if image.mode == "CMYK" and (bits := pil.bits(image)) > 8:  # Pillow asks their profiles in 8 bits
                notes = [*notes, f"all but 8 of its {bits} bits per sample"]
    if deeper:
        samples, more = deeper(samples)
        notes = [*notes, *more]
    pixels, alpha = _split(samples)
    key = image.info.get("transparency")
    # One gray level or colour may mean transparent; what PIL images of palettes had may still be there.
    if alpha is None and np.size(key) in (1, pixels.shape[2]) and np.asarray(key).dtype.kind in "iu":
        key = np.bitwise_and(key, np.iinfo(pixels.dtype).max)
        alpha = np.where((pixels == key).all(axis=2), 0, np.iinfo(pixels.dtype).max).astype(pixels.dtype)
    described = metadata.from_pil(image, pixels.shape[2] == 1, notes, code)
    if was_turned and described["xmp"]:
        described["xmp"] = xmp.upright(described["xmp"])
    return Picture(pixels, alpha, suffix=suffix, **described)


def _code_of(image: Image.Image) -> bytes | None:
    """Code points of colours in the file under a PIL image, which Pillow does not tell: as long as it is there, open
    while the image is not decoded yet, or named.
    """
    name: Any = getattr(image, "filename", None)
    file: Any = getattr(image, "fp", None)
    if image.format not in ("AVIF", "PNG") or not (file or name):
        return None
    icc = image.info.get("icc_profile")
    if icc and not (file and image.format == "PNG"):
        return None  # what a decoded picture says may have become true since, and that of an AVIF comes first
    with contextlib.suppress(OSError, ValueError, CodecError):
        if file is None:
            with open(name, "rb") as again:
                return _code_in(again, image) if pil.open_picture(again).size == image.size else None
        place = file.tell()
        try:
            return _code_in(file, image)
        finally:
            file.seek(place)
    return None


def _code_in(file: BinaryIO, image: Image.Image) -> bytes | None:
    """Of an AVIF or PNG."""
    if image.format == "PNG":
        return ancillary.described(file)[0].get("cicp")
    file.seek(0)
    code, *_ = avif.described(file.read())
    return colour.cicp(*code) if code else None


def _samples(image: Any) -> NDArray[Any]:
    """Samples [H, W, 1..4] uint8 or uint16 of a decoded PIL image of any mode."""
    mode = image.mode
    if mode.startswith("I"):  # I, I;16, I;16B
        samples = np.asarray(image)
        if samples.min() < 0 or samples.max() > 65535:
            raise BadImage("the picture has 32-bit pixels outside the range of 16 bits, which is not supported")
        return samples.astype(np.uint16)[..., None]
    if mode == "CMYK":
        icc = image.info.get("icc_profile")
        image = _convert_cmyk(image, icc) if metadata.profile_space(icc) == b"CMYK" else image.convert("RGB")
    elif mode == "LAB":
        from PIL import ImageCms

        image = ImageCms.profileToProfile(
            image, ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), outputMode="RGB"
        )
    elif mode == "P":
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    elif mode in ("1", "La", "PA", "RGBa", "RGBX", "YCbCr", "HSV"):
        image = image.convert({"1": "L", "La": "LA", "PA": "RGBA", "RGBa": "RGBA"}.get(mode, "RGB"))
    elif mode not in ("L", "LA", "RGB", "RGBA"):
        raise BadImage(
            f"the picture has pixels of Pillow's mode {mode}, which is not supported: "
            "convert them to 8 or 16 bits first"
        )
    samples = np.asarray(image)
    return samples[..., None] if samples.ndim == 2 else samples


def _convert_cmyk(image: Image.Image, icc: bytes) -> Image.Image | None:
    from PIL import ImageCms

    try:
        return ImageCms.profileToProfile(image, io.BytesIO(icc), ImageCms.createProfile("sRGB"), outputMode="RGB")
    except ImageCms.PyCMSError:  # a broken profile is as good as none
        return image.convert("RGB")


def _split(samples: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any] | None]:
    """[H, W, 1..4] into (pixels, alpha or None), contiguous and writable (what comes from Pillow is not, and torch
    would warn).
    """
    if samples.shape[2] % 2:
        return np.require(samples, requirements=["C", "W"]), None
    return np.require(samples[..., :-1], requirements=["C", "W"]), np.require(samples[..., -1], requirements=["C", "W"])
