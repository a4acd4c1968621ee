"""The command line's options: their names, checks and help in one list per theme, and `Options`, the value a command
receives. Used by cli.

Checks that need no work are made here and by batch, and raise click.UsageError (exit code 2).
"""

import math
import os
import re
import sys
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

import click

from ..errors import BadWeights, CodecError
from ..files import output
from ..files.jobs import AEC, PICTURES, STREAM, Job, streams
from ..files.words import shown
from . import jobs as inputs
from .report import Report, passed_over

METADATA = ("exif", "icc", "xmp", "cicp")


class Failure(click.ClickException):
    """An error that belongs to no single file."""

    def show(self, file=None) -> None:
        click.echo(f"aecodec: {self.message}", err=True)


def _device(_context, _parameter, value: str) -> str:
    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", value):
        raise click.BadParameter(f"'{value}' is not auto, cpu, cuda or cuda:N")
    return value


def _quality(_context, _parameter, value: float) -> float:
    if math.isnan(value):  # passes every range
        raise click.BadParameter("nan is not a number from 1 to 100")
    return value


def _strip(_context, _parameter, value: str) -> tuple[str, ...]:
    kinds = tuple(kind for kind in value.split(",") if kind)
    for kind in kinds:
        if kind not in (*METADATA, "all"):
            raise click.BadParameter(f"'{kind}' is not one of {', '.join(METADATA)}, all")
    return METADATA if "all" in kinds else kinds


def _crop(_context, _parameter, value: str | None) -> tuple[int, ...] | None:
    if value is None:
        return None
    if not re.fullmatch(r"\d+,\d+,\d+,\d+", value, re.ASCII) or 0 in (numbers := tuple(map(int, value.split(","))))[2:]:
        raise click.BadParameter(f"'{value}' is not X,Y,WIDTH,HEIGHT in whole pixels")
    return numbers


def _scale(_context, _parameter, value: str) -> float:
    return 1 / int(value.removeprefix("1/"))


def _size(_context, _parameter, value: str | None) -> float | None:
    if value is None:
        return None
    match = re.fullmatch(r"(\d+(?:\.\d*)?) ?(?:([kKMG])(i?))?B?", value, re.ASCII)
    if (
        not match
        or not (size := float(match[1]) * (1024 if match[3] else 1000) ** " KMG".index((match[2] or " ").upper())) >= 1
    ):
        raise click.BadParameter(f"'{value}' is not a number of bytes, like 50000, 50kB or 48KiB")
    return size


def _positive(_context, _parameter, value: float | None) -> float | None:
    if value is not None and not 0 < value < math.inf:
        raise click.BadParameter(f"{value} is not a number above zero")
    return value


INPUTS = [
    click.argument("names", nargs=-1, metavar="[FILE]...", type=click.Path()),
    click.option("-r", "--recursive", is_flag=True, help="Go through directories; -o DIR/ then mirrors their tree."),
    click.option(
        "--filelist",
        metavar="FILE",
        type=click.Path(),
        help="Read more names from FILE (-: stdin), one per line or NUL separated.",
    ),
]
SPEECH = [
    click.option("--json", "as_json", is_flag=True, help="One JSON object per file on stdout."),
    click.option("-v", "--verbose", is_flag=True, help="A line per file with the seconds of each stage."),
    click.option("--quiet", is_flag=True, help="Nothing but errors."),
]
WORK = [
    click.option(
        "-d",
        "--device",
        default="auto",
        show_default=True,
        callback=_device,
        metavar="auto|cpu|cuda[:N]",
        help="Where the networks run.",
    ),
    click.option(
        "-j",
        "--jobs",
        type=click.IntRange(min=1),
        default=1,
        show_default=True,
        help="Files at a time, each in a process of its own; the output does not depend on it.",
    ),
    click.option("--no-progress", is_flag=True, help="No progress bar (there is one on a terminal only)."),
]
LIMIT = [
    click.option(
        "--max-pixels",
        type=click.IntRange(min=0),
        default=2**28,
        show_default=True,
        help="Refuse larger pictures; 0 is no limit.",
    )
]
PICTURE = [
    click.option(
        "-q",
        "--quality",
        type=click.FloatRange(1, 100),
        default=60.0,
        show_default=True,
        callback=_quality,
        help="1 smallest, 100 best; decimals allowed.",
    ),
    click.option(
        "-e",
        "--effort",
        type=click.IntRange(0, 9),
        default=0,
        show_default=True,
        help="Passes that fit what is coded to the picture it decodes to: fewer bytes at equal PSNR, "
        "each in 1.3 times the time of an encoding without.",
    ),
    click.option(
        "--lossless/--lossy",
        default=None,
        help="Keep every pixel exactly, or never; without either, where it costs less, as with graphics.",
    ),
]
STRIP = [
    click.option(
        "--strip",
        default="",
        callback=_strip,
        metavar="exif,icc,xmp,cicp|all",
        help="Leave out this metadata; all of it is kept otherwise.",
    )
]
TARGET = [
    click.option(
        "--target-size",
        metavar="BYTES",
        callback=_size,
        help="The best file of at most this size, in place of -q; 50kB and 48KiB too.",
    ),
    click.option(
        "--bpp", type=float, callback=_positive, help="The best file of at most so many bits per pixel, in place of -q."
    ),
    click.option(
        "--psnr",
        type=float,
        metavar="DB",
        callback=_positive,
        help="The smallest file of at least this PSNR, in place of -q.",
    ),
]
REGION = [
    click.option(
        "--crop",
        metavar="X,Y,W,H",
        callback=_crop,
        help="Only this rectangle of the stored pixels (not turned as EXIF says).",
    ),
    click.option(
        "--scale",
        type=click.Choice(["1", "1/2", "1/4", "1/8", "1/16"]),
        default="1",
        callback=_scale,
        help="Smaller: the means of squares of pixels.",
    ),
    click.option("--recover", is_flag=True, help="Decode what is left of damaged files; the rest becomes gray."),
    click.option(
        "--fast",
        is_flag=True,
        help="Compute pixels in bfloat16 where the processor can: a fifth faster, "
        "samples of photographs off by a level.",
    ),
]


