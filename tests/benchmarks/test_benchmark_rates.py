"""BD-rates, comparisons and times of the benchmark, and where its pictures come from."""

import functools
import hashlib
import http.server
import json
import math
import statistics
import subprocess
import sys
import threading

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("bjontegaard")
pytest.importorskip("pytorch_msssim")
import benchmark_run
from benchmark_run import QUALITIES, invoke, photograph

from benchmarks import bdrate, codecs, cold, compare, data, metrics, record, speed

folder = pytest.fixture(scope="module")(benchmark_run.folder)
run = pytest.fixture(scope="module")(benchmark_run.run)


# BD-rate


CURVE = [(0.2, 28.0), (0.4, 31.0), (0.8, 34.5), (1.5, 38.0)]


def independent(anchor, test):
    """BD-rate by another way: monotone interpolation sampled finely and integrated by trapezia."""
    from scipy.interpolate import PchipInterpolator

    low, high = max(anchor[0][1], test[0][1]), min(anchor[-1][1], test[-1][1])
    x = np.linspace(low, high, 20001)
    logs = [PchipInterpolator([q for _, q in c], [math.log(r) for r, _ in c])(x) for c in (anchor, test)]
    return (math.exp(np.trapz(logs[1] - logs[0], x) / (high - low)) - 1) * 100


@pytest.mark.parametrize("method", bdrate.METHODS)
def test_bd_rate_of_a_known_factor(method):
    found = bdrate.difference(CURVE, [(r * 0.8, q) for r, q in reversed(CURVE)], method)
    assert found.value == pytest.approx(-20) and (found.low, found.high) == (28, 38)


def test_bd_rate_of_real_points_agrees_with_an_independent_one(run):
    curve = {name: [(c["bpp"], c["psnr"]) for c in run["curves"] if c["codec"] == name] for name in ("jpeg", "webp")}
    record_of = {tuple(r[key] for key in ("codec", "anchor", "metric", "method", "scope")): r for r in run["bd_rate"]}
    found = record_of["webp", "jpeg", "psnr", "pchip", "set"]
    assert found["value"] == pytest.approx(independent(curve["jpeg"], curve["webp"]), abs=0.01)
    single = record_of["webp", "jpeg", "psnr", "pchip", "picture"]
    assert set(single["by_picture"]) == {"p1.png", "p2.png"} and single["value"] == pytest.approx(
        sum(single["by_picture"].values()) / 2
    )


def test_bd_rate_refuses_to_extrapolate():
    shifted = lambda by: [(r, q + by) for r, q in CURVE]
    assert bdrate.difference(CURVE, shifted(2)).low == 30
    narrow = bdrate.difference(CURVE, shifted(9.5))
    assert narrow.value is None and narrow.reason == "the curves share only 37.50..38.00 dB, less than 1"
    apart = bdrate.difference(CURVE, shifted(20))
    assert apart.value is None and "28.00..38.00 dB" in apart.reason and "48.00..58.00" in apart.reason
    assert "does not rise" in bdrate.difference(CURVE, [(0.2, 30), (0.5, 29), (0.9, 35)]).reason
    assert "2 points" in bdrate.difference(CURVE, CURVE[:2]).reason


# Comparison


def with_ours(run, rate=1.0, slower=1.0):
    """A result in which JPEG's points stand for our codec, with files `rate` times as large and times
    `slower` as long.
    """
    ours = [{**p, "codec": "aec", "bpp": p["bpp"] * rate} for p in run["points"] if p["codec"] == "jpeg"]
    ratios = {"encode": 2 * slower, "decode": 30.0, "processor_encode": 2 * slower, "processor_decode": 30.0}
    return {
        **run,
        "points": run["points"] + ours,
        "speed": [{"codec": "aec", "device": "cpu", "batch": 1, "ratios": {"webp": ratios}}],
    }


