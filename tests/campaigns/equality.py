"""Equality: every instruction set that is here, on every number of threads, the engine on torch and WebAssembly under
Node make the same file of a picture and the same pixels of a file; compared by checksum.

python -m tests.campaigns.equality --kodak FOLDER --log tests/campaigns/log.jsonl

Pictures are all PNG files of the folder at five qualities, and odd ones of 1 to 150 pixels a side, gray and colour, of
8 and 16 bits. Slow settings (plain C, torch) take one picture of --every; status 1 where anything differs.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

import codec
from codec.engine.native import library
from tests import campaigns

QUALITIES = 5, 30, 60, 85, 100
SETS = "avx512vnni", "avx2", "baseline", "neon", "plain"
SLOW = "plain", "torch"
WEB = 40  # files that Node gets at a time


def odd(number):
    """A picture [H, W, 1 or 3] of 8 or 16 bits, and its quality."""
    rng = np.random.default_rng(number)
    height, width = map(int, rng.integers(1, 151, 2))
    rows, columns = np.mgrid[:height, :width]
    waves = [0.5 + 0.4 * np.sin(rows / (3 + c) + number) * np.cos(columns / 7 - c) for c in range(1 + 2 * (number % 2))]
    samples = np.clip(np.stack(waves, -1) + rng.normal(0, 0.03, (height, width, 1)), 0, 1)
    depth = 8 + 8 * (number // 2 % 2)
    return np.rint(samples * (2**depth - 1)).astype(f"u{depth // 8}"), int(rng.integers(100, 10001)) / 100


def pictures(folder, count, every=1):
    """Yields (name, samples, quality) of every so many-th picture."""
    paths = sorted(Path(folder).glob("*.png")) if folder else []
    named = [(f"{path.stem} at {quality}", path, quality) for path in paths for quality in QUALITIES]
    named += [(f"odd {number}", number, None) for number in range(count)]
    for name, source, quality in named[::every]:
        if quality is None:
            yield name, *odd(source)
        else:
            yield name, np.asarray(Image.open(source).convert("RGB")), quality


def encoded(coder, samples, quality):
    """(file, [its checksum, that of its pixels])."""
    data = coder.encode(samples, quality, lossless=False)
    return data, [hashlib.sha256(data).hexdigest(), coder.checksum(data)]


def inside(setting, folder, count, threads, every):
    """Prints {"name on N": checksums} of a setting, in a process of its own."""
    coder, found = codec.Codec(device="cpu", engine="torch" if setting == "torch" else "native"), {}
    for name, samples, quality in pictures(folder, count, every):
        for number in threads:
            if setting != "torch":
                library.load().aec_threads(number)
            found[f"{name} on {number}"] = encoded(coder, samples, quality)[1]
    print(json.dumps(found))


def settings():
    """Instruction sets that are here, and torch."""
    found = [name for name in SETS if library.load().aec_use(name.encode())]
    library.load().aec_use(None)
    return [*found, "torch"]


def run(kodak, count, threads=(1, 2, 4), every=1, only=None):
    """Figures, and what differs, [(setting, name)]."""
    from codec.model import weights
    from codec.web import build
    from tests.web import node

    started, wrong, compared = time.monotonic(), [], 0
    coder, expected, chosen = codec.Codec(device="cpu", engine="native", threads=1), {}, only or [*settings(), "wasm"]
    with tempfile.TemporaryDirectory() as made:
        files = Path(made)
        build.write_models(files / "models", sorted(weights.FOLDER.glob("*.safetensors")))
        for number, (name, samples, quality) in enumerate(pictures(kodak, count)):
            data, expected[name] = encoded(coder, samples, quality)
            (files / f"{number}.aec").write_bytes(data)
        for setting in chosen:
            begun = time.monotonic()
            if setting == "wasm":
                paths, found = [files / f"{number}.aec" for number in range(len(expected))], []
                for at in range(0, len(paths), WEB):
                    given = {"files": paths[at : at + WEB], "options": {"format": "samples"}, "opening": {"threads": 2}}
                    found += node.run("decode.mjs", files / "models", seconds=3600, **given)
                results = {name: one.get("data") for name, one in zip(expected, found, strict=True)}
                differing = [name for name, pixels in results.items() if pixels != expected[name][1]]
            else:
                share = every if setting in SLOW else 1
                command = [sys.executable, "-m", __spec__.name, "--inside", setting, "--odd", str(count)]
                command += ["--threads", *map(str, [1] if setting == "torch" else threads), "--every", str(share)]
                command += ["--kodak", str(kodak)] if kodak else []
                environment = os.environ | ({} if setting == "torch" else {"AECODEC_SIMD": setting})
                done = subprocess.run(command, env=environment, check=True, stdout=subprocess.PIPE, text=True)
                results = json.loads(done.stdout)
                differing = [name for name, sums in results.items() if sums != expected[name.rpartition(" on ")[0]]]
            compared += len(results)
            wrong += [(setting, name) for name in differing]
            print(
                f"{setting}: {len(results)} compared, {len(differing)} differ, {time.monotonic() - begun:.0f} s",
                file=sys.stderr,
                flush=True,
            )
    figures = {
        "pictures": len(expected),
        "settings": ", ".join(chosen),
        "threads": ", ".join(map(str, threads)),
        "of plain and torch one in": every,
        "compared": compared,
        "differences": len(wrong),
        "model": coder.model.id.hex(),
        "seconds": round(time.monotonic() - started),
    }
    return figures, wrong


if __name__ == "__main__":
    parser = argparse.ArgumentParser("python -m tests.campaigns.equality")
    parser.add_argument("--kodak", help="a folder of PNG pictures")
    parser.add_argument("--odd", type=int, default=200)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--only", nargs="+", choices=[*SETS, "torch", "wasm"])
    parser.add_argument("--log")
    parser.add_argument("--inside", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        inside(options.inside, options.kodak, options.odd, options.threads, options.every)
    else:
        figures, wrong = run(options.kodak, options.odd, options.threads, options.every, options.only)
        for setting, name in wrong:
            print(f"differs: {setting}, {name}", file=sys.stderr)
        campaigns.write(options.log, f"equality, {figures.pop('settings')}", figures)
        sys.exit(bool(wrong))
