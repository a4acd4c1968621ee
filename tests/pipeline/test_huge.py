"""Memory that does not grow with a picture's height, and the benchmark that measures it as pictures grow."""

import json
import math
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from benchmarks import huge
from benchmarks.cold import process
from codec.app.cli import cli
from codec.pixels import write
from codec.pixels.read import load

TINY = Path(__file__).parents[1] / "golden" / "tiny.safetensors"  # networks that cost next to nothing


@pytest.mark.parametrize("suffix", ["png", "tiff", "ppm"])
def test_what_is_written_strip_by_strip_is_what_is_compared(suffix, tmp_path):
    huge.write(tmp_path / f"a.{suffix}", 300, 200)
    picture = load(tmp_path / f"a.{suffix}")
    assert picture.pixels.shape == (200, 300, 3) and 20 < picture.pixels.std() < 80
    assert np.array_equal(picture.pixels, np.concatenate([strip.pixels for strip in huge.strips(300, 200)]))
    assert huge.difference(tmp_path / f"a.{suffix}", 300, 200) == math.inf
    picture.pixels[7, 8, 0] ^= 16
    write.save(picture, tmp_path / "b.png", "png")
    assert huge.difference(tmp_path / "b.png", 300, 200) == pytest.approx(10 * math.log10(255**2 * 300 * 200 * 3 / 256))


def test_the_benchmark_judges_memory_and_time(tmp_path, monkeypatch):
    memory = {}

    def run(command, threads):
        done = CliRunner().invoke(cli, command[3:])
        assert done.exit_code == 0, done.stderr
        # The picture that shows what a start takes is not among them.
        several = any(sum(word.endswith(suffix) for word in command) > 1 for suffix in (".png", ".aec"))
        return 3.0 if several else 1.0, memory.get(command[3], 100.0)

    monkeypatch.setattr(huge, "process", run)

    def measured(*arguments):
        done = CliRunner().invoke(
            huge.main,
            ["--megapixels", "0.01", "--megapixels", "0.02", "-m", str(TINY), "--folder", str(tmp_path), *arguments],
        )
        return done, done.stdout.splitlines()

    done, lines = measured("--out", str(tmp_path / "run.json"))
    assert done.exit_code == 0 and len(lines) == 2 and "100 MiB" in lines[0]
    result = json.loads((tmp_path / "run.json").read_text())
    assert [row["width"] for row in result["rows"]] == [100, 141] and result["rows"][1]["psnr"] > 5
    memory["decompress"] = 3000.0
    done, _ = measured()
    assert done.exit_code == 1 and "decompress of 0 MP took 3.15 GB, more than 2" in done.stderr
    memory.clear()
    done, _ = measured("--tolerance", "-60")
    assert done.exit_code == 1 and "longer per megapixel" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["run.json"]


def test_memory_does_not_grow_with_the_height(tmp_path, monkeypatch):
    """Real processes, with a picture of 48 MiB against one of 12 MiB: four rows of tiles is where all rows have
    neighbours.
    """
    monkeypatch.setenv("MALLOC_MMAP_THRESHOLD_", str(1 << 18))  # else what glibc keeps for later varies by 60 MiB
    peaks = []
    for height in (4 * 1024, 16 * 1024):
        source, coded, decoded = (str(tmp_path / f"{height}.{suffix}") for suffix in ("ppm", "aec", "png"))
        huge.write(source, 1024, height)
        for arguments in (["compress", "--lossy", source, "-o", coded], ["decompress", coded, "-o", decoded]):
            peaks.append(process([sys.executable, "-m", "codec", *arguments, "-d", "cpu", "-m", str(TINY)], 1)[1])
    low_compress, low_decompress, compress, decompress = peaks
    assert compress - low_compress < 36 and decompress - low_decompress < 36
