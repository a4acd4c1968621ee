"""The benchmark: points are what the files really are, runs repeat and resume, BD-rate is right and never extrapolates,
comparison fails when it must."""

import math
import sys

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("bjontegaard")
pytest.importorskip("pytorch_msssim")
import benchmark_run
from benchmark_run import QUALITIES, invoke, measured, photograph

from benchmarks import __main__ as cli
from benchmarks import bdrate, codecs, data, machine, record, speed, stages
from benchmarks import run as points

folder = pytest.fixture(scope="module")(benchmark_run.folder)
run = pytest.fixture(scope="module")(benchmark_run.run)
SETTINGS = {
    "jpeg": dict(format="JPEG", optimize=True, progressive=True, subsampling=2),
    "webp": dict(format="WEBP", method=6),
}


def values(run):
    return [{k: v for k, v in p.items() if not k.endswith("_s")} for p in run["points"]]


# Points


def test_points_are_those_of_real_files(folder, run, tmp_path):
    assert len(run["points"]) == 2 * 2 * 4 and not run["failures"]
    for p in run["points"]:
        image = Image.open(folder / p["image"])
        path = tmp_path / "file"
        image.save(path, quality=p["quality"], **SETTINGS[p["codec"]])
        assert p["bytes"] == path.stat().st_size and p["bpp"] == 8 * p["bytes"] / (192 * 176)
        a, b = [np.asarray(i.convert("RGB"), np.float64) for i in (image, Image.open(path))]
        assert p["psnr"] == pytest.approx(10 * np.log10(255**2 / ((a - b) ** 2).mean()), abs=1e-9)
        luma = np.asarray(image.convert("RGB"), np.float64) - b
        luma = 0.299 * luma[..., 0] + 0.587 * luma[..., 1] + 0.114 * luma[..., 2]
        assert p["psnr_y"] == pytest.approx(10 * np.log10(255**2 / (luma**2).mean()), abs=1e-9)
        assert 0.5 < p["msssim"] < 1 and p["ssimulacra2"] is None and p["encode_s"] > 0


def test_curves_are_means_of_pictures(run):
    for c in run["curves"]:
        same = [p for p in run["points"] if (p["codec"], p["quality"]) == (c["codec"], c["quality"])]
        assert c["pictures"] == len(same) == 2
        assert c["psnr"] == pytest.approx(sum(p["psnr"] for p in same) / 2)
        assert c["msssim_db"] == pytest.approx(-10 * math.log10(1 - sum(p["msssim"] for p in same) / 2))


def test_two_runs_are_equal_and_so_are_two_processes(folder, run, tmp_path):
    again = measured(folder, tmp_path / "again.json", "-j", "2", "--metrics", "psnr")
    exact = lambda run: [(p["image"], p["codec"], p["quality"], p["bytes"], p["psnr"]) for p in run["points"]]
    assert exact(again) == exact(run) and again["points"][0]["msssim"] is None


def test_ours_is_measured_through_its_files(folder, tmp_path, on_torch):
    codec = pytest.importorskip("codec")
    try:
        ours = codecs.build("aec")
    except codecs.Unavailable as error:
        pytest.skip(str(error))
    invoke(
        "run",
        "--images",
        folder / "p1.png",
        "--codecs",
        "aec",
        "--qualities",
        "aec=10,80.5",
        "--no-speed",
        "--out",
        tmp_path / "r.json",
    )
    found = {p["quality"]: p["bytes"] for p in record.read(tmp_path / "r.json")["points"]}
    assert found == {
        q: len(codec.compress(folder / "p1.png", quality=q, strip=("all",), device="cpu")) for q in (10, 80.5)
    }
    profile = stages.profile(ours, "p1.png", photograph(1), 50, repeats=1)
    for way, transform in (("encode", "analysis"), ("decode", "synthesis")):
        rows = {row["stage"]: row for row in profile[way]}
        assert sum(row["seconds"] for row in profile[way]) == pytest.approx(2 * rows["whole"]["seconds"])
        assert ours._codec.engine.device != "cpu" or {transform, "container", "rest"} < rows.keys()
    ours._codec = on_torch  # whose stages are finer, and whose operations can be counted
    profile = stages.profile(ours, "p1.png", photograph(1), 50, repeats=1)
    for way in ("encode", "decode"):
        rows = {row["stage"]: row for row in profile[way]}
        assert sum(row["seconds"] for row in profile[way]) == pytest.approx(2 * rows["whole"]["seconds"])
        assert {"prior", "rANS", "container", "rest"} < rows.keys() and rows["prior"]["gflop"] > 0
        assert 1 < rows["whole"]["gflop"] * 1e9 / 2 / (192 * 176) / 1e3 < 200  # kMAC per pixel
    entry = speed.on_device(ours, [photograph(1)], 50, 1, 2, stages.Clock(ours))
    assert entry["batch"] == 2 and all(
        sum(entry["stages"][way].values()) == pytest.approx(1) for way in ("encode", "decode")
    )
    assert all(row["stage"] in {*stages.GROUPS, "container", "pixels", "rest", "whole"} for row in profile["encode"])


