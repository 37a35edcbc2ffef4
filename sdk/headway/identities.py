"""Where ids and times come from: the clock and the random numbers of one client.

A trace id is 32 hex digits in the shape of a UUIDv7, so that it sorts by time and a backfilled
trace carries its own time; a span id is 16 random hex digits, as in OpenTelemetry.

    0199c1d5a83f 7 3f2 9b1c44d0e8aa71c5      milliseconds, version 7, random, variant and random
"""

import os
import random
import time
from collections.abc import Callable

_MILLISECOND_NS = 1_000_000
_TIME_MASK = (1 << 48) - 1
_VERSION = 7 << 76
_VARIANT = 2 << 62
_LOW_MASK = (1 << 62) - 1


class Identities:
    """Makes ids without a system call, from a generator that nobody else seeds or shares.

    Args:
        clock_ns: the time since the Unix epoch.
        seed: makes the ids repeatable; None draws a seed from the operating system.
    """

    def __init__(
        self, *, clock_ns: Callable[[], int] = time.time_ns, seed: int | None = None
    ) -> None:
        self.clock_ns = clock_ns
        self._random = random.Random(_fresh_seed() if seed is None else seed)
        self._bits = self._random.getrandbits

    def trace_id(self, start_ns: int) -> str:
        """Return a new trace id whose first 48 bits are ``start_ns`` in milliseconds."""
        milliseconds = max(start_ns, 0) // _MILLISECOND_NS & _TIME_MASK
        drawn = self._bits(74)
        high = drawn >> 62
        return "%032x" % (milliseconds << 80 | _VERSION | high << 64 | _VARIANT | drawn & _LOW_MASK)

    def span_id(self) -> str:
        """Return a new span id."""
        return f"{self._bits(64) or 1:016x}"

    def score_id(self) -> str:
        """Return a new score id."""
        return f"{self._bits(128):032x}"

    def reseed(self) -> None:
        """Draw a new seed: a forked child would otherwise repeat its parent's ids."""
        self._random.seed(_fresh_seed())


def _fresh_seed() -> int:
    return int.from_bytes(os.urandom(32), "little")
