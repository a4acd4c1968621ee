"""Distortion between a picture and what a codec made of it. Before: `codecs`. After: `run`, `bdrate`.

The conventions are in the package's docstring. Values are plain numbers, or None where a metric is not defined: a PSNR
of equal pictures is infinite, MS-SSIM and IW-SSIM need sides of more than 160 pixels (their fifth scale has windows of
11). METRICS lists them, those that follow the eye first.
"""

import contextlib
import functools
import hashlib
import importlib.metadata
import importlib.util
import io
import logging
import math
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from codec.pixels import score

LUMA = np.array([0.299, 0.587, 0.114])
CHROMA = np.array([[-0.168736, 0.5], [-0.331264, -0.418688], [0.5, -0.081312]])  # BT.601: from R, G, B to Cb, Cr
MSSSIM_SIDE = 160
CVVDP_DISPLAY = "standard_4k"  # 30 inches, 3840 x 2160 pixels, 200 cd/m2, seen from 75 cm: 75 pixels per degree
BUTTERAUGLI = "butteraugli_main"


def psnr(a: np.ndarray, b: np.ndarray) -> float | None:
    """dB over all channels of uint8 [H,W,3]."""
    difference = a.astype(np.int32) - b
    return _decibel(int((difference * difference).sum(dtype=np.int64)) / difference.size)


def psnr_y(a: np.ndarray, b: np.ndarray) -> float | None:
    """dB over the luma of uint8 RGB [H,W,3]."""
    difference = (a.astype(np.float64) - b) @ LUMA
    return _decibel(float(np.mean(difference * difference)))


def psnr_c(a: np.ndarray, b: np.ndarray) -> float | None:
    """dB over both chroma planes, unrounded full-range Cb and Cr, of uint8 RGB [H,W,3]."""
    difference = (a.astype(np.float64) - b) @ CHROMA
    return _decibel(float(np.mean(difference * difference)))


def psnr_hvsm(a: np.ndarray, b: np.ndarray) -> float | None:
    """PSNR-HVS-M, dB over the luma of uint8 RGB [H,W,3].

    Errors of 8x8 DCT coefficients are weighted by the eye's sensitivity to contrast and by masking.
    """
    with contextlib.redirect_stdout(io.StringIO()):  # the package prints which of its backends it lacks
        from psnr_hvsm import psnr_hvs_hvsm

    with np.errstate(divide="ignore", invalid="ignore"):
        value = float(psnr_hvs_hvsm(*[_in_blocks(p @ LUMA / 255) for p in (a, b)])[1])
    return value if value < 100 else None  # 100 is what the package says where there is no visible error


def msssim(a: np.ndarray, b: np.ndarray) -> float | None:
    """MS-SSIM 0..1 of uint8 RGB [H,W,3]."""
    from pytorch_msssim import ms_ssim

    return _at_five_scales(ms_ssim, a, b)


def iwssim(a: np.ndarray, b: np.ndarray) -> float | None:
    """IW-SSIM 0..1 of the luma of uint8 RGB [H,W,3]: MS-SSIM with places weighted by their information."""
    from piq import information_weighted_ssim

    return _at_five_scales(information_weighted_ssim, a, b)


def ssimulacra2(a: np.ndarray, b: np.ndarray) -> float:
    """SSIMULACRA2 of uint8 RGB [H,W,3]: 100 is equal, 90 indistinguishable, 70 high, 50 medium, 30 low quality.

    Of sides of less than 225 pixels with their mirror images, as `points` says.
    """
    return score.points(a, b)


def butteraugli(a: np.ndarray, b: np.ndarray) -> float:
    """Butteraugli's 3-norm of uint8 RGB [H,W,3], a distance: 0 is equal, about 1 just noticeable.

    Raises OSError, RuntimeError.
    """
    with tempfile.TemporaryDirectory(prefix="aecodec-butteraugli-") as folder:
        paths = [str(Path(folder) / name) for name in ("original.ppm", "decoded.ppm")]
        for path, pixels in zip(paths, (a, b), strict=True):
            Image.fromarray(pixels).save(path)
        done = subprocess.run([BUTTERAUGLI, *paths, "--pnorm", "3"], capture_output=True, text=True)
    found = [line.removeprefix("3-norm:") for line in done.stdout.splitlines() if line.startswith("3-norm:")]
    if done.returncode or not found:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise RuntimeError(f"{BUTTERAUGLI} ended with {done.returncode}: {reason}")
    return float(found[0])


def cvvdp(a: np.ndarray, b: np.ndarray) -> float:
    """ColorVideoVDP of uint8 RGB [H,W,3] on CVVDP_DISPLAY, in just-objectionable differences: 10 is equal."""
    import torch

    with torch.inference_mode():
        return float(_cvvdp().predict(b, a, dim_order="HWC")[0])


@functools.lru_cache(1)
def _cvvdp():
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)  # which warns that there is no CUDA
    import torch
    from pycvvdp import cvvdp

    return cvvdp(display_name=CVVDP_DISPLAY, quiet=True, device=torch.device("cpu"))


