"""One cell to one field: texts of the world's logs to the types of a span.

A cell that is empty, null or NaN says nothing, and the field keeps its default.
"""

import math
from collections.abc import Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import msgspec

from headway_collector.times import MAX_NS, SECOND_NS, check_range, parse_absolute

_TRUE = frozenset({"true", "t", "yes", "y", "1"})
_FALSE = frozenset({"false", "f", "no", "n", "0"})
# An epoch time tells its unit by its size: from 2001 to 2286 the four ranges do not meet.
_LEAST_EPOCH_S = 100_000_000
_EPOCH_UNITS = ((1e11, SECOND_NS), (1e14, 10**6), (1e17, 10**3), (math.inf, 1))


class CellFault(Exception):
    """Why a cell cannot be what it is mapped to."""


def is_empty(value: Any) -> bool:
    """Return whether the cell says nothing."""
    return value is None or value == "" or (isinstance(value, float) and math.isnan(value))


def read_text(value: Any) -> str:
    """Return the cell as text."""
    return value if isinstance(value, str) else _encode(value).decode()


def read_count(value: Any) -> int:
    """Return the cell as a whole number; ``156.0`` is one.

    Raises:
        CellFault: it is none.
    """
    number = read_number(value)
    if not number.is_integer():
        raise CellFault(f"{value!r} is not a whole number")
    return int(number) if not isinstance(value, int) else value


def read_number(value: Any) -> float:
    """Return the cell as a number.

    Raises:
        CellFault: it is none, or not finite.
    """
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise CellFault(f"{value!r} is not a number")
    return number


def read_duration(unit_ns: int, value: Any) -> int:
    """Return the cell, a number of units, as nanoseconds.

    Raises:
        CellFault: it is no number, or longer than there are times.
    """
    duration_ns = read_number(value) * unit_ns
    if abs(duration_ns) > MAX_NS:
        raise CellFault(f"{value!r} is too long for a duration")
    return round(duration_ns)


def read_flag(value: Any) -> bool:
    """Return the cell as true or false.

    Raises:
        CellFault: it is neither.
    """
    text = str(value).strip().lower()
    if text not in _TRUE | _FALSE:
        raise CellFault(f"{value!r} is neither true nor false")
    return text in _TRUE


def read_choice(allowed: Sequence[str], value: Any) -> str:
    """Return the cell as one of the words, in any case.

    Raises:
        CellFault: it is none of them.
    """
    text = read_text(value).strip().lower()
    if text not in allowed:
        raise CellFault(f"{value!r} is not one of {', '.join(allowed)}")
    return text


def read_texts(value: Any) -> list[str]:
    """Return the cell as a list: a list, its JSON, or words between commas.

    Raises:
        CellFault: it begins like a JSON list, and is none.
    """
    if isinstance(value, str) and value.lstrip().startswith("["):
        value = parse_json(value)
    if isinstance(value, list):
        return [read_text(each) for each in value]
    return [part.strip() for part in read_text(value).split(",") if part.strip()]


def read_time(value: Any, form: str | None = None) -> int:
    """Return the cell as nanoseconds since the epoch; without an offset it is UTC.

    Args:
        value: ISO 8601, a number of seconds, ms, us or ns since the epoch, or a datetime.
        form: how the text is to be read instead, as for ``strptime``.

    Raises:
        CellFault: it is no time, or lies outside 1970 to 2200.
    """
    try:
        if form is not None and isinstance(value, str | int):
            return _from_datetime(datetime.strptime(str(value).strip(), form))
        if isinstance(value, datetime):
            return _from_datetime(value)
        if isinstance(value, date):
            return _from_datetime(datetime(value.year, value.month, value.day))
        if isinstance(value, str) and not _is_numeric(value):
            return parse_absolute(value)
    except (ValueError, OverflowError) as error:
        hint = "" if form else ": say how it is written with --time-format"
        raise CellFault(f"{error}{hint}") from error
    return _from_epoch(value)


def read_json(value: Any, is_parsed: bool = False) -> msgspec.Raw:
    """Return the cell as JSON: text is a JSON string, unless it is to be parsed.

    Raises:
        CellFault: it is to be parsed, and is not JSON.
    """
    if is_parsed and isinstance(value, str):
        value = parse_json(value)
    return msgspec.Raw(_encode(value))


def read_score(value: Any) -> bool | int | float | str:
    """Return the cell as the value of a score: true or false, a number, or a category."""
    if not isinstance(value, str):
        return value if isinstance(value, bool | int | float) else read_text(value)
    if value.strip().lower() in ("true", "false"):
        return read_flag(value)
    try:
        return read_number(value)
    except CellFault:
        return value


def parse_json(text: str) -> Any:
    """Return what the JSON text holds.

    Raises:
        CellFault: it is not JSON.
    """
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise CellFault(f"{text[:80]!r} is not JSON: {error}") from error


def _encode(value: Any) -> bytes:
    try:
        return msgspec.json.encode(value)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise CellFault(f"{str(value)[:80]!r} cannot be written as JSON: {error}") from error


def _is_numeric(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _from_epoch(value: Any) -> int:
    try:
        # Seconds with a fraction lose nanoseconds as a float; as a decimal they do not.
        number = Decimal(str(value))
        size = abs(number)
        if size < _LEAST_EPOCH_S:
            raise CellFault(f"{value!r} as seconds lies before 1973: is it a date? --time-format")
        unit_ns = next(unit for limit, unit in _EPOCH_UNITS if size < limit)
        return check_range(int(number * unit_ns), value)
    except (ArithmeticError, StopIteration) as error:
        raise CellFault(f"{value!r} is not a time") from error
    except ValueError as error:
        raise CellFault(str(error)) from error


def _from_datetime(moment: datetime) -> int:
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    whole = int(aware.replace(microsecond=0).timestamp())
    return check_range(whole * SECOND_NS + moment.microsecond * 1000, moment)
