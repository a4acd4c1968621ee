"""In which terms pictures are asked for: words and limits that the command line knows before numpy is imported."""

from collections.abc import Iterable

from ..errors import BadOption

MAX_PIXELS = 2**28  # of the largest picture, unless another limit is asked for
SCALES = 1, 1 / 2, 1 / 4, 1 / 8, 1 / 16
TARGETS = ("target_size", "bpp", "psnr", "ssimulacra2")  # what may be asked for in place of a quality
KINDS = ("exif", "icc", "xmp", "cicp")  # of metadata


def kinds_of(words: str | Iterable[str]) -> tuple[str, ...]:
    """The kinds of metadata that a word or several name: those of KINDS, and "all". Raises BadOption for another."""
    words = {words} if isinstance(words, str) else set(words)
    if unknown := words - {"all", *KINDS}:
        unlike = ", ".join(sorted(map(str, unknown)))
        raise BadOption(f"metadata to strip must be among all, {', '.join(KINDS)}, not {unlike}")
    return tuple(kind for kind in KINDS if kind in words or "all" in words)
