"""What the command line says, what it refuses, and how its process begins and ends."""

import io
import os
import pty
import re
import signal
import subprocess
import sys
import time
from dataclasses import fields

import cli_files
import click
import pytest
from cli_files import aecodec, listing, objects, succeed
from PIL import Image

import codec
from codec.app.cli import COMMANDS, cli
from codec.app.report import Outcome, Report
from codec.engine import ENGINES
from codec.files.jobs import PICTURES
from codec.model.purpose import PURPOSES
from codec.pipeline.encoder import Encoder
from codec.pipeline.options import MOST_EFFORT, DecodeOptions, EncodeOptions

samples = pytest.fixture(scope="module")(cli_files.samples)
pictures = pytest.fixture(cli_files.pictures)
files = pytest.fixture(cli_files.files)
COMMAND = [sys.executable, "-P", "-m", "codec"]  # -P: the folder the test runs in is not searched for modules


# What is said


def test_json_keys_are_the_promised_ones(pictures):
    (pictures / "bad.png").write_bytes(b"no picture")
    result = aecodec("compress", "--json", "a.png", "bad.png")
    good, bad = objects(result)
    assert list(good) == ["input", "output", "bytes", "bpp", "width", "height", "seconds"]
    assert list(bad) == ["input", "error"] and f"aecodec: bad.png: {bad['error']}\n" == result.stderr
    size = os.path.getsize("a.aec")
    assert (good["bytes"], good["width"], good["height"]) == (size, 56, 40) and good["bpp"] == pytest.approx(
        8 * size / (40 * 56), abs=1e-6
    )
    back = objects(succeed("decompress", "--json", "a.aec", "-o", "back.png"))[0]
    assert {**good, "input": 0, "output": 0, "seconds": 0} == {**back, "input": 0, "output": 0, "seconds": 0}


def test_verbose_names_the_stages(pictures):
    result = succeed("compress", "-v", "a.png")
    assert result.stdout == "" and result.stderr.startswith("a.png -> a.aec: ")
    assert all(stage in result.stderr for stage in ("read", "encode", "write"))
    assert succeed("compress", "-v", "--quiet", "-f", "a.png").stderr == ""


def test_info_and_verify(files):
    record = objects(succeed("info", "--json", "a.aec"))[0]
    assert record["input"] == "a.aec" and (record["width"], record["height"]) == (56, 40)
    lines = succeed("info", "a.aec").stdout.splitlines()
    assert ["width", "56"] in [line.split() for line in lines]
    assert succeed("verify", "a.aec", "b.aec").stdout == "a.aec: ok\nb.aec: ok\n"
    assert objects(succeed("verify", "--json", "-r", ".", "-j", 2)) == [
        {"input": f"./{name}.aec", "ok": True} for name in "ab"
    ]
    assert succeed("info", "--json", "-", input=(files / "a.aec").read_bytes()).stdout.startswith('{"input": "-", "')


def test_models_lists_the_default_as_info_names_it_and_says_what_each_is_for(files):
    records = objects(succeed("models", "--json"))
    assert next(record for record in records if record["model"] == "psnr")["objective"] == "psnr"
    assert all(record["objective"] in PURPOSES and record["purpose"].startswith("for ") for record in records)
    default = next(record for record in records if record["model"] == "default")
    assert default["id"] in objects(succeed("info", "--json", "a.aec"))[0].values()


def test_unknown_model_and_missing_device_are_one_sentence(pictures):
    result = aecodec("compress", "a.png", "--model", "nonesuch")
    assert result.exit_code == 1 and result.stderr.startswith("aecodec: ") and len(result.stderr.splitlines()) == 1
    result = aecodec("compress", "a.png", "-d", "cuda:99")
    assert result.exit_code == 1 and result.stderr.startswith("aecodec: ") and len(result.stderr.splitlines()) == 1


