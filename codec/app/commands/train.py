"""train and export: programs that parse their arguments themselves."""

from collections.abc import Callable
from typing import Any

import click

from ...errors import CodecError
from ...files.words import shown
from ..report import Failure

FORWARD: dict[str, Any] = {
    "context_settings": {"ignore_unknown_options": True, "help_option_names": []},
    "add_help_option": False,
    "params": [click.Argument(["arguments"], nargs=-1, type=click.UNPROCESSED)],
}


@click.command(**FORWARD)
def train(arguments: tuple[str, ...]) -> None:
    """Train a model on your own pictures."""
    from ...training import loop

    _forward(loop.main, arguments)


@click.command(**FORWARD)
def export(arguments: tuple[str, ...]) -> None:
    """Freeze a checkpoint into a model file."""
    from ...training import export as freeze

    _forward(freeze.main, arguments)


def _forward(main: Callable[[list[str]], None], arguments: tuple[str, ...]) -> None:
    """Leaves the arguments to the program; what it says of its input is for people."""
    try:
        main(list(arguments))
    except OSError as error:
        raise Failure(f"{shown(error.filename or '')}: {error.strerror or error}") from None
    except (ValueError, CodecError) as error:
        raise Failure(str(error)) from None
