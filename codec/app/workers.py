"""Worker processes: calls made here, in any thread, are done there.

Used by `runner` for several files at a time; knows nothing of files.

A worker is a fresh interpreter (nothing is forked) that lives as long as the pipe to its parent: it ends with the
parent, however that ends. One that dies, as the system's shortage of memory kills, costs the call it was busy with, and
the next call starts another. Signals of the terminal are the parent's business.
"""

import contextlib
import errno
import os
import queue
import signal
import subprocess
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection, Pipe, wait
from multiprocessing.reduction import ForkingPickler
from typing import Any

import click

from ..errors import CodecError
from ..files import output
from ..loading import loading

START = "import sys; sys.path[:] = sys.argv[2:]; from codec.app.workers import serve; serve(int(sys.argv[1]))"
SIGNALS = {getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)}


class Workers:
    """`count` processes, each with what `prepare()` gave in it: a call of this object calls that, waiting for a process
    that is free.

    `prepare` and everything that goes through calls is picklable. Raises what `prepare` raises, and calls raise what
    the calls there raise; CodecError where the process died.
    """

    def __init__(self, prepare: Callable[[], Callable[..., Any]], count: int):
        self._workers, self._closed = [_Worker(prepare) for _ in range(count)], False
        self._free: queue.LifoQueue[_Worker] = queue.LifoQueue()
        for worker in self._workers:
            worker.start()
            self._free.put(worker)
        (first, *_) = wait([worker.connection for worker in self._workers])
        try:
            next(worker for worker in self._workers if worker.connection is first).await_ready()
        except CodecError:
            pass  # it died: the next call starts another
        except Exception:  # what is missing for one is missing for all
            self.close()
            raise

    def __call__(self, *arguments: Any) -> Any:
        worker = self._free.get()
        try:
            if self._closed:
                raise OSError(errno.ECANCELED, "the run has ended")
            return worker.call(arguments)
        finally:
            self._free.put(worker)

    def close(self) -> None:
        """Ends the processes; whoever is busy drops what it does."""
        self._closed = True
        for worker in self._workers:
            worker.stop()


class _Worker:
    """One process at a time, used by one thread at a time."""

    def __init__(self, prepare: Callable[[], Callable[..., Any]]):
        self._prepare, self._ready = prepare, False
        self._process: subprocess.Popen[bytes] | None = None
        self.connection: Connection  # while there is a process

    def start(self) -> None:
        with _processes.lock:
            if _processes.closed:
                raise OSError(errno.ECANCELED, "the run has ended")
            self.connection, theirs = Pipe()
            command = [sys.executable, "-P", "-c", START, str(theirs.fileno()), *sys.path]
            # The worker inherits the blocked signals: they never reach it, not even while it starts.
            before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
            try:
                self._process = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, pass_fds=[theirs.fileno()]
                )
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)
                theirs.close()
            _processes.running.add(self._process)
        self._ready = False
        self.connection.send(self._prepare)

    def await_ready(self) -> None:
        """Raises what `prepare` raised, or CodecError."""
        if not self._ready:
            try:
                self._receive()
            except Exception:
                self.stop()
                raise
            self._ready = True

    def call(self, arguments: tuple[Any, ...]) -> Any:
        if self._process is not None and self._process.poll() is not None:  # while it had nothing to do
            self.stop()
        if self._process is None:
            self.start()
        self.await_ready()
        with self._noticing_death():
            self.connection.send(arguments)
        return self._receive()

    def _receive(self) -> Any:
        with self._noticing_death():
            succeeded, value = self.connection.recv()
        if not succeeded:
            raise value
        return value

    @contextlib.contextmanager
    def _noticing_death(self) -> Iterator[None]:
        try:
            yield
        except (EOFError, ConnectionError):
            process = self._process
            assert process is not None
            self.stop()
            code = process.returncode
            how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
            hint = ", as the system does where memory runs short" if code == -9 else ""
            raise CodecError(f"the worker process {how}{hint}") from None

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            self.connection.close()  # the worker's own end, if it has not ended yet
            process.wait()
            _processes.running.discard(process)


class _Processes:
    """The workers of this process that have not been waited for."""

    def __init__(self) -> None:
        # The lock is re-entrant: a signal's handler may run while its thread has it.
        self.lock, self.closed = threading.RLock(), False
        self.running: set[subprocess.Popen[bytes]] = set()


_processes = _Processes()


def kill_all() -> None:
    """Kills every worker and lets none begin: for the end of the process, also in a signal's handler.

    What they wrote is nobody's afterwards.
    """
    with _processes.lock:
        _processes.closed = True
        for process in list(_processes.running):
            process.kill()
        for process in list(_processes.running):
            with contextlib.suppress(subprocess.TimeoutExpired):  # the interrupted thread may be waiting for it
                process.wait(1)


def serve(descriptor: int) -> None:
    """The worker: does calls until the parent closes its end of the pipe."""
    warnings.showwarning = lambda message, *_: click.echo(f"aecodec: {message}", err=True)
    connection = Connection(descriptor)
    calls: queue.SimpleQueue[tuple[Any, ...]] = queue.SimpleQueue()
    prepare = connection.recv()
    threading.Thread(target=_listen, args=(connection, calls), daemon=True).start()
    work: Callable[..., Any] | None = None
    answer: tuple[bool, Any]
    while True:
        try:
            if work is None:
                work, answer = loading()(prepare)(), (True, None)
            else:
                answer = True, work(*calls.get())
        except Exception as error:
            answer = False, _portable(error)
        with contextlib.suppress(ConnectionError):  # the listener ends the process
            connection.send(answer)
        if work is None:
            calls.get()  # refused: nothing comes but the end


def _listen(connection: Connection, calls: queue.SimpleQueue[tuple[Any, ...]]) -> None:
    """Takes calls in; at once when the parent has gone, whatever is being done, ends the process and
    removes its files.
    """
    try:
        while True:
            calls.put(connection.recv())
    except (EOFError, OSError):
        output.drop_all()
        os._exit(1)


def _portable(error: Exception) -> Exception:
    """The error as it can go through the pipe, with its traceback as a note where it is none of those that a run
    expects.
    """
    if not isinstance(error, (CodecError, OSError, click.ClickException)):
        error.add_note("".join(traceback.format_exception(error)).rstrip())
    try:
        ForkingPickler.loads(ForkingPickler.dumps(error))
        return error
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
