"""Power, disks and signals: kills at random times, full and read-only disks, closed outputs, two writers.

No file is partial or lost.
"""

import io
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner
from conftest import photograph
from PIL import Image

import codec
from codec.app.cli import cli

COMMAND = [sys.executable, "-P", "-m", "codec"]
NOBODY = 65534  # root writes where others cannot


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """A picture and its file: large enough that both outputs need several pages of a disk."""
    file = io.BytesIO()
    Image.fromarray(photograph(300, 400)).save(file, "PNG")
    return {"a.png": file.getvalue(), "b.aec": codec.compress(photograph(300, 400, 1), 97)}


def aecodec(folder, *arguments):
    os.chdir(folder)
    return CliRunner().invoke(cli, arguments, prog_name="aecodec")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """The folder before the test comes back after it."""
    monkeypatch.chdir(tmp_path)


def listing(folder):
    return {path.name: path.read_bytes() for path in Path(folder).iterdir() if path.is_file()}


def refused(done, name, word):
    """One sentence that names the input and the reason, exit code 1, nothing on stdout."""
    assert done.exit_code == 1 and done.stdout == ""
    assert (
        done.stderr.startswith(f"aecodec: {name}: ") and len(done.stderr.splitlines()) == 1 and word in done.stderr
    ), done.stderr


