"""AVIF as those who choose its settings use it: 10 bits, 4:4:4, speed 4, through imagecodecs. Beside: `codecs`.

Pillow writes 8 bits only. imagecodecs passes no tune, so the settings say what its libavif chooses by itself.
"""

import importlib.metadata
import sys
import types
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image

from .codecs import AVIF_QUALITIES, Unavailable

SPEED = 4
TOP = 1023  # the highest sample of 10 bits
TUNED = (1, 4)  # from this libavif on stills are coded with tune=iq, where its libaom is 3.13 or newer


class Avif10:
    """Interface as in `codecs`; pictures of 8 bits are widened to 10 before and rounded back after."""

    name, label, qualities, low, high, whole, trained = (
        "avif10",
        "AVIF 10 bits 4:4:4",
        AVIF_QUALITIES,
        0,
        100,
        True,
        True,
    )
    options: dict = {}

    def __init__(self, threads: int = 1):
        self.threads = threads
        self._library = _library()

    @cached_property
    def settings(self) -> str:
        libavif = self.versions["libavif"]
        tune = "iq" if tuple(map(int, libavif.split(".")[:2])) >= TUNED else "ssim"
        return f"imagecodecs AVIF: 10 bits, 4:4:4, speed={SPEED}, tune={tune} (the library's own), quality 0..100"

    @cached_property
    def versions(self) -> dict[str, str]:
        libavif = self._library.avif_version().removeprefix("libavif ")
        return {"imagecodecs": importlib.metadata.version("imagecodecs"), "libavif": libavif}

    def encode(self, image: Image.Image, quality: int) -> bytes:
        samples = np.rint(np.asarray(image) * (TOP / 255)).astype(np.uint16)
        return bytes(
            self._library.avif_encode(
                samples, level=quality, speed=SPEED, bitspersample=10, pixelformat="444", numthreads=self.threads
            )
        )

    def decode(self, data: bytes) -> Image.Image:
        samples = self._library.avif_decode(data, numthreads=self.threads)
        return Image.fromarray(np.rint(samples * (255 / TOP)).astype(np.uint8))

    def cold(self, direction: str, quality: int, source: Path, target: Path) -> list[str]:
        """Arguments of a process that encodes the PNG `source`, or decodes `source` to the PPM `target`."""
        lines = [
            "from pathlib import Path",
            "from benchmarks import avif10, data",
            f"codec = avif10.Avif10({self.threads})",
        ]
        if direction == "encode":
            lines.append(f"Path({str(target)!r}).write_bytes(codec.encode(data.load({str(source)!r}), {quality}))")
        else:
            lines.append(f"codec.decode(Path({str(source)!r}).read_bytes()).save({str(target)!r}, 'PPM')")
        return [sys.executable, "-c", "; ".join(lines)]


def _library() -> types.ModuleType:
    """imagecodecs with AVIF. Raises Unavailable."""
    try:
        import imagecodecs

        imagecodecs.avif_version()
    except (ImportError, AttributeError) as error:  # AttributeError: built against another numpy
        raise Unavailable(f"avif10 needs a package: pip install imagecodecs ({error})") from None
    return imagecodecs
