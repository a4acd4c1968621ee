"""The command line `aecodec`. Its parts: report (words), options, arguments, jobs (names), inputs, workers, runner
(for each file), and commands, which tie all of it to calls of the package.

Nothing heavy is imported at the top: torch, numpy and Pillow wait inside the commands that need them, so that --help,
info and a usage error answer at once. Exit codes: 0 all done, 1 a file failed, 2 usage, 130 and 143 after SIGINT and
SIGTERM.
"""

import io
import os
import signal
import sys
import warnings
from types import FrameType

import click

from .. import loading
from ..files import output
from .commands.anomaly import anomaly
from .commands.autoencoders import ae
from .commands.batch import batch
from .commands.compress import compress, decompress
from .commands.denoise import denoise
from .commands.features import embed, similar
from .commands.generate import interpolate, sample
from .commands.look import info, models, verify
from .commands.train import export, train
from .report import Failure


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
        if isinstance(stream, io.TextIOWrapper):
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


def _stop(signum: int, _frame: FrameType | None) -> None:
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


COMMANDS: list[click.Command] = [compress, decompress, verify, info, batch, models]
COMMANDS += [embed, similar, anomaly, denoise, sample, interpolate, ae, train, export]
for command in COMMANDS:
    cli.add_command(command)
