"""Pillow behind a fence: opens and decodes picture files, prints nothing, and raises nothing but the codec's own
errors.

`read` and `deep` see Pillow's decoders through it. Pillow itself raises nearly every exception there is on a broken
file.
"""

import contextlib
import ctypes
import functools
import logging
import os
import re
import struct
import threading
import warnings
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

from PIL import Image, _imaging

from ..errors import BadImage, CodecError

if TYPE_CHECKING:
    from PIL import TiffImagePlugin

# Pillow's names of the formats that are read. Each has a signature, and none runs another program (EPS would start
# Ghostscript).
READABLE = ("PNG", "JPEG", "WEBP", "AVIF", "TIFF", "GIF", "BMP", "PPM", "JPEG2000", "QOI")
REASONS = {
    "not identified by this driver": "its header describes no picture",
    "cannot load this image": "it holds no pixels",
    "unknown pixel mode": "a number, depth or kind of samples that is not supported",
    "unknown data organization": "its tags contradict each other",
    "Missing dimensions": "it has no width or height",
    "unknown raw mode for given image mode": "its samples are packed in a way that is not supported",
    "decoder error -2": "its pixels are broken, or packed in a way that is not supported",
    "decoder error -9": "its pixels take more memory than there is, or contradict its tags",
}
# Compressions of TIFF that Pillow does not know.
COMPRESSIONS = {
    34661: "JBIG",
    34712: "JPEG 2000",
    34887: "LERC",
    34892: "lossy JPEG of DNG",
    34933: "PNG",
    34934: "JPEG XR",
    50002: "JPEG XL",
    52546: "JPEG XL",
}
PHOTOMETRIC, PLANAR, SAMPLES, BITS, EXTRA = 262, 284, 277, 258, 338  # tags of a TIFF
GRAY, RGB, ALPHA = 1, 2, 2  # photometrics, and the kind of extra sample that is alpha by itself
BMP_HEAD, OLD_BMP = 14, 12  # bytes before the header that says its size, and that of OS/2's
MAX_PAGES = 64  # of a TIFF: so many previews are looked past to find out that it holds one picture only


class _Quiet:
    """While any thread is inside, Pillow's warnings and libtiff's own lines on stderr are off; restored when the last
    one leaves.

    What they say is either raised by Pillow too, and refused in one sentence, or concerns metadata that is kept as it
    came.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        if hasattr(os, "register_at_fork"):  # Windows does not fork
            os.register_at_fork(
                before=self._lock.acquire, after_in_parent=self._lock.release, after_in_child=self._after_in_child
            )
        # Without a handler, logging prints its errors when nobody configured it.
        logging.getLogger("PIL").addHandler(logging.NullHandler())
        try:  # libtiff as Pillow linked it
            self._set_tiff_printer: Any = ctypes.CDLL(_imaging.__file__).TIFFSetErrorHandler
            self._set_tiff_printer.argtypes = [ctypes.c_void_p]
            self._set_tiff_printer.restype = ctypes.c_void_p
        except (OSError, AttributeError):  # Pillow without libtiff, or with a hidden one
            self._set_tiff_printer = lambda printer: None

    def __enter__(self) -> None:
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                self._warnings = warnings.catch_warnings()
                self._warnings.__enter__()
                warnings.filterwarnings("ignore", module=r"PIL\.")
                self._tiff_printer = self._set_tiff_printer(None)

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._restore()

    def _restore(self) -> None:
        self._set_tiff_printer(self._tiff_printer)
        self._warnings.__exit__(None, None, None)

    def _after_in_child(self) -> None:
        """The threads that were inside are not in this process."""
        if self._inside:
            self._inside = 0
            self._restore()
        self._lock.release()


_quiet = _Quiet()


@contextlib.contextmanager
def refusing(problem: str, kind: type[CodecError] = BadImage) -> Iterator[None]:
    """Turns every exception that is not the codec's own into one sentence of class `kind`: `problem`
    with the reason.
    """
    try:
        with _quiet:
            yield
    except CodecError:
        raise
    except MemoryError as error:
        raise kind(f"{problem} (not enough memory)") from error
    except Exception as error:
        raise kind(f"{problem} ({_reason(error)})") from error


def _reason(error: BaseException | None) -> str:
    """What Pillow's exception says of the file; its parsers also raise what only their authors understand."""
    if isinstance(error, SyntaxError) and error.args == (error.__cause__,):  # wrapped by Pillow
        error = error.__cause__
    if isinstance(error, (struct.error, IndexError, TypeError)) and str(error) not in REASONS:
        return "it ends too early or contradicts itself"
    if isinstance(error, KeyError):
        if (name := COMPRESSIONS.get(error.args[0])) is not None:
            return f"its compression, {name}, is not supported"
        return f"it holds the unknown value {error}"
    text = re.sub(r"\s*<_io.*?>|[^ -~]+", "", str(error))[:120].strip(" .")
    return REASONS.get(text, text) or type(error).__name__


def open_picture(file: BinaryIO) -> Any:
    """PIL image of the file, header parsed and no pixel decoded.

    Image.open would check Pillow's global limit of pixels, and would let formats without a signature guess.
    """
    prefix = file.read(16)
    if not prefix:
        raise BadImage("the file is empty")
    for plugins in (Image.preinit, Image.init):  # the common ones, then all: dozens, which take a while to import
        plugins()
        for name in READABLE:
            factory, accept = Image.OPEN.get(name, (None, None))
            if factory and accept and accept(prefix) is True:
                file.seek(0)
                with refusing(f"the picture is a broken or unsupported {name} file"):
                    return _understood((_of_tiff() if name == "TIFF" else factory)(file, ""))
    raise BadImage(f"this is not a picture in a format that can be read ({', '.join(READABLE)})")


