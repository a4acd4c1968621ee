"""The fuzzer of the native engine for a moment: sanitizers find nothing, and every kind of outcome comes about."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.native import fuzz

OUTCOMES = {
    "payload": {"fine", "Corrupt"},
    "model": {"fine", "BadWeights"},
    "pixels": {"fine", "BadOption"},
    "memory": {"fine", "BadWeights", "MemoryError"},
    "threads": {"fine"},
}


@pytest.mark.skipif(sys.platform != "linux" or not shutil.which(fuzz.COMPILER), reason="needs a C compiler on Linux")
@pytest.mark.parametrize("targets, runs", [(["payload", "model", "pixels", "memory"], 60), (["threads"], 8)])
def test_sanitizers_find_nothing(targets, runs, tmp_path):
    try:
        fuzz.build(tmp_path, ["thread"] if targets == ["threads"] else ["address", "undefined"])
    except subprocess.CalledProcessError:
        pytest.skip("the compiler has no sanitizers")
    command = [sys.executable, "-m", "tests.native.fuzz", *targets, "--runs", str(runs)]
    run = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    for line in map(json.loads, run.stdout.splitlines()):
        assert set(line["outcomes"]) == OUTCOMES[line["target"]]
