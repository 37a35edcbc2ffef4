"""Where ids come from: random bytes of the operating system, drawn a few hundred ids at a time.

A trace id is 32 hex digits in the shape of a UUIDv7, so that it sorts by time and a backfilled
trace carries its own time; a span id is 16 random hex digits, as in OpenTelemetry.

    0199c1d5a83f 7 3f2 8 b1c44d0e8aa71c5      milliseconds, version, random, variant, random
"""

import os
from collections.abc import Callable

_MILLISECOND_NS = 1_000_000
_TIME_MASK = (1 << 48) - 1
_BATCH = 256
_TAIL_BYTES = 10
_SPAN_BYTES = 8
_VERSION = bytes(0x70 | byte & 0x0F for byte in range(256))
_VARIANT = bytes(0x80 | byte & 0x3F for byte in range(256))
"""What a random byte becomes in the two places of a trace id that are not all random."""


class Identities:
    """Makes ids without a system call for each: an id costs a ``pop``.

    Args:
        random_bytes: returns so many random bytes.
    """

    def __init__(self, random_bytes: Callable[[int], bytes] = os.urandom) -> None:
        self._random_bytes = random_bytes
        self._tails: list[str] = []
        self._span_ids: list[str] = []

    def trace_id(self, start_ns: int) -> str:
        """Return a new trace id whose first 48 bits are ``start_ns`` in milliseconds."""
        # A pop is atomic, so threads need no lock; two that refill at once only draw more.
        try:
            tail = self._tails.pop()
        except IndexError:
            tail, *others = self._draw_tails()
            self._tails.extend(others)
        # Half of what formatting costs.
        return hex(start_ns // _MILLISECOND_NS & _TIME_MASK)[2:].zfill(12) + tail

    def span_id(self) -> str:
        """Return a new span id."""
        try:
            return self._span_ids.pop()
        except IndexError:
            drawn, *others = _in_hex(self._random_bytes(_BATCH * _SPAN_BYTES), _SPAN_BYTES)
            self._span_ids.extend(others)
            return drawn

    def score_id(self) -> str:
        """Return a new score id."""
        return self.span_id() + self.span_id()

    def forget(self) -> None:
        """Drop what is drawn: a forked child would otherwise repeat its parent's ids."""
        self._tails, self._span_ids = [], []

    def _draw_tails(self) -> list[str]:
        drawn = bytearray(self._random_bytes(_BATCH * _TAIL_BYTES))
        drawn[0::_TAIL_BYTES] = drawn[0::_TAIL_BYTES].translate(_VERSION)
        drawn[2::_TAIL_BYTES] = drawn[2::_TAIL_BYTES].translate(_VARIANT)
        return _in_hex(drawn, _TAIL_BYTES)


def _in_hex(drawn: bytes | bytearray, size: int) -> list[str]:
    text = drawn.hex()
    return [text[start : start + 2 * size] for start in range(0, len(text), 2 * size)]
