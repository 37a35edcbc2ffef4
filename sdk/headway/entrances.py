"""The way into the journal: one thread at a time, and that thread as often as it comes.

A signal, a finalizer or a log handler can run an observed function while its own thread is in the
journal: the lock lets it in, and it finds the journal busy and leaves what it brings for later.
Nor is anything said in the lock: who logs waits for the log's locks, and who has them may wait for
ours.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

_EAGER_ATTEMPTS = 50
_MOST_ATTEMPTS = 200
_ATTEMPT_S = 0.0001


class Entrance:
    """A lock that its own thread enters again, with what has to wait until it leaves.

    Args:
        catch_up: does what was left for later, with the lock held.
    """

    def __init__(self, catch_up: Callable[[], None]) -> None:
        # Taken in the open by who has no time for a call: see ``Journal.append``.
        self.lock = threading.RLock()
        self.is_busy = False
        self.entering = 0
        """The thread that waits for the lock, or has it and not yet the interpreter."""
        self._catch_up = catch_up
        self._unsaid: list[Callable[[], None]] = []

    def let_finish(self) -> None:
        """Wait a moment where another thread is inside, or about to be."""
        # A thread that waits in the lock gets it before it gets the interpreter, and keeps all
        # others waiting meanwhile, at every call from then on. Who only asks again and again never
        # holds the lock without running.
        me = threading.get_ident()
        attempt = 0
        while attempt < _MOST_ATTEMPTS and not self._is_mine():
            # A signal handler may run while its own thread is about to enter.
            if not self.is_busy and self.entering in (0, me):
                return
            time.sleep(0 if attempt < _EAGER_ATTEMPTS else _ATTEMPT_S)
            attempt += 1

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep everybody out; whatever comes on this thread is left for later."""
        with self.lock:
            # What comes may itself be alone.
            was_busy, self.is_busy = self.is_busy, True
            try:
                yield
            finally:
                self.is_busy = was_busy
            if was_busy:
                return
            self._catch_up()
            unsaid, self._unsaid = self._unsaid, []
        for say in unsaid:
            say()

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Let the others in while this thread waits for them, also from the middle of a record.

        They find the journal busy, as whatever comes in the middle of a record does.
        """
        lock: Any = self.lock
        depth = 0
        try:
            while self._is_mine():
                lock.release()
                depth += 1
            yield
        finally:
            for _ in range(depth):
                lock.acquire()

    def say_later(self, say: Callable[[], None]) -> None:
        """Have something said when nobody is inside; for whoever is alone, or in ``append``."""
        self._unsaid.append(say)

    def _is_mine(self) -> bool:
        lock: Any = self.lock
        return bool(lock._is_owned())
