"""A process of its own for what computes for seconds: it can be ended, and its memory goes with it.

Only this module is imported before the limits of threads are set, which libraries read when they
are first imported.
"""

import errno
import importlib
import logging
import multiprocessing
import os
import signal
import tempfile
import threading
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path

from headway.errors import HeadwayError

Tell = Callable[[str, int, int], None]
"""Says which stage runs, how much of it is done, and how much there is to do."""

Compute = Callable[[Path, Tell], None]
"""What a process does: it reads and writes in the folder."""

_THREADS = "2"
_THREAD_LIMITS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS")
_NICENESS = 5

_log = logging.getLogger(__name__)


class ComputeError(HeadwayError):
    """What was computed failed; the line says why."""


class Computation:
    """One process that computes, once.

    Args:
        name: of the `Compute`, as ``module:function``, so that what it needs is imported there.
        folder: where it finds what it needs and leaves what it made.
    """

    def __init__(self, name: str, folder: Path) -> None:
        # A fork would take the threads' locks with it as they are.
        context = multiprocessing.get_context("spawn")
        self._receiver, self._sender = context.Pipe(duplex=False)
        self._process = context.Process(
            target=_run,
            args=(name, folder, self._sender),
            name="headway-job",
            daemon=True,
        )

    def start(self) -> None:
        """Start the process."""
        self._process.start()
        # Ours has to be closed for the end of the process to be seen.
        self._sender.close()

    def run(self, tell: Tell) -> None:
        """Return when all is done.

        Args:
            tell: called in this thread with what the process says.

        Raises:
            ComputeError: it failed, or the process is gone.
        """
        try:
            fault = self._listen(tell)
        finally:
            self.kill()
            self._process.join()
            self._receiver.close()
        if fault is not None:
            raise ComputeError(fault)

    def kill(self) -> None:
        """End the process wherever it is."""
        self._process.kill()

    def _listen(self, tell: Tell) -> str | None:
        while True:
            try:
                message = self._receiver.recv()
            except (EOFError, OSError):
                self._process.join()
                return (
                    f"the process that computed ended with {self._process.exitcode}, perhaps for "
                    "want of memory: narrow the windows, or give the machine more"
                )
            if isinstance(message, tuple):
                tell(*message)
            else:
                return message or None


def explain_fault(error: BaseException) -> str:
    """Return in a sentence what put an end to a job, and what to do about it."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        folder = tempfile.gettempdir()
        return f"the disk of {folder} is full ({error}): make room there, or set TMPDIR"
    if isinstance(error, MemoryError):
        return "there is not enough memory: narrow the windows, or give the machine more"
    return f"this is a fault in Headway ({type(error).__name__}: {error})"


def _run(name: str, folder: Path, sender: Connection) -> None:
    # Whoever stops the collector from a terminal stops it alone.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=end_with_parent, name="headway-parent", daemon=True).start()
    with suppress(OSError):
        os.nice(_NICENESS)
    for limit in _THREAD_LIMITS:
        os.environ.setdefault(limit, _THREADS)
    try:
        module, _, function = name.partition(":")
        compute: Compute = getattr(importlib.import_module(module), function)
        compute(folder, lambda *progress: sender.send(progress))
    except HeadwayError as error:
        sender.send(str(error))
    except BaseException as error:  # also what polars calls a panic
        _log.exception("a job failed")
        sender.send(explain_fault(error))
    else:
        sender.send("")


def end_with_parent() -> None:
    """Wait for the end of the process that started this one, and end with it."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