def test_compare_fails_past_its_thresholds(run):
    old = with_ours(run)
    assert compare.compare(old, old).worse == []
    assert compare.compare(old, with_ours(run, rate=0.9, slower=1.1)).worse == []
    assert compare.compare(old, with_ours(run, rate=1.004)).worse == []
    worse = compare.compare(old, with_ours(run, rate=1.006)).worse
    assert len(worse) == 3 and all("+0.60 %" in s for s in worse)  # psnr, psnr_y, msssim
    assert compare.compare(old, with_ours(run, rate=1.006), max_bd=1).worse == []
    assert "+20.0 %" in compare.compare(old, with_ours(run, slower=1.2)).worse[0]
    assert compare.compare(old, run).worse == ["aec is not in both results"]
    elsewhere = {**with_ours(run, slower=9), "machine": {**run["machine"], "cpu_model": "another"}}
    found = compare.compare(old, elsewhere)
    assert (
        found.worse == []
        and "cpu_model" in found.unjudged
        and found.lines[-1] == f"speed is not judged: {found.unjudged}"
    )
    assert "not both results have times" in compare.compare(old, run).unjudged
    assert (
        "no picture in common"
        in compare.compare(old, {**old, "images": [{**i, "sha256": "other"} for i in run["images"]]}).worse[0]
    )


def test_compare_exit_codes(run, tmp_path):
    for name, rate in (("old", 1), ("new", 1.02)):
        record.write(tmp_path / name, with_ours(run, rate))
    assert "pictures in common" in invoke("compare", tmp_path / "old", tmp_path / "old").output
    assert "WORSE: aec, psnr: +2.00 %" in invoke("compare", tmp_path / "old", tmp_path / "new", code=1).output
    (tmp_path / "else").write_text("{}")
    assert isinstance(invoke("compare", tmp_path / "old", tmp_path / "else", code=None).exception, record.RecordError)


# Speed


class Sleeper:
    """A codec whose times are numbers on a clock of our own."""

    trained = True

    def __init__(self, name, seconds, clock, log):
        self.name, self.seconds, self.clock, self.log = name, seconds, clock, log

    def encode(self, image, quality):
        self.log.append(self.name)
        self.clock[0] += self.seconds * self.clock[1]

    def decode(self, data):
        self.clock[0] += self.seconds / 2 * self.clock[1]
        self.clock[1] *= 1.01  # the machine becomes slower and slower


def test_codecs_take_turns_so_that_drift_does_not_matter(monkeypatch):
    clock, log = [0.0, 1.0], []
    monkeypatch.setattr(speed.time, "perf_counter", lambda: clock[0])
    chosen = {"a": Sleeper("a", 1.0, clock, log), "b": Sleeper("b", 3.0, clock, log)}
    times = speed.warm(chosen, [None] * 3, {"a": 1, "b": 1}, repeats=4)
    assert log[:4] == ["a", "b", "b", "a"] and len(times["a"]["encode"]) == 12
    assert times["a"]["encode"][-1] > 1.2 * times["a"]["encode"][0]
    assert speed.ratios(times["b"], times["a"])["encode"] == pytest.approx(3, rel=0.02)


def test_processor_time_is_the_least_of_each_pictures_rounds():
    times = {"processor": {"encode": [5.0, 1.0, 3.0, 2.0, 9.0, 9.0], "decode": [1.0] * 6}}
    assert speed.processor(times, 2) == {"encode": (3 + 1) / 2, "decode": 1.0}
    assert speed.held({"encode": [40.0], "decode": [30.0], **times}) == 35 / 70


def test_spread_is_median_and_quartiles():
    found = speed.spread([0.1, 0.2, 0.3, 0.4, 10.0], [1.0] * 5)
    assert (found["median"], found["p25"], found["p75"]) == (0.3, 0.2, 0.4) and found["mp_s"] == pytest.approx(1 / 0.3)


def test_codecs_are_set_to_equal_psnr():
    images = [photograph(1), photograph(2)]
    matched = speed.settings({name: codecs.build(name) for name in ("webp", "jpeg", "avif")}, images)
    target = matched["webp"][2]
    codec = codecs.build("jpeg")
    at = lambda q: statistics.fmean(
        metrics.psnr(*map(np.asarray, (i, codec.decode(codec.encode(i, q))))) for i in images
    )
    quality = matched["jpeg"][0]
    assert matched["jpeg"][2] == pytest.approx(at(quality))
    assert abs(at(quality) - target) <= min(abs(at(quality + 1) - target), abs(at(quality - 1) - target))