@functools.cache
def _of_tiff() -> "type[TiffImagePlugin.TiffImageFile]":
    """Pillow's class of TIFF images, which opens two kinds that it has no mode for.

    Those with planes as if their samples lay side by side: `planes` makes them so. Of planes Pillow forgets polarity,
    palette and depth where there is one, and fails where some mean nothing. And 16-bit gray with alpha as if it were
    RGBA of 8 bits, which has as many bytes: `deep` takes them for what they are.
    """
    from PIL import TiffImagePlugin  # milliseconds, which decoders do not need

    class Understood(TiffImagePlugin.TiffImageFile):
        def _setup(self) -> None:
            tags: Any = self.tag_v2
            instead: dict[int, Any] = {}
            if is_deep_gray_alpha(tags):
                instead = {PHOTOMETRIC: RGB, SAMPLES: 4, BITS: (8,) * 4, EXTRA: (ALPHA,)}
            if tags.get(PLANAR) == 2:
                instead[PLANAR] = 1
            before = {tag: tags[tag] for tag in instead}
            tags.update(instead)
            super()._setup()
            if tags.get(SAMPLES, 1) == 1:
                before.pop(PLANAR, None)  # one plane is all there is
            tags.update(before)

    return Understood


def is_deep_gray_alpha(tags: Any) -> bool:
    """Whether a TIFF says that it holds 16-bit gray and one sample more."""
    depths = tags.get(BITS)
    return (
        tags.get(PHOTOMETRIC) == GRAY
        and tags.get(SAMPLES) == 2
        and depths in ((16,), (16, 16))
        and len(tags.get(EXTRA, ())) == 1
    )


def _understood(image: Any) -> Any:
    """An opened picture, with uncompressed YCbCr of TIFF read by libtiff, which knows of subsampling, coefficients and
    levels, and with the palettes of a BMP.
    """
    if image.format == "BMP":
        _with_palette(image)
    if image.format != "TIFF" or not image.tile or image.tile[0].codec_name == "libtiff":
        return image
    if image.mode == "YCbCr":
        image.use_load_libtiff, image._mode = True, "RGB"
        whole = {"codec_name": "libtiff", "extents": (0, 0, *image._tile_size), "offset": 0}
        image.tile = [image.tile[0]._replace(args=("RGBX", False, image.tag_v2.offset), **whole)]
    return image


def _with_palette(image: Any) -> None:
    """Gives an opened BMP the palette that Pillow threw away, as it is black and white, or a ramp of grays: it takes
    any of two colours for bits, and any ramp for bytes.
    """
    from PIL import ImagePalette

    image.fp.seek(BMP_HEAD)
    size, *_, old_depth, depth = struct.unpack("<I4H2xH", image.fp.read(16))
    depth = old_depth if size == OLD_BMP else depth
    ((codec, _, _, (raw, *_)),) = image.tile
    grays = {"1": (0, 255), "L": range(16)}.get(raw, ())
    if not grays or depth not in (4, 8) or raw == "L" and (depth == 8 or codec == "bmp_rle"):
        return
    image._mode, image.palette = "P", ImagePalette.raw("RGB", bytes(gray for gray in grays for _ in range(3)))
    image.tile = [tile._replace(args=({4: "P;4", 8: "P"}[depth], *tile.args[1:])) for tile in image.tile]


def decode(image: Any) -> Any:
    """Decodes `image` in place, however large it is: the number of pixels has been checked, so Pillow's own limit does
    not apply.
    """
    from PIL import TiffImagePlugin  # milliseconds, which decoders do not need

    if isinstance(image, TiffImagePlugin.TiffImageFile) and image.tile and getattr(image, "_im", 0) is None:
        # Otherwise Pillow would check its limit once more.
        image.im = _imaging.new(image.mode, getattr(image, "_tile_size", image.size))
    image.load()
    return image


def reopen(image: Any, file: BinaryIO) -> Any:
    """A second, undecoded image over the `file` that `image` was opened from."""
    file.seek(0)
    return _understood(type(image)(file))


def bits(image: Any) -> int:
    """Most bits of a sample of an opened TIFF; numbers beyond its samples mean nothing."""
    most: int = max(image.tag_v2.get(BITS, (1,))[: image.tag_v2.get(SAMPLES, 1)])
    return most


def check_strips(image: Any) -> None:
    """Raises BadImage unless the strips or tiles of an opened TIFF cover its picture: Pillow leaves the rest black.
    libtiff looks itself.
    """
    tiles = [tile.extents for tile in image.tile if tile.codec_name != "libtiff"]
    if (
        tiles
        and sum((right - left) * (bottom - top) for left, top, right, bottom in tiles) < image.width * image.height
    ):
        raise BadImage("the picture is a broken TIFF file (parts of its pixels are missing)")


def check_pages(image: Any) -> None:
    """Raises BadImage unless a TIFF begins with its one picture; previews (bit 0 of NewSubfileType) may follow.

    Leaves its last page.
    """
    if image.tag_v2.get(254, 0) & 1:
        raise BadImage("the file begins with a preview, as camera raw files do, which are not supported")
    for page in range(1, MAX_PAGES):
        try:
            image.seek(page)
        except EOFError:
            return
        if not image.tag_v2.get(254, 0) & 1:
            break
    raise BadImage("the picture is a TIFF file with several pages, which is not supported")
