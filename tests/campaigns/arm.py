"""64-bit ARM: what the engine in C makes there of pictures and golden files is what it makes here, with the models that
ship. The library is compiled by the `ziglang` wheel and run by qemu's emulation of a processor.

python -m tests.campaigns.arm --kodak FOLDER --log tests/campaigns/log.jsonl

Each tile of the golden files is decoded; pictures, those of `equality`, are encoded and decoded. Compared are checksums
of latents, payloads, symbols and pixels; status 1 where anything differs.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from codec.bitstream.container import NO_MODEL, TILE, unpack
from codec.engine.native.model import Model
from codec.model import weights
from tests import campaigns
from tests.campaigns import equality
from tests.fuzz import tiny
from tests.golden.make import GOOD
from tests.native import portable

MODELS = [tiny.PATH, *sorted(weights.FOLDER.glob("*.safetensors"))]


def golden():
    """Yields (id of the model, name, job) of every tile of the golden files that a model codes."""
    for path in sorted(GOOD.glob("*.aec")):
        aec = unpack(path.read_bytes())
        header = aec.header
        for number, tile in enumerate(aec.tiles if header.model != NO_MODEL else []):
            row, column = divmod(number, header.columns)
            size = min(TILE, header.height - row * TILE), min(TILE, header.width - column * TILE)
            job = portable.Job(header.quality, (*size, header.channels), header.depth, tile)
            yield header.model, f"golden {path.stem}, tile {number}", job


def run(kodak, count, every, simd):
    """Figures, and the names of what differs."""
    started, wrong, compared, files = time.monotonic(), [], 0, list(golden())
    pictures = list(equality.pictures(kodak, count).items())[::every]
    with tempfile.TemporaryDirectory() as folder:
        program = portable.compiled(Path(folder, "portable"), portable.ARM)
        for path in MODELS:
            model = Model(path.read_bytes())
            jobs = {name: job for id, name, job in files if id == model.id}
            if path.stem == "default":
                for name, picture in pictures:
                    samples, quality = picture()
                    jobs[name] = portable.of_picture(samples, round(100 * quality))
            if not jobs:
                continue
            portable.write(Path(folder, "jobs"), path.read_bytes(), list(jobs.values()))
            command = [portable.EMULATOR, program, Path(folder, "jobs"), simd]
            with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
                for (name, job), line in zip(jobs.items(), process.stdout):
                    compared += 1
                    wrong += [name] if line.strip() != portable.expected(model, job) else []
            if process.returncode:
                raise SystemExit(f"the program ended with status {process.returncode}")
            print(f"{path.stem}: {len(jobs)}, {len(wrong)} differ, {time.monotonic() - started:.0f} s", file=sys.stderr)
    figures = {
        "golden tiles": len(files),
        "pictures": len(pictures),
        "compared": compared,
        "differences": len(wrong),
        "seconds": round(time.monotonic() - started),
    }
    return figures, wrong


if __name__ == "__main__":
    parser = argparse.ArgumentParser("python -m tests.campaigns.arm")
    parser.add_argument("--kodak", help="a folder of PNG pictures")
    parser.add_argument("--odd", type=int, default=200)
    parser.add_argument("--every", type=int, default=1, help="one picture in so many")
    parser.add_argument("--simd", choices=("neon", "plain"), default="neon")
    parser.add_argument("--log")
    options = parser.parse_args()
    figures, wrong = run(options.kodak, options.odd, options.every, options.simd)
    for name in wrong:
        print(f"differs: {name}", file=sys.stderr)
    campaigns.write(options.log, f"equality, {options.simd} of 64-bit ARM by emulation", figures)
    sys.exit(bool(wrong))
