"""`Options`: what many commands are told, as one value, and the jobs that follow from it.

Checks that need no work are made here and by `jobs`, and raise click.UsageError (exit code 2).
"""

import os
import sys
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from ..errors import BadWeights, CodecError
from ..files import output
from ..files.jobs import AEC, PICTURES, STREAM, Job, streams
from ..files.words import shown
from ..pixels.terms import MAX_PIXELS
from . import jobs as inputs
from .report import Failure, passed_over

if TYPE_CHECKING:
    from ..engine.native.loaded import Loaded
    from ..pipeline.codec import Codec


@dataclass(frozen=True)
class Options:
    """The options that many commands have, as one value; those that a command lacks have their defaults."""

    names: tuple[str, ...] = ()
    recursive: bool = False
    filelist: str | None = None
    as_json: bool = False
    verbose: bool = False
    quiet: bool = False
    model: str = "default"
    device: str = "auto"
    engine: str = "auto"
    jobs: int = 1
    no_progress: bool = True
    max_pixels: int = MAX_PIXELS
    destination: str | None = None
    output_dir: str | None = None
    stdout: bool = False
    force: bool = False
    no_clobber: bool = False
    preserve: bool = False
    keep: bool = False
    remove: bool = False

    def sources(self, suffixes: Collection[str], passed: list[str] | None = None) -> list[Job]:
        """The inputs as jobs without targets; what is passed over in trees is said, or added to `passed`.

        Raises click.UsageError.
        """
        names = list(self.names)
        if self.filelist is not None:
            if self.filelist == STREAM and STREAM in names:
                raise click.UsageError("standard input is either the file list or a picture")
            try:
                names += inputs.read_list(self.filelist)
            except OSError as error:
                raise click.UsageError(
                    f"the file list '{shown(self.filelist)}' cannot be read: {error.strerror}"
                ) from None
        if not names:
            raise click.UsageError("no input is given; - is standard input")
        others: list[str] = []
        jobs = inputs.gather(names, suffixes, self.recursive, others)
        if not PICTURES <= set(suffixes):  # what is no .aec file is nobody's business
            others = []
        if passed is None:
            self.say_passed(others)
        else:
            passed += others
        return jobs

    def say_passed(self, names: Iterable[str]) -> None:
        """Says in one line which files of a tree are no pictures that can be read, but for .aec files."""
        line = passed_over(name for name in names if os.path.splitext(name)[1].lower() != AEC)
        if line and not self.quiet:
            click.echo(line, err=True)

    def plan(self, suffixes: Collection[str], suffix: str, only: str | None = None) -> list[Job]:
        """The inputs as jobs with targets, after all checks that need no work. Raises click.UsageError."""
        for one, two, both in (
            ("-f", "-n", self.force and self.no_clobber),
            ("-k", "--rm", self.keep and self.remove),
            ("-o", "--output-dir", self.destination is not None and self.output_dir is not None),
            ("-c", "-o or --output-dir", self.stdout and (self.destination or self.output_dir) is not None),
        ):
            if both:
                raise click.UsageError(f"{one} excludes {two}")
        destination, directory = STREAM if self.stdout else self.destination, self.output_dir
        if destination not in (None, STREAM) and (destination.endswith(os.sep) or os.path.isdir(destination)):
            destination, directory = None, destination
        naming = inputs.Naming(suffix, only, destination, directory, self.force, self.no_clobber)
        passed: list[str] = []
        jobs = naming.assign(self.sources(suffixes, passed))
        if any(not job.problem and (job.target == STREAM or output.end_of(job.target) == 1) for job in jobs):
            self._check_stdout()
        if self.remove and any(streams(job) for job in jobs):
            raise click.UsageError("--rm needs a file on both sides")
        self.say_passed(passed)
        return jobs

    def aim(self, source: str, target: str) -> Job:
        """The one job of a command that makes one output of one input. Raises click.UsageError."""
        if target == STREAM:
            self._check_stdout()
            return Job(source, target=target)
        try:
            output.check(source, target, overwrite=self.force)
        except OSError as error:
            return Job(source, target=target, problem=error)
        return Job(source, target=target)

    def _check_stdout(self) -> None:
        """Raises click.UsageError where an output cannot go to standard output."""
        if self.as_json:
            raise click.UsageError("--json and the output cannot both go to stdout")
        if sys.stdout.isatty() and not self.force:
            raise click.UsageError("binary data is not written to a terminal: give -o, a redirection, or -f")

    def check(self, *sources: str) -> str:
        """The one output, or click.ClickException where it cannot be written, before anything is computed."""
        assert self.destination is not None  # the option is required
        try:
            for source in sources or ("",):
                output.check(source, self.destination, overwrite=self.force)
        except OSError as error:
            raise Failure(f"{shown(self.destination)}: {error.strerror}") from None
        return self.destination

    @property
    def threads(self) -> int | None:
        """In each process, None for the engine's own choice."""
        return None if self.jobs == 1 else max(1, (os.cpu_count() or 1) // self.jobs)

    def loaded(self) -> "Loaded | None":
        """The model in the C library alone, to decode; None where another engine runs it, or for an error that `coder`
        raises.
        """
        from ..engine import is_native

        if self.engine == "torch" or not is_native(self.device):
            return None
        from ..engine.native import library, loaded

        try:
            if self.threads:
                library.load().aec_threads(self.threads)
            return loaded.load(self.model, encodes=False)
        except CodecError:
            return None

    def coder(self) -> "Codec":
        """The one Codec of this process. Raises click.ClickException: nothing can be done without."""
        import codec

        try:
            return codec.Codec(self.model, self.device, self.threads, self.engine)
        except BadWeights as error:
            raise Failure(f"{shown(self.model)}: {error}") from None
        except CodecError as error:
            raise Failure(str(error)) from None
