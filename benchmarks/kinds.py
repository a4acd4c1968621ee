"""Kinds of pictures, and what a model gives on each against another: gray ones, thumbnails, pages, windows, alpha,
16 bits, noise.

    python -m benchmarks.kinds FOLDER [--models default,psnr] [--kinds thumbnail-128,page] [--pictures 3]
    python -m benchmarks.kinds FOLDER --models default,default:lossy    # what the choice among ways brings

Pictures are made from photographs of FOLDER (at least four) and drawn ones of `graphics`. Per kind: the mean of the
pictures' BD-rates by each measure in percent, fewer is better, how many bytes the model takes of those of the other at
each quality, and which way the encoder went. With alpha, what is measured lies on gray; 16 bits are measured in 8.
"""

import argparse
import math
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

import codec
from codec.bitstream import container

from . import bdrate, data, graphics, metrics, pairs

MODELS = ("default", "psnr", "default:lossy")
QUALITIES = (10, 30, 50, 70, 90)
METRICS = ("ssimulacra2", "butteraugli", "psnr_hvsm", "iwssim", "psnr")
SIDE = 384, 256  # px of a photograph's middle
LOSSY = ":lossy"  # after a model's name: never anything but latents of just that quality
Pictures = Sequence[Image.Image]
GRAY = 128
MIXED = 4  # photographs that a page takes


def middle(picture: Image.Image, size: tuple[int, int] = SIDE) -> Image.Image:
    """The middle of a picture, in `size` px."""
    left, top = (picture.width - size[0]) // 2, (picture.height - size[1]) // 2
    return picture.crop((left, top, left + size[0], top + size[1]))


def reduced(side: int) -> Callable[[Pictures, Any], Pictures]:
    """Whole photographs of `side` px at the longer one."""
    return lambda photographs, _: [shrunk(one, side) for one in photographs]


def shrunk(picture: Image.Image, side: int) -> Image.Image:
    """The whole picture with `side` px at its longer side."""
    share = side / max(picture.size)
    return picture.resize([round(share * x) for x in picture.size], Image.Resampling.LANCZOS)


def noisy(picture: Image.Image, deviation: float, rng: np.random.Generator) -> Image.Image:
    """The picture with Gaussian noise of so many levels."""
    pixels = np.asarray(picture) + rng.normal(0, deviation, (picture.height, picture.width, 3))
    return Image.fromarray(pixels.round().clip(0, 255).astype(np.uint8))


def scan(rng: np.random.Generator) -> Image.Image:
    """A page of text as a scanner sees it: soft, a little turned, with noise."""
    page = graphics.text(rng, (512, 384)).rotate(0.7, Image.Resampling.BICUBIC, fillcolor=(250, 250, 252))
    return noisy(page.filter(ImageFilter.GaussianBlur(0.6)), 2.5, rng)


def dead_leaves(rng: np.random.Generator) -> Image.Image:
    """Discs that cover each other, their radii by a power law: flat areas with sharp edges, as in comics."""
    picture = Image.new("RGB", SIDE)
    draw = ImageDraw.Draw(picture)
    for _ in range(600):
        radius = 6 / math.sqrt(rng.uniform(0.01, 1))
        x, y = rng.uniform(0, SIDE[0]), rng.uniform(0, SIDE[1])
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=tuple(map(int, rng.integers(0, 256, 3))))
    return picture


def captioned(picture: Image.Image) -> Image.Image:
    """A photograph with lines and words over it, as a map or a frame with subtitles."""
    picture = middle(picture)
    draw = ImageDraw.Draw(picture)
    for k in range(6):
        draw.line((20, 30 + 30 * k, 360, 60 + 24 * k), fill=("white", "red", "yellow")[k % 3], width=1 + k % 2)
    draw.text((60, 215), "the quick brown fox", fill="white", stroke_width=1, stroke_fill="black", font_size=24)
    return picture


def screenshot(picture: Image.Image) -> Image.Image:
    """A photograph in a viewer's window that fills most of it."""
    shot = Image.new("RGB", (480, 352), (43, 43, 46))
    shot.paste(middle(picture, (448, 288)), (16, 44))
    draw = ImageDraw.Draw(shot)
    draw.text((16, 12), "IMG_2041.jpg  448 x 288", fill=(220, 220, 220), font=ImageFont.load_default(14))
    return shot


