"""Runs of the benchmark on tiny pictures, for its tests."""

import conftest
import pytest
from click.testing import CliRunner
from PIL import Image

pytest.importorskip("bjontegaard")
pytest.importorskip("pytorch_msssim")
from benchmarks import __main__ as cli
from benchmarks import record

QUALITIES = ["--qualities", "jpeg=20,40,60,80", "--qualities", "webp=10,40,70,90"]


def photograph(seed, width=192, height=176):
    return Image.fromarray(conftest.photograph(height, width, seed))


def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    for seed in (1, 2):
        photograph(seed).save(folder / f"p{seed}.png")
    return folder


def invoke(*arguments, code=0):
    reply = CliRunner().invoke(cli.main, [str(a) for a in arguments])
    if reply.exception and not isinstance(reply.exception, SystemExit) and code is not None:
        raise reply.exception
    assert code is None or reply.exit_code == code, reply.output
    return reply


def measured(folder, out, *more, code=0):
    invoke("run", "--images", folder, "--codecs", "jpeg,webp", *QUALITIES, "--no-speed", "--out", out, *more, code=code)
    return record.read(out)


def run(folder, tmp_path_factory):
    return measured(folder, tmp_path_factory.mktemp("run") / "run.json")
