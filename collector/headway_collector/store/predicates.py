"""One comparison of the parameter ``where`` as an SQL condition with bound values.

    input_tokens>=1000    duration_ms<20    is_abandoned=true    error_type!=TimeoutError
    score:helpful<0.5     score:tone=friendly    attribute:customer.tier!=gold
    attribute:"a=b">1    param:temperature>=0.5    variable:city=Oslo

A span without such a value passes ``!=`` and nothing else; a score has to be there for that too.
The latest score of that name on the span is the one that counts.
"""

import math
import re
from dataclasses import dataclass
from typing import Any

import msgspec

from headway_collector.errors import InvalidRequestError
from headway_collector.store.attributes import (
    QUOTED_KEY,
    equal_attribute,
    read_attribute,
    read_member,
    resolve_attribute,
)
from headway_collector.store.expressions import (
    DURATION_MS,
    LATEST_SCORES,
    TOKENS_PER_SECOND,
    TOTAL_TOKENS,
)

NUMBERS = {
    "duration_ms": DURATION_MS,
    "input_tokens": "spans.input_tokens",
    "output_tokens": "spans.output_tokens",
    "total_tokens": TOTAL_TOKENS,
    "cache_read_tokens": "spans.cache_read_tokens",
    "cache_write_tokens": "spans.cache_write_tokens",
    "reasoning_tokens": "spans.reasoning_tokens",
    "audio_input_tokens": "spans.audio_input_tokens",
    "audio_output_tokens": "spans.audio_output_tokens",
    "tokens_per_second": TOKENS_PER_SECOND,
    "cost_usd": "spans.cost_usd",
    "ttft_ms": "spans.ttft_ms",
    "chunk_count": "spans.chunk_count",
    "chunk_p50_ms": "spans.chunk_p50_ms",
    "chunk_p95_ms": "spans.chunk_p95_ms",
}
"""The fields that have a size, and their SQL."""

FLAGS = ("is_abandoned", "is_usage_inconsistent")

TEXTS = (
    "project",
    "kind",
    "name",
    "status",
    "status_message",
    "error_type",
    "error_stack",
    "provider",
    "request_model",
    "response_model",
    "response_id",
    "price_version",
    "user_id",
    "session_id",
    "trace_id",
    "span_id",
    "parent_span_id",
    "prompt_name",
    "prompt_version",
    "environment",
    "release",
)
"""The columns of one text, which filters know by name and comparisons by ``=`` and ``!=``."""

SCORE_PREFIX = "score:"
ATTRIBUTE_PREFIX = "attribute:"
MEMBERS = {"param:": "params", "variable:": "prompt_variables"}
"""What a name in a column of JSON is written behind, and the column."""

_FORM = re.compile(
    rf"((?:{'|'.join((ATTRIBUTE_PREFIX, *MEMBERS))}){QUOTED_KEY}\s*|.+?)(>=|<=|!=|=|<|>)(.*)",
    re.DOTALL,
)
_EQUALITIES = {"=": "IS NOT DISTINCT FROM", "!=": "IS DISTINCT FROM"}
_BOOLEANS = {"true": True, "false": False}
_SCORED = f"""(spans.project, spans.span_id, spans.trace_id) IN (
    SELECT (project, span_id, trace_id)
    FROM {LATEST_SCORES.format(what="{{'number': number, 'value': value}}", only="")}
    WHERE {{condition}})"""


@dataclass(frozen=True, slots=True)
class Predicate:
    """An SQL condition on a row of ``spans``.

    Args:
        is_slow: it reads JSON of every row.
    """

    sql: str
    values: tuple[Any, ...]
    is_slow: bool = False


