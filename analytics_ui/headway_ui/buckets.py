"""Rows of ``GET /v1/metrics`` made ready for a chart: points in time, gaps, rare values folded.

A row of the collector, and the point made of it:

    {"time": "2026-11-22T10:00:00Z", "request_model": "support-7b", "count": 42}
    {"time": "2026-11-22T10:00:00Z", "end": "2026-11-22T11:00:00Z", "when": "22 Nov, 10:00 UTC",
     "series": "support-7b", "value": 42, "text": "42"}
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypedDict

from headway_ui.formats import bucket_label, count, moment
from headway_ui.scopes import Bucket

OTHER = "other"
UNKNOWN = "(none)"
LENGTHS: dict[Bucket, timedelta] = {
    "minute": timedelta(minutes=1),
    "hour": timedelta(hours=1),
    "day": timedelta(days=1),
    "week": timedelta(weeks=1),
}
_MOST_GAPS = 2000

Row = Mapping[str, Any]


class Point(TypedDict):
    """One value of one series in one bucket; ``value`` is None in a gap."""

    time: str
    end: str
    when: str
    series: str
    value: float | None
    text: str


def to_points(
    rows: Iterable[Row],
    measure: str,
    bucket: Bucket,
    text: Callable[[float | None], str],
    *,
    by: str | None = None,
    series: str = "",
    n: str | None = None,
) -> list[Point]:
    """Return a point for every row, in order of time.

    Args:
        rows: what the collector answered.
        measure: the column that is drawn.
        bucket: the length of a row in time.
        text: how a value reads in a tooltip.
        by: the column that names the series; without it all points are of ``series``.
        series: the name of the only series.
        n: the column that holds how many values a mean is made of.
    """
    points = []
    for row in rows:
        name = name_of(row, by) if by else series
        point = _point(moment(row["time"]), name, row[measure], bucket, text)
        if n and row[n]:
            point["text"] += f" (n = {count(row[n])})"
        points.append(point)
    return sorted(points, key=lambda point: point["time"])


def with_gaps(points: Sequence[Point], bucket: Bucket) -> list[Point]:
    """Return the points with an empty one in every bucket that a series misses.

    A line drawn across a gap would claim values nobody measured.
    """
    if not points:
        return []
    first, last = moment(points[0]["time"]), moment(points[-1]["time"])
    step = LENGTHS[bucket]
    if (last - first) / step > _MOST_GAPS:
        return list(points)
    have = {(point["series"], point["time"]) for point in points}
    filled = list(points)
    at = first
    while at <= last:
        for name in {point["series"] for point in points}:
            if (name, _text(at)) not in have:
                filled.append(_point(at, name, None, bucket, lambda _: ""))
        at += step
    return sorted(filled, key=lambda point: (point["time"], point["series"]))


def fold(rows: Sequence[Row], by: str, measure: str, keep: int = 7) -> list[dict[str, Any]]:
    """Return the rows with the values of ``by`` beyond the ``keep`` largest added up as other.

    Only for measures that may be added, such as counts, tokens and cost.
    """
    kept = set(largest(rows, by, measure, keep))
    sums: dict[tuple[str, str], float] = defaultdict(float)
    for row in rows:
        name = name_of(row, by)
        sums[row["time"], name if name in kept else OTHER] += row[measure] or 0
    return [{"time": at, by: name, measure: total} for (at, name), total in sums.items()]


def largest(rows: Iterable[Row], by: str, measure: str, keep: int | None = None) -> list[str]:
    """Return the values of ``by``, the one with the largest sum of ``measure`` first."""
    sums: dict[str, float] = defaultdict(float)
    for row in rows:
        sums[name_of(row, by)] += row[measure] or 0
    ranked = sorted(sums, key=lambda name: (name == OTHER, -sums[name], name))
    return ranked[:keep]


def name_of(row: Row, by: str) -> str:
    """Return the row's value of a dimension as a word; a missing one has a word too."""
    value = row.get(by)
    return UNKNOWN if value is None or value == "" else str(value)


def _point(
    at: datetime,
    series: str,
    value: float | None,
    bucket: Bucket,
    text: Callable[[float | None], str],
) -> Point:
    start = _text(at)
    return {
        "time": start,
        "end": _text(at + LENGTHS[bucket]),
        "when": bucket_label(start, bucket),
        "series": series,
        "value": value,
        "text": text(value),
    }


def _text(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
