"""What several of the commands need. Before: `options` and `batch`."""

import os
from collections.abc import Callable

import click

from ...files import output
from ...files.jobs import STREAM, Job
from ...files.words import shown
from .. import runner
from ..options import PICTURE, Failure, Options

QUALITY = PICTURE[:1]
FORCE = [click.option("-f", "--force", is_flag=True, help="Overwrite an existing output.")]


def writes(what: str) -> list:
    """The options of a command with one output file."""
    return [
        click.option(
            "-o", "--output", "destination", required=True, metavar="FILE", type=click.Path(dir_okay=False), help=what
        ),
        *FORCE,
    ]


def each(options: Options, jobs: list[Job], prepare: Callable, finish: Callable) -> int:
    """Does the jobs and reports each; the exit code."""
    with options.report(jobs) as report:
        runner.run(jobs, prepare, finish, report, options.jobs)
    return report.exit_code


def single(options: Options, job: Job, model: str, make: Callable) -> None:
    """One output file, whose bytes `make(coder)` gives."""
    check(options, job.source)

    def finish(job: Job, data: bytes) -> tuple[dict, str]:
        write(job, data, options)
        return {"output": job.target, "bytes": len(data)}, f"{shown(job.target)}: {len(data):,} bytes"

    def prepare() -> Callable:
        coder = options.coder(model)
        return lambda _job: make(coder)

    click.get_current_context().exit(each(options, [job], prepare, finish))


def write(job: Job, data: bytes, options: Options) -> None:
    draft = output.Stream() if job.target == STREAM else output.draft(job.target, options.force)
    try:
        draft.write(data)
        draft.keep()
    finally:
        draft.drop()


def check(options: Options, source: str = "") -> None:
    """Refuses an output that cannot be written before anything is computed."""
    try:
        output.check(source, options.destination, overwrite=options.force)
    except OSError as error:
        raise Failure(f"{shown(options.destination)}: {error.strerror}") from None


def ending(name: str, known: tuple[str, ...]) -> str:
    suffix = os.path.splitext(name)[1].lower()
    if suffix not in known:
        raise click.UsageError(f"the output '{shown(name)}' does not end in {', '.join(known[:-1])} or {known[-1]}")
    return suffix


def require(module: str, package: str = "") -> None:
    import importlib.util

    if importlib.util.find_spec(module) is None:
        raise Failure(f"this needs the package {package or module}: pip install 'aecodec[latents]'")


def content(job: Job):
    """What `files.to_aec` and `image.load` take: the bytes of an .aec file or of what is read only once, else the
    path.
    """
    from ...bitstream.container import SIGNATURE

    if job.source == STREAM:
        return click.get_binary_stream("stdin").read()
    with open(job.source, "rb") as file:
        start = file.read(len(SIGNATURE))
        return start + file.read() if start == SIGNATURE or not file.seekable() else job.source
