"""Kills: the command line is killed at random times; no file may be partial or lost, and none left over after anything
but SIGKILL.

    python -m tests.campaigns.kills --count 200 --log tests/campaigns/log.jsonl

Each round runs one of ROUNDS over pictures of several sizes, half of whose outputs exist already, and sends one signal,
or two a moment apart. The time is random over the whole run, or from the first output on, where the files are written.
With --forked the processes are forked from one that has imported torch, which makes a round take a tenth of the time
and leaves the imports out.
"""

import argparse
import contextlib
import io
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from tests import campaigns

SIGNALS = (signal.SIGKILL, signal.SIGINT, signal.SIGTERM)
SIZES = ((40, 56), (200, 300), (17, 9), (130, 600), (64, 64), (300, 64), (100, 100), (33, 470))
ROUNDS = {
    "compress": ["compress", "-f"],
    "compress -j 2": ["compress", "-f", "-j", "2"],
    "compress --rm": ["compress", "-f", "--rm"],
    "compress -j 2 --rm": ["compress", "-f", "-j", "2", "--rm"],
    "decompress": ["decompress", "-f"],
    "decompress -j 2": ["decompress", "-f", "-j", "2"],
    "decompress --rm": ["decompress", "-f", "--rm"],
    "decompress -j 2 --rm": ["decompress", "-f", "-j", "2", "--rm"],
}
OLD = b"an older file of the same name"


def run_command(arguments):
    """`aecodec` with its own exit, in this process."""
    from codec.app import cli

    sys.argv = ["aecodec", *arguments]
    cli.main()


def start(arguments, folder, forked):
    """A process that runs `aecodec` in `folder`, its messages going to the file stderr there; returns its id."""
    if not forked:
        with open(folder / "stderr", "wb") as file:
            return subprocess.Popen(
                [sys.executable, "-P", "-m", "codec", *arguments], cwd=folder, stderr=file, stdout=subprocess.DEVNULL
            ).pid
    if child := os.fork():
        return child
    try:
        os.chdir(folder)
        os.dup2(os.open("stderr", os.O_WRONLY | os.O_CREAT), 2)
        run_command(arguments)
    finally:
        os._exit(99)  # an exception went past main