def test_a_run_with_speed_holds_times_and_ratios(folder, tmp_path):
    out = tmp_path / "r.json"
    pictures = folder / "p1.png", folder / "p2.png"
    reply = invoke(
        "run", "--images", *pictures, "--codecs", "jpeg,webp", *QUALITIES, "--repeats", 2, "--no-cold", "--out", out
    )
    by_codec = {s["codec"]: s for s in record.read(out)["speed"]}
    jpeg = by_codec["jpeg"]
    assert by_codec["webp"]["ratios"]["webp"]["encode"] == 1 and jpeg["ratios"]["webp"]["encode"] < 1
    assert by_codec["webp"]["processor"]["encode"] * jpeg["ratios"]["webp"]["processor_encode"] == pytest.approx(
        jpeg["processor"]["encode"]
    )
    assert 0 < jpeg["processor"]["encode"] < by_codec["webp"]["processor"]["encode"]
    assert (
        jpeg["encode"]["p25"] <= jpeg["encode"]["median"] <= jpeg["encode"]["p75"]
        and jpeg["cold"] is None
        and jpeg["pictures"] == 2
    )
    assert "BD-rate on psnr against webp" in reply.output and "method=6" in reply.output and "Speed" in reply.output


def test_a_process_is_measured_without_its_parent():
    ballast = np.ones(200 << 17)  # 200 MiB that are ours and not the child's
    seconds, peak = cold.process([sys.executable, "-S", "-c", "import time; time.sleep(0.2)"], 1)
    assert 0.2 < seconds < 5 and peak < 60 and ballast[0] == 1
    _, peak = cold.process([sys.executable, "-S", "-c", "b = b'1' * (150 << 20)"], 1)
    assert peak > 150
    with pytest.raises(cold.ColdError, match="ended with 1: ZeroDivisionError"):
        cold.process([sys.executable, "-S", "-c", "1 / 0"], 1)


def test_cold_times_have_a_range_and_a_process_that_fails_loses_only_its_codec(monkeypatch):
    monkeypatch.setattr(cold, "FLOORS", {"python": cold.FLOORS["python"]})
    chosen = {name: codecs.build(name) for name in ("jpeg", "webp")}
    whole = codecs.Pillow.cold
    monkeypatch.setattr(
        codecs.Pillow,
        "cold",
        lambda self, way, *rest: (
            whole(self, way, *rest) if (self.name, way) != ("webp", "decode") else [sys.executable, "-S", "-c", "1 / 0"]
        ),
    )
    found, floor, failures = cold.measure(chosen, photograph(1), {"jpeg": 50, "webp": 50}, 1, repeats=3)
    assert (
        list(found) == ["jpeg"]
        and [f["codec"] for f in failures] == ["webp"]
        and "cold decode: the process ended with 1" in failures[0]["error"]
    )
    seconds, peak, range_ = found["jpeg"]
    for way in ("encode", "decode"):
        assert (
            0 < floor["python"] < seconds[way]
            and 5 < peak[way] < 500
            and range_[way][0] <= seconds[way] <= range_[way][1]
        )


def test_cold_processes_make_real_files(tmp_path):
    photograph(1).save(tmp_path / "p.png")
    for name in ("jpeg", "avif", "jxl"):
        try:
            codec = codecs.build(name)
        except codecs.Unavailable:
            continue
        subprocess.run(codec.cold("encode", 50, tmp_path / "p.png", tmp_path / name), check=True)
        subprocess.run(codec.cold("decode", 50, tmp_path / name, tmp_path / f"{name}.ppm"), check=True)
        assert (tmp_path / name).read_bytes() == codec.encode(photograph(1), 50)
        assert Image.open(tmp_path / f"{name}.ppm").size == (192, 176)


# Data


