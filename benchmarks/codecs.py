"""Every codec behind one interface: `encode(image, quality) -> bytes` and `decode(bytes) -> image`, images being PIL
RGB.

Before: `data`. After: `metrics`. Pillow's formats and ours are here, CompressAI's networks in `zoo`. A codec has a
`name`, a `label` for people, its exact `settings` in words, the `versions` of its libraries, `qualities` to draw a
curve with, the range `low`..`high` (`whole`: integers only), `options` that `build` was given as far as they matter,
and `trained`, False where it is good for speed only.
"""

import hashlib
import importlib.metadata
import io
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from PIL import AvifImagePlugin, Image, features

NAMES = (
    "aec",
    "aec-effort3",
    "aec-effort9",
    "aec-fast",
    "jpeg",
    "jpeg444",
    "webp",
    "avif",
    "avif444",
    "jpeg2000",
    "jxl",
    "bmshj2018-factorized",
    "bmshj2018-hyperprior",
    "mbt2018-mean",
    "mbt2018",
    "cheng2020-anchor",
    "cheng2020-attn",
)
DEFAULT = ("aec", "jpeg", "webp", "avif", "jxl")
AVIF_SPEED = 6


class Unavailable(Exception):
    """One sentence about a codec that cannot run here."""


def build(name, avif_speed=AVIF_SPEED, device="cpu", threads=1):
    """The codec of that name. avif_speed: 0 slowest .. 10; device: of ours and of the zoo; threads: per call.

    Raises Unavailable, KeyError.
    """
    if name in VARIANTS:
        return Aec(name, device, threads)
    if name in FORMATS:
        return Pillow(name, FORMATS[name], avif_speed, threads)
    from .zoo import Zoo

    return Zoo(name, device, threads)


# Of each of our variants: its label, its effort, whether it decodes fast.
VARIANTS = {
    "aec": ("aecodec", 0, False),
    "aec-effort3": ("aecodec --effort 3", 3, False),
    "aec-effort9": ("aecodec --effort 9", 9, False),
    "aec-fast": ("aecodec, decompress --fast", 0, True),
}


class Aec:
    """This codec, through its public interface and with whole files."""

    qualities, low, high, whole, trained = (3, 15, 30, 45, 60, 75, 88, 97), 1, 100, False, True

    def __init__(self, name="aec", device="cpu", threads=1):
        import codec

        self.name, (self.label, self.effort, self.fast) = name, VARIANTS[name]
        self.device, self.threads, self.options = device, threads, {}
        self.version = codec.__version__
        self.code = _fingerprint(Path(codec.__file__).parent)
        try:
            self._codec = codec.Codec(device=device, threads=threads)
        except (codec.CodecError, ImportError) as error:
            raise Unavailable(f"aec cannot run: {error}") from None
        self.model = self._codec.model.id.hex()

    @property
    def settings(self):
        effort = f", effort {self.effort}" if self.effort else ""
        return (
            f"model default {self.model}, quality {self.low}..{self.high}{effort}{', fast' if self.fast else ''}, "
            f"{self.device}"
        )

    @cached_property
    def versions(self):
        return {
            "aecodec": f"{self.version} (code {self.code})",
            **{name: importlib.metadata.version(name) for name in ("torch", "compressai")},
        }

    def encode(self, image, quality):
        return self._codec.encode(image, quality, effort=self.effort, strip="all", max_pixels=0)

    def decode(self, data):
        return self._codec.decode(data, max_pixels=0, fast=self.fast)

    def bits_map(self, image, quality):
        """Bits per 16 x 16 pixels, [ceil(H/16), ceil(W/16)]."""
        return self._codec.bits_map(self.encode(image, quality), max_pixels=0)

    def encode_batch(self, images, quality):
        return self._codec.encode_batch(images, quality, effort=self.effort, strip="all", max_pixels=0)

    def decode_batch(self, files):
        return self._codec.decode_batch(files, max_pixels=0, fast=self.fast)

    def cold(self, direction, quality, source, target):
        """Arguments of a process that encodes the PNG `source`, or decodes `source` to the PPM `target`."""
        words = (
            ["compress", "-q", str(quality), "-e", str(self.effort), "--strip", "all"]
            if direction == "encode"
            else ["decompress", *["--fast"] * self.fast]
        )
        return [
            sys.executable,
            "-m",
            "codec",
            *words,
            "-d",
            self.device,
            str(source),
            "-o",
            str(target),
            "-f",
            "--quiet",
        ]


@dataclass(frozen=True)
class Format:
    """A format of Pillow as this benchmark uses it."""

    label: str
    pillow: str  # Pillow's name of it
    options: dict
    qualities: tuple
    low: int
    high: int
    library: str  # as PIL.features or the package index names it
    package: str = ""  # the plugin it needs
    whole: bool = True