def wait(child):
    """The exit code; negative for the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def make(folder, forked):
    """The pictures of the campaign both ways: {suffix: {stem: bytes}}, decoded ones under "png"."""
    import numpy as np
    from PIL import Image

    for number, (height, width) in enumerate(SIZES):
        rows, columns = np.mgrid[:height, :width]
        waves = np.stack([127 + 100 * np.sin(rows / (5 + c) + number) * np.cos(columns / 7 - c) for c in range(3)], -1)
        file = io.BytesIO()
        Image.fromarray(waves.astype(np.uint8)).save(file, "PNG")
        (folder / f"{number}.png").write_bytes(file.getvalue())
    names = [f"{number}.png" for number in range(len(SIZES))]
    sources = {name[0]: (folder / name).read_bytes() for name in names}
    assert wait(start(["compress", *names], folder, forked)) == 0
    coded = {name[0]: (folder / f"{name[0]}.aec").read_bytes() for name in names}
    assert wait(start(["decompress", "-f", *(f"{stem}.aec" for stem in coded)], folder, forked)) == 0
    return {"source": sources, "aec": coded, "png": {stem: (folder / f"{stem}.png").read_bytes() for stem in coded}}


def contents(folder):
    """{name: bytes} of the files but stderr; workers whose parent was killed may still be removing theirs."""
    found = {}
    for path in folder.iterdir():
        with contextlib.suppress(FileNotFoundError):
            found[path.name] = path.read_bytes()
    found.pop("stderr", None)
    return found


def round_(files, rng, signum, what, seconds, forked):
    """One kill. Returns a word on when it struck; AssertionError where a promise is broken."""
    arguments = ROUNDS[what]
    before, after = ("source", "aec") if arguments[0] == "compress" else ("aec", "png")
    suffixes = {"source": ".png", "aec": ".aec", "png": ".png"}
    folder = Path(tempfile.mkdtemp(prefix="aecodec-kills-"))
    try:
        for number, (stem, data) in enumerate(files[before].items()):
            (folder / (stem + suffixes[before])).write_bytes(data)
            if number % 2:
                (folder / (stem + suffixes[after])).write_bytes(OLD)
        names = [stem + suffixes[before] for stem in files[before]]
        child = start([*arguments, *names], folder, forked)
        late = rng.random() < 0.6
        began = time.monotonic()
        while late and not (folder / ("0" + suffixes[after])).exists() and time.monotonic() - began < 60:
            time.sleep(0.001)
        work = seconds["work"] if late else seconds["all"]
        time.sleep(rng.uniform(0, work))
        os.kill(child, signum)
        if twice := signum != signal.SIGKILL and rng.random() < 0.3:
            time.sleep(rng.choice((0, 0.0001, 0.001)))
            os.kill(child, rng.choice(SIGNALS[1:]))
        code = wait(child)
        said = (folder / "stderr").read_bytes() if (folder / "stderr").exists() else b""
        # Before `main`, while Python imports it, the process ends in Python's own way.
        starting = code in (-signal.SIGINT, -signal.SIGTERM)
        assert code in {0, -signum, *((130, 143) if twice else (128 + signum,))} or starting, (what, signum, code, said)
        assert starting or said == b"", (what, signum, code, said)
        found = contents(folder)
        parts = [name for name in found if name.endswith(".part")]
        assert not parts or signum == signal.SIGKILL, (what, signum, parts)
        whole = 0
        for number, stem in enumerate(files[before]):
            target, source = found.pop(stem + suffixes[after], None), found.pop(stem + suffixes[before], None)
            assert target in (files[after][stem], OLD if number % 2 else None), (
                what,
                signum,
                stem,
                "is partial or lost",
            )
            assert source == files[before][stem] or (
                source is None and "--rm" in arguments and target == files[after][stem]
            ), (what, signum, stem, "lost its input")
            whole += target == files[after][stem]
        assert found.keys() <= set(parts)
        if starting:
            assert not whole
            return "before main"
        if code == 0 or whole == len(names):
            return "after the last file"
        return "while files are written" if whole or parts else "before the first file"
    finally:
        while folder.exists():
            with contextlib.suppress(FileNotFoundError):  # as in `contents`
                shutil.rmtree(folder)


def prepare():
    """Makes this process one to fork from."""
    import torch

    import codec

    torch.set_num_threads(1)  # a pool of threads would not survive the fork
    codec.Codec("default", "cpu", threads=1)


def run(count, seed, forked):
    """Figures of so many kills."""
    rng, started = random.Random(seed), time.monotonic()
    for signum in SIGNALS[1:]:  # a shell may have set them aside for what it runs in the background
        signal.signal(signum, signal.SIG_DFL)
    if forked:
        prepare()
    with tempfile.TemporaryDirectory() as folder:
        files = make(Path(folder), forked)
        begun = time.monotonic()
        assert (
            wait(start(["compress", "-f", *(f"{number}.png" for number in range(len(SIZES)))], Path(folder), forked))
            == 0
        )
        whole = time.monotonic() - begun
    seconds = {"all": 1.1 * whole, "work": whole * (1 if forked else 0.3)}
    signals, moments, commands = Counter(), Counter(), Counter()
    for number in range(count):
        signum, what = SIGNALS[number % 3], list(ROUNDS)[number // 3 % len(ROUNDS)]
        moments[round_(files, rng, signum, what, seconds, forked)] += 1
        signals[signum.name] += 1
        commands[what] += 1
    return {
        "kills": count,
        "signals": dict(signals),
        "commands": dict(commands),
        "moments": dict(moments),
        "partial_or_lost_files": 0,
        "temporary_files_left_but_after_SIGKILL": 0,
        "forked": forked,
        "seconds": round(time.monotonic() - started),
        "seed": seed,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser("python -m tests.campaigns.kills")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--forked", action="store_true")
    parser.add_argument("--log")
    options = parser.parse_args()
    campaigns.write(options.log, "kills", run(options.count, options.seed, options.forked))
