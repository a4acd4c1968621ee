"""Output files that are either whole or not there; used by the command line for every file it writes, and knowing
nothing of pictures or .aec data.

The bytes go to a temporary file in the target's directory, are synced, and take the target's name in one step. An
exception on the way removes the temporary file, and so does `drop_all` in a signal's handler; whatever stood at the
target before is then still there, untouched. A draft may be written by another process, to which a copy goes: the
process that made it keeps or drops it, so that a writer may die at any time.
"""

import contextlib
import errno
import os
import secrets
import stat
import sys
import threading
from collections.abc import Iterator
from typing import BinaryIO


def check(source: str, target: str, overwrite: bool) -> None:
    """Refuses, before any work is done, a `target` that `atomic` would refuse, or that is `source` itself under any
    name. Raises OSError.
    """
    if os.path.isdir(target):
        raise IsADirectoryError(errno.EISDIR, "is a directory", target)
    with contextlib.suppress(FileNotFoundError):
        if os.path.samefile(source, target):
            raise OSError(errno.EINVAL, "output and input are the same file", target)
    if not overwrite and os.path.lexists(target) and not _is_special(target):
        raise _exists(target)


class Draft:
    """What will be the file `target`: written under another name, by any thread or worker process, until `keep` gives
    it its own or `drop` removes it.

    The new file's permissions are the umask's, or those of the file it replaces. A target that is no regular file
    (/dev/null, a FIFO) is written directly. `write` and `open` raise OSError naming `target` for what the system
    refuses, as does `keep`, and FileExistsError when `target` exists and `overwrite` is false, even if it appeared
    meanwhile.
    """

    def __init__(self, target: str, overwrite: bool = False):
        self._target, self._overwrite = target, overwrite
        self._file: BinaryIO | None = None
        self._lent = False  # to this process, by the one that keeps it
        self._special = _is_special(target)
        # Short and without the target's name in it, which may already be as long as the file system allows.
        self.path = (
            target
            if self._special
            else os.path.join(os.path.dirname(target) or ".", f".aecodec-{secrets.token_hex(8)}.part")
        )
        self._announce()

    def _announce(self) -> None:
        """Before the file exists: a signal may strike as soon as it does."""
        if not self._special:
            _drafts.paths.add(self.path)

    def __getstate__(self) -> dict:
        return self.__dict__ | {"_file": None}

    def __setstate__(self, state: dict) -> None:
        self.__dict__ = state | {"_lent": True}
        self._announce()

    def open(self) -> BinaryIO:
        """The binary file to write."""
        with _named(self._target, self.path), _drafts.lock:
            if _drafts.closed:
                raise OSError(errno.ECANCELED, "the run has ended", self._target)
            self._file = open(self.path, "wb" if self._special else "xb")
        return self._file

    def write(self, data) -> None:
        """Writes, and with the first bytes makes the file and its directory."""
        if self._file is None:
            os.makedirs(os.path.dirname(self._target) or ".", exist_ok=True)
            self.open()
        with _named(self._target, self.path):
            self._file.write(data)

    def flush(self) -> None:
        """Makes what has been written readable under `path`."""
        with _named(self._target, self.path):
            self._file.flush()

    def close(self) -> None:
        """Ends the writing; a worker process is rid of it."""
        with _named(self._target, self.path):
            self._file.close()
        if self._lent:
            _drafts.paths.discard(self.path)

    def keep(self) -> None:
        """Makes it the target, in one step; in the process that made the draft, whichever wrote it."""
        try:
            if self._file is not None:
                self.close()
            if self._special:
                return
            with _named(self._target, self.path):
                descriptor = os.open(self.path, os.O_RDONLY)
                try:
                    if self._overwrite and os.path.isfile(self._target):
                        os.fchmod(descriptor, stat.S_IMODE(os.stat(self._target).st_mode))
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)
                (os.replace if self._overwrite else _link)(self.path, self._target)
        finally:
            self.drop()
        _sync_directory(os.path.dirname(self._target) or ".")

    def drop(self) -> None:
        """Removes what is not kept; needed after every other outcome, harmless after `keep`."""
        if self._file is not None:
            with contextlib.suppress(OSError):  # a full disk once more
                self._file.close()
        if not self._special:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.path)
            _drafts.paths.discard(self.path)


class Stream:
    """A Draft for standard output: whole before the first byte of it goes there, on disk where it is large."""

    def __init__(self):
        import tempfile  # with shutil: milliseconds that --help need not wait for

        self._file = tempfile.SpooledTemporaryFile(MEMORY)

    def write(self, data) -> None:
        self._file.write(data)

    def close(self) -> None:
        """Nothing more is written."""

    def keep(self) -> None:
        import shutil

        self._file.seek(0)
        shutil.copyfileobj(self._file, sys.stdout.buffer)
        sys.stdout.buffer.flush()
        self.drop()

    def drop(self) -> None:
        self._file.close()


MEMORY = 1 << 26  # bytes for standard output held in memory


class _Drafts:
    """The files that are not yet kept or dropped in this process."""

    def __init__(self):
        # The lock is re-entrant: a signal's handler may run while its thread has it.
        self.lock, self.paths, self.closed = (threading.RLock(), set(), False)


_drafts = _Drafts()


def drop_all() -> None:
    """Removes every draft, in whatever thread it is being written, and lets none begin: for the end of the process,
    also in a signal's handler.
    """
    with _drafts.lock:
        _drafts.closed = True
        for path in list(_drafts.paths):
            with contextlib.suppress(OSError):
                os.unlink(path)


@contextlib.contextmanager
def atomic(target: str, overwrite: bool = False) -> Iterator[BinaryIO]:
    """A Draft's binary file to write, which becomes `target` when the block ends without an exception; raises as a
    Draft.
    """
    draft = Draft(target, overwrite)
    try:
        yield draft.open()
        draft.keep()
    finally:
        draft.drop()


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
