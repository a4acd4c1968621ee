"""How options of the command line are read: names and numbers with commas between. Used by the commands."""

from collections.abc import Callable, Collection, Mapping
from typing import Any

import click

POSITIVE = click.IntRange(min=1)
SOURCES = click.argument("images", nargs=-1, required=True, metavar="DIR|FILE|kodak...")


def names(
    known: Collection[str], groups: Mapping[str, tuple] | None = None, also: Callable[[str], bool] = lambda name: False
) -> Callable[..., tuple[str, ...]]:
    """A click callback: names with commas between, `known` or `also`; one of `groups` stands for its own."""

    def split(_context: Any, _parameter: Any, value: str | None) -> tuple[str, ...]:
        found = [name for n in (value or "").split(",") if n for name in (groups or {}).get(n, (n,))]
        for name in found:
            if name not in known and not also(name):
                raise click.BadParameter(f"'{name}' is none of {', '.join(known)}")
        return tuple(dict.fromkeys(found))

    return split


def numbers(text: str) -> list[float]:
    """Sorted numbers of text such as 10,50.5,90. Raises click.BadParameter."""
    try:
        return sorted({int(q) if float(q).is_integer() else float(q) for q in text.split(",")})
    except (ValueError, OverflowError):
        raise click.BadParameter(f"'{text}' is not like 10,50.5,90") from None


def listed(_context: Any, _parameter: Any, text: str) -> list[float]:
    """`numbers` as a click callback."""
    return numbers(text)
