"""The native engine on a processor that is not this one: 64-bit ARM by emulation, cross-compiled by the `ziglang`
wheel; the same checksums as here.
"""

import os
import shutil
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest

from codec.engine.native import library
from codec.engine.native.model import Model, tensors_of
from tests.native import models

ROOT = Path(__file__).parents[2]
SOURCES = [*sorted(map(str, (ROOT / "codec/engine/native").glob("*.c"))), str(ROOT / "tests/native/portable.c")]
QUALITY, SIZE = 4321, (75, 101)


def written(folder: Path) -> tuple[Path, list[str]]:
    """The file that portable.c reads, and what it must print."""
    data, (height, width) = models.noise(3), SIZE
    model, tensors = Model(data), tensors_of(data)
    out = bytearray(library.Sizes(*(getattr(model.config, name) for name in library.SIZES)))

    def piece(part):
        out.extend(bytes(-len(out) % 8) + part)

    out.extend(struct.pack("<i", len(tensors)))
    for name, array in tensors.items():
        kind = library.TYPES[{"int8": "I8", "int16": "I16", "int32": "I32"}[array.dtype.name]]
        shape = [*array.shape, *[0] * (4 - array.ndim)]
        out.extend(struct.pack("<8i", len(name) + 1, kind, array.ndim, *shape, array.nbytes))
        piece(name.encode() + b"\0")
        piece(array.tobytes())
    out.extend(struct.pack("<3i", QUALITY, height, width))
    pixels = np.random.default_rng(3).integers(0, 256, (height, width, 3)).astype(np.uint8)
    piece(pixels.tobytes())
    path = folder / "model"
    path.write_bytes(bytes(out))
    latents = model.analyse(pixels, QUALITY)
    tile = model.write(latents, QUALITY)
    decoded = model.read(tile, *latents.shape[:2], QUALITY)
    made = model.render(decoded, QUALITY, 3, 8, size=SIZE)
    sums = [zlib.crc32(latents), zlib.crc32(tile.payload), tile.symbols_crc, zlib.crc32(decoded), zlib.crc32(made)]
    return path, [f"{n:08x}" for n in sums]


def test_as_a_program_here(tmp_path):
    compiler = os.environ.get("CC", "cc")
    if not shutil.which(compiler):
        pytest.skip("needs a C compiler")
    path, expected = written(tmp_path)
    program = str(tmp_path / "portable")
    subprocess.run([compiler, "-std=c11", "-O1", *SOURCES, "-o", program, "-lm", "-lpthread"], check=True)
    for simd in ("avx512vnni", "avx2", "baseline", "neon", "plain"):
        done = subprocess.run([program, str(path), simd], capture_output=True, text=True)
        assert done.returncode == 2 or done.returncode == 0 and done.stdout.split() == expected, (simd, done)
    assert done.returncode == 0


@pytest.mark.skipif(os.environ.get("AECODEC_SLOW") != "1", reason="AECODEC_SLOW=1 runs it, with ziglang and qemu")
def test_on_arm(tmp_path):
    path, expected = written(tmp_path)
    program, target = str(tmp_path / "portable"), "aarch64-linux-musl"
    compiler = [sys.executable, "-m", "ziglang", "cc", "-target", target, "-std=c11", "-O2", "-static"]
    subprocess.run([*compiler, *SOURCES, "-o", program], check=True)
    done = subprocess.run(["qemu-aarch64-static", program, path, "neon"], capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.split() == expected, done
