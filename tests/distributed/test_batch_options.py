"""What `aecodec batch` is told: the options of compress and decompress, each in its direction."""

import json
import os
import stat
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner
from conftest import photograph
from PIL import Image

import codec
from codec.app.cli import cli

pytest.importorskip("fsspec")
pytest.importorskip("pyarrow.parquet")


@pytest.fixture(autouse=True)
def tree(tmp_path, monkeypatch):
    """A picture on its side, of 2001, for its owner only."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in" / "deep").mkdir(parents=True)
    exif = Image.Exif()
    exif[274] = 6
    Image.fromarray(photograph(40, 60)).save("in/deep/a.png", exif=exif)
    os.utime("in/deep/a.png", (10**9, 10**9))
    os.chmod("in/deep/a.png", 0o600)


def batch(*arguments):
    return CliRunner().invoke(cli, ["batch", *arguments], prog_name="aecodec")


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_times_and_permissions_there_and_back(jobs):
    Image.fromarray(photograph(30, 20)).save("in/b.png")
    assert batch("in", "out", "-p", "-j", jobs).exit_code == 0
    assert batch("out", "file://" + os.path.abspath("back"), "-p", "--decompress", "-j", jobs).exit_code == 0
    for path in ("out/deep/a.aec", "back/deep/a.png"):
        status = os.stat(path)
        assert (status.st_mtime, stat.S_IMODE(status.st_mode)) == (10**9, 0o600)
    assert batch("out", "again", "--decompress").exit_code == 0
    assert os.stat("again/deep/a.png").st_mtime > 10**9 + 1
    done = batch("in", "memory://preserved", "-p")
    assert done.exit_code == 2 and "directories of this machine" in done.stderr


def test_what_is_no_file_is_passed_over_or_left():
    """A FIFO keeps whoever reads it waiting."""
    os.mkfifo("in/b.png")
    os.mkdir("out")
    Image.fromarray(photograph(30, 20)).save("in/c.png")
    os.mkfifo("out/c.aec")
    done = batch("in", "out")
    assert done.exit_code == 1 and "c.aec exists already and is no file" in done.stderr
    assert "b.png" in done.stderr.splitlines()[-1] and os.path.exists("out/deep/a.aec")


def test_parts_of_pictures_and_what_is_stripped():
    assert batch("in", "out").exit_code == 0
    back = ["out", "back", "--decompress", "-f"]
    assert batch(*back, "--scale", "1/2", "--strip", "exif").exit_code == 0
    with Image.open("back/deep/a.png") as picture:
        assert picture.size == (20, 30) and not picture.getexif()
    assert batch(*back, "--crop", "5,6,7,8").exit_code == 0
    whole = np.asarray(codec.decompress(Path("out/deep/a.aec").read_bytes()))
    with Image.open("back/deep/a.png") as picture:
        assert np.array_equal(np.asarray(picture), whole[6:14, 5:12]) and picture.getexif()[274] == 6


def test_what_a_part_of_a_picture_measures():
    assert batch("in", "out").exit_code == 0
    done = batch("out", "back", "--decompress", "--crop", "5,6,7,8", "--json")
    again = batch("out", "back", "--decompress", "--crop", "5,6,7,8", "--json")  # it is there by now
    for record in map(json.loads, (done.stdout, again.stdout)):
        assert (record["width"], record["height"]) == (7, 8)


def test_json_has_no_infinity():
    """Though the PSNR of what is the same is infinite, in the manifest too."""
    import pyarrow.parquet

    done = batch("in", "out", "--psnr", "--lossless", "--json")
    refuse = lambda word: pytest.fail(f"{word} is no JSON")
    assert json.loads(done.stdout, parse_constant=refuse)["psnr"] is None
    assert pyarrow.parquet.read_table("out/manifest.parquet")["psnr"].to_pylist() == [float("inf")]


def test_what_is_missing_is_said():
    assert batch("in", "out", "--lossy").exit_code == 0
    whole = Path("out/deep/a.aec").read_bytes()
    Path("out/deep/b.aec").write_bytes(whole[: 3 * len(whole) // 4])
    refused = batch("out", "none", "--decompress", "--json")
    assert refused.exit_code == 1 and "b.aec: the file ends too early" in refused.stderr
    done = batch("out", "back", "--decompress", "--partial", "--json")
    lack = f"the last {len(whole) - 3 * len(whole) // 4} of {len(whole)} bytes are missing"
    first, second = map(json.loads, done.stdout.splitlines())
    assert done.exit_code == 0 and f"b.aec: {lack}" in done.stderr and "a.aec" not in done.stderr
    assert "missing" not in first and second["missing"].startswith(lack)


def test_what_is_damaged_is_said():
    assert batch("in", "out", "--lossy").exit_code == 0
    whole = Path("out/deep/a.aec").read_bytes()
    Path("out/deep/b.aec").write_bytes(whole[:-9] + bytes([whole[-9] ^ 1]) + whole[-8:])
    refused = batch("out", "none", "--decompress")
    assert refused.exit_code == 1 and os.listdir("none/deep") == ["a.png"]
    done = batch("out", "back", "--decompress", "--recover", "--json")
    lack = "the exif section is damaged and left out"
    first, second = map(json.loads, done.stdout.splitlines())
    assert done.exit_code == 1 and f"b.aec: {lack}" in done.stderr and "a.aec" not in done.stderr
    assert "damage" not in first and second["damage"][0].startswith(lack)
    with Image.open("back/deep/a.png") as one, Image.open("back/deep/b.png") as other:
        assert np.array_equal(np.asarray(one), np.asarray(other)) and one.getexif() and not other.getexif()


def test_every_option_of_both_commands_is_there():
    """But for those of inputs and outputs, of which batch has trees."""

    def words(name):
        command = cli.get_command(click.Context(cli), name)
        return {word for option in command.params for word in option.opts if word[:2] == "--"}

    of_files = {"--recursive", "--filelist", "--output", "--output-dir", "--stdout", "--no-clobber", "--keep", "--rm"}
    assert (words("compress") | words("decompress")) - words("batch") == of_files


def test_a_score():
    pytest.importorskip("ssimulacra2")
    assert batch("in", "out", "--ssimulacra2", "30").exit_code == 0
    assert os.path.getsize("out/deep/a.aec") < len(codec.compress("in/deep/a.png", quality=60))


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["--decompress", "-q", "60"], "--quality excludes --decompress"),
        (["--decompress", "--lossy"], "--lossless excludes --decompress"),
        (["--decompress", "--bpp", "1"], "--bpp excludes --decompress"),
        (["--scale", "1/2"], "--scale needs --decompress"),
        (["--crop", "0,0,1,1"], "--crop needs --decompress"),
        (["--fast"], "--fast needs --decompress"),
        (["--partial"], "--partial needs --decompress"),
        (["--recover"], "--recover needs --decompress"),
    ],
)
def test_each_option_has_its_direction(options, word):
    done = batch("in", "out", *options)
    assert done.exit_code == 2 and word in done.stderr