def test_the_clock_tells_transfers_between_devices_from_other_conversions(monkeypatch):
    torch, ours = pytest.importorskip("torch"), codecs.build("aec")
    from codec.engine.torch.device import moved
    from codec.stages import stage

    seconds = iter(range(1000))
    monkeypatch.setattr(stages.time, "perf_counter", lambda: next(seconds))  # each look at the clock takes a second
    clock, x, meta = stages.Clock(ours), torch.zeros(3), torch.device("meta")
    with clock.running() as totals:
        for here in ("cpu", "cpu:0"):
            assert moved(x, torch.device(here)) is x
        assert totals == {}
        moved(x, meta), moved(x, meta)
    assert totals == {"transfer": [2, 0]}
    moved(x, meta)
    assert totals == {"transfer": [2, 0]}  # the clock is taken off again
    with clock.running() as totals, stage("prior"):
        moved(x, meta)
    assert totals == {"transfer": [1, 0], "prior": [2, 0]}  # before and after


@pytest.mark.parametrize("device", ["cpu:0", "cuda"])
def test_batches_on_a_device(folder, tmp_path, device):
    """cpu:0 is the processor by a name that the benchmark takes for an accelerator: the same way through the code,
    without transfers.
    """
    torch = pytest.importorskip("torch")
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("no CUDA device; the same code is tested with the processor as the device")
    out = tmp_path / "r.json"
    reply = invoke(
        "run",
        "--images",
        folder / "p1.png",
        "--codecs",
        "aec",
        "--qualities",
        "aec=60",
        "--metrics",
        "psnr",
        "--repeats",
        1,
        "--no-cold",
        "--device",
        device,
        "--batch",
        2,
        "--out",
        out,
    )
    entries = [s for s in record.read(out)["speed"] if s["device"] == device]
    assert (
        [s["batch"] for s in entries] == [1, 2]
        and f"aec {device}, 2 at once" in reply.output
        and "transfer" in reply.output
    )
    for s in entries:
        for shares in s["stages"].values():
            assert (
                sum(shares.values()) == pytest.approx(1)
                and min(shares[group] for group in ("transform", "prior", "rans")) > 0
            )
            assert (shares["transfer"] > 0) == (device == "cuda")


# Runs that are repeated, interrupted, or meet bad pictures


def test_a_second_run_measures_only_what_is_new(folder, tmp_path, monkeypatch):
    out = tmp_path / "run.json"
    first = measured(folder, out)
    done = []
    work = points.work
    monkeypatch.setattr(points, "work", lambda task: done.append((task.name, task.codec, task.qualities)) or work(task))
    assert measured(folder, out)["points"] == first["points"] and not done  # even the times are the earlier ones
    invoke(
        "run",
        "--images",
        folder,
        "--codecs",
        "jpeg,webp",
        *QUALITIES,
        "--qualities",
        "jpeg=20,40,60,80,95",
        "--no-speed",
        "--out",
        out,
    )
    assert done == [("p1.png", "jpeg", (95,)), ("p2.png", "jpeg", (95,))]
    done.clear()
    assert all(p["psnr_y"] is None for p in measured(folder, out, "--metrics", "psnr,msssim")["points"])
    assert all(p["psnr_y"] for p in measured(folder, out)["points"]) and len(done) == 8
    done.clear()
    monkeypatch.setattr(codecs.Pillow, "versions", property(lambda self: {"pillow": "another"}))
    measured(folder, out)
    assert len(done) == 4
    monkeypatch.setattr(
        machine, "describe", lambda threads, describe=machine.describe: {**describe(threads), "cpu": "another"}
    )
    measured(folder, out)
    assert len(done) == 8


def test_an_interrupted_run_goes_on(folder, run, tmp_path, monkeypatch):
    out, work, calls = tmp_path / "run.json", points.work, []

    def interrupted(task):
        calls.append(task)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return work(task)

    monkeypatch.setattr(points, "work", interrupted)
    invoke("run", "--images", folder, "--codecs", "jpeg,webp", *QUALITIES, "--no-speed", "--out", out, code=None)
    journal = record.Journal(out)
    assert not out.exists() and len(journal.read()) == 8
    with open(journal.path, "a") as file:
        file.write('\n{"image": "p1.png", "cod')  # as a power cut leaves it
    resumed = measured(folder, out)
    assert len(calls) == 3 + 2 and values(resumed) == values(run) and not journal.path.exists()


