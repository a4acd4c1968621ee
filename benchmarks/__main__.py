"""The command line: `python -m benchmarks run | judge | pairs | report | compare | gate`.

It ties options to the package's parts and computes nothing itself.
"""

import shlex
import signal
import sys
import tempfile

import click

from . import codecs, data, judge, metrics, pairs, record, session, summary
from . import compare as comparison
from . import gate as gates
from .options import POSITIVE, names, numbers

OUT = "benchmarks/results/run.json"


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main():
    """Rate, distortion and speed of this codec against JPEG, WebP, AVIF, JPEG XL and others.

    \b
      python -m benchmarks run --images kodak -j 2 --out RUN.json
      python -m benchmarks judge FOLDER --model FILE
      python -m benchmarks pairs FOLDER -o SHEETS
      python -m benchmarks report RUN.json -o page.html
      python -m benchmarks compare OLD.json NEW.json
      python -m benchmarks gate
    """


def _qualities(_context, _parameter, values):
    """{codec: [qualities]} of NAME=Q,Q,..."""
    result = {}
    for value in values:
        name, _, values_ = value.partition("=")
        result[name] = numbers(values_)
        if name not in codecs.NAMES and not codecs.is_ours(name):
            raise click.BadParameter(f"'{name}' is none of {', '.join(codecs.NAMES)}")
    return result


WHAT = [
    click.option(
        "--images",
        multiple=True,
        required=True,
        metavar="kodak|synthetic|DIR|FILE",
        help="Pictures; further files may follow, so that a shell's * works.",
    ),
    click.argument("more", nargs=-1, metavar="[FILE]..."),
    click.option(
        "--codecs",
        callback=names(codecs.NAMES, also=codecs.is_ours),
        metavar="NAME,...",
        help=f"Of {', '.join(codecs.NAMES)}, and aec:MODEL for another model's name or file. "
        f"Default: {', '.join(codecs.DEFAULT)} as far as they can run.",
    ),
    click.option(
        "--qualities",
        multiple=True,
        callback=_qualities,
        metavar="NAME=Q,...",
        help="Other qualities for a codec; may be repeated.",
    ),
    click.option(
        "--metrics",
        callback=names(metrics.NAMES, {"eye": metrics.EYE}),
        default=",".join(metrics.DEFAULT),
        show_default=True,
        metavar="NAME,...",
        help=f"Of {', '.join(metrics.NAMES)}, or eye: {', '.join(metrics.EYE)}.",
    ),
    click.option(
        "--avif-speed",
        type=click.IntRange(0, 10),
        default=codecs.AVIF_SPEED,
        show_default=True,
        help="AVIF's effort, 0 the slowest.",
    ),
]
HOW = [
    click.option(
        "--out",
        default=OUT,
        show_default=True,
        metavar="FILE",
        type=click.Path(dir_okay=False),
        help="The result. What it already holds is used again where nothing has changed.",
    ),
    click.option("--fresh", is_flag=True, help="Use nothing of an earlier run again."),
    click.option(
        "-j",
        "--jobs",
        type=POSITIVE,
        default=1,
        show_default=True,
        help="Processes that measure points, one thread each.",
    ),
]
SPEED = [
    click.option("--speed/--no-speed", default=True, show_default=True, help="Whether the speed part follows."),
    click.option("--repeats", type=POSITIVE, default=5, show_default=True, help="Rounds of the speed part."),
    click.option(
        "--speed-pictures",
        type=POSITIVE,
        default=4,
        show_default=True,
        help="Pictures of the speed part, evenly chosen.",
    ),
    click.option(
        "--threads", type=POSITIVE, default=1, show_default=True, help="Threads each codec may use in the speed part."
    ),
    click.option("--cold/--no-cold", default=True, show_default=True, help="Whether whole processes are timed too."),
    click.option(
        "--device",
        default="cpu",
        show_default=True,
        metavar="cpu|cuda",
        help="cuda adds our codec's batch throughput to the speed part; points are measured on the CPU.",
    ),
    click.option("--batch", type=POSITIVE, default=16, show_default=True, help="Pictures per batch on that device."),
    click.option("--profile", is_flag=True, help="Break our codec's time down by stage."),
]

