"""Pictures: from files, bytes, arrays and PIL images into a Picture, and from a Picture into PIL images and files.

The first and last stage of the codec; `tiles` takes over from here. Below it, `pil` fences Pillow, `deep` reads and writes the 16-bit
formats beyond Pillow, and `metadata` takes care of what travels with the pixels. A Picture keeps what the source had: bit depth, gray
or colour, alpha, ICC profile, EXIF (with its orientation: pixels are not turned) and XMP.
"""

import io
import os
import re
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo

from . import deep, lossless, metadata, pil
from .errors import BadImage, BadOption, TooLarge

MAX_PIXELS = 2**28

SUFFIXES = {
    "png": "PNG", "jpg": "JPEG", "jpeg": "JPEG", "webp": "WEBP", "avif": "AVIF", "tif": "TIFF", "tiff": "TIFF",
    "bmp": "BMP", "ppm": "PPM", "pgm": "PPM", "pnm": "PPM",
}  # fmt: skip
WITH_ALPHA = ("PNG", "WEBP", "AVIF", "TIFF")
WITH_DEPTH = ("PNG", "TIFF", "PPM")  # the others get 8 bits
MAX_SIDE = {"JPEG": 65500, "WEBP": 16383}  # pixels; beyond it libjpeg prints before it fails
OPTIONS = {
    "PNG": {"compress_level": 3},  # within 1 % of the smallest on photographs, in half the time of the default
    "JPEG": {"quality": 95, "subsampling": 0},  # the picture has been through one lossy codec: no visible second loss
    "WEBP": {"quality": 95},
    "AVIF": {"quality": 90},
}
ALPHA_LEVEL = 6  # deflate of alpha planes: their PNG is stored in the .aec file


@dataclass(eq=False)
class Picture:
    """pixels [H, W, C] uint8 or uint16 with C = 1 (gray) or 3 (RGB), alpha [H, W] of the same type or None, and metadata.

    `exif` is the bare TIFF block, without the b"Exif\\0\\0" of JPEG files; `suffix` that of the source file, such as "png", or "".
    """

    pixels: np.ndarray
    alpha: np.ndarray | None = None
    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    suffix: str = ""

    @property
    def height(self):
        return self.pixels.shape[0]

    @property
    def width(self):
        return self.pixels.shape[1]

    @property
    def depth(self):
        """Bits per sample, 8 or 16."""
        return 8 * self.pixels.itemsize

    @property
    def gray(self):
        return self.pixels.shape[2] == 1


# Reading


def load(source, max_pixels=MAX_PIXELS):
    """Picture of `source`: a path, bytes, a binary file, a PIL image, an array [H, W] or [H, W, 1..4] of uint8 or uint16, or a Picture.

    Raises TooLarge above `max_pixels` (0: no limit) before a pixel is decoded, BadImage for everything that is not one whole picture.
    """
    if isinstance(source, Picture):
        _check_size(source.width, source.height, max_pixels)
        return source
    if isinstance(source, np.ndarray):
        return _from_array(source, max_pixels)
    if isinstance(source, Image.Image):
        with pil.refusing("the picture cannot be decoded"):
            _check_size(*source.size, max_pixels)
            return _from_pil(source, None, _suffix(getattr(source, "filename", None) or ""))
    try:
        if isinstance(source, (bytes, bytearray, memoryview)):
            file, suffix = io.BytesIO(source), ""
        elif hasattr(source, "read"):
            file, suffix = io.BytesIO(source.read()), ""  # its name may be that of an archive
        else:
            file, suffix = open(os.fspath(source), "rb"), _suffix(source)  # fspath: a number is no file descriptor here
    except OSError as error:
        raise BadImage(f"the picture cannot be read ({(error.strerror or str(error)).lower()})") from error
    except (TypeError, ValueError, BufferError) as error:
        raise BadImage("a picture must be a path, bytes, a binary file, a PIL image or an array") from error
    with file, pil.refusing("the picture cannot be decoded"):
        if not file.seekable():
            file = io.BytesIO(file.read())
        return _from_file(file, suffix, max_pixels)


def _check_size(width, height, max_pixels):
    if width < 1 or height < 1:
        raise BadImage(f"the picture is empty ({width} x {height} pixels)")
    if max_pixels and width * height > max_pixels:
        raise TooLarge(
            f"the picture has {width} x {height} = {width * height} pixels, more than the limit of {max_pixels}"
            " (raise it with --max-pixels)"
        )


def _suffix(path):
    suffix = os.path.splitext(os.fsdecode(path))[1][1:].lower()
    return suffix if re.fullmatch("[a-z0-9]{1,8}", suffix) else ""


