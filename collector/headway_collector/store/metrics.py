"""Any measure of spans by up to two dimensions over time, and over all of them at once."""

from collections.abc import Sequence
from functools import partial
from typing import Any, Literal, get_args

from headway_collector.errors import InvalidRequestError
from headway_collector.store.connections import Store
from headway_collector.store.deadlines import Deadline, Read
from headway_collector.store.described import Table, find_table
from headway_collector.store.dimensions import LISTS, Dimension, parse_dimension, select_source
from headway_collector.store.filters import SpanFilters
from headway_collector.store.measures import parse_measures
from headway_collector.times import SECOND_NS, format_time

Bucket = Literal["none", "minute", "hour", "day", "week"]
BUCKETS: tuple[Bucket, ...] = get_args(Bucket)

MAX_ROWS = 10_000
MAX_DIMENSIONS = 2
MAX_MEASURES = 32

_WIDTHS_S: dict[Bucket, int] = {"minute": 60, "hour": 3600, "day": 86_400, "week": 604_800}
# The epoch was a Thursday; weeks begin on Monday.
_OFFSET_NS = 3 * 86_400 * SECOND_NS


def read_metrics(
    store: Store,
    filters: SpanFilters,
    measures: Sequence[str],
    by: Sequence[str] = (),
    bucket: Bucket = "none",
    *,
    deadline: Deadline | None = None,
) -> dict[str, Any]:
    """Return the measures of each group, by time and then by the first measure, largest first.

    ``totals`` has each measure over all spans at once, so that a mean or a quantile weighs every
    span alike. Of more than ``MAX_ROWS`` groups the largest are returned, and ``is_partial`` says
    so.

    Raises:
        InvalidRequestError: a measure or dimension is unknown, or there are too many groups for
            a course of time, which has no largest ones.
        TooBroadError: the deadline is over.
    """
    if len(by) > MAX_DIMENSIONS or len(set(by)) < len(by):
        raise InvalidRequestError(f"by takes at most {MAX_DIMENSIONS} different dimensions")
    # A span counts once for each different item of a list, but only once in all.
    is_apart = any(name in LISTS for name in by)
    table = find_table(filters, measures, by)
    read = partial((deadline or Deadline()).read, store)
    rows = _read_groups(read, table, filters, measures, by, bucket, has_totals=not is_apart)
    if is_apart:
        rows[:0] = _read_groups(read, table, filters, measures, (), "none")
    totals = {name: rows[0][name] for name in measures}
    groups = rows[1:] if by or bucket != "none" else rows
    is_partial = len(groups) > MAX_ROWS
    if is_partial and bucket != "none":
        raise InvalidRequestError(
            f"that is more than {MAX_ROWS} groups: narrow the time, or take a larger bucket"
        )
    if bucket != "none":
        for group in groups:
            group["time"] = format_time(group["time"])
    return {
        "bucket": bucket,
        "by": list(by),
        "measures": list(measures),
        "is_partial": is_partial,
        "totals": totals,
        "rows": groups[:MAX_ROWS],
    }


def _read_groups(
    read: Read,
    table: Table,
    filters: SpanFilters,
    measures: Sequence[str],
    by: Sequence[str],
    bucket: Bucket,
    *,
    has_totals: bool = True,
) -> list[dict[str, Any]]:
    """Return the groups in order; the totals, where there are groups, stand before them."""
    dimensions = [parse_dimension(name) for name in by]
    if bucket != "none":
        dimensions.insert(0, Dimension("time", bucket_sql(bucket)))
    chosen = parse_measures(measures)
    source = select_source(filters, dimensions, table)
    # A name that a client chose is never an identifier: columns are numbered, then renamed.
    groups = [f"spans.by_{index}" for index in range(len(dimensions))]
    columns = [f"{sql} AS c{index}" for index, sql in enumerate([*groups, *chosen.columns])]
    sql = f"SELECT {', '.join(columns)} FROM {source.sql}{chosen.joins}"
    if groups:
        key = ", ".join(groups)
        first = f"c{len(groups)} DESC NULLS LAST"
        order = f"c0, {first}" if bucket != "none" else first
        whole = ", ()" if has_totals else ""
        # One pass over the spans serves both.
        sql += (
            f" GROUP BY GROUPING SETS (({key}){whole})"
            f" ORDER BY grouping({key}) DESC, {order}, {key} LIMIT {MAX_ROWS + 2}"
        )
    rows = read(sql, [*source.values, *chosen.score_names])
    names = [*(each.name for each in dimensions), *measures]
    return [dict(zip(names, row.values(), strict=True)) for row in rows]


def bucket_sql(bucket: Bucket) -> str:
    """Return when the bucket of a row of ``spans`` begins, in nanoseconds, as SQL."""
    width_ns = _WIDTHS_S[bucket] * SECOND_NS
    # The remainder is taken first, so that no start, however late, leaves 64 bits.
    past_ns = f"(spans.start_ns % {width_ns} + {_OFFSET_NS % width_ns}) % {width_ns}"
    return f"spans.start_ns - {past_ns}"
