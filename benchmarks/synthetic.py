"""Two generated pictures, the same to the bit on every machine: for continuous integration, and for a first run without
a network. Read by `data`.

Integers only, and noise from SHAKE-256, whose output a standard fixes; the files are PPM, which no compression library
can write otherwise. They code like photographs: noise whose amplitude falls with its frequency, a lit ball, flat and
striped shapes with hard edges, fine texture in one part.
"""

import hashlib

import numpy as np

WIDTH, HEIGHT = 384, 256
# Amplitudes of the noise in 8-bit levels, by the pixels between its grid points.
OCTAVES = {128: 70, 64: 44, 32: 26, 16: 15, 8: 8, 4: 4, 2: 2, 1: 2}


def files():
    """{name: bytes of a PPM file}."""
    head = f"P6\n{WIDTH} {HEIGHT}\n255\n".encode()
    return {f"synthetic{seed}.ppm": head + picture(seed).tobytes() for seed in (1, 2)}


def picture(seed):
    """uint8 [HEIGHT, WIDTH, 3]."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    luma = 116 + sum(_noise(seed, step, level) for step, level in OCTAVES.items())
    red, blue = [
        sum(_noise(seed + channel, step, level // 3) for step, level in OCTAVES.items() if step >= 8)
        for channel in (10, 20)
    ]
    dx, dy = x - (90 + 150 * (seed % 2)), y - 110
    ball = dx**2 + dy**2 < 62**2
    luma = np.where(ball, luma // 3 + 150 - (dx + 2 * dy) // 2, luma)
    red = np.where(ball, red + 30 * (3 - 2 * seed), red)
    roof = (y > 150) & (2 * (y - 150) > abs(x - 60 * seed - 150))
    luma = np.where(roof, luma // 4 + 60 + 60 * ((x + 2 * y) // 9 % 2), luma)
    blue = np.where(roof, blue // 2 - 20, blue)
    luma = luma + np.where(x > 300, _noise(seed + 30, 1, 22), 0)
    return np.stack([luma + red, luma - (red + blue) // 3, luma + blue], 2).clip(0, 255).astype(np.uint8)


def _noise(seed, step, amplitude):
    """int64 [HEIGHT, WIDTH], -amplitude..amplitude: random values every `step` pixels, bilinear between them."""
    rows, columns = HEIGHT // step + 2, WIDTH // step + 2
    grid = (
        np.frombuffer(hashlib.shake_256(f"{seed} {step}".encode()).digest(rows * columns), np.uint8)
        .reshape(rows, columns)
        .astype(np.int64)
        - 128
    )
    (i, fy), (j, fx) = np.divmod(np.arange(HEIGHT), step), np.divmod(np.arange(WIDTH), step)
    lines = grid[i] * (step - fy)[:, None] + grid[i + 1] * fy[:, None]
    return (lines[:, j] * (step - fx) + lines[:, j + 1] * fx) * amplitude // (128 * step**2)
