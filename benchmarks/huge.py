"""Huge pictures: peak memory and time per megapixel of the command line, both ways, as the picture grows.

Beside: `cold`, which times a process.

    python -m benchmarks.huge --megapixels 1 --megapixels 100 --megapixels 1000 --out RUN.json

The pictures are synthetic and written strip by strip: clouds of 1/f noise whose squares never repeat, fine texture, and
a brightness that drifts. Each is compressed and decompressed by a process of its own, and what came out is read strip
by strip and compared with what went in.
"""

import json
import math
import resource
import shlex
import shutil
import signal
import statistics
import sys
import tempfile
from pathlib import Path

import click
import numpy as np

from . import machine
from .cold import process

PERIOD = 1024  # px after which the clouds come again, elsewhere and in another light
STRIP = 64  # rows
FLAT = 64  # px: side of the picture whose time is the cost of starting
# Below SMALL megapixels one command codes so many copies: most of its time would be the start otherwise.
SMALL, COPIES = (10, 10)
REPEATS = 5  # of the start


def clouds(seed=0):
    """float32 [PERIOD, PERIOD, 3], periodic both ways: contributions to R, G and B of luma with a 1/f^1.9 spectrum and
    weaker chroma, and of texture.
    """
    rng = np.random.default_rng(seed)
    frequency = np.hypot(np.fft.fftfreq(PERIOD)[:, None], np.fft.rfftfreq(PERIOD)[None]) + 1 / PERIOD
    planes = []
    for power, strength in ((1.9, 0.16), (2.1, 0.06), (2.1, 0.06)):
        spectrum = (rng.normal(size=frequency.shape) + 1j * rng.normal(size=frequency.shape)) / frequency**power
        spectrum[0, 0] = 0
        plane = np.fft.irfft2(spectrum, (PERIOD, PERIOD))
        planes.append(strength * plane / plane.std())
    texture = rng.normal(0, 0.02, (PERIOD, PERIOD, 1)) * (np.arange(PERIOD) > 0.6 * PERIOD)[:, None]
    return (np.dstack(planes) @ np.array([[1, 1, 1], [0.5, 0, -0.5], [-0.25, 0.5, -0.25]]) + texture).astype(np.float32)


