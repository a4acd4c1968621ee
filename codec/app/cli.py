"""The command line `aecodec`: each command ties options to calls of the package.

Its parts: options, batch (names), work, output (files), report (words).

Nothing heavy is imported at the top: torch, numpy and Pillow wait inside the commands that need them, so that --help,
info and a usage error answer at once. Exit codes: 0 all done, 1 a file failed, 2 usage, 130 and 143 after SIGINT and
SIGTERM.
"""

import hashlib
import json
import os
import signal
import sys
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path

import click

from .. import loading
from ..errors import CodecError
from ..files import output
from ..files.jobs import AEC, PICTURES, STREAM, Job
from ..files.words import shown
from ..model import purpose
from . import commands as latents
from . import runner, work
from .commands.autoencoders import ae
from .options import CLUSTER, INPUTS, LIMIT, MODEL, OUTPUTS, PICTURE, REGION, SPEECH, STRIP, TARGET, TREE, WORK, Failure, Options, takes


def main() -> None:
    """The console script.

    Leaves through os._exit: worker threads may be inside torch, and torch's own teardown takes up to half a second.
    """
    # This must come before torch: on busy cores, threads that spin while they wait for each other take five times as
    # long; on idle ones, threads that sleep take a sixth longer.
    if os.getloadavg()[0] > (os.cpu_count() or 1) / 2:
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    for name, mode in (("stdin", os.O_RDONLY), ("stdout", os.O_RDONLY), ("stderr", os.O_WRONLY)):
        # Whoever started this may have closed a stream, and the next file opened would take its place. Output that
        # nobody gets is an error.
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.open(os.devnull, mode), "r" if name == "stdin" else "w"))
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # names are said where the locale lacks their letters, too
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(signum) != signal.SIG_IGN:  # as nohup and shells set it
            signal.signal(signum, _stop)
    warnings.showwarning = lambda message, *_: click.echo(f"aecodec: {message}", err=True)
    try:
        code = cli.main(prog_name="aecodec", standalone_mode=False) or 0
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except click.Abort:
        code = 1
    except OSError as error:  # standard output is full, or has another trouble
        Failure(str(error.strerror or error)).show()
        code = 1
    except Exception as error:
        if (said := loading.sentence(error)) is None:
            raise
        Failure(said).show()
        code = 1
    except SystemExit as leave:  # click's answer to a reader that has gone
        code = leave.code or 0
    _clean_up()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            code = code or 1
    os._exit(code)


def _stop(signum: int, _frame) -> None:
    """Ends the run at once.

    No exception: that could strike inside a clean-up, and a second signal inside the clean-up after the first.
    """
    _clean_up()
    if sys.stderr.isatty():
        os.write(2, b"\n")  # the shell's prompt begins its own line
    os._exit(128 + signum)


def _clean_up() -> None:
    if workers := sys.modules.get("codec.app.workers"):
        workers.kill_all()  # before their files are removed
    output.drop_all()


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(
    None, "-V", "--version", package_name="aecodec", prog_name="aecodec", message="%(prog)s %(version)s"
)
def cli() -> None:
    """Learned image compression: photographs to small .aec files and back.

    \b
      aecodec compress photo.png    makes photo.aec
      aecodec decompress photo.aec  makes photo.png

    Exit code: 0 all done, 1 a file failed, 2 wrong usage.
    """


@cli.command()
@takes(INPUTS, PICTURE, STRIP, TARGET, MODEL, OUTPUTS, WORK, LIMIT, SPEECH)
def compress(
    quality: float,
    effort: int,
    lossless: bool | None,
    strip: tuple[str, ...],
    target_size: float | None,
    bpp: float | None,
    psnr: float | None,
    model: str,
    **options,
) -> None:
    """Turn pictures into .aec files.

    \b
      aecodec compress photo.png                     makes photo.aec beside it
      aecodec compress -q 80 *.jpg -o small/         several, into a directory
      aecodec compress -r photos --output-dir small  a whole tree, mirrored
      curl ... | aecodec compress - > photo.aec      through a pipe
      aecodec compress --target-size 50kB photo.png  the best that fits
    """
    options, target = Options(**options), {"target_size": target_size, "bpp": bpp, "psnr": psnr}
    _check_target(target, lossless)
    produce(
        options,
        options.plan(PICTURES, AEC),
        partial(work.compressing, options, model, quality, effort, lossless, strip, target),
    )


