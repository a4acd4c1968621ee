"""Packages that cannot be loaded, said in one sentence.

They may be missing, broken, or need more memory than the system gives, of which torch dies without a Python exception.
"""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from .errors import CodecError, Missing

try:
    import resource
except ImportError:  # Windows, which limits no process in this way
    resource = None  # type: ignore[assignment]

EXTRA = "torch", "compressai", "safetensors"  # what the extra [torch] brings
PACKAGES = ("numpy", "PIL", *EXTRA)
PROBE = "import sys; sys.path[:] = sys.argv[1:]; import numpy, torch"
# Bytes of memory that loading numpy, Pillow and the codec takes (100 to 140 MB with the interpreter before it). Refused
# half way, modules raise anything, and the interpreter itself may crash or wait for ever.
ROOM = 120 * 10**6
LIMITS = {"address space": "RLIMIT_AS", "data": "RLIMIT_DATA"}


@contextmanager
def loading(of_torch: bool = False) -> Iterator[None]:
    """Around what imports the codec's packages, torch among them or not. Raises Missing in place of what importing them
    raises, and where there is no room for them.
    """
    _make_sure_of_room()
    if of_torch:
        _probe()
    try:
        yield
    except CodecError:
        raise
    except Exception as error:
        if (said := sentence(error)) is None:
            raise
        raise Missing(said) from error


def sentence(error: Exception) -> str | None:
    """What is said of an exception if a package that could not be loaded raised it, else None."""
    if isinstance(error, CodecError):
        return str(error) if isinstance(error, Missing) else None
    name = _culprit(error)
    if name is None and not isinstance(error, ImportError):
        return None
    return cannot_load(name or "a part of the codec", error)


def cannot_load(name: str, error: Exception) -> str:
    """What is said of a package whose import raised an exception."""
    if isinstance(error, MemoryError):
        return f"{name} cannot be loaded: {no_memory()}"
    # Numpy puts advice around the reason, of one line or, behind an empty one, of many.
    while isinstance(cause := error.__cause__ or (str(error).startswith("\n") and error.__context__), ImportError):
        error = cause
    reason = (str(error).splitlines() or [""])[0] or type(error).__name__
    if "cannot allocate memory" in reason.lower() or "failed to map segment" in reason:
        reason = no_memory()
    if isinstance(error, ModuleNotFoundError) and name in EXTRA:
        reason += "; pip install 'aecodec[torch]' brings it"
    return f"{name} cannot be loaded: {reason}"


def _culprit(error: Exception) -> str | None:
    """The package whose code, or whose lack, the exception comes from."""
    names = []
    trace = error.__traceback__
    while trace is not None:
        names.append(trace.tb_frame.f_globals.get("__name__"))
        trace = trace.tb_next
    if isinstance(error, ImportError):
        names.append(error.name)
    if isinstance(error, SyntaxError) and error.filename:
        names += error.filename.split(os.sep)
    if isinstance(error, AttributeError) and isinstance(error.obj, ModuleType):
        names.append(error.obj.__name__)
    tops = [name.partition(".")[0] for name in names if name]
    return next((name for name in reversed(tops) if name in PACKAGES), None)


def _make_sure_of_room() -> None:
    """Raises Missing where memory is limited to less than loading takes."""
    if "numpy" in sys.modules or not _limit():
        return
    import mmap

    try:
        mmap.mmap(-1, ROOM, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS).close()
    except (OSError, MemoryError):
        raise Missing(no_memory()) from None


def _probe() -> None:
    """Raises Missing where another process dies of importing torch: asked only where memory is limited."""
    if "torch" in sys.modules or not _limit():
        return
    import subprocess

    command = [sys.executable, "-c", PROBE, *sys.path]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace")
    if done.returncode:
        code = done.returncode
        reason = signal.Signals(-code).name if code < 0 else (done.stderr.split("\n")[-2:] or [""])[0] or f"code {code}"
        raise Missing(f"torch cannot be loaded: trying it ended with {reason}{_limit()}")


def no_memory() -> str:
    """What is said where the system refuses memory before any file is in hand."""
    return f"there is not enough memory{_limit()}"


def _limit() -> str:
    """In brackets the smallest limit on memory that this process has; "" for none."""
    if resource is None:
        return ""
    limits = [(resource.getrlimit(getattr(resource, kind))[0], name) for name, kind in LIMITS.items()]
    limits = [(size, name) for size, name in limits if size != resource.RLIM_INFINITY]
    if not limits:
        return ""
    size, name = min(limits)
    return f" (this process's {name} is limited to {size / 1e9:.1f} GB)"