def gradient() -> Image.Image:
    """Slopes of colour."""
    across, down = np.linspace(0, 255, SIDE[0])[None], np.linspace(255, 0, SIDE[1])[:, None]
    planes = [np.broadcast_to(one, SIDE[::-1]) for one in (across, down, 90 + 0 * across)]
    return Image.fromarray(np.stack(planes, -1).round().astype(np.uint8))


def cut_out(picture: Image.Image) -> Image.Image:
    """A photograph with soft alpha: opaque in an ellipse."""
    picture = middle(picture)
    alpha = Image.new("L", picture.size)
    ImageDraw.Draw(alpha).ellipse((40, 20, picture.width - 40, picture.height - 20), fill=255)
    picture.putalpha(alpha.filter(ImageFilter.GaussianBlur(3)))
    return picture


def deep(picture: Image.Image) -> np.ndarray:
    """uint16 samples [H,W,3] of a photograph, whose low bits are noise."""
    rng = np.random.default_rng(0)
    pixels = np.asarray(middle(picture)) * 257.0
    return (pixels + rng.uniform(-128, 128, pixels.shape)).clip(0, 65535).astype(np.uint16)


def each(change: Callable[[Image.Image], Any]) -> Callable[[Pictures, Any], Sequence[Any]]:
    return lambda photographs, _: [change(one) for one in photographs]


def drawn(draw: Callable[..., Image.Image]) -> Callable[[Pictures, Any], Pictures]:
    return lambda photographs, rng: [draw(rng)]


def mixed(draw: Callable[..., Image.Image]) -> Callable[[Pictures, Any], Pictures]:
    return lambda photographs, rng: [draw(rng, photographs)]


KINDS: dict[str, Callable[[Pictures, Any], Sequence[Any]]] = {
    "photograph": each(middle),
    "gray": each(lambda one: middle(one).convert("L")),
    "thumbnail-256": reduced(256),
    "thumbnail-128": reduced(128),
    "thumbnail-64": reduced(64),
    "crop-128": each(lambda one: middle(one, (128, 128))),
    "alpha": each(cut_out),
    "16-bit": each(deep),
    "noise-4": lambda photographs, rng: [noisy(middle(one), 4, rng) for one in photographs],
    "noise-10": lambda photographs, rng: [noisy(middle(one), 10, rng) for one in photographs],
    "noise-25": lambda photographs, rng: [noisy(middle(one), 25, rng) for one in photographs],
    "noise": lambda photographs, rng: [Image.fromarray(rng.integers(0, 256, (256, 256, 3), dtype=np.uint8))],
    "blurred": each(lambda one: middle(one).filter(ImageFilter.GaussianBlur(4))),
    "gradient": lambda photographs, rng: [gradient()],
    "text": drawn(lambda rng: graphics.text(rng, (600, 420))),
    "window": drawn(graphics.window),
    "chart": drawn(graphics.chart),
    "pixel-art": drawn(graphics.pixel_art),
    "scan": drawn(scan),
    "dead-leaves": drawn(dead_leaves),
    "captioned": each(captioned),
    "screenshot": each(screenshot),
    "slide": mixed(graphics.slide),
    "page": mixed(graphics.illustrated_page),
    "window-photo": mixed(graphics.illustrated_window),
}


def seen(picture: Any) -> Image.Image:
    """What is measured of a picture: RGB of 8 bits, on gray."""
    if isinstance(picture, np.ndarray):
        picture = Image.fromarray(((picture.astype(np.uint32) + 128) // 257).astype(np.uint8))
    if picture.mode == "RGBA":
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, (GRAY, GRAY, GRAY, 255)), picture)
    return picture.convert("RGB")


@dataclass(frozen=True)
class Point:
    """A file: bits per pixel, its measures, and the way it was coded."""

    bpp: float
    values: dict[str, float | None]
    way: str


def way(file: bytes, quality: float) -> str:
    """How a file is coded: `exact`, `rounded`, latents with `drawn` parts or without, those of another quality (a
    `rung`).
    """
    header, sections = container.read_header(file)
    if header.lossless:
        return "rounded" if header.rounded else "exact"
    if header.quality != round(100 * quality):
        return f"rung {header.quality / 100:g}"
    return "drawn" if "drawn" in sections else "latents"


