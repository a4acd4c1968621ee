"""Cold times and peak memory: what a whole new process costs that codes one picture, start-up, reading and writing
included. Beside: `speed`.

Ours is the command line; Pillow's formats are one line of Python each. The codecs take turns. A process that starts and
imports torch alone is measured with them, as the floor below which no torch program can go.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from tqdm import tqdm

REPEATS = 3
# A child's peak memory counts that of the process it was forked from, so a small one starts it and measures. Prints
# seconds, MiB and exit status.
LAUNCH = """
import json, os, sys, time
start = time.perf_counter()
child = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ)
_, status, usage = os.wait4(child, 0)
seconds = time.perf_counter() - start
mib = usage.ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
print(json.dumps([seconds, mib, os.waitstatus_to_exitcode(status)]))
"""
FLOORS = {"python": [sys.executable, "-c", "pass"], "python importing torch": [sys.executable, "-c", "import torch"]}


class ColdError(Exception):
    """One sentence about a process that failed."""


def process(command, threads):
    """(seconds, peak resident MiB) of a whole process. Raises ColdError."""
    path = os.pathsep.join(filter(None, [os.getcwd(), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "PYTHONPATH": path}
    launcher = subprocess.run(
        [sys.executable, "-I", "-S", "-c", LAUNCH, *command], capture_output=True, text=True, env=environment
    )
    try:
        seconds, peak, code = json.loads(launcher.stdout.splitlines()[-1])
    except (ValueError, IndexError):
        code = launcher.returncode
    if code:
        reason = (launcher.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise ColdError(f"the process ended with {code}: {reason}")
    return seconds, peak


def measure(chosen, image, qualities, threads, repeats=REPEATS):
    """Cold times and peak memory of the codecs that can run as a process of their own.

    Returns ({name: ({way: median seconds}, {way: MiB}, {way: [least, most seconds]})}, {floor: median seconds},
    failures of RUN.json).
    """
    runs, floors, failures = {}, {name: [] for name in FLOORS}, []
    with tempfile.TemporaryDirectory(prefix="aecodec-cold-") as folder:
        picture = Path(folder, "picture.png")
        image.save(picture)
        names = [n for n, c in chosen.items() if c.cold("encode", qualities[n], picture, picture)]
        # The first round only fills the system's file cache.
        for round_ in tqdm(range(-1, repeats), "timing new processes", unit="round", disable=None):
            for floor, command in FLOORS.items():
                seconds, _ = process(command, threads)
                floors[floor] += [seconds] * (round_ >= 0)
            for name in list(names):
                coded, decoded = (
                    Path(folder, f"{name}.{'aec' if name == 'aec' else 'bin'}"),
                    Path(folder, f"{name}.ppm"),
                )
                for way, source, target in (("encode", picture, coded), ("decode", coded, decoded)):
                    try:
                        measured = process(chosen[name].cold(way, qualities[name], source, target), threads)
                    except ColdError as error:
                        failures.append(
                            {"image": None, "codec": name, "quality": qualities[name], "error": f"cold {way}: {error}"}
                        )
                        names.remove(name)
                        break
                    if round_ >= 0:
                        runs.setdefault(name, {}).setdefault(way, []).append(measured)
    results = {}
    for name in names:
        seconds = {way: sorted(s for s, _ in measured) for way, measured in runs[name].items()}
        peaks = {way: max(p for _, p in measured) for way, measured in runs[name].items()}
        results[name] = (
            {way: statistics.median(s) for way, s in seconds.items()},
            peaks,
            {way: [s[0], s[-1]] for way, s in seconds.items()},
        )
    return results, {name: statistics.median(seconds) for name, seconds in floors.items()}, failures
