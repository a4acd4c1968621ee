"""`aecodec batch`: trees from URL to URL, here and on a real Ray cluster of several processes, some of which are
killed.
"""

import hashlib
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from conftest import photograph, psnr
from PIL import Image

import codec
from codec.app.cli import cli
from codec.distributed.transfer import Settings, Transfer, read, write

fsspec = pytest.importorskip("fsspec")
parquet = pytest.importorskip("pyarrow.parquet")


@pytest.fixture
def source(tmp_path, monkeypatch):
    """A tree of pictures, one of them broken."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in" / "deep").mkdir(parents=True)
    for seed in range(10):
        Image.fromarray(photograph(200, 300, seed)).save(tmp_path / "in" / ("deep" if seed % 3 else "") / f"{seed}.png")
    (tmp_path / "in" / "bad.png").write_bytes(b"no picture")
    (tmp_path / "in" / "notes.txt").write_bytes(b"no picture either")
    return tmp_path


def aecodec(*arguments):
    return CliRunner().invoke(cli, ["batch", *map(str, arguments)], prog_name="aecodec")


def manifest(url):
    return {row["source"]: row for row in parquet.read_table(io.BytesIO(read(str(url)))).to_pylist()}


def check(folder, rows, psnr_asked=False):
    """Every picture has one row and one whole output with the bytes that it has anywhere, the broken one a sentence;
    nothing else is there.
    """
    outputs = {
        path.relative_to(folder / "out"): path
        for path in (folder / "out").rglob("*")
        if path.is_file() and not path.name.endswith(".part")
    }
    assert outputs.pop(Path("manifest.parquet"))
    pictures = sorted((folder / "in").rglob("*.png"))
    assert sorted(rows) == sorted(map(str, pictures)) and len(outputs) == len(pictures) - 1
    coder = codec.Codec(device="cpu")
    for picture in pictures:
        row = rows[str(picture)]
        if picture.name == "bad.png":
            assert "not a picture" in row["error"] and row["bytes"] is row["sha256"] is None
            continue
        data = outputs[picture.relative_to(folder / "in").with_suffix(".aec")].read_bytes()
        assert data == coder.encode(picture) and row["error"] is None
        assert (row["bytes"], row["sha256"], row["width"], row["height"]) == (
            len(data),
            hashlib.sha256(data).hexdigest(),
            300,
            200,
        )
        assert row["bpp"] == pytest.approx(8 * len(data) / 60000, abs=1e-6)
        assert not psnr_asked or row["psnr"] == pytest.approx(
            psnr(np.asarray(Image.open(picture)), coder.decode(data)), abs=1e-3
        )


# On this machine


def test_a_tree_here_and_back(source):
    done = aecodec("in", "out", "--psnr", "--json")
    assert done.exit_code == 1 and done.stderr.count("\n") == 2 and "bad.png: this is not a picture" in done.stderr
    assert done.stderr.endswith("passed over one file that cannot be read as pictures (1 .txt): notes.txt\n")
    check(source, rows := manifest("out/manifest.parquet"), psnr_asked=True)
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert [record["input"] for record in records] == sorted(rows) and {
        "output",
        "bytes",
        "bpp",
        "psnr",
        "sha256",
        "seconds",
    } <= records[1].keys()
    done = aecodec("in", "out")  # once more: nothing is done again, and the manifest is the same
    again = manifest("out/manifest.parquet")
    assert done.exit_code == 1 and all(row["seconds"] is None for row in again.values())
    assert {name: row["sha256"] for name, row in again.items()} == {name: row["sha256"] for name, row in rows.items()}
    assert aecodec("out", "back", "--decompress", "--format", "webp").exit_code == 0
    assert sorted(path.name for path in Path("back").rglob("*.webp")) == [f"{seed}.webp" for seed in range(10)]
    assert (
        manifest("back/manifest.parquet")[str(source / "out" / "0.aec")]["sha256"]
        == hashlib.sha256(Path("back/0.webp").read_bytes()).hexdigest()
    )


def test_urls_and_what_stands_there():
    """In a file system of this process's memory."""
    store = fsspec.filesystem("memory")
    file = io.BytesIO()
    Image.fromarray(photograph(40, 60)).save(file, "PNG")
    for name in ("a/b.png", "c.png"):
        store.pipe_file(f"/in/{name}", file.getvalue())
    store.pipe_file("/out/c.aec", b"mine")
    done = aecodec("memory://in", "memory://out/", "--manifest", "memory://x.parquet")
    assert (
        done.exit_code == 1
        and "exists already and is no such output, -f overwrites it" in done.stderr
        and done.stderr.count("\n") == 1
    )
    assert (
        store.cat_file("/out/a/b.aec") == codec.compress(file.getvalue(), device="cpu")
        and store.cat_file("/out/c.aec") == b"mine"
    )
    assert {row["output"]: row["error"] is None for row in manifest("memory://x.parquet").values()} == {
        "memory://out/a/b.aec": True,
        "memory://out/c.aec": False,
    }
    assert aecodec("memory://in", "memory://out", "-f").exit_code == 0
    assert store.cat_file("/out/c.aec") == store.cat_file("/out/a/b.aec")
    store.pipe_file("/out/c.aec", store.cat_file("/out/c.aec")[:-1])
    assert aecodec("memory://in", "memory://out").exit_code == 1
    store.pipe_file("/in/c.JPG", b"")
    done = aecodec("memory://in", "memory://other")
    assert done.exit_code == 1 and done.stderr.count("would become memory://other/c.aec, and so would") == 2
    rows = manifest("memory://other/manifest.parquet").values()
    assert [row["error"] is None for row in rows] == [True, False, False] and store.exists("/other/a/b.aec")