@pytest.mark.parametrize(
    "campaign, options",
    [("kills", ["--forked", "--count", "9", "--seed", str(time.time_ns())]), ("writers", ["--rounds", "2"])],
)
def test_campaigns_in_short(campaign, options):
    """Their figures in full length are in tests/campaigns/log.jsonl. In processes of their own: they fork."""
    command = [sys.executable, "-m", f"tests.campaigns.{campaign}", *options]
    done = subprocess.run(
        command,
        cwd=Path(__file__).parents[2],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert f'{{"campaign": "{campaign}"' in done.stdout


# Full disks


@pytest.fixture
def small_disk(tmp_path):
    """A folder on a disk of 64 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], capture_output=True).returncode:
        pytest.skip("a small disk cannot be mounted here")
    yield folder
    subprocess.run(["umount", folder], check=True)


@pytest.mark.parametrize(
    "arguments, name, target", [(["compress", "-q", "97"], "a.png", "a.aec"), (["decompress"], "b.aec", "b.png")]
)
@pytest.mark.parametrize("old", [None, b"an older file"])
def test_full_disk(arguments, name, target, old, sources, small_disk, tmp_path):
    (tmp_path / name).write_bytes(sources[name])
    (small_disk / "filler").write_bytes(bytes(52 << 10))
    if old:
        (small_disk / target).write_bytes(old)
    before = listing(small_disk)
    refused(aecodec(tmp_path, *arguments, "-f", "-o", "disk/", name), name, f"disk/{target}: no space left on device")
    assert listing(small_disk) == before and (tmp_path / name).read_bytes() == sources[name]


@pytest.mark.parametrize(
    "arguments, name, target",
    [(["compress", "-q", "97", "--rm"], "a.png", "a.aec"), (["decompress", "--rm"], "b.aec", "b.png")],
)
def test_limit_of_file_sizes(arguments, name, target, sources, tmp_path):
    (tmp_path / name).write_bytes(sources[name])
    (tmp_path / target).write_bytes(b"an older file")
    before = listing(tmp_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        done = aecodec(tmp_path, *arguments, "-f", name)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    refused(done, name, f"{target}: file too large")
    assert listing(tmp_path) == before


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
def test_full_output(sources, tmp_path):
    (tmp_path / "a.png").write_bytes(sources["a.png"])
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [*COMMAND, "compress", "a.png", "-c"], cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, text=True
        )
        assert done.returncode == 1 and done.stderr == "aecodec: a.png: no space left on device\n"
        (tmp_path / "b.aec").write_bytes(sources["b.aec"])
        done = subprocess.run(
            [*COMMAND, "info", "b.aec", "--json"], cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, text=True
        )
    assert done.returncode == 1 and "Traceback" not in done.stderr and len(done.stderr.splitlines()) <= 1
    refused(aecodec(tmp_path, "compress", "a.png", "-o", "/dev/full"), "a.png", "no space left on device")
    assert aecodec(tmp_path, "compress", "-f", "a.png", "-o", "/dev/null").exit_code == 0


# Read-only folders


@contextmanager
def permissions():
    """As somebody for whom they count: root writes everywhere."""
    root = os.geteuid() == 0
    if root:
        os.setegid(NOBODY)
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
            os.setegid(0)


def test_read_only_folder(sources):
    folder = tempfile.mkdtemp(prefix="aecodec-read-only-")  # pytest's own folders are closed to others
    try:
        for name, data in {**sources, "b.png": b"an older file"}.items():
            Path(folder, name).write_bytes(data)
            os.chmod(Path(folder, name), 0o444)
        os.chmod(folder, 0o555)
        before = listing(folder)
        with permissions():
            refused(aecodec(folder, "compress", "a.png"), "a.png", "a.aec: permission denied")
            refused(aecodec(folder, "decompress", "-f", "b.aec"), "b.aec", "b.png: permission denied")
            refused(aecodec(folder, "compress", "a.png", "-o", "new/"), "a.png", "new: permission denied")
        assert listing(folder) == before
        os.chmod(Path(folder, "a.png"), 0)
        with permissions():
            refused(aecodec(folder, "compress", "a.png", "-o", "/dev/null"), "a.png", "permission denied")
    finally:
        os.chmod(folder, 0o755)
        shutil.rmtree(folder)


def test_rm_where_the_input_cannot_be_removed(sources):
    """The output is whole, the input is kept, and a sentence says so."""
    folder = tempfile.mkdtemp(prefix="aecodec-read-only-")
    try:
        Path(folder, "in").mkdir()
        Path(folder, "out").mkdir()
        Path(folder, "in", "a.png").write_bytes(sources["a.png"])
        os.chmod(folder, 0o755)
        os.chmod(Path(folder, "in"), 0o555)
        os.chmod(Path(folder, "out"), 0o777)
        with permissions():
            refused(aecodec(folder, "compress", "--rm", "in/a.png", "-o", "out/"), "in/a.png", "permission denied")
        assert listing(Path(folder, "in")) == {"a.png": sources["a.png"]}
        assert codec.info(Path(folder, "out", "a.aec"))["width"] == 400
    finally:
        os.chmod(Path(folder, "in"), 0o755)
        shutil.rmtree(folder)


# Links


def test_output_through_links(sources, tmp_path):
    """A link as output is written through; one that is the input is refused; a dangling one counts as existing."""
    (tmp_path / "a.png").write_bytes(sources["a.png"])
    (tmp_path / "precious").write_bytes(b"precious")
    (tmp_path / "a.aec").symlink_to("precious")
    refused(aecodec(tmp_path, "compress", "a.png"), "a.png", "exists already")
    assert aecodec(tmp_path, "compress", "-f", "a.png").exit_code == 0
    assert (tmp_path / "a.aec").is_symlink() and codec.info(tmp_path / "precious")["width"] == 400
    (tmp_path / "b.aec").symlink_to("a.png")
    refused(aecodec(tmp_path, "compress", "-f", "a.png", "-o", "b.aec"), "a.png", "same file")
    (tmp_path / "c.aec").symlink_to("nowhere")
    refused(aecodec(tmp_path, "compress", "a.png", "-o", "c.aec"), "a.png", "exists already")
    (tmp_path / "folder").symlink_to(tmp_path, target_is_directory=True)
    refused(aecodec(tmp_path, "compress", "-f", "a.png", "-o", "folder/a.png"), "a.png", "same file")
    assert (tmp_path / "a.png").read_bytes() == sources["a.png"]
