"""Proof that decoding is exact: what the decoder computes before the last symbol, and the pixels, are the same to the
bit under every setting of torch.

    python -m benchmarks.exactness --images DIR [--qualities 5 50 95] [--settings NAME ...]

Every picture is encoded once. Each setting then decodes the file, and every z symbol, mean, table row and residual of
every tile, and every sample but those of `--fast`, is compared with those of the plain decoder. Prints how many
pictures agree, and ends with status 1 unless
all do. `tests/engine/test_exact.py` runs the same on small pictures.
"""

import argparse
import json
import sys
import time
import warnings
from contextlib import contextmanager
from itertools import groupby
from unittest.mock import patch

import numpy as np
import torch

import codec
from codec.engine.seam import NO_HALO
from codec.engine.torch import engine
from codec.engine.torch.device import inference
from codec.engine.torch.engine import TorchEngine
from codec.engine.torch.model import Model
from codec.errors import CodecError
from codec.model.weights import path_of

from . import data

BATCH = 8


def parse(coder, file, pixels=None):
    """Per tile of an .aec file the list z, then mean, rows and residual of each step: int32 tensors of what
    `Prior.walk` saw.

    Runs the whole decoder, checksums included; pixels: a list, which gets those of the file. Raises CodecError.
    """
    prior, found = coder.model.networks.prior, []
    walk = prior.walk

    def listening(z, quality, code):
        heard = [z]

        def listen(t, mean, rows):
            residual = code(t, mean, rows)
            heard.extend((mean, rows, residual))
            return residual

        result = walk(z, quality, listen)
        found.append([x.cpu().int() for x in heard])
        return result

    with patch.object(prior, "walk", listening):
        if pixels is None:
            coder.verify(file)
        else:
            pixels.append(coder.decode_picture(file).pixels)
    return found


def same(tiles, others):
    return len(tiles) == len(others) and all(
        len(a) == len(b) and all(map(torch.equal, a, b)) for a, b in zip(tiles, others)
    )


def agrees(coder, file, reference, pixels=None, fast=False):
    """Whether a file parses to `reference` and decodes to these pixels, if any are given; fast: to whatever pixels."""
    found = None if pixels is None else []
    try:
        return same(parse(coder, file, found), reference) and (fast or not found or np.array_equal(found[0], pixels))
    except CodecError:
        return False


def batch_agrees(coder, quality, tiles):
    """Which of `tiles` of one shape, as `parse` gives them, come out the same when the prior walks over BATCH of them
    at once.
    """
    prior, verdicts = coder.model.networks.prior, []
    for start in range(0, len(tiles), BATCH):
        group = tiles[start : start + BATCH]
        full = [group[i % len(group)] for i in range(BATCH)]
        z, *steps = [torch.cat(parts) for parts in zip(*full)]
        heard = [z]

        def replay(t, mean, rows, steps=steps, heard=heard):
            residual = steps[3 * t + 2]
            heard.extend((mean.int(), rows, residual))
            return residual.double()

        with inference(coder.model.networks):
            prior.walk(z.double(), quality, replay)
        verdicts += [same([[x[i : i + 1] for x in heard]], [tile]) for i, tile in enumerate(group)]
    return verdicts


# Settings: each takes the plain coder and gives, for a while, the one to decode with.


@contextmanager
def threads(coder, count):
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield coder
    finally:
        torch.set_num_threads(before)


