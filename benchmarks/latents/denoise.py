"""Damaged photographs through the denoising encoder, the plain codec, and non-local means before the plain codec: PSNR
against the clean picture, and size.

    python -m benchmarks.latents.denoise --images kodak --out benchmarks/results/denoise.json \\
        [--qualities 30 45 60] [--damage clean "noise 25" ...] [--encoder FILE]

Damage: "clean" (none: what the denoiser takes from a picture that wants nothing), "noise S" (Gaussian of deviation S
levels, clipped to the range of the picture and rounded to 8 bits as a file would hold it), "dead" (a tenth of the
pixels is 0), "patches" (24 black squares of 4 to 24 px). Nothing is told about it, but to non-local means
(scikit-image, fast mode, patches of 5 px within 6 px, h = 0.8 sigma as its documentation says), which gets the true
sigma. The plain codec codes latents, as with --lossy: left to itself it may keep strong noise as rounded samples,
several times the size and worse by this measure. PSNR is over RGB, the mean of that of each picture; sizes are real
files, in bits per pixel. The file is written anew after every picture.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from skimage.restoration import denoise_nl_means
from tqdm import tqdm

import codec
from codec.files.output import atomic
from codec.latents.denoise import INSTALLED, denoiser

from .. import data

DAMAGE = ["clean", "noise 15", "noise 25", "noise 50", "dead", "patches"]


def psnr(one, other):
    return 10 * np.log10(255**2 / np.square(one.astype(float) - other).mean())


def damaged(clean, kind, seed):
    """8-bit picture [H, W, 3], damaged as `kind` says."""
    rng, name, height, width = np.random.default_rng(seed), kind.split()[0], *clean.shape[:2]
    if name == "noise":
        return np.uint8(np.rint(np.clip(clean + rng.normal(0, float(kind.split()[1]), clean.shape), 0, 255)))
    picture = clean.copy()
    if name == "dead":
        picture[rng.random((height, width)) < 0.1] = 0
    if name == "patches":
        for side in rng.integers(4, 25, 24):
            top, left = rng.integers(height - side), rng.integers(width - side)
            picture[top : top + side, left : left + side] = 0
    return picture


def non_local_means(picture, sigma):
    """8-bit picture; sigma as known to the filter, in 8-bit levels."""
    s = sigma / 255
    clean = denoise_nl_means(
        picture / 255, patch_size=5, patch_distance=6, h=0.8 * s, sigma=s, fast_mode=True, channel_axis=-1
    )
    return np.uint8(np.rint(255 * clean.clip(0, 1)))


def measure(clean, kind, seed, qualities, plain, cleaner):
    """{quality, or None for what no codec has seen: PSNR and bits per pixel of each way} of one picture."""
    picture = damaged(clean, kind, seed)
    lossy = lambda picture, quality: plain.encode(picture, quality, lossless=False)
    ways, found = [("plain", lossy, picture), ("denoise", cleaner.encode, picture)], {}
    if kind != "clean":
        found[None] = {"damaged": psnr(picture, clean)}
    if kind.startswith("noise"):
        filtered = non_local_means(picture, float(kind.split()[1]))
        found[None]["nlm"] = psnr(filtered, clean)
        ways.append(("nlm, plain", lossy, filtered))
    for quality in qualities:
        found[quality] = {}
        for name, encode, given in ways:
            file = encode(given, quality)
            found[quality] |= {
                name: psnr(np.asarray(plain.decode(file)), clean),
                f"{name} bpp": 8 * len(file) / clean[..., 0].size,
            }
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", nargs="+", required=True)
    parser.add_argument("--qualities", nargs="+", type=float, default=[30, 45, 60])
    parser.add_argument("--damage", nargs="+", default=DAMAGE, metavar="KIND")
    parser.add_argument("--encoder", help="encoder file (default: the installed one)")
    parser.add_argument("--out", required=True)
    a = parser.parse_args()
    plain = codec.Codec("psnr", "cpu")
    cleaner = denoiser(a.encoder, device="cpu")
    encoder = Path(a.encoder or INSTALLED)
    record = {
        "command": "python -m benchmarks.latents.denoise",
        "model": plain.model.id.hex(),
        "encoder": data.sha256(encoder) if encoder.exists() else "untrained",
        "pictures": [],
    }
    found = {}
    for seed, path in enumerate(tqdm(data.pictures(a.images), unit="picture")):
        clean = np.asarray(data.load(path))
        for kind in a.damage:
            for quality, row in measure(clean, kind, seed, a.qualities, plain, cleaner).items():
                found.setdefault((kind, quality), []).append(row)
        record["pictures"].append(path.name)
        record["results"] = table(found)
        with atomic(a.out, overwrite=True) as file:
            file.write((json.dumps(record, indent=1) + "\n").encode())
    for row in record["results"]:
        print("  ".join(f"{key} {value}" for key, value in row.items()))


def table(found):
    """Means over the pictures, a line per damage and quality."""
    mean = lambda rows: {key: round(float(np.mean([row[key] for row in rows])), 3) for key in rows[0]}
    return [
        {"damage": kind, **({"quality": quality} if quality else {}), **mean(rows)}
        for (kind, quality), rows in found.items()
    ]


if __name__ == "__main__":
    main()
