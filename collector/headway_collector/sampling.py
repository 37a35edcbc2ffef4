"""Which calls a costly function is asked about, and for how many seconds of each hour.

A call is chosen by a digest of its key alone: the same calls every time and on every machine, the
same for every function, and those of a small share are among those of a larger one.
"""

import hashlib
from collections.abc import Callable

_SEED = b"headway-sample"
_HOUR_NS = 3600 * 10**9


def is_sampled(span_key: int, share: float) -> bool:
    """Return whether the call is among the share that is chosen."""
    raw = span_key.to_bytes(8, "big", signed=True)
    digest = hashlib.blake2b(raw, key=_SEED, digest_size=8).digest()
    return int.from_bytes(digest, "big") < share * 2**64


class Budget:
    """Seconds that may be spent in each hour of the clock; what is left of one hour is not kept.

    Args:
        limit_s: of an hour.
        clock_ns: the time of day.
    """

    def __init__(self, limit_s: float, clock_ns: Callable[[], int]) -> None:
        self._limit_s = limit_s
        self._clock_ns = clock_ns
        self._hour = -1
        self._spent_s = 0.0

    @property
    def left_s(self) -> float:
        """Return how many seconds of this hour are left."""
        self._turn()
        return max(0.0, self._limit_s - self._spent_s)

    def spend(self, seconds: float) -> None:
        """Note what was spent."""
        self._turn()
        self._spent_s += seconds

    def _turn(self) -> None:
        hour = self._clock_ns() // _HOUR_NS
        if hour != self._hour:
            self._hour, self._spent_s = hour, 0.0
