"""Equality: every instruction set that is here, on every number of threads, the engine on torch and WebAssembly under
Node make the same file of a picture and the same pixels of a file; compared by checksum.

python -m tests.campaigns.equality --kodak FOLDER --record FILE --log tests/campaigns/log.jsonl

Pictures are all PNG files of the folder at five qualities, and odd ones of 1 to 150 pixels a side, gray and colour, of
8 and 16 bits, in an order drawn at random, so that what --minutes (for each setting) allows is a fair sample. What
--record holds of the same sources and model is not done again: a run that was stopped goes on. Status 1 where anything
differs.
"""

import argparse
import hashlib
import json
import os
import random
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
WEB = 40  # files that Node gets at a time
HERE = "here"  # the setting that others are compared with: the best instruction set, one thread


def odd(number):
    """A picture [H, W, 1 or 3] of 8 or 16 bits, and its quality."""
    rng = np.random.default_rng(number)
    height, width = map(int, rng.integers(1, 151, 2))
    rows, columns = np.mgrid[:height, :width]
    waves = [0.5 + 0.4 * np.sin(rows / (3 + c) + number) * np.cos(columns / 7 - c) for c in range(1 + 2 * (number % 2))]
    samples = np.clip(np.stack(waves, -1) + rng.normal(0, 0.03, (height, width, 1)), 0, 1)
    depth = 8 + 8 * (number // 2 % 2)
    return np.rint(samples * (2**depth - 1)).astype(f"u{depth // 8}"), int(rng.integers(100, 10001)) / 100


def pictures(folder, count):
    """{name: function that gives (samples, quality)}, in an order drawn at random."""

    def photograph(path, quality):
        return np.asarray(Image.open(path).convert("RGB")), quality

    paths = sorted(Path(folder).glob("*.png")) if folder else []
    found = [(f"{path.stem} at {q}", lambda path=path, q=q: photograph(path, q)) for path in paths for q in QUALITIES]
    found += [(f"odd {number}", lambda number=number: odd(number)) for number in range(count)]
    random.Random(0).shuffle(found)
    return dict(found)


def encoded(coder, samples, quality):
    """(file, [its checksum, that of its pixels])."""
    data = coder.encode(samples, quality, lossless=False)
    return data, [hashlib.sha256(data).hexdigest(), coder.checksum(data)]


def inside(setting, folder, count, wanted):
    """Prints a line ["name on N", checksums] for each that is wanted, of a setting, in a process of its own."""
    coder, found = (
        codec.Codec(device="cpu", engine="torch" if setting == "torch" else "native"),
        pictures(folder, count),
    )
    for key in wanted:
        name, _, threads = key.rpartition(" on ")
        if setting != "torch":
            library.load().aec_threads(int(threads))
        print(json.dumps([key, encoded(coder, *found[name]())[1]]), flush=True)


def settings():
    """Instruction sets that are here, and torch."""
    found = [name for name in SETS if library.load().aec_use(name.encode())]
    library.load().aec_use(None)
    return [*found, "torch"]


class Record:
    """Checksums by setting and key, kept in a file of lines, if there is one, as soon as they are known."""

    def __init__(self, path, model):
        sources = sorted(Path(codec.__file__).parent.glob("engine/**/*.[pch]*"))
        code = b"".join(path.read_bytes() for path in sources if path.suffix in (".py", ".c", ".h"))
        self.path, self.of = path, f"{hashlib.sha256(code).hexdigest()[:16]} {model}"
        lines = Path(path).read_text().splitlines() if path and Path(path).exists() else []
        kept = [json.loads(line) for line in lines if line.endswith("]")]  # the last one may be half written
        self.known = {(setting, key): sums for of, setting, key, sums in kept if of == self.of}

    def get(self, setting, key):
        return self.known.get((setting, key))

    def add(self, setting, key, sums):
        self.known[setting, key] = sums
        if self.path:
            with open(self.path, "a") as file:
                file.write(json.dumps([self.of, setting, key, sums]) + "\n")


def measure(record, setting, folder, count, keys, minutes):
    """Adds to the record what a setting gives of keys, "name on N", in at most so many minutes."""
    command = [sys.executable, "-m", __spec__.name, "--inside", setting, "--odd", str(count)]
    command += ["--kodak", str(folder)] if folder else []
    environment = os.environ | ({} if setting == "torch" else {"AECODEC_SIMD": setting})
    until = time.monotonic() + 60 * minutes
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        process.stdin.write(json.dumps(keys))
        process.stdin.close()
        stopped = False
        for line in process.stdout:
            record.add(setting, *json.loads(line))
            if time.monotonic() > until:
                stopped = True
                process.kill()
                break
    if process.returncode and not stopped:
        raise SystemExit(f"{setting} ended with status {process.returncode}")


def browse(record, files, models):
    """Adds to the record the pixels that WebAssembly under Node makes of files, {key: path}."""
    from tests.web import node

    keys = list(files)
    for at in range(0, len(keys), WEB):
        some = keys[at : at + WEB]
        given = {"files": [files[key] for key in some], "options": {"format": "samples"}, "opening": {"threads": 2}}
        found = node.run("decode.mjs", models, seconds=3600, **given)
        for key, one in zip(some, found, strict=True):
            record.add("wasm", key, [None, one.get("data")])


def run(kodak, count, threads=(1, 2, 4), only=None, minutes=1e6, path=None):
    """Figures, and what differs, [(setting, key)]; path: of a record."""
    from codec.model import weights
    from codec.web import build

    started, wrong, compared = time.monotonic(), [], {}
    coder, named = codec.Codec(device="cpu", engine="native", threads=1), pictures(kodak, count)
    record, chosen = Record(path, coder.model.id.hex()), only or [*settings(), "wasm"]
    with tempfile.TemporaryDirectory() as made:
        files, models = {}, Path(made, "models")
        if "wasm" in chosen:
            build.write_models(models, sorted(weights.FOLDER.glob("*.safetensors")))
        for number, (name, picture) in enumerate(named.items()):
            if not record.get(HERE, name) or "wasm" in chosen and not record.get("wasm", f"{name} on 2"):
                data, sums = encoded(coder, *picture())
                record.add(HERE, name, sums)
                files[f"{name} on 2"] = Path(made, f"{number}.aec")
                files[f"{name} on 2"].write_bytes(data)
        for setting in chosen:
            begun, of = time.monotonic(), {"torch": [1], "wasm": [2]}.get(setting, threads)
            keys = [f"{name} on {number}" for number in of for name in named]
            left = [key for key in keys if not record.get(setting, key)]
            if left and setting == "wasm":
                browse(record, {key: files[key] for key in left}, models)
            elif left:
                measure(record, setting, kodak, count, left, minutes)
            done = {key: record.get(setting, key) for key in keys if record.get(setting, key)}
            pairs = [(key, sums, record.get(HERE, key.rpartition(" on ")[0])) for key, sums in done.items()]
            differing = [
                key for key, (file, pixels), (same, alike) in pairs if pixels != alike or file not in (same, None)
            ]
            compared[setting] = len(done) if len(done) == len(keys) else f"{len(done)} of {len(keys)}"
            wrong += [(setting, key) for key in differing]
            seconds = time.monotonic() - begun
            print(
                f"{setting}: {len(done)} compared, {len(differing)} differ, {seconds:.0f} s",
                file=sys.stderr,
                flush=True,
            )
    figures = {
        "pictures": len(named),
        "threads": ", ".join(map(str, threads)),
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
    parser.add_argument("--only", nargs="+", choices=[*SETS, "torch", "wasm"])
    parser.add_argument(
        "--minutes", type=float, default=1e6, help="for each setting; what is left then is not compared"
    )
    parser.add_argument("--record", help="a file of what was found, that a later run goes on from")
    parser.add_argument("--log")
    parser.add_argument("--inside", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:
        inside(options.inside, options.kodak, options.odd, json.load(sys.stdin))
    else:
        figures, wrong = run(options.kodak, options.odd, options.threads, options.only, options.minutes, options.record)
        for setting, key in wrong:
            print(f"differs: {setting}, {key}", file=sys.stderr)
        for setting, number in figures.pop("compared").items():
            campaigns.write(options.log, f"equality, {setting}", figures | {"compared": number})
        sys.exit(bool(wrong))
