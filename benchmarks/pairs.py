"""Sheets for looking: a picture by ours and by another codec at equal bytes, as one PNG. Uses `explorer`.

Whole pictures are coded; shown is the square in which both codecs differ most at the lowest rate, so that faults are in
sight. Columns: original, ours, the other; rows: the rates, whose bytes stand below each part.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import numpy as np
from PIL import Image, ImageDraw

from . import codecs, data, explorer, metrics
from .judge import name_of
from .options import POSITIVE, SOURCES, listed, names

RATES = (0.15, 0.3, 0.6)  # bits per pixel
COUNT = 50
SIDE = 352  # px of a part; three by three make a sheet that fits a screen
CAPTION = 22  # px
GAP = 6
EQUAL = 0.03  # relative: sizes nearer than this count as equal
STEP = 16  # px between the places that are looked at for the part to show


@dataclass(frozen=True)
class Version:
    """One picture by one codec."""

    label: str
    quality: float
    size: int  # bytes
    image: Image.Image


def versions(picture: Image.Image, ours: Any, other: Any, rate: float) -> tuple[Version, Version]:
    """The picture by ours and by the other codec, which comes as near to `rate` bits per pixel as it can; ours follows.

    Ours has finer qualities, so that both have equal bytes.
    """
    quality, theirs = explorer.match(other, picture, rate * picture.width * picture.height / 8)
    own_quality, own = explorer.match(ours, picture, len(theirs))
    if abs(len(own) / len(theirs) - 1) > EQUAL:  # at an end of its range: here the other follows
        quality, theirs = explorer.match(other, picture, len(own))
    return (
        Version(ours.label, own_quality, len(own), ours.decode(own)),
        Version(other.label, quality, len(theirs), other.decode(theirs)),
    )


def corner(a: Image.Image, b: Image.Image, side: int) -> tuple[int, int]:
    """(x, y) of the square of `side` px, or of what the picture has, in which the luma of both differs most."""
    difference = (np.asarray(a).astype(np.float64) - np.asarray(b)) @ metrics.LUMA
    sums = np.zeros((a.height + 1, a.width + 1))
    sums[1:, 1:] = np.square(difference).cumsum(axis=0).cumsum(axis=1)
    high, wide = min(side, a.height), min(side, a.width)
    places = [
        (sums[y + high, x + wide] - sums[y, x + wide] - sums[y + high, x] + sums[y, x], -y, -x)
        for y in {*range(0, a.height - high + 1, STEP), a.height - high}
        for x in {*range(0, a.width - wide + 1, STEP), a.width - wide}
    ]
    _, y, x = max(places)
    return -x, -y


def sheet(picture: Image.Image, rows: Sequence[tuple[Version, Version]], side: int = SIDE) -> Image.Image:
    """The sheet of a picture: a row per rate, lowest first."""
    x, y = corner(rows[0][0].image, rows[0][1].image, side)
    box = (x, y, x + min(side, picture.width), y + min(side, picture.height))
    wide, high = box[2] - x + GAP, box[3] - y + CAPTION
    canvas = Image.new("RGB", (3 * wide - GAP, len(rows) * high), "white")
    draw = ImageDraw.Draw(canvas)
    for row, pair in enumerate(rows):
        parts = [("original", picture), *((_caption(v, picture), v.image) for v in pair)]
        for column, (text, image) in enumerate(parts):
            canvas.paste(image.crop(box), (column * wide, row * high))
            draw.text((column * wide + 2, (row + 1) * high - CAPTION + 2), text, "black", font_size=14)
    return canvas


def make(
    paths: Sequence[Path], out: Path, ours: Any, other: Any, rates: Sequence[float] = RATES, side: int = SIDE
) -> Iterator[Path]:
    """Writes the sheet of each picture into `out` and yields its path. Raises data.DataError, OSError."""
    for path in paths:
        picture = data.load(path)
        rows = [versions(picture, ours, other, rate) for rate in sorted(rates)]
        target = out / f"{path.stem}.png"
        sheet(picture, rows, side).save(target)
        yield target


def choose(paths: Sequence[Path], count: int) -> list[Path]:
    """`count` of the paths, evenly."""
    if len(paths) <= count:
        return list(paths)
    return [paths[i * len(paths) // count] for i in range(count)]


def _caption(version: Version, picture: Image.Image) -> str:
    bpp = 8 * version.size / (picture.width * picture.height)
    return f"{version.label} {version.quality:g}: {version.size:,} B, {bpp:.3f} bpp"


@click.command("pairs")
@SOURCES
@click.option("-o", "--out", required=True, metavar="FOLDER", type=click.Path(file_okay=False, path_type=Path))
@click.option("--model", default="default", show_default=True, metavar="NAME|FILE", help="The model of ours.")
@click.option("--against", default="avif444", show_default=True, callback=names(codecs.NAMES), metavar="NAME")
@click.option(
    "--rates",
    default=",".join(map(str, RATES)),
    show_default=True,
    callback=listed,
    metavar="BPP,...",
    help="Bits per pixel.",
)
@click.option("--count", type=POSITIVE, default=COUNT, show_default=True, help="Sheets at most.")
@click.option("--side", type=click.IntRange(32, 2048), default=SIDE, show_default=True, help="Pixels of a part.")
def command(images, out, model, against, rates, count, side):
    """Write a PNG per picture to look at: original, ours and another codec at equal bytes, at a few rates."""
    if len(against) != 1 or min(rates) <= 0:
        raise click.UsageError("wanted are one codec and rates above 0")
    paths = choose(data.pictures(images), count)
    try:
        ours, other = codecs.build(name_of(model)), codecs.build(against[0])
    except codecs.Unavailable as error:
        raise click.ClickException(str(error)) from None
    out.mkdir(parents=True, exist_ok=True)
    for path in make(paths, out, ours, other, rates, side):
        click.echo(path)
