"""Many pictures, of which those with tiles of one size wait for each other, because an engine does them in less time
together (`Engine.together`); what is large, or alone in its kind, waits for nobody.
"""

from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ..errors import CodecError

WAITING = 4  # full groups' worth of pictures that may wait in all, each with its samples in memory


class Batch:
    """The results of pictures that are numbered from 0.

    work(items): the results of a group, or exceptions; keep: whether a CodecError or OSError is a result, else it is
    raised.
    """

    def __init__(self, work: Callable[[list[Any]], Sequence[Any]], keep: bool):
        self._work, self._keep = work, keep
        self._results: dict[int, Any] = {}
        self._waiting: dict[Hashable, list[tuple[int, Any]]] = {}
        self._full: dict[Hashable, int] = {}

    @contextmanager
    def number(self, number: int) -> Iterator[None]:
        """Context of whatever is done for one picture alone."""
        try:
            yield
        except (CodecError, OSError) as error:
            self.put(number, error)

    def put(self, number: int, result: Any) -> None:
        """A picture is done, or has failed."""
        if isinstance(result, Exception) and not self._keep:
            raise result
        self._results[number] = result

    def wait(self, number: int, item: Any, group: Hashable, full: int) -> None:
        """A picture waits for others of its group, so many of which are enough."""
        self._waiting.setdefault(group, []).append((number, item))
        self._full[group] = full
        while self._waiting and (max(map(self._fill, self._waiting)) >= 1 or self._held() > WAITING):
            self._empty()

    def results(self) -> list[Any]:
        """All of them, in order."""
        while self._waiting:
            self._empty()
        return [self._results[number] for number in range(len(self._results))]

    def _fill(self, group: Hashable) -> float:
        return len(self._waiting[group]) / self._full[group]

    def _held(self) -> float:
        return sum(map(self._fill, self._waiting))

    def _empty(self) -> None:
        numbers, items = zip(*self._waiting.pop(max(self._waiting, key=self._fill)), strict=True)
        for number, result in zip(numbers, self._work(list(items)), strict=True):
            self.put(number, result)
