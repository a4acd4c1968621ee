"""The quick verdict, and what it says of single pictures: means, intervals, the worst; the anchors of its tables."""

import io
import re

import numpy as np
import pytest
from click.testing import CliRunner
from conftest import photograph
from PIL import Image

pytest.importorskip("bjontegaard")
pytest.importorskip("pytorch_msssim")

from benchmarks import __main__ as cli
from benchmarks import bdrate, codecs, judge, metrics, record
from benchmarks import run as points
from codec.model.weights import path_of


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    for seed in (1, 2, 3):
        Image.fromarray(photograph(176, 192, seed)).save(folder / f"p{seed}.png")
    return folder


def spread_of(ratios):
    return bdrate.spread({f"p{i}": (ratio - 1) * 100 for i, ratio in enumerate(ratios)})


def test_percents_are_averaged_as_ratios():
    found = spread_of([0.5, 2.0])
    assert found["mean"] == pytest.approx(0) and found["worst"] == {"p1": pytest.approx(100)}
    assert found["interval"] == pytest.approx([-50, 100])


def test_the_interval_is_that_of_a_normal_mean():
    rng = np.random.default_rng(5)
    logs = rng.normal(-0.3, 0.1, 200)
    found = spread_of(np.exp(logs))
    edges = np.expm1(logs.mean() + np.array([-1.96, 1.96]) * logs.std() / np.sqrt(200)) * 100
    assert found["mean"] == pytest.approx(np.expm1(logs.mean()) * 100)
    assert found["interval"] == pytest.approx(edges, abs=0.15)
    assert list(found["worst"]) == [f"p{i}" for i in np.argsort(-logs)[:10]]
    assert spread_of(np.exp(logs)) == found, "the same on every call"


def test_no_picture_has_no_mean():
    assert bdrate.spread({}) == {"mean": None, "interval": None, "worst": {}}


def judged(folder, cache, monkeypatch, *more, code=0):
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    reply = CliRunner().invoke(cli.main, ["judge", str(folder), "--anchors", "webp,jpeg", *more])
    assert reply.exit_code == code, reply.output
    return reply.output


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(judge, "METRICS", ("psnr", "msssim"))


def test_a_second_model_is_measured_alone_and_compared_with_the_first(folder, tmp_path, monkeypatch, quick):
    other = tmp_path / "other.safetensors"
    other.write_bytes(path_of("default").read_bytes())
    model = codecs.build("aec").model
    first = judged(folder, tmp_path, monkeypatch, "--qualities", "20,50,80")
    assert "aecodec against WebP" in first and "aecodec against JPEG 4:2:0" in first and "3 pictures" in first
    asked, work = [], points.work
    monkeypatch.setattr(points, "work", lambda task: asked.append((task.name, task.codec)) or work(task))
    words = ["--qualities", "20,50,80", "--model", "default", "--model", str(other), "--out", str(tmp_path / "r.json")]
    second = judged(folder, tmp_path, monkeypatch, *words)
    assert set(asked) == {(f"p{i}.png", f"aec:{other}") for i in (1, 2, 3)}
    same = second[second.index("aecodec, model other against aecodec\n") :].splitlines()
    assert re.findall(r"[-+]\d+\.\d", same[1]) in (["+0.0", "+0.0"], ["-0.0", "-0.0"])
    run = record.read(tmp_path / "r.json")
    assert run["metrics"] == ["psnr", "msssim"] and f"aec:{other}" in run["codecs"]
    assert f"model other {model}" in run["codecs"][f"aec:{other}"]["settings"]


