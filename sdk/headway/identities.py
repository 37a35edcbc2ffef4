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
_DIGITS = 18


class Identities:
    """Makes ids a few hundred at a time, without a system call: an id costs a ``pop``.

    Args:
        seed: makes the ids repeatable; None draws a seed from the operating system.
    """

    def __init__(self, seed: int | None = None) -> None:
        self._random = random.Random(_fresh_seed() if seed is None else seed)
        self._drawn: list[str] = []

    def trace_id(self, start_ns: int) -> str:
        """Return a new trace id whose first 48 bits are ``start_ns`` in milliseconds."""
        milliseconds = (start_ns // _MILLISECOND_NS & _TIME_MASK).to_bytes(6, "big").hex()
        drawn = self._draw()
        return f"{milliseconds}7{drawn[:3]}8{drawn[3:]}"

    def span_id(self) -> str:
        """Return a new span id."""
        return self._draw()[:16]

    def score_id(self) -> str:
        """Return a new score id."""
        return self._draw() + self._draw()[:14]

    def reseed(self) -> None:
        """Draw a new seed: a forked child would otherwise repeat its parent's ids."""
        self._random.seed(_fresh_seed())
        self._drawn = []

    def _draw(self) -> str:
        # A pop is atomic, so threads need no lock; two that refill at once only draw more.
        try:
            return self._drawn.pop()
        except IndexError:
            digits = self._random.randbytes(_BATCH * _DIGITS // 2).hex()
            first, *others = (
                digits[start : start + _DIGITS] for start in range(0, len(digits), _DIGITS)
            )
            self._drawn.extend(others)
            return first


def _fresh_seed() -> int:
    return int.from_bytes(os.urandom(32), "little")
