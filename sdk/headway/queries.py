"""What one asks a collector for, in the words of the client; and times on both ways."""

import re
from collections.abc import Mapping, Sequence, Set
from datetime import UTC, datetime, timedelta
from typing import Any, TypedDict

from headway.errors import HeadwayError
from headway.records import Kind, Status

Time = str | datetime | timedelta
"""RFC 3339 or ``-24h``; a datetime with a time zone; or how long ago."""

Texts = str | Sequence[str] | Set[str]


class SpanFilters(TypedDict, total=False):
    """What spans have to be: values of one field are alternatives, fields add up."""

    since: Time | None
    until: Time | None
    kind: Kind | Sequence[Kind] | None
    name: Texts | None
    status: Status | Sequence[Status] | None
    model: Texts | None
    """As it was asked for; ``where="response_model=..."`` is what answered."""
    provider: Texts | None
    user: Texts | None
    session: Texts | None
    trace: Texts | None
    span: Texts | None
    prompt: Texts | None
    prompt_version: Texts | None
    environment: Texts | None
    release: Texts | None
    tag: Texts | None
    error_type: Texts | None
    finish_reason: Texts | None
    min_duration_ms: float | None
    is_root: bool | None
    attributes: Mapping[str, str] | None
    where: Texts | None
    """Comparisons such as ``cost_usd>0.01`` or ``score:helpful<0.5``; all must hold."""
    text: str | None
    """Found in name, input or output, whatever its case and accents."""


_NAMES = {
    "model": "request_model",
    "user": "user_id",
    "session": "session_id",
    "trace": "trace_id",
    "span": "span_id",
    "prompt": "prompt_name",
    "text": "q",
}
_OWN_NAMES = {
    "start": "since",
    "end": "until",
    "attribute": "attributes",
    **{theirs: ours for ours, theirs in _NAMES.items()},
}
"""Of parameters, as the collector names them."""
TIME_FIELDS = (
    "start_time",
    "end_time",
    "first_time",
    "last_time",
    "time",
    "started_at",
    "ended_at",
    "registered_time",
)
"""Of rows: the fields that are times."""


def as_query(filters: SpanFilters) -> dict[str, Any]:
    """Return the filters as query parameters of the HTTP API.

    Raises:
        TypeError: there is no filter of that name.
        HeadwayError: a time is none, or the attributes are not names with values.
    """
    query: dict[str, Any] = {}
    for name, value in filters.items():
        if name not in SpanFilters.__annotations__:
            known = ", ".join(SpanFilters.__annotations__)
            raise TypeError(f"there is no filter {name!r}: there are {known}")
        query[_NAMES.get(name, name)] = list(value) if isinstance(value, Set) else value
    query["start"] = as_time("since", query.pop("since", None))
    query["end"] = as_time("until", query.pop("until", None))
    if attributes := query.pop("attributes", None):
        query["attribute"] = _as_attributes(attributes)
    return query


def in_own_words(message: str) -> str:
    """Return what a collector says of parameters with the names that they have here."""
    for theirs, ours in _OWN_NAMES.items():
        message = re.sub(rf"(?<![\w.]){theirs}(?=:|=| is | has )", ours, message)
    # Texts are looked for in one way here.
    return re.sub(r",? or (add|with) `?match=exact`?", "", message)


def asks_for_nothing(query: Mapping[str, Any]) -> bool:
    """Whether a field has to be one of no values at all, such as of a list that came out empty."""
    return any(
        isinstance(value, Sequence) and not isinstance(value, str) and not value
        for name, value in query.items()
        if name != "where"
    )


def as_time(name: str, value: Time | None) -> str | None:
    """Return the time as the HTTP API reads it.

    Raises:
        HeadwayError: it is a datetime without a time zone, or no time at all.
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, timedelta):
        value = datetime.now(UTC) - value
    if not isinstance(value, datetime):
        raise HeadwayError(f"{name} is {value!r}: give a text, a datetime or a timedelta")
    if value.utcoffset() is None:
        raise HeadwayError(f"{name} is {value!r}, without a time zone: give one, as UTC")
    return value.astimezone(UTC).isoformat()


def with_datetimes(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row of an answer with its times as datetimes, which end at microseconds."""
    times = {
        name: datetime.fromisoformat(row[name]).astimezone(UTC)
        for name in TIME_FIELDS
        if row.get(name)
    }
    return {**row, **times}


def _as_attributes(given: object) -> list[str]:
    if not isinstance(given, Mapping):
        raise HeadwayError(f"attributes is {given!r}: give names with values, as {{'shelf': '7'}}")
    for key in given:
        if not isinstance(key, str):
            raise HeadwayError(f"attributes has the name {key!r}: give texts as names")
    return [f"{_as_key(key)}={value}" for key, value in given.items()]


def _as_key(key: str) -> str:
    # A key with a = in it is written as a JSON string.
    return f'"{key}"' if "=" in key else key