def _at_five_scales(function, a, b):
    """A measure of torch images 0..255 whose fifth scale has windows of 11, or None where that does not fit."""
    import torch

    if min(a.shape[:2]) <= MSSSIM_SIDE:
        return None
    x, y = (torch.from_numpy(p.copy()).permute(2, 0, 1)[None].float() for p in (a, b))
    with torch.inference_mode():
        return min(float(function(x, y, data_range=255)), 1.0)


def _in_blocks(plane):
    """The plane [H,W] continued by its last row and column to whole blocks of 8, which the package would cut off."""
    height, width = plane.shape
    return np.pad(plane, ((0, -height % 8), (0, -width % 8)), mode="edge")


def _decibel(mse):
    return 10 * math.log10(255**2 / mse) if mse else None


@dataclass(frozen=True)
class Metric:
    """One measure. A value lies on curves as it is, or in dB: -10 log10 of what it lacks to 1, or of the distance."""

    name: str
    title: str
    unit: str  # of values on curves
    function: Callable[[np.ndarray, np.ndarray], float | None]
    library: str = ""  # the package that has to be installed
    module: str = ""  # which it brings
    program: str = ""  # the program that has to be there
    package: str = ""  # which package brings the program
    decibel: str = ""  # "", "likeness" (1 is equal) or "distance" (0 is equal)

    def missing(self) -> str | None:
        """One sentence on why it cannot be computed here, or None."""
        if self.library and importlib.util.find_spec(self.module) is None:
            return f"{self.title} is left out: it needs the package {self.library} (pip install {self.library})"
        if self.program and shutil.which(self.program) is None:
            return f"{self.title} is left out: it needs the program {self.program} ({self.package})"
        return None

    def version(self) -> dict[str, str]:
        """{library or program: version}; a program, which does not tell its own, has digits of its SHA-256."""
        if self.library:
            return {self.library: importlib.metadata.version(self.library)}
        path = shutil.which(self.program) if self.program else None
        return {self.program: hashlib.sha256(Path(path).read_bytes()).hexdigest()[:8]} if path else {}


METRICS = {
    metric.name: metric
    for metric in (
        Metric("ssimulacra2", "SSIMULACRA2", "points", ssimulacra2, "ssimulacra2", "ssimulacra2"),
        Metric(
            "butteraugli",
            "Butteraugli 3-norm",
            "dB",
            butteraugli,
            program=BUTTERAUGLI,
            package="Debian: apt-get install libjxl-devtools",
            decibel="distance",
        ),
        Metric("cvvdp", "CVVDP", "JOD", cvvdp, "cvvdp", "pycvvdp"),
        Metric("iwssim", "IW-SSIM", "dB", iwssim, "piq", "piq", decibel="likeness"),
        Metric("psnr_hvsm", "PSNR-HVS-M", "dB", psnr_hvsm, "psnr-hvsm", "psnr_hvsm"),
        Metric("msssim", "MS-SSIM", "dB", msssim, "pytorch-msssim", "pytorch_msssim", decibel="likeness"),
        Metric("psnr", "PSNR (RGB)", "dB", psnr),
        Metric("psnr_y", "PSNR (luma)", "dB", psnr_y),
        Metric("psnr_c", "PSNR (Cb, Cr)", "dB", psnr_c),
    )
}
NAMES = tuple(METRICS)
DEFAULT = ("psnr", "psnr_y", "msssim")  # the cheap ones
# All that a judgement needs, in its order.
EYE = ("ssimulacra2", "butteraugli", "cvvdp", "iwssim", "psnr_hvsm", "msssim", "psnr")
# What the objectives of our weight files (codec.model.purpose) have seen in training: no proof of anything.
TRAINED_ON = {"psnr": ("psnr", "psnr_y", "psnr_c"), "visual": ("ssimulacra2", "msssim", "psnr", "psnr_y", "psnr_c")}
UNITS = {name: metric.unit for name, metric in METRICS.items()}


def measure(original: Image.Image, decoded: Image.Image, names: Iterable[str] = DEFAULT) -> dict[str, float | None]:
    """Every metric of `names` between two PIL RGB images of one size, by name; None for the others of NAMES."""
    a, b = np.asarray(original), np.asarray(decoded)
    return {name: metric.function(a, b) if name in names else None for name, metric in METRICS.items()}


def available(names: Iterable[str]) -> tuple[tuple[str, ...], dict[str, str]]:
    """Those of the names that can be computed here, and {name: why not} of the others."""
    reasons = {name: METRICS[name].missing() for name in names}
    return tuple(n for n, why in reasons.items() if why is None), {
        n: why for n, why in reasons.items() if why is not None
    }


def ordered(names: Iterable[str]) -> list[str]:
    """The names in the order in which people should see them: what follows the eye first."""
    wanted = set(names)
    return [name for name in NAMES if name in wanted]


def versions(names: Iterable[str]) -> dict[str, str]:
    """{library or program: version} of the metrics that need one. Raises importlib.metadata.PackageNotFoundError."""
    return {key: value for name in names for key, value in METRICS[name].version().items()}


def curve_value(name: str, value: float | None) -> float | None:
    """A mean of the metric as curves and BD-rate need it: rising with quality, and in dB what crowds at one end."""
    decibel = METRICS[name].decibel
    if not decibel or value is None:
        return value
    rest = 1 - value if decibel == "likeness" else value
    return -10 * math.log10(rest) if rest > 0 else None
