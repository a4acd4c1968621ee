"""Output files that are either whole or not there; used by the command line for every file it writes, and knowing nothing of pictures or .aec data.

The bytes go to a temporary file in the target's directory, are synced, and take the target's name in one step. An exception on the way removes the
temporary file, and so does `drop_all`, which the command line calls on a signal; whatever stood at the target before is then still there, untouched.
"""

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Iterator
from typing import BinaryIO

FULL = errno.ENOSPC, errno.EDQUOT, errno.EFBIG  # what writing raises, without a name
_unfinished: set[str] = set()  # temporary files of this process that may exist


def drop_all() -> None:
    """Removes the temporary files of all outputs not yet whole: for a signal's handler, which ends the process next."""
    for temporary in list(_unfinished):
        with contextlib.suppress(OSError):
            os.unlink(temporary)


def check(source: str, target: str, overwrite: bool) -> None:
    """Refuses, before any work is done, a `target` that `atomic` would refuse, or that is `source` itself under any name. Raises OSError."""
    if os.path.isdir(target):
        raise IsADirectoryError(errno.EISDIR, "is a directory", target)
    with contextlib.suppress(FileNotFoundError):
        if os.path.samefile(source, target):
            raise OSError(errno.EINVAL, "output and input are the same file", target)
    if not overwrite and os.path.lexists(target) and not _is_special(target):
        raise _exists(target)


@contextlib.contextmanager
def atomic(target: str, overwrite: bool = False) -> Iterator[BinaryIO]:
    """A binary file to write, which becomes `target` when the block ends without an exception.

    The new file's permissions are the umask's, or those of the file it replaces. A target that is no regular file (/dev/null, a FIFO) is written directly.
    Raises FileExistsError when `target` exists and `overwrite` is false, even if it appeared meanwhile, and OSError naming `target` for what the system refuses.
    """
    if _is_special(target):
        with open(target, "wb") as file:
            yield file
        return
    directory = os.path.dirname(target) or "."
    # Short and without the target's name in it, which may already be as long as the file system allows.
    temporary = os.path.join(directory, f".aecodec-{secrets.token_hex(8)}.part")
    _unfinished.add(temporary)
    try:
        with _named(target, temporary):
            file = open(temporary, "xb")
        with file:
            try:
                yield file
            except OSError as error:
                if error.errno in FULL and error.filename is None:
                    error.filename = target
                raise
            with _named(target, temporary):
                file.flush()
                if overwrite and os.path.isfile(target):
                    os.fchmod(file.fileno(), stat.S_IMODE(os.stat(target).st_mode))
                os.fsync(file.fileno())
        with _named(target, temporary):
            (os.replace if overwrite else _link)(temporary, target)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        _unfinished.discard(temporary)
    _sync_directory(directory)


def _is_special(path: str) -> bool:
    return os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path)


def _exists(target: str) -> FileExistsError:
    return FileExistsError(errno.EEXIST, "exists already, -f overwrites it", target)


def _link(temporary: str, target: str) -> None:
    """Gives `temporary` the name `target` unless that exists; a rename would overwrite it without a word."""
    try:
        os.link(temporary, target)
    except FileExistsError:
        raise _exists(target) from None
    except OSError:  # file systems without hard links (FAT, some network ones): a gap of microseconds instead of none
        if os.path.lexists(target):
            raise _exists(target) from None
        os.replace(temporary, target)


@contextlib.contextmanager
def _named(target: str, temporary: str) -> Iterator[None]:
    """Errors name the file the person asked for, not the temporary one."""
    try:
        yield
    except OSError as error:
        if error.filename in (None, temporary):
            error.filename, error.filename2 = target, None
        raise


def _sync_directory(directory: str) -> None:
    """Makes the new name durable; not every file system can sync a directory, and the file itself is safe by now."""
    with contextlib.suppress(OSError):
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