@contextmanager
def precision(coder, allowed):
    """What a caller may have allowed for products of float32 matrices in the whole process."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(allowed)
    try:
        yield coder
    finally:
        torch.set_float32_matmul_precision(before)


@contextmanager
def without_onednn(coder):
    with warnings.catch_warnings(action="ignore"):  # about Intel GPUs, on restoring its flags
        with torch.backends.mkldnn.flags(enabled=False):
            yield coder


@contextmanager
def autocast(coder):
    with torch.autocast("cpu", torch.bfloat16):
        yield coder


@contextmanager
def layout(coder, memory_format):
    prior = coder.model.networks.prior
    walk = prior.walk
    with patch.object(prior, "walk", lambda z, *rest: walk(z.contiguous(memory_format=memory_format), *rest)):
        yield coder


@contextmanager
def wide(coder):
    yield codec.Codec.over(TorchEngine(Model(path_of("default").read_bytes(), "cpu", torch.float64)))


@contextmanager
def cuda(coder, allowed="highest"):
    with precision(coder, allowed):
        yield codec.Codec(device="cuda")


@contextmanager
def compiled(coder):
    network = coder.model.networks.prior.network
    with (
        patch.object(network, "features", torch.compile(network.features)),
        patch.object(network, "step", torch.compile(network.step)),
    ):
        yield coder


@contextmanager
def half_synthesis(coder):
    render = coder.engine.render
    fast = lambda latents, qualities, channels, depth, halo=NO_HALO, fast=False: render(
        latents, qualities, channels, depth, halo, True
    )
    with patch.object(engine, "has_bfloat16", lambda device: True), patch.object(coder.engine, "render", fast):
        yield coder


SETTINGS = {
    "1 thread": lambda coder: threads(coder, 1),
    "2 threads": lambda coder: threads(coder, 2),
    "oneDNN off": without_onednn,
    "contiguous": lambda coder: layout(coder, torch.contiguous_format),
    "channels_last": lambda coder: layout(coder, torch.channels_last),
    "prior in float64": wide,
    "autocast to bfloat16": autocast,
    "TF32 allowed": lambda coder: precision(coder, "high"),
    "bfloat16 allowed": lambda coder: precision(coder, "medium"),
    "synthesis in bfloat16": half_synthesis,
    "torch.compile": compiled,
    "CUDA": cuda,
    "CUDA, TF32 allowed": lambda coder: cuda(coder, "high"),
}


def main(arguments=None):
    parser = argparse.ArgumentParser(
        "python -m benchmarks.exactness", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", nargs="+", required=True, help="folders, files, or kodak")
    parser.add_argument("--qualities", nargs="+", type=float, default=[5, 50, 95])
    parser.add_argument(
        "--settings",
        nargs="+",
        choices=[*SETTINGS, f"batch of {BATCH}"],
        metavar="NAME",
        help="(default: all; those of CUDA where there is a device)",
    )
    parser.add_argument("--log", help="JSON-lines file to add the figures to, such as tests/campaigns/log.jsonl")
    a = parser.parse_args(arguments)
    chosen = a.settings or [s for s in [*SETTINGS, f"batch of {BATCH}"] if "CUDA" not in s or torch.cuda.is_available()]
    coder = codec.Codec(device="cpu", engine="torch")
    paths = data.pictures(a.images)
    files = {q: [coder.encode(path, q, lossless=False) for path in paths] for q in a.qualities}
    references, pixels = {}, {q: [] for q in a.qualities}
    for q in a.qualities:
        references[q] = [parse(coder, file, pixels[q]) for file in files[q]]
    count = sum(x.numel() for q in a.qualities for tiles in references[q] for tile in tiles for x in tile)
    print(
        f"{len(paths)} pictures, {count:,} integers (z, means, rows, residuals) compared per setting; "
        f"torch {torch.__version__}",
        flush=True,
    )
    print(f"{'':24}" + "".join(f"{f'q {q:g}':>12}" for q in a.qualities) + f"{'seconds':>10}")
    whole, began = True, time.perf_counter()
    for name in chosen:
        started, cells = time.perf_counter(), []
        for q in a.qualities:
            if name in SETTINGS:
                with SETTINGS[name](coder) as other:
                    verdicts = [
                        agrees(other, file, reference, shown, "synthesis" in name)
                        for file, reference, shown in zip(files[q], references[q], pixels[q])
                    ]
            else:
                tiles = sorted(
                    (tile for reference in references[q] for tile in reference), key=lambda tile: tile[0].shape
                )
                verdicts = [
                    v
                    for _, group in groupby(tiles, key=lambda tile: tile[0].shape)
                    for v in batch_agrees(coder, round(100 * q), list(group))
                ]
            whole &= all(verdicts)
            cells.append(f"{sum(verdicts)} of {len(verdicts)}")
        print(
            f"{name:24}" + "".join(f"{cell:>12}" for cell in cells) + f"{time.perf_counter() - started:>10.0f}",
            flush=True,
        )
    if a.log:
        line = {
            "campaign": f"exactness of {len(files) * len(paths):,} files",
            "settings": len(chosen),
            "integers per setting": count,
            "all identical": whole,
            "torch": torch.__version__,
            "seconds": round(time.perf_counter() - began),
            "date": time.strftime("%Y-%m-%d"),
        }
        with open(a.log, "a") as log:
            log.write(json.dumps(line) + "\n")
    return not whole


if __name__ == "__main__":
    sys.exit(main())
