"""The charts of live traffic: points in, an Altair specification out. Pure, so tests read them.

All of them share one look: time runs in UTC along the bottom, a series keeps its colour in every
chart of a page, a bar is as wide as its bucket, a gap is a gap. Colours and fonts come from the
theme. Marks carry the selection ``pick``, which a page turns into a link to the rows behind it.
"""

import json
from collections.abc import Sequence
from typing import Any

import altair as alt

from headway_ui.buckets import Point

PICK = "pick"
HEIGHT = 240


def stacked_bars(points: Sequence[Point], series: Sequence[str], title: str) -> alt.Chart:
    """Return a bar a bucket, stacked by series: how much, and of what.

    Args:
        points: one value of each series in each bucket.
        series: the order of the colours and of the legend.
        title: what the height means, with its unit.
    """
    return _bars(points, series).encode(
        y=alt.Y("value:Q", title=title, stack="zero", axis=alt.Axis(tickCount=4, format="~s"))
    )


def shares(points: Sequence[Point], series: Sequence[str]) -> alt.Chart:
    """Return a full bar a bucket, cut by the share of each series: what the mix is made of."""
    return _bars(points, series).encode(
        y=alt.Y("value:Q", title="Share", stack="normalize", axis=alt.Axis(tickCount=4, format="%"))
    )


def lines(
    points: Sequence[Point],
    series: Sequence[str],
    title: str,
    *,
    axis_format: str = "~s",
    limits: tuple[float, float] | None = None,
) -> alt.LayerChart:
    """Return a line a series, broken where a value is missing.

    Args:
        points: with gaps filled by empty points.
        series: the order of the colours and of the legend.
        title: what the height means, with its unit.
        axis_format: of the numbers along the left.
        limits: the ends of the left axis; without them it begins at zero.
    """
    scale = alt.Scale(domain=list(limits)) if limits else alt.Scale(zero=True)
    base = _chart(points).encode(
        x=_time_axis(),
        y=alt.Y(
            "value:Q", title=title, scale=scale, axis=alt.Axis(tickCount=4, format=axis_format)
        ),
        color=_colour(series),
    )
    dots = base.mark_point(filled=True, size=36, opacity=1).encode(tooltip=_tooltip())
    return alt.layer(
        base.mark_line(strokeWidth=2, interpolate="monotone"), dots.add_params(_pick())
    ).properties(height=HEIGHT)


def _bars(points: Sequence[Point], series: Sequence[str]) -> alt.Chart:
    # Stacking follows the order of the legend, so the largest series rests on the floor.
    return (
        _chart(points)
        .mark_bar(binSpacing=1)
        .encode(
            x=_time_axis(),
            x2="end:T",
            color=_colour(series),
            order=alt.Order("rank:Q"),
            tooltip=_tooltip(),
        )
        .transform_calculate(rank=f"indexof({json.dumps(list(series))}, datum.series)")
        .add_params(_pick())
        .properties(height=HEIGHT)
    )


def _chart(points: Sequence[Point]) -> alt.Chart:
    values: list[dict[str, Any]] = [dict(point) for point in points]
    return alt.Chart(alt.Data(values=values))


def _time_axis() -> alt.X:
    return alt.X(
        "time:T",
        title=None,
        scale=alt.Scale(type="utc"),
        axis=alt.Axis(tickCount=6, grid=False, labelOverlap=True),
    )


def _colour(series: Sequence[str]) -> alt.Color:
    # One series needs no legend: the card's title has named it already.
    legend = alt.Legend(title=None, orient="bottom", labelLimit=220, columns=4)
    return alt.Color(
        "series:N",
        scale=alt.Scale(domain=list(series)),
        legend=legend if len(series) > 1 else None,
    )


def _tooltip() -> list[alt.Tooltip]:
    return [
        alt.Tooltip("when:N", title="Time"),
        alt.Tooltip("series:N", title="Of"),
        alt.Tooltip("text:N", title="Value"),
    ]


def _pick() -> alt.Parameter:
    return alt.selection_point(name=PICK, fields=["time", "end", "series"], empty=True)