def _check_target(target: dict[str, float | None], lossless: bool | None) -> None:
    """Raises click.UsageError where more than one thing says how large the files become."""
    asked = [f"--{name.replace('_', '-')}" for name, value in target.items() if value is not None]
    if asked and click.get_current_context().get_parameter_source("quality") is click.core.ParameterSource.COMMANDLINE:
        asked.append("-q")
    if asked and lossless:
        asked.append("--lossless")
    if len(asked) > 1:
        raise click.UsageError(f"{asked[0]} excludes {asked[1]}")


@cli.command()
@takes(INPUTS, REGION, STRIP, MODEL, OUTPUTS, WORK, LIMIT, SPEECH)
def decompress(
    model: str, crop: tuple[int, ...] | None, scale: float, recover: bool, fast: bool, strip: tuple[str, ...], **options
) -> None:
    """Turn .aec files into pictures.

    The format is PNG, or what the suffix of -o FILE names.

    \b
      aecodec decompress photo.aec               makes photo.png beside it
      aecodec decompress photo.aec -o photo.jpg  makes a JPEG
      aecodec decompress -r small -o back/       a whole tree, mirrored
      aecodec decompress map.aec --crop 9000,4000,800,600 -o part.png
    """
    options = Options(**options)
    if options.remove and (crop or scale != 1 or recover):
        raise click.UsageError("--rm excludes --crop, --scale and --recover: the input holds more than the output")

    produce(
        options,
        options.plan({AEC}, ".png", only=AEC),
        partial(work.decompressing, options, model, crop, scale, recover, fast, strip),
    )


@cli.command()
@takes(INPUTS, MODEL, WORK, SPEECH)
def verify(model: str, **options) -> None:
    """Check .aec files completely.

    Every checksum is computed and every symbol decoded, but no pixels are made.
    """
    options = Options(**options)

    def finish(job: Job, pixels: int) -> tuple[dict, str, list[str], int]:
        if not (options.as_json or options.quiet):
            click.echo(f"{shown(job.source)}: ok")
        return {"input": job.source, "ok": True}, "", [], pixels

    _run(options, options.sources({AEC}), partial(work.verifying, options, model), finish)


@cli.command()
@takes(INPUTS, SPEECH)
def info(**options) -> None:
    """Show the header of .aec files."""
    options = Options(**options)
    jobs = options.sources({AEC})

    def finish(job: Job, header: dict) -> tuple[dict, str]:
        if not options.as_json:
            if len(jobs) > 1:
                click.echo(f"{shown(job.source)}:")
            width = max(map(len, header))
            for key, value in header.items():
                if isinstance(value, dict):
                    value = ", ".join(f"{name} {size}" for name, size in value.items())
                elif isinstance(value, bool):
                    value = "yes" if value else "no"
                click.echo(f"{key:{width}}  {value or '-'}")
        return {"input": job.source, **header}, ""

    _run(options, jobs, work.informing, finish)


