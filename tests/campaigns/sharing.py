"""Sharing: threads on one Codec and processes beside each other give what one thread after another gives, bytes and
pixels.

python -m tests.campaigns.sharing --threads 8 --pictures 50 --processes 4 --log tests/campaigns/log.jsonl
"""

import argparse
import hashlib
import multiprocessing
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

import codec
from codec.pixels.picture import Picture
from tests import campaigns

SWITCH = 1e-6  # seconds between switches of threads; Python's own is 5e-3


def picture(number):
    """Gray or colour, 8 or 16 bits, with and without alpha and metadata, of many sizes."""
    rng = np.random.default_rng(number)
    height, width, channels, depth = (
        17 + 7 * (number % 11),
        23 + 9 * (number % 7),
        1 + 2 * (number % 2),
        8 + 8 * (number % 3 == 0),
    )
    rows, columns = np.mgrid[:height, :width]
    waves = np.stack(
        [0.5 + 0.4 * np.sin(rows / (4 + c) + number) * np.cos(columns / 6 - c) for c in range(channels)], -1
    ) + rng.normal(0, 0.02, (height, width, channels))
    scaled = lambda x: np.rint(x.clip(0, 1) * (2**depth - 1)).astype(f"u{depth // 8}")
    alpha = scaled(rng.random((height, width))) if number % 5 == 0 else None
    return Picture(scaled(waves), alpha, exif=b"II*\0" + rng.bytes(40) if number % 4 == 0 else None), 5 + 17 * (
        number % 6
    )


def there_and_back(coder, number):
    """(file, digest of its pixels)"""
    data = coder.encode(*picture(number))
    decoded = coder.decode_picture(data)
    digest = hashlib.sha256(decoded.pixels.tobytes() + (b"" if decoded.alpha is None else decoded.alpha.tobytes()))
    coder.verify(data)
    return data, digest.hexdigest()


def in_a_process(model, pictures):
    coder = codec.Codec(model, "cpu", threads=1)
    return [there_and_back(coder, number) for number in range(pictures)]


def run(threads, pictures, processes, model="default"):
    """Figures; AssertionError where anything differs from what one thread gives."""
    started = time.monotonic()
    coder = codec.Codec(model, "cpu", threads=1)
    serial = [there_and_back(coder, number) for number in range(pictures)]
    barrier, interval = threading.Barrier(threads), sys.getswitchinterval()

    def work(first):
        barrier.wait()
        order = [(first * 7 + number) % pictures for number in range(pictures)]
        return all(there_and_back(coder, number) == serial[number] for number in order)

    sys.setswitchinterval(SWITCH)
    try:
        with ThreadPoolExecutor(threads) as pool:
            assert all(pool.map(work, range(threads)))
    finally:
        sys.setswitchinterval(interval)
    if processes:
        with multiprocessing.get_context("spawn").Pool(processes) as pool:
            assert all(result == serial for result in pool.starmap(in_a_process, [(model, pictures)] * processes))
    return {
        "threads": threads,
        "pictures": pictures,
        "processes": processes,
        "switch_interval_s": SWITCH,
        "differences": 0,
        "model": coder.model.id.hex(),
        "seconds": round(time.monotonic() - started),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser("python -m tests.campaigns.sharing")
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--pictures", type=int, default=50)
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--model", default="default")
    parser.add_argument("--log")
    options = parser.parse_args()
    campaigns.write(options.log, "sharing", run(options.threads, options.pictures, options.processes, options.model))
