"""The latest scores of spans, traces and sessions, one by one, for bands and tests over them.

What was judged stands where its first span stands that passes the filters: a span where it is
itself, a trace and a session where they begin. So each judgement counts once. The newest of a name
counts, and numbers and booleans alone; words are for ``read_pairs``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from headway_collector.errors import InvalidRequestError
from headway_collector.store.connections import Store
from headway_collector.store.deadlines import Deadline
from headway_collector.store.described import PREFIX
from headway_collector.store.dimensions import LISTS, parse_dimension, select_source
from headway_collector.store.expressions import LATEST_SCORES
from headway_collector.store.filters import Conditions, SpanFilters
from headway_collector.store.metrics import MAX_DIMENSIONS, Bucket, bucket_sql

MAX_SCORES = 100_000
"""Of more, those of some sessions are drawn: a band of so many is narrow enough."""

MAX_PAIRS = 20_000
"""Likewise of scores to be compared with each other, whose sessions are resampled."""

_NUMBERS = " AND number IS NOT NULL"
# What names a trace or a session, and which scores are of it and not of a part of it.
_WHOLES = {
    "trace_id": "span_id IS NULL AND trace_id IS NOT NULL",
    "session_id": "span_id IS NULL AND trace_id IS NULL AND session_id IS NOT NULL",
}
_SESSION = "hash(spans.project, coalesce(spans.session_id, spans.trace_id))"
# A call without a text is not asked the same as the next one without.
_PROMPT = "CASE WHEN spans.input IS NOT NULL THEN hash(spans.input) END"
_SPAN_KEYS = ("project", "trace_id", "span_id")
_PARTS = 1 << 20


@dataclass(frozen=True, slots=True)
class Scores:
    """What was said of the spans that pass the filters, column by column.

    Args:
        share: of the sessions that these are from, drawn at random where there are too many.
        times_ns: the start of each one's bucket; 0 without buckets.
        parts: each one's values of the dimensions.
        sessions: what names each one's session, or its trace where it has none.
        prompts: what names each one's input; None where it has none, or where it was not read.
        judged: what names the span, trace or session that each one is of.
        values: the scores.
    """

    share: float
    times_ns: list[int]
    parts: list[tuple[str | None, ...]]
    sessions: list[int]
    prompts: list[int | None]
    judged: list[int]
    values: list[float]


@dataclass(frozen=True, slots=True)
class Judge:
    """Whose scores: of a name, and where given of one source alone."""

    name: str
    source: str | None = None

    @property
    def condition(self) -> str:
        """Return what else is asked of a score, as SQL."""
        return "" if self.source is None else " AND source = ?"

    @property
    def values(self) -> list[str]:
        """Return what stands for the marks in a query of its scores."""
        return [self.name, *([] if self.source is None else [self.source])]


@dataclass(frozen=True, slots=True)
class ScorePairs:
    """Two scores of the same spans, traces or sessions."""

    share: float
    sessions: list[int]
    first: list[float | str]
    second: list[float | str]


def read_scores(
    store: Store,
    filters: SpanFilters,
    name: str,
    by: Sequence[str] = (),
    bucket: Bucket = "none",
    *,
    has_prompts: bool = False,
    most: int = MAX_SCORES,
    deadline: Deadline | None = None,
) -> Scores:
    """Return the latest number of this name of each span, trace and session.

    Raises:
        InvalidRequestError: a dimension is unknown, or there are too many.
        TooBroadError: the deadline is over.
    """
    if len(by) > MAX_DIMENSIONS or len(set(by)) < len(by):
        raise InvalidRequestError(f"by takes at most {MAX_DIMENSIONS} different dimensions")
    if any(each.startswith(PREFIX) for each in by):
        raise InvalidRequestError("scores are not grouped by descriptors: compare cohorts instead")
    columns = [
        f"{_SESSION} AS session",
        f"{'0' if bucket == 'none' else bucket_sql(bucket)} AS time_ns",
        f"{_PROMPT if has_prompts else 'NULL'} AS prompt",
        *(f"spans.by_{index}" for index in range(len(by))),
    ]
    judged = _select_judged(filters, by, columns, "number", _NUMBERS, [Judge(name)])
    share, rows = _read(store, judged, most, deadline or Deadline())
    return Scores(
        share=share,
        times_ns=[row["time_ns"] for row in rows],
        parts=[tuple(row[f"by_{index}"] for index in range(len(by))) for row in rows],
        sessions=[row["session"] for row in rows],
        prompts=[row["prompt"] for row in rows],
        judged=[row["judged"] for row in rows],
        values=[row["latest_0"] for row in rows],
    )


def read_pairs(
    store: Store,
    filters: SpanFilters,
    first: Judge,
    second: Judge,
    *,
    most: int = MAX_PAIRS,
    deadline: Deadline | None = None,
) -> ScorePairs:
    """Return the latest scores of both judges where one span, trace or session has both.

    Raises:
        TooBroadError: the deadline is over.
    """
    columns = [f"{_SESSION} AS session"]
    judged = _select_judged(filters, (), columns, "value", "", [first, second])
    share, rows = _read(store, judged, most, deadline or Deadline())
    return ScorePairs(
        share=share,
        sessions=[row["session"] for row in rows],
        first=[_decode(row["latest_0"]) for row in rows],
        second=[_decode(row["latest_1"]) for row in rows],
    )


def _select_judged(
    filters: SpanFilters,
    by: Sequence[str],
    columns: Sequence[str],
    what: str,
    only: str,
    judges: Sequence[Judge],
) -> Conditions:
    """Return a query of what was judged by all of the judges, with the values it needs."""
    source = select_source(filters, [parse_dimension(each) for each in by])
    shown = ", ".join(
        [*columns, *(f"judged_{index}.latest_{index}" for index in range(len(judges)))]
    )
    conditions = [only + judge.condition for judge in judges]
    # A span stands once for each of its tags, and so does what begins with it.
    lists = "".join(f", spans.by_{index}" for index, each in enumerate(by) if each in LISTS)
    latest = [LATEST_SCORES.format(what=what, only=each) for each in conditions]
    queries = [f"{_choose(shown, _SPAN_KEYS)} FROM {source.sql}" + _join(latest, _SPAN_KEYS)]
    for key, where in _WHOLES.items():
        keys = ("project", key)
        latest = [
            f"(SELECT project, {key}, arg_max({what}, time_ns) AS latest FROM store.scores "
            f"WHERE name = ? AND {where}{each} GROUP BY project, {key})"
            for each in conditions
        ]
        queries.append(
            f"{_choose(shown, keys)} FROM {source.sql}"
            + _join(latest, keys)
            + f" QUALIFY row_number() OVER (PARTITION BY spans.project, spans.{key}{lists} "
            "ORDER BY spans.start_ns, spans.span_id) = 1"
        )
    values = [value for judge in judges for value in judge.values]
    return Conditions(queries, [*source.values, *values] * len(queries))


def _choose(shown: str, keys: Sequence[str]) -> str:
    named = ", ".join(f"spans.{key}" for key in keys)
    return f"SELECT {shown}, hash('{keys[-1]}', {named}) AS judged"


def _join(latest: Sequence[str], keys: Sequence[str]) -> str:
    return "".join(
        f" JOIN (SELECT * RENAME (latest AS latest_{index}) FROM {each}) AS judged_{index} ON "
        + " AND ".join(f"judged_{index}.{key} = spans.{key}" for key in keys)
        for index, each in enumerate(latest)
    )


def _read(
    store: Store, judged: Conditions, most: int, deadline: Deadline
) -> tuple[float, list[dict[str, Any]]]:
    """Return the rows, and from which share of the sessions they are."""
    everything = " UNION ALL ".join(f"({each})" for each in judged.clauses)
    rows = deadline.read(store, f"{everything} ORDER BY ALL LIMIT {most + 1}", judged.values)
    if len(rows) <= most:
        return 1.0, rows
    (total,) = deadline.read(store, f"SELECT count(*) AS n FROM ({everything})", judged.values)
    kept = max(1, int(most / total["n"] * _PARTS))
    # By another hash than the one that names them, of which nothing is known.
    sql = f"SELECT * FROM ({everything}) WHERE hash(session) % {_PARTS} < {kept} ORDER BY ALL"
    return kept / _PARTS, deadline.read(store, sql, judged.values)


def _decode(value: str) -> float | str:
    said = msgspec.json.decode(value)
    return said if isinstance(said, str) else float(said)
