"""What aecodec costs beside WebP (method 6), AVIF 4:4:4 (speed 6) and JPEG XL (effort 7), as a table of Markdown: times
of one thread and of two at equal PSNR picture by picture, of new processes, memory, and what pip installs.

    python -m benchmarks.turns kodak --into README.md        # also a folder or files

Every codec gets, for every picture, the quality whose PSNR is nearest to that of WebP at `speed.MATCH_QUALITY`. Ratios
are medians of paired turns, which a machine that slows down does not change.
"""

import argparse
import statistics
import sys
import textwrap
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

import codec

from . import codecs, cold, data, machine, pages, speed

OURS = "aec:psnr"  # the model for equal PSNR
NAMES = {OURS: "aecodec", "webp": "WebP", "avif444": "AVIF 4:4:4", "jxl": "JPEG XL"}
AGAINST = ("webp", "avif444")
WAYS = ("encode", "decode")
# What pip installs for them beside Python, the codec itself aside.
PACKAGES = {
    OURS: ("click", "numpy", "pillow", "tqdm"),
    "webp": ("pillow",),
    "avif444": ("pillow",),
    "jxl": ("pillow", "pillow-jxl-plugin"),
}
COMMAND = "benchmarks.turns"


def warm(pictures, rounds, threads=1):
    """{name: {"psnr": [dB over WebP's of each picture], way: [s of each turn], "processor": {way: [s]}}}."""
    chosen = {name: codecs.build(name, threads=threads) for name in NAMES}
    times = {name: {"psnr": [], "processor": {way: [] for way in WAYS}} | {way: [] for way in WAYS} for name in NAMES}
    for picture in pictures:
        matched = speed.settings(chosen, [picture])
        found = speed.warm(chosen, [picture], {name: quality for name, (quality, _, _) in matched.items()}, rounds)
        for name, turns in found.items():
            times[name]["psnr"].append(matched[name][2] - matched[speed.MATCH][2])
            for way in WAYS:
                times[name][way] += turns[way]
                times[name]["processor"][way] += turns["processor"][way]
    return times


def ratio(own, other, way):
    """(on the clock, of processor time): medians of the turns' ratios."""
    both = (own[way], other[way]), (own["processor"][way], other["processor"][way])
    return [statistics.median(a / b for a, b in zip(*pair)) for pair in both]


def installed(name):
    """Bytes of the packages of a codec, ours with its own."""
    files = [f.locate() for package in PACKAGES[name] for f in metadata.files(package) or []]
    own = Path(codec.__file__).parent.rglob("*") if name == OURS else []
    own = [path for path in own if "__pycache__" not in path.parts]
    return sum(Path(path).stat().st_size for path in [*files, *own] if Path(path).is_file())


def table(one, two, outside):
    """Lines of Markdown. one, two: of `warm` with as many threads; outside: of `cold.measure`."""
    heads = ["at equal PSNR", "encode, ms", "two threads", "× WebP", "× AVIF", "decode, ms", "two threads"]
    heads += ["new process, encode / decode, s", "its memory, MiB", "installed, MB"]
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for name, label in NAMES.items():
        ms = [f"{1000 * statistics.median(times[name][way]):.3g}" for way in WAYS for times in (one, two)]
        times = ["{:.2f} ({:.2f})".format(*ratio(one[name], one[peer], "encode")) for peer in AGAINST]
        seconds, peak, _ = outside[name]
        cells = [label, *ms[:2], *times, *ms[2:], " / ".join(f"{seconds[way]:.2f}" for way in WAYS)]
        lines.append("| " + " | ".join([*cells, f"{max(peak.values()):.0f}", f"{installed(name) / 1e6:.0f}"]) + " |")
    return lines


def note(one, pictures, rounds, floors):
    """The sentence below the table."""
    off = max(abs(value) for times in one.values() for value in times["psnr"])
    floor = floors["python"]
    return (
        f"{machine.describe(1)['cpu']}, {pictures} pictures at the PSNR of WebP at quality {speed.MATCH_QUALITY} "
        f"(within {off:.2f} dB), medians of {rounds} turns each, in brackets ratios of processor time; model `psnr`. "
        "New processes, of one thread, read a PNG and write a PPM: aecodec's command line, and for the others a line "
        f"of Python with Pillow; Python alone takes {floor:.2f} s. Installed is what pip puts beside Python."
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        f"python -m {COMMAND}", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("sources", nargs="+", metavar="kodak|synthetic|DIR|FILE")
    parser.add_argument("--pictures", type=int, default=6, help="how many of them, spread over all (default: 6)")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each picture (default: 5)")
    parser.add_argument("--into", action="append", default=[], metavar="PAGE.md", help="where the table's marks are")
    options = parser.parse_args(arguments)
    paths = data.pictures(options.sources)
    pictures = [data.load(path) for path in paths[:: max(1, len(paths) // options.pictures)][: options.pictures]]
    one, two = (warm(pictures, options.rounds, threads) for threads in (1, 2))
    chosen = {name: codecs.build(name) for name in NAMES}
    qualities = {name: found[0] for name, found in speed.settings(chosen, pictures[:1]).items()}
    outside, floors, failures = cold.measure(chosen, pictures[0], qualities, 1, options.rounds)
    if failures:
        sys.exit(failures[0]["error"])
    below = textwrap.fill(note(one, len(pictures), options.rounds, floors), 120, break_on_hyphens=False)
    words = "\n".join([*table(one, two, outside), "", below])
    for page in options.into:
        pages.write(page, COMMAND, {"costs": words})
    print(words)


if __name__ == "__main__":
    main()
