"""Order: five points of quality more never give a smaller file or a worse picture, whatever kind of picture and however
small the file.

python -m tests.campaigns.order --minutes 10 --sides 8 16 32 48 --photographs FOLDER --log tests/campaigns/log.jsonl
"""

import argparse
import io
import time
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

import codec
from tests import campaigns


def noisy(rng, picture, sigmas=(0.5, 1, 2, 3, 5)):
    return np.clip(np.rint(picture + rng.normal(0, rng.choice(sigmas), np.shape(picture))), 0, 255).astype(np.uint8)


def kinds(rng, side, photographs):
    """{name: function that makes such a picture} of side x side pixels, RGB or gray."""
    colour = lambda: tuple(rng.integers(0, 256, 3).tolist())

    def crop():
        with Image.open(rng.choice(photographs)) as opened:
            image = opened.convert("RGB")
        left, top = (int(rng.integers(0, max(1, length - side + 1))) for length in image.size)
        return image.crop((left, top, left + side, top + side))

    def slope():
        small = Image.fromarray(rng.integers(0, 256, (3, 3, 3), np.uint8)).resize(
            (side, side), Image.Resampling.BICUBIC
        )
        return rng.integers(60, 200, 3) + (np.asarray(small, float) - 128) * rng.choice([0.1, 0.3, 1])

    def drawing():
        image = Image.new("RGB", (side, side), colour())
        for _ in range(rng.integers(1, 4)):
            x, y = sorted(rng.integers(0, side, 2).tolist()), sorted(rng.integers(0, side, 2).tolist())
            ImageDraw.Draw(image).ellipse((x[0], y[0], x[1] + 1, y[1] + 1), fill=colour())
        return image

    def text():
        image = Image.new("RGB", (side, side), tuple(rng.integers(215, 256, 3).tolist()))
        for line in range(rng.integers(1, 8)):
            ImageDraw.Draw(image).text((4, 4 + 18 * line), "The quick brown fox jumps " * 3, fill=(20, 20, 30))
        return image

    def jpeg(image):
        file = io.BytesIO()
        image.save(file, "JPEG", quality=int(rng.integers(70, 96)))
        return np.asarray(Image.open(file))

    def page():
        sheet, (left, top) = text(), sorted(rng.integers(0, side // 2, 2).tolist())
        sheet.paste(crop().crop((0, 0, side // 2, side // 2)), (left, top))
        return sheet

    made = {
        "photograph": crop,
        "gray photograph": lambda: crop().convert("L"),
        "blurred": lambda: crop().filter(ImageFilter.GaussianBlur(12)),
        "blurred and noisy": lambda: noisy(rng, crop().filter(ImageFilter.GaussianBlur(12))),
        "slope": lambda: noisy(rng, slope(), [1e-3]),
        "noisy slope": lambda: noisy(rng, slope()),
        "one colour and noise": lambda: noisy(rng, np.full((side, side, 3), colour(), float)),
        "noise": lambda: noisy(rng, np.full((side, side, 3), 128.0), [10, 20, 40, 80]),
    }
    if side >= 64:
        made |= {
            "drawing": drawing,
            "noisy drawing": lambda: noisy(rng, drawing().filter(ImageFilter.GaussianBlur(1))),
            "text": text,
            "noisy text": lambda: noisy(rng, text()),
            "text as JPEG": lambda: jpeg(text()),
            "page with a photograph": page,
        }
    return made


def falls(coder, picture, offset, effort=0):
    """Steps of five points that give a smaller file or a worse picture: [(quality, bytes and squared error before, and
    then)], and the number of steps.
    """
    seen = []
    for quality in range(offset, 101, 5):
        file = coder.encode(picture, quality, effort=effort)
        error = np.square(coder.decode_picture(file).pixels.squeeze().astype(float) - np.asarray(picture)).sum()
        seen.append((quality, len(file), error))
    wrong = [
        (more[0], before[1:], more[1:])
        for before, more in zip(seen, seen[1:])
        if more[1] < before[1] or more[2] > before[2]
    ]
    return wrong, len(seen) - 1


def run(minutes, sides, photographs, seed=0, model="default", effort=0):
    """Figures; prints every step that goes wrong."""
    rng, coder, end = np.random.default_rng(seed), codec.Codec(model, "cpu", threads=1), time.monotonic() + 60 * minutes
    pictures, steps, wrong = Counter(), 0, Counter({"worse": 0, "smaller, but no worse": 0})
    while not pictures or time.monotonic() < end:
        side = int(rng.choice(sides))
        for kind, make in kinds(rng, side, photographs).items():
            found, count = falls(coder, make(), int(rng.integers(1, 6)), effort)
            pictures[kind], steps = pictures[kind] + 1, steps + count
            for quality, before, then in found:
                wrong["worse" if then[1] > before[1] else "smaller, but no worse"] += 1
                print(kind, side, quality, *before, *then, flush=True)
    return {
        "sides": sides,
        "pictures": dict(pictures),
        "steps": steps,
        "wrong": dict(wrong),
        "seed": seed,
        "effort": effort,
        "model": coder.model.id.hex(),
        "minutes": minutes,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser("python -m tests.campaigns.order")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--sides", type=int, nargs="+", default=[8, 12, 16, 24, 32, 48, 64, 96, 128, 200, 256])
    parser.add_argument(
        "--photographs", type=Path, required=True, help="folder of pictures of at least so many pixels a side"
    )
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--model", default="default")
    parser.add_argument("--effort", type=int, default=0)
    parser.add_argument("--log")
    options = parser.parse_args()
    found = sorted(path for path in options.photographs.iterdir() if path.suffix.lower() in (".png", ".jpg", ".jpeg"))
    campaigns.write(
        options.log,
        "order with effort" if options.effort else "order",
        run(options.minutes, options.sides, found, options.seed, options.model, options.effort),
    )
