"""Tables in Markdown pages: each stands between marks of its own, in whichever pages have them, and is written by its
command; what is around it is written by hand.
"""

import re
from pathlib import Path

import click

from codec.files.output import atomic


def marks(command: str, name: str) -> tuple[str, str]:
    """The lines before and after a table."""
    return f"<!-- written by {command}: {name} -->", f"<!-- until here: {name} -->"


def write(path: str | Path, command: str, tables: dict[str, str]) -> list[str]:
    """Puts each of a command's tables, by name, between its marks in a page; returns the names of those that the page
    has. Raises click.ClickException for a page that has none of them or one of them twice, OSError.
    """
    text, found = Path(path).read_text("utf-8"), []
    for name, table in tables.items():
        start, end = marks(command, name)
        between = f"(?s){re.escape(start)}\n.*?{re.escape(end)}"
        text, count = re.subn(between, lambda _, new=f"{start}\n{table}\n{end}": new, text)
        if count > 1:
            raise click.ClickException(f"{path} has the mark {start} more than once")
        found += [name] * count
    if not found:
        raise click.ClickException(f"{path} has no marks of {command}, such as {marks(command, next(iter(tables)))[0]}")
    with atomic(str(path), overwrite=True) as file:
        file.write(text.encode())
    return found
