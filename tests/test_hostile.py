"""Hostile content: any bytes, and files that lie under right checksums, give a refusal or a result that keeps its
promises; see tests/fuzz.

AECODEC_FUZZ_SECONDS is the time that the fuzzers get (default: 60, of which Atheris's start takes a part).
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import codec
from codec.bitstream import container
from tests.fuzz import hostile, summary, targets, tiny
from tests.fuzz.__main__ import HERE, TARGETS

SECONDS = float(os.environ.get("AECODEC_FUZZ_SECONDS", "60"))
quickly = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))


def corpus(target):
    return [path.read_bytes() for path in sorted((HERE / "corpus" / target).iterdir())]


@pytest.fixture(scope="module")
def decode():
    return targets.Decode(codec.Codec(str(tiny.PATH), device="cpu", threads=1, engine="torch"))


# Every input of the corpora


@pytest.mark.parametrize("target", ["parser", "fence", "tile"])
def test_corpus(target):
    outcomes = {getattr(targets, target)(data) for data in corpus(target)}
    assert "accepted" in outcomes or "there and back" in outcomes


def test_corpus_of_the_decoder(decode):
    assert {"pixels", "verified"} <= {decode(data) for data in corpus("decode")}


# Hypothesis


@quickly
@given(st.binary(max_size=200), st.sampled_from([b"", b"\xaeAEC", b"\xaeAEC\x01"]), st.integers(0, 255))
def test_any_bytes_as_a_file(data, start, how):
    targets.parser(hostile.reseal(start + data) + bytes([how]))


@quickly
@given(st.sampled_from(corpus("parser")), st.randoms(use_true_random=False), st.integers(0, 255))
def test_lies_under_right_checksums(data, rng, how):
    targets.parser(hostile.mutate(data[:-1], rng) + bytes([how]))


@quickly
@given(st.binary(min_size=6, max_size=300))
def test_any_bytes_as_a_stream(data):
    targets.fence(data)


@quickly
@given(st.sampled_from(corpus("tile")), st.randoms(use_true_random=False))
def test_lossless_tiles(data, rng):
    targets.tile(hostile.mutate_tile(data, rng))


@settings(quickly, max_examples=60)
@given(data=st.sampled_from(corpus("decode")), rng=st.randoms(use_true_random=False), how=st.integers(0, 255))
def test_whole_files(decode, data, rng, how):
    decode(hostile.mutate(data[:-2], rng, sealed=True) + bytes([how, rng.randrange(256)]))


@settings(quickly, max_examples=25)
@given(rng=st.randoms(use_true_random=False))
def test_weight_files(rng):
    targets.weights(hostile.mutate_weights(tiny.PATH.read_bytes(), rng))


@settings(quickly, max_examples=15)
@given(rng=st.randoms(use_true_random=False))
def test_symbols_that_no_picture_has(decode, rng):
    """Under right checksums whatever the encoder can write is a file."""
    file = hostile.forge(decode.coder, rng)
    assert decode(file + b"\x10\0") == "pixels"


def test_hostile_files_get_far(decode):
    """The mutations reach all parts of the decoder: a third of them the networks, and many every check but one."""
    import random

    rng, walks, outcomes = random.Random(3), decode.walks, []
    for _ in range(150):
        data = hostile.mutate(rng.choice(corpus("decode"))[:-2], rng, sealed=True)
        outcomes.append(decode(data + b"\x10\0"))
        assert hostile.repair(data) == data or "Unsupported" in outcomes[-1] or not outcomes[-1] == "pixels"
    assert decode.walks - walks > 50 and {"Corrupt", "pixels"} <= set(outcomes)


# The fuzzers themselves


@pytest.mark.parametrize("target", TARGETS)
def test_smoke(target, tmp_path):
    share = {"parser": 0.2, "fence": 0.15, "decode": 0.25, "batch": 0.2, "tile": 0.1, "weights": 0.1}[target]
    command = [
        sys.executable,
        "-m",
        "tests.fuzz",
        target,
        "--seconds",
        str(SECONDS * share),
        "--artifacts",
        str(tmp_path),
        "--corpus",
        str(tmp_path / "corpus"),
    ]
    done = subprocess.run(
        command,
        cwd=Path(__file__).parents[1],
        capture_output=True,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    figures = json.loads(done.stdout.splitlines()[-1])
    assert figures["runs"] > 10 and figures["failures"] == 0 and sum(figures["outcomes"].values()) == figures["runs"]


def test_the_fuzzer_notices_what_is_wrong(monkeypatch):
    monkeypatch.setattr(container, "pack", lambda aec: b"")
    with pytest.raises(AssertionError, match="only encoding"):
        targets.parser(corpus("parser")[0][:-1] + b"\0")


def test_the_figures_of_the_page_are_those_of_the_log():
    """`python -m tests.fuzz.summary` writes them."""
    lines = [json.loads(line) for line in summary.LOG.read_text().splitlines()]
    assert summary.tables(lines) in summary.PAGE.read_text()
    assert all(line["failures"] == 0 for line in lines if "target" in line)
