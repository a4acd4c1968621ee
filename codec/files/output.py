"""Output files that are either whole or not there; used for every file that is written.

The bytes go to a temporary file in the target's directory, are synced, and take the target's name in one step. An
exception on the way removes the temporary file, and so does `drop_all` in a signal's handler; whatever stood at the
target before is then still there, untouched. A symbolic link is written through. What is no regular file (a FIFO, a
device, /dev/stdout) is never replaced, and gets its bytes at the end, all at once. A draft may be written by another
process, to which a copy goes: the process that made it keeps or drops it, so that a writer may die at any time.
"""

import contextlib
import errno
import os
import re
import stat
import sys
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO, cast

if TYPE_CHECKING:
    from typing_extensions import Buffer

SYNCED = os.O_RDONLY if os.name == "posix" else os.O_RDWR  # how a file is opened to be synced: Windows wants to write
LINKS = 40  # as many as Linux follows
HELD_BYTES = 1 << 26  # of what goes to no regular file, up to which it waits in memory
DESCRIPTORS = re.compile(r"/dev/fd|/proc/([0-9]+)(/task/[0-9]+)?/fd")  # folders of open files; macOS has the first only


def end_of(path: str) -> str | int:
    """Where writing to `path` goes: a descriptor of this process, or the end of its symbolic links, which need not
    exist. Raises OSError.
    """
    place = path
    for _ in range(LINKS):
        folder, name = os.path.split(place)
        if name.isdecimal() and (found := DESCRIPTORS.fullmatch(os.path.realpath(folder))):
            return int(name) if found[1] in (None, str(os.getpid())) else place  # its link is none: it may say pipe:[7]
        try:
            place = os.path.join(folder, os.readlink(place))
        except OSError:  # no link, or nothing at all
            return place
    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)


def is_direct(path: str) -> bool:
    """Whether `path` leads to anything but a regular file, one that is not there yet or a directory. Raises OSError."""
    place = end_of(path)
    if isinstance(place, int) or DESCRIPTORS.fullmatch(os.path.realpath(os.path.dirname(place))):
        return True
    return os.path.exists(place) and not os.path.isfile(place) and not os.path.isdir(place)


def check(source: str, target: str, overwrite: bool) -> None:
    """Refuses, before any work is done, a `target` that `atomic` would refuse, or that is `source` itself under any
    name. Raises OSError.
    """
    if os.path.isdir(target):
        raise IsADirectoryError(errno.EISDIR, "is a directory", target)
    with contextlib.suppress(FileNotFoundError):
        if os.path.samefile(source, target) and os.path.isfile(target):
            raise OSError(errno.EINVAL, "output and input are the same file", target)
    if not is_direct(target) and os.path.lexists(target) and not overwrite:
        raise _exists(target)


def draft(target: str, overwrite: bool = False) -> "Draft | Stream":
    """What will be the file `target`. Raises OSError."""
    return Stream(target) if is_direct(target) else Draft(target, overwrite)


