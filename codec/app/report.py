"""What a run of the command line says: one JSON object or one line per file, a progress bar, one sentence per error,
and the exit code.

`runner` hands it each outcome. Results go to standard output only as --json; everything else is for people and goes to
standard error.
"""

import json
import math
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import IO, Any

import click

from ..errors import CodecError
from ..files.words import reason, shown


class Failure(click.ClickException):
    """An error that belongs to no single file."""

    def show(self, file: IO[Any] | None = None) -> None:
        click.echo(f"aecodec: {self.message}", err=True)


@dataclass(frozen=True)
class Outcome:
    """What became of a file: `record` for programs (keys are a promise), `line` for people, `problems` where it is not
    what it should be, though it is there, `pixels` for the progress bar, `lost` metadata of the input that the output
    has no place for, and `note` what else people are told.
    """

    record: dict[str, Any]
    line: str = ""
    problems: Sequence[str] = ()
    pixels: int = 0
    lost: Sequence[str] = ()
    note: str = ""


class Report:
    """Collects the outcome of `total` files; a context manager because of the progress bar, which is there on a
    terminal for more than one file.
    """

    def __init__(self, total: int, as_json: bool, verbose: bool, quiet: bool, progress: bool = False):
        self.as_json = as_json
        self.verbose, self.quiet = verbose and not quiet, quiet
        # A single file on a terminal gets its line unasked: without it a first try would end in silence.
        self.lines = not quiet and (verbose or (total == 1 and sys.stderr.isatty()))
        self.failures = 0
        self._bar, self._pixels = None, 0
        if progress and not quiet and total > 1 and sys.stderr.isatty():
            from tqdm import tqdm

            self._bar = tqdm(total=total, unit="file", file=sys.stderr, leave=False)

    def __enter__(self) -> "Report":
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    @property
    def exit_code(self) -> int:
        return 1 if self.failures else 0

    def done(self, name: str, outcome: Outcome) -> None:
        """One file is finished."""
        record = outcome.record
        if outcome.problems:
            self.failures += 1
            record = record | {"damage": list(outcome.problems)}
        if outcome.lost:
            record = record | {"lost": list(outcome.lost)}
        if self.as_json:
            click.echo(json_line(record))
        for problem in outcome.problems:
            self._say(f"aecodec: {shown(name)}: {problem}")
        if outcome.note and not self.quiet:
            self._say(f"aecodec: {shown(name)}: {outcome.note}")
        if outcome.lost and not self.quiet:
            self._say(f"aecodec: {shown(name)}: lost {shown('; '.join(outcome.lost))}")
        if outcome.line and self.lines:
            self._say(outcome.line)
        self._advance(outcome.pixels)

    def failed(self, name: str, error: Exception) -> None:
        """One file could not be done."""
        self.failures += 1
        said = reason(name, error)
        if self.as_json:
            click.echo(json_line({"input": name, "error": said}))
        self._say(f"aecodec: {shown(name)}: {said}")
        if self.verbose and not isinstance(error, (CodecError, OSError)):
            import traceback  # milliseconds that nothing else waits for

            self._say("".join(traceback.format_exception(error)).rstrip())
        self._advance()

    def _say(self, text: str) -> None:
        if self._bar is not None:
            self._bar.write(text, file=sys.stderr)
        else:
            click.echo(text, err=True)

    def _advance(self, pixels: int = 0) -> None:
        if self._bar is not None:
            self._pixels += pixels
            if self._pixels:
                speed = self._pixels / 1e6 / max(self._bar.format_dict["elapsed"], 1e-3)
                self._bar.set_postfix_str(f"{speed:.1f} MP/s", refresh=False)
            self._bar.update()


def json_line(record: Any) -> str:
    """As JSON, which has no word for a number that is not finite: null."""
    return json.dumps(_finite(record), allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


NAMED = 5  # files passed over, and kinds of them, beyond which the others are only counted


def passed_over(names: Iterable[str]) -> str:
    """A line that counts and names the files that nothing was done with; "" for none."""
    names = list(names)
    if not names:
        return ""
    count = "one file" if len(names) == 1 else f"{len(names)} files"
    kinds = Counter(os.path.splitext(name)[1].lower() for name in names)
    counted = [f"{number} {shown(kind) or 'without a suffix'}" for kind, number in kinds.most_common()]
    named = _first(map(shown, names))
    return f"aecodec: passed over {count} that cannot be read as pictures ({_first(counted)}): {named}"


def _first(things: Iterable[str]) -> str:
    things = list(things)
    return ", ".join(things[:NAMED]) + (f" and {len(things) - NAMED} more" if things[NAMED:] else "")


class Stopwatch:
    """Seconds per stage."""

    def __init__(self) -> None:
        self.stages: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, stage: str) -> None:
        now = time.perf_counter()
        self.stages[stage], self._last = now - self._last + self.stages.get(stage, 0), now

    def timed(self, stage: str, items: Iterable[Any]) -> Iterator[Any]:
        """The items, with the time it takes to get them counted to `stage` and not to the lap they are used in."""
        items = iter(items)
        while True:
            start = time.perf_counter()
            try:
                item = next(items)
            except StopIteration:
                return
            finally:
                spent = time.perf_counter() - start
                self.stages[stage] = self.stages.get(stage, 0) + spent
                self._last += spent
            yield item
