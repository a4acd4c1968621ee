"""Leaks: resident memory over many encodes and decodes, of good and of refused files, by the library and by the Pillow
plugin.

    python -m tests.campaigns.leaks --rounds 1000 --log tests/campaigns/log.jsonl

Linux only: it reads /proc/self/statm.
"""

import argparse
import gc
import io
import os
import time
from pathlib import Path

from PIL import Image

import codec
import codec.pillow
from tests import campaigns
from tests.campaigns.sharing import picture

KINDS = 12  # pictures that take turns
WARM = 0.2  # of the rounds, before the memory is measured first: caches fill


def resident():
    """MiB of memory this process holds."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGESIZE") / 2**20


def descriptors():
    return len(os.listdir("/proc/self/fd"))


def turn(coder, number):
    """One encode and one decode each way, and refusals half-way through."""
    source, quality = picture(number % KINDS)
    data = coder.encode(source, quality)
    coder.decode(data)
    image = Image.open(io.BytesIO(data))
    image.save(io.BytesIO(), "AEC", quality=quality)
    broken = bytearray(data)
    broken[number * 7 % len(data)] ^= 4
    for bad in (bytes(broken), data[: number * 11 % len(data)]):
        try:
            coder.decode(bad)
        except codec.CodecError:
            pass
        else:
            raise AssertionError("a damaged file was decoded")


def run(rounds, model="default"):
    """Figures of so many rounds, the first WARM of them not measured."""
    started = time.monotonic()
    codec.pillow.register(model, "cpu")
    coder, warm = codec.Codec(model, "cpu", threads=1), max(KINDS, round(WARM * rounds))
    for number in range(warm):
        turn(coder, number)
    first, files, highest = resident(), descriptors(), 0.0
    for number in range(rounds):
        turn(coder, number)
        if number % 50 == 49:
            highest = max(highest, resident())
    last = resident()
    assert descriptors() <= files, "files stay open"
    return {
        "rounds": rounds,
        "encodes": 2 * rounds,
        "decodes": 2 * rounds,
        "refusals": 2 * rounds,
        "warm_up_rounds": warm,
        "resident_mib": [round(first, 1), round(last, 1)],
        "highest_mib": round(highest, 1),
        "growth_percent": round(100 * (last - first) / first, 2),
        "seconds": round(time.monotonic() - started),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser("python -m tests.campaigns.leaks")
    parser.add_argument("--rounds", type=int, default=1000)
    parser.add_argument("--model", default="default")
    parser.add_argument("--log")
    options = parser.parse_args()
    figures = run(options.rounds, options.model)
    campaigns.write(options.log, "leaks", figures)
    assert figures["growth_percent"] < 1
