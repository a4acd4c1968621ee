"""Pictures that no camera takes, for calibration: pure colours, checkerboards, stripes, text, noise."""

import itertools

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

CORNERS = np.array(list(itertools.product((0, 255), repeat=3)), np.uint8)


def patterns(size: int, seed: int = 0) -> torch.Tensor:
    """Pictures [n,3,size,size] float32 in [0,1], always the same."""
    chance = np.random.default_rng(seed)
    down, across = np.mgrid[:size, :size]
    pictures = [np.broadcast_to(colour, (size, size, 3)) for colour in CORNERS]
    pairs = [(0, 7), (1, 6), (2, 5), (3, 4), (7, 1), (0, 2), (4, 7)]
    for number, (cell, kind) in enumerate(itertools.product((1, 2, 3, 5, 8, 11, 16, 23, 64), range(3))):
        mask = (down // cell + across // cell, down // cell, across // cell)[kind] % 2
        pictures.append(CORNERS[list(pairs[number % len(pairs)])][mask])
        if cell in (1, 8, 16):
            pictures.append(CORNERS[[7, 0]][mask])
    pictures += [_text(size, *CORNERS[list(pair)]) for pair in pairs]
    pictures += [
        chance.integers(0, 256, (size, size, 3), np.uint8),
        chance.integers(0, 2, (size, size, 3), np.uint8) * 255,
    ]
    pictures += [np.broadcast_to(chance.integers(0, 2, (size, size, 1), np.uint8) * 255, (size, size, 3))]
    pictures += [
        CORNERS[
            chance.integers(0, 8, (size // cell + 1, size // cell + 1)).repeat(cell, 0).repeat(cell, 1)[:size, :size]
        ]
        for cell in (4, 7, 16, 29)
    ]
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float() / 255


def _text(size: int, paper: NDArray[np.uint8], ink: NDArray[np.uint8]) -> NDArray[np.uint8]:
    image = Image.new("RGB", (size, size), tuple(paper.tolist()))
    draw, y, heights = ImageDraw.Draw(image), 0, itertools.cycle((10, 14, 24, 60))
    while y < size:
        height = next(heights)
        font = ImageFont.load_default(height)
        draw.text((2, y), "Hamburgefonstiv 0123456789 @#%&" * 4, fill=tuple(ink.tolist()), font=font)
        y += round(1.3 * height)
    return np.asarray(image)
