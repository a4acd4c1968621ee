"""Distortion between a picture and what a codec made of it. Before: `codecs`. After: `run`, which collects, and `bdrate`, which compares curves.

The conventions are in the package's docstring. Values are plain numbers, or None where a metric is not defined: PSNR of equal pictures is infinite,
MS-SSIM needs sides of more than 160 pixels (its fifth scale has windows of 11).
"""
import importlib.metadata
import io
import math

import numpy as np

NAMES = ("psnr", "psnr_y", "msssim", "ssimulacra2")
DEFAULT = NAMES[:3]  # SSIMULACRA2 in Python takes seconds per picture
LIBRARIES = {"msssim": "pytorch-msssim", "ssimulacra2": "ssimulacra2"}
UNITS = {"psnr": "dB", "psnr_y": "dB", "msssim": "dB", "ssimulacra2": "points"}
LUMA = np.array([0.299, 0.587, 0.114])
MSSSIM_SIDE = 160


def measure(original, decoded, names=DEFAULT):
    """Every metric of `names` between two PIL RGB images of one size, by name; None for those of NAMES not asked for."""
    a, b = np.asarray(original), np.asarray(decoded)
    functions = {"psnr": psnr, "psnr_y": psnr_y, "msssim": msssim, "ssimulacra2": ssimulacra2}
    return {name: functions[name](a, b) if name in names else None for name in NAMES}


def psnr(a, b):
    """dB over all channels of uint8 [H,W,3]."""
    difference = a.astype(np.int32) - b
    return _decibel(int((difference * difference).sum(dtype=np.int64)) / difference.size)


def psnr_y(a, b):
    """dB over the luma of uint8 RGB [H,W,3]."""
    difference = (a.astype(np.float64) - b) @ LUMA
    return _decibel(float(np.mean(difference * difference)))


def msssim(a, b):
    """MS-SSIM 0..1 of uint8 RGB [H,W,3]."""
    import torch
    from pytorch_msssim import ms_ssim

    if min(a.shape[:2]) <= MSSSIM_SIDE:
        return None
    x, y = [torch.from_numpy(p.copy()).permute(2, 0, 1)[None].float() for p in (a, b)]
    with torch.inference_mode():
        return float(ms_ssim(x, y, data_range=255))


def ssimulacra2(a, b):
    """SSIMULACRA2 of uint8 RGB [H,W,3]: 100 is equal, 90 indistinguishable, 70 high, 50 medium, 30 low quality."""
    from PIL import Image
    from ssimulacra2 import compute_ssimulacra2

    files = []
    for pixels in (a, b):
        files.append(io.BytesIO())
        Image.fromarray(pixels).save(files[-1], "BMP")
    return float(compute_ssimulacra2(*files))


def versions(names):
    """{library: version} of the metrics that need one. Raises importlib.metadata.PackageNotFoundError."""
    return {LIBRARIES[name]: importlib.metadata.version(LIBRARIES[name]) for name in names if name in LIBRARIES}


def curve_value(metric, value):
    """A mean of the metric as curves and BD-rate need it: MS-SSIM in dB, which spreads what lies close to 1."""
    if metric != "msssim" or value is None:
        return value
    return -10 * math.log10(1 - value) if value < 1 else None


def _decibel(mse):
    return 10 * math.log10(255**2 / mse) if mse else None
