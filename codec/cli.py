"""The command line `aecodec`: each command ties options to calls of the package. Its parts: options, batch (names), output (files), report (words).

Nothing heavy is imported at the top: torch, numpy and Pillow wait inside the commands that need them, so that --help, info and a usage error answer
at once. Exit codes: 0 all done, 1 a file failed, 2 usage, 130 and 143 after SIGINT and SIGTERM.
"""

import hashlib
import json
import os
import signal
import sys
import time
import warnings
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click

from . import batch, output
from .autoencoders.commands import ae
from .batch import STREAM, Job
from .errors import CodecError
from .latents import commands as latents
from .options import AEC, INPUTS, LIMIT, MODEL, OUTPUTS, PICTURE, PICTURES, REGION, SPEECH, WORK, Failure, Options, takes
from .report import Stopwatch, shown


def main() -> None:
    """The console script. Leaves through os._exit: worker threads may be inside torch, and torch's own teardown takes up to half a second."""
    if os.getloadavg()[0] > (os.cpu_count() or 1) / 2:  # before torch: on busy cores, threads that spin while they wait for each other take five times as long
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # on idle ones, threads that sleep take a sixth longer
    for name, mode in (("stdin", os.O_RDONLY), ("stdout", os.O_RDONLY), ("stderr", os.O_WRONLY)):
        if getattr(sys, name) is None:  # closed by whoever started this: else the next file opened takes its place. Output that nobody gets is an error
            setattr(sys, name, open(os.open(os.devnull, mode), "r" if name == "stdin" else "w"))
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
    except SystemExit as leave:  # click's answer to a reader that has gone
        code = leave.code
    output.drop_all()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            code = code or 1
    os._exit(code)


def _stop(signum: int, _frame) -> None:
    """Ends the run at once. No exception: that could strike inside a clean-up, and a second signal inside the clean-up after the first."""
    output.drop_all()
    if sys.stderr.isatty():
        os.write(2, b"\n")  # the shell's prompt begins its own line
    os._exit(128 + signum)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(None, "-V", "--version", package_name="aecodec", prog_name="aecodec", message="%(prog)s %(version)s")
def cli() -> None:
    """Learned image compression: photographs to small .aec files and back.

    \b
      aecodec compress photo.png    makes photo.aec
      aecodec decompress photo.aec  makes photo.png

    Exit code: 0 all done, 1 a file failed, 2 wrong usage.
    """


@dataclass(frozen=True)
class Result:
    """What a worker hands back: the output under a temporary name, which the main thread, the one signals reach, replaces by the real one."""

    draft: output.Draft | output.Stream
    coded: int  # bytes of the .aec data, which is the output or what it was made from
    bpp: float  # of the .aec data
    width: int  # of what was read or written
    height: int
    stages: dict[str, float]  # seconds
    problems: list[str]  # what is wrong with the output all the same


@cli.command()
@takes(INPUTS, PICTURE, MODEL, OUTPUTS, WORK, LIMIT, SPEECH)
def compress(quality: float, lossless: bool | None, strip: tuple[str, ...], model: str, **options) -> None:
    """Turn pictures into .aec files.

    \b
      aecodec compress photo.png                     makes photo.aec beside it
      aecodec compress -q 80 *.jpg -o small/         several, into a directory
      aecodec compress -r photos --output-dir small  a whole tree, mirrored
      curl ... | aecodec compress - > photo.aec      through a pipe
    """
    options = Options(**options)

    def prepare() -> Callable[[Job], Result]:
        import codec

        from . import scanner

        coder = options.coder(model)

        def work(job: Job, draft: output.Draft | output.Stream) -> Result:
            watch = Stopwatch()
            with scanner.opened(_stdin() if job.source == STREAM else job.source, options.max_pixels) as picture:
                watch.lap("read")
                data = coder.encode(_timed(picture, watch, "read"), quality, lossless=lossless, strip=strip, max_pixels=options.max_pixels)
            header = codec.info(data)
            draft.write(data)
            watch.lap("encode")
            if options.remove:
                with coder.scan(data, max_pixels=options.max_pixels) as scan:
                    deque(scan.strips(), 0)
                draft.flush()
                if Path(draft.path).read_bytes() != data:
                    raise CodecError(f"{shown(job.target)} did not read back as written, the input is kept")
                watch.lap("prove")
            return Result(draft, len(data), header["bpp"], header["width"], header["height"], watch.stages, [])

        return work

    produce(options, options.plan(PICTURES, AEC), prepare)


