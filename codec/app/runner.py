"""For each file: try, write, report; in the end the exit code. Every command that works on files goes through here.

`jobs` says what there is to do, `workers` does several files at a time, and `report` says what became of them.
"""

import contextlib
import functools
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from ..files import output
from ..files.jobs import STREAM, Job, streams
from ..files.words import shown
from ..loading import loading
from .options import Options
from .report import Outcome, Report

AHEAD = 64  # results per process, small ones, that may wait for a large picture before them
MMAP_THRESHOLD = -3  # M_MMAP_THRESHOLD of glibc's mallopt
LARGE = 1 << 22  # bytes; arrays of a picture of a megapixel are smaller

Draft = output.Draft | output.Stream
Work = Callable[..., Any]  # of a Job, and of the Draft to write where there is one
Prepare = Callable[[], Work]  # it can be pickled: it is what a worker process is sent


@dataclass(frozen=True)
class Written:
    """What is known of an output once it is written: `facts` for its record, `words` for its line."""

    facts: dict[str, Any]
    words: str
    stages: dict[str, float]  # seconds
    problems: list[str] = field(default_factory=list)  # what is wrong with the output all the same
    pixels: int = 0
    lost: tuple[str, ...] = ()  # of the input's metadata: what the output has no place for
    note: str = ""  # what else is to be said of the output, which is as it was asked for


def run(options: Options, jobs: list[Job], prepare: Prepare, tell: Callable[[Job, Any], Outcome]) -> int:
    """Does the jobs and reports each in their order; the exit code.

    `prepare` is called only if there is something to do and gives the work: in this process if there is one job or one
    process, else in so many worker processes, which never see jobs of standard input and output and their like. `tell`
    makes of each result, in the main thread, what is said of it.
    """
    return _run(options, jobs, prepare, tell, lambda work, job: work(job))


def produce(
    options: Options, jobs: list[Job], prepare: Prepare, tell: Callable[[Job, Written], Outcome] | None = None
) -> int:
    """As `run` for jobs with targets: the work also takes the Draft that it writes, and gives what it has Written. The
    draft becomes the target where the work ends well, and is gone where it does not.
    """

    def drafting(work: Work, job: Job) -> tuple[Draft, Written]:
        draft: Draft = output.Stream() if job.target == STREAM else output.draft(job.target, options.force)
        try:
            written = work(job, draft)
            start = time.perf_counter()
            if isinstance(draft, output.Draft):
                draft.keep(os.stat(job.source) if options.preserve and not streams(job) else None)
                if options.remove:
                    os.unlink(job.source)
            return draft, replace(written, stages={**written.stages, "write": time.perf_counter() - start})
        except BaseException:
            draft.drop()
            raise

    def finish(job: Job, done: tuple[Draft, Written]) -> Outcome:
        draft, written = done
        if isinstance(draft, output.Stream):
            draft.keep()
        return tell(job, written) if tell else _told(job, written, options.verbose)

    return _run(options, jobs, functools.partial(closing, prepare), finish, drafting)


def closing(prepare: Prepare) -> Work:
    """The work of `prepare` with the draft closed at its end, which is in a worker process."""
    work = prepare()

    def close(job: Job, draft: Draft) -> Written:
        try:
            written: Written = work(job, draft)
            draft.close()
            return written
        except BaseException:
            draft.drop()
            raise

    return close


def _told(job: Job, written: Written, verbose: bool) -> Outcome:
    seconds = sum(written.stages.values())
    line = f"{shown(job.source)} -> {shown(job.target)}: {written.words}, {seconds:.2f} s"
    if verbose:
        line += " (" + ", ".join(f"{stage} {part:.3f}" for stage, part in written.stages.items()) + ")"
    record = {"input": job.source, "output": job.target, **written.facts, "seconds": round(seconds, 6)}
    return Outcome(record, line, written.problems, written.pixels, written.lost, written.note)


def report(
    options: Options, total: int, results: Iterable[tuple[Job, Callable[[], Any]]], tell: Callable[[Job, Any], Outcome]
) -> int:
    """Reports jobs as they come, each with a function that gives its result or raises its error; the exit code."""
    with Report(total, options.as_json, options.verbose, options.quiet, progress=not options.no_progress) as said:
        for job, result in results:
            try:
                value = result()
                outcome = _skipped(job) if job.skipped else tell(job, value)
            except BrokenPipeError:
                raise  # whoever read our output has gone: click ends the run without a word
            except Exception as error:
                said.failed(job.source, error)
            else:
                said.done(job.source, outcome)
    return said.exit_code


def _skipped(job: Job) -> Outcome:
    record = {"input": job.source, "output": job.target, "skipped": True}
    return Outcome(record, f"{shown(job.source)}: skipped, {shown(job.target)} exists")


def _run(
    options: Options,
    jobs: list[Job],
    prepare: Prepare,
    tell: Callable[[Job, Any], Outcome],
    around: Callable[[Work, Job], Any],
) -> int:
    """`around(work, job)` does one job in a thread."""
    todo = [job for job in jobs if not (job.problem or job.skipped)]
    if todo:
        return_memory()
    here = functools.cache(loading()(prepare))
    processes = min(options.jobs, sum(not streams(job) for job in todo))
    if todo and processes <= 1:
        here()
    pool = None
    if processes > 1:
        from .workers import Workers

        pool = Workers(prepare, processes)

    def attempt(job: Job) -> Any:
        if job.problem is not None:
            raise job.problem
        if job.skipped:
            return None
        return around(here() if pool is None or streams(job) else pool, job)

    try:
        return report(options, len(jobs), _in_order(jobs, attempt, processes), tell)
    finally:
        if pool is not None:
            pool.close()


def return_memory() -> bool:
    """Has C's library, where it is glibc, give large arrays back to the system as soon as they are freed; whether it
    does.

    By itself it keeps up to 32 MB of each for arrays to come, and what stays of one row of tiles lies between: a tenth
    of the memory of a large picture.
    """
    if not sys.platform.startswith("linux"):
        return False
    import ctypes

    with contextlib.suppress(OSError, AttributeError):  # another library of C has no mallopt
        return bool(ctypes.CDLL(None).mallopt(MMAP_THRESHOLD, LARGE))
    return False


def _in_order(
    jobs: Iterable[Job], work: Callable[[Job], Any], processes: int
) -> Iterator[tuple[Job, Callable[[], Any]]]:
    """Does `work` on every job in threads; yields, in the order of `jobs`, each with a function that gives its result
    or raises its error.

    Closing the iterator early drops the jobs not yet begun and waits for none.
    """
    from concurrent.futures import Future, ThreadPoolExecutor

    alone = processes <= 1
    # Half of the threads wait for disks, so that every process always has a next job.
    pool = ThreadPoolExecutor(1 if alone else 2 * processes)
    waiting: deque[tuple[Job, Future[Any]]] = deque()
    try:
        for job in jobs:
            waiting.append((job, pool.submit(work, job)))
            if len(waiting) > (2 if alone else AHEAD * processes):
                job, future = waiting.popleft()
                yield job, future.result
        while waiting:
            job, future = waiting.popleft()
            yield job, future.result
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
