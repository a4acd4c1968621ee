"""Altered copies of photographs: what a search for near-duplicates has to see through.

Each takes a PIL RGB picture and a random generator.
"""

import io

from PIL import Image


def crop(picture, rng):
    """60 to 90 % of each side."""
    width, height = (round(side * rng.uniform(0.6, 0.9)) for side in picture.size)
    left, top = rng.integers(picture.width - width + 1), rng.integers(picture.height - height + 1)
    return picture.crop((left, top, left + width, top + height))


def rescale(picture, rng):
    """To 50 to 150 % of its size."""
    factor = rng.uniform(0.5, 1.5)
    return picture.resize([max(16, round(side * factor)) for side in picture.size], Image.LANCZOS)


def recompress(picture, rng):
    """JPEG or WebP of quality 10 to 60."""
    file = io.BytesIO()
    picture.save(file, ("JPEG", "WEBP")[rng.integers(2)], quality=int(rng.integers(10, 61)))
    return Image.open(file).convert("RGB")


def flip(picture, rng):
    """Left to right, or one time in four upside down."""
    return picture.transpose(Image.FLIP_TOP_BOTTOM if rng.random() < 0.25 else Image.FLIP_LEFT_RIGHT)


def everything(picture, rng):
    """All four in turn."""
    return recompress(rescale(crop(flip(picture, rng), rng), rng), rng)


COPIES = {f.__name__: f for f in (crop, rescale, recompress, flip, everything)}
