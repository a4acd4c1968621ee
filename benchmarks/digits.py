"""Digits for the benchmark of the autoencoders: scikit-learn's 1,797 handwritten ones of 8x8 pixels, and a 784-pixel set made from them.

No download: the second set enlarges each original to 28x28 with cubic splines, turned, sheared, scaled and moved at random, and sharpens the strokes.
Originals are divided before they are warped, so that no test digit is another view of a training digit.
"""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import map_coordinates
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

SIDE = 28


@dataclass(frozen=True)
class Digits:
    """Rows of pixels, [N, 64] from 0 to 16 or [N, 784] from 0 to 1, and their classes [N]."""

    train: np.ndarray
    train_labels: np.ndarray
    test: np.ndarray
    test_labels: np.ndarray


def small() -> Digits:
    """1,347 for training, 450 for tests."""
    x, y = load_digits(return_X_y=True)
    train, test, train_labels, test_labels = train_test_split(x, y, test_size=0.25, random_state=0, stratify=y)
    return Digits(train, train_labels, test, test_labels)


def large(train: int = 6000, test: int = 1500) -> Digits:
    """Warped views, 784 pixels each."""
    digits, rng = small(), np.random.default_rng(0)
    first, second = np.arange(train) % len(digits.train), np.arange(test) % len(digits.test)
    return Digits(warp(digits.train[first], rng), digits.train_labels[first], warp(digits.test[second], rng), digits.test_labels[second])


def warp(rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """[N, 64] from 0 to 16 to [N, 784] from 0 to 1, each by an affine map of its own: up to 15 degrees, shear 0.15, scale 0.85 to 1.15, 2 pixels."""
    axis = np.arange(SIDE) - (SIDE - 1) / 2
    grid = np.stack(np.meshgrid(axis, axis, indexing="ij")).reshape(2, -1)
    out = np.empty((len(rows), SIDE * SIDE))
    for i, row in enumerate(rows):
        angle, shear, (tall, wide) = np.radians(rng.uniform(-15, 15)), rng.uniform(-0.15, 0.15), rng.uniform(0.85, 1.15, 2)
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) @ np.array([[1, 0], [shear, 1]])
        # 20 of the 28 pixels for the 8 of the original, as MNIST has them
        places = turn @ (grid + rng.uniform(-2, 2, (2, 1))) * 8 / 20 / np.array([[tall], [wide]]) + 3.5
        out[i] = map_coordinates(row.reshape(8, 8) / 16, places, order=3, cval=0.0)
    return 1 / (1 + np.exp(-(out - 0.45) * 10))