def model_option(default: str) -> list[Callable]:
    """The option that names a model, for a command whose usual one is `default`."""
    return [
        click.option(
            "-m",
            "--model",
            default=default,
            show_default=True,
            metavar="NAME|FILE",
            help="One of `aecodec models`, or a weight file; files name the installed model they need.",
        )
    ]


MODEL = model_option("default")
LATENTS_MODEL = model_option("psnr")  # whose latents the figures of features, anomalies and denoising were measured on
TREE = [
    click.option("--decompress", is_flag=True, help="From .aec files to pictures, not the other way."),
    click.option("--format", default="png", show_default=True, metavar="SUFFIX", help="Of these pictures."),
    click.option("--psnr", is_flag=True, help="Decode each file again and put its PSNR into the manifest."),
    click.option("--manifest", metavar="URL", help="Parquet file, a row per input.  [default: DST/manifest.parquet]"),
    click.option("-f", "--force", is_flag=True, help="Make outputs that are there again."),
]
CLUSTER = [
    click.option("--ray", is_flag=True, help="On a Ray cluster."),
    click.option("--address", metavar="HOST:PORT", help="Of the cluster; without it one is started on this machine."),
    click.option(
        "--actors",
        type=click.IntRange(min=1),
        help="Processes of the cluster, each with its model.  [default: all its CPUs, or GPUs]",
    ),
    click.option(
        "--num-gpus",
        type=click.FloatRange(min=0),
        default=0,
        show_default=True,
        help="GPUs of each; 0.5 for two processes on one.",
    ),
]
OUTPUTS = [
    click.option(
        "-o",
        "--output",
        "destination",
        metavar="FILE|DIR/|-",
        type=click.Path(),
        help="Output file, directory or stdout.",
    ),
    click.option("--output-dir", metavar="DIR", type=click.Path(), help="Output directory, made if it is not there."),
    click.option("-c", "--stdout", is_flag=True, help="Write to stdout, like -o -."),
    click.option("-f", "--force", is_flag=True, help="Overwrite existing outputs; write binary data to a terminal."),
    click.option(
        "-n", "--no-clobber", is_flag=True, help="Skip inputs whose output exists, whatever is in it, without an error."
    ),
    click.option(
        "-p", "--preserve", is_flag=True, help="Give outputs the times and permissions of their inputs, as cp -p does."
    ),
    click.option("-k", "--keep", is_flag=True, help="Keep the inputs (the default)."),
    click.option("--rm", "remove", is_flag=True, help="Remove each input once its output is proved to decode."),
]


def takes(*groups: list) -> Callable:
    """Adds groups of options to a command, which receives them as keyword arguments for `Options`."""

    def add(function: Callable) -> Callable:
        for option in reversed([option for group in groups for option in group]):
            function = option(function)
        return function

    return add


@dataclass(frozen=True)
class Options:
    """The options above as one value; commands without outputs or work leave the defaults."""

    names: tuple[str, ...]
    recursive: bool
    filelist: str | None
    as_json: bool
    verbose: bool
    quiet: bool
    device: str = "auto"
    jobs: int = 1
    no_progress: bool = True
    max_pixels: int = 2**28
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
            if self.as_json:
                raise click.UsageError("--json and the output cannot both go to stdout")
            if sys.stdout.isatty() and not self.force:
                raise click.UsageError("binary data is not written to a terminal: give -o, a redirection, or -f")
        if self.remove and any(streams(job) for job in jobs):
            raise click.UsageError("--rm needs a file on both sides")
        self.say_passed(passed)
        return jobs

    def report(self, jobs: list[Job]) -> Report:
        return Report(len(jobs), self.as_json, self.verbose, self.quiet, progress=not self.no_progress)

    @property
    def threads(self) -> int | None:
        """Of torch in each process, None for its own choice."""
        return None if self.jobs == 1 else max(1, (os.cpu_count() or 1) // self.jobs)

    def coder(self, model: str = "default"):
        """The one Codec of this process. Raises click.ClickException: nothing can be done without."""
        import codec

        try:
            return codec.Codec(model, self.device, self.threads)
        except BadWeights as error:
            raise Failure(f"{shown(model)}: {error}") from None
        except CodecError as error:
            raise Failure(str(error)) from None
