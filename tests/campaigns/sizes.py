"""Sizes: a picture of every size from 1 x 1 to 130 x 130 px goes there and back, in all four combinations of gray,
colour and alpha in turn.

python -m tests.campaigns.sizes --model tests/golden/tiny.safetensors --log tests/campaigns/log.jsonl
"""

import argparse
import itertools
import random
import time

import numpy as np

import codec
from codec.pixels.picture import Picture
from tests import campaigns

MOST = 130  # px


def there_and_back(coder, height, width, worst):
    """Mean absolute error of a picture of this size in 8-bit levels; AssertionError where it is not the picture that
    went in.
    """
    rows, columns = np.mgrid[:height, :width]
    kind = (height * MOST + width) % 4
    colours = 3 if kind & 1 else 1
    waves = np.stack([128 + 60 * np.sin(rows / 40 + c) * np.cos(columns / 50 - c) for c in range(colours)], -1).astype(
        np.uint8
    )
    alpha = (rows * 3 + columns * 5).astype(np.uint8) if kind & 2 else None
    data = coder.encode(Picture(waves, alpha), 95, lossless=False, exact=True)  # with colours that nobody sees
    coder.verify(data)
    header = codec.info(data)
    assert (header["width"], header["height"], header["mode"]) == (
        width,
        height,
        ("RGB" if kind & 1 else "L") + "A" * (kind >> 1),
    )
    decoded = coder.decode_picture(data)
    assert decoded.pixels.shape == waves.shape and decoded.pixels.dtype == np.uint8
    assert np.array_equal(decoded.alpha, alpha) if kind & 2 else decoded.alpha is None
    error = np.abs(decoded.pixels.astype(int) - waves).mean()
    assert error < worst, (height, width, error)
    return error


def run(model, sample=None, worst=60):
    """Figures of all sizes, or of a random sample of so many of them with the corners.

    `worst`: levels of mean error that are still a picture.
    """
    started, sizes = time.monotonic(), list(itertools.product(range(1, MOST + 1), repeat=2))
    if sample:
        sizes = [*itertools.product((1, MOST), repeat=2), *random.sample(sizes, sample)]
    coder = codec.Codec(model, "cpu", threads=1)
    errors = [there_and_back(coder, height, width, worst) for height, width in sizes]
    return {
        "sizes": len(errors),
        "from": [1, 1],
        "to": [MOST, MOST],
        "failures": 0,
        "mean_error_levels": round(float(np.mean(errors)), 2),
        "worst_error_levels": round(float(np.max(errors)), 2),
        "model": coder.model.id.hex(),
        "seconds": round(time.monotonic() - started),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser("python -m tests.campaigns.sizes")
    parser.add_argument("--model", default="default")
    parser.add_argument("--log")
    options = parser.parse_args()
    campaigns.write(options.log, "sizes", run(options.model))
