"""The command line as a contract: the cases of cli_cases.toml, word for word; and what only real processes show: pipes,
terminals, odd bytes in names.
"""

import fcntl
import io
import json
import os
import pty
import re
import shlex
import struct
import subprocess
import sys
import tempfile
import termios
import tomllib
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import codec
from codec.app.cli import cli


@cache
def contents():
    """{path: bytes} of the folder in which every case runs."""
    pictures = {}
    for seed, name in enumerate(("a.png", "b.png")):
        rows, columns = np.mgrid[0:40, 0:56]
        waves = np.stack([127 + 100 * np.sin(rows / 9 + seed + c) * np.cos(columns / 7 - c) for c in range(3)], -1)
        file = io.BytesIO()
        Image.fromarray(waves.astype(np.uint8)).save(file, "PNG")
        pictures[name] = file.getvalue()
    a, c, d = (
        pictures["a.png"],
        codec.compress(pictures["a.png"], device="cpu"),
        codec.compress(pictures["b.png"], 20, device="cpu"),
    )
    copies = dict.fromkeys(
        ("old.png", "tree/a.png", "tree/sub/y.png", "with space.png", "line\nbreak.png", "-dash.png", "caf\udce9.png"),
        a,
    )
    broken = {
        "bad.png": b"no picture",
        "empty.png": b"",
        "cut.aec": c[:-1],
        "short.aec": c[:20],
        "hurt.aec": c[:-1] + bytes([c[-1] ^ 1]),
        "bad.safetensors": b"no model",
    }
    return {
        **pictures,
        **copies,
        **broken,
        "c.aec": c,
        "d.aec": d,
        "old.aec": b"mine",
        "list": b"a.png\nb.png\n",
        "tree/notes.txt": b"",
    }


def lay_out(folder):
    (folder / "void").mkdir(parents=True)
    for name, data in contents().items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


def changes(folder):
    """Names that are new, gone (-) or other than before (~)."""
    found = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    before = contents()
    marks = [name if name not in before else f"~{name}" for name in found if before.get(name) != found[name]]
    return sorted([*marks, *(f"-{name}" for name in before if name not in found)])


def invoke(arguments, stdin):
    """(exit code, stdout, stderr, changes) in this process; the console script adds only signals and its own exit."""
    with tempfile.TemporaryDirectory() as folder:
        lay_out(Path(folder))
        back = os.getcwd()
        os.chdir(folder)
        try:
            result = CliRunner().invoke(cli, arguments, input=contents()[stdin] if stdin else None, prog_name="aecodec")
        finally:
            os.chdir(back)
        return result.exit_code, result.stdout, result.stderr, changes(Path(folder))


CASES = tomllib.loads(Path(__file__).with_name("cli_cases.toml").read_text())["case"]
PLACES = {
    "<n>": r"[0-9][0-9.,]*",
    "<id>": "[0-9a-f]{8}",
    "<any>": ".*",
    "<rest>": r"(?s:.*)",
    "<usage>": r"Usage: aecodec .*\nTry 'aecodec .*--help' for help\.\n\nError: ",
}


def pattern(lines):
    parts = re.split("(<[a-z]+>)", "".join(f"{line}\n" for line in lines))
    return "".join(PLACES.get(part) or re.escape(part) for part in parts)