def test_outputs_appear_whole_where_files_can_be_renamed(monkeypatch):
    from fsspec.implementations.memory import MemoryFileSystem

    monkeypatch.setattr(MemoryFileSystem, "protocol", ("memory", "sftp"))
    store = fsspec.filesystem("memory")
    moved, move = [], MemoryFileSystem.mv
    monkeypatch.setattr(MemoryFileSystem, "mv", lambda self, *names: (moved.append(names), move(self, *names)))
    write("memory://renamed/a", b"whole", False)
    assert len(moved) == 1 and ".aecodec-" in moved[0][0] and store.ls("/renamed", detail=False) == ["/renamed/a"]
    with pytest.raises(FileExistsError):
        write("memory://renamed/a", b"other", False)
    monkeypatch.setattr(MemoryFileSystem, "mv", lambda *_: (_ for _ in ()).throw(OSError("gone")))
    with pytest.raises(OSError, match="gone"):
        write("memory://renamed/a", b"other", True)
    assert store.cat_file("/renamed/a") == b"whole" and store.ls("/renamed", detail=False) == ["/renamed/a"]


def test_of_two_attempts_one_is_kept(source, monkeypatch):
    """Both find nothing there; the second to be ready takes what the first made."""
    first, second = [Transfer(Settings(device="cpu")) for _ in range(2)]
    made = second._made
    target = str(source / "out.aec")
    monkeypatch.setattr(second, "_made", lambda name: (first.row(name, target), made(name))[1])
    row = second.row(str(source / "in" / "0.png"), target)
    assert (
        row["error"] is None
        and row["seconds"] is None
        and row["sha256"] == hashlib.sha256(Path(target).read_bytes()).hexdigest()
    )


def test_files_of_a_given_size(source):
    assert aecodec("in", "out", "--bpp", "0.4", "--json").exit_code == 1
    assert all(row["error"] or 0.388 < row["bpp"] <= 0.4 for row in manifest("out/manifest.parquet").values())
    assert aecodec("in", "small", "--target-size", "1.5kB").exit_code == 1
    assert all(row["error"] or 1480 < row["bytes"] <= 1500 for row in manifest("small/manifest.parquet").values())


@pytest.mark.parametrize(
    "arguments, code, word",
    [
        (["in", "out", "--bpp", "1", "-q", "9"], 2, "--bpp excludes -q"),
        (["in", "out", "--actors", "2"], 2, "need --ray"),
        (["in", "out", "--ray", "-j", "2"], 2, "instead of -j"),
        (["in", "out", "--decompress", "--psnr"], 2, "original"),
        (["in", "out", "--decompress", "--format", "xyz"], 2, "xyz"),
        (["nowhere", "out"], 1, "nowhere: is not a directory"),
        (["in/notes.txt", "out"], 1, "is not a directory"),
        (["in", "out", "--decompress"], 1, "in: holds no file"),
        (["nosuch://x/y", "out"], 1, "nosuch"),
        (["in", "out", "-m", "none"], 1, "none"),
        (["in"], 2, "DST"),
    ],
)
def test_wrong_usage(source, arguments, code, word):
    done = aecodec(*arguments)
    assert (
        done.exit_code == code and word in done.stderr and "Traceback" not in done.stderr and not Path("out").exists()
    )
    assert code == 2 or done.stderr.count("\n") == 1


# On a cluster