class Server(http.server.BaseHTTPRequestHandler):
    """Serves `files`; `ranges` whether it knows Range, `cuts` how many replies end half-way, `asked` what came."""

    files, ranges, cuts, asked = {}, True, 0, []

    def do_GET(self):
        name, wanted = self.path.rsplit("/", 1)[1], self.headers.get("Range")
        self.asked.append((name, wanted))
        content = self.files.get(name)
        if content is None:
            return self.send_error(404)
        start = int(wanted[6:-1]) if wanted and self.ranges else 0
        if start >= len(content):
            return self.send_error(416)
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        stop = len(content)
        if type(self).cuts:
            type(self).cuts -= 1
            stop = start + (stop - start) // 2
        self.wfile.write(content[start:stop])

    def log_message(self, *_):
        pass


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A public home of two small "Kodak" pictures; the value is the class of its request handler."""
    for seed in (1, 2):
        photograph(seed, 64, 48).save(tmp_path / f"kodim0{seed}.png")
    files = {f"kodim0{i}.png": (tmp_path / f"kodim0{i}.png").read_bytes() for i in (1, 2)}
    (tmp_path / "sums").write_text("".join(f"{hashlib.sha256(b).hexdigest()}  {n}\n" for n, b in files.items()))
    handler = type("Handler", (Server,), {"files": dict(files), "asked": [], "cuts": 0})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=functools.partial(server.serve_forever, poll_interval=0.01), daemon=True).start()
    monkeypatch.setattr(data, "KODAK_SUMS", tmp_path / "sums")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("AECODEC_KODAK_URL", f"http://127.0.0.1:{server.server_port}/kodak")
    yield handler
    server.shutdown()
    server.server_close()


def test_kodak_is_fetched_once(home):
    paths = data.pictures(["kodak"])
    assert [p.name for p in paths] == ["kodim01.png", "kodim02.png"] and paths[0].read_bytes() == home.files[
        "kodim01.png"
    ]
    assert data.pictures(["kodak"]) == paths and len(home.asked) == 2


@pytest.mark.parametrize("ranges", [True, False])
def test_kodak_goes_on_where_it_stopped(home, ranges):
    home.ranges = ranges
    home.cuts = 1
    paths = data.pictures(["kodak"])
    half = len(home.files["kodim01.png"]) // 2
    assert home.asked[:2] == [("kodim01.png", None), ("kodim01.png", f"bytes={half}-")]
    assert [p.read_bytes() for p in paths] == list(home.files.values()) and len(home.asked) == 3


def test_damaged_pictures_are_refused_or_fetched_again(home):
    folder = data.cache_folder("kodak")
    folder.mkdir(parents=True)
    (folder / "kodim01.png").write_bytes(b"damaged")
    (folder / "kodim02.part").write_bytes(home.files["kodim02.png"] + b"too long")
    assert [p.read_bytes() for p in data.pictures(["kodak"])] == list(home.files.values())
    (folder / "kodim01.png").unlink()
    home.files["kodim01.png"] += b"changed at the source"
    with pytest.raises(data.DataError, match="SHA-256 is not that of the public file.*--images FOLDER"):
        data.pictures(["kodak"])
    assert not (folder / "kodim01.png").exists()


def test_without_a_network_the_way_out_is_named(home, monkeypatch):
    monkeypatch.setenv("AECODEC_KODAK_URL", "http://127.0.0.1:9/")
    with pytest.raises(data.DataError, match=r"cannot fetch kodim01.png from http://127.0.0.1:9/ .*--images FOLDER"):
        data.pictures(["kodak"])


def test_the_list_of_the_public_set():
    lines = data.KODAK_SUMS.read_text().splitlines()
    assert [line[66:] for line in lines] == [f"kodim{i:02}.png" for i in range(1, 25)] and len(
        {line[:64] for line in lines}
    ) == 24


def test_pictures_come_without_metadata(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    photograph(1).save(tmp_path / "p.jpg", icc_profile=b"profile" * 30, exif=exif)
    assert data.load(tmp_path / "p.jpg").info == {}
    Image.fromarray(np.zeros((20, 20), np.uint16)).save(tmp_path / "deep.png")
    with pytest.raises(data.DataError, match="deep.png has more than 8 bits"):
        data.load(tmp_path / "deep.png")


def test_published_curves_rise_and_name_their_source():
    curves = {}
    for row in record.published():
        assert row["source"] and row["label"] and row["codec"] not in codecs.FORMATS
        curves.setdefault((row["codec"], row["metric_set"]), []).append(row)
    assert {"vtm", "bpg444", "elic2022"} <= {codec for codec, _ in curves}
    for rows in curves.values():
        assert all(a["bpp"] < b["bpp"] and a["psnr"] < b["psnr"] for a, b in zip(rows, rows[1:]))


def test_results_are_strict_json(run):
    json.dumps(run, allow_nan=False)