def curve(
    coder: codec.Codec, picture: Any, lossy: bool, names: Sequence[str], qualities: Sequence[float]
) -> list[Point]:
    """A point per quality."""
    original, found, known = seen(picture), [], {}
    for quality in qualities:
        file = coder.encode(picture, quality, lossless=False if lossy else None)
        if file not in known:
            known[file] = metrics.measure(original, seen(coder.decode(file)), names)
        found.append(Point(8 * len(file) / (original.width * original.height), known[file], way(file, quality)))
    return found


def difference(name: str, anchor: Sequence[Point], test: Sequence[Point]) -> float | None:
    """BD-rate in percent of two curves of a picture, without the points that are worse than one of fewer bits."""
    return bdrate.difference(_rising(name, anchor), _rising(name, test), unit=metrics.UNITS[name]).value


def _rising(name: str, points: Sequence[Point]) -> list[tuple[float, float]]:
    kept: list[tuple[float, float]] = []
    for bpp, value in sorted((p.bpp, metrics.curve_value(name, p.values[name]) or math.nan) for p in points):
        if not math.isnan(value) and (not kept or (bpp > kept[-1][0] and value > kept[-1][1])):
            kept.append((bpp, value))
    return kept


@dataclass(frozen=True)
class Row:
    """Of a kind, what the model gives against another: means of BD-rates by measure, ratios of bytes and ways by
    quality.
    """

    kind: str
    other: str
    rates: dict[str, float | None]
    ratios: list[float]
    ways: list[str]


def rows(
    photographs: Pictures,
    models: Sequence[str],
    kinds: Sequence[str],
    count: int,
    names: Sequence[str],
    qualities: Sequence[float],
) -> Iterator[Row]:
    """What the first of the models gives against each of the others on at most `count` pictures of each kind."""
    coders = [(codec.Codec(name.removesuffix(LOSSY)), name.endswith(LOSSY)) for name in models]
    for number, kind in enumerate(KINDS):
        if kind not in kinds:
            continue
        pictures = KINDS[kind](photographs, np.random.default_rng(number))[:count]
        own, *others = [[curve(coder, one, lossy, names, qualities) for one in pictures] for coder, lossy in coders]
        for other, curves in zip(models[1:], others, strict=True):
            both = list(zip(own, curves, strict=True))
            rates = {}
            for name in names:
                found = [difference(name, anchor, test) for test, anchor in both]
                rates[name] = bdrate.average([value for value in found if value is not None])
            ratios, ways = [], []
            for place in range(len(qualities)):
                logs = [math.log(test[place].bpp / anchor[place].bpp) for test, anchor in both]
                ratios.append(math.exp(statistics.fmean(logs)))
                ways.append("/".join(sorted({test[place].way for test in own})))
            yield Row(kind, other, rates, ratios, ways)


def line(row: Row, qualities: Sequence[float]) -> str:
    """A row of the table in Markdown."""
    rates = ["–" if rate is None else f"{rate:+.1f}".replace("-", "−") for rate in row.rates.values()]
    runs = [f"{q:g} {way}" for q, way, last in zip(qualities, row.ways, ["", *row.ways], strict=False) if way != last]
    cells = [row.kind, row.other, *rates, " ".join(f"{ratio:.2f}" for ratio in row.ratios), ", ".join(runs)]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    listed = lambda text: text.split(",")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("images", nargs="+", help="photographs, or folders of them")
    parser.add_argument(
        "--models", type=listed, default=MODELS, help=f"NAME or NAME{LOSSY}; the first against all others"
    )
    parser.add_argument("--kinds", type=listed, default=list(KINDS))
    parser.add_argument("--pictures", type=int, default=3, help="of a kind, at most")
    parser.add_argument("--metrics", type=listed, default=METRICS)
    parser.add_argument("--qualities", type=lambda text: [float(q) for q in text.split(",")], default=QUALITIES)
    o = parser.parse_args()
    paths = pairs.choose(data.pictures(o.images), max(o.pictures, MIXED))
    titles = [metrics.METRICS[name].title for name in o.metrics]
    print("| kind | against |", " | ".join(titles), "| bytes | ways |\n" + "|---" * (len(titles) + 4) + "|")
    for row in rows([data.load(path) for path in paths], o.models, o.kinds, o.pictures, o.metrics, o.qualities):
        print(line(row, o.qualities), flush=True)


if __name__ == "__main__":
    main()
