"""Many pictures on one machine: one call of the command line with a worker per core, against a process per picture on
every core. Beside: `cold`.

    python -m benchmarks.many --images kodak --out RUN.json

Each way of the command line is measured: throughput, its ratio to that of one-by-one processes (all cores busy with
those too), the share of the cores' time that our processes used from start to end and in between, and peak memory of a
process. On a machine busy with other work shares and ratios are noise.
"""

import concurrent.futures
import json
import os
import resource
import shlex
import shutil
import sys
import tempfile
import threading
import time
from pathlib import Path

import click

from . import data, machine
from .cold import process

COMMAND = [sys.executable, "-P", "-m", "codec"]
WAYS = {"compress": (".png", ".aec"), "decompress": (".aec", ".png"), "verify": (".aec", None)}


def cpu():
    """Processor seconds of all processes that were waited for."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


class Load(threading.Thread):
    """Samples (seconds, busy share of all cores, whoever uses them) of a Linux machine once a second until stopped."""

    def __init__(self):
        super().__init__(daemon=True)
        self.samples, self._end = [], threading.Event()

    def run(self):
        before, start = self._read(), time.perf_counter()
        while before and not self._end.wait(1):
            now = self._read()
            total = sum(now) - sum(before)
            self.samples.append((time.perf_counter() - start, 1 - (now[3] + now[4] - before[3] - before[4]) / total))
            before = now

    def stop(self):
        """The median share, None where it cannot be known."""
        self._end.set()
        self.join()
        shares = sorted(share for _, share in self.samples)
        return shares[len(shares) // 2] if shares else None

    @staticmethod
    def _read():
        path = Path("/proc/stat")  # user nice system idle iowait ...
        return list(map(int, path.read_text().splitlines()[0].split()[1:9])) if path.exists() else None


def lay_out(folder, paths, count):
    """`count` pictures in the folder as PNG, copies where there are fewer; their megapixels together."""
    total = 0.0
    for number in range(count):
        target = folder / f"{number:05}.png"
        if number < len(paths):
            image = data.load(paths[number])
            image.save(target)
            size = image.width * image.height / 1e6
        else:
            first = number % len(paths)
            shutil.copy(folder / f"{first:05}.png", target)
            with data.Image.open(target) as image:
                size = image.width * image.height / 1e6
        total += size
    return total


def together(way, folder, cores, megapixels):
    """One call for the whole folder."""
    _, made = WAYS[way]
    shutil.rmtree(out := folder.parent / f"out-{way}", ignore_errors=True)
    load, before = Load(), cpu()
    load.start()
    seconds, peak = process(
        [*COMMAND, way, "-r", str(folder), "-j", str(cores), "--quiet", *(["--output-dir", str(out)] if made else [])],
        1,
    )
    return {
        "seconds": round(seconds, 3),
        "mp_per_s": round(megapixels / seconds, 3),
        "cpu_share": round((cpu() - before) / seconds / cores, 4),
        "machine_busy": load.stop(),
        "peak_mib": round(peak, 1),
    }, out


def one_by_one(way, names, cores, megapixels):
    """A process per picture, `cores` at a time."""
    _, made = WAYS[way]
    with (
        tempfile.TemporaryDirectory(prefix="aecodec-many-") as out,
        concurrent.futures.ThreadPoolExecutor(cores) as pool,
    ):
        command = lambda name: [
            *COMMAND,
            way,
            str(name),
            *(["-o", str(Path(out, name.stem + made))] if made else ["--quiet"]),
        ]
        start, before = time.perf_counter(), cpu()
        done = list(pool.map(lambda name: process(command(name), 1), names))
        seconds = time.perf_counter() - start
    return {
        "pictures": len(done),
        "seconds": round(seconds, 3),
        "mp_per_s": round(megapixels / seconds, 3),
        "cpu_share": round((cpu() - before) / seconds / cores, 4),
        "peak_mib": round(max(peak for _, peak in done), 1),
    }


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--images", multiple=True, default=("synthetic",), show_default=True, metavar="kodak|synthetic|DIR|FILE")
@click.option(
    "--count", type=click.IntRange(2), default=100, show_default=True, help="Pictures; the ones given are repeated."
)
@click.option(
    "--single", type=click.IntRange(1), default=12, show_default=True, help="Of these, how many are done one by one."
)
@click.option(
    "-j",
    "--jobs",
    type=click.IntRange(1),
    default=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
    show_default="cores",
)
@click.option("--out", type=click.Path(dir_okay=False), help="The result as JSON.")
def main(images, count, single, jobs, out):
    """Many pictures in one call against a process for each."""
    rows = {}
    with tempfile.TemporaryDirectory(prefix="aecodec-many-") as place:
        folder = Path(place, "pictures")
        folder.mkdir()
        paths = data.pictures(images)[:count]
        megapixels = lay_out(folder, paths, count)
        for way, (suffix, _) in WAYS.items():
            result, made = together(way, folder, jobs, megapixels)
            names = sorted(folder.glob(f"*{suffix}"))[: min(single, count)]
            alone = one_by_one(way, names, jobs, megapixels * len(names) / count)
            rows[way] = {
                "one_call": result,
                "one_by_one": alone,
                "ratio": round(result["mp_per_s"] / alone["mp_per_s"], 3),
            }
            click.echo(
                f"{way}: {result['mp_per_s']:.2f} MP/s in one call, {alone['mp_per_s']:.2f} one by one: "
                f"{rows[way]['ratio']:.2f} times; processor used {result['cpu_share']:.0%} "
                f"of the time, machine busy {result['machine_busy'] or 0:.0%} (median); "
                f"{result['peak_mib']:.0f} MiB per process"
            )
            if way == "compress":
                folder = made
    if out:
        record = {
            "command": shlex.join(["python", "-m", "benchmarks.many", *sys.argv[1:]]),
            "machine": machine.describe(1),
            "load_before": os.getloadavg()[0],
            "pictures": count,
            "megapixels": round(megapixels, 3),
            "jobs": jobs,
            "ways": rows,
        }
        Path(out).write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
