"""Every codec behind one interface: `encode(image, quality) -> bytes` and `decode(bytes) -> image`, images being PIL
RGB.

Before: `data`. After: `metrics`. Pillow's formats and ours are here, AVIF of 10 bits in `avif10`, CompressAI's networks
in `zoo`. A codec has a `name`, a `label` for people, its exact `settings` in words, the `versions` of its libraries,
`qualities` to draw a curve with, the range `low`..`high` (`whole`: integers only), `options` that `build` was given as
far as they matter, and `trained`, False where it is good for speed only. Ours may name a model, by name or file:
"aec:psnr", "aec:my.safetensors".
"""

import hashlib
import importlib.metadata
import io
import sys
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np
from PIL import AvifImagePlugin, Image, ImageFilter, features

from . import metrics

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
    "avif10",
    "jpeg2000",
    "jxl",
    "jxl9",
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
    """The codec of that name. Raises Unavailable, KeyError.

    avif_speed: of Pillow's AVIF, 0 slowest .. 10; device: of ours and of the zoo; threads: per call.
    """
    if is_ours(name):
        return Aec(name, device, threads)
    if name in FORMATS:
        return Pillow(name, FORMATS[name], avif_speed, threads)
    if name == "avif10":
        from .avif10 import Avif10

        return Avif10(threads)
    from .zoo import Zoo

    return Zoo(name, device, threads)


# Parts of the package that change no file and no pixel.
BESIDE = ("app", "autoencoders", "distributed", "latents", "training")
# Of each of our variants: its label, its effort, whether it decodes fast.
VARIANTS = {
    "aec": ("aecodec", 0, False),
    "aec-effort3": ("aecodec --effort 3", 3, False),
    "aec-effort9": ("aecodec --effort 9", 9, False),
    "aec-fast": ("aecodec, decompress --fast", 0, True),
}


def is_ours(name):
    """Whether the name is one of VARIANTS, with a model or without."""
    return name.partition(":")[0] in VARIANTS


