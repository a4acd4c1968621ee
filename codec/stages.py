"""Which stage of coding the time goes to: the code says `with stage("prior"):`, and who wants to know listens, as the
benchmark's clock does.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

Listener = Callable[[str], AbstractContextManager[None]]

_NOBODY: AbstractContextManager[None] = nullcontext()
_listener: Listener | None = None


def stage(name: str) -> AbstractContextManager[None]:
    """Context of a stage, which may lie within another one's."""
    return _listener(name) if _listener else _NOBODY


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """While the block runs every stage of the process, in whatever thread, runs in the context that the listener gives
    for its name.
    """
    global _listener
    before, _listener = _listener, listener
    try:
        yield
    finally:
        _listener = before
