"""How fast requests may leave: at a rate, and not at all while a server wants to be left alone."""

import re
import threading
import time
from collections.abc import Callable

Wait = Callable[[threading.Event, float], bool]
"""Waits for that many seconds or until the event is set, and returns whether it is."""

_RATE = re.compile(r"(\d+(?:\.\d+)?)/(?:(s|sec|second)|(m|min|minute)|(h|hour))")
_UNITS_S = (1.0, 60.0, 3600.0)


def parse_rate(text: str) -> float:
    """Return the seconds from one request to the next of a rate such as ``600/min``.

    Raises:
        ValueError: it is no rate.
    """
    match = _RATE.fullmatch(text.strip())
    if match is None or not float(match[1]):
        raise ValueError(f"{text!r} is not a rate, such as 10/s, 600/min or 5000/hour")
    count, *units = match.groups()
    return next(unit for unit, word in zip(_UNITS_S, units, strict=True) if word) / float(count)


class Pace:
    """Lets requests out evenly, those of all threads together.

    Args:
        interval_s: from one request to the next; 0 lets each out at once.
        clock: seconds.
        wait: see ``Wait``.
    """

    def __init__(
        self,
        interval_s: float = 0.0,
        *,
        clock: Callable[[], float] = time.monotonic,
        wait: Wait = threading.Event.wait,
    ) -> None:
        self._interval_s = interval_s
        self._clock = clock
        self._wait = wait
        self._lock = threading.Lock()
        self._next_at = -float("inf")

    def enter(self, stop: threading.Event) -> bool:
        """Wait for one's turn, and return whether it came before ``stop``."""
        with self._lock:
            now = self._clock()
            at = max(now, self._next_at)
            self._next_at = at + self._interval_s
        if at > now:
            return not self._wait(stop, at - now)
        return not stop.is_set()

    def hold(self, seconds: float) -> None:
        """Let nobody else out for that long."""
        with self._lock:
            self._next_at = max(self._next_at, self._clock() + seconds)
