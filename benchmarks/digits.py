"""Digits for the benchmark of the autoencoders, without a download: scikit-learn's 1,797 handwritten ones of 8x8
pixels, and printed ones of 28x28 = 784.

The printed ones are drawn from the fonts matplotlib brings along, each turned, sheared, scaled, moved and made bolder
or lighter at random. They are no substitute for handwriting: their variety is that of the map and of 16 fonts, which is
what a latent of 32 numbers can hold and a plane cannot.
"""

from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import gaussian_filter, map_coordinates
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

FONTS = [f"DejaVu{family}{style}" for family in ("Sans", "Serif", "SansMono") for style in ("", "-Bold")]
FONTS += [
    "DejaVuSans-Oblique",
    "DejaVuSerif-Italic",
    "STIXGeneral",
    "STIXGeneralBol",
    "STIXGeneralItalic",
    "STIXGeneralBolIta",
    "cmr10",
    "cmb10",
    "cmss10",
    "cmtt10",
]
SIDE, LARGE = 28, 96  # pixels of a digit, and of the glyph it is taken from


@dataclass(frozen=True)
class Digits:
    """Rows of pixels, [N, 64] from 0 to 16 or [N, 784] from 0 to 1, and their classes [N]."""

    train: np.ndarray
    train_labels: np.ndarray
    test: np.ndarray
    test_labels: np.ndarray


def handwritten() -> Digits:
    """1,347 for training, 450 for tests."""
    x, y = load_digits(return_X_y=True)
    train, test, train_labels, test_labels = train_test_split(x, y, test_size=0.25, random_state=0, stratify=y)
    return Digits(train, train_labels, test, test_labels)


def printed(train: int = 5000, test: int = 1000) -> Digits:
    """Train and test share the fonts, not the maps."""
    rng = np.random.default_rng(0)
    glyphs = np.stack([[glyph(font, digit) for digit in range(10)] for font in FONTS])  # [font, digit, LARGE, LARGE]
    labels = rng.integers(0, 10, train + test)
    rows = np.stack([view(glyphs[rng.integers(len(FONTS)), label], rng) for label in labels])
    return Digits(rows[:train], labels[:train], rows[train:], labels[train:])


def glyph(font: str, digit: int) -> np.ndarray:
    """[LARGE, LARGE] from 0 to 1, the digit in the middle, blurred so that a threshold makes it bolder or lighter."""
    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"{font}.ttf"
    canvas = Image.new("L", (LARGE, LARGE))
    ImageDraw.Draw(canvas).text((LARGE / 2, LARGE / 2), str(digit), 255, ImageFont.truetype(str(path), 84), anchor="mm")
    return gaussian_filter(np.asarray(canvas) / 255, 2.0)


def view(glyph: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """[784] from 0 to 1, by a random affine map: 10 degrees either way, slant 0.25, scale 0.9 to 1.1 along each axis,
    half a pixel (MNIST is centred).
    """
    angle, shear, stretch = np.radians(rng.uniform(-10, 10)), rng.uniform(-0.25, 0.25), rng.uniform(0.9, 1.1, 2)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) @ np.array([[1, 0], [shear, 1]])
    axis = np.arange(SIDE) - (SIDE - 1) / 2
    grid = np.stack(np.meshgrid(axis, axis, indexing="ij")).reshape(2, -1) + rng.uniform(-0.5, 0.5, (2, 1))
    places = turn @ grid * 3.2 / stretch[:, None] + (LARGE - 1) / 2  # 84 of the glyph's pixels for about 20 of these
    ink = map_coordinates(glyph, places, order=1, cval=0.0)
    return 1 / (1 + np.exp(-(ink - rng.uniform(0.3, 0.6)) * 8)) * (ink > 0.01)