LIMITS = [
    click.option(
        "--max-bd",
        type=float,
        default=0.5,
        show_default=True,
        metavar="PERCENT",
        help="Rate that ours may lose at equal quality, on any metric.",
    ),
    click.option(
        "--max-slower",
        type=float,
        default=15.0,
        show_default=True,
        metavar="PERCENT",
        help="Processor time that ours may lose in relation to WebP's, on one kind of processor.",
    ),
]


def _takes(*groups):
    def add(function):
        for option in reversed([option for group in groups for option in group]):
            function = option(function)
        return function

    return add


@main.command()
@_takes(WHAT, HOW, SPEED)
@click.pass_context
def run(context, images, more, **options):
    """Measure codecs on pictures, write a JSON result and print its tables.

    Interrupted, the same command goes on where it stopped. Exit code 1: a picture or codec failed; the rest was
    measured.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    request = session.Request(
        (*images, *more), command=shlex.join(["python", "-m", "benchmarks", *sys.argv[1:]]), **options
    )
    result = session.measure(request)
    record.write(request.out, result)
    record.Journal(request.out).remove()
    click.echo(summary.text(result))
    click.echo(f"\nwritten to {request.out}")
    context.exit(1 if result["failures"] else 0)


@main.command()
@click.argument("old", type=click.Path(exists=True, dir_okay=False))
@click.argument("new", type=click.Path(exists=True, dir_okay=False))
@_takes(LIMITS)
@click.pass_context
def compare(context, old, new, max_bd, max_slower):
    """Print what changed from one result to another; exit code 1 if our codec became worse than allowed."""
    _judged(context, comparison.compare(record.read(old), record.read(new), max_bd, max_slower))


@main.command()
@click.option("--renew", is_flag=True, help="Make what is measured the reference of this kind of processor instead.")
@_takes(LIMITS)
@click.pass_context
def gate(context, renew, max_bd, max_slower):
    """Compare the code as it is with the committed references, on two generated pictures; what continuous integration
    runs.
    """
    with tempfile.TemporaryDirectory(prefix="aecodec-gate-") as folder:
        result = gates.measure(folder)
        if renew:
            click.echo(f"written to {gates.renew(result)}")
            if gates.share(result) < gates.QUIET:
                click.echo(
                    f"ours had a processor {gates.share(result):.0%} of the time: "
                    "better do this again on a quiet machine",
                    err=True,
                )
        else:
            _judged(context, gates.judge(result, lambda: gates.measure(folder), max_bd, max_slower))


def _judged(context, result):
    """Prints a Comparison and ends with its exit code."""
    for line in result.lines:
        click.echo(line)
    for sentence in result.worse:
        click.echo(f"WORSE: {sentence}", err=True)
    context.exit(1 if result.worse else 0)


@main.command(context_settings={"ignore_unknown_options": True, "help_option_names": []}, add_help_option=False)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def report(arguments):
    """Make the page of a result: one HTML file to look at."""
    from .report import main as make

    make.main(list(arguments), prog_name="python -m benchmarks report")


main.add_command(judge.command)
main.add_command(pairs.command)


def guarded():
    """`main`, with every expected error as one sentence and exit code 1, and an interruption as 130."""
    try:
        code = main.main(prog_name="python -m benchmarks", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except (session.SessionError, data.DataError, record.RecordError, OSError) as error:
        click.echo(f"Error: {error}", err=True)
        code = 1
    except (click.Abort, KeyboardInterrupt):
        click.echo("stopped; the same command goes on from here", err=True)
        code = 128 + signal.SIGINT
    sys.exit(code or 0)


if __name__ == "__main__":
    guarded()
