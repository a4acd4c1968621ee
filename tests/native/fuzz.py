"""Fuzzes the native engine, built with the address, undefined-behaviour or thread sanitizer by the C compiler there is.

    python -m tests.native.fuzz payload --runs 1000000

Targets: payload (damaged and invented payloads, under sizes and qualities that are not theirs), model (weight files
with tensors of other values and shapes, which encode and decode noise where they are taken), pixels (extreme latents
and samples under any halo, rows of a PNG), memory (every allocation fails in its turn), threads (calls from several
threads, under the thread sanitizer). One line of figures is written at the end; status 1, after the sanitizer's report,
for any finding.
"""

import argparse
import ctypes
import functools
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from codec.bitstream.container import Tile
from codec.engine.native import library
from codec.engine.native.loaded import filtered
from codec.engine.native.model import Model, tensors_of
from codec.errors import BadOption, BadWeights, Corrupt
from codec.model.config import Config
from tests.native import models

COMPILER = os.environ.get("CC", "cc")
ROOT = Path(__file__).parents[2]


def build(folder: Path, sanitizers: list[str], compiler: str = COMPILER) -> tuple[Path, str]:
    """The sanitized library, and what a process that loads it must preload."""
    sources = sorted(map(str, (ROOT / "codec/engine/native").glob("*.c")))
    path = folder / "_aec.so"
    wrap = ["-Wl,--wrap=malloc,--wrap=calloc", str(ROOT / "tests/native/failing.c")]
    options = ["-std=c11", "-O2", "-g", "-fPIC", "-shared", "-fvisibility=hidden", "-fno-sanitize-recover=all"]
    command = [compiler, *options, f"-fsanitize={','.join(sanitizers)}", *sources, *wrap, "-o", str(path), "-lm"]
    subprocess.run([*command, "-lpthread"], check=True)
    names = ["libtsan.so"] if sanitizers == ["thread"] else ["libasan.so", "libubsan.so"]
    found = [subprocess.check_output([compiler, f"-print-file-name={name}"], text=True).strip() for name in names]
    return path, " ".join(found)


def run(targets: list[str], runs: int, seed: int) -> int:
    """Builds the library and fuzzes it in a process of its own; its status."""
    if len({target == "threads" for target in targets}) > 1:
        raise SystemExit("threads need a sanitizer of their own")
    with tempfile.TemporaryDirectory() as folder:
        path, preload = build(Path(folder), ["thread"] if targets == ["threads"] else ["address", "undefined"])
        options = {"ASAN_OPTIONS": "detect_leaks=0", "TSAN_OPTIONS": "exitcode=66", "OMP_NUM_THREADS": "1"}
        environment = os.environ | options | {"LD_PRELOAD": preload, "AECODEC_LIBRARY": str(path)}
        # The thread sanitizer wants its addresses where it expects them.
        plain = ["setarch", "-R"] if shutil.which("setarch") else []
        command = [*plain, sys.executable, "-m", "tests.native.fuzz", *targets, "--runs", str(runs)]
        return subprocess.run([*command, "--seed", str(seed), "--inside"], env=environment, cwd=ROOT).returncode