class Draft:
    """What will be the file `target`: written under another name, by any thread or worker process, until `keep` gives
    it its own or `drop` removes it.

    The new file's permissions are the umask's, or those of the file it replaces. Where `target` is a symbolic link
    the file at its end is written. `write` and `open` raise OSError naming `target` for what the system refuses, as
    does `keep`, and FileExistsError when `target` exists and `overwrite` is false, even if it appeared meanwhile.
    """

    def __init__(self, target: str, overwrite: bool = False):
        self._target, self._overwrite = target, overwrite
        self._end = str(end_of(target))
        self._file: BinaryIO | None = None
        self._lent = False  # to this process, by the one that keeps it
        # Short and without the target's name in it, which may already be as long as the file system allows.
        self.path = os.path.join(os.path.dirname(self._end) or ".", f".aecodec-{os.urandom(8).hex()}.part")
        self._announce()

    def _announce(self) -> None:
        """Before the file exists: a signal may strike as soon as it does."""
        _drafts.paths.add(self.path)

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_file": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__ = state | {"_lent": True}
        self._announce()

    def open(self) -> BinaryIO:
        """The binary file to write."""
        with _named(self._target, self.path), _drafts.lock:
            if _drafts.closed:
                raise OSError(errno.ECANCELED, "the run has ended", self._target)
            self._file = open(self.path, "xb")
        return self._file

    def write(self, data: "Buffer") -> None:
        """Writes, and with the first bytes makes the file and its directory."""
        if self._file is None:
            os.makedirs(os.path.dirname(self._target) or ".", exist_ok=True)
        file = self._file or self.open()
        with _named(self._target, self.path):
            file.write(data)

    def flush(self) -> None:
        """Makes what has been written readable under `path`."""
        assert self._file is not None
        with _named(self._target, self.path):
            self._file.flush()

    def close(self) -> None:
        """Ends the writing; a worker process is rid of it."""
        assert self._file is not None
        with _named(self._target, self.path):
            self._file.close()
        if self._lent:
            _drafts.paths.discard(self.path)

    def keep(self, like: os.stat_result | None = None) -> None:
        """Makes it the target, in one step; in the process that made the draft, whichever wrote it.

        like: the status of a file whose permissions and times it gets.
        """
        try:
            if self._file is not None:
                self.close()
            with _named(self._target, self.path):
                descriptor = os.open(self.path, SYNCED)
                try:
                    if self._overwrite and like is None and os.path.isfile(self._end):
                        os.chmod(self.path, stat.S_IMODE(os.stat(self._end).st_mode))
                    if like is not None:
                        os.chmod(self.path, stat.S_IMODE(like.st_mode))
                        os.utime(self.path, ns=(like.st_atime_ns, like.st_mtime_ns))
                    os.fsync(descriptor)
                finally:
                    os.close(descriptor)
                if self._overwrite:
                    os.replace(self.path, self._end)
                elif os.path.islink(self._target):  # also one that leads nowhere
                    raise FileExistsError
                else:
                    _link(self.path, self._end)
        except FileExistsError:
            raise _exists(self._target) from None
        finally:
            self.drop()
        _sync_directory(os.path.dirname(self._end) or ".")

    def drop(self) -> None:
        """Removes what is not kept; needed after every other outcome, harmless after `keep`."""
        if self._file is not None:
            with contextlib.suppress(OSError):  # a full disk once more
                self._file.close()
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            os.unlink(self.path)
        _drafts.paths.discard(self.path)


class Stream:
    """A Draft for what is no regular file, or for standard output: whole before the first byte of it goes there, on
    disk where it is large.

    `keep` raises OSError naming `target`.
    """

    def __init__(self, target: str | None = None):
        import tempfile  # with shutil: milliseconds that --help need not wait for

        self._target, self._file = target, tempfile.SpooledTemporaryFile(HELD_BYTES)

    def open(self) -> BinaryIO:
        """The binary file to write."""
        return cast(BinaryIO, self._file)

    def write(self, data: "Buffer") -> None:
        self._file.write(data)

    def close(self) -> None:
        """Nothing more is written."""

    def keep(self) -> None:
        import shutil

        self._file.seek(0)
        if self._target is None:
            shutil.copyfileobj(self._file, sys.stdout.buffer)
            sys.stdout.buffer.flush()
        else:
            place = end_of(self._target)
            with _named(self._target, place), _opened(place) as file:
                shutil.copyfileobj(self._file, file)
        self.drop()

    def drop(self) -> None:
        self._file.close()


def _opened(place: str | int) -> BinaryIO:
    """Of what is no regular file, something to write to that closing does not end for others."""
    if isinstance(place, int):
        sys.stdout.flush()  # what has been said on it goes before
        return os.fdopen(os.dup(place), "wb")
    if stat.S_ISSOCK(os.stat(place).st_mode):
        import socket

        with socket.socket(socket.AF_UNIX) as peer:
            peer.connect(place)
            return peer.makefile("wb")
    return open(place, "wb")


class _Drafts:
    """The files that are not yet kept or dropped in this process; those of the process it was forked from are not its
    business.
    """

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        # The lock is re-entrant: a signal's handler may run while its thread has it.
        self.lock, self.closed = threading.RLock(), False
        self.paths: set[str] = set()


_drafts = _Drafts()
if hasattr(os, "register_at_fork"):  # Windows does not fork
    os.register_at_fork(after_in_child=_drafts.renew)


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
    """A Draft's binary file to write, `target` when the block ends without an exception. Raises as a Draft."""
    made = draft(target, overwrite)
    try:
        yield made.open()
        made.keep()
    finally:
        made.drop()


def _exists(target: str) -> FileExistsError:
    return FileExistsError(errno.EEXIST, "exists already, -f overwrites it", target)


def _link(temporary: str, target: str) -> None:
    """Gives `temporary` the name `target`, or raises FileExistsError; a rename would overwrite it without a word."""
    try:
        os.link(temporary, target)
    except FileExistsError:
        raise
    except OSError:  # file systems without hard links (FAT, some network ones): a gap of microseconds instead of none
        if os.path.lexists(target):
            raise FileExistsError from None
        os.replace(temporary, target)


@contextlib.contextmanager
def _named(target: str, temporary: str | int) -> Iterator[None]:
    """Errors name the file the person asked for, not the temporary one, or that at the end of a link."""
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