def strips(width, height):
    """Yields Pictures of STRIP rows, uint8 RGB, from top to bottom; the same for the same size."""
    from codec.pixels.picture import Picture

    cloud = clouds()
    columns = np.arange(width)
    for top in range(0, height, STRIP):
        rows = np.arange(top, min(top + STRIP, height))
        shift = 389 * (rows[:, None] // PERIOD)  # each row of squares begins elsewhere
        light = 0.5 + 0.15 * np.sin(rows[:, None] / 997 + columns // PERIOD * 1.7)
        samples = cloud[rows[:, None] % PERIOD, (columns + shift) % PERIOD] + light[..., None].astype(np.float32)
        yield Picture(np.rint(samples.clip(0, 1) * 255).astype(np.uint8))


def picture(width, height):
    """The Scan of these strips."""
    from codec.pixels.strips import Scan

    return Scan(width, height, 3, 8, False, lambda: strips(width, height))


def write(path, width, height):
    """Writes the picture in the format of the path's suffix without ever holding it."""
    from codec.pixels import write

    write.save(picture(width, height), path, Path(path).suffix)


def difference(path, width, height):
    """PSNR in dB of a picture file against what `write` wrote."""
    from codec.pixels import scanner
    from codec.pixels.strips import psnr

    with scanner.opened(path, 0) as scan:
        if (scan.width, scan.height) != (width, height):
            raise click.ClickException(f"{path} has {scan.width} x {scan.height} pixels instead of {width} x {height}")
        return psnr(picture(width, height), scan)


def measure(megapixels, suffix, quality, model, threads, folder):
    """What one square picture costs: a row of the result."""
    width = height = round(math.sqrt(megapixels * 1e6)) or FLAT
    copies, repeats = (1, REPEATS) if width == FLAT else (COPIES if megapixels < SMALL else 1, 1)
    names = [f"picture-{i}" for i in range(copies)]
    folders = {kind: Path(folder, kind) for kind in (suffix, "aec", "out")}
    sources, coded, decoded = (
        [folders[kind] / f"{name}.{end}" for name in names]
        for kind, end in ((suffix, suffix), ("aec", "aec"), ("out", "png" if copies > 1 else suffix))
    )
    for place in folders.values():
        place.mkdir()
    write(sources[0], width, height)
    for copy in sources[1:]:
        shutil.copy(sources[0], copy)
    row = {"megapixels": width * height / 1e6, "width": width, "height": height, "copies": copies}
    command = [sys.executable, "-m", "codec"]
    ways = {
        "compress": ["--lossy", "-q", quality, *sources, "-o", folders["aec"]],
        "decompress": [*coded, "-o", folders["out"] if copies > 1 else decoded[0]],
    }
    for way, arguments in ways.items():
        times = []
        for _ in range(repeats):
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            seconds, peak = process(
                [*command, way, "-f", "-j", "1", "--max-pixels", "0", "-d", "cpu", "-m", model, *map(str, arguments)],
                threads,
            )
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            times.append((seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, peak))
        row[way] = {
            name: round(value, 3) for name, value in zip(("seconds", "cpu", "mib"), map(statistics.median, zip(*times)))
        }
    row |= {
        "bpp": round(8 * coded[0].stat().st_size / (width * height), 4),
        "psnr": round(difference(decoded[0], width, height), 3),
    }
    for place in folders.values():
        shutil.rmtree(place)
    return row


def per_megapixel(row, start, way, clock="seconds"):
    """Seconds of the clock or of the processor ("cpu") that a megapixel takes, without the start of the process."""
    return (row[way][clock] - start[way][clock]) / row["megapixels"] / row["copies"]


def line(row, start):
    """One row as text: per way, peak memory, seconds, and milliseconds per megapixel on the clock and
    of the processor.
    """
    text = f"{row['megapixels']:8.1f} MP {row['bpp']:.2f} bpp {row['psnr']:.1f} dB"
    for way in ("compress", "decompress"):
        clock, cpu = (1e3 * per_megapixel(row, start, way, name) for name in ("seconds", "cpu"))
        text += (
            f" | {way} {row[way]['mib']:6.0f} MiB {row[way]['seconds']:7.1f} s, "
            f"{clock:6.0f} ms/MP ({cpu:.0f} of the processor) without the start"
        )
    return text


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--megapixels",
    type=click.FloatRange(0.01, 4000),
    multiple=True,
    default=(1, 100),
    show_default=True,
    help="May be repeated.",
)
@click.option("--format", "suffix", type=click.Choice(["png", "tiff", "ppm"]), default="png", show_default=True)
@click.option("-q", "--quality", type=click.FloatRange(1, 100), default=60, show_default=True)
@click.option(
    "-m",
    "--model",
    default="default",
    show_default=True,
    metavar="NAME|FILE",
    help="A tiny one shows what is left when the networks cost nothing.",
)
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True)
@click.option(
    "--folder",
    type=click.Path(file_okay=False, exists=True),
    help="Where the pictures are put; 1000 MP of TIFF take 6 GB there for a while.",
)
@click.option("--out", type=click.Path(dir_okay=False), help="The result as JSON.")
@click.option(
    "--tolerance",
    type=float,
    default=15,
    show_default=True,
    help="Percent by which a megapixel may take longer than at the first size, starts not counted.",
)
@click.pass_context
def main(context, megapixels, suffix, quality, model, threads, folder, out, tolerance):
    """Peak memory and time per megapixel as the picture grows.

    Exit code 1: more than 2 GB up to 100 MP, 3 GB beyond, or too slow.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that gigabytes are not left behind
    with tempfile.TemporaryDirectory(prefix="aecodec-huge-", dir=folder) as place:
        start = measure(FLAT * FLAT / 1e6, suffix, quality, model, threads, place)
        rows = []
        for size in megapixels:
            rows.append(measure(size, suffix, quality, model, threads, place))
            click.echo(line(rows[-1], start))
    if out:
        result = {
            "command": shlex.join(["python", "-m", "benchmarks.huge", *sys.argv[1:]]),
            "machine": machine.describe(threads),
            "format": suffix,
            "quality": quality,
            "model": model,
            "start": start,
            "rows": rows,
        }
        Path(out).write_text(json.dumps(result, indent=1) + "\n")
    wrong = []
    for row in rows:
        for way in ("compress", "decompress"):
            limit = 2e9 if row["megapixels"] <= 100.1 else 3e9
            if (used := row[way]["mib"] * 2**20) > limit:
                wrong.append(
                    f"{way} of {row['megapixels']:.0f} MP took {used / 1e9:.2f} GB, more than {limit / 1e9:.0f}"
                )
            slower = per_megapixel(row, start, way) / per_megapixel(rows[0], start, way) - 1
            if slower * 100 > tolerance:
                wrong.append(
                    f"{way} of {row['megapixels']:.0f} MP took {slower:.0%} longer per megapixel than "
                    f"{rows[0]['megapixels']:.0f} MP"
                )
    for sentence in wrong:
        click.echo(f"WORSE: {sentence}", err=True)
    context.exit(bool(wrong))


if __name__ == "__main__":
    main()
