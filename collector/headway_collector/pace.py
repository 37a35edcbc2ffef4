"""How busy a thread is: the share of the last second or so in which it had work."""

import math
from collections.abc import Callable

_SECONDS = 1.0
_BUSY, _FREE = 0.25, 0.1


class Pace:
    """Tells a stream of work from a trickle; for one thread.

    Args:
        clock_s: any clock that only goes forward.
    """

    def __init__(self, clock_s: Callable[[], float]) -> None:
        self._clock_s = clock_s
        self._last_s = clock_s()
        self._share = 0.0
        self.is_busy = False
        """Whether work filled more than a quarter of the time, and has not fallen under a tenth."""

    def rest(self) -> None:
        """Say that the time until now went by without work."""
        self._add(0.0)

    def work(self) -> None:
        """Say that the time until now went into work."""
        self._add(1.0)

    def _add(self, share: float) -> None:
        now_s = self._clock_s()
        weight = math.exp((self._last_s - now_s) / _SECONDS)
        self._share = weight * self._share + (1 - weight) * share
        self._last_s = now_s
        self.is_busy = self._share > (_FREE if self.is_busy else _BUSY)
