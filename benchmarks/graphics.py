"""Bytes and PSNR on drawn pictures, which networks trained on photographs are bad at and which aecodec therefore keeps
exactly, and on half-drawn ones.

    python -m benchmarks.graphics [--images kodak] [--keep DIR]
Draws four pictures (text, a window, a chart, pixel art), and a window, a page and a slide with photographs of --images
in them; codes each at the codecs' usual qualities and prints a Markdown table.
"""

import argparse
import io
import math
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

import codec

from . import data

OTHERS = {
    "PNG": ("PNG", {"optimize": True}),
    "WebP lossless": ("WEBP", {"lossless": True, "method": 6}),
    "WebP 90": ("WEBP", {"quality": 90, "method": 6}),
    "AVIF 4:4:4 80": ("AVIF", {"quality": 80, "speed": 6, "subsampling": "4:4:4"}),
    "JPEG 4:4:4 90": ("JPEG", {"quality": 90, "subsampling": 0, "optimize": True, "progressive": True}),
}
WORDS = "the quick brown fox jumps over a lazy dog while codecs compress pictures of many kinds".split()


def text(rng, size=(1000, 700)):
    picture = Image.new("RGB", size, (250, 250, 252))
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(14)
    for y in range(20, size[1] - 20, 20):
        draw.text((30, y), " ".join(rng.choice(WORDS, 20)), fill=(30, 30, 30), font=font)
    return picture


def window(rng):
    picture = text(rng)
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(16)
    draw.rectangle((0, 0, 1000, 40), fill=(40, 60, 120))
    draw.rectangle((0, 40, 200, 700), fill=(235, 238, 245))
    for i in range(14):
        draw.rounded_rectangle((15, 60 + 44 * i, 185, 95 + 44 * i), 8, fill=(210, 220, 240), outline=(90, 110, 160))
        draw.text((30, 66 + 44 * i), str(rng.choice(WORDS)), fill=(40, 60, 120), font=font)
    return picture


def chart(rng):
    picture = Image.new("RGB", (900, 600), "white")
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(12)
    for i in range(7):
        draw.line((60, 60 + 75 * i, 860, 60 + 75 * i), fill=(220, 220, 220))
        draw.text((20, 54 + 75 * i), f"{60 - 10 * i}", fill="black", font=font)
    for k, colour in enumerate(((200, 40, 40), (40, 120, 200), (30, 150, 70))):
        heights = 300 + 120 * np.sin(np.arange(81) / (6 + 3 * k) + k) + rng.normal(0, 8, 81)
        draw.line([(60 + 10 * i, float(h)) for i, h in enumerate(heights)], fill=colour, width=3)
    return picture


def pixel_art(rng):
    palette = rng.integers(0, 256, (12, 3)).astype(np.uint8)
    return Image.fromarray(palette[rng.integers(0, 12, (40, 60))].repeat(12, 0).repeat(12, 1))


def illustrated_window(rng, photographs):
    picture = window(rng)
    picture.paste(photographs[0].resize((420, 280)), (300, 200))
    return picture


def illustrated_page(rng, photographs):
    picture = text(rng, (1240, 1500))
    picture.paste(photographs[1].resize((600, 400)), (60, 300))
    picture.paste(photographs[2].resize((480, 320)), (700, 700))
    return picture


def slide(rng, photographs):
    picture = Image.new("RGB", (1280, 720), (24, 30, 48))
    picture.paste(photographs[3].resize((800, 533)), (480, 90))
    for i in range(6):
        ImageDraw.Draw(picture).text(
            (40, 120 + 70 * i), " ".join(rng.choice(WORDS, 3)), fill=(230, 230, 240), font=ImageFont.load_default(34)
        )
    return picture


def psnr(one, other):
    error = np.mean((np.asarray(one.convert("RGB"), float) - np.asarray(other.convert("RGB"), float)) ** 2)
    return 10 * math.log10(255**2 / error) if error else math.inf


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", type=Path, help="write the pictures to this folder")
    parser.add_argument(
        "--images", nargs="+", default=[], help="four photographs or more for pictures that are half drawn"
    )
    arguments = parser.parse_args()
    keep, photographs = arguments.keep, [data.load(path) for path in data.pictures(arguments.images)[:4]]
    rng, coder = np.random.default_rng(0), codec.Codec()
    print("| bytes (dB) |", " | ".join(["aecodec 60", "aecodec 60 --lossy", *OTHERS]), "|")
    print("|---|" + "---|" * (len(OTHERS) + 2))
    half = [
        partial(draw, photographs=photographs) for draw in (illustrated_window, illustrated_page, slide) if photographs
    ]
    for name, draw in [(draw.__name__, draw) for draw in (text, window, chart, pixel_art)] + [
        (draw.func.__name__, draw) for draw in half
    ]:
        picture = draw(rng)
        if keep:
            keep.mkdir(parents=True, exist_ok=True)
            picture.save(keep / f"{name}.png")
        cells = []
        for lossless in (None, False):
            coded = coder.encode(picture, 60, lossless=lossless)
            cells.append((len(coded), psnr(coder.decode(coded), picture)))
        for format, options in OTHERS.values():
            file = io.BytesIO()
            picture.save(file, format, **options)
            cells.append((file.tell(), psnr(Image.open(file), picture)))
        print(f"| {name.replace('_', ' ')} |", " | ".join(f"{size:,} ({quality:.1f})" for size, quality in cells), "|")


if __name__ == "__main__":
    main()