def payload(rng):
    """Reads one payload that is hardly one."""
    tile, h, w, quality = rng.choice(_tiles())
    data = bytearray(tile.payload)
    kind = rng.choice(["flip", "cut", "join", "invent", "words", "whole"])
    if kind == "flip":
        for _ in range(rng.choice([1, 1, 1, 2, 5, 40])):
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    elif kind == "cut":
        del data[rng.randrange(len(data)) :]
    elif kind == "join":
        other = rng.choice(_tiles())[0].payload
        data[rng.randrange(len(data)) // 4 * 4 :] = other[rng.randrange(len(other)) // 4 * 4 :]
    elif kind == "invent":
        data = bytearray(rng.randbytes(4 * rng.randrange(2, 200)))
        data[7] &= 127
    elif kind == "words":
        at = rng.randrange(len(data) // 4) * 4
        data[at : at + 4] = rng.choice([bytes(4), b"\xff" * 4, b"\0\0\0\x80"])
    if rng.random() < 0.3:
        h, w = rng.randrange(1, 9), rng.randrange(1, 9)
    if rng.random() < 0.2:
        quality = rng.choice([100, 10000, rng.randrange(100, 10001)])
    if rng.random() < 0.5:
        _model().peek(bytes(data), h, w, quality)
    else:
        _model().read(Tile(bytes(data), tile.symbols_crc), h, w, quality)


def model(rng):
    """Loads a weight file of other tensors, and where it is one, sends noise through it."""
    sizes = {name: rng.randrange(1, 24) for name in ("hyper", "width", "deep", "render", "prior", "prior_mid")}
    sizes |= {"latent": 4 * rng.randrange(1, 5), "anchors": rng.randrange(2, 5)}
    config = Config(**models.SMALL | (sizes if rng.random() < 0.3 else {}))
    tensors = tensors_of(models.noise(rng.randrange(1 << 30), **config.to_dict()))
    for _ in range(rng.choice([0, 1, 1, 2, 6])):
        name = rng.choice(list(tensors))
        array = tensors[name].copy()
        kind = rng.choice(["value", "value", "fill", "shape", "type", "drop"])
        most = np.iinfo(array.dtype).max if array.dtype.kind == "i" else 1  # float32: what its type was changed to
        extreme = rng.choice([0, 1, -1, most, -most - 1, most // 2, rng.randrange(-most - 1, most)])
        if kind == "value" and array.size:
            array.reshape(-1)[rng.randrange(array.size)] = extreme
        elif kind == "fill":
            array[:] = extreme
        elif kind == "shape":
            array = array[: rng.randrange(len(array) + 1)] if rng.random() < 0.5 else array.T.copy()
        elif kind == "type":
            array = array.astype(rng.choice([np.int8, np.int16, np.int32, np.float32]))
        tensors[name] = array
        if kind == "drop":
            del tensors[name]
    found = Model(models.packed(config, tensors))
    noise = np.random.default_rng(rng.randrange(1 << 30))
    samples = noise.integers(0, 2, (40, 50, 3)).astype(np.uint8) * 255
    quality = rng.randrange(100, 10001)
    tile = found.write(found.analyse(samples, quality), quality)
    latents = found.read(tile, 3, 4, quality)
    found.render(noise.choice([latents, latents * 0 + 2**31 - 1, latents * 0 - 2**31]), quality, 3, 8)


def pixels(rng):
    """Renders, analyses and writes what no picture has."""
    noise, own = np.random.default_rng(rng.randrange(1 << 30)), _model()
    h, w, quality = rng.randrange(1, 12), rng.randrange(1, 12), rng.choice([0, 99, 100, 6000, 10000, 10001])
    halo = tuple(rng.choice([0, 0, 1, 4, 5, -1, 4096, 2**31 - 1]) for _ in range(4))
    channels, depth = rng.choice([1, 3, 3, 2, 4]), rng.choice([8, 16])
    size = (
        (rng.choice([1, 0, 16 * h, 16 * h - 3]), rng.choice([1, 16 * w, 16 * w - 15])) if rng.random() < 0.3 else None
    )
    latents = noise.integers(-(2 ** rng.choice([3, 15, 20, 31])), 2 ** rng.choice([3, 15, 20, 31]), (h, w, 12))
    latents = latents.astype(np.int32)
    operation = rng.choice(["render", "analyse", "write", "pack", "filter"])
    if operation == "render":
        inner = h - halo[0] - halo[1], w - halo[2] - halo[3]
        if size or (0 < inner[0] < 100 and 0 < inner[1] < 100):
            own.render(latents, quality, channels, depth, halo, size)
    elif operation == "analyse":
        shape = rng.randrange(1, 16 * h + 1), rng.randrange(1, 16 * w + 1), channels
        own.analyse(noise.integers(0, 2**depth, shape).astype(f"u{depth // 8}"), quality, halo)
    elif operation == "filter":
        filtered(bytearray(noise.bytes(h * w * 16)), h, rng.choice([0, 1, 2, 3, 4, 6, 8, 9]))
    elif operation == "write":
        own.write(latents, quality)
    else:
        hyper = noise.integers(-16386, 16387, (5, (h + 3) // 4, (w + 3) // 4))
        own.pack(hyper if rng.random() < 0.2 else np.clip(hyper, -16384, 16384), latents, quality)


def memory(rng):
    """Everything once more, with memory for a number of allocations only."""
    fail = ctypes.CDLL(str(library.path())).aec_fail_after
    fail.argtypes = [ctypes.c_int64]
    data, samples = models.noise(), np.full((90, 70, 3), 200, np.uint8)
    before = rng.random() < 0.7
    own = Model(data) if before else None
    fail(rng.randrange(120 if before else 1200))
    try:
        found = own or Model(data)
        latents = found.analyse(samples, 6000)
        found.render(found.read(found.write(latents, 6000), 6, 5, 6000), 6000, 3, 8)
    finally:
        fail(2**62)


def threads(rng):
    """Calls from several threads, which share the pool of another number."""
    own, noise = _model(), np.random.default_rng(rng.randrange(1 << 30))
    library.load().aec_threads(rng.randrange(1, 5))
    samples = noise.integers(0, 256, (rng.randrange(1, 200), rng.randrange(1, 200), 3)).astype(np.uint8)

    def whole(_):
        latents = own.analyse(samples, 6000)
        tile = own.write(latents, 6000)
        return own.render(own.read(tile, *latents.shape[:2], 6000), 6000, 3, 8).tobytes(), tile

    with ThreadPoolExecutor(3) as pool:
        if len(set(pool.map(whole, range(3)))) != 1:
            raise AssertionError("threads changed a result")


@functools.cache
def _model():
    return Model(models.noise())


@functools.cache
def _tiles():
    """Tiles of noise with their sizes and qualities."""
    rng, found = np.random.default_rng(0), []
    for _ in range(40):
        (h, w), quality = rng.integers(1, 7, 2), int(rng.integers(100, 10001))
        scale = 2.0 ** rng.integers(-2, 14)
        z = np.clip(np.rint(rng.laplace(0, scale, (5, -(-h // 4), -(-w // 4)))), -16384, 16384)
        target = np.clip(rng.laplace(0, scale * 4096, (h, w, 12)), -(2**27), 2**27)
        found.append((_model().pack(z, target, quality), int(h), int(w), quality))
    return found


def inside(target, runs, seed):
    """The runs, in a process that has the sanitized library."""
    rng, outcomes, start = random.Random(seed), Counter(), time.time()
    for _ in range(runs):
        try:
            globals()[target](rng)
            outcomes["fine"] += 1
        except (Corrupt, BadOption, BadWeights, MemoryError) as error:
            outcomes[type(error).__name__] += 1
    figures = {
        "target": target,
        "runs": runs,
        "seed": seed,
        "outcomes": outcomes,
        "seconds": round(time.time() - start),
    }
    print(json.dumps(figures), flush=True)


def main():
    parser = argparse.ArgumentParser("python -m tests.native.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="+", choices=["payload", "model", "pixels", "memory", "threads"])
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if not options.inside:
        sys.exit(run(options.targets, options.runs, options.seed))
    for target in options.targets:
        inside(target, options.runs, options.seed)


if __name__ == "__main__":
    main()
