"""The native engine in WebAssembly, under node: built by the `ziglang` wheel, and asked for the tiles of .aec files."""

import base64
import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from codec.bitstream.container import Header, Reader
from codec.bitstream.layout import TILE
from codec.engine.native.model import Model
from codec.model.config import STRIDE

HERE = Path(__file__).parent
LIBRARY = sorted(map(str, (HERE.parents[1] / "codec/engine/native").glob("*.c")))
COMPILER = [sys.executable, "-m", "ziglang", "cc", "-target", "wasm32-wasi", "-msimd128", "-std=c11", "-O2"]
EXPORTED = "aec_use", "aec_load", "aec_read", "aec_render", "malloc", "free"


def program(folder: Path) -> Path:
    """portable.c as a WASI program."""
    made = folder / "portable.wasm"
    subprocess.run([*COMPILER, *LIBRARY, str(HERE / "portable.c"), "-o", str(made)], check=True)
    return made


def library(folder: Path) -> Path:
    """The library as a module without imports."""
    made, exported = folder / "library.wasm", [f"-Wl,--export={name}" for name in EXPORTED]
    subprocess.run([*COMPILER, "-mexec-model=reactor", *exported, *LIBRARY, "-o", str(made)], check=True)
    return made


def tiles(file: bytes) -> Iterator[dict]:
    """What decode.mjs needs of each tile of a file: once whole, once with a halo."""
    reader = Reader(file)
    header = reader.header
    for number in range(header.tile_count):
        height, width = _size(header, number)
        h, w = -(-height // STRIDE), -(-width // STRIDE)
        tile = reader.tile(number)
        common = {
            "quality": header.quality,
            "h": h,
            "w": w,
            "channels": header.channels,
            "depth": header.depth,
            "payload": base64.b64encode(tile.payload).decode(),
            "symbols_crc": tile.symbols_crc,
        }
        yield common | {"halo": (0, 0, 0, 0), "height": height, "width": width}
        halo = (min(3, h - 1), 0, 0, min(2, w - 1))
        yield common | {"halo": halo, "height": STRIDE * (h - halo[0]), "width": STRIDE * (w - halo[3])}


def _size(header: Header, number: int) -> tuple[int, int]:
    row, column = divmod(number, header.columns)
    return min(TILE, header.height - row * TILE), min(TILE, header.width - column * TILE)


def native(model: Model, file: bytes) -> list[str]:
    """What decode.mjs must print of a file's tiles: SHA-256 of latents and of samples."""
    found, reader = [], Reader(file)
    for index, one in enumerate(tiles(file)):
        latents = model.read(reader.tile(index // 2), one["h"], one["w"], one["quality"])
        size = one["height"], one["width"]
        samples = model.render(latents, one["quality"], one["channels"], one["depth"], one["halo"], size)
        found.append(f"{hashlib.sha256(latents.tobytes()).hexdigest()} {hashlib.sha256(samples.tobytes()).hexdigest()}")
    return found


def decoded(library: Path, simd: str, weights: Path, files: list[bytes], folder: Path) -> list[str]:
    """What it prints of the files' tiles, one after the other."""
    path = folder / "tiles.json"
    path.write_text(json.dumps([tile for file in files for tile in tiles(file)]))
    command = ["node", str(HERE / "decode.mjs"), str(library), simd, str(weights), str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