@cli.command()
@takes(INPUTS, REGION, MODEL, OUTPUTS, WORK, LIMIT, SPEECH)
def decompress(model: str, crop: tuple[int, ...] | None, scale: float, recover: bool, **options) -> None:
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

    def prepare() -> Callable[[Job], Result]:
        import codec

        from . import image, scanner
        from .damage import Damage

        coder = options.coder(model)

        def work(job: Job, draft: output.Draft | output.Stream) -> Result:
            watch = Stopwatch()
            source = _stdin() if job.source == STREAM else job.source
            header = codec.info(source)
            watch.lap("read")
            format = os.path.splitext(job.target)[1][1:].lower() or "png"
            damage = Damage() if recover else None
            with coder.scan(source, max_pixels=options.max_pixels, crop=crop, scale=scale, damage=damage) as scan:
                written, read = Fingerprint(), Fingerprint()
                image.save(_timed(scan, watch, "decode", written if options.remove else None), draft, format)
                watch.lap(format)
                if options.remove:
                    draft.flush()
                    with scanner.opened(draft.path, max_pixels=0) as again:
                        deque(read.of(again.strips()), 0)
                    if read != written:
                        raise CodecError(f"{format} does not hold exactly these pixels, so that --rm would lose them")
                    watch.lap("prove")
                problems = list(damage.sentences()) if damage else []
                return Result(draft, header["bytes"], header["bpp"], scan.width, scan.height, watch.stages, problems)

        return work

    produce(options, options.plan({AEC}, ".png", only=AEC), prepare)


@cli.command()
@takes(INPUTS, MODEL, WORK, SPEECH)
def verify(model: str, **options) -> None:
    """Check .aec files completely.

    Every checksum is computed and every symbol decoded, but no pixels are made.
    """
    options = Options(**options)

    def prepare() -> Callable[[Job], None]:
        coder = options.coder(model)
        return lambda job: coder.verify(_stdin() if job.source == STREAM else job.source)

    def finish(job: Job, _result: None) -> tuple[dict, str]:
        if not (options.as_json or options.quiet):
            click.echo(f"{shown(job.source)}: ok")
        return {"input": job.source, "ok": True}, ""

    _run(options, options.sources({AEC}), prepare, finish)


@cli.command()
@takes(INPUTS, SPEECH)
def info(**options) -> None:
    """Show the header of .aec files."""
    options = Options(**options)
    jobs = options.sources({AEC})

    def prepare() -> Callable[[Job], dict]:
        import codec

        return lambda job: codec.info(_stdin() if job.source == STREAM else job.source)

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

    _run(options, jobs, prepare, finish)


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object per model on stdout.")
def models(as_json: bool) -> None:
    """List the installed models: name, id, size."""
    for path in sorted((Path(__file__).parent / "models").glob("*.safetensors")):
        data = path.read_bytes()
        record = {"model": path.stem, "id": hashlib.sha256(data).hexdigest()[:8], "bytes": len(data)}
        click.echo(json.dumps(record) if as_json else "{model}  {id}  {bytes:,} bytes".format(**record))


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
    from .training import loop

    sys.exit(loop.main(list(arguments)))


@cli.command(**FORWARD)
def export(arguments: tuple[str, ...]) -> None:
    """Freeze a checkpoint into a model file."""
    from .training import export as freeze

    sys.exit(freeze.main(list(arguments)))


def _stdin() -> bytes:
    return sys.stdin.buffer.read()


class Fingerprint:
    """Tells the pixels and alpha of two pictures apart, whatever strips they come in."""

    def __init__(self):
        self._pixels, self._alpha, self._kinds = hashlib.sha256(), hashlib.sha256(), set()

    def of(self, strips):
        """The strips, as they pass by."""
        for strip in strips:
            self._kinds.add((strip.width, strip.channels, strip.depth, strip.has_alpha))
            self._pixels.update(strip.pixels.data if strip.pixels.flags.c_contiguous else strip.pixels.tobytes())
            if strip.has_alpha:
                self._alpha.update(strip.alpha.tobytes())
            yield strip

    def __eq__(self, other):
        return (self._kinds, self._pixels.digest(), self._alpha.digest()) == (other._kinds, other._pixels.digest(), other._alpha.digest())


def _timed(scan, watch: Stopwatch, stage: str, fingerprint: Fingerprint | None = None):
    """The Scan, or Picture, with its strips' time counted to the stage, and seen by the fingerprint."""
    from .strips import Scan

    seen = fingerprint.of if fingerprint else iter
    fields = {name: getattr(scan, name) for name in ("width", "height", "channels", "depth", "has_alpha", "icc", "exif", "xmp", "suffix")}
    return Scan(strips=lambda: watch.timed(stage, seen(scan.strips())), **fields)


def produce(options: Options, jobs: list[Job], prepare: Callable[[], Callable[[Job, output.Draft | output.Stream], Result]]) -> None:
    """Runs jobs that have targets."""

    def prepared() -> Callable[[Job], Result]:
        work = prepare()

        def drafting(job: Job) -> Result:
            draft = output.Stream() if job.target == STREAM else output.Draft(job.target, options.force)
            try:
                return work(job, draft)
            except BaseException:
                draft.drop()
                raise

        return drafting

    def finish(job: Job, result: Result) -> tuple[dict, str, list[str]]:
        start = time.perf_counter()
        result.draft.keep()
        if options.remove:
            os.unlink(job.source)
        stages = {**result.stages, "write": time.perf_counter() - start}
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
        return record, line, result.problems

    _run(options, jobs, prepared, finish)


def _run(options: Options, jobs: list[Job], prepare: Callable[[], Callable], finish: Callable[..., tuple]) -> None:
    with options.report(jobs) as report:
        batch.run(jobs, prepare, finish, report, options.jobs)
    click.get_current_context().exit(report.exit_code)
