"""The charts of a comparison: the interval against the margin, and the slices below one another.

Pure functions from a published comparison to an Altair specification. Differences are drawn in
percentage points; left of zero the candidate is worse, and left of the margin too much so.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from headway_ui import verdicts
from headway_ui.charts import layered, of_rows
from headway_ui.formats import count

# A chart in Streamlit is as high as it says with its axis, not without.
_ROW_HEIGHT = 30
_AXIS_HEIGHT = 60
# Long names differ at their ends, so their middles are left out.
LABEL = (
    "length(datum.label) > 36 ? slice(datum.label, 0, 12) + '…' + slice(datum.label, -23)"
    " : datum.label"
)
_SIGNED = "datum.value ? format(datum.value, '+.1~f') : '0'"
# The theme's own colours in both modes: Okabe and Ito's, in the order of the verdicts.
_COLOURS = {
    "passed": "#009E73",
    "improved": "#0072B2",
    "regressed": "#D55E00",
    "inconclusive": "#8A949E",
}
_SHAPES = {
    "passed": "circle",
    "improved": "triangle-up",
    "regressed": "triangle-down",
    "inconclusive": "diamond",
}


def to_rows(
    estimates: Sequence[Mapping[str, Any]], *, label: str = "slice"
) -> list[dict[str, Any]]:
    """Return estimates as rows of a forest, with words for the tooltip.

    Shares are drawn in percentage points, scores of another scale as they are.
    """
    return [
        {
            "label": f"{each.get(label, 'overall')}  (n = {count(each['n'])})",
            "verdict": each["verdict"],
            "difference": _drawn(each, "difference"),
            "lower": _drawn(each, "lower"),
            "upper": _drawn(each, "upper"),
            "text": verdicts.estimate(each),
            "q": "" if each.get("q_value") is None else f"{each['q_value']:.3g}",
        }
        for each in estimates
    ]


def forest(
    rows: Sequence[Mapping[str, Any]], margin: float, *, is_share: bool = True
) -> alt.LayerChart:
    """Return a line a row from the lower to the upper bound, with a mark at the difference.

    Args:
        rows: as ``to_rows`` makes them, in the order of drawing.
        margin: how much worse is tolerated, as a fraction or in the unit of the scores.
        is_share: whether the scores are shares.
    """
    values = [dict(row) for row in rows]
    edge = -margin * 100 if is_share else -margin
    low, high = _limits(values, edge)
    scale = alt.Scale(domain=[low, high], nice=False)
    axis = alt.Axis(labelExpr=_SIGNED, grid=False, tickCount=7)
    title = f"Gain of the candidate{', in percentage points' if is_share else ''}"
    names = list(_COLOURS)
    colour = alt.Color(
        "verdict:N",
        scale=alt.Scale(domain=names, range=[_COLOURS[name] for name in names]),
        legend=None,
    )
    shape = alt.Shape(
        "verdict:N",
        scale=alt.Scale(domain=names, range=[_SHAPES[name] for name in names]),
        legend=None,
    )
    base = of_rows(values).encode(
        y=alt.Y(
            "label:N",
            title=None,
            sort=[row["label"] for row in values],
            axis=alt.Axis(
                labelLimit=alt.ExprRef("width < 420 ? 130 : 260"),
                labelExpr=LABEL,
                # Else the first and the last label stand beside their lines, and not at them.
                labelFlush=False,
                labelOverlap=False,
                ticks=False,
                domain=False,
            ),
        ),
        color=colour,
        tooltip=_tooltip(),
    )
    too_bad = of_rows([{"from": low, "to": edge}]).encode(x="from:Q", x2="to:Q")
    layers = [
        too_bad.mark_rect(color=_COLOURS["regressed"], opacity=0.1),
        _upright(0.0).mark_rule(color=_COLOURS["inconclusive"]),
        _upright(edge).mark_rule(color=_COLOURS["regressed"], strokeDash=[4, 4]),
        base.mark_rule(strokeWidth=3).encode(
            x=alt.X("lower:Q", scale=scale, axis=axis, title=title), x2="upper:Q"
        ),
        base.mark_point(filled=True, size=110, opacity=1).encode(x="difference:Q", shape=shape),
    ]
    return layered(layers).properties(height=_ROW_HEIGHT * len(values) + _AXIS_HEIGHT)


def _upright(at: float) -> alt.Chart:
    return of_rows([{"at": at}]).encode(x="at:Q")


def _limits(rows: Sequence[Mapping[str, Any]], edge: float) -> list[float]:
    # The margin and zero are always in view: without them an interval says nothing.
    ends = [row[name] for row in rows for name in ("lower", "upper") if row[name] is not None]
    low, high = min([*ends, 2 * edge]), max([*ends, -edge])
    room = max((high - low) * 0.04, 0.1)
    return [low - room, high + room]


def _drawn(estimate: Mapping[str, Any], name: str) -> float | None:
    value = estimate[name]
    if value is None:
        return None
    return round(value * 100, 3) if verdicts.is_share(estimate) else float(value)


def _tooltip() -> list[alt.Tooltip]:
    return [
        alt.Tooltip("label:N", title="Slice"),
        alt.Tooltip("verdict:N", title="Verdict"),
        alt.Tooltip("text:N", title="Difference"),
        alt.Tooltip("q:N", title="q-value"),
    ]
