"""Memory that the command line gives back."""

import platform
import subprocess
import sys

import pytest

PEAK = """
import sys
from codec.app import runner
assert runner.return_memory() or sys.argv[1] == "as it is"
resident = lambda: int(open("/proc/self/statm").read().split()[1]) * 4096
if sys.argv[1] == "as it is":  # what glibc comes to by itself
    import ctypes
    ctypes.CDLL(None).mallopt(runner.MMAP_THRESHOLD, 1 << 25)
before, kept = resident(), []
for _ in range(8):
    large = bytearray(8 << 20)
    kept.append(bytearray(100_000))  # what stays, behind what goes
    del large
    kept.append(bytearray(9 << 20) [:1000])
print(resident() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other libraries of C give it back by themselves")
def test_large_arrays_go_back_to_the_system():
    run = lambda how: int(subprocess.check_output([sys.executable, "-c", PEAK, how], text=True))
    assert run("returned") < 4 << 20 < run("as it is")
