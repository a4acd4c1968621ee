"""bin/aecodec and bin/test in a checkout whose Python only notes what it is asked to do: what is installed when, and
how often.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[1]

# Answers `-c` like a real Python (the version check and the lock), and writes everything else into the log.
PYTHON = f"""#!/usr/bin/env bash
case "$*" in
    -c*) exec {sys.executable} "$@" ;;
    "-m venv"*) venv="${{@: -1}}"; mkdir -p "$venv/bin"; cp "$0" "$venv/bin/python" ;;
    "-m pip --version") exit 0 ;;
    "-m pip install"*)
        [[ -e "$LOG.offline" ]] && exit 1
        sleep 0.3
        printf '#!/usr/bin/env bash\\necho "aecodec $*"\\n' >"$(dirname "$0")/aecodec"
        chmod +x "$(dirname "$0")/aecodec" ;;
    "-m pytest"*) echo "tested in $PWD: $*" ;;
    "-m mypy"*) [[ -e "$LOG.untyped" ]] && exit 1 ;;
esac
echo "$*" >>"$LOG"
"""


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    root = tmp_path / "check out"
    shutil.copytree(REPOSITORY / "bin", root / "bin")
    shutil.copy(REPOSITORY / "pyproject.toml", root)
    python = tmp_path / "any python"
    python.write_text(PYTHON)
    python.chmod(0o755)
    monkeypatch.setenv("PYTHON", str(python))
    monkeypatch.setenv("LOG", str(tmp_path / "log"))
    return root


def start(checkout, command, *arguments):
    return subprocess.Popen(
        [checkout / "bin" / command, *arguments],
        cwd="/",
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
    )


def run(checkout, command, *arguments):
    """(exit code, stdout, stderr)"""
    process = start(checkout, command, *arguments)
    stdout, stderr = process.communicate(timeout=20)
    return process.returncode, stdout, stderr


def installs():
    log = Path(os.environ["LOG"])
    return [line for line in log.read_text().splitlines() if "pip install" in line] if log.exists() else []


def test_first_use_installs_and_the_next_only_runs(checkout):
    code, stdout, stderr = run(checkout, "aecodec", "compress", "a b.png")
    assert (code, stdout) == (0, "aecodec compress a b.png\n") and "installing into" in stderr
    assert installs() == [f"-m pip install --quiet --editable {checkout}"]
    Path(os.environ["LOG"]).unlink()
    assert run(checkout, "aecodec", "info") == (0, "aecodec info\n", "")
    assert not Path(os.environ["LOG"]).exists()  # Python was asked for nothing


def test_link_to_the_command_works(checkout, tmp_path):
    (tmp_path / "linked").symlink_to(checkout / "bin" / "aecodec")
    assert subprocess.run([tmp_path / "linked", "-h"], capture_output=True, text=True).stdout == "aecodec -h\n"


def test_changed_dependencies_are_installed(checkout):
    run(checkout, "aecodec")
    with open(checkout / "pyproject.toml", "a") as file:
        file.write("# changed\n")
    assert "installing into" in run(checkout, "aecodec")[2]
    assert len(installs()) == 2


def test_tests_install_their_extra_which_serves_the_command_too(checkout):
    code, stdout, _ = run(checkout, "test", "-k", "word")
    assert (code, stdout) == (0, f"tested in {checkout}: -m pytest -q -k word\n")
    assert installs() == [f"-m pip install --quiet --editable {checkout}[test]"]
    assert run(checkout, "aecodec")[2] == "" and len(installs()) == 1


def test_whole_suite_begins_with_the_checks_of_tools(checkout):
    code, stdout, _ = run(checkout, "test")
    assert code == 0 and stdout.startswith(f"tested in {checkout}: -m pytest -q -n")
    log = Path(os.environ["LOG"])
    ran = [line.split()[1] for line in log.read_text().splitlines() if line.startswith("-m") and "pip" not in line]
    assert ran == ["venv", "ruff", "ruff", "mypy", "pytest"]
    Path(f"{log}.untyped").touch()
    code, stdout, _ = run(checkout, "test")
    assert code == 1 and stdout == ""
    assert run(checkout, "test", "tests/test_bin.py")[0] == 0  # a part of it is for somebody in the middle of work


def test_concurrent_first_uses_install_once(checkout):
    processes = [start(checkout, "aecodec", str(number)) for number in range(4)]
    for number, process in enumerate(processes):
        stdout, stderr = process.communicate(timeout=20)
        assert process.returncode == 0 and stdout == f"aecodec {number}\n"
    assert len(installs()) == 1


def test_failed_install_is_not_taken_for_a_good_one(checkout):
    offline = Path(os.environ["LOG"] + ".offline")
    offline.touch()
    code, stdout, _ = run(checkout, "aecodec")
    assert code != 0 and stdout == ""
    offline.unlink()
    assert run(checkout, "aecodec", "info")[:2] == (0, "aecodec info\n")


def test_too_old_a_python_is_refused_in_words(checkout, monkeypatch):
    monkeypatch.setenv("PYTHON", "false")
    code, _, stderr = run(checkout, "aecodec")
    assert code != 0 and "Python 3.11 or later is needed" in stderr
