"""The engine in C as a program, for processors that have no Python here: compiled by the C compiler there is, or for
64-bit ARM by the `ziglang` wheel, and run by qemu; and what it must print, by the library that is loaded here.
"""

import struct
import subprocess
import sys
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from codec.bitstream.container import Tile
from codec.engine.native import library
from codec.engine.native.model import Model, tensors_of
from tests.native import models

ROOT = Path(__file__).parents[2]
SOURCES = [*sorted(map(str, (ROOT / "codec/engine/native").glob("*.c"))), str(ROOT / "tests/native/portable.c")]
ARM = [sys.executable, "-m", "ziglang", "cc", "-target", "aarch64-linux-musl", "-std=c11", "-O2", "-static"]
EMULATOR = "qemu-aarch64-static"


@dataclass
class Job:
    """A picture [H, W, 1 or 3] to encode and decode, or the tile of one to decode."""

    quality: int
    shape: tuple[int, int, int]
    depth: int
    source: np.ndarray | Tile


def of_picture(samples: np.ndarray, quality: int) -> Job:
    """A picture of one tile; quality in hundredths."""
    return Job(quality, samples.shape, 8 * samples.itemsize, np.ascontiguousarray(samples))


def expected(model: Model, job: Job) -> str:
    """The line that the program must print."""
    (height, width, channels), sums = job.shape, []
    tile = job.source
    if not isinstance(tile, Tile):
        latents = model.analyse(tile, job.quality)
        tile = model.write(latents, job.quality)
        sums = [zlib.crc32(latents), zlib.crc32(tile.payload)]
    decoded = model.read(tile, -(-height // 16), -(-width // 16), job.quality)
    made = model.render(decoded, job.quality, channels, job.depth, size=(height, width))
    return " ".join(f"{n:08x}" for n in [*sums, tile.symbols_crc, zlib.crc32(decoded), zlib.crc32(made)])


def write(path: Path, data: bytes, jobs: Sequence[Job]) -> None:
    """The file that the program reads: a model, of the bytes of a weight file, and what to do with it."""
    config, tensors = Model(data).config, tensors_of(data)
    out = bytearray(library.Sizes(*(getattr(config, name) for name in library.SIZES)))

    def piece(part: bytes) -> None:
        out.extend(bytes(-len(out) % 8) + part)

    out.extend(struct.pack("<i", len(tensors)))
    for name, array in tensors.items():
        kind = library.TYPES[{"int8": "I8", "int16": "I16", "int32": "I32"}[array.dtype.name]]
        shape = [*array.shape, *[0] * (4 - array.ndim)]
        out.extend(struct.pack("<8i", len(name) + 1, kind, array.ndim, *shape, array.nbytes))
        piece(name.encode() + b"\0")
        piece(array.tobytes())
    out.extend(struct.pack("<i", len(jobs)))
    for job in jobs:
        payload = job.source.payload if isinstance(job.source, Tile) else b""
        out.extend(struct.pack("<6i", job.quality, *job.shape, job.depth, len(payload)))
        piece(payload or job.source.tobytes())
    path.write_bytes(bytes(out))


def compiled(path: Path, compiler: Sequence[str]) -> Path:
    """The program at `path`. Raises CalledProcessError."""
    subprocess.run([*compiler, *SOURCES, "-o", str(path), "-lm", "-lpthread"], check=True)
    return path


def of_noise(folder: Path) -> tuple[Path, list[str]]:
    """A file of a model of noise, and what the program must print of it."""
    data, path, chance = models.noise(3), folder / "model", np.random.default_rng(3)
    model = Model(data)
    pictures = [
        chance.integers(0, 256, (75, 101, 3)).astype(np.uint8),
        chance.integers(0, 1 << 16, (20, 33, 1)).astype(np.uint16),
    ]
    jobs = [of_picture(samples, 4321) for samples in pictures]
    tile = model.write(model.analyse(pictures[0], 999), 999)
    jobs.append(Job(999, pictures[0].shape, 8, tile))
    write(path, data, jobs)
    return path, [expected(model, job) for job in jobs]
