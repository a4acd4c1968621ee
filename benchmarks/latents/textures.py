"""Generated textures and defects planted in them, with the pixels each defect covers: 8-bit RGB, the same for the same
seed.
"""

import numpy as np
from PIL import Image, ImageDraw, ImageFilter
from scipy import ndimage

SIDE = 256


def _noise(rng, sigma, side=SIDE):
    """Gaussian noise smoothed to a scale of `sigma` (a number or one per axis), of deviation 1."""
    field = ndimage.gaussian_filter(rng.normal(size=(side, side)), sigma, mode="wrap")
    return field / field.std()


def _paint(rng, height, low, high, grain=3.0):
    """RGB of a height field: from colour `low` to `high` over -2..2 deviations, with camera noise."""
    share = np.clip((height - height.mean()) / (4 * height.std()) + 0.5, 0, 1)[..., None]
    picture = np.array(low) * (1 - share) + np.array(high) * share + rng.normal(0, grain, (*height.shape, 1))
    return np.uint8(np.clip(np.rint(picture), 0, 255))


def _coordinates(rng, wobble):
    """Rows and columns, bent by up to about `wobble` px."""
    rows, columns = np.mgrid[:SIDE, :SIDE].astype(float)
    return rows + wobble * _noise(rng, 24), columns + wobble * _noise(rng, 24)


def cloth(rng):
    rows, columns = _coordinates(rng, 0.7)
    phase = rng.uniform(0, 6, 2)
    threads = np.sin(rows * 2 * np.pi / 7 + phase[0]) * np.sin(columns * 2 * np.pi / 7 + phase[1])
    return _paint(
        rng, threads + 0.35 * _noise(rng, (0.5, 4)) + 0.35 * _noise(rng, (4, 0.5)), (70, 80, 120), (170, 175, 200)
    )


def wood(rng):
    rows, columns = _coordinates(rng, 5)
    rings = np.sin(columns * 2 * np.pi / 18 + 0.01 * rows + rng.uniform(0, 6))
    return _paint(rng, rings + 0.5 * _noise(rng, (12, 0.7)), (105, 65, 35), (205, 155, 100))


def sand(rng):
    return _paint(rng, _noise(rng, 1.2) + 0.6 * _noise(rng, 8), (150, 130, 95), (225, 205, 165), 5)


def brick(rng):
    rows, columns = _coordinates(rng, 0.8)
    rows, columns = rows + rng.uniform(0, 32), columns + rng.uniform(0, 64)
    layer = np.floor(rows / 32)
    shifted = columns + 32 * (layer % 2)
    gap = np.minimum(np.minimum(rows % 32, 32 - rows % 32), np.minimum(shifted % 64, 64 - shifted % 64))
    tone = rng.normal(size=(64, 64))[layer.astype(int) % 64, np.floor(shifted / 64).astype(int) % 64]
    return _paint(
        rng, 2.2 * np.clip(gap / 3, 0, 1) + 0.35 * tone + 0.25 * _noise(rng, 1), (190, 180, 165), (150, 70, 50)
    )


def leather(rng):
    points = rng.uniform(0, SIDE, (420, 2))
    points = np.concatenate([points + SIDE * np.array(shift) for shift in np.ndindex(3, 3)]) - SIDE
    distance = np.sort(_nearest(points), 0)
    return _paint(rng, np.clip(distance[1] - distance[0], 0, 4) + 0.3 * _noise(rng, 0.8), (50, 30, 22), (130, 85, 60))


def _nearest(points):
    from scipy.spatial import cKDTree

    grid = np.stack(np.mgrid[:SIDE, :SIDE], -1).reshape(-1, 2)
    return cKDTree(points).query(grid, 2)[0].T.reshape(2, SIDE, SIDE)


def metal(rng):
    return _paint(rng, _noise(rng, (0.6, 30)) + 0.5 * _noise(rng, (20, 60)), (120, 125, 130), (200, 205, 210), 4)


def carpet(rng):
    return _paint(rng, _noise(rng, 2) - _noise(rng, 4), (95, 30, 40), (190, 120, 110), 8)


TEXTURES = {f.__name__: f for f in (cloth, wood, sand, brick, leather, metal, carpet)}


def _blob(rng):
    """A soft-edged round patch of 20 to 44 px somewhere inside: its weight at every pixel [H, W, 1]."""
    radius = rng.uniform(10, 22)
    centre = rng.uniform(radius + 4, SIDE - radius - 4, 2)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    stretch = rng.uniform(0.7, 1.4)
    distance = np.hypot((rows - centre[0]) * stretch, (columns - centre[1]) / stretch)
    return np.clip((radius - distance) / 2, 0, 1)[..., None]


def spot(picture, rng):
    """Paint of one dark or bright tone, half covering."""
    weight = 0.6 * _blob(rng)
    return picture * (1 - weight) + weight * rng.choice([15, 240]), weight


def scratch(picture, rng):
    """A thin bright or dark line of 60 to 130 px."""
    canvas = Image.new("L", (SIDE, SIDE))
    start, angle, length = rng.uniform(70, SIDE - 70, 2), rng.uniform(0, 2 * np.pi), rng.uniform(60, 130)
    end = start + length * np.array([np.cos(angle), np.sin(angle)])
    ImageDraw.Draw(canvas).line([tuple(start), tuple(end)], 255, 2)
    weight = np.asarray(canvas.filter(ImageFilter.GaussianBlur(0.6)), float)[..., None] / 255
    return picture * (1 - weight) + weight * rng.choice([20, 245]), weight


def hole(picture, rng):
    """The texture is missing, its mean colour is there."""
    weight = _blob(rng)
    return picture * (1 - weight) + weight * picture.mean((0, 1)), weight


def blur(picture, rng):
    """The texture is worn off, down to its coarse forms."""
    weight = _blob(rng)
    return picture * (1 - weight) + weight * ndimage.gaussian_filter(picture, (3, 3, 0)), weight


def dirt(picture, rng):
    """Grains of 2 px over the texture."""
    weight = _blob(rng)
    grains = np.kron(rng.normal(0, 35, (SIDE // 2, SIDE // 2)), np.ones((2, 2)))[..., None]
    return picture + weight * grains, weight


def thread(picture, rng):
    """A wavy coloured fibre of 3 px lies on it."""
    canvas = Image.new("L", (SIDE, SIDE))
    start, angle = rng.uniform(60, SIDE - 60, 2), rng.uniform(0, 2 * np.pi)
    along, steps = np.array([np.cos(angle), np.sin(angle)]), np.linspace(0, 80, 60)[:, None]
    points = start + along * steps + along[::-1] * [-1, 1] * 8 * np.sin(steps / rng.uniform(6, 14))
    ImageDraw.Draw(canvas).line([tuple(p) for p in points], 255, 3)
    weight = np.asarray(canvas, float)[..., None] / 255
    return picture * (1 - weight) + weight * rng.uniform(0, 255, 3), weight


DEFECTS = {f.__name__: f for f in (spot, scratch, hole, blur, dirt, thread)}


def texture(kind, seed):
    """A texture [256, 256, 3]."""
    return TEXTURES[kind](np.random.default_rng([sorted(TEXTURES).index(kind), seed]))


def damaged(kind, defect, seed):
    """A texture with a defect, and where: bool [256, 256]."""
    rng = np.random.default_rng([99, sorted(TEXTURES).index(kind), sorted(DEFECTS).index(defect), seed])
    picture, weight = DEFECTS[defect](texture(kind, 1000 + seed).astype(float), rng)
    return np.uint8(np.clip(np.rint(picture), 0, 255)), weight[..., 0] > 0.25
