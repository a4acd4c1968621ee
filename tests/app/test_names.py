"""File names that are no UTF-8, and lists of names: read, written, said and kept in tables, whatever their bytes."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from conftest import photograph
from PIL import Image

import codec
from codec.app.cli import cli
from codec.app.jobs import read_list
from codec.app.report import passed_over
from codec.files.words import text

ODD = os.fsdecode(b"caf\xe9")
COMMAND = [sys.executable, "-P", "-m", "codec"]


def aecodec(*arguments):
    return CliRunner().invoke(cli, arguments, prog_name="aecodec")


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """A folder whose name and one of whose two pictures' are no UTF-8."""
    monkeypatch.chdir(tmp_path)
    os.mkdir(f"{ODD}")
    for seed, name in enumerate((f"{ODD}/{ODD}.png", f"{ODD}/plain.png")):
        Image.fromarray(photograph(40, 56, seed)).save(name)
    return tmp_path


def rows(path):
    parquet = pytest.importorskip("pyarrow.parquet")
    return parquet.read_table(io.BytesIO(Path(path).read_bytes())).to_pylist()


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_batch_there_and_back(tree, jobs):
    pytest.importorskip("fsspec")
    assert aecodec("batch", ODD, f"small{ODD}", "-j", jobs).exit_code == 0
    assert sorted(os.listdir(f"small{ODD}")) == sorted([f"{ODD}.aec", "manifest.parquet", "plain.aec"])
    first, second = rows(f"small{ODD}/manifest.parquet")
    assert first["source"].endswith("/caf\\xe9/caf\\xe9.png")
    assert first["output"].endswith("smallcaf\\xe9/caf\\xe9.aec") and second["output"].endswith("/plain.aec")
    assert first["error"] is None and first["bytes"] == os.path.getsize(f"small{ODD}/{ODD}.aec")
    done = aecodec("batch", f"small{ODD}", "back", "--decompress", "--json")
    assert done.exit_code == 0 and len(os.listdir("back")) == 3
    (record,) = [r for r in map(json.loads, done.stdout.splitlines()) if not r["input"].endswith("plain.aec")]
    assert os.path.exists(record["input"])  # as JSON every byte comes back
    os.truncate(f"small{ODD}/{ODD}.aec", 50)
    done = aecodec("batch", ODD, f"small{ODD}", "-j", jobs)
    assert done.exit_code == 1 and "exists already" in done.stderr
    assert [row["error"] is None for row in rows(f"small{ODD}/manifest.parquet")] == [False, True]


def test_batch_to_where_names_must_be_utf8(tree, monkeypatch):
    fsspec = pytest.importorskip("fsspec")
    memory = fsspec.get_filesystem_class("memory")
    pipe = memory.pipe_file
    monkeypatch.setattr(
        memory, "pipe_file", lambda self, path, *rest, **more: pipe(self, path.encode().decode(), *rest)
    )
    done = aecodec("batch", ODD, "memory://odd")
    assert done.exit_code == 1 and "its name holds bytes that are no UTF-8" in done.stderr
    assert sorted(fsspec.filesystem("memory").ls("/odd", detail=False)) == ["/odd/manifest.parquet", "/odd/plain.aec"]


def test_features_keep_names(tree):
    pytest.importorskip("pyarrow")
    pytest.importorskip("sklearn")
    from codec.latents import features

    assert aecodec("embed", "-r", ODD, "-o", f"{ODD}.parquet").exit_code == 0
    names, vectors, _ = features.load(f"{ODD}.parquet")
    assert names == [f"{ODD}/{ODD}.png", f"{ODD}/plain.png"] and vectors.shape[0] == 2
    assert [row["input"] for row in rows(f"{ODD}.parquet")] == ["caf\\xe9/caf\\xe9.png", "caf\\xe9/plain.png"]
    done = aecodec("similar", f"{ODD}/plain.png", f"{ODD}.parquet")
    assert done.exit_code == 0 and "plain" not in done.stdout and "caf\\udce9.png" in done.stdout
    assert aecodec("similar", "--duplicates", ODD).exit_code == 0
    file = io.BytesIO()
    features.save(file, ".parquet", ["a", "b"], np.zeros((2, 3), np.float32), "00000000")
    (tree / "plain.parquet").write_bytes(file.getvalue())
    assert list(rows("plain.parquet")[0]) == ["input", "features"]