@pytest.fixture(scope="module")
def ray():
    """A cluster of this machine; processes of it import codec from where this one does."""
    ray = pytest.importorskip("ray")
    path = os.pathsep.join(filter(None, [str(Path(codec.__file__).parents[1]), os.environ.get("PYTHONPATH")]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", path)
        ray.init(address="local", num_cpus=4, include_dashboard=False, object_store_memory=2**27, log_to_driver=False)
        yield ray
        ray.shutdown()


def actors():
    """Process ids of the actors that hold a model."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if path.read_bytes().startswith(b"ray::MapWorker(MapBatches(Counted)"):
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def some_outputs(folder, going_on=lambda: True, count=2):
    began = time.monotonic()
    while len(list((folder / "out").rglob("*.aec"))) < count:
        assert time.monotonic() - began < 120 and going_on()
        time.sleep(0.01)


@pytest.fixture
def much(source):
    """So many pictures that a busy machine has not done them all before the test looks."""
    for more in range(3):
        shutil.copytree(source / "in" / "deep", source / "in" / f"more{more}")
    return source


@pytest.mark.skipif(sys.platform != "linux", reason="processes are looked up in /proc")
def test_a_killed_worker_loses_and_doubles_nothing(much, ray):
    source, killed = much, []

    def kill():
        some_outputs(source)
        for process in actors()[:1]:
            os.kill(process, signal.SIGKILL)
            killed.append(len(list((source / "out").rglob("*.aec"))))

    killer = threading.Thread(target=kill)
    killer.start()
    done = aecodec("in", f"file://{source}/out", "--ray", "--actors", 2, "--json")
    killer.join()
    assert killed and killed[0] < 28, "it was killed in the middle"
    assert done.exit_code == 1 and done.stderr.count("\n") == 2 and "bad.png: this is not a picture" in done.stderr
    check(source, manifest("out/manifest.parquet"))
    records = [json.loads(line) for line in done.stdout.splitlines()]
    assert sorted(record["input"] for record in records) == sorted(map(str, (source / "in").rglob("*.png")))


def test_a_killed_driver_goes_on(much, ray):
    source = much
    command = [
        sys.executable,
        "-P",
        "-m",
        "codec",
        "batch",
        "in",
        "out",
        "--ray",
        "--actors",
        "2",
        "--address",
        ray.get_runtime_context().gcs_address,
    ]
    driver = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    some_outputs(source, lambda: driver.poll() is None)
    driver.kill()
    driver.wait()
    before = {path: path.stat().st_mtime_ns for path in (source / "out").rglob("*.aec")}
    assert 2 <= len(before) < 28 and not (source / "out" / "manifest.parquet").exists()
    assert aecodec("in", "out", "--ray", "--actors", 2).exit_code == 1
    check(source, rows := manifest("out/manifest.parquet"))
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert all(row["seconds"] is None for row in rows.values() if Path(row["output"]) in before)


def test_a_file_that_kills_its_workers_is_given_up(ray, source):
    from codec.distributed.cluster import RETRIES, Attempts, Counted

    attempts = ray.remote(Attempts).options(num_cpus=0).remote()
    counted = Counted(Settings(device="cpu"), attempts)
    for _ in range(RETRIES):  # those that died
        ray.get(attempts.begin.remote("in/0.png"))
    assert counted.row("in/0.png", "out/0.aec")["error"] == "3 worker processes died of it" and not Path("out").exists()
    for _ in range(RETRIES + 1):
        assert counted.row("in/3.png", "out/3.aec")["error"] is None


def test_the_classes_in_a_pipeline_of_ones_own(source, ray):
    from codec.distributed.cluster import Compressor, Decompressor

    photos = [{"path": str(path), "bytes": path.read_bytes()} for path in sorted((source / "in").rglob("*.png"))]
    # Rows as read_binary_files gives them, which starts a process per core to read.
    dataset = ray.data.from_items(photos, override_num_blocks=2)
    rows = dataset.map_batches(
        Compressor,
        fn_constructor_kwargs={"quality": 40},
        compute=ray.data.ActorPoolStrategy(size=1),
        num_cpus=1,
        batch_size=4,
    ).take_all()
    assert sorted(row["path"] for row in rows) == [photo["path"] for photo in photos]
    coder = codec.Codec(device="cpu", threads=1)  # as the actor has: other sums round otherwise now and then
    images = Decompressor(device="cpu")({"aec": np.array([row["aec"] for row in rows], object)})
    for row, image, error in zip(rows, images["image"], images["error"]):
        if row["path"].endswith("bad.png"):
            assert row["aec"] is image is None and "not a picture" in row["error"] and "no .aec data" in error
        else:
            assert row["aec"] == coder.encode(row["bytes"], 40) and row["error"] is error is None
            assert np.array_equal(image, coder.decode_picture(row["aec"]).pixels)


def test_arrays_and_files_without_ray():
    from codec.distributed.cluster import Compressor, Decompressor

    pictures = np.empty(2, object)
    pictures[:] = [photograph(40, 60), photograph(30, 20, channels=1)]
    coded = Compressor(quality=80, device="cpu")({"image": pictures, "label": np.arange(2)})
    assert coded["label"].tolist() == [0, 1] and coded["error"].tolist() == [None, None] and (coded["bpp"] > 0).all()
    files = Decompressor(device="cpu", format="png")({"aec": coded["aec"]})["image"]
    assert [Image.open(io.BytesIO(file)).size for file in files] == [(60, 40), (20, 30)]
    with pytest.raises(codec.CodecError):
        Compressor(model="none")


def test_a_cluster_without_what_it_takes_is_one_sentence(source, ray):
    done = aecodec("in", "out", "--ray", "--num-gpus", 1)
    assert done.exit_code == 1 and done.stderr == "aecodec: the cluster has 0 GPUs, and an actor needs 1\n"
