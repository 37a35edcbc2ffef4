"""Nanoseconds since the epoch inside, RFC 3339 outside.

Python's datetime ends at microseconds, so the fraction is read and written by hand:
``2026-11-22T10:00:00.123456789Z``.
"""

import re
from datetime import UTC, datetime

SECOND_NS = 1_000_000_000
MILLISECOND_NS = 1_000_000
MAX_NS = 7_258_118_400 * SECOND_NS
"""The last instant that is kept, 2200-01-01: sums with it stay within 64 bits."""

_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_RELATIVE = re.compile(r"-(\d{1,9})([smhdw])")
_LAPSE = re.compile(r"(\d{1,9})([smhdw])")
_ABSOLUTE = re.compile(
    r"(\d{4}-\d\d-\d\d)"
    r"(?:[Tt ](\d\d:\d\d(?::\d\d)?)(?:[.,](\d{1,9})\d*)?)?"
    r"\s*([Zz]|[+-]\d\d:?\d\d)?"
)


def format_time(time_ns: int) -> str:
    """Return the instant as RFC 3339 in UTC with nine digits of fraction."""
    seconds, fraction = divmod(time_ns, SECOND_NS)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{fraction:09d}Z"


def parse_absolute(text: str) -> int:
    """Read an ISO 8601 date or time; without an offset it is UTC.

    Raises:
        ValueError: the text is no time, or lies outside 1970 to 2200.
    """
    match = _ABSOLUTE.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a time such as 2026-11-22T10:00:00Z")
    date, clock, fraction, offset = match.groups()
    try:
        whole = datetime.fromisoformat(f"{date}T{clock or '00:00:00'}{(offset or 'Z').upper()}")
    except ValueError as error:
        raise ValueError(f"{text!r} is not a time: {error}") from error
    return check_range(
        int(whole.timestamp()) * SECOND_NS + int((fraction or "").ljust(9, "0")), text
    )


def parse_time(text: str, now_ns: int) -> int:
    """Read an ISO 8601 time, or one counted back from now: ``-90s``, ``-24h``, ``-7d``, ``-2w``.

    Raises:
        ValueError: the text is neither.
    """
    match = _RELATIVE.fullmatch(text.strip())
    if match is None:
        return parse_absolute(text)
    back_ns = int(match[1]) * _UNITS_S[match[2]] * SECOND_NS
    return max(now_ns - back_ns, 0)


def parse_later(text: str, now_ns: int) -> int:
    """Read an ISO 8601 time, or one that is so long from now: ``90s``, ``12h``, ``90d``, ``2w``.

    Raises:
        ValueError: the text is neither, or that is after the last instant that is kept.
    """
    match = _LAPSE.fullmatch(text.strip())
    if match is None:
        return parse_absolute(text)
    return check_range(now_ns + int(match[1]) * _UNITS_S[match[2]] * SECOND_NS, repr(text))


def check_range(time_ns: int, source: object) -> int:
    """Return ``time_ns`` if it can be stored.

    Raises:
        ValueError: it lies outside 1970 to 2200.
    """
    if not 0 <= time_ns <= MAX_NS:
        raise ValueError(f"{source} lies outside the years 1970 to 2200")
    return time_ns