def parse_predicate(text: str) -> Predicate:
    """Return the condition that ``text`` asks for.

    Raises:
        InvalidRequestError: it is no comparison, or of nothing that there is.
    """
    match = _FORM.fullmatch(text)
    if match is None:
        raise InvalidRequestError(
            f"where={text[:80]!r} is no comparison such as cost_usd>0.01; "
            "there are >=, <=, !=, =, < and >"
        )
    field, sign, value = match[1].strip(), match[2], match[3].strip()
    if field in NUMBERS:
        return _compare_number(text, NUMBERS[field], sign, value)
    if field in FLAGS:
        return _compare_flag(text, f"spans.{field}", sign, value)
    if field in TEXTS:
        return _compare_text(text, f"spans.{field}", sign, value)
    if field.startswith(SCORE_PREFIX) and field != SCORE_PREFIX:
        return _compare_score(text, field.removeprefix(SCORE_PREFIX), sign, value)
    if field.startswith(ATTRIBUTE_PREFIX) and field != ATTRIBUTE_PREFIX:
        return _compare_attribute(text, field.removeprefix(ATTRIBUTE_PREFIX), sign, value)
    for prefix, column in MEMBERS.items():
        if field.startswith(prefix) and field != prefix:
            return _compare_member(text, column, field.removeprefix(prefix), sign, value)
    raise InvalidRequestError(
        f"where={text[:80]!r} compares {field[:80]!r}, which no span has; there are "
        f"{', '.join((*NUMBERS, *FLAGS, *TEXTS))}, {SCORE_PREFIX}NAME, {ATTRIBUTE_PREFIX}KEY, "
        f"{'NAME and '.join(MEMBERS)}NAME"
    )


def _compare_number(text: str, sql: str, sign: str, value: str) -> Predicate:
    return Predicate(f"{sql} {_EQUALITIES.get(sign, sign)} ?", (_read_number(text, value),))


def _compare_flag(text: str, sql: str, sign: str, value: str) -> Predicate:
    if sign not in _EQUALITIES or value not in _BOOLEANS:
        raise InvalidRequestError(f"where={text[:80]!r}: this is =true, =false, !=true or !=false")
    return Predicate(f"{sql} {_EQUALITIES[sign]} ?", (_BOOLEANS[value],))


def _compare_text(text: str, sql: str, sign: str, value: str) -> Predicate:
    if sign not in _EQUALITIES:
        raise InvalidRequestError(f"where={text[:80]!r} compares a text: only = and != can")
    return Predicate(f"{sql} {_EQUALITIES[sign]} ?", (value,))


def _compare_attribute(text: str, key: str, sign: str, value: str) -> Predicate:
    if sign == "=":
        condition = equal_attribute(key, value)
        return Predicate(condition.sql, condition.values, is_slow=True)
    if sign == "!=":
        found = resolve_attribute(key, value)
        sql = f"{found.sql} IS DISTINCT FROM ?"
        return Predicate(sql, (*found.values, value), is_slow=True)
    number, found = _read_number(text, value), read_attribute(key)
    sql = f"TRY_CAST({found.sql} AS DOUBLE) {sign} ?"
    return Predicate(sql, (*found.values, number), is_slow=True)


def _compare_member(text: str, column: str, name: str, sign: str, value: str) -> Predicate:
    found = read_member(column, name)
    as_number = f"TRY_CAST({found.sql} AS DOUBLE)"
    number = _parse_number(value) if sign in _EQUALITIES else _read_number(text, value)
    if sign not in _EQUALITIES:
        return Predicate(f"{as_number} {sign} ?", (*found.values, number), is_slow=True)
    condition = f"coalesce({found.sql} = ?, false)"
    values: tuple[Any, ...] = (*found.values, value)
    if number is not None:
        # A number may be written in more than one way.
        condition = f"({condition} OR coalesce({as_number} = ?, false))"
        values = (*values, *found.values, number)
    negated = "NOT " if sign == "!=" else ""
    return Predicate(f"{negated}{condition}", values, is_slow=True)


def _compare_score(text: str, name: str, sign: str, value: str) -> Predicate:
    if sign not in _EQUALITIES:
        condition = f"latest.number {sign} ?"
        values: list[Any] = [_read_number(text, value)]
    else:
        # A category stands as a JSON text, a boolean as true or false, and a number may be
        # written in more than one way.
        condition, values = "latest.value IN (?, ?)", [value, msgspec.json.encode(value).decode()]
        number = _parse_number(value)
        if number is not None:
            condition = f"({condition} OR coalesce(latest.number = ?, false))"
            values.append(number)
        if sign == "!=":
            condition = f"NOT {condition}"
    return Predicate(_SCORED.format(condition=condition), (name, *values))


def _read_number(text: str, value: str) -> int | float:
    number = _parse_number(value)
    if number is None:
        raise InvalidRequestError(f"where={text[:80]!r}: {value[:80]!r} is not a number")
    return number


def _parse_number(value: str) -> int | float | None:
    try:
        number = float(value)
    except ValueError:
        return None
    if not math.isfinite(number):
        return None
    # Integers compare with integers, so that row groups can be skipped by their extremes.
    return int(number) if number.is_integer() and abs(number) < 2**53 else number
