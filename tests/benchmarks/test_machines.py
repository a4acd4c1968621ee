"""Golden files on a machine with the oldest instructions, and in another environment where AECODEC_PYTHON names its
interpreter.
"""

import json
import os
import platform
import sys

import numpy as np
import pytest

from benchmarks.machines import LIMITS, compare, machine
from tests.golden.make import GOOD

GOLDEN = {name: entry["parse"] for name, entry in json.loads((GOOD / "golden.json").read_text()).items()}


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="the limits are those of x86-64")
def test_the_oldest_instructions_find_the_same_integers(tmp_path):
    figures, pixels = machine(sys.executable, LIMITS["SSE4.1"], tmp_path)
    assert figures["aten"] in ("DEFAULT", "NO AVX") and "SSE4.1" in figures["onednn"]  # the limits took effect
    assert figures["parses"] == GOLDEN and set(pixels) == set(GOLDEN)


def test_another_environment_finds_the_same_integers(tmp_path):
    python = os.environ.get("AECODEC_PYTHON")
    if not python:
        pytest.skip("AECODEC_PYTHON does not name the interpreter of another environment")
    assert machine(python, {}, tmp_path)[0]["parses"] == GOLDEN


def test_differences_are_found():
    entry = lambda parse, level: (
        {"torch": "1", "python": "3", "aten": "A", "onednn": "B", "parses": {"a": parse}},
        {"a": np.full((2, 2, 1), level, np.uint8)},
    )
    assert compare(entry("x", 7), entry("x", 7))["same_integers"] == 1
    other = compare(entry("x", 7), entry("y", 9))
    assert other["same_integers"] == 0 and other["largest_difference"] == 2 and other["samples_that_differ"] == 1
