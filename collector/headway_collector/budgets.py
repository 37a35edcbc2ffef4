"""What all requests together may take: memory from their first byte to their answer, and turns."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from headway_collector.errors import QueueFullError


class ByteBudget:
    """A number of bytes that requests share."""

    def __init__(self, limit_bytes: int = 256 * 1024 * 1024) -> None:
        self._limit_bytes = limit_bytes
        self._held_bytes = 0
        self._lock = threading.Lock()

    @property
    def held_bytes(self) -> int:
        """How much is held now."""
        return self._held_bytes

    @contextmanager
    def hold(self) -> Iterator["Hold"]:
        """Give a request a hold that grows with it, and take all of it back at the end."""
        hold = Hold(self)
        try:
            yield hold
        finally:
            self.change(-hold.size_bytes)

    def change(self, size_bytes: int) -> None:
        """Take bytes, or give them back where negative.

        Raises:
            QueueFullError: others hold too much for that.
        """
        with self._lock:
            if size_bytes > 0 and self._held_bytes + size_bytes > self._limit_bytes:
                raise QueueFullError(
                    f"{self._held_bytes} bytes of requests are being worked on: try again later"
                )
            self._held_bytes += size_bytes


class Hold:
    """What one request has taken of the budget."""

    def __init__(self, budget: ByteBudget) -> None:
        self._budget = budget
        self.size_bytes = 0

    def grow(self, size_bytes: int) -> None:
        """Take more.

        Raises:
            QueueFullError: others hold too much for that.
        """
        self._budget.change(size_bytes)
        self.size_bytes += size_bytes


class Turns:
    """Work that is done for few at a time, while a few more wait for it.

    Args:
        at_once: for how many.
        waiting: how many more may wait.
        patience_s: how long they wait.
    """

    def __init__(self, at_once: int = 2, waiting: int = 8, patience_s: float = 10.0) -> None:
        self._patience_s = patience_s
        self._places = threading.Semaphore(at_once + waiting)
        self._turns = threading.Semaphore(at_once)

    @contextmanager
    def take(self) -> Iterator[None]:
        """Wait for a turn, and have it while the block runs.

        Raises:
            QueueFullError: too many wait already, or there was none in time.
        """
        if not self._places.acquire(blocking=False):
            raise QueueFullError("too many large reads wait: try again later")
        try:
            if not self._turns.acquire(timeout=self._patience_s):
                raise QueueFullError("other large reads take too long: try again later")
            try:
                yield
            finally:
                self._turns.release()
        finally:
            self._places.release()
