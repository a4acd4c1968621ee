"""Pictures of the golden files, drawn by rule."""

import numpy as np


def scene(height, width, channels=3, depth=8, seed=0):
    """[H, W, C]: a gradient, edges and a little noise, in integers alone: the same wherever it is made."""
    draw, rows, columns = np.random.RandomState(seed), *np.mgrid[:height, :width]
    planes = [
        (rows * (3 + c) + columns * (2 + seed) + 90 * ((rows - 9) ** 2 + (columns - 12) ** 2 < 60) + 40 * c) % 256
        for c in range(channels)
    ]
    samples = np.stack(planes, 2) * 200 // 255 + 20 + draw.randint(0, 8, (height, width, channels))
    return (samples * 257 + draw.randint(0, 256, samples.shape) if depth == 16 else samples).astype(f"u{depth // 8}")


def page(height, width):
    """[H, W, 3]: lines of strokes on a plain ground around a slope with grain."""
    rows, columns = np.mgrid[:height, :width]
    strokes = (rows % 24 < 9) & ((columns * 7 + rows // 24 * 3) % 11 < 4)
    samples = np.where(strokes[..., None], np.uint8([30, 30, 60]), np.uint8([250, 250, 240]))
    slope = (rows + columns // 2)[..., None] // (1, 2, 3) + np.random.RandomState(4).randint(0, 7, (height, width, 3))
    samples[24:-24, 40:-24] = slope[24:-24, 40:-24]
    return samples


def alpha(height, width, depth=8):
    return scene(height, width, 1, depth, 3)[..., 0]
