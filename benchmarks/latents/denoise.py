"""Noisy photographs through the denoising encoder, the plain codec, and non-local means before the plain codec: PSNR against the clean picture, and size.

    python -m benchmarks.latents.denoise --images kodak --out benchmarks/results/denoise.json [--qualities 30 45 60] [--sigmas 0 15 25 50] [--encoder FILE]

The noise is Gaussian, clipped to the range of the picture and rounded to 8 bits as a file would hold it; nothing is told about its strength, but to non-local
means (scikit-image, fast mode, patches of 5 px within 6 px, h = 0.8 sigma as its documentation says), which gets the true one. PSNR is over RGB, the mean of that of each
picture; sizes are real files, in bits per pixel.
"""
import argparse
import json
from pathlib import Path

import numpy as np
from skimage.restoration import denoise_nl_means
from tqdm import tqdm

import codec
from codec.latents.denoise import INSTALLED, denoiser

from .. import data


def psnr(one, other):
    return 10 * np.log10(255**2 / np.square(one.astype(float) - other).mean())


def corrupted(clean, sigma, seed):
    """8-bit picture with Gaussian noise of deviation `sigma` levels."""
    noise = np.random.default_rng(seed).normal(0, sigma, clean.shape)
    return np.uint8(np.rint(np.clip(clean + noise, 0, 255)))


def non_local_means(picture, sigma):
    """8-bit picture; sigma as known to the filter, in 8-bit levels."""
    s = sigma / 255
    clean = denoise_nl_means(picture / 255, patch_size=5, patch_distance=6, h=0.8 * s, sigma=s, fast_mode=True, channel_axis=-1)
    return np.uint8(np.rint(255 * clean.clip(0, 1)))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", nargs="+", required=True)
    parser.add_argument("--qualities", nargs="+", type=float, default=[30, 45, 60])
    parser.add_argument("--sigmas", nargs="+", type=float, default=[0, 15, 25, 50])
    parser.add_argument("--encoder", help="encoder file (default: the installed one)")
    parser.add_argument("--out", required=True)
    a = parser.parse_args()
    plain = codec.Codec(device="cpu")
    cleaner = denoiser(a.encoder, device="cpu")
    encoder = Path(a.encoder or INSTALLED)
    found = {}
    for seed, path in enumerate(tqdm(data.pictures(a.images), unit="picture")):
        clean = np.asarray(data.load(path))
        for sigma in a.sigmas:
            noisy = corrupted(clean, sigma, seed)
            ways = [("plain", plain, noisy), ("denoise", cleaner, noisy)]
            if sigma:
                filtered = non_local_means(noisy, sigma)
                found.setdefault((sigma, None), []).append({"noisy": psnr(noisy, clean), "nlm": psnr(filtered, clean)})
                ways.append(("nlm, plain", plain, filtered))
            for quality in a.qualities:
                row = {}
                for name, coder, picture in ways:
                    file = coder.encode(picture, quality)
                    row |= {name: psnr(np.asarray(plain.decode(file)), clean), f"{name} bpp": 8 * len(file) / clean[..., 0].size}
                found.setdefault((sigma, quality), []).append(row)
    mean = lambda rows: {key: round(float(np.mean([row[key] for row in rows])), 3) for key in rows[0]}
    table = [{"sigma": sigma, "quality": quality, **mean(rows)} if quality else {"sigma": sigma, **mean(rows)} for (sigma, quality), rows in found.items()]
    record = {"command": "python -m benchmarks.latents.denoise", "pictures": [p.name for p in data.pictures(a.images)],
              "model": plain.model.id.hex(), "encoder": data.sha256(encoder) if encoder.exists() else "untrained", "results": table}
    Path(a.out).write_text(json.dumps(record, indent=1) + "\n")
    for row in table:
        print("  ".join(f"{key} {value:g}" for key, value in row.items()))


if __name__ == "__main__":
    main()