def test_there_are_sixty_cases_or_more():
    assert len(CASES) >= 60 and len({case["name"] for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_case(case):
    code, out, err, files = invoke(case["run"], case.get("stdin"))
    assert re.fullmatch(pattern(case.get("err", [])), err), err
    assert re.fullmatch(pattern(case.get("out", [])), out), out
    assert (code, files) == (case.get("code", 0), sorted(case.get("files", [])))


# Real processes


COMMAND = [sys.executable, "-P", "-m", "codec"]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    lay_out(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(*arguments, **options):
    return subprocess.run([*COMMAND, *arguments], capture_output=True, **options)


def on_terminal(*arguments, env=None, columns=80):
    """(exit code, what a terminal of so many columns shows) of a process whose three streams are that terminal."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen(
        [*COMMAND, *arguments], stdin=theirs, stdout=theirs, stderr=theirs, env=os.environ | (env or {})
    )
    os.close(theirs)
    shown = b""
    try:
        while part := os.read(ours, 4096):
            shown += part
    except OSError:  # Linux: the other side is closed
        pass
    os.close(ours)
    return process.wait(), shown.decode().replace("\r\n", "\n")


def test_a_case_in_a_process_of_its_own(folder):
    """What the cases show in one process is what the command shows."""
    for name in (
        "info of something else",
        "-f with -n",
        "version",
        "info as json",
        "quality of zero",
        "missing file list",
        "no command",
    ):
        case = next(case for case in CASES if case["name"] == name)
        done = run(*case["run"], text=True)
        assert done.returncode == case.get("code", 0)
        assert re.fullmatch(pattern(case.get("out", [])), done.stdout) and re.fullmatch(
            pattern(case.get("err", [])), done.stderr
        )


def test_names_of_any_bytes(folder):
    names = [
        b"caf\xe9.aec",
        b"\xff\xfe.aec",
        b"a\tb.aec",
        b"\x1b[31m.aec",
        "Grüße 写真.aec".encode(),
        b" .aec",
        b"$(touch x);.aec",
        b"'\".aec",
        b"*.aec",
        b"a" * 251 + b".aec",
    ]
    for name in names:
        with open(name, "wb") as file:
            file.write(contents()["c.aec"])
    done = run("info", "--json", *names)
    assert done.returncode == 0 and done.stderr == b""
    assert [os.fsencode(json.loads(line)["input"]) for line in done.stdout.splitlines()] == names
    done = run("info", "--json", *(name + b".not" for name in names))
    assert done.returncode == 1 and len(done.stderr.splitlines()) == len(names) and b"\x1b" not in done.stderr
    (folder / "names").write_bytes(b"\0".join(names))
    assert run("info", "--json", "--filelist", "names").stdout.count(b"\n") == len(names)
    for locale in ("C", "POSIX", "C.UTF-8"):
        assert run("info", *names, env=os.environ | {"LC_ALL": locale, "PYTHONUTF8": "0"}).returncode == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["info", "--json", *["c.aec"] * 1000],
        ["info", *["c.aec"] * 1000],
        ["compress", "--help"],
        ["models"],
        ["info", *["a.png"] * 1000],
    ],
)
def test_readers_that_leave_early(folder, arguments):
    """`aecodec ... | head -1`: no complaint, whichever stream is closed first."""
    for stream in ("stdout", "stderr"):
        process = subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        closed, other = (process.stdout, process.stderr) if stream == "stdout" else (process.stderr, process.stdout)
        closed.close()
        left = other.read()
        other.close()
        assert process.wait(30) in (0, 1)
        assert stream == "stderr" or b"Traceback" not in left and b"Exception" not in left and b"Broken" not in left


def test_data_for_a_reader_that_has_gone(folder):
    process = subprocess.Popen([*COMMAND, "decompress", "c.aec", "-c"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    assert process.wait(60) == 1 and process.stderr.read() == b""
    process.stderr.close()


@pytest.mark.parametrize("stream", [0, 1, 2])
def test_streams_that_are_closed_from_the_start(folder, stream):
    """As a daemon may start it, `<&-`."""
    arguments = " ".join(map(shlex.quote, [*COMMAND, "info", "c.aec", "a.png"]))
    done = subprocess.run(["sh", "-c", f"exec {arguments} {stream}<&-"], capture_output=True)
    assert done.returncode == 1 and b"Traceback" not in done.stderr
    assert (b"width" in done.stdout) == (stream != 1) and (b"a.png" in done.stderr) == (stream != 2)
    assert (b"c.aec: bad file descriptor" in done.stderr) == (stream == 1)


def test_one_file_on_a_terminal_says_what_became_of_it(folder):
    code, shown = on_terminal("compress", "a.png")
    assert code == 0 and re.fullmatch(pattern(["a.png -> a.aec: <n> bytes, <n> bpp, 56x40, <n> s"]), shown)
    code, shown = on_terminal("decompress", "c.aec", "-c")
    assert code == 2 and "not written to a terminal" in shown


@pytest.mark.parametrize("env", [{}, {"NO_COLOR": "1"}, {"NO_COLOR": "1", "TERM": "dumb"}, {"FORCE_COLOR": "1"}])
def test_no_colours_anywhere(folder, env):
    """There are none to switch off, also where another program forces its own."""
    for arguments, code in ((["info", "c.aec", "a.png"], 1), (["compress", "-q", "0"], 2), (["--help"], 0)):
        done, shown = on_terminal(*arguments, env=env)
        assert done == code and "\x1b" not in shown


def test_stdin_is_not_read_unasked(folder):
    """A file's name is given: whatever waits on standard input stays there for the next command of a script."""
    with open("list", "rb") as file:
        assert run("info", "c.aec", stdin=file).returncode == 0 and file.read() == b"a.png\nb.png\n"