@cli.command("batch")
@click.argument("source", metavar="SRC")
@click.argument("destination", metavar="DST")
@takes(TREE, PICTURE, STRIP, TARGET[:2], MODEL, CLUSTER, WORK, LIMIT, SPEECH)
def tree(source: str, destination: str, **options) -> None:
    """Compress a tree of pictures, on a cluster too.

    SRC and DST are directories or URLs of fsspec (s3://bucket/photos). The same command goes on after a stop: what is
    there already is left as it is. A manifest says of each file what became of it.

    \b
      aecodec batch photos small -j 8
      aecodec batch s3://bucket/photos s3://bucket/small --ray --address HOST:6379 --num-gpus 1
    """
    from .commands import batch as trees

    _check_target({name: options[name] for name in ("target_size", "bpp")}, options["lossless"])
    click.get_current_context().exit(trees.run(source, destination, **options))


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object per model on stdout.")
def models(as_json: bool) -> None:
    """List the installed models: name, id, size, what it is for."""
    for path in sorted((Path(__file__).parents[1] / "models").glob("*.safetensors")):
        data = path.read_bytes()
        objective = purpose.objective_of(path)
        record = {
            "model": path.stem,
            "id": hashlib.sha256(data).hexdigest()[:8],
            "bytes": len(data),
            "objective": objective,
            "purpose": purpose.PURPOSES.get(objective, "for an objective that this version does not know"),
        }
        click.echo(json.dumps(record) if as_json else "{model}  {id}  {bytes:,} bytes  {purpose}".format(**record))


latents.register(cli)
cli.add_command(ae)


FORWARD = {
    "context_settings": {"ignore_unknown_options": True, "help_option_names": []},
    "add_help_option": False,
    "params": [click.Argument(["arguments"], nargs=-1, type=click.UNPROCESSED)],
}


@cli.command(**FORWARD)
def train(arguments: tuple[str, ...]) -> None:
    """Train a model on your own pictures."""
    from ..training import loop

    _forward(loop.main, arguments)


@cli.command(**FORWARD)
def export(arguments: tuple[str, ...]) -> None:
    """Freeze a checkpoint into a model file."""
    from ..training import export as freeze

    _forward(freeze.main, arguments)


def _forward(main: Callable, arguments: tuple[str, ...]) -> None:
    """Leaves the arguments to a program that parses them itself; what it says of its input is for people."""
    try:
        main(list(arguments))
    except OSError as error:
        raise Failure(f"{shown(error.filename or '')}: {error.strerror or error}") from None
    except (ValueError, CodecError) as error:
        raise Failure(str(error)) from None


def produce(
    options: Options, jobs: list[Job], prepare: Callable[[], Callable[[Job, output.Draft | output.Stream], work.Result]]
) -> None:
    """Runs jobs that have targets. `prepare` can be pickled."""

    def drafting(write: Callable, job: Job) -> tuple:
        draft = output.Stream() if job.target == STREAM else output.draft(job.target, options.force)
        try:
            result = write(job, draft)
            start = time.perf_counter()
            if isinstance(draft, output.Draft):
                draft.keep(os.stat(job.source) if options.preserve and not batch.streams(job) else None)
                if options.remove:
                    os.unlink(job.source)
            return draft, result, {**result.stages, "write": time.perf_counter() - start}
        except BaseException:
            draft.drop()
            raise

    def finish(job: Job, done: tuple) -> tuple[dict, str, list[str], int, tuple[str, ...]]:
        draft, result, stages = done
        if isinstance(draft, output.Stream):
            draft.keep()
        record = {
            "input": job.source,
            "output": job.target,
            "bytes": result.coded,
            "bpp": result.bpp,
            "width": result.width,
            "height": result.height,
            "seconds": round(sum(stages.values()), 6),
        }
        line = "{input} -> {output}: {bytes:,} bytes, {bpp:.3f} bpp, {width}x{height}, {seconds:.2f} s".format(
            **record | {"input": shown(job.source), "output": shown(job.target)}
        )
        if options.verbose:
            line += " (" + ", ".join(f"{stage} {seconds:.3f}" for stage, seconds in stages.items()) + ")"
        return record, line, result.problems, result.width * result.height, result.lost

    _run(options, jobs, partial(work.whole, prepare), finish, drafting)


def _run(
    options: Options, jobs: list[Job], prepare: Callable[[], Callable], finish: Callable[..., tuple], *around: Callable
) -> None:
    with options.report(jobs) as report:
        runner.run(jobs, prepare, finish, report, options.jobs, *around)
    click.get_current_context().exit(report.exit_code)