def test_commands_say_odd_names(tree):
    """In real processes, whatever encoding their streams have: one line per file, no traceback, and outputs where
    they should be.
    """
    os.rename(ODD, "in")
    (tree / "in" / f"bad{ODD}.png").write_bytes(b"no picture")
    (tree / "in" / f"raw{ODD}.heic").write_bytes(b"")
    for name in ("Grüße", "plain"):
        os.rename(f"in/{ODD}.png" if name == "Grüße" else f"in/{name}.png", f"in/{name}{ODD}.png")
    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    for more in (["--json"], ["-v", "-j", "2"]):
        done = subprocess.run([*COMMAND, "compress", "-f", "-r", "in", *more], capture_output=True, env=environment)
        assert done.returncode == 1 and b"Traceback" not in done.stderr, done.stderr
        assert (
            b"raw" in done.stderr
            and b"bad" in done.stderr
            and done.stdout.count(b"\n") == (3 if more == ["--json"] else 0)
        )
    assert sum(name.endswith(".aec") for name in os.listdir("in")) == 2
    done = subprocess.run([*COMMAND, "verify", "-r", "in"], capture_output=True, env=environment)
    assert done.returncode == 0 and done.stdout.count(b": ok") == 2


def test_the_library_takes_odd_names(tree):
    data = codec.compress(f"{ODD}/{ODD}.png", device="cpu")
    Path(f"{ODD}.aec").write_bytes(data)
    assert codec.info(f"{ODD}.aec")["suffix"] == "png" and codec.decompress(
        os.fsencode(f"{ODD}.aec").decode("utf-8", "surrogateescape")
    ).size == (56, 40)
    with pytest.raises(codec.CodecError) as caught:
        codec.compress(f"{ODD}.png")
    str(caught.value).encode()


def test_autoencoders_take_odd_names(tree):
    pytest.importorskip("sklearn")
    for name in ("one", ODD):
        os.makedirs(f"data{ODD}/{name}")
        for seed in range(6):
            Image.fromarray(photograph(8, 8, seed)).save(f"data{ODD}/{name}/{seed}.png")
    done = aecodec("ae", "fit", f"data{ODD}", "--max-iter", "1", "-o", "m.safetensors", "--latent-dim", "2")
    assert done.exit_code == 0, done.output
    done = aecodec("ae", "report", f"data{ODD}", "-m", "m.safetensors", "-o", f"{ODD}.html")
    assert done.exit_code == 0 and b"caf\\\\xe9" in Path(f"{ODD}.html").read_bytes(), done.output


@pytest.mark.parametrize("data, names", [
    (b"a\nb\n", ["a", "b"]),
    (b"a\r\nb\r\n", ["a", "b"]),
    (b"a\r\nb", ["a", "b"]),
    (b"\xef\xbb\xbfa\r\nb\r\n", ["a", "b"]),
    (b"\xef\xbb\xbf", []),
    (b"a\r\nb\n", ["a\r", "b"]),
    (b"a\rb\n", ["a\rb"]),
    (b"a b\x0b\x0c\xc2\x85\n", ["a b\x0b\x0c\x85"]),
    (b"a\nb\0c\r\0", ["a\nb", "c\r"]),
    (b"\xff\xfe\ncaf\xe9\n", ["\udcff\udcfe", "caf\udce9"]),
    (b"\xff\xfe\0ab\0", ["\udcff\udcfe", "ab"]),
    ("\ufeffa\r\n\u0142 b\r\n".encode("utf-16-le"), ["a", "\u0142 b"]),
    ("\ufeffa\n\u0142\n".encode("utf-16-be"), ["a", "\u0142"]),
])  # fmt: skip
def test_lists_of_names(tmp_path, data, names):
    (tmp_path / "list").write_bytes(data)
    assert read_list(str(tmp_path / "list")) == names


def test_what_is_passed_over_is_counted_and_named():
    line = passed_over(["t/a.HEIC", "t/b.heic", "t/c.cr2", "../f.heic", "t/g", "t/h.nef", f"t/{ODD}.x"])
    assert line.startswith("aecodec: passed over 7 files that cannot be read as pictures (3 .heic, 1 .cr2, ")
    assert line.endswith("t/a.HEIC, t/b.heic, t/c.cr2, ../f.heic, t/g and 2 more") and "1 without a suffix" in line
    assert passed_over([]) == ""


def test_trees_say_what_they_pass_over(tree):
    os.makedirs(f"{ODD}/.git")
    for name in ("a.heic", "b.CR2", "notes", ".DS_Store", ".git/notes", "old.aec"):
        (tree / ODD / name).write_bytes(b"")
    lines = aecodec("compress", "-r", ODD).stderr.splitlines()
    assert len(lines) == 1 and "3 files" in lines[0] and "1 .heic" in lines[0] and "b.CR2" in lines[0]
    assert aecodec("compress", "-f", "-r", ODD, "--quiet").stderr == ""
    os.unlink(f"{ODD}/old.aec")
    assert aecodec("verify", "-r", ODD).stderr == "" == aecodec("decompress", "-r", ODD, "-o", "back/").stderr
    pytest.importorskip("fsspec")
    for _ in range(2):
        assert "3 files" in aecodec("batch", ODD, ODD).stderr


def test_text_is_utf8_and_leaves_utf8_alone():
    for name in ("a\nb", "Grüße 写真", "\\xe9"):
        assert text(name) == name
    assert text(ODD) == "caf\\xe9"
