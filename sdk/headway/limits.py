"""How much of one value is kept, and how long that may take."""

import time
from collections.abc import Callable

import msgspec

NODE_COST = 8
"""What a number, a comma or a bracket is taken to weigh; a text weighs its characters."""
LARGEST_INT = 1 << 64
"""A whole number from here on is described and not written."""


class Limits(msgspec.Struct, frozen=True):
    """What bounds the capture of one value.

    Args:
        max_bytes: of its JSON.
        max_items: in one container, and in all of those that are walked.
        max_depth: of containers in containers.
        max_s: the time it may take; what is left then is cut.
        has_data: whether bytes are written, in base64, and not only described.
        clock_s: measures ``max_s``. The caller's own time on the processor, so that a busy
            machine, where a thread waits for its turn, does not cut what costs little.
    """

    max_bytes: int = 1 << 20
    max_items: int = 10_000
    max_depth: int = 20
    max_s: float = 0.01
    has_data: bool = False
    clock_s: Callable[[], float] = time.thread_time


LIMITS = Limits()


class Budget:
    """The time for one value, which runs from the first question."""

    __slots__ = ("_clock_s", "_max_s", "_start_s")

    def __init__(self, limits: Limits) -> None:
        self._clock_s = limits.clock_s
        self._max_s = limits.max_s
        self._start_s: float | None = None

    def is_spent(self, share: float = 1.0) -> bool:
        """Whether the time is up, or a share of it."""
        now_s = self._clock_s()
        if self._start_s is None:
            self._start_s = now_s
        return now_s >= self._start_s + share * self._max_s
