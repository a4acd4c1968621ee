"""Worker processes: what they give back, what it costs when one dies, and that none outlives its parent.

The work here is light: no torch in them.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner

import codec
from codec.app import runner
from codec.app.options import Options
from codec.app.report import Failure, Outcome, Report
from codec.app.workers import Workers
from codec.errors import CodecError, Truncated
from codec.files import output
from codec.files.jobs import Job

COMMAND = [sys.executable, "-P", "-m", "codec"]
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="processes are looked up in /proc")


class Odd(Exception):
    """Cannot be made again from its arguments."""

    def __init__(self, one, two):
        super().__init__(one)


def failing(kind):
    if kind == "truncated":
        raise Truncated("7 bytes are missing")
    if kind == "missing":
        open("no such file")
    if kind == "odd":
        raise Odd("a", "b")
    if kind == "bug":
        raise ZeroDivisionError("a bug")
    if kind == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if kind == "aborted":
        os._exit(3)
    return kind, os.getpid()


def failures():
    return failing


def refusing():
    raise Failure("there is no such model")


def dying():
    os.kill(os.getpid(), signal.SIGKILL)


def on_files(delay=0):
    """Does a Job by its name."""

    def work(job):
        if job.source == "killed":
            time.sleep(0.2)
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(delay * (job.source == "slow"))
        return job.source.upper()

    return work


def writing():
    """Writes half of a draft, says so, and stays."""

    def work(draft, flag):
        draft.write(b"half of it")
        draft.flush()
        Path(flag).write_text(str(os.getpid()))
        time.sleep(60)

    return work


@pytest.fixture
def pool(request):
    pool = Workers(failures, 2)
    yield pool
    pool.close()


def test_results_errors_and_deaths(pool):
    assert pool("a")[0] == "a" and pool("b")[1] != os.getpid()
    with pytest.raises(Truncated, match="7 bytes are missing"):
        pool("truncated")
    with pytest.raises(FileNotFoundError) as caught:
        pool("missing")
    assert caught.value.filename == "no such file"
    with pytest.raises(RuntimeError, match="Odd: a"):
        pool("odd")
    with pytest.raises(ZeroDivisionError) as caught:
        pool("bug")
    assert "raise ZeroDivisionError" in caught.value.__notes__[0]
    with pytest.raises(CodecError, match="killed by SIGKILL, as the system does where memory runs short"):
        pool("killed")
    with pytest.raises(CodecError, match="ended with code 3"):
        pool("aborted")
    _, process = pool("a")
    os.kill(process, signal.SIGKILL)  # while it has nothing to do: nobody loses anything
    time.sleep(0.1)
    assert {pool("a")[0] for _ in range(4)} == {"a"}


def test_processes_work_at_the_same_time(pool):
    seen = []
    threads = [threading.Thread(target=lambda: seen.append(pool("a")[1])) for _ in range(40)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 40 and len(set(seen)) == 2


def test_what_is_missing_is_said_once():
    with pytest.raises(Failure, match="no such model"):
        Workers(refusing, 2)


def test_a_process_that_cannot_start_fails_its_call():
    pool = Workers(dying, 2)
    for _ in range(3):
        with pytest.raises(CodecError, match="SIGKILL"):
            pool("a")
    pool.close()


def run(jobs, prepare, processes, monkeypatch):
    outcome = []
    monkeypatch.setattr(Report, "done", lambda self, name, done: outcome.append(done.record))
    monkeypatch.setattr(Report, "failed", lambda self, name, error: outcome.append((name, str(error))))
    options = Options(jobs=processes, quiet=True)
    failures = runner.run(options, jobs, prepare, lambda job, result: Outcome(result))
    assert failures == 0  # as nobody counted
    return outcome


def test_a_death_costs_one_file_and_no_order(monkeypatch):
    names = ["slow", "a", "killed", "b", "killed", "c", "d"]
    outcome = run([Job(name) for name in names], partial(on_files, 0.5), 2, monkeypatch)
    assert [result if isinstance(result, str) else result[0] for result in outcome] == [
        "SLOW",
        "A",
        "killed",
        "B",
        "killed",
        "C",
        "D",
    ]
    assert "SIGKILL" in outcome[2][1] and "SIGKILL" in outcome[4][1]


def test_no_process_for_one_job_or_standard_input(monkeypatch):
    monkeypatch.setattr(Workers, "__init__", None)
    odd = [Job("a"), Job("-", target="x"), Job("x", skipped=True), Job("x", problem=OSError("no"))]
    assert run(odd, on_files, 8, monkeypatch)[:2] == ["A", "-"]
    assert run([Job("a"), Job("b")], on_files, 1, monkeypatch) == ["A", "B"]


def test_few_results_wait_whatever_the_queue():
    """Behind one that takes long the others go on, but not all."""
    begun, go_on = [], threading.Event()

    def work(job):
        begun.append(job)
        assert job or go_on.wait(60)
        return job

    results = runner._in_order(range(100_000), work, 2)
    threading.Timer(0.5, go_on.set).start()
    assert next(results)[1]() == 0
    assert 100 < len(begun) <= runner.AHEAD * 2 + 5
    results.close()


def test_standard_input_among_others(tmp_path, monkeypatch):
    import numpy as np
    from PIL import Image

    from codec.app.cli import cli

    monkeypatch.chdir(tmp_path)
    for name in "ab":
        Image.fromarray(np.full((20, 30, 3), ord(name), np.uint8)).save(f"{name}.png")
    data = Path("a.png").read_bytes()
    done = CliRunner().invoke(cli, ["compress", "-j", "2", "a.png", "-", "b.png"], input=data)
    assert done.exit_code == 0, done.stderr
    decoded = [np.asarray(codec.decompress(file)) for file in (done.stdout_bytes, "a.aec", "b.aec")]
    assert np.array_equal(decoded[0], decoded[1]) and not np.array_equal(decoded[0], decoded[2])
    assert sorted(path.name for path in Path().iterdir()) == ["a.aec", "a.png", "b.aec", "b.png"]
    done = CliRunner().invoke(cli, ["embed", "-j", "2", "a.png", "b.aec", "a.aec", "-o", "two.npy"])
    assert done.exit_code == 0, done.stderr
    assert CliRunner().invoke(cli, ["embed", "a.png", "b.aec", "a.aec", "-o", "one.npy"]).exit_code == 0
    assert np.allclose(np.load("one.npy"), np.load("two.npy"), atol=1e-5)


# The end of the parent

PARENT = """
import concurrent.futures, sys, threading
from codec.app import cli, workers
from codec.files import output
import test_workers
@cli.cli.command()
def parent():
    pool = workers.Workers(test_workers.writing, 2)
    threads = concurrent.futures.ThreadPoolExecutor(2)
    for number in range(2):
        threads.submit(pool, output.Draft(f"{number}.aec"), f"flag{number}")
    threading.Event().wait()
