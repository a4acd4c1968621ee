"""The native engine in WebAssembly, both ways: of a model of noise the same checksums as here. `tests/web` has whole
files in it.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.native.portable import SOURCES, of_noise

COMMAND = Path(__file__).parents[1] / "native" / "command.mjs"
COMPILER = [sys.executable, "-m", "ziglang", "cc", "-target", "wasm32-wasi", "-std=c11", "-O2"]


@pytest.mark.skipif(
    os.environ.get("AECODEC_SLOW") != "1" or not importlib.util.find_spec("ziglang") or not shutil.which("node"),
    reason="AECODEC_SLOW=1 runs it, with ziglang and node",
)
@pytest.mark.parametrize("simd, flags", [("wasm", ["-msimd128"]), ("plain", [])])
def test_a_model_of_noise_both_ways(simd, flags, tmp_path):
    path, expected = of_noise(tmp_path)
    program = tmp_path / "portable.wasm"
    subprocess.run([*COMPILER, *flags, *SOURCES, "-o", str(program)], check=True)
    command = ["node", str(COMMAND), str(program), str(tmp_path), f"/{path.name}"]
    done = subprocess.run([*command, simd], capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.splitlines() == expected, done
    assert subprocess.run([*command, "avx2"], capture_output=True).returncode == 2
