"""`python -m codec.web.build`: aec.wasm and aec-threads.wasm of the sources in `engine/native`, by the `ziglang` wheel,
and the models of `codec/models` packed for the web. The same sources and compiler give the same bytes.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from ..model import weights
from . import parts

FOLDER = Path(__file__).parent
SOURCES = FOLDER.parent / "engine" / "native"
EXPORTED = ["aec_load", "aec_unload", "aec_read", "aec_peek", "aec_render", "aec_room", "aec_analyse", "aec_write"]
KERNEL = "simd_wasm.c"  # built for speed, the rest for size
MOST_MEMORY = 1 << 30  # bytes
FIRST_MEMORY = 1 << 22  # bytes, of threads; `engine.js` has it too
STACK = 1 << 18  # bytes
COMPILER = [sys.executable, "-m", "ziglang", "cc", "-target", "wasm32-wasi", "-msimd128", "-std=c11", "-s"]
LINKED = [
    "-mexec-model=reactor",
    f"-Wl,-z,stack-size={STACK}",
    f"-Wl,--max-memory={MOST_MEMORY}",
    *[f"-Wl,--export={name}" for name in [*EXPORTED, "malloc", "free"]],
]
THREADED = [
    "-matomics",
    "-mbulk-memory",
    "-Wl,--import-memory",
    "-Wl,--shared-memory",
    f"-Wl,--initial-memory={FIRST_MEMORY}",
    "-Wl,--export=aec_help",
    "-Wl,--export=aec_lost",
    "-Wl,--export=__stack_pointer",
]
MODULES: dict[str, list[str]] = {"aec.wasm": [], "aec-threads.wasm": THREADED}


def wasm(flags: list[str]) -> bytes:
    """A module without imports, but with flags THREADED its memory."""
    features = [flag for flag in flags if flag.startswith("-m")]
    with tempfile.TemporaryDirectory() as folder:
        made, kernel = Path(folder) / "aec.wasm", Path(folder) / "kernel.o"
        sources = [path.name for path in sorted(SOURCES.glob("*.c")) if path.name != KERNEL]
        steps = [["-O2", "-fno-unroll-loops", *features, "-c", KERNEL, "-o", str(kernel)]]
        steps.append(["-Os", *LINKED, *flags, *sources, str(kernel), "-o", str(made)])
        for step in steps:
            subprocess.run([*COMPILER, *step], cwd=SOURCES, check=True)
        return made.read_bytes()


def write_models(folder: Path, paths: Iterable[Path], level: int = parts.LEVEL) -> None:
    """Puts the parts of weight files into a folder, and models.json, which has their ids by name."""
    folder.mkdir(parents=True, exist_ok=True)
    names = {}
    for path in paths:
        data = path.read_bytes()
        names[path.stem] = parts.model_id(data)
        for part, packed in parts.split(data, level).items():
            (folder / f"{names[path.stem]}.{part}.gz").write_bytes(packed)
    (folder / "models.json").write_text(json.dumps(names) + "\n")


if __name__ == "__main__":
    for name, flags in MODULES.items():
        (FOLDER / name).write_bytes(wasm(flags))
    write_models(FOLDER / "models", sorted(weights.FOLDER.glob("*.safetensors")))
