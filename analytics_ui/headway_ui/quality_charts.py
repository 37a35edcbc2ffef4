"""The charts of quality: a mean over time inside its band, and two cohorts beside each other.

Pure functions over the answers of ``GET /v1/quality`` and ``POST /v1/quality/cohorts``. A bucket
in which nothing was scored is a gap in line and band alike.
"""

from collections.abc import Mapping, Sequence
from typing import Any, cast

import altair as alt

from headway_ui import charts, formats
from headway_ui.buckets import Point, name_of, to_points
from headway_ui.scopes import Bucket

_BAND_OPACITY = 0.18
# Seen on light and on dark.
_SPAN_COLOUR = "#8A949E"
_ROW_HEIGHT = 34
_AXIS_HEIGHT = 50
# More bands on top of one another are one grey.
MOST_BANDS = 3
_COHORT_LABEL = (
    "length(datum.label) > 38 ? slice(datum.label, 0, 18) + '…' + slice(datum.label, -19)"
    " : datum.label"
)


class BandPoint(Point):
    """A mean in one bucket with the ends of its band, None where nothing bounds it."""

    lower: float | None
    upper: float | None


def to_bands(
    rows: Sequence[Mapping[str, Any]], by: str | None, bucket: Bucket, *, is_rate: bool
) -> list[BandPoint]:
    """Return a point for every row of ``GET /v1/quality``, in order of time.

    Args:
        rows: the answer's.
        by: the dimension that names the series; without it all are one.
        bucket: the length of a row in time.
        is_rate: whether means are shares.
    """
    read = formats.share if is_rate else formats.score
    points: list[BandPoint] = []
    for row in rows:
        (point,) = to_points([row], "mean", bucket, read, by=by, series="all")
        point["text"] = describe_level(row, is_rate=is_rate)
        points.append({**point, "lower": row["lower"], "upper": row["upper"]})
    return sorted(points, key=lambda point: (point["time"], point["series"]))


def describe_level(level: Mapping[str, Any], *, is_rate: bool) -> str:
    """Return a mean in words: ``91.0 % (86.2 % to 94.3 %), n = 120 in 80 sessions``."""
    read = formats.share if is_rate else formats.score
    counted = f"n = {formats.count(level['n'])} in {formats.plural(level['units'], 'session')}"
    if level["lower"] is None or level["upper"] is None:
        return f"{read(level['mean'])}, {counted}: too few for a band"
    return f"{read(level['mean'])} ({read(level['lower'])} to {read(level['upper'])}), {counted}"


def largest(totals: Sequence[Mapping[str, Any]], by: str | None, keep: int) -> list[str]:
    """Return the series with the most scores, the largest first."""
    ranked = sorted(totals, key=lambda row: -row["n"])
    return [name_of(row, by) if by else "all" for row in ranked[:keep]]


def by_series(totals: Sequence[Mapping[str, Any]], by: str | None) -> dict[str, Mapping[str, Any]]:
    """Return the level of each series over the whole window, by its name."""
    return {name_of(row, by) if by else "all": row for row in totals}


def in_order_of_time(found: Mapping[str, Any], by: str | None) -> list[str]:
    """Return the series that can be asked for one by one, the one that was scored first first.

    Args:
        found: the answer of ``GET /v1/quality``, whose rows are in order of time.
        by: the dimension that makes the series.
    """
    if by is None:
        return []
    return list(dict.fromkeys(str(row[by]) for row in found["rows"] if row[by]))


def bands(points: Sequence[Point], series: Sequence[str], *, is_rate: bool) -> alt.LayerChart:
    """Return a line a series inside its band, both broken where nothing was scored.

    Where there are more than ``MOST_BANDS`` series, they are lines alone.

    Args:
        points: with gaps filled by empty points.
        series: the order of the colours and of the legend.
        is_rate: whether the axis is that of a share, from 0 to 1.
    """
    line = charts.lines(
        points,
        series,
        labels=charts.PERCENT if is_rate else charts.NUMBER,
        limits=(0.0, 1.0) if is_rate else _limits(points),
    )
    if len(series) > MOST_BANDS:
        return line
    around = charts.of_rows(points).encode(
        x=alt.X("time:T", title=None, scale=alt.Scale(type="utc")),
        y=alt.Y("lower:Q", title=None),
        y2="upper:Q",
        # The very same colours, or the two legends of one scale would cancel each other.
        color=line.layer[0].encoding.color,
    )
    # A bucket between two gaps has no area; its rule still says how far it reaches.
    parts = [around.mark_area(opacity=_BAND_OPACITY), around.mark_rule(opacity=0.5), line]
    return cast(alt.LayerChart, alt.layer(*parts)).properties(height=charts.HEIGHT)


def cohorts(change: Mapping[str, Any], names: tuple[str, str]) -> alt.LayerChart:
    """Return both cohorts' means with their bands, one below the other.

    Args:
        change: the answer of ``POST /v1/quality/cohorts``.
        names: of the reference and of the current cohort.
    """
    is_rate = bool(change["is_rate"])
    rows = [
        {
            "label": f"{side}: {name}",
            "mean": change[side]["mean"],
            "lower": change[side]["lower"],
            "upper": change[side]["upper"],
            "text": describe_level(change[side], is_rate=is_rate),
        }
        for side, name in zip(("reference", "current"), names, strict=True)
    ]
    labels = charts.PERCENT if is_rate else charts.NUMBER
    scale = alt.Scale(domain=[0, 1]) if is_rate else alt.Scale(zero=False)
    base = charts.of_rows(rows).encode(
        y=alt.Y(
            "label:N",
            title=None,
            sort=[row["label"] for row in rows],
            axis=alt.Axis(
                labelLimit=alt.ExprRef("width < 420 ? 120 : 260"),
                labelExpr=_COHORT_LABEL,
                ticks=False,
                domain=False,
            ),
        ),
        tooltip=[alt.Tooltip("label:N", title="Cohort"), alt.Tooltip("text:N", title="Mean")],
    )
    span = base.mark_rule(strokeWidth=3, color=_SPAN_COLOUR).encode(
        x=alt.X("lower:Q", title=None, scale=scale, axis=alt.Axis(labelExpr=labels, tickCount=6)),
        x2="upper:Q",
    )
    dots = base.mark_point(filled=True, size=110, opacity=1).encode(x="mean:Q")
    return charts.layered([span, dots]).properties(height=_ROW_HEIGHT * len(rows) + _AXIS_HEIGHT)


def _limits(points: Sequence[Point]) -> tuple[float, float] | None:
    """Return the ends of an axis that holds all bands, with a little room."""
    ends = [
        float(value)
        for point in points
        for name in ("value", "lower", "upper")
        if (value := dict(point).get(name)) is not None and isinstance(value, int | float)
    ]
    if not ends:
        return None
    room = 0.05 * (max(ends) - min(ends)) or 1.0
    return min(ends) - room, max(ends) + room
