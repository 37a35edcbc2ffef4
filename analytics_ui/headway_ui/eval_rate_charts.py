"""The charts of pass rates: those of a run one below the other, and those of a suite run by run.

Pure functions from rates, as ``GET /v1/runs/{run_id}/summary`` and ``GET /v1/suites/history`` give
them, to an Altair specification. Marks carry the selection ``pick``.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from headway_ui import charts, eval_words, formats
from headway_ui.eval_charts import LABEL
from headway_ui.eval_sweeps import Flips

# Seen on light and on dark.
_NEUTRAL, _ACCENT = "#8A949E", "#0072B2"
_FLOOR = 0.04
_ROW_HEIGHT = 28
_AXIS_HEIGHT = 50
# The place of a run stands before its day, so that two runs of one day are two places.
_DAY = "split(datum.label, '|')[1]"

Row = Mapping[str, Any]


def to_rows(rates: Sequence[Row]) -> list[dict[str, Any]]:
    """Return rates as rows of a picture, with words for the tooltip."""
    return [
        {
            "label": one["name"] or "all scorers",
            "part": one["part"],
            "name": one["name"],
            "rate": one["rate"],
            "lower": one["lower"],
            "upper": one["upper"],
            "text": eval_words.rate(one),
        }
        for one in rates
    ]


def rates(rows: Sequence[Row]) -> alt.LayerChart:
    """Return a line a row from the lower to the upper end of its interval, with the rate on it."""
    base = charts.of_rows(rows).encode(
        y=alt.Y(
            "label:N",
            title=None,
            sort=[row["label"] for row in rows],
            axis=alt.Axis(
                labelLimit=alt.ExprRef("width < 420 ? 130 : 240"),
                labelExpr=LABEL,
                labelFlush=False,
                labelOverlap=False,
                ticks=False,
                domain=False,
            ),
        ),
        tooltip=[alt.Tooltip("label:N", title="Of"), alt.Tooltip("text:N", title="Passed")],
    )
    axis = alt.Axis(labelExpr=charts.PERCENT, tickCount=6)
    span = base.mark_rule(strokeWidth=3, color=_NEUTRAL).encode(
        x=alt.X("lower:Q", title=None, scale=alt.Scale(domain=[0, 1]), axis=axis), x2="upper:Q"
    )
    dots = base.mark_point(filled=True, size=110, opacity=1, color=_ACCENT, cursor="pointer")
    dots = dots.encode(x="rate:Q").add_params(_pick("part", "name"))
    return charts.layered([span, dots]).properties(height=_ROW_HEIGHT * len(rows) + _AXIS_HEIGHT)


def to_course(runs: Sequence[Row], scorer: str) -> list[dict[str, Any]]:
    """Return the runs of a suite as points of its course, the oldest first.

    Args:
        runs: with their rates; a run without a rate by the scorer is left out.
        scorer: its name; nothing for all of them.
    """
    points: list[dict[str, Any]] = []
    version: object = None
    for run in runs:
        found = eval_words.rate_of(run, scorer)
        if found is None:
            continue
        is_new = bool(points) and run["suite_version"] != version
        version = run["suite_version"]
        points.append(
            {
                "place": f"{len(points):03d}|{formats.moment(run['started_at']):%-d %b}",
                "run_id": run["run_id"],
                "model": run["model"],
                "version": version or formats.MISSING,
                "at": _FLOOR,
                "mark": f"version {str(version)[:8]}" if is_new else None,
                "when": formats.when(run["started_at"]),
                "rate": found["rate"],
                "lower": found["lower"],
                "upper": found["upper"],
                "text": eval_words.rate(found),
            }
        )
    return points


def course(points: Sequence[Row]) -> alt.LayerChart:
    """Return the pass rates run by run in their intervals; a dashed line begins a new version."""
    models = list(dict.fromkeys(point["model"] for point in points))
    places = [point["place"] for point in points]
    x = alt.X(
        "place:N",
        title=None,
        sort=places,
        scale=alt.Scale(domain=places, type="point", padding=0.5),
        axis=alt.Axis(labelExpr=_DAY, labelAngle=0, labelOverlap=True, grid=False),
    )
    legend = (
        alt.Legend(
            title=None,
            orient="top",
            labelLimit=230,
            columns=alt.ExprRef("width < 500 ? 1 : 3"),
            # Else as pale as the line.
            symbolOpacity=1,
        )
        if len(models) > 1
        else None
    )
    scale = alt.Scale(domain=models)
    base = charts.of_rows(points).encode(
        x=x,
        tooltip=[
            alt.Tooltip("model:N", title="Model"),
            alt.Tooltip("text:N", title="Passed"),
            alt.Tooltip("when:N", title="Started"),
            alt.Tooltip("version:N", title="Version"),
        ],
    )
    y = alt.Y(
        "rate:Q",
        title=None,
        scale=alt.Scale(domain=[0, 1]),
        axis=alt.Axis(labelExpr=charts.PERCENT, tickCount=6),
    )
    colour = alt.Color("model:N", scale=scale, legend=legend)
    shape = alt.Shape("model:N", scale=scale, legend=legend)
    marks = charts.of_rows([point for point in points if point["mark"]]).encode(x=x)
    layers = [
        marks.mark_rule(strokeDash=[4, 4], color=_NEUTRAL),
        # At the floor, where rates seldom are.
        marks.mark_text(align="left", dx=4, color=_NEUTRAL).encode(y="at:Q", text="mark:N"),
        base.mark_line(strokeWidth=1, opacity=0.5).encode(y=y, color=colour),
        base.mark_rule(strokeWidth=2, opacity=0.6).encode(y="lower:Q", y2="upper:Q", color=colour),
        base.mark_point(filled=True, size=80, opacity=1, cursor="pointer")
        .encode(y=y, color=colour, shape=shape)
        .add_params(_pick("run_id")),
    ]
    return charts.layered(layers).properties(height=charts.HEIGHT)


def matrix(flips: Flips) -> alt.LayerChart:
    """Return how many cases pass under the row's run and fail under the column's."""
    names = [f"{number} {name}" for number, name in enumerate(flips.names)]
    cells: list[dict[str, Any]] = [
        {
            "row": names[passing],
            "column": str(failing),
            "passing": flips.run_ids[passing],
            "failing": flips.run_ids[failing],
            "count": count,
            "told": f"{count} pass under {names[passing]} and fail under {names[failing]}",
        }
        for passing, counts in enumerate(flips.counts)
        for failing, count in enumerate(counts)
        if count is not None
    ]
    most = max((cell["count"] for cell in cells), default=0)
    base = charts.of_rows(cells).encode(
        x=alt.X(
            "column:N",
            title="fails under",
            sort=[str(number) for number in range(len(names))],
            scale=alt.Scale(domain=[str(number) for number in range(len(names))]),
            axis=alt.Axis(orient="top", labelAngle=0, ticks=False, domain=False),
        ),
        y=alt.Y(
            "row:N",
            title=None,
            sort=names,
            scale=alt.Scale(domain=names),
            axis=alt.Axis(
                labelLimit=alt.ExprRef("width < 420 ? 130 : 260"),
                labelExpr=LABEL,
                labelFlush=False,
                labelOverlap=False,
                ticks=False,
                domain=False,
            ),
        ),
        tooltip=[alt.Tooltip("told:N", title="Cases")],
    )
    # Opaque, so that the same dark figures read on it in both themes.
    scale = alt.Scale(domain=[0, max(most, 1)], range=["#FCEBDF", "#E8833A"])
    rect = base.mark_rect(cursor="pointer", cornerRadius=3).encode(
        color=alt.Color("count:Q", scale=scale, legend=None)
    )
    text = base.mark_text(fontWeight="bold", color="#1B2733").encode(text="count:Q")
    return charts.layered([rect.add_params(_pick("passing", "failing")), text]).properties(
        height=_ROW_HEIGHT * len(names) + _AXIS_HEIGHT
    )


def _pick(*fields: str) -> alt.Parameter:
    return alt.selection_point(name=charts.PICK, fields=list(fields), empty=True)
