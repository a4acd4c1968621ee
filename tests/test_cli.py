"""The command line as a contract: files, messages, JSON and exit codes.

In one process through click where that proves the same; else real processes.
"""

import io
import json
import os
import pty
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import codec
from codec.app.cli import cli
from codec.app.report import Outcome, Report
from codec.files.jobs import PICTURES
from codec.model.purpose import PURPOSES

COMMAND = [sys.executable, "-P", "-m", "codec"]  # -P: the folder the test runs in is not searched for modules


def picture(seed=0, height=40, width=56, channels=3):
    """Smooth gradients with a little noise: compresses like a photograph, and no two seeds are alike."""
    rows, columns = np.mgrid[0:height, 0:width]
    noise = np.random.default_rng(seed).normal(0, 3, (height, width, channels))
    waves = np.stack([127 + 100 * np.sin(rows / 9 + seed + c) * np.cos(columns / 7 - c) for c in range(channels)], -1)
    return (waves + noise).clip(0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def samples():
    """PNG bytes and .aec bytes of two pictures."""
    pngs, aecs = {}, {}
    for seed, name in enumerate("ab"):
        file = io.BytesIO()
        Image.fromarray(picture(seed)).save(file, "PNG")
        pngs[name], aecs[name] = file.getvalue(), codec.compress(picture(seed))
    return pngs, aecs


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def pictures(folder, samples):
    for name, data in samples[0].items():
        (folder / f"{name}.png").write_bytes(data)
    return folder


@pytest.fixture
def files(folder, samples):
    for name, data in samples[1].items():
        (folder / f"{name}.aec").write_bytes(data)
    return folder


def aecodec(*arguments, input=None):
    return CliRunner().invoke(cli, [str(argument) for argument in arguments], input=input, prog_name="aecodec")


def succeed(*arguments, input=None):
    result = aecodec(*arguments, input=input)
    assert result.exit_code == 0, result.stderr
    return result


def listing(folder="."):
    return sorted(
        os.path.relpath(os.path.join(top, name), folder) for top, _, names in os.walk(folder) for name in names
    )


def objects(result):
    return [json.loads(line) for line in result.stdout.splitlines()]


# Compress and decompress


def test_there_and_back_beside_the_inputs(pictures):
    result = succeed("compress", "a.png", "b.png")
    assert result.output == ""
    os.rename("a.png", "original.png")
    succeed("decompress", "a.aec")
    assert listing() == ["a.aec", "a.png", "b.aec", "b.png", "original.png"]
    with Image.open("a.png") as decoded, Image.open("original.png") as original:
        assert decoded.format == "PNG" and decoded.size == original.size
        assert np.abs(np.asarray(decoded, int) - np.asarray(original, int)).mean() < 10


def test_quality_takes_decimals_and_orders_the_sizes(pictures):
    sizes = [len(succeed("compress", "a.png", "-q", quality, "-c").stdout_bytes) for quality in (1, 33.3, 60, 100)]
    assert sizes == sorted(set(sizes))
    assert (
        succeed("compress", "a.png", "-c").stdout_bytes
        == succeed("compress", "a.png", "-c", "--quality", "60").stdout_bytes
    )


def test_effort_and_fast_are_those_of_the_library(pictures):
    file = succeed("compress", "a.png", "-e", 2, "-c").stdout_bytes
    assert file == codec.compress("a.png", effort=2, device="cpu") != codec.compress("a.png", device="cpu")
    (pictures / "a.aec").write_bytes(file)
    succeed("decompress", "a.aec", "--fast", "-o", "fast.png")
    assert (np.asarray(Image.open("fast.png")) == np.asarray(codec.decompress(file, fast=True, device="cpu"))).all()
    os.mkdir("tree")
    os.link("a.png", "tree/a.png")
    succeed("batch", "tree", "made", "--effort", 2)
    assert (pictures / "made" / "a.aec").read_bytes() == file


def test_output_does_not_depend_on_the_way_it_is_asked_for(pictures, samples):
    succeed("compress", "a.png", "b.png", "--jobs", 2, "--device", "cpu")
    succeed("compress", "a.png", "-o", "file.aec")
    stdout = succeed("compress", "./a.png", "-o", "-").stdout_bytes
    assert (pictures / "a.aec").read_bytes() == (pictures / "file.aec").read_bytes() == stdout


def test_stdin_to_stdout_and_back(pictures):
    coded = succeed("compress", "-", input=(pictures / "a.png").read_bytes()).stdout_bytes
    decoded = succeed("decompress", "-", input=coded).stdout_bytes
    (pictures / "c.aec").write_bytes(coded)
    succeed("decompress", "c.aec")
    assert decoded == (pictures / "c.png").read_bytes()
    succeed("decompress", "-", "-o", "out/", input=coded)
    assert (pictures / "out" / "stdin.png").read_bytes() == decoded


@pytest.mark.parametrize(
    "suffix, format", [("jpg", "JPEG"), ("webp", "WEBP"), ("TIFF", "TIFF"), ("png", "PNG"), ("ppm", "PPM")]
)
def test_suffix_of_the_output_is_its_format(files, suffix, format):
    succeed("decompress", "a.aec", "-o", f"out.{suffix}")
    with Image.open(f"out.{suffix}") as image:
        assert image.format == format and image.size == (56, 40)


def test_unknown_output_format_is_refused(files):
    result = aecodec("decompress", "a.aec", "-o", "out.xyz")
    assert result.exit_code == 1 and "xyz" in result.stderr
    assert listing() == ["a.aec", "b.aec"]


def test_sixteen_bits_come_back_as_sixteen(folder):
    Image.fromarray(np.linspace(0, 65535, 40 * 56).reshape(40, 56).astype(np.uint16)).save("deep.png")
    succeed("compress", "deep.png", "-o", "deep.aec")
    succeed("decompress", "deep.aec", "-o", "back.png")
    with Image.open("back.png") as image:
        assert image.mode == "I;16"


def test_strip_removes_what_is_named(folder):
    exif = Image.Exif()
    exif[0x010E] = "a description"
    Image.fromarray(picture()).save("a.jpg", exif=exif, icc_profile=_profile(), quality=95)
    for arguments, kept in [
        ((), {"exif", "icc_profile"}),
        (("--strip", "exif"), {"icc_profile"}),
        (("--strip", "all"), set()),
        (("--strip", "xmp,icc"), {"exif"}),
    ]:
        succeed("compress", "a.jpg", "-f", *arguments)
        succeed("decompress", "a.aec", "-f")
        with Image.open("a.png") as image:
            assert {"exif", "icc_profile"} & set(image.info) == kept


def _profile():
    from PIL import ImageCms

    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def test_max_pixels_limits_both_directions(pictures, samples):
    (pictures / "c.aec").write_bytes(samples[1]["a"])
    for arguments in (("compress", "a.png"), ("decompress", "c.aec")):
        result = aecodec(*arguments, "--max-pixels", 40 * 56 - 1)
        assert result.exit_code == 1 and "--max-pixels" in result.stderr
        succeed(*arguments, "--max-pixels", 40 * 56)
        succeed(*arguments, "--max-pixels", 0, "-f")


# Several files, directories, lists


def test_bad_files_are_reported_and_the_others_done(pictures):
    (pictures / "bad.png").write_bytes(b"no picture")
    os.mkdir("folder")
    result = aecodec("compress", "bad.png", "a.png", "nowhere.png", "folder", "b.png")
    assert result.exit_code == 1
    lines = result.stderr.splitlines()
    assert [line.split(":")[:2] for line in lines] == [
        ["aecodec", " bad.png"],
        ["aecodec", " nowhere.png"],
        ["aecodec", " folder"],
    ]
    assert "no such file" in lines[1] and "-r" in lines[2]
    assert {"a.aec", "b.aec"} <= set(listing()) and "bad.aec" not in listing()


def test_truncated_and_corrupt_files_leave_no_output(folder, samples):
    data = samples[1]["a"]
    (folder / "short.aec").write_bytes(data[:-5])
    (folder / "flipped.aec").write_bytes(data[:-5] + bytes([data[-5] ^ 1]) + data[-4:])
    (folder / "foreign.aec").write_bytes(samples[0]["a"])
    (folder / "empty.aec").write_bytes(b"")
    for command in ("decompress", "verify"):
        result = aecodec(command, "short.aec", "flipped.aec", "foreign.aec", "empty.aec")
        assert result.exit_code == 1 and result.stdout == "" and "Traceback" not in result.stderr
        lines = result.stderr.splitlines()
        assert len(lines) == 4 and not any("unexpected" in line for line in lines)
    assert listing() == ["empty.aec", "flipped.aec", "foreign.aec", "short.aec"]


def test_tree_is_mirrored(pictures):
    os.makedirs("tree/deep/er")
    os.rename("a.png", "tree/a.PNG")
    os.rename("b.png", "tree/deep/er/b.png")
    (pictures / "tree" / "notes.txt").write_text("no picture")
    succeed("compress", "-r", "tree", "-o", "small/")
    assert listing("small") == ["a.aec", "deep/er/b.aec"]
    succeed("decompress", "-r", "small", "--output-dir", "back")
    assert listing("back") == ["a.png", "deep/er/b.png"]
    succeed("compress", "-r", "tree")
    assert listing("tree") == ["a.PNG", "a.aec", "deep/er/b.aec", "deep/er/b.png", "notes.txt"]


def test_directory_without_pictures_is_an_error(folder):
    os.mkdir("empty")
    result = aecodec("compress", "-r", "empty")
    assert result.exit_code == 1 and result.stderr.startswith("aecodec: empty: holds no file")


@pytest.mark.parametrize("separator", ["\n", "\r\n", "\0"])
def test_file_list(pictures, separator):
    (pictures / "list").write_bytes(separator.join(["a.png", "b.png", ""]).encode())
    succeed("compress", "--filelist", "list")
    assert {"a.aec", "b.aec"} <= set(listing())


def test_file_list_from_stdin(pictures):
    os.rename("a.png", "line\nbreak.png")
    succeed("compress", "--filelist", "-", input="line\nbreak.png\0b.png\0")
    assert {"line\nbreak.aec", "b.aec"} <= set(listing())


@pytest.mark.parametrize(
    "name",
    [
        b"with space.png",
        b"line\nbreak.png",
        b"caf\xe9.png",
        "Grüße 写真.png".encode(),
        b"-q.png",
        b"no suffix",
        b"$(x);'\".png",
    ],
)
def test_odd_names(pictures, name):
    name = os.fsdecode(name)
    os.rename("a.png", name)
    record = objects(succeed("compress", "--json", "--", name))[0]
    coded = os.path.splitext(name)[0] + ".aec"
    assert (record["input"], record["output"]) == (name, coded) and os.path.exists(coded)
    result = aecodec("compress", "--", name)
    assert result.exit_code == 1 and len(result.stderr.splitlines()) == 1


def test_inputs_for_one_output_are_refused_and_the_others_done(pictures):
    os.rename("b.png", "a.jpg")
    os.mkdir("d")
    (pictures / "d" / "a.png").write_bytes((pictures / "a.png").read_bytes())
    before = listing()
    for arguments in (
        ("a.png", "a.jpg"),
        ("a.png", "./d/../a.png"),
        ("a.png", "d/a.png", "-o", "out/"),
        ("a.png", "a.jpg", "-f"),
        ("a.png", "a.jpg", "-n"),
    ):
        result = aecodec("compress", *arguments)
        assert result.exit_code == 1 and result.stderr.count("and so would") == len(result.stderr.splitlines()) == 2
    assert listing() == before
    os.mkdir("out")
    os.symlink("a.aec", "out/c.aec")
    for name in ("c.png", "d.png"):
        (pictures / name).write_bytes((pictures / "a.png").read_bytes())
    result = aecodec("compress", "a.png", "a.jpg", "c.png", "d.png", "d/a.png", "-o", "out", "-f")
    assert (
        result.exit_code == 1
        and "aecodec: a.png: would become out/a.aec, and so would a.jpg and 2 more" in result.stderr
    )
    assert len(result.stderr.splitlines()) == 4 and sorted(os.listdir("out")) == ["c.aec", "d.aec"]


def test_jobs_change_neither_bytes_nor_order(folder):
    names = [f"{seed}.png" for seed in range(7)]
    for seed, name in enumerate(names):
        Image.fromarray(picture(seed, height=30 + 40 * (seed % 3))).save(name)
    names.insert(3, "missing.png")
    outputs = []
    for jobs in (1, 3):
        result = aecodec("compress", "-f", "--json", "-j", jobs, *names)
        assert result.exit_code == 1
        assert [record["input"] for record in objects(result)] == names
        outputs.append([(folder / f"{seed}.aec").read_bytes() for seed in range(7)])
    assert outputs[0] == outputs[1]


# Existing outputs and inputs


def test_existing_output_is_refused_skipped_or_overwritten(pictures):
    (pictures / "a.aec").write_bytes(b"mine")
    result = aecodec("compress", "a.png", "b.png")
    assert result.exit_code == 1 and "a.aec" in result.stderr and "-f" in result.stderr
    assert (pictures / "a.aec").read_bytes() == b"mine" and (pictures / "b.aec").exists()
    result = succeed("compress", "-n", "a.png", "b.png")
    assert result.output == "" and (pictures / "a.aec").read_bytes() == b"mine"
    assert objects(succeed("compress", "-n", "--json", "a.png")) == [
        {"input": "a.png", "output": "a.aec", "skipped": True}
    ]
    succeed("compress", "-f", "a.png")
    assert (pictures / "a.aec").read_bytes() != b"mine"


def test_failure_keeps_the_old_output_even_with_force(pictures):
    (pictures / "bad.png").write_bytes(b"no picture")
    (pictures / "bad.aec").write_bytes(b"mine")
    assert aecodec("compress", "-f", "bad.png").exit_code == 1
    assert (pictures / "bad.aec").read_bytes() == b"mine"


def test_output_that_is_the_input_is_refused(files, samples):
    for arguments in (("compress", "a.aec"), ("decompress", "a.aec", "-o", "./a.aec")):
        result = aecodec(*arguments, "-f")
        assert result.exit_code == 1 and "same file" in result.stderr
    assert (files / "a.aec").read_bytes() == samples[1]["a"]


def test_direction_is_never_guessed(pictures):
    result = aecodec("decompress", "a.png", "-f")
    assert result.exit_code == 1 and "does not end in .aec" in result.stderr
    assert aecodec("decompress", "a.png", "-o", "out.png").exit_code == 1
    assert listing() == ["a.png", "b.png"]


def test_rm_removes_proved_inputs_only(pictures):
    (pictures / "bad.png").write_bytes(b"no picture")
    assert aecodec("compress", "--rm", "a.png", "bad.png").exit_code == 1
    assert listing() == ["a.aec", "b.png", "bad.png"]
    succeed("compress", "-k", "b.png")
    assert "b.png" in listing()
    result = aecodec("decompress", "--rm", "a.aec", "-o", "a.jpg")
    assert result.exit_code == 1 and "--rm would lose" in result.stderr and "a.jpg" not in listing()
    succeed("decompress", "--rm", "a.aec")
    assert listing() == ["a.png", "b.aec", "b.png", "bad.png"]


def test_rm_keeps_an_input_whose_output_does_not_decode(pictures, monkeypatch):
    from codec.errors import Corrupt

    def broken(*_, **__):
        raise Corrupt("the symbols are not those that were written")

    monkeypatch.setattr(codec.Codec, "scan", broken)
    result = aecodec("compress", "--rm", "a.png")
    assert result.exit_code == 1 and "symbols" in result.stderr
    assert listing() == ["a.png", "b.png"]


def test_skipped_input_is_not_removed(pictures):
    (pictures / "a.aec").write_bytes(b"mine")
    succeed("compress", "--rm", "-n", "a.png")
    assert listing() == ["a.aec", "a.png", "b.png"]


def test_failed_write_is_one_sentence(pictures):
    result = aecodec("compress", "a.png", "-o", "b.png/a.aec")
    assert (
        result.exit_code == 1 and result.stderr.startswith("aecodec: a.png: ") and len(result.stderr.splitlines()) == 1
    )


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

    monkeypatch.setattr(codec.Codec, "encode", broken)
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
