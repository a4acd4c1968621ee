"""Measures every picture x codec x quality in processes and keeps what is done when it is stopped.

Before: `metrics`. After: `bdrate`, `record`.

A task is one picture with one codec at several qualities. Each process works with one thread, so that as many as there
are cores can run, and so that float networks give the same bytes on every run.
"""

import functools
import multiprocessing
import os
import signal
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass

from tqdm import tqdm

from . import codecs, data, metrics


@dataclass(frozen=True)
class Task:
    """What one call of `work` does. options: arguments of `codecs.build`, as pairs."""

    path: str
    name: str
    codec: str
    options: tuple
    qualities: tuple
    metrics: tuple


def images(paths):
    """The images entries of RUN.json, and failures of the pictures that cannot be read."""
    entries, failures = [], []
    for path in paths:
        try:
            image = data.load(path)
        except data.DataError as error:
            failures.append({"image": path.name, "codec": None, "quality": None, "error": str(error)})
            continue
        entries.append({"name": path.name, "width": image.width, "height": image.height, "sha256": data.sha256(path)})
    return entries, failures


def plan(paths, entries, chosen, qualities, names, known):
    """Points that need not be measured again, and the tasks for the others.

    chosen: {codec name: (codec, identity)}; qualities: {codec name: list}; names: of the metrics; known: as
    `record.known_points`.
    """
    by_name = {p.name: p for p in paths}
    points, tasks = [], []
    for entry in entries:
        for name, (codec, identity) in chosen.items():
            missing = []
            for quality in qualities[name]:
                point = known.get((entry["sha256"], identity, quality))
                if point is not None:
                    points.append({**_public(point), "image": entry["name"], "codec": name})
                else:
                    missing.append(quality)
            if missing:
                tasks.append(
                    Task(
                        str(by_name[entry["name"]]),
                        entry["name"],
                        name,
                        tuple(codec.options.items()),
                        tuple(missing),
                        tuple(names),
                    )
                )
    return points, tasks


def _public(point):
    return {key: value for key, value in point.items() if key not in ("sha256", "identity")}


def measure(tasks, jobs, keep):
    """Points and failures of all tasks, by `jobs` processes. keep(task, points) is called after each, so that nothing
    is lost on an interruption.
    """
    points, failures = [], []
    with tqdm(total=sum(len(t.qualities) for t in tasks), desc="measuring", unit="point", disable=None) as bar:
        for task, (done, failed) in _results(tasks, jobs):
            keep(task, done)
            points += done
            failures += failed
            bar.update(len(task.qualities))
    return points, failures


def _results(tasks, jobs):
    """(task, result of work) as they come."""
    if jobs == 1 or len(tasks) < 2:
        _start_worker(interruptible=True)
        for task in tasks:
            yield task, work(task)
        return
    # A fork would copy torch's threads in an unknown state.
    pool = ProcessPoolExecutor(min(jobs, len(tasks)), multiprocessing.get_context("spawn"), _start_worker)
    futures = {pool.submit(work, task): task for task in tasks}
    try:
        for future in as_completed(list(futures)):
            yield _result(future, futures.pop(future))
    except KeyboardInterrupt:
        tqdm.write("stopping when the pictures in work are done", file=sys.stderr)
        begun = [(future, task) for future, task in futures.items() if not future.cancel()]
        for future, task in begun:
            yield _result(future, task)
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _result(future, task):
    try:
        return task, future.result()
    except BrokenProcessPool:
        return task, (
            [],
            [_failure(task, q, "a measuring process was killed, perhaps for want of memory") for q in task.qualities],
        )


def _start_worker(interruptible=False):
    """One thread each; Ctrl-C is for the parent, which waits for the tasks in work and keeps their points."""
    os.environ["OMP_NUM_THREADS"] = "1"  # read by torch when it is imported, which not every codec and metric needs
    if not interruptible:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


def work(task):
    """(points, failures) of one task."""
    points, failures = [], []
    try:
        image, codec = _load(task.path), _build(task.codec, task.options)
    except (data.DataError, codecs.Unavailable) as error:
        return [], [_failure(task, quality, str(error)) for quality in task.qualities]
    for quality in task.qualities:
        try:
            points.append(
                {
                    "image": task.name,
                    "codec": task.codec,
                    "quality": quality,
                    **point(codec, image, quality, task.metrics),
                }
            )
        except Exception as error:  # whatever a foreign codec raises, the other points are still wanted
            failures.append(
                _failure(
                    task, quality, f"{type(error).__name__}: {str(error).strip() or 'no reason given'}".splitlines()[0]
                )
            )
    return points, failures


def point(codec, image, quality, names):
    """Size, metrics and single-shot times of one picture at one quality."""
    start = time.perf_counter()
    coded = codec.encode(image, quality)
    encoded = time.perf_counter()
    decoded = codec.decode(coded)
    end = time.perf_counter()
    if decoded.size != image.size:
        raise ValueError(f"{image.width}x{image.height} pixels were decoded to {decoded.width}x{decoded.height}")
    return {
        "bytes": len(coded),
        "bpp": 8 * len(coded) / (image.width * image.height),
        **metrics.measure(image, decoded, names),
        "encode_s": round(encoded - start, 6),
        "decode_s": round(end - encoded, 6),
    }


def _failure(task, quality, error):
    return {"image": task.name, "codec": task.codec, "quality": quality, "error": error}


@functools.lru_cache(1)
def _load(path):
    return data.load(path)


@functools.lru_cache(len(codecs.NAMES))
def _build(name, options):
    return codecs.build(name, **dict(options))