class Aec:
    """This codec, through its public interface and with whole files."""

    qualities, low, high, whole, trained = (3, 15, 30, 45, 60, 75, 88, 97), 1, 100, False, True

    def __init__(self, name="aec", device="cpu", threads=1, engine="auto"):
        import codec
        from codec.model.purpose import objective_of
        from codec.model.weights import path_of

        variant, _, model = name.partition(":")
        self.name, (self.label, self.effort, self.fast) = name, VARIANTS[variant]
        self._source = model or "default"
        if model:
            self.label += f", model {Path(model).stem}"
        self.device, self.threads, self.options = device, threads, {}
        self.version = codec.__version__
        self.code = _fingerprint(Path(codec.__file__).parent)
        try:
            # Fast decoding is torch's: on the engine in C it changes nothing.
            engine = "torch" if self.fast else engine
            self._codec = codec.Codec(self._source, device=device, threads=threads, engine=engine)
        except (codec.CodecError, ImportError) as error:
            raise Unavailable(f"aec cannot run: {error}") from None
        self.model = self._codec.model.id.hex()
        # The metrics that say nothing about this model, as it was trained on them.
        self.trained_on = metrics.TRAINED_ON.get(objective_of(path_of(self._source)), metrics.NAMES)

    @property
    def settings(self):
        words = [f"model {Path(self._source).stem} {self.model}", f"quality {self.low}..{self.high}"]
        words += [f"effort {self.effort}"] * bool(self.effort) + ["fast"] * self.fast + [self.device]
        return ", ".join(words)

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
        """Arguments of a process that encodes the PNG `source`, or decodes `source` to the PPM `target`.

        None with the model of a file: a new process would not find the model by the id that the coded file names.
        """
        if Path(self._source).is_file():
            return None
        if direction == "encode":
            words = ["compress", "-q", str(quality), "-e", str(self.effort), "-m", self._source, "--strip", "all"]
        else:
            words = ["decompress", *["--fast"] * self.fast]
        words += ["-d", self.device, str(source), "-o", str(target), "-f", "--quiet"]
        return [sys.executable, "-m", "codec", *words]


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
    "jpeg2000": Format(
        "JPEG 2000",
        "JPEG2000",
        {"irreversible": True, "mct": 1, "quality_mode": "dB"},
        (24, 26, 28, 30, 32, 35, 38, 42),  # dB: its encoder aims at a PSNR
        10,
        60,
        "jpg_2000",
        whole=False,
    ),
    "jxl": Format(
        "JPEG XL",
        "JXL",
        {"effort": 7, "lossless_jpeg": False},
        (20, 35, 50, 60, 70, 80, 88, 94),
        1,
        99,  # 100 is lossless, another coder
        "pillow-jxl-plugin",
        "pillow_jxl",
    ),
}
FORMATS["jxl9"] = replace(FORMATS["jxl"], label="JPEG XL effort 9", options={**FORMATS["jxl"].options, "effort": 9})
TUNES = ("iq", "ssim", "psnr", "ssimulacra2")  # that some libaom knows


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
        if format.pillow == "AVIF":
            words.append(f"tune={_tune(self._save['subsampling'], avif_speed)} (the library's own)")
        words.append(f"{'target PSNR' if name == 'jpeg2000' else 'quality'} {self.low}..{self.high}")
        self.settings = f"Pillow {format.pillow}: {', '.join(words)}"

    @cached_property
    def versions(self):
        version = importlib.metadata.version if self.format.package else features.version
        aom = {"aom": AvifImagePlugin.get_codec_version("aom")} if self.format.pillow == "AVIF" else {}
        return {
            "pillow": importlib.metadata.version("pillow"),
            self.format.library: version(self.format.library),
            **aom,
        }

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
            plugin = f"{self.format.package}.JpegXLImagePlugin"
            lines.append(f"import {plugin}; {plugin}.DECODE_THREADS = {self.threads}")
        if self.format.pillow == "AVIF":
            lines.append(f"from PIL import AvifImagePlugin; AvifImagePlugin.DEFAULT_MAX_THREADS = {self.threads}")
        pillow, arguments = (self.format.pillow, self._arguments(quality)) if direction == "encode" else ("PPM", {})
        lines.append(f"Image.open({str(source)!r}).convert('RGB').save({str(target)!r}, {pillow!r}, **{arguments!r})")
        return [sys.executable, "-c", "; ".join(lines)]

    def _arguments(self, quality):
        """What Pillow's save takes.

        The threads of AVIF are given because libavif cuts large pictures into tiles by their number.
        """
        wanted = {"quality_layers": [quality]} if self.name == "jpeg2000" else {"quality": quality}
        threads = {"AVIF": "max_threads", "JXL": "num_threads"}.get(self.format.pillow)
        return self._save | wanted | ({threads: self.threads} if threads else {})


@lru_cache
def _tune(subsampling, speed):
    """Which tune Pillow's libavif chooses by itself: the one of TUNES that makes the same file, or "unknown"."""
    noise = np.random.default_rng(0).integers(0, 256, (128, 128, 3), np.uint8)
    picture = Image.fromarray(noise).filter(ImageFilter.GaussianBlur(1))
    files = {}
    for tune in (None, *TUNES):
        file, advanced = io.BytesIO(), {"advanced": {"tune": tune}} if tune else {}
        try:
            picture.save(file, "AVIF", quality=50, subsampling=subsampling, speed=speed, max_threads=1, **advanced)
        except (ValueError, OSError):  # an older library that does not know it
            continue
        files[tune] = file.getvalue()
    same = [tune for tune in TUNES if files.get(tune) == files[None]]
    return same[0] if len(same) == 1 else "unknown"


def _fingerprint(folder):
    """Eight digits that change with the code that makes files and pixels: points are measured anew when it does."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.suffix in (".py", ".c", ".h")):
        if path.relative_to(folder).parts[0] not in BESIDE:
            digest.update(path.read_bytes())
    return digest.hexdigest()[:8]
