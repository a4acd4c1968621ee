"""The native engine on a processor that is not this one: 64-bit ARM by emulation, cross-compiled by the `ziglang`
wheel; the same checksums as here. Longer, with the models that ship: `python -m tests.campaigns.arm`.
"""

import os
import shutil
import subprocess

import pytest

from tests.native import portable


def test_as_a_program_here(tmp_path):
    compiler = os.environ.get("CC", "cc")
    if not shutil.which(compiler):
        pytest.skip("needs a C compiler")
    path, expected = portable.of_noise(tmp_path)
    program = portable.compiled(tmp_path / "portable", [compiler, "-std=c11", "-O1"])
    for simd in ("avx512vnni", "avx2", "baseline", "neon", "plain"):
        done = subprocess.run([program, path, simd], capture_output=True, text=True)
        assert done.returncode == 2 or done.returncode == 0 and done.stdout.splitlines() == expected, (simd, done)
    assert done.returncode == 0


@pytest.mark.skipif(os.environ.get("AECODEC_SLOW") != "1", reason="AECODEC_SLOW=1 runs it, with ziglang and qemu")
def test_on_arm(tmp_path):
    path, expected = portable.of_noise(tmp_path)
    program = portable.compiled(tmp_path / "portable", portable.ARM)
    done = subprocess.run([portable.EMULATOR, program, path, "neon"], capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.splitlines() == expected, done
