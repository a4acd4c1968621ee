"""Many files in one run: which inputs there are, which output each becomes, and the work on them, here or in `workers`.

Between cli and output.

Only names pass through here: nothing knows pictures, .aec data or options' defaults.
"""

import codecs
import functools
import os
import sys
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TypeVar

import click

from ..errors import CodecError
from ..loading import loading
from . import output
from .report import Report, shown

Result = TypeVar("Result")
STREAM = "-"  # standard input as a source, standard output as a target
AHEAD = 64  # results per process, small ones, that may wait for a large picture before them


@dataclass(frozen=True)
class Job:
    """One input and what becomes of it."""

    source: str
    root: str = ""  # the directory given with -r below which the source was found
    target: str = ""
    problem: CodecError | OSError | None = None  # why it cannot be done: reported in its turn, the others are done
    skipped: bool = False  # its output is there and -n was given

    @property
    def place(self) -> str:
        """The path of the source below an output directory."""
        if self.source == STREAM:
            return "stdin"
        return os.path.relpath(self.source, self.root) if self.root else os.path.basename(self.source)


def read_list(source: str) -> list[str]:
    """The names in a file list (`-`: standard input), one per line, or separated by NUL as
    `find -print0` writes them.
    """
    if source == STREAM:
        data = sys.stdin.buffer.read()
    else:
        with open(source, "rb") as file:
            data = file.read()
    if b"\0" in data:
        names = data.split(b"\0")
    else:
        names = data.removeprefix(codecs.BOM_UTF8).split(b"\n")
        if all(name.endswith(b"\r") for name in names[:-1]):  # else it is part of a name
            names = [name.removesuffix(b"\r") for name in names]
    return [os.fsdecode(name) for name in names if name]


def gather(
    names: Iterable[str], suffixes: Collection[str], recursive: bool, passed: list[str] | None = None
) -> list[Job]:
    """One job per file; directories are searched for files with one of the lower-case `suffixes` (with the dot) if
    `recursive`.

    passed: gets the names of the files in them that have another, but for hidden ones.
    """
    jobs, others = [], [] if passed is None else passed
    for name in names:
        if name == STREAM or not os.path.isdir(name):
            jobs.append(Job(name))
        elif not recursive:
            jobs.append(Job(name, problem=CodecError("is a directory, -r goes through it")))
        else:
            jobs += list(_walk(name, suffixes, others)) or [Job(name, problem=CodecError("holds no file to work on"))]
    if sum(job.source == STREAM for job in jobs) > 1:
        raise click.UsageError("standard input can be read only once")
    return jobs


def _walk(top: str, suffixes: Collection[str], others: list[str]) -> Iterator[Job]:
    unreadable: list[OSError] = []
    for folder, folders, files in os.walk(top, onerror=unreadable.append):
        folders.sort()
        for name in sorted(files):
            path = os.path.join(folder, name)
            if os.path.splitext(name)[1].lower() in suffixes and not _is_odd(path):
                yield Job(path, root=top)
            elif not is_hidden(os.path.relpath(path, top)):
                others.append(path)
    for error in unreadable:
        yield Job(error.filename, problem=error)


def is_hidden(path: str) -> bool:
    """Whether a file, or a folder that it is in, is hidden by its name; `path` begins in the tree."""
    return any(part.startswith(".") for part in path.split(os.sep))


def _is_odd(path: str) -> bool:
    """Whether it is there, and no file: a FIFO would keep whoever reads it waiting."""
    return os.path.exists(path) and not os.path.isfile(path)


@dataclass(frozen=True)
class Naming:
    """How sources become targets: the source's name with `suffix`, beside it or below `directory`; or `destination`, a
    file or `-`.

    A source whose suffix is not `only` (if that is given) needs `destination`.
    """

    suffix: str
    only: str | None
    destination: str | None
    directory: str | None
    force: bool
    no_clobber: bool

    def assign(self, jobs: list[Job]) -> list[Job]:
        """The jobs with targets, or with problems, such as those of which two would have one target. Raises
        click.UsageError.
        """
        if self.destination is not None and (len(jobs) > 1 or any(job.root for job in jobs)):
            what = "several inputs or a directory"
            raise click.UsageError(
                f"{what} cannot go to '{shown(self.destination)}': give a directory, ending in {os.sep}"
            )
        return apart([job if job.problem else self._aim(job) for job in jobs])

    def _aim(self, job: Job) -> Job:
        stem, suffix = os.path.splitext(job.place)
        if self.destination is not None:
            target = self.destination
        elif self.only is not None and job.source != STREAM and suffix.lower() != self.only:
            return replace(job, problem=CodecError(f"its name does not end in {self.only}, name the output with -o"))
        elif self.directory is not None:
            target = os.path.join(self.directory, stem + self.suffix)
        elif job.source == STREAM:
            target = STREAM
        else:
            target = os.path.splitext(job.source)[0] + self.suffix
        job = replace(job, target=target)
        if target == STREAM:
            return job
        try:
            output.check(job.source, target, overwrite=self.force)
        except OSError as error:
            if isinstance(error, FileExistsError) and self.no_clobber:
                return replace(job, skipped=True)
            return replace(job, problem=error)
        return job


def apart(jobs: list[Job]) -> list[Job]:
    """The jobs, with a problem where several would have one target: which of them should have it nobody has said."""
    groups: dict[str, list[Job]] = {}
    places = [os.path.realpath(job.target) if job.target not in ("", STREAM) else "" for job in jobs]
    for place, job in zip(places, jobs, strict=True):
        groups.setdefault(place, []).append(job)
    groups[""] = []
    return [_unless_alone(job, groups[place]) for place, job in zip(places, jobs, strict=True)]


def _unless_alone(job: Job, group: list[Job]) -> Job:
    others = [other.source for other in group if other is not job]
    if not others:
        return job
    whose = shown(others[0]) + (f" and {len(others) - 1} more" if others[1:] else "")
    return replace(job, skipped=False, problem=CodecError(f"would become {shown(job.target)}, and so would {whose}"))


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


def streams(job: Job) -> bool:
    """Whether only this process can do it: others have other descriptors, and a FIFO is read once."""
    if STREAM in (job.source, job.target):
        return True
    try:
        return output.is_direct(job.source) or bool(job.target) and output.is_direct(job.target)
    except OSError:  # whoever opens it says what is wrong
        return False


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