def test_points_are_measured_anew_after_changes_that_may_change_files(tmp_path):
    for name in ("__init__.py", "engine/native/rans.c", "training/loop.py", "notes.md"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("before")
    before = codecs._fingerprint(tmp_path)
    for name, same in (("training/loop.py", True), ("notes.md", True), ("engine/native/rans.c", False)):
        (tmp_path / name).write_text("after")
        assert (codecs._fingerprint(tmp_path) == before) == same, name


def test_a_model_that_is_none_is_one_sentence(folder, tmp_path, monkeypatch, quick):
    (tmp_path / "bad.safetensors").write_bytes(b"none")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for model in ("nothing", str(tmp_path / "bad.safetensors")):
        reply = CliRunner().invoke(cli.main, ["judge", str(folder), "--model", model], standalone_mode=False)
        assert isinstance(reply.exception, cli.session.SessionError) and "\n" not in str(reply.exception)


def judgement(values, trained_on=()):
    """A run of ours against WebP with {metric: {picture: percent}}."""
    entry = {"codec": "aec", "anchor": "webp", "method": "pchip", "reason": None}
    spread = lambda pictures: bdrate.spread({name: v for name, v in pictures.items() if v is not None})
    records = [
        {**entry, "metric": metric, "scope": scope, "value": -12.34, **spread(pictures), "by_picture": pictures}
        for metric, pictures in values.items()
        for scope in ("set", "picture")
    ]
    names = {name: {"label": name.upper(), "settings": "…", "trained_on": []} for name in ("aec", "webp")}
    names["aec"]["trained_on"] = list(trained_on)
    return {"images": [{}], "metrics": list(values), "codecs": names, "versions": {}, "bd_rate": records}


def test_the_tables_hold_what_the_records_say():
    lines = judge.text(judgement({"psnr": {f"p{i}": float(i) for i in range(40)}})).splitlines()
    assert "AEC against WEBP" in lines and any(line.endswith(" -12.3") for line in lines)
    assert next(line for line in lines if line.startswith("worst")).split()[-1] == "+38.5"


def test_a_picture_is_judged_by_most_of_the_measures_that_training_has_not_seen():
    values = {
        "ssimulacra2": {"a.png": -50.0, "b.png": -50.0, "c.png": -50.0},
        "cvvdp": {"a.png": -1.0, "b.png": 1.0, "c.png": None},
        "iwssim": {"a.png": -1.0, "b.png": 2.0, "c.png": 4.0},
        "psnr_hvsm": {"a.png": 3.0, "b.png": -9.0, "c.png": 4.0},
    }
    said = "by most of CVVDP, IW-SSIM, PSNR-HVS-M: fewer bytes in 1 of 3 pictures, more in 2: b, c"
    assert said in judge.text(judgement(values, ["ssimulacra2"])).splitlines()


# Anchors


def test_the_tune_of_avif_is_told_by_its_bytes():
    codec = codecs.build("avif444")
    tune = re.search(r"tune=(\w+) \(the library's own\)", codec.settings)[1]
    assert tune in codecs.TUNES
    picture = Image.fromarray(photograph(176, 192, 4))
    asked = io.BytesIO()
    picture.save(asked, "AVIF", quality=60, speed=6, subsampling="4:4:4", max_threads=1, advanced={"tune": tune})
    assert asked.getvalue() == codec.encode(picture, 60) and codec.versions["aom"]


@pytest.mark.parametrize("name", ["avif10", "jxl9"])
def test_the_strong_anchors_code_pictures(name):
    try:
        codec = codecs.build(name)
    except codecs.Unavailable as error:
        pytest.skip(str(error))
    picture = Image.fromarray(photograph(175, 191, 4))
    found = []
    for quality in (40, 80, 95):
        file = codec.encode(picture, quality)
        decoded = codec.decode(file)
        assert decoded.size == picture.size and decoded.mode == "RGB"
        found.append((len(file), metrics.psnr(np.asarray(picture), np.asarray(decoded))))
    assert found == sorted(found) and found[-1][1] > 40
    assert codec.versions and str({"avif10": "10 bits", "jxl9": "effort=9"}[name]) in codec.settings


def test_without_imagecodecs_the_way_out_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "imagecodecs", None)
    with pytest.raises(codecs.Unavailable, match="pip install imagecodecs"):
        codecs.build("avif10")
