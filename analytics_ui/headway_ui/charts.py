"""The charts of live traffic: points in, an Altair specification out. Pure, so tests read them.

All of them share one look: time runs in UTC along the bottom, a series keeps its colour in every
chart of a page, a bar is as wide as its bucket, a gap is a gap. Colours and fonts come from the
theme. Marks carry the selection ``pick``, which a page turns into a link to the rows behind it.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, cast

import altair as alt

from headway_ui.buckets import Point
from headway_ui.formats import from_milliseconds, moment

PICK = "pick"
HEIGHT = 280
# How the numbers along the left read, as Vega expressions.
COUNT = "datum.value % 1 ? '' : format(datum.value, '~s')"
NUMBER = "format(datum.value, '~g')"
PERCENT = "format(datum.value, '.0%')"
MONEY = "'$' + format(datum.value, '~g')"
DURATION = "datum.value < 1000 ? datum.value + ' ms' : format(datum.value / 1000, '~g') + ' s'"
# Long names differ at their ends, so their middles are left out.
_LEGEND_LABEL = (
    "length(datum.label) > 23 ? slice(datum.label, 0, 7) + '…' + slice(datum.label, -15)"
    " : datum.label"
)
_FEWEST_BUCKETS = 8
_BAR_WIDTH = 0.9


def stacked_bars(
    points: Sequence[Point], series: Sequence[str], *, labels: str = COUNT
) -> alt.Chart:
    """Return a bar a bucket, stacked by series: how much, and of what.

    Args:
        points: one value of each series in each bucket.
        series: the order from the floor up, and that of the colours.
        labels: how the numbers along the left read.
    """
    return _bars(points, _stack(points, series, is_share=False), series, labels)


def shares(points: Sequence[Point], series: Sequence[str]) -> alt.Chart:
    """Return a full bar a bucket, cut by the share of each series: what the mix is made of."""
    return _bars(points, _stack(points, series, is_share=True), series, PERCENT)


def lines(
    points: Sequence[Point],
    series: Sequence[str],
    *,
    labels: str = NUMBER,
    limits: tuple[float, float] | None = None,
) -> alt.LayerChart:
    """Return a line a series, broken where a value is missing.

    Args:
        points: with gaps filled by empty points.
        series: the order of the colours and of the legend.
        labels: how the numbers along the left read.
        limits: the ends of the left axis; without them it begins at zero.
    """
    scale = alt.Scale(domain=list(limits)) if limits else alt.Scale(zero=True)
    axis = alt.Axis(tickCount=4, labelExpr=labels)
    base = of_rows(points).encode(
        x=_time_axis(),
        y=alt.Y("value:Q", title=None, scale=scale, axis=axis),
        color=_colour(series),
    )
    # Shapes tell the series apart for those who cannot tell the colours.
    dots = base.mark_point(filled=True, size=40, opacity=1).encode(
        shape=alt.Shape("series:N", scale=alt.Scale(domain=list(series)), legend=_legend(series)),
        tooltip=_tooltip(),
    )
    line = base.mark_line(strokeWidth=2)
    return layered([line, dots.add_params(_pick())]).properties(height=HEIGHT)


def of_rows(rows: Sequence[Mapping[str, Any]]) -> alt.Chart:
    """Return an empty chart over the rows, which travel inside the specification."""
    data = alt.Data(values=[dict(row) for row in rows])  # type: ignore[no-untyped-call]
    return alt.Chart(data)


def layered(charts: Sequence[alt.Chart]) -> alt.LayerChart:
    """Return the charts on top of one another."""
    # Altair's type also allows for a facet, which only layers of facets make.
    return cast(alt.LayerChart, alt.layer(*charts))


def _bars(
    points: Sequence[Point],
    rows: Sequence[Mapping[str, Any]],
    series: Sequence[str],
    labels: str,
) -> alt.Chart:
    chart = (
        of_rows(rows)
        .mark_rect()
        .encode(
            x=_time_axis(_extent(points)),
            x2="edge:T",
            y=alt.Y("low:Q", title=None, axis=alt.Axis(tickCount=4, labelExpr=labels)),
            y2="high:Q",
            color=_colour(series),
            tooltip=[*_tooltip(), alt.Tooltip("share:Q", title="Share", format=".1%")],
        )
        .add_params(_pick())
        .properties(height=HEIGHT)
    )
    return cast(alt.Chart, chart)


def _stack(
    points: Sequence[Point], series: Sequence[str], *, is_share: bool
) -> list[dict[str, Any]]:
    # Vega-Lite stacks bars only where time is cut into bands; ours are as wide as their bucket.
    rank = {name: number for number, name in enumerate(series)}
    totals: dict[str, float] = defaultdict(float)
    for point in points:
        totals[point["time"]] += point["value"] or 0
    floor: dict[str, float] = defaultdict(float)
    rows = []
    for point in sorted(points, key=lambda point: rank.get(point["series"], len(rank))):
        at, total = point["time"], totals[point["time"]]
        share = (point["value"] or 0) / total if total else 0.0
        low = floor[at]
        floor[at] += share if is_share else point["value"] or 0
        rows.append(
            {**point, "low": low, "high": floor[at], "share": share, "edge": _bar_end(point)}
        )
    return rows


def _bar_end(point: Point) -> str:
    start, end = _milliseconds(point["time"]), _milliseconds(point["end"])
    return from_milliseconds(start + (end - start) * _BAR_WIDTH)


def _time_axis(extent: Sequence[float] | None = None) -> alt.X:
    # Layers that share an axis must not each bring an extent: Vega-Lite cannot join the two.
    scale = alt.Scale(type="utc", domain=list(extent)) if extent else alt.Scale(type="utc")
    return alt.X(
        "time:T",
        title=None,
        scale=scale,
        axis=alt.Axis(tickCount=6, grid=False, labelOverlap=True),
    )


def _extent(points: Sequence[Point]) -> list[float]:
    # One call alone would else be a bar as wide as the page.
    first = min(_milliseconds(point["time"]) for point in points)
    last = max(_milliseconds(point["end"]) for point in points)
    bucket = _milliseconds(points[0]["end"]) - _milliseconds(points[0]["time"])
    return [min(first, last - _FEWEST_BUCKETS * bucket), last]


def _milliseconds(text: str) -> float:
    return moment(text).timestamp() * 1000


def _colour(series: Sequence[str]) -> alt.Color:
    return alt.Color("series:N", scale=alt.Scale(domain=list(series)), legend=_legend(series))


def _legend(series: Sequence[str]) -> alt.Legend | None:
    # One series needs no legend: the card's title has named it already.
    if len(series) < 2:
        return None
    return alt.Legend(
        title=None,
        orient="top",
        labelLimit=200,
        labelExpr=_LEGEND_LABEL,
        columns=alt.ExprRef("width < 420 ? 2 : 4"),
        # Else as pale as the band around a line.
        symbolOpacity=1,
        padding=0,
    )


def _tooltip() -> list[alt.Tooltip]:
    return [
        alt.Tooltip("when:N", title="Time"),
        alt.Tooltip("series:N", title="Of"),
        alt.Tooltip("text:N", title="Value"),
    ]


def _pick() -> alt.Parameter:
    return alt.selection_point(name=PICK, fields=["time", "end", "series"], empty=True)