JPEG = {"optimize": True, "progressive": True}
JPEG_QUALITIES = (10, 20, 30, 50, 70, 80, 90, 95)
AVIF_QUALITIES = (20, 30, 40, 50, 60, 70, 80, 90)
FORMATS = {
    "jpeg": Format("JPEG 4:2:0", "JPEG", {**JPEG, "subsampling": "4:2:0"}, JPEG_QUALITIES, 1, 100, "libjpeg_turbo"),
    "jpeg444": Format("JPEG 4:4:4", "JPEG", {**JPEG, "subsampling": "4:4:4"}, JPEG_QUALITIES, 1, 100, "libjpeg_turbo"),
    "webp": Format("WebP", "WEBP", {"method": 6}, (1, 10, 20, 35, 50, 80, 90, 95), 0, 100, "webp"),
    "avif": Format("AVIF 4:2:0", "AVIF", {"subsampling": "4:2:0"}, AVIF_QUALITIES, 0, 100, "avif"),
    "avif444": Format("AVIF 4:4:4", "AVIF", {"subsampling": "4:4:4"}, AVIF_QUALITIES, 0, 100, "avif"),
    # The quality of JPEG 2000 is the PSNR in dB its encoder aims at.
    "jpeg2000": Format(
        "JPEG 2000",
        "JPEG2000",
        {"irreversible": True, "mct": 1, "quality_mode": "dB"},
        (24, 26, 28, 30, 32, 35, 38, 42),
        10,
        60,
        "jpg_2000",
        whole=False,
    ),
    # 100 is lossless, another coder.
    "jxl": Format(
        "JPEG XL",
        "JXL",
        {"effort": 7, "lossless_jpeg": False},
        (20, 35, 50, 60, 70, 80, 88, 94),
        1,
        99,
        "pillow-jxl-plugin",
        "pillow_jxl",
    ),
}


class Pillow:
    """One of FORMATS."""

    trained = True

    def __init__(self, name, format, avif_speed=AVIF_SPEED, threads=1):
        self.name, self.label, self.format, self.threads = name, format.label, format, threads
        self.qualities, self.low, self.high, self.whole = format.qualities, format.low, format.high, format.whole
        self.options, self._save = {}, dict(format.options)
        if format.package:
            try:
                self._plugin = importlib.import_module(format.package)
            except ImportError:
                raise Unavailable(f"{name} needs a plugin: pip install {format.library}") from None
        elif not features.check(format.library):
            raise Unavailable(f"{name} needs a Pillow that was built with {format.library}")
        if format.pillow == "AVIF":
            self.options, self._save = {"avif_speed": avif_speed}, {**self._save, "speed": avif_speed}
        words = [f"{key}={value}" for key, value in self._save.items()]
        self.settings = (
            f"Pillow {format.pillow}: {', '.join(words)}, {'target PSNR' if name == 'jpeg2000' else 'quality'} "
            f"{self.low}..{self.high}"
        )

    @cached_property
    def versions(self):
        library = (
            importlib.metadata.version(self.format.library)
            if self.format.package
            else features.version(self.format.library)
        )
        return {"pillow": importlib.metadata.version("pillow"), self.format.library: library}

    def encode(self, image, quality):
        file = io.BytesIO()
        image.save(file, self.format.pillow, **self._arguments(quality))
        return file.getvalue()

    def decode(self, data):
        if self.format.pillow == "AVIF":
            AvifImagePlugin.DEFAULT_MAX_THREADS = self.threads
        elif self.format.package:
            sys.modules[f"{self.format.package}.JpegXLImagePlugin"].DECODE_THREADS = self.threads
        with Image.open(io.BytesIO(data)) as image:
            return image.convert("RGB")

    def cold(self, direction, quality, source, target):
        """Arguments of a process that encodes the PNG `source`, or decodes `source` to the PPM `target`."""
        lines = ["from PIL import Image"]
        if self.format.package:
            lines.append(
                f"import {self.format.package}; {self.format.package}.JpegXLImagePlugin.DECODE_THREADS = {self.threads}"
            )
        if self.format.pillow == "AVIF":
            lines.append(f"from PIL import AvifImagePlugin; AvifImagePlugin.DEFAULT_MAX_THREADS = {self.threads}")
        pillow, arguments = (self.format.pillow, self._arguments(quality)) if direction == "encode" else ("PPM", {})
        lines.append(f"Image.open({str(source)!r}).convert('RGB').save({str(target)!r}, {pillow!r}, **{arguments!r})")
        return [sys.executable, "-c", "; ".join(lines)]

    def _arguments(self, quality):
        """What Pillow's save takes.

        The threads of AVIF are given because libavif cuts large pictures into tiles by their number.
        """
        arguments = dict(self._save)
        if self.name == "jpeg2000":
            arguments["quality_layers"] = [quality]
        else:
            arguments["quality"] = quality
        threads = {"AVIF": "max_threads", "JXL": "num_threads"}.get(self.format.pillow)
        return {**arguments, threads: self.threads} if threads else arguments


def _fingerprint(folder):
    """Eight digits that change with the package's code: points are measured anew when it does."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:8]
