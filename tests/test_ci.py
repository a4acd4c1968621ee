"""Continuous integration: what it installs, sets and starts, and that nothing is skipped there without need."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import FORCED, is_forced

ROOT = Path(__file__).parents[1]


@pytest.fixture
def clone(tmp_path):
    """(folder of a checkout whose bin/test says what it was started with, function that runs .ci/run in it).

    Programs are found only in folders that the function is given.
    """
    folder = tmp_path / "clone"
    (folder / "bin").mkdir(parents=True)
    (folder / ".ci").mkdir()
    shutil.copy(ROOT / ".ci" / "run", folder / ".ci" / "run")
    program(folder / "bin" / "test", 'echo "$@|$CI|$AECODEC_WITHOUT|${AECODEC_KODAK:-}"')
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("bash", "dirname", "readlink", "env"):
        (tools / name).symlink_to(shutil.which(name))

    def run(*arguments, **more):
        environment = {"PATH": str(tools)} | more
        return subprocess.run([folder / ".ci" / "run", *arguments], capture_output=True, text=True, env=environment)

    return folder, tools, run


def program(path, script):
    path.write_text(f"#!/usr/bin/env bash\n{script}\n")
    path.chmod(0o755)


def test_it_calls_bin_test_as_it_is_where_nothing_is_lacking(clone):
    folder, tools, run = clone
    for name in ("chromium", "chromedriver", "firefox-esr", "butteraugli_main", "node", "c++"):
        program(tools / name, "exit 1")
    done = run("-k", "x y")
    assert (done.returncode, done.stdout, done.stderr) == (0, "-k x y|true||\n", "")
    program(folder / "bin" / "test", "exit 7")
    assert run().returncode == 7


def test_it_installs_what_is_lacking_and_says_what_it_cannot(clone):
    _, tools, run = clone
    for name in ("chromedriver", "firefox-esr", "c++"):
        program(tools / name, "")
    done = run()
    assert done.returncode == 0 and sorted(done.stdout.split("|")[2].split()) == [
        "chromium",
        "libjxl-devtools",
        "nodejs",
    ]
    assert len(done.stderr.splitlines()) <= 2 and "libjxl-devtools" in done.stderr
    install = f"""for name; do true; done
echo "$@" >>{tools}/log
[[ $name == libjxl-devtools ]] && exit 1
[[ $name == update ]] || printf '#!/bin/sh' >{tools}/${{name/nodejs/node}}
/bin/chmod +x {tools}/chromium {tools}/node 2>/dev/null"""
    program(tools / "apt-get", install)
    program(tools / "sudo", 'shift; "$@"')
    done = run()
    assert done.returncode == 0 and done.stdout.split("|")[2] == "libjxl-devtools", done
    log = (tools / "log").read_text().splitlines()
    assert "update" in log[0] and all("install" in line for line in log[1:]) and len(log) == 4
    assert "chromedriver" not in "".join(log) and "libjxl-devtools" in done.stderr


def test_it_finds_the_photographs_beside_the_clone(clone):
    folder, _, run = clone
    assert run().stdout.endswith("|\n")
    (folder.parent / "shared" / "data" / "kodak").mkdir(parents=True)
    assert run().stdout.endswith(f"|{folder.parent.resolve()}/shared/data/kodak\n")
    assert run(AECODEC_KODAK="mine").stdout.endswith("|mine\n")


def test_skips_without_need_fail(tmp_path):
    (tmp_path / "test_x.py").write_text("""import pytest

@pytest.mark.parametrize("reason", ["no CUDA device", "it needs chromium-driver", "no time"])
def test_a(reason):
    pytest.skip(reason)

@pytest.mark.xfail
def test_b():
    assert False
""")
    (tmp_path / "test_y.py").write_text('import pytest\npytest.importorskip("no_such_module")\n')
    shutil.copy(ROOT / "tests" / "conftest.py", tmp_path)
    environment = {name: value for name, value in os.environ.items() if name not in ("CI", "PYTEST_ADDOPTS")}
    environment |= {"PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]), "AECODEC_WITHOUT": "chromium-driver"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--continue-on-collection-errors", "."]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0 and "4 skipped" in done.stdout
    done = subprocess.run(command, cwd=tmp_path, env=environment | {"CI": "true"}, capture_output=True, text=True)
    assert (
        done.returncode == 1 and "2 skipped" in done.stdout and "1 failed" in done.stdout and "1 error" in done.stdout
    )
    assert "which no machine forces: Skipped: no time" in done.stdout and "no_such_module" in done.stdout


def test_forced_reasons(monkeypatch):
    monkeypatch.setenv("AECODEC_WITHOUT", "nodejs")
    monkeypatch.delenv("AECODEC_KODAK", raising=False)
    assert (
        all(map(is_forced, FORCED))
        and is_forced("install nodejs")
        and is_forced("AECODEC_KODAK does not name a folder")
    )
    monkeypatch.setenv("AECODEC_KODAK", "x")
    monkeypatch.setenv("AECODEC_WITHOUT", "")
    for reason in ("AECODEC_KODAK does not name a folder", "install nodejs", "chromium is not installed", "later", ""):
        assert not is_forced(reason)
