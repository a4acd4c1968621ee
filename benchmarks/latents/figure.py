"""Draws from the priors, and a walk between two latents, as one picture: `python -m benchmarks.latents.figure -o benchmarks/results/latents.jpg`.

Upper row: two draws, the second again at temperature 0.6, a generated picture, and a draw that keeps its hyper-latent. Lower row: nine steps from wood to
brick.
"""
import argparse

import numpy as np
from PIL import Image

import codec
from codec import latents

from .textures import texture

SIDE, STEP = 256, 140  # px of a draw, of a step of the walk


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", required=True)
    a = parser.parse_args()
    coder = codec.Codec(device="cpu")
    given = coder.encode(texture("brick", 3), 60)
    drawn = [latents.sample(coder, SIDE, SIDE, 60, seed=seed, temperature=t) for seed, t in ((1, 1), (2, 1), (2, 0.6))]
    drawn += [given, latents.sample(coder, like=given, seed=4)]
    walk = latents.interpolate(coder, texture("wood", 3)[:STEP, :STEP], texture("brick", 3)[:STEP, :STEP], 9, 60)
    framed = lambda data: np.pad(np.asarray(coder.decode(data)), ((0, 4), (0, 4), (0, 0)), constant_values=255)
    rows = [np.concatenate([framed(data) for data in row], 1) for row in (drawn, walk)]
    width = min(row.shape[1] for row in rows) - 4
    Image.fromarray(np.concatenate([row[:, :width] for row in rows])).save(a.output, quality=85)


if __name__ == "__main__":
    main()
