"""Small files at one of four qualities: so that five points more never give a smaller file or a worse picture. Above the encoder of `pipeline`, which it runs a few times.

Where a file takes a few hundred bytes, luck in rounding a few numbers weighs more than some points of quality. So one quality is chosen for it out of the same
few whatever was asked for, the one that costs least: bits + lambda * squared error, as in training. With more lambda such a choice
never has fewer bits or more error (`contest` chooses likewise); and the files are smaller at the same error, for one quality is luckier than another.
"""
from . import container
from .buckets import together

RUNGS = 100, 3000, 6000, 10000  # qualities in hundredths; the default among them, which was tried already
SMALL = 512  # bytes of all tiles that are few, with any picture,
SPARSE = 0.04  # or bits per pixel: not even the smoothest photographs take fewer at quality 20


def is_small(file):
    """Whether a file may owe what it is to luck; not where every pixel is exact."""
    header, sizes = container.read_header(file)
    return _few(header, sizes) and (header.rounded or not header.lossless)


def best(first, quality, weight, encoding, error):
    """As a task of `buckets`: the file of least cost among a picture's few, or `first`, which is that of the quality asked for, if it has none.

    quality: in hundredths; weight: bits that a unit of mean squared error is worth; encoding(hundredths): the task of the file of a quality; error(file): the task of its mean squared error.
    """
    others = [rung for rung in RUNGS if rung != quality]
    made = dict(zip(others, (yield from together(map(encoding, others))))) | {quality: first}
    few = [made[rung] for rung in RUNGS if _few(*container.read_header(made[rung]))]
    errors = yield from together(map(error, few))
    costs = [8 * container.read_header(file)[1]["tiles"] + weight * error for file, error in zip(few, errors)]
    return few[costs.index(min(costs))] if few else first


def _few(header, sizes):
    return sizes["tiles"] < max(SMALL, SPARSE / 8 * header.width * header.height)
