"""What Windows lacks of Python's library, no module of the base asks for: imitated, as the tests run elsewhere."""

import os
import subprocess
import sys

import numpy as np
from PIL import Image

WITHOUT = """
import os, signal, sys
for name in "getloadavg", "register_at_fork", "fork", "fchmod", "sched_getaffinity":
    if hasattr(os, name):
        delattr(os, name)
for name in "SIGHUP", "SIGKILL":
    delattr(signal, name)
for name in "resource", "fcntl", "pwd", "grp", "termios":
    sys.modules[name] = None
from codec.app.cli import main
main()
"""


def run(*arguments):
    return subprocess.run([sys.executable, "-c", WITHOUT, *map(str, arguments)], capture_output=True, text=True)


def test_there_and_back(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([os.getcwd(), *filter(None, sys.path)]))
    Image.fromarray(np.full((40, 56, 3), (200, 60, 30), np.uint8)).save(tmp_path / "a.png")
    for _ in range(2):  # the second time over what is there
        done = run("compress", "-f", tmp_path / "a.png", "-o", tmp_path / "a.aec")
        assert done.returncode == 0 and not done.stderr, done
        done = run("decompress", "-f", "-p", tmp_path / "a.aec", "-o", tmp_path / "b.png")
        assert done.returncode == 0 and not done.stderr, done
    assert Image.open(tmp_path / "b.png").size == (56, 40)


def test_limits_are_none_there(monkeypatch):
    from codec import loading

    monkeypatch.setattr(loading, "resource", None)
    assert loading._limit() == ""
