"""Broken input: random damage to every odd picture of tests/oddities.py; each is read, or refused in one sentence, in
time and in silence.

python -m tests.campaigns.pictures --runs 1000000 --log tests/campaigns/log.jsonl
"""

import argparse
import random
import resource
import struct
import sys
import time
import warnings
import zlib
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # as pytest does

import odd_files
import oddities

from codec.errors import BadImage, TooLarge
from codec.pixels.picture import Picture
from codec.pixels.read import load
from tests import campaigns

MOST_PIXELS = 2**20  # what damage makes of a size must not fill the memory of the campaign
NUMBERS = (0, 1, 127, 128, 255, 256, 32767, 65535, 2**31 - 1, 2**31, 2**32 - 1)


def damaged(data, rng, others):
    """One of the ways in which files break; half of the damaged PNG files get right checksums again."""
    broken = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 5, 30))):
        place = rng.randrange(len(broken) + 1) if rng.random() < 0.5 else rng.randrange(min(len(broken), 300) + 1)
        length = rng.choice((1, 1, 2, 4, 16, 200))
        kind = rng.randrange(8)
        if kind == 0:
            broken[place : place + 1] = bytes([rng.randrange(256)])
        elif kind == 1 and place < len(broken):
            broken[place] ^= 1 << rng.randrange(8)
        elif kind == 2:
            broken[place : place + length] = rng.randbytes(length)
        elif kind == 3:
            del broken[place : place + length]
        elif kind == 4:
            broken[place:place] = rng.randbytes(length)
        elif kind == 5:
            broken[place : place + 4] = struct.pack(rng.choice("<>") + "I", rng.choice(NUMBERS))
        elif kind == 6:
            broken[place : place + 2] = struct.pack(rng.choice("<>") + "H", rng.choice(NUMBERS) & 65535)
        else:
            other = rng.choice(others)
            start = rng.randrange(len(other) + 1)
            broken[place : place + length] = other[start : start + length]
    if rng.random() < 0.1:
        del broken[rng.randrange(len(broken) + 1) :]
    return repaired(bytes(broken)) if rng.random() < 0.5 else bytes(broken)


def repaired(data):
    """A PNG with right checksums, as far as its lengths lead; other data as it is."""
    if data[:8] != odd_files.SIGNATURE:
        return data
    place, parts = 8, [data[:8]]
    while place + 12 <= len(data) and (length := struct.unpack_from(">I", data, place)[0]) <= len(data) - place - 12:
        parts.append(odd_files.chunk(data[place + 4 : place + 8], data[place + 8 : place + 8 + length]))
        place += 12 + length
    return b"".join((*parts, data[place:]))


def attempt(data):
    """The outcome in a word; AssertionError or another exception is a fault."""
    try:
        picture = load(data, MOST_PIXELS)
    except (BadImage, TooLarge) as error:
        text = str(error)
        assert 10 < len(text) < 300 and "\n" not in text and text.isprintable(), repr(text)
        return type(error).__name__
    assert isinstance(picture, Picture) and 0 < picture.width * picture.height <= MOST_PIXELS
    assert picture.pixels.shape[2] in (1, 3) and (
        picture.alpha is None or picture.alpha.shape == picture.pixels.shape[:2]
    )
    return "read"


def run(runs, seed, seconds=float("inf"), artifacts=None):
    """Figures of so many damaged files, fewer if the time is up.

    A fault is raised, with its input beside it where `artifacts` is a folder.
    """
    names = sorted({**oddities.ODD, **oddities.BROKEN})
    files = [oddities.ODD[name][0] if name in oddities.ODD else oddities.BROKEN[name] for name in names]
    files = [file for file in files if len(file) < 100_000]
    rng, outcomes, slowest, started, done = random.Random(seed), Counter(), 0.0, time.monotonic(), 0
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        while done < runs and time.monotonic() - started < seconds:
            data = damaged(rng.choice(files), rng, files)
            begun = time.perf_counter()
            try:
                outcomes[attempt(data)] += 1
                assert not caught, str(caught[0].message)
            except BaseException:
                if artifacts:
                    Path(artifacts, f"fault-{zlib.crc32(data):08x}").write_bytes(data)
                raise
            slowest = max(slowest, time.perf_counter() - begun)
            done += 1
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
    return {
        "runs": done,
        "faults": 0,
        "outcomes": dict(outcomes),
        "files": len(files),
        "slowest_s": round(slowest, 3),
        "seconds": round(time.monotonic() - started),
        "peak_mib": peak,
        "seed": seed,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser("python -m tests.campaigns.pictures")
    parser.add_argument("--runs", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--log")
    options = parser.parse_args()
    campaigns.write(options.log, "pictures", run(options.runs, options.seed, artifacts="."))
