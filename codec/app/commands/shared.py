"""What several of the commands need."""

import importlib
import importlib.util
import os
from collections.abc import Sequence

import click

from ... import loading
from ...files.words import shown
from ..arguments import PICTURE
from ..bundle import Parameter
from ..report import Failure

QUALITY = PICTURE[:1]
FORCE: list[Parameter] = [click.option("-f", "--force", is_flag=True, help="Overwrite an existing output.")]


def writes(what: str) -> list[Parameter]:
    """The options of a command with one output file."""
    destination = click.option(
        "-o", "--output", "destination", required=True, metavar="FILE", type=click.Path(dir_okay=False), help=what
    )
    return [destination, *FORCE]


def ending(name: str, known: Sequence[str]) -> str:
    """The suffix of an output. Raises click.UsageError for one that is not known."""
    suffix = os.path.splitext(name)[1].lower()
    if suffix not in known:
        raise click.UsageError(f"the output '{shown(name)}' does not end in {', '.join(known[:-1])} or {known[-1]}")
    return suffix


def require(module: str, package: str = "", extra: str = "latents") -> None:
    """Imports a package, before any work is done for nothing. Raises click.ClickException where it is missing or
    broken.
    """
    if importlib.util.find_spec(module) is None:
        raise Failure(f"this needs the package {package or module}: pip install 'aecodec[{extra}]'")
    try:
        importlib.import_module(module)
    except Exception as error:  # a broken installation raises anything
        raise Failure(loading.cannot_load(module, error)) from None