cli.main()
"""


def alive(process):
    try:
        return Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@LINUX
@pytest.mark.parametrize(
    "signum, group", [(signal.SIGKILL, False), (signal.SIGTERM, False), (signal.SIGINT, True), (signal.SIGHUP, True)]
)
def test_no_worker_and_no_file_outlives_the_parent(tmp_path, signum, group):
    path = os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)])
    # nohup would have the signal ignored.
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, "parent"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": path},
        stderr=subprocess.PIPE,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),
    )
    flags, began = [tmp_path / "flag0", tmp_path / "flag1"], time.monotonic()
    while not all(flag.exists() and flag.read_text() for flag in flags):
        assert time.monotonic() - began < 60 and parent.poll() is None
        time.sleep(0.02)
    workers = [int(flag.read_text()) for flag in flags]
    assert len(list(tmp_path.glob(".aecodec-*.part"))) == 2 and all(map(alive, workers))
    (os.killpg if group else os.kill)(parent.pid, signum)
    assert parent.wait(20) == (-signum if signum == signal.SIGKILL else 128 + signum)
    deadline = time.monotonic() + 20  # after SIGKILL it is the workers that notice, at once
    while any(map(alive, workers)) or list(tmp_path.glob(".aecodec-*.part")):
        assert time.monotonic() < deadline and signum == signal.SIGKILL, (workers, list(tmp_path.iterdir()))
        time.sleep(0.02)
    assert parent.stderr.read() == b""
    parent.stderr.close()


def test_a_draft_is_written_elsewhere_and_kept_here(tmp_path):
    import copy

    draft = output.Draft(str(tmp_path / "a" / "b"))
    other = copy.copy(draft)  # as through a pipe
    other.write(b"whole")
    other.close()
    assert draft.path not in output._drafts.paths
    draft.keep()
    assert (tmp_path / "a" / "b").read_bytes() == b"whole" and [path.name for path in (tmp_path / "a").iterdir()] == [
        "b"
    ]
