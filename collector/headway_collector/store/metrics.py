"""Any measure of spans by up to two dimensions over time, and the values there are to filter by."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from headway_collector.errors import InvalidRequestError
from headway_collector.store.connections import Store
from headway_collector.store.dimensions import Dimension, parse_dimension, select_source
from headway_collector.store.filters import SpanFilters
from headway_collector.times import SECOND_NS, format_time

Bucket = Literal["none", "minute", "hour", "day", "week"]
BUCKETS: tuple[Bucket, ...] = get_args(Bucket)

MAX_ROWS = 10_000
MAX_DIMENSIONS = 2
MAX_MEASURES = 32
FACET_VALUES = 100

_WIDTHS_S: dict[Bucket, int] = {"minute": 60, "hour": 3600, "day": 86_400, "week": 604_800}
# The epoch was a Thursday; weeks begin on Monday.
_OFFSET_NS = 3 * 86_400 * SECOND_NS

_LATENCY_MS = "(spans.end_ns - spans.start_ns) / 1e6"
_MEASURES = {
    "count": "count(*)",
    "errors": "count(*) FILTER (spans.status = 'error')",
    "error_rate": "avg(CASE WHEN spans.status = 'error' THEN 1.0 ELSE 0.0 END)",
    "latency_p50_ms": f"quantile_cont({_LATENCY_MS}, 0.50)",
    "latency_p95_ms": f"quantile_cont({_LATENCY_MS}, 0.95)",
    "latency_p99_ms": f"quantile_cont({_LATENCY_MS}, 0.99)",
    "ttft_p50_ms": "quantile_cont(spans.ttft_ms, 0.50)",
    "ttft_p95_ms": "quantile_cont(spans.ttft_ms, 0.95)",
    "input_tokens": "sum(spans.input_tokens)",
    "output_tokens": "sum(spans.output_tokens)",
    "total_tokens": "sum(coalesce(spans.input_tokens::HUGEINT + spans.output_tokens,"
    " spans.input_tokens, spans.output_tokens))",
    "cost_usd": "sum(spans.cost_usd)",
    "traces": "count(DISTINCT spans.trace_id)",
}
MEASURES = tuple(_MEASURES)
# The prefix of a measure of scores to its SQL over the latest score of each span.
_SCORE_MEASURES = {"score:": "avg({score}.number)", "score_count:": "count({score}.number)"}
# A score belongs to a span of its own project; what was said last about a span holds.
_LATEST_SCORES = """
    LEFT JOIN (
        SELECT project, span_id, arg_max(number, time_ns) AS number
        FROM store.scores WHERE name = ? AND span_id IS NOT NULL AND number IS NOT NULL
        GROUP BY project, span_id
    ) AS {score} ON {score}.project = spans.project AND {score}.span_id = spans.span_id"""


@dataclass(frozen=True, slots=True)
class _Measures:
    """The SQL of the measures that were asked for, and the scores that they join."""

    columns: list[str]
    score_names: list[str]


def read_metrics(
    store: Store,
    filters: SpanFilters,
    measures: Sequence[str],
    by: Sequence[str] = (),
    bucket: Bucket = "none",
) -> dict[str, Any]:
    """Return the measures of each group, by time and then by the first measure, largest first.

    Of more than ``MAX_ROWS`` groups the largest are returned, and ``is_partial`` says so.

    Raises:
        InvalidRequestError: a measure or dimension is unknown, or there are too many groups for
            a course of time, which has no largest ones.
    """
    if len(by) > MAX_DIMENSIONS or len(set(by)) < len(by):
        raise InvalidRequestError(f"by takes at most {MAX_DIMENSIONS} different dimensions")
    dimensions = [parse_dimension(name) for name in by]
    chosen = _choose_measures(measures)
    groups = [dimension.sql for dimension in dimensions]
    if bucket != "none":
        groups.insert(0, _bucket_sql(bucket))
    source = select_source(filters, dimensions)
    joins = "".join(
        _LATEST_SCORES.format(score=f"score_{index}") for index in range(len(chosen.score_names))
    )
    # A name that a client chose is never an identifier: columns are numbered, then renamed.
    columns = [f"{sql} AS c{index}" for index, sql in enumerate([*groups, *chosen.columns])]
    sql = f"SELECT {', '.join(columns)} FROM {source.sql}{joins}"
    if groups:
        positions = ", ".join(str(position) for position in range(1, len(groups) + 1))
        first = f"{len(groups) + 1} DESC NULLS LAST"
        order = f"1, {first}" if bucket != "none" else first
        sql += f" GROUP BY {positions} ORDER BY {order}, {positions} LIMIT {MAX_ROWS + 1}"
    bound = [value for dimension in dimensions for value in dimension.values]
    rows = store.read(sql, [*bound, *source.values, *chosen.score_names])
    is_partial = len(rows) > MAX_ROWS
    if is_partial and bucket != "none":
        raise InvalidRequestError(
            f"that is more than {MAX_ROWS} groups: narrow the time, or take a larger bucket"
        )
    names = ["time"] * (bucket != "none") + [*by, *measures]
    answers = [dict(zip(names, row.values(), strict=True)) for row in rows[:MAX_ROWS]]
    if bucket != "none":
        for answer in answers:
            answer["time"] = format_time(answer["time"])
    return {
        "bucket": bucket,
        "by": list(by),
        "measures": list(measures),
        "is_partial": is_partial,
        "rows": answers,
    }


def read_facets(store: Store, filters: SpanFilters, names: Sequence[str]) -> dict[str, Any]:
    """Return the commonest values of each dimension, with the number of spans.

    Raises:
        InvalidRequestError: a dimension is unknown.
    """
    dimensions = [parse_dimension(name) for name in names]
    return {"facets": {each.name: _read_facet(store, filters, each) for each in dimensions}}


def _read_facet(store: Store, filters: SpanFilters, dimension: Dimension) -> list[dict[str, Any]]:
    source = select_source(filters, [dimension])
    return store.read(
        f"SELECT {dimension.sql} AS value, count(*) AS count FROM {source.sql} "
        "GROUP BY 1 HAVING value IS NOT NULL ORDER BY count DESC, value LIMIT ?",
        [*dimension.values, *source.values, FACET_VALUES],
    )


def _choose_measures(measures: Sequence[str]) -> _Measures:
    columns: list[str] = []
    score_names: list[str] = []
    for measure in measures:
        prefix, colon, name = measure.partition(":")
        if measure in _MEASURES:
            columns.append(_MEASURES[measure])
        elif prefix + colon in _SCORE_MEASURES and name:
            if name not in score_names:
                score_names.append(name)
            score = f"score_{score_names.index(name)}"
            columns.append(_SCORE_MEASURES[prefix + colon].format(score=score))
        else:
            raise InvalidRequestError(
                f"measure={measure!r} is unknown; there are {', '.join(MEASURES)}, "
                "score:NAME and score_count:NAME"
            )
    return _Measures(columns, score_names)


def _bucket_sql(bucket: Bucket) -> str:
    width_ns = _WIDTHS_S[bucket] * SECOND_NS
    # The remainder is taken first, so that no start, however late, leaves 64 bits.
    past_ns = f"(spans.start_ns % {width_ns} + {_OFFSET_NS % width_ns}) % {width_ns}"
    return f"spans.start_ns - {past_ns}"
