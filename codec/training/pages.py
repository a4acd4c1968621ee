"""Drawn pictures among the training crops: pages of text, windows and charts, which photographs teach nothing about.

They are made up, so that no licence is asked for: letters of Pillow's own font in all sizes, rules, flat and sloping
areas.
"""

import random

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

SIDE = 512  # pixels
COUNT = 96  # pages, of which crops are drawn
LETTERS = "aaabcdeeeeefghiiijklmnnoooprrssstttuuvwxyzABDEGHMNRSTW0123456789.,:()-"


def pages(count: int = COUNT, side: int = SIDE, seed: int = 0) -> list[NDArray[np.uint8]]:
    """Pictures uint8 [side,side,3], the same for the same seed."""
    return [page(random.Random(seed + i), side) for i in range(count)]


def page(chance: random.Random, side: int) -> NDArray[np.uint8]:
    """One page: a background, flat areas on it, and on some of them lines of text or a curve."""
    colour = lambda: tuple(chance.choice([chance.randrange(256), 0, 255, 240]) for _ in range(3))
    paper = chance.choice([(255, 255, 255), (250, 250, 245), (24, 24, 28), colour()])
    picture = Image.new("RGB", (side, side), paper)
    if chance.random() < 0.2:
        picture = Image.blend(picture, slope(chance, side), 0.3)
    draw = ImageDraw.Draw(picture)
    dark = sum(paper) > 384
    for _ in range(chance.randrange(5)):
        left, top = (chance.randrange(-side // 4, side) for _ in "xy")
        box = left, top, left + chance.randrange(8, side), top + chance.randrange(8, side // 2)
        draw.rounded_rectangle(
            box, chance.choice([0, 0, 4, 12]), fill=colour(), outline=chance.choice([None, colour()])
        )
    top = chance.randrange(20)
    while top < side:
        size = round(chance.uniform(9, 15) if chance.random() < 0.8 else chance.uniform(16, 64))
        ink = chance.choice([(20, 20, 20) if dark else (235, 235, 235)] * 3 + [colour()])
        font, left = ImageFont.load_default(size), chance.randrange(side // 3)
        for _ in range(chance.randrange(1, 7)):
            draw.text((left, top), line(chance, 2 * side // size), fill=ink, font=font)
            top += round(size * chance.uniform(1.15, 1.5))
        top += chance.randrange(3 * size)
    if chance.random() < 0.3:
        curve = [(x, side * (0.5 + 0.3 * np.sin(x / 40 + top)) + chance.gauss(0, 6)) for x in range(0, side, 8)]
        draw.line(curve, fill=colour(), width=chance.randrange(1, 4))
    return np.asarray(picture)


def line(chance: random.Random, letters: int) -> str:
    """Words of random letters."""
    words = ("".join(chance.choices(LETTERS, k=chance.randrange(1, 10))) for _ in range(letters // 5))
    return " ".join(words)[:letters]


def slope(chance: random.Random, side: int) -> Image.Image:
    """A picture that goes from one colour to another."""
    ends = np.array([[chance.randrange(256) for _ in range(3)] for _ in range(2)])
    share = np.linspace(0, 1, side)[:, None]
    column = ends[0] * (1 - share) + ends[1] * share
    return Image.fromarray(np.repeat(column[:, None], side, 1).astype(np.uint8)).rotate(
        chance.choice([0, 90, 180, 270])
    )
