"""Is this checkout worse or slower than what was committed?

The gate of the benchmark on its tiny set, and what it does with what it finds.
"""

import copy
import hashlib
import re
import subprocess
import sys

import pytest

pytest.importorskip("bjontegaard")
pytest.importorskip("pytorch_msssim")

from benchmarks import data, gate, record, synthetic

SUMS = {"synthetic1.ppm": "0b29f4425045fc4c", "synthetic2.ppm": "7bbbf958fddca0a5"}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def committed(monkeypatch, tmp_path):
    """A reference, alone in a folder of its own."""
    run = gate.references()[1]
    monkeypatch.setattr(gate, "FOLDER", tmp_path)
    gate.renew(run)
    return run


def changed(run, bytes=1.0, seconds=1.0, held=1.0):
    """The result with files of ours `bytes` times as large, `seconds` times the processor time for encoding, and that
    part of the time on a processor.
    """
    run = copy.deepcopy(run)
    for point in run["points"]:
        point["bpp"] *= bytes if point["codec"] == "aec" else 1
    for entry in run["speed"]:
        if entry["codec"] == "aec":
            entry["held"] = held
            entry["processor"]["encode"] *= seconds
            entry["ratios"]["webp"]["processor_encode"] *= seconds
    return run


def judge(result, *more):
    """Comparison; `more` are the results of further attempts, one of which more than needed is an error."""
    attempts = iter(more)
    return gate.judge(result, lambda: next(attempts), max_bd=0.5, max_slower=15.0)


def test_this_checkout_is_neither_worse_nor_slower_than_what_was_committed():
    reply = subprocess.run([sys.executable, "-m", "benchmarks", "gate"], capture_output=True, text=True)
    assert reply.returncode == 0, (
        f"{reply.stdout}{reply.stderr}\nwhere this is meant: python -m benchmarks gate --renew"
    )
    assert re.search(r"aec, psnr: [+-]\d+\.\d\d % BD-rate", reply.stdout)
    if unjudged := re.search("speed is not judged: .*", reply.stdout):
        pytest.skip(unjudged[0])
    assert len(re.findall("times webp's processor time", reply.stdout)) == 2


def test_the_tiny_set_is_the_same_everywhere():
    paths = data.pictures(["synthetic"])
    assert {p.name: hashlib.sha256(p.read_bytes()).hexdigest()[:16] for p in paths} == SUMS
    assert [data.load(p).size for p in paths] == [(synthetic.WIDTH, synthetic.HEIGHT)] * 2
    paths[0].write_text("damaged")
    assert data.sha256(data.pictures(["synthetic"])[0]).startswith(SUMS["synthetic1.ppm"])
    for run in gate.references()[0].values():
        assert {i["name"]: i["sha256"][:16] for i in run["images"]} == SUMS


def test_larger_files_fail_and_smaller_ones_do_not(committed):
    assert (
        judge(committed).worse
        == judge(changed(committed, bytes=0.9)).worse
        == judge(changed(committed, bytes=1.004)).worse
        == []
    )
    assert all("+0.60 % BD-rate" in sentence for sentence in judge(changed(committed, bytes=1.006)).worse)


def test_slower_code_fails_only_after_further_rounds(committed):
    slow = changed(committed, seconds=1.2)
    assert judge(changed(committed, seconds=1.1)).worse == []
    found = judge(slow, *[slow] * (gate.ATTEMPTS - 1))
    assert len(found.worse) == 1 and "encode" in found.worse[0] and "+20.0 %" in found.worse[0]
    assert judge(slow, slow, changed(committed, seconds=1.05)).worse == []


def test_on_a_busy_machine_twice_the_loss_is_allowed_and_said(committed):
    busy, slower = changed(committed, seconds=1.25, held=0.3), changed(committed, seconds=1.35, held=0.3)
    found = judge(busy, busy, busy, busy)
    assert (
        found.worse == []
        and found.lines[-1] == "the machine is busy, ours had a processor 30% of the time: +30 % is allowed"
    )
    assert "(allowed: +30 %)" in judge(slower, slower, slower, slower).worse[0]
    assert len(judge(busy, busy, changed(committed, seconds=1.25), busy).worse) == 1, "one quiet attempt is enough"


def test_further_rounds_cannot_hide_slower_code_behind_a_slower_reference_codec(committed):
    """The least of all rounds is taken of both codecs before the ratio is."""
    slow, disturbed = changed(committed, seconds=1.3), changed(committed, seconds=1.3)
    for entry in disturbed["speed"]:  # the ratio of this attempt alone would be within the limit
        if entry["codec"] == "webp":
            entry["processor"]["encode"] *= 1.3
        entry["ratios"]["webp"]["processor_encode"] /= 1.3
    assert len(judge(slow, disturbed, disturbed, disturbed).worse) == 1


def test_times_are_judged_on_the_same_kind_of_processor_only(committed):
    foreign = changed(committed, bytes=1.01, seconds=3)
    foreign["machine"]["cpu_model"] = "Another 1 2 3"
    found = judge(foreign)
    assert (
        "no reference for this kind of processor, Another-1-2-3" in found.unjudged
        and f"speed is not judged: {found.unjudged}" in found.lines
    )
    assert len(found.worse) == len(committed["metrics"]) and all("BD-rate" in sentence for sentence in found.worse)
    gate.renew(foreign)
    assert len(gate.references()[0]) == 2 and judge({**foreign, "points": committed["points"]}).worse == []


def test_without_a_reference_the_way_to_one_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(gate, "FOLDER", tmp_path)
    with pytest.raises(record.RecordError, match="--renew makes one"):
        gate.references()
