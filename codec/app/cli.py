"""The command line `aecodec`. Its parts: report (words), options, bundle (how a command gets them), arguments and
learning (which there are), jobs (names), inputs, workers, runner (for each file), and commands, which tie all of it to
calls of the package.

Nothing heavy is imported at the top: torch, numpy and Pillow wait inside the commands that need them, so that --help,
info and a usage error answer at once. Exit codes: 0 all done, 1 a file failed, 2 usage, 130 and 143 after SIGINT and
SIGTERM.
"""

import errno
import importlib
import io
import os
import signal
import sys
import warnings
from types import FrameType

import click

from .. import loading
from ..files import output
from .report import Failure

# Each command with its module in `commands`, which is imported when the command is asked for, and with its line in the
# help. Names are those of the functions.
COMMANDS = {
    "ae": ("autoencoders", "Autoencoders for arrays, tables and pictures."),
    "anomaly": ("anomaly", "Find unusual pictures, and where they are unusual."),
    "batch": ("batch", "Compress a tree of pictures, on a cluster too."),
    "compress": ("compress", "Turn pictures into .aec files."),
    "decompress": ("compress", "Turn .aec files into pictures."),
    "denoise": ("denoise", "Turn noisy pictures into .aec files of clean ones."),
    "embed": ("features", "Turn pictures or .aec files into feature vectors."),
    "export": ("train", "Freeze a checkpoint into a model file."),
    "info": ("look", "Show the header of .aec files."),
    "interpolate": ("generate", "Walk from one picture to another through their latents."),
    "models": ("look", "List the installed models: name, id, size, what it is for."),
    "sample": ("generate", "Draw a picture from the model's priors."),
    "similar": ("features", "Rank a folder by likeness to a picture, and find near-duplicates."),
    "train": ("train", "Train a model on your own pictures."),
    "verify": ("look", "Check .aec files completely."),
    "view": ("view", "Compare pictures and .aec files in the browser."),
}


SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


def main() -> None:
    """The console script.

    Leaves through os._exit: worker threads may be inside torch, and torch's own teardown takes up to half a second.
    """
    # This must come before torch: on busy cores, threads that spin while they wait for each other take five times as
    # long; on idle ones, threads that sleep take a sixth longer.
    if hasattr(os, "getloadavg") and os.getloadavg()[0] > (os.cpu_count() or 1) / 2:
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    for name, mode in (("stdin", os.O_RDONLY), ("stdout", os.O_RDONLY), ("stderr", os.O_WRONLY)):
        # Whoever started this may have closed a stream, and the next file opened would take its place. Output that
        # nobody gets is an error.
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.open(os.devnull, mode), "r" if name == "stdin" else "w"))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # names are said where the locale lacks their letters, too
    for signum in SIGNALS:
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
        Failure(loading.no_memory() if error.errno == errno.ENOMEM else str(error.strerror or error)).show()
        code = 1
    except MemoryError:  # wherever it was: in loading a module of ours, too
        Failure(loading.no_memory()).show()
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


class Commands(click.Group):
    """Imports a command when it is asked for: the start of one does not wait for the others."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*COMMANDS, *super().list_commands(ctx)})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return super().get_command(ctx, cmd_name)
        module = importlib.import_module(f".commands.{COMMANDS[cmd_name][0]}", __package__)
        command: click.Command = getattr(module, cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
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