def _from_array(array, max_pixels):
    samples = array[..., None] if array.ndim == 2 else array
    if samples.ndim != 3 or not 1 <= samples.shape[2] <= 4 or array.dtype.newbyteorder("=") not in (np.uint8, np.uint16):
        raise BadImage(f"an array must be [H, W] or [H, W, 1 to 4] of uint8 or uint16, not {list(array.shape)} of {array.dtype}")
    _check_size(samples.shape[1], samples.shape[0], max_pixels)
    return Picture(*_split(samples.astype(samples.dtype.newbyteorder("="), copy=False)))


def _from_file(file, suffix, max_pixels):
    image = pil.open_picture(file)
    _check_size(*image.size, max_pixels)
    if image.format == "PNG":
        deep.check_png(file)
        _, _, depth, colour, _ = deep.png_header(file)
        if colour == 0 and depth in (2, 4) and "transparency" in image.info:
            image.info["transparency"] *= 255 // (2**depth - 1)  # Pillow widens the pixels only
    return _from_pil(image, file, suffix)


def _from_pil(image, file, suffix):
    """Picture of a PIL image; `file` is the binary file under one that was opened here, else None."""
    if image.format == "TIFF" and file is not None:
        pil.check_strips(image)
        pil.check_pages(pil.reopen(image, file))
    elif getattr(image, "is_animated", False) and image.format != "MPO":  # MPO: the other frames are a JPEG's previews or gain maps
        raise BadImage("the picture is an animation, which is not supported")
    samples = deep.read(file, image) if file is not None else None
    if samples is None:
        samples = _samples(pil.decode(image))
    pixels, alpha = _split(samples)
    key = image.info.get("transparency")
    if alpha is None and key is not None:  # one gray level or colour that means transparent
        key = np.bitwise_and(key, np.iinfo(pixels.dtype).max)
        alpha = np.where((pixels == key).all(axis=2), 0, np.iinfo(pixels.dtype).max).astype(pixels.dtype)
    return Picture(pixels, alpha, *metadata.from_pil(image, gray=pixels.shape[2] == 1), suffix)


