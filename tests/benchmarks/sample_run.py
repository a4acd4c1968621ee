"""A small run for the tests of the report: two real codecs and one that stands for ours, three pictures, hostile names;
and the page made of it.
"""

import functools
import html.parser
import io
import json
import tempfile
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from click.testing import CliRunner
from conftest import photograph
from PIL import Image

pytest.importorskip("bjontegaard")
pytest.importorskip("pytorch_msssim")

from benchmarks import bdrate, codecs, data, record, report
from benchmarks import run as points

HOSTILE = "</script ></script><script>window.harmed=1</script><img src=x onerror=window.harmed=1><!-- <script>"
NAMES = ["wide.png", "tall.png", "&lt;img src=x onerror='window.harmed=1'&gt; \"<b>.png"]
METRICS = ("psnr", "psnr_y", "msssim")


class Ours:
    """Stands for our codec, whose weights take seconds to load: WebP at hundredths of its quality,
    with a map of bits.
    """

    name, label, low, high, whole, options, versions, trained = "aec", "ours", 1, 100, False, {}, {"aecodec": "9"}, True

    def encode(self, image, quality):
        file = io.BytesIO()
        image.save(file, "WEBP", quality=quality, method=2)
        return file.getvalue()

    def decode(self, file):
        return Image.open(io.BytesIO(file)).convert("RGB")

    def bits_map(self, image, quality):
        rows, columns = -(-image.height // 16), -(-image.width // 16)
        return np.arange(rows * columns, dtype=float).reshape(rows, columns)


@functools.cache
def _temporary():
    """A folder for this process; made once, because two test modules use what is in it and the page takes seconds.

    Removed when Python ends.
    """
    return tempfile.TemporaryDirectory(prefix="aecodec-report-")


@functools.cache
def folder():
    """The folder of the pictures."""
    path = Path(_temporary().name) / "pictures"
    path.mkdir()
    for seed, (name, size) in enumerate(zip(NAMES, [(272, 400), (304, 208), (176, 336)])):
        Image.fromarray(photograph(*size, seed)).save(path / name)
    return path


def build_codec(name, **_):
    return Ours() if name == "aec" else codecs.Pillow(name, codecs.FORMATS[name])


@functools.cache
def result():
    """A run of three codecs with measured points, curves and BD-rates; times are made up, as no two machines have the
    same.
    """
    chosen = {name: build_codec(name) for name in ("aec", "jpeg", "webp")}
    entries, _ = points.images(data.pictures([folder()]))
    measured = []
    for entry in entries:
        image = data.load(folder() / entry["name"])
        for name, codec in chosen.items():
            for quality in (20, 45, 70, 90):
                measured.append(
                    {
                        "image": entry["name"],
                        "codec": name,
                        "quality": quality,
                        **points.point(codec, image, quality, METRICS),
                    }
                )
    times = {"aec": (0.31234, 0.2), "jpeg": (0.011, 0.0034), "webp": (0.0613, 0.0061)}
    seconds = lambda value: {"median": value, "p25": value * 0.97, "p75": value * 1.2, "mp_s": 0.1536 / value}
    speed = [
        {
            "codec": name,
            "device": "cpu",
            "trained": True,
            "threads": 1,
            "quality": 60,
            "bpp": 0.71,
            "psnr": 34.16,
            "pictures": 3,
            "repeats": 5,
            "batch": 1,
            "encode": seconds(e),
            "decode": seconds(d),
            "cold": {"encode": e + 1, "decode": d + 1},
            "cold_range": {"encode": [e + 0.9, e + 1.1], "decode": [d + 0.9, d + 1.1]},
            "peak_mb": {"encode": 61.4, "decode": 55.0},
            "stages": None,
            "ratios": {"webp": {"encode": e / 0.0613, "decode": d / 0.0061}},
        }
        for name, (e, d) in times.items()
    ]
    stages = {
        "encode": {"transform": 0.4, "prior": 0.25, "rans": 0.3, "transfer": 0.05},
        "decode": {"transform": 0.5, "prior": 0.2, "rans": 0.2, "transfer": 0.1},
    }
    speed.append(
        {
            **speed[0],
            "device": "cuda",
            "batch": 16,
            "encode": seconds(0.004),
            "decode": seconds(0.003),
            "cold": None,
            "cold_range": None,
            "peak_mb": None,
            "stages": stages,
        }
    )
    profile = {
        "device": "cpu",
        "threads": 1,
        "picture": NAMES[0],
        "quality": 60,
        "matmul_gflops": 110.0,
        "encode": [
            {"stage": "analysis", "seconds": 0.03, "gflop": 5, "gflops": 164.2},
            {"stage": "whole", "seconds": 0.04, "gflop": 5, "gflops": 125},
        ],
        "decode": [{"stage": HOSTILE, "seconds": 0.02, "gflop": None, "gflops": None}],
    }
    return {
        "schema": 1,
        "command": "python -m benchmarks run --images " + HOSTILE,
        "created": "2026-11-20T14:03:11Z",
        "seconds": 41.5,
        "source": [str(folder())],
        "machine": {
            "cpu": "A <b>processor</b>",
            "cores": 2,
            "threads": 1,
            "ram_gb": 8,
            "os": "Linux",
            "python": "3.11",
            "gpu": None,
        },
        "versions": {"aecodec": "8", "made-up": HOSTILE},
        "metrics": list(METRICS),
        "codecs": {
            name: {
                "label": {"aec": "ours", "jpeg": HOSTILE, "webp": "WebP"}[name],
                "settings": HOSTILE,
                "trained": True,
                "trained_on": ["msssim"] if name == "aec" else [],
                "options": {},
            }
            for name in chosen
        },
        "left_out": {"jxl": "jxl needs a plugin"},
        "images": entries,
        "points": measured,
        "curves": record.curves(measured),
        "failures": [{"image": HOSTILE, "codec": None, "quality": None, "error": HOSTILE}],
        "bd_rate": bdrate.table(measured, list(METRICS)),
        "speed": speed,
        "profile": profile,
        "published": [],
    }


def run_report(run, path, *arguments):
    """(outcome, text of the page or None) of the command."""
    (path / "run.json").write_text(json.dumps(run))
    outcome = CliRunner().invoke(report.main, [str(path / "run.json"), "-o", str(path / "page.html"), *arguments])
    return outcome, (path / "page.html").read_text() if (path / "page.html").exists() else None


@functools.cache
def page():
    """The path of a page made by the command, with pictures."""
    path = Path(_temporary().name) / "made"
    path.mkdir()
    with mock.patch.object(codecs, "build", build_codec):
        outcome, _ = run_report(result(), path, "--sizes", "0.5,1.5")
    assert outcome.exit_code == 0, outcome.output
    return path / "page.html"


class Elements(html.parser.HTMLParser):
    """Every tag with its attributes, and the text of every script by its id."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.scripts, self.inside = [], {}, None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self.inside = dict(attributes).get("id") if tag == "script" else None

    def handle_endtag(self, tag):
        self.inside = None

    def handle_data(self, text):
        if self.inside:
            self.scripts[self.inside] = self.scripts.get(self.inside, "") + text


@functools.lru_cache
def elements(page):
    return Elements(page.read_text())


def embedded(page):
    return json.loads(elements(page).scripts["explorer-data"])
