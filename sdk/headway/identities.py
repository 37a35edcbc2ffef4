"""Where ids come from: random numbers of our own, which nobody else seeds or shares.

A trace id is 32 hex digits in the shape of a UUIDv7, so that it sorts by time and a backfilled
trace carries its own time; a span id is 16 random hex digits, as in OpenTelemetry.

    0199c1d5a83f 7 3f2 8 b1c44d0e8aa71c5      milliseconds, version, random, variant, random
"""

import os
import random

_MILLISECOND_NS = 1_000_000
_TIME_MASK = (1 << 48) - 1
_BATCH = 256
_TAIL_DIGITS = 20
_SPAN_DIGITS = 16


class Identities:
    """Makes ids a few hundred at a time, without a system call: an id costs a ``pop``.

    Args:
        seed: makes the ids repeatable; None draws a seed from the operating system.
    """

    def __init__(self, seed: int | None = None) -> None:
        self._random = random.Random(_fresh_seed() if seed is None else seed)
        self._tails: list[str] = []
        self._span_ids: list[str] = []

    def trace_id(self, start_ns: int) -> str:
        """Return a new trace id whose first 48 bits are ``start_ns`` in milliseconds."""
        # A pop is atomic, so threads need no lock; two that refill at once only draw more.
        try:
            tail = self._tails.pop()
        except IndexError:
            tail, *others = (f"7{each[:3]}8{each[3:-2]}" for each in self._draw(_TAIL_DIGITS))
            self._tails.extend(others)
        return f"{start_ns // _MILLISECOND_NS & _TIME_MASK:012x}{tail}"

    def span_id(self) -> str:
        """Return a new span id."""
        try:
            return self._span_ids.pop()
        except IndexError:
            drawn, *others = self._draw(_SPAN_DIGITS)
            self._span_ids.extend(others)
            return drawn

    def score_id(self) -> str:
        """Return a new score id."""
        return self.span_id() + self.span_id()

    def reseed(self) -> None:
        """Draw a new seed: a forked child would otherwise repeat its parent's ids."""
        self._random.seed(_fresh_seed())
        self._tails, self._span_ids = [], []

    def _draw(self, digits: int) -> list[str]:
        drawn = self._random.randbytes(_BATCH * digits // 2).hex()
        return [drawn[start : start + digits] for start in range(0, len(drawn), digits)]


def _fresh_seed() -> int:
    return int.from_bytes(os.urandom(32), "little")
