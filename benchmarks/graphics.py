"""Bytes and PSNR on drawn pictures, which networks trained on photographs are bad at and which aecodec therefore keeps exactly.

    python -m benchmarks.graphics [--keep DIR]
Draws four pictures (text, a window, a chart, pixel art), codes each at the codecs' usual qualities and prints a Markdown table.
"""
import argparse
import io
import math
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

import codec

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


def psnr(one, other):
    error = np.mean((np.asarray(one.convert("RGB"), float) - np.asarray(other.convert("RGB"), float)) ** 2)
    return 10 * math.log10(255**2 / error) if error else math.inf


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", type=Path, help="write the pictures to this folder")
    keep = parser.parse_args().keep
    rng, coder = np.random.default_rng(0), codec.Codec()
    print("| bytes (dB) |", " | ".join(["aecodec 60", "aecodec 60 --lossy", *OTHERS]), "|")
    print("|---|" + "---|" * (len(OTHERS) + 2))
    for draw in (text, window, chart, pixel_art):
        picture = draw(rng)
        if keep:
            keep.mkdir(parents=True, exist_ok=True)
            picture.save(keep / f"{draw.__name__}.png")
        cells = []
        for lossless in (None, False):
            data = coder.encode(picture, 60, lossless=lossless)
            cells.append((len(data), psnr(coder.decode(data), picture)))
        for name, options in OTHERS.values():
            file = io.BytesIO()
            picture.save(file, name, **options)
            cells.append((file.tell(), psnr(Image.open(file), picture)))
        print(f"| {draw.__name__.replace('_', ' ')} |", " | ".join(f"{size:,} ({quality:.1f})" for size, quality in cells), "|")


if __name__ == "__main__":
    main()
