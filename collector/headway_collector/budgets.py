"""How much memory all requests together may take, from their first byte to their answer."""

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
