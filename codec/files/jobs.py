"""One file to work on and what becomes of it, and which files those are by their suffixes."""

import os
from dataclasses import dataclass, replace

from ..errors import CodecError
from . import output
from .words import shown

STREAM = "-"  # standard input as a source, standard output as a target
AEC = ".aec"
# What -r takes for pictures; a file named on the command line may have any name.
PICTURES = frozenset(
    ".avif .bmp .gif .j2k .jfif .jp2 .jpe .jpeg .jpg .pbm .pgm .png .pnm .ppm .qoi .tif .tiff .webp".split()
)


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


def streams(job: Job) -> bool:
    """Whether only this process can do it: others have other descriptors, and a FIFO is read once."""
    if STREAM in (job.source, job.target):
        return True
    try:
        return output.is_direct(job.source) or bool(job.target) and output.is_direct(job.target)
    except OSError:  # whoever opens it says what is wrong
        return False


def is_hidden(path: str) -> bool:
    """Whether a file, or a folder that it is in, is hidden by its name; `path` begins in the tree."""
    return any(part.startswith(".") for part in path.split(os.sep))


def is_odd(path: str) -> bool:
    """Whether it is there, and no file: a FIFO would keep whoever reads it waiting."""
    return os.path.exists(path) and not os.path.isfile(path)
