"""The work on many files, here or in `workers`. Between `jobs` and `report`."""

import functools
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from ..files.jobs import Job, streams
from ..files.words import shown
from ..loading import loading
from .report import Report

Result = TypeVar("Result")
AHEAD = 64  # results per process, small ones, that may wait for a large picture before them


def run(
    jobs: list[Job],
    prepare: Callable[[], Callable],
    finish: Callable[[Job, Result], tuple],
    report: Report,
    processes: int,
    around: Callable[[Callable, Job], Result] = lambda work, job: work(job),
) -> None:
    """Does the jobs and reports each in their order.

    `prepare`, which can be pickled, is called only if there is something to do and gives the work: in this process if
    there is one job or one process, else in so many worker processes, which never see jobs of standard input and
    output and their like. `around(work, job)` does one job in a thread; `finish` takes each result in the main thread
    and gives the arguments of the report's `done`.
    """
    todo = [job for job in jobs if not (job.problem or job.skipped)]
    here = functools.cache(loading()(prepare))
    processes = min(processes, sum(not streams(job) for job in todo))
    if todo and processes <= 1:
        here()
    pool = None
    if processes > 1:
        from .workers import Workers

        pool = Workers(prepare, processes)

    def attempt(job: Job) -> Result | None:
        if job.problem is not None:
            raise job.problem
        if job.skipped:
            return None
        return around(here() if pool is None or streams(job) else pool, job)

    try:
        for job, result in _in_order(jobs, attempt, processes):
            try:
                value = result()
                if job.skipped:
                    done = (
                        {"input": job.source, "output": job.target, "skipped": True},
                        f"{shown(job.source)}: skipped, {shown(job.target)} exists",
                    )
                else:
                    done = finish(job, value)
            except BrokenPipeError:
                raise  # whoever read our output has gone: click ends the run without a word
            except Exception as error:
                report.failed(job.source, error)
            else:
                report.done(*done)
    finally:
        if pool is not None:
            pool.close()


def _in_order(
    jobs: Iterable[Job], work: Callable[[Job], Result], processes: int
) -> Iterator[tuple[Job, Callable[[], Result]]]:
    """Does `work` on every job in threads; yields, in the order of `jobs`, each with a function that gives its result
    or raises its error.

    Closing the iterator early drops the jobs not yet begun and waits for none.
    """
    from concurrent.futures import Future, ThreadPoolExecutor

    alone = processes <= 1
    # Half of the threads wait for disks, so that every process always has a next job.
    pool = ThreadPoolExecutor(1 if alone else 2 * processes)
    waiting: deque[tuple[Job, Future[Result]]] = deque()
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
