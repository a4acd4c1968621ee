"""Picture, what the codec codes, and what is done with one between reading and writing.

A Picture keeps what the source had: bit depth, gray or colour, alpha, ICC profile, EXIF (with its orientation: pixels
are not turned) and XMP.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from . import exif, metadata, xmp
from .terms import kinds_of


@dataclass(eq=False)
class Picture:
    """pixels [H, W, C] uint8 or uint16 with C = 1 (gray) or 3 (RGB), alpha [H, W] of the same type or None, and
    metadata.

    `exif` is the bare TIFF block, without the b"Exif\\0\\0" of JPEG files; `suffix` that of the source file, such as
    "png", or ""; `cicp` code points of the colours, as `colour.cicp`; `notes` what of the source could not be kept,
    each to follow the word "lost".
    """

    pixels: NDArray[Any]
    alpha: NDArray[Any] | None = None
    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    suffix: str = ""
    cicp: bytes | None = None
    notes: tuple[str, ...] = ()

    @property
    def height(self) -> int:
        return self.pixels.shape[0]

    @property
    def width(self) -> int:
        return self.pixels.shape[1]

    @property
    def depth(self) -> int:
        """Bits per sample, 8 or 16."""
        return 8 * self.pixels.itemsize

    @property
    def channels(self) -> int:
        """1 (gray) or 3 (RGB)."""
        return self.pixels.shape[2]

    @property
    def gray(self) -> bool:
        return self.channels == 1

    @property
    def has_alpha(self) -> bool:
        return self.alpha is not None

    def strips(self) -> Iterator["Picture"]:
        """The rows as `strips.Scan` gives them: here all at once."""
        yield self

    def whole(self) -> "Picture":
        """The Picture of a scan."""
        return self


def without(picture: Any, kinds: str | Iterable[str]) -> Any:
    """The Picture, or Scan, without the metadata of `kinds`, any of "exif", "icc", "xmp", "cicp" or "all"; raises
    BadOption for another word.

    Without its EXIF a picture would turn, so that its orientation is applied to the pixels first.
    """
    kinds = kinds_of(kinds)
    if not kinds:
        return picture
    if "exif" in kinds:
        picture = turned(picture)
    nothing: dict[str, Any] = dict.fromkeys(kinds)
    return replace(picture, **nothing)


def turned(picture: Any) -> Any:
    """The Picture, or Scan, with its pixels as its EXIF's orientation says, and this and XMP's set to 1."""
    block, orientation = picture.exif, exif.orientation(picture.exif)
    if block is None or orientation == 1:
        return picture
    picture = picture.whole()  # the first row of a turned picture may need all rows
    return replace(
        picture,
        pixels=_turn(picture.pixels, orientation),
        alpha=None if picture.alpha is None else _turn(picture.alpha, orientation),
        exif=exif.upright(block),
        # XMP may repeat the orientation, and some viewers would turn the picture once more.
        xmp=picture.xmp and xmp.upright(picture.xmp),
    )


def _turn(array: NDArray[Any], orientation: int) -> NDArray[Any]:
    """Turns and mirrors [H, W, ...] so that it shows upright without its EXIF orientation."""
    turned = np.swapaxes(array, 0, 1) if orientation >= 5 else array
    steps = {1: (1, 1), 2: (1, -1), 3: (-1, -1), 4: (-1, 1), 5: (1, 1), 6: (1, -1), 7: (-1, -1), 8: (-1, 1)}
    rows, columns = steps[orientation]
    return np.ascontiguousarray(turned[::rows, ::columns])


def shallow(picture: Picture) -> Picture:
    """The Picture with 8 bits per sample, rounded."""
    if picture.depth == 8:
        return picture

    def rounded(plane: NDArray[Any]) -> NDArray[np.uint8]:
        return ((plane.astype(np.uint32) + 128) // 257).astype(np.uint8)

    alpha = None if picture.alpha is None else rounded(picture.alpha)
    return replace(picture, pixels=rounded(picture.pixels), alpha=alpha)


def join(picture: Picture) -> NDArray[Any]:
    """Samples [H, W, 1..4]: the pixels, then alpha where there is one."""
    return picture.pixels if picture.alpha is None else np.dstack([picture.pixels, picture.alpha])


def to_pil(picture: Picture) -> Image.Image:
    """PIL image of mode L, LA, RGB, RGBA or I;16, with its metadata in `info` as Pillow's own readers leave it.

    Pillow has no 16-bit colour and no 16-bit gray with alpha: these are rounded to 8 bits (`save` keeps all 16).
    """
    if not picture.gray or picture.alpha is not None:
        picture = shallow(picture)
    samples = join(picture)
    image = Image.fromarray(samples[..., 0] if samples.shape[2] == 1 else samples)
    image.info.update(metadata.to_pil(picture))
    return image
