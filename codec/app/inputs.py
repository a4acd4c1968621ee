"""What stands behind the name of an input: a path for whoever reads files, or all that can be read only once."""

import os
import sys

from ..files import output
from ..files.jobs import STREAM, Job


def source(job: Job) -> bytes | str:
    """The path of the input, or what standard input holds."""
    return sys.stdin.buffer.read() if job.source == STREAM else job.source


def reread(job: Job) -> bytes | str:
    """The same for what reads it more than once: the path of a file, or all that a pipe, a FIFO or a socket holds."""
    if job.source != STREAM and output.is_direct(job.source):
        place = output.end_of(job.source)
        with open(os.dup(place) if isinstance(place, int) else place, "rb") as file:
            if not file.seekable():
                return file.read()
    return source(job)


def content(job: Job) -> bytes | str:
    """What `latents.files.to_aec` and `pixels.read.load` take: the bytes of an .aec file or of what is read only once,
    else the path.
    """
    from ..bitstream.layout import SIGNATURE

    if job.source == STREAM:
        return sys.stdin.buffer.read()
    with open(job.source, "rb") as file:
        start = file.read(len(SIGNATURE))
        return start + file.read() if start == SIGNATURE or not file.seekable() else job.source