def test_bad_pictures_are_reported_and_the_rest_is_measured(folder, run, tmp_path):
    good, text, cut, clear = (tmp_path / n for n in ("p1.png", "text.png", "cut.png", "clear.png"))
    good.write_bytes((folder / "p1.png").read_bytes())
    text.write_text("no picture")
    cut.write_bytes(good.read_bytes()[:3000])
    Image.new("RGBA", (200, 200), (1, 2, 3, 100)).save(clear)
    result = measured(tmp_path, tmp_path / "out" / "run.json", code=1)
    assert [f["image"] for f in result["failures"]] == ["clear.png", "cut.png", "text.png"]
    assert all(f["error"].startswith(f["image"]) and "\n" not in f["error"] for f in result["failures"])
    assert values(result) == [p for p in values(run) if p["image"] == "p1.png"]


def test_a_codec_that_fails_once_loses_one_point(folder, monkeypatch, tmp_path):
    encode, bad = codecs.Pillow.encode, data.load(folder / "p2.png")

    def failing(self, image, quality):
        return 1 / 0 if (self.name, quality, image) == ("webp", 40, bad) else encode(self, image, quality)

    monkeypatch.setattr(codecs.Pillow, "encode", failing)
    result = measured(folder, tmp_path / "run.json", code=1)
    assert len(result["points"]) == 15
    assert [tuple(f.values()) for f in result["failures"]] == [
        ("p2.png", "webp", 40, "ZeroDivisionError: division by zero")
    ]
    # a mean over fewer pictures would not be comparable
    assert [c["quality"] for c in result["curves"] if c["codec"] == "webp"] == [10, 70, 90]
    assert len(bdrate.curves(result["points"], "psnr")["webp"][0]) == 3


def test_a_cut_journal_line_harms_no_other(tmp_path):
    journal = record.Journal(tmp_path / "r.json")
    journal.add([{"a": 1}, {"a": 2}])
    with open(journal.path, "r+") as file:
        file.truncate(journal.path.stat().st_size - 3)
    journal.add([{"a": 3}])
    assert journal.read() == [{"a": 1}, {"a": 3}]


def test_small_pictures_have_no_msssim(tmp_path):
    photograph(3, 100, 90).save(tmp_path / "small.png")
    first = measured(tmp_path, tmp_path / "out.json")
    assert all(p["msssim"] is None and p["psnr"] for p in first["points"])
    assert measured(tmp_path, tmp_path / "out.json")["points"] == first["points"]


@pytest.mark.parametrize(
    "arguments", [["--codecs", "gif"], ["--qualities", "jpeg=ten"], ["--metrics", "vmaf"], ["--avif-speed", "11"]]
)
def test_wrong_usage(folder, tmp_path, arguments):
    invoke("run", "--images", folder, "--no-speed", "--out", tmp_path / "r.json", *arguments, code=2)


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (["--qualities", "jpeg=101"], "jpeg takes whole qualities 1..100, not 101"),
        (["--qualities", "webp=1.5"], "webp takes whole"),
        (["--images", "absent"], "there is no file or folder absent"),
        (["--device", "cuda:99"], "there is no device cuda:99;"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_sentence(folder, tmp_path, monkeypatch, capsys, arguments, sentence):
    command = [
        "run",
        "--images",
        str(folder),
        "--codecs",
        "jpeg,webp",
        "--no-speed",
        "--out",
        str(tmp_path / "r.json"),
        *arguments,
    ]
    monkeypatch.setattr(sys, "argv", ["benchmarks", *command])
    with pytest.raises(SystemExit) as end:
        cli.guarded()
    error = capsys.readouterr().err
    assert end.value.code == 1 and sentence in error and error.count("\n") == 1 and not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["jpeg444", "avif", "avif444", "jpeg2000", "jxl"])
def test_every_format_gives_a_rising_curve(name):
    try:
        codec = codecs.build(name)
    except codecs.Unavailable as error:
        pytest.skip(str(error))
    image = photograph(1)
    results = [points.point(codec, image, q, ("psnr",)) for q in (codec.qualities[1], codec.qualities[-2])]
    assert results[0]["bytes"] < results[1]["bytes"] and results[0]["psnr"] + 3 < results[1]["psnr"]
