"""The native engine in WebAssembly: of a model of noise and of .aec files the same checksums as here."""

import importlib.util
import os
import shutil
import subprocess

import numpy as np
import pytest
from conftest import photograph

import codec
from codec.bitstream.container import Reader
from codec.engine.native.model import Model
from codec.model.weights import path_of
from codec.pixels.read import load
from tests.engine.test_native_portable import written
from tests.fuzz import tiny
from tests.golden.make import GOOD
from tests.native import wasm

pytestmark = pytest.mark.skipif(
    os.environ.get("AECODEC_SLOW") != "1" or not importlib.util.find_spec("ziglang") or not shutil.which("node"),
    reason="AECODEC_SLOW=1 runs it, with ziglang and node",
)
KINDS = "wasm", "plain"


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    return wasm.library(tmp_path_factory.mktemp("wasm"))


def test_a_model_of_noise_both_ways(tmp_path):
    path, expected = written(tmp_path)
    command = ["node", str(wasm.HERE / "command.mjs"), str(wasm.program(tmp_path)), str(tmp_path), f"/{path.name}"]
    for simd in KINDS:
        done = subprocess.run([*command, simd], capture_output=True, text=True)
        assert done.returncode == 0 and done.stdout.split() == expected, (simd, done)
    assert subprocess.run([*command, "avx2"], capture_output=True).returncode == 2


@pytest.mark.parametrize("simd", KINDS)
@pytest.mark.parametrize("kind", ["tiny", "psnr"])
def test_golden_files(kind, simd, library, tmp_path):
    weights = tiny.PATH if kind == "tiny" else path_of(kind)
    model = Model(weights.read_bytes())
    files = [path.read_bytes() for path in sorted(GOOD.glob("*.aec"))]
    files = [file for file in files if Reader(file).header.model == model.id]
    expected = [line for file in files for line in wasm.native(model, file)]
    assert len(files) >= 4 and wasm.decoded(library, simd, weights, files, tmp_path) == expected


def compared(library, simd, files, folder):
    """Files of the default model: every window's latents and samples are those of the native library."""
    weights = path_of("default")
    model = Model(weights.read_bytes())
    expected = [line for file in files for line in wasm.native(model, file)]
    found = wasm.decoded(library, simd, weights, files, folder)
    different = [number for number, pair in enumerate(zip(found, expected, strict=True)) if pair[0] != pair[1]]
    assert not different and len(found) == 2 * len(files)
    return found


@pytest.mark.parametrize("simd", KINDS)
def test_pictures_of_odd_sizes(simd, library, tmp_path):
    coder, rng, files, seed = codec.Codec("default", engine="native"), np.random.default_rng(21), [], 0
    while len(files) < 200:
        seed += 1
        channels, depth = (1, 3)[seed % 2], (8, 16)[seed // 2 % 2]
        picture = photograph(*map(int, rng.integers(1, 150, 2)), seed, channels, depth)
        file = coder.encode(picture, rng.integers(100, 10001) / 100)
        if not Reader(file).header.lossless:  # as small ones are that take fewer bytes exactly
            files.append(file)
    compared(library, simd, files, tmp_path)


@pytest.mark.parametrize("quality", [1, 20, 60, 90, 100])
def test_real_photographs(quality, kodak, library, tmp_path):
    coder = codec.Codec("default", engine="native")
    files = [coder.encode(load(path).pixels, quality) for path in kodak]
    assert len(set(compared(library, "wasm", files, tmp_path))) == 2 * len(kodak)
