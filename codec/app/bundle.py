"""How a command gets its options: `takes` makes it of a function and lists of options, and a `Bundle` hands several of
them on as one value.
"""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import click

from .options import Options

Function = Callable[..., Any]
Parameter = Callable[[Function], Function]  # as click.option makes it


@dataclass(frozen=True)
class Bundle:
    """Options that a command gets as one argument `name`, a dict by the options' names."""

    name: str
    options: Sequence[Parameter]


def takes(*groups: Sequence[Parameter] | Bundle) -> Parameter:
    """Makes a command of a function: those of the options that `Options` holds come as its argument `options`, bundles
    as dicts, the others by name. What the function returns is the exit code, None for 0.
    """
    shared = {field.name for field in dataclasses.fields(Options)}
    bundled = {name: group.name for group in groups if isinstance(group, Bundle) for name in names(group.options)}
    options = [option for group in groups for option in (group.options if isinstance(group, Bundle) else group)]

    def add(function: Function) -> Function:
        @functools.wraps(function)
        def command(**given: Any) -> None:
            values: dict[str, Any] = {group.name: {} for group in groups if isinstance(group, Bundle)}
            own = {name: given.pop(name) for name in shared & given.keys()}
            for name, value in given.items():
                (values[bundled[name]] if name in bundled else values)[name] = value
            if code := function(Options(**own), **values):
                click.get_current_context().exit(code)

        decorated: Function = command
        for option in reversed(options):
            decorated = option(decorated)
        return decorated

    return add


def given(options: Sequence[Parameter]) -> list[str]:
    """Those of the options that the command line names, as it is called there, but for a short name."""
    context = click.get_current_context()
    source = {name: context.get_parameter_source(name) for name in names(options)}
    return [f"--{name.replace('_', '-')}" for name in source if source[name] is click.core.ParameterSource.COMMANDLINE]


def names(options: Sequence[Parameter]) -> list[str]:
    """What the options are called as arguments."""

    def bare() -> None: ...

    for option in options:
        option(bare)
    return [parameter.name for parameter in bare.__click_params__]  # type: ignore[attr-defined]