def test_unexpected_error_is_a_sentence_and_a_traceback_with_v(pictures, monkeypatch):
    def broken(*_, **__):
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr(Encoder, "encode", broken)
    result = aecodec("compress", "a.png")
    assert (
        result.exit_code == 1
        and result.stderr == "aecodec: a.png: unexpected ZeroDivisionError: a bug (-v shows where)\n"
    )
    assert "Traceback" in aecodec("compress", "-v", "a.png").stderr


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_progress_bar_and_lines_on_a_terminal_only(monkeypatch):
    def said(total, terminal, **how):
        stream = Terminal() if terminal else io.StringIO()
        monkeypatch.setattr(sys, "stderr", stream)
        with Report(
            total,
            as_json=False,
            verbose=how.pop("verbose", False),
            quiet=how.pop("quiet", False),
            progress=how.pop("progress", True),
        ) as report:
            for _ in range(total):
                report.done("a", Outcome({}, "a line"))
        return stream.getvalue()

    assert "0/2" in said(2, True) and "a line" not in said(2, True)
    assert said(1, True) == "a line\n"
    assert said(2, False) == said(1, False) == said(2, True, quiet=True) == said(2, True, progress=False) == ""
    assert said(2, False, verbose=True) == "a line\na line\n"


def test_progress_bar_tells_megapixels_per_second(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    with Report(3, as_json=False, verbose=False, quiet=False, progress=True) as report:
        for _ in range(2):
            time.sleep(0.12)  # more often it is not drawn
            report.done("a", Outcome({}, pixels=2_000_000))
        shown = sys.stderr.getvalue()
    assert re.search(r"2/3 \[00:00<00:00, .*file/s, \d+\.\d MP/s\]", shown)


# Wrong usage: exit code 2, and nothing is loaded or written


@pytest.mark.parametrize(
    "arguments, word",
    [
        (["compress"], "no input"),
        (["compress", "a.png", "-q", "0"], "range"),
        (["compress", "a.png", "-q", "100.5"], "range"),
        (["compress", "a.png", "-e", "10"], "range"),
        (["compress", "a.png", "-q", "nan"], "nan"),
        (["compress", "a.png", "-q", "good"], "float"),
        (["compress", "a.png", "-fn"], "excludes"),
        (["compress", "a.png", "-k", "--rm"], "excludes"),
        (["compress", "a.png", "-c", "-o", "x.aec"], "excludes"),
        (["compress", "a.png", "-o", "x/", "--output-dir", "y"], "excludes"),
        (["compress", "a.png", "--device", "gpu"], "cuda:N"),
        (["compress", "a.png", "-j", "0"], "range"),
        (["compress", "a.png", "--max-pixels", "-1"], "range"),
        (["compress", "a.png", "--strip", "exif,gps"], "gps"),
        (["compress", "a.png", "b.png", "-o", "out.aec"], "directory"),
        (["compress", "a.png", "b.png", "-c"], "several inputs"),
        (["compress", "-r", ".", "-o", "out"], "directory"),
        (["compress", "--filelist", os.devnull], "no input"),
        (["compress", "a.png", "-c", "--json"], "stdout"),
        (["compress", "a.png", "-c", "--rm"], "--rm"),
        (["compress", "-", "-", "-o", "x/"], "only once"),
        (["compress", "-", "--filelist", "-"], "standard input"),
        (["compress", "--filelist", "nowhere"], "nowhere"),
        (["compress", "a.png", "--no-such-option"], "--no-such-option"),
        (["a.png"], "a.png"),
    ],
)
def test_wrong_usage(pictures, arguments, word):
    result = aecodec(*arguments)
    assert result.exit_code == 2 and word in result.stderr and result.stdout == ""
    assert listing() == ["a.png", "b.png"]


def test_suffixes_of_pictures_are_those_of_readable_formats():
    from codec.pixels.pil import READABLE

    known = Image.registered_extensions()
    assert {known[suffix] for suffix in PICTURES if suffix != ".qoi"} <= set(READABLE)


# Processes


def test_the_lines_of_the_help_are_those_of_the_commands():
    context = click.Context(cli)
    for name, (_, line) in COMMANDS.items():
        command = cli.get_command(context, name)
        assert command.name == name and command.get_short_help_str(100) == line
    assert list(COMMANDS) == sorted(COMMANDS)


def test_help_info_and_usage_errors_are_light(files):
    script = (
        "import sys\nfrom codec.app.cli import cli\n"
        "for arguments in (['--help'], ['compress', '--help'], ['info', 'a.aec'], ['compress', 'a.png', '-fn']):\n"
        "    try: cli.main(arguments, standalone_mode=False)\n"
        "    except Exception: pass\n"
        "print(*sorted({'torch', 'numpy', 'PIL', 'compressai', 'tqdm'} & set(sys.modules)), 'end', file=sys.stderr)"
    )
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stderr == "end\n"


def test_one_process_from_end_to_end(pictures, samples):
    """Through `main` with its own exit, names that are no UTF-8 included."""
    name = os.fsencode(pictures) + b"/caf\xe9.png"
    os.rename("a.png", name)
    done = subprocess.run([*COMMAND, "compress", name, "nowhere.png"], capture_output=True)
    assert (
        done.returncode == 1 and done.stdout == b"" and done.stderr.count(b"\n") == 1 and b"nowhere.png" in done.stderr
    )
    with open(name[:-3] + b"aec", "rb") as file:
        assert codec.decompress(file.read()).size == (56, 40)


def test_version():
    done = subprocess.run([*COMMAND, "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("aecodec ") and done.stdout.split()[1][0].isdigit()


def test_binary_data_is_not_written_to_a_terminal(pictures):
    ours, theirs = pty.openpty()
    done = subprocess.run([*COMMAND, "compress", "a.png", "-c"], stdout=theirs, stderr=subprocess.PIPE)
    os.close(theirs)
    os.close(ours)
    assert done.returncode == 2 and b"terminal" in done.stderr


def test_closed_pipe_is_no_complaint(files):
    process = subprocess.Popen(
        [*COMMAND, "info", "--json", *["a.aec"] * 50], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.close()
    assert process.wait(10) != 0 and process.stderr.read() == b""
    process.stderr.close()


HALFWAY = """
import sys, time, click
from codec.app import cli
from codec.files import output
@cli.cli.command()
def halfway():
    with output.atomic("out.aec", overwrite=True) as file:
        file.write(b"half of it")
        file.flush()
        print("there", flush=True)
        time.sleep(60)
cli.main()
"""


@pytest.mark.parametrize("signum, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signal_while_writing_leaves_the_old_output(folder, signum, code):
    (folder / "out.aec").write_bytes(b"old")
    process = subprocess.Popen([sys.executable, "-c", HALFWAY, "halfway"], stdout=subprocess.PIPE)
    assert process.stdout.readline() == b"there\n" and len(listing()) == 2
    process.send_signal(signum)
    assert process.wait(10) == code
    process.stdout.close()
    assert listing() == ["out.aec"] and (folder / "out.aec").read_bytes() == b"old"


@pytest.mark.parametrize("signum, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signal_does_not_wait_for_a_worker(folder, signum, code):
    """`info -` reads standard input in its worker, here for ever; it must also not say more than the blank line after
    ^C.
    """
    process = subprocess.Popen([*COMMAND, "info", "-"], stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdin.write(b"x" * 100_000)  # more than a pipe holds: returns only when the worker reads
    process.stdin.flush()
    process.send_signal(signum)
    assert process.wait(10) == code
    assert process.stderr.read().strip() == b""
    process.stdin.close()
    process.stderr.close()


@pytest.mark.parametrize(("name", "options"), [("compress", EncodeOptions), ("decompress", DecodeOptions)])
def test_defaults_and_limits_are_those_of_the_library(name, options):
    """The command line writes some of them down once more, as it does not import what has them."""
    command = cli.get_command(None, name)
    given = command.make_context(name, ["a"]).params
    assert options(**{field.name: given[field.name] for field in fields(options)}) == options()
    types = {parameter.name: parameter.type for parameter in command.params}
    assert tuple(types["engine"].choices) == ENGINES
    assert name == "decompress" or types["effort"].max == MOST_EFFORT
