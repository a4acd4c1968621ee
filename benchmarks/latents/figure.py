"""Two pictures of what the latents do, of generated pictures.

    python -m benchmarks.latents.figure -o benchmarks/results/latents.jpg --denoised benchmarks/results/denoise.jpg

The first: draws from the priors, and a walk between two latents. Upper row: two draws, the second again at temperature
0.6, a generated picture, and a draw that keeps its hyper-latent. Lower row: nine steps from wood to brick. The second:
damaged pictures (Gaussian noise of 25 levels; a tenth of the pixels dead, and black patches), what the plain codec
makes of them, and the denoiser, both at quality 45.
"""

import argparse

import numpy as np
from PIL import Image

import codec
from codec import latents

from .. import synthetic
from .denoise import damaged
from .textures import texture

SIDE, STEP = 256, 140  # px of a draw, of a step of the walk
# The pictures shown, and the damage each is denoised of.
PICTURES = ((synthetic.picture(1), ["noise 25"]), (synthetic.picture(2), ["dead", "patches"]))


def framed(picture):
    """[H + 4, W + 4, 3]: a white margin to the right and below."""
    return np.pad(np.asarray(picture), ((0, 4), (0, 4), (0, 0)), constant_values=255)


def draws(coder):
    """[H, W, 3]"""
    given = coder.encode(texture("brick", 3), 60)
    drawn = [latents.sample(coder, SIDE, SIDE, 60, seed=seed, temperature=t) for seed, t in ((1, 1), (2, 1), (2, 0.6))]
    drawn += [given, latents.sample(coder, like=given, seed=4)]
    walk = latents.interpolate(coder, texture("wood", 3)[:STEP, :STEP], texture("brick", 3)[:STEP, :STEP], 9, 60)
    rows = [np.concatenate([framed(coder.decode(data)) for data in row], 1) for row in (drawn, walk)]
    width = min(row.shape[1] for row in rows) - 4
    return np.concatenate([row[:, :width] for row in rows])


def denoised(coder):
    """[H, W, 3]: a row per damage, the damaged picture, the plain codec's and the denoiser's."""
    cleaner, rows = latents.denoiser(device="cpu"), []
    for clean, kinds in PICTURES:
        picture = clean
        for kind in kinds:
            picture = damaged(picture, kind, 1)
        files = [coder.encode(picture, 45, lossless=False), cleaner.encode(picture, 45)]
        print(*kinds, *(f"{len(file):,} bytes" for file in files))
        rows.append(np.concatenate([framed(p) for p in (picture, *map(coder.decode, files))], 1))
    return np.concatenate(rows)[:-4, :-4]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output")
    parser.add_argument("--denoised", metavar="FILE")
    a = parser.parse_args()
    coder = codec.Codec("psnr", "cpu")
    for path, make in ((a.output, draws), (a.denoised, denoised)):
        if path:
            Image.fromarray(make(coder)).save(path, quality=85)


if __name__ == "__main__":
    main()