def _samples(image):
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
        image = ImageCms.profileToProfile(image, ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB"), outputMode="RGB")
    elif mode == "P":
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    elif mode in ("1", "La", "PA", "RGBa", "RGBX", "YCbCr", "HSV"):
        image = image.convert({"1": "L", "La": "LA", "PA": "RGBA", "RGBa": "RGBA"}.get(mode, "RGB"))
    elif mode not in ("L", "LA", "RGB", "RGBA"):
        raise BadImage(f"the picture has pixels of Pillow's mode {mode}, which is not supported: convert them to 8 or 16 bits first")
    samples = np.asarray(image)
    return samples[..., None] if samples.ndim == 2 else samples


def _convert_cmyk(image, icc):
    try:
        return ImageCms.profileToProfile(image, io.BytesIO(icc), ImageCms.createProfile("sRGB"), outputMode="RGB")
    except ImageCms.PyCMSError:  # a broken profile is as good as none
        return image.convert("RGB")


def _split(samples):
    """[H, W, 1..4] into (pixels, alpha or None), contiguous and writable (what comes from Pillow is not, and torch would warn)."""
    if samples.shape[2] % 2:
        return np.require(samples, requirements="CW"), None
    return np.require(samples[..., :-1], requirements="CW"), np.require(samples[..., -1], requirements="CW")


# Between reading and writing


def strip(picture, kinds):
    """The Picture without the metadata of `kinds`, any of "exif", "icc", "xmp" or "all"; raises BadOption for another word.

    Without its EXIF a picture would turn, so that its orientation is applied to the pixels first.
    """
    kinds = {kinds} if isinstance(kinds, str) else set(kinds)
    if unknown := kinds - {"all", *metadata.KINDS}:
        raise BadOption(f"metadata to strip must be among all, {', '.join(metadata.KINDS)}, not {', '.join(sorted(map(str, unknown)))}")
    kinds = set(metadata.KINDS) if "all" in kinds else kinds
    stripped = replace(picture, **dict.fromkeys(kinds))
    orientation = metadata.orientation(picture.exif) if "exif" in kinds and picture.exif else 1
    if orientation > 1:
        stripped.pixels = _turn(picture.pixels, orientation)
        stripped.alpha = None if picture.alpha is None else _turn(picture.alpha, orientation)
        if stripped.xmp:  # XMP may repeat the orientation, and some viewers would turn the picture once more
            stripped.xmp = re.sub(rb"""(tiff:Orientation(?:=["']|>))[2-8]""", rb"\g<1>1", stripped.xmp)
    return stripped


def _turn(array, orientation):
    """Turns and mirrors [H, W, ...] so that it shows upright without its EXIF orientation."""
    turned = np.swapaxes(array, 0, 1) if orientation >= 5 else array
    rows, columns = {
        1: (1, 1), 2: (1, -1), 3: (-1, -1), 4: (-1, 1), 5: (1, 1), 6: (1, -1), 7: (-1, -1), 8: (-1, 1),
    }[orientation]  # fmt: skip
    return np.ascontiguousarray(turned[::rows, ::columns])


def _shallow(picture):
    """The Picture with 8 bits per sample, rounded."""
    if picture.depth == 8:
        return picture
    pixels, alpha = (
        None if plane is None else ((plane.astype(np.uint32) + 128) // 257).astype(np.uint8)
        for plane in (picture.pixels, picture.alpha)
    )
    return replace(picture, pixels=pixels, alpha=alpha)


def _join(picture):
    """Samples [H, W, 1..4]: the pixels, then alpha where there is one."""
    return picture.pixels if picture.alpha is None else np.dstack([picture.pixels, picture.alpha])


# Writing


def to_pil(picture):
    """PIL image of mode L, LA, RGB, RGBA or I;16, with its metadata in `info` as Pillow's own readers leave it.

    Pillow has no 16-bit colour and no 16-bit gray with alpha: these are rounded to 8 bits (`save` keeps all 16).
    """
    if not picture.gray or picture.alpha is not None:
        picture = _shallow(picture)
    samples = _join(picture)
    image = Image.fromarray(samples[..., 0] if samples.shape[2] == 1 else samples)
    image.info.update(metadata.to_pil(picture))
    return image


def save(picture, target, format):
    """Writes the Picture to a path or binary file in the format of a suffix, such as "png": those of SUFFIXES.

    PNG, TIFF and PPM keep 16 bits, the others get 8. BMP and PPM have no place for metadata. Raises BadImage for an unknown format,
    transparency in a format without it, and what the format cannot hold; OSError when the target cannot be written.
    """
    name = SUFFIXES.get(format.lower().removeprefix("."))
    if name is None:
        raise BadImage(f"pictures cannot be written as {format!r}, only as {', '.join(SUFFIXES)}")
    if picture.alpha is not None and name not in WITH_ALPHA:
        raise BadImage(f"{name} cannot hold the transparency of this picture; use {', '.join(WITH_ALPHA)}")
    if (side := max(picture.height, picture.width)) > MAX_SIDE.get(name, side):
        raise BadImage(f"{name} holds at most {MAX_SIDE[name]} pixels per side and this picture has {side}")
    buffer = io.BytesIO()
    with pil.refusing(f"the picture cannot be written as {name}"):
        _encode(picture if name in WITH_DEPTH else _shallow(picture), name, buffer)
    if hasattr(target, "write"):
        target.write(buffer.getbuffer())
    else:
        with open(target, "wb") as file:
            file.write(buffer.getbuffer())


def _encode(picture, name, file):
    plain = picture.depth == 8 or (picture.gray and picture.alpha is None)  # Pillow has a mode for it
    if name == "TIFF":
        deep.write_tiff(file, _join(picture), picture.alpha is not None, picture.icc, picture.exif, picture.xmp)
    elif name == "PNG" and not plain:
        deep.write_png(file, _join(picture), picture.icc, picture.exif, picture.xmp)
    elif name == "PPM" and picture.depth == 16:
        deep.write_ppm(file, picture.pixels)
    else:
        options = OPTIONS.get(name, {}) | metadata.to_pil(picture)
        if name == "PNG" and picture.xmp:
            options["pnginfo"] = PngInfo()
            options["pnginfo"].add_itxt("XML:com.adobe.xmp", picture.xmp)
        if name == "AVIF" and picture.exif and metadata.describe(picture.exif) is None:
            options.pop("exif", None)  # Pillow reads it, for the orientation, and would fail
        to_pil(picture).save(file, name, **options)


# The alpha plane inside an .aec file


def encode_alpha(alpha):
    """Alpha [H, W] uint8 or uint16 as a gray PNG of the same depth, without loss."""
    file = io.BytesIO()
    Image.fromarray(alpha).save(file, "PNG", compress_level=ALPHA_LEVEL)
    return file.getvalue()


def decode_alpha(data, height, width, depth):
    """Alpha [H, W] of `depth` 8 or 16 bits from what `encode_alpha` made.

    Raises Corrupt for everything else, before a pixel is decoded when the size, the depth or the kind of PNG is another.
    """
    return lossless.read_png(data, height, width, 1, depth, "the alpha plane")[..., 0]
