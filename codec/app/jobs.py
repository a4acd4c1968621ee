"""Which inputs there are, and which output each becomes; `options` asks for them, and `runner` does them.

Only names pass through here: nothing knows pictures, .aec data or options' defaults.
"""

import codecs
import contextlib
import os
import sys
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace

import click

from ..errors import CodecError
from ..files import output
from ..files.jobs import STREAM, Job, apart, is_hidden, is_odd
from ..files.words import shown

# What a list in UTF-16 begins and ends with; lists of names that happen to begin so end otherwise.
UTF_16 = {codecs.BOM_UTF16_LE: b"\n\0", codecs.BOM_UTF16_BE: b"\0\n"}


def read_list(source: str) -> list[str]:
    """The names in a file list (`-`: standard input), one per line, or separated by NUL as
    `find -print0` writes them.
    """
    if source == STREAM:
        data = sys.stdin.buffer.read()
    else:
        with open(source, "rb") as file:
            data = file.read()
    for mark, end in UTF_16.items():
        if data.startswith(mark) and len(data) % 2 == 0 and data.endswith(end):  # as PowerShell writes lists
            with contextlib.suppress(UnicodeDecodeError):
                data = data.decode("utf-16").encode()
    data = data.removeprefix(codecs.BOM_UTF8)
    if b"\0" in data:
        names = data.split(b"\0")
    else:
        names = data.split(b"\n")
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
            if os.path.splitext(name)[1].lower() in suffixes and not is_odd(path):
                yield Job(path, root=top)
            elif not is_hidden(os.path.relpath(path, top)):
                others.append(path)
    for error in unreadable:
        yield Job(error.filename, problem=error)


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
