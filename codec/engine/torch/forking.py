"""A process that forks after torch has worked in it: what the child needs to go on with the same codec.

Threads do not survive a fork. In the child OpenMP waits for ever for those of its parent, so that torch gets one thread
there; and a lock that another thread held stays locked, so that a fork waits until no other thread is inside of torch.
"""

import os
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import torch

PATIENCE = 60  # seconds that a fork waits at most: a tile takes one or two


class _Gate:
    """Threads are inside or outside; while one forks no other comes in, but whoever is in may come in once more."""

    def __init__(self) -> None:
        self.forked = False  # whether this process is the child of one that had loaded torch
        self._renew()

    def _renew(self) -> None:
        self._state, self._inside, self._closed = threading.Condition(threading.Lock()), Counter[int](), 0

    @contextmanager
    def inside(self) -> Iterator[None]:
        me = threading.get_ident()
        with self._state:
            if not self._inside[me]:
                self._state.wait_for(lambda: not self._closed)
            self._inside[me] += 1
        try:
            yield
        finally:
            with self._state:
                self._inside[me] -= 1
                if self._inside[me] < 1:
                    del self._inside[me]
                    self._state.notify_all()

    def before(self) -> None:
        me = threading.get_ident()
        with self._state:
            self._closed += 1
            self._state.wait_for(lambda: not self._inside.keys() - {me}, PATIENCE)

    def after_in_parent(self) -> None:
        with self._state:
            self._closed -= 1
            self._state.notify_all()

    def after_in_child(self) -> None:
        self._renew()
        self.forked = True
        torch.set_num_threads(1)


_gate = _Gate()
if hasattr(os, "register_at_fork"):  # Windows does not fork
    os.register_at_fork(before=_gate.before, after_in_parent=_gate.after_in_parent, after_in_child=_gate.after_in_child)
inside = _gate.inside


def is_forked() -> bool:
    """Whether this process is the child of one that had loaded torch."""
    return _gate.forked


def set_threads(count: int) -> None:
    """Of torch in this process; a forked one keeps its one thread."""
    if not _gate.forked:
        torch.set_num_threads(count)
