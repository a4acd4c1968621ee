"""A landscape drawn by code, for tests of the studio and its screenshot: it codes like a photograph, and anyone may
publish it. Sky with clouds and a low sun, ridges in haze, a lake that mirrors them, and a meadow.
"""

import numpy as np
from PIL import Image


def landscape(width: int = 1152, height: int = 768, seed: int = 7) -> Image.Image:
    """An RGB picture; the same for the same numpy and Pillow."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width] / height
    aspect = width / height
    horizon, sun = 0.62, (0.68 * aspect, 0.33)

    def noise(step: float, stretch: float = 1.0):
        """Smooth noise of mean 0, `step` of the height from grain to grain."""
        grid = random.normal(size=(int(1 / step) + 4, int(aspect / (step * stretch)) + 4)).astype(np.float32)
        smooth = Image.fromarray(grid).resize((width, height), Image.Resampling.BICUBIC)
        return np.asarray(smooth)

    def clouded(steps: int, first: float, stretch: float = 1.0):
        return sum(noise(first / 2**k, stretch) / 2**k for k in range(steps))

    def mixed(a, b, share):
        return a + (np.asarray(b, np.float32) - a) * np.clip(share, 0, 1)[..., None]

    glow = np.exp(-4.5 * np.hypot(x - sun[0], y - sun[1]))
    picture = mixed(np.broadcast_to(np.float32([66, 104, 158]), (height, width, 3)), [246, 205, 160], y / horizon)
    picture = mixed(picture, [255, 236, 196], 1.1 * glow)
    clouds = clouded(6, 0.22, 2.6) - 1.1 + 1.4 * np.exp(-((y - 0.22) ** 2) / 0.02)
    picture = mixed(picture, np.float32([255, 226, 205]), np.clip(0.75 * clouds, 0, 0.85) * (y < horizon))
    picture = mixed(picture, [255, 250, 232], 9 - 220 * np.hypot(x - sun[0], y - sun[1]))

    column = np.arange(width) / height
    for depth, (base, tall, colour) in enumerate(
        [
            (0.5, 0.12, (150, 152, 172)),
            (0.55, 0.11, (106, 118, 140)),
            (0.6, 0.09, (62, 84, 92)),
            (0.625, 0.04, (34, 54, 50)),
        ]
    ):
        edge = np.full(width, base)
        for k in range(8):  # rough at every scale
            points = random.normal(size=int(2 * 1.9**k * aspect) + 3)
            edge += tall * 0.56**k * np.interp(column, np.linspace(0, aspect, len(points)), points) * 0.8
        slope = np.gradient(clouded(6, 0.12 / (1 + 0.5 * depth)), axis=1)  # light from the right
        lit = np.float32(colour) + (180 + 60 * depth) * slope.clip(-0.25, 0.25)[..., None] * [1, 0.95, 0.85]
        hazy = mixed(lit, [226, 196, 172], (0.45 - 0.12 * depth) * (y - edge) / 0.12)
        picture = np.where((y > edge)[..., None], hazy, picture)

    lake = y > horizon
    source = np.clip(2 * horizon - y + 0.012 * noise(0.012, 9) * (y - horizon) * 6, 0, horizon - 0.002)
    mirrored = picture[(source * height).astype(int), (x * height).astype(int).clip(0, width - 1)]
    water = mixed(mirrored * [0.82, 0.86, 0.9], [40, 66, 86], 0.25 + 1.1 * (y - horizon))
    water = water + (9 * noise(0.006, 7) * (0.3 + glow))[..., None]
    picture = np.where(lake[..., None], water, picture)

    shore = 0.87 + 0.04 * np.sin(2.2 * x + 0.6) + 0.012 * np.abs(noise(0.004, 0.5))[height // 2]
    blades = clouded(4, 0.02, 0.1)
    meadow = np.float32([76, 92, 40]) + 22 * blades[..., None] * [1, 1, 0.5]
    meadow = meadow + 70 * (glow * (1 + 0.5 * blades))[..., None]
    flowers = (noise(0.008) > 2.2) & (y > shore + 0.03)
    meadow = np.where(flowers[..., None], np.float32([226, 122, 72]) + 25 * blades[..., None], meadow)
    picture = np.where((y > shore)[..., None], meadow * (1.15 - 1.5 * (y - shore))[..., None], picture)

    grain = random.normal(size=(height, width, 1)) * 1.6
    return Image.fromarray((picture + grain).clip(0, 255).astype(np.uint8))
