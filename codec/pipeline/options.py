"""What can be asked of encoding and decoding: one value each, made where a request comes in, checked once, and passed
on whole.
"""

import math
from dataclasses import dataclass
from numbers import Integral, Real
from typing import TypedDict

from ..errors import BadOption
from ..pixels.terms import MAX_PIXELS, SCALES, TARGETS, kinds_of

MOST_EFFORT = 9


@dataclass(frozen=True)
class Target:
    """What a file must measure: at most `size` bytes or `bpp` bits per pixel, all of it counted, or at least `psnr` dB
    or `ssimulacra2` points over the stored colour samples.
    """

    size: float | None = None
    bpp: float | None = None
    psnr: float | None = None
    ssimulacra2: float | None = None

    @property
    def fidelity(self) -> float | None:
        """The dB or points asked for; None where it is a size."""
        return self.psnr if self.psnr is not None else self.ssimulacra2


@dataclass(frozen=True)
class EncodeOptions:
    """How a picture is encoded. Raises BadOption for what makes no sense.

    quality: 1..100, in steps of 0.01. effort: 0..9, how often the latents are fitted to the picture they decode to:
    smaller files at equal error that take longer to make. strip: kinds of metadata to leave out ("exif", "icc", "xmp",
    "cicp", "all").

    lossless: whether every pixel must come back as it is; False: never, and latents of just this quality; None: where
    that costs less (`contest`), as with graphics, and of small files the one of four qualities that pays best
    (`ladder`). target_size (bytes), bpp (bits per pixel of the whole file), psnr (dB) or ssimulacra2 (points, at most
    100): the quality that gives it is sought in place of a given one (`target`). max_pixels: the most a picture may
    have, 0 for any number.

    exact: whether colours where alpha is 0 count, too; else they are made smooth, or flat, unless every pixel must come
    back as it is.
    """

    quality: float = 60.0
    effort: int = 0
    strip: str | tuple[str, ...] = ()
    lossless: bool | None = None
    target_size: float | None = None
    bpp: float | None = None
    psnr: float | None = None
    ssimulacra2: float | None = None
    max_pixels: int = MAX_PIXELS
    exact: bool = False

    def __post_init__(self) -> None:
        hundredths_of(self.quality)
        if not isinstance(self.effort, Integral) or not 0 <= self.effort <= MOST_EFFORT:
            raise BadOption(f"effort {self.effort} is not a whole number from 0 to {MOST_EFFORT}")
        object.__setattr__(self, "strip", kinds_of(self.strip))
        given = {name: value for name in TARGETS if (value := getattr(self, name)) is not None}
        if len(given) > 1:
            raise BadOption(f"{' and '.join(given)} exclude each other")
        for name, value in given.items():
            if not isinstance(value, Real) or not 0 < value < math.inf:
                raise BadOption(f"{name} {value!r} is not a number above zero")
        if self.ssimulacra2 is not None and self.ssimulacra2 > 100:
            raise BadOption(f"ssimulacra2 {self.ssimulacra2:g} is more than 100, which equal pictures have")
        if given and self.lossless:
            raise BadOption("a lossless file has the size it has: there is nothing to choose for a target")

    @property
    def hundredths(self) -> int:
        """The quality as files hold it."""
        return hundredths_of(self.quality)

    @property
    def target(self) -> Target | None:
        """What is sought in place of a quality."""
        target = Target(self.target_size, self.bpp, self.psnr, self.ssimulacra2)
        return target if target != Target() else None

    def limit(self, pixels: int) -> float:
        """Bytes that the file of a picture of so many pixels may take, 0 where that is not said."""
        return self.target_size or (self.bpp or 0) * pixels / 8


@dataclass(frozen=True)
class DecodeOptions:
    """How a file is decoded. Raises BadOption for what makes no sense with any file.

    max_pixels: the most that may be decoded, 0 for any number. crop: (left, top, width, height) in stored pixels,
    EXIF's orientation not applied. scale: 1, 1/2, 1/4, 1/8 or 1/16, of the crop. Only the tiles these need are read,
    and only their checksums tested. fast: where torch is the engine the synthesis in floats, in bfloat16 where the
    device multiplies it: faster, samples of photographs then off by a level of 8 bits, of patterns in pure colours by
    more. partial: whether a file that ends too early gives a picture of what there is, coarse in the tile that it ends
    in and gray in those after; else it is refused.
    """

    max_pixels: int = MAX_PIXELS
    crop: tuple[int, int, int, int] | None = None
    scale: float = 1
    fast: bool = False
    partial: bool = False

    def __post_init__(self) -> None:
        if self.scale not in SCALES:
            raise BadOption(f"scale {self.scale!r} is not 1, 1/2, 1/4, 1/8 or 1/16")


class Encoding(TypedDict, total=False):
    """The fields of EncodeOptions beside the quality, for functions that take them by name."""

    effort: int
    strip: str | tuple[str, ...]
    lossless: bool | None
    target_size: float | None
    bpp: float | None
    psnr: float | None
    ssimulacra2: float | None
    max_pixels: int
    exact: bool


class Decoding(TypedDict, total=False):
    """The fields of DecodeOptions, for functions that take them by name."""

    max_pixels: int
    crop: tuple[int, int, int, int] | None
    scale: float
    fast: bool
    partial: bool


def hundredths_of(quality: float) -> int:
    """A quality as the whole number of hundredths that files hold. Raises BadOption."""
    try:
        value = float(quality)
    except (TypeError, ValueError):
        value = math.nan
    if not 1 <= value <= 100:
        raise BadOption(f"quality {quality} is outside 1..100")
    return round(value * 100)
