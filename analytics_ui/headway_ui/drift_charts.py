"""The heat map: evidence by metric and time, as a specification. Pure.

Each cell says its state as a word beside the colour, since colour alone says nothing to some.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import altair as alt

from headway_ui import drift_words, formats
from headway_ui.charts import PICK, layered, of_rows

_ROW_HEIGHT = 22
_AXIS_HEIGHT = 110
BASELINE = "baseline"
# Short enough to be read in a cell; where cells are narrow, its sign alone.
_WORDS = {
    "drift": "drift",
    "no_drift": "ok",
    "not_enough_data": "few",
    "identical": "same",
    "failed": "fault",
    BASELINE: "base",
}
_SIGNS = {
    "drift": "●",
    "no_drift": "✓",
    "not_enough_data": "?",
    "identical": "=",
    "failed": "!",
    BASELINE: "–",
}
# Where not even a sign has room, what one looks for keeps its own.
_TEXT = (
    "bandwidth('x') < 8 ? (datum.state == 'drift' || datum.state == 'failed' ? datum.sign : '')"
    " : bandwidth('x') < 26 ? datum.sign : datum.word"
)
_GAP = "bandwidth('x') < 8 ? 0 : 1"
_LABEL_LIMIT = "width < 420 ? 110 : 230"
_DATES_TOLD = 3
# Okabe and Ito's, as the theme's; light enough to be written on in black.
_COLOURS = {
    "drift": "#E8875A",
    "no_drift": "#9AD5BF",
    "not_enough_data": "#D5D9DD",
    "identical": "#E6E8EA",
    "failed": "#E9C46A",
    BASELINE: "#B9D6EC",
}
LEGEND = (
    "**● drift** the metric differs from the baseline · **✓ ok** no drift was found · **? few** "
    "not enough calls to tell · **= same** nothing differs at all · **! fault** the test failed · "
    "**– base** the baseline · no cell: no calls"
)


def bucket_of(buckets: Sequence[str]) -> str:
    """Return the name of the buckets' length."""
    if len(buckets) < 2:
        return "day"
    length = formats.moment(buckets[1]) - formats.moment(buckets[0])
    if length < timedelta(days=1):
        return "hour"
    return "day" if length < timedelta(days=7) else "week"


def baseline_of(heat: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return the first moment of the baseline, and the first that no longer counts."""
    told, buckets = heat.get("baseline"), heat["buckets"]
    if told:
        return told["start"], told["end"]
    if len(buckets) < 2:
        return None
    return buckets[0], buckets[max(1, len(buckets) // 3)]


def to_rows(heat: Mapping[str, Any], *, only_drifted: bool = False) -> list[dict[str, Any]]:
    """Return a row for each cell of a map, with words for the tooltip and the table.

    Args:
        heat: the result of a job of ``POST /v1/drift/heatmap``.
        only_drifted: leave out metrics that never drifted; those that never differ at all are
            left out anyway (``unchanged``).
    """
    buckets, baseline = heat["buckets"], baseline_of(heat)
    drifted = {cell["metric"] for cell in heat["cells"] if cell["state"] == "drift"}
    labels, still = labels_of(heat), _still(heat)
    sides = {
        each["name"]: each["side"]
        for each in heat["metrics"]
        if each["name"] in drifted or not (only_drifted or each["name"] in still)
    }
    ends = dict(zip(buckets, _ends(buckets), strict=True))
    bucket = bucket_of(buckets)
    rows = [
        _row(cell, labels[cell["metric"]], sides[cell["metric"]], ends[cell["time"]], bucket)
        for cell in heat["cells"]
        if cell["metric"] in sides and cell["time"] in ends
    ]
    seen = {(row["name"], row["time"]) for row in rows}
    if baseline is not None:
        start, end = (formats.moment(text) for text in baseline)
        for time in buckets:
            if start <= formats.moment(time) < end:
                rows += [
                    _row(_base(name, time), labels[name], side, ends[time], bucket)
                    for name, side in sides.items()
                    if (name, time) not in seen
                ]
    return rows


def unchanged(heat: Mapping[str, Any]) -> list[str]:
    """Return the metrics, as people call them, in which no cell differs from the baseline."""
    labels = labels_of(heat)
    return [labels[each["name"]] for each in heat["metrics"] if each["name"] in _still(heat)]


def _still(heat: Mapping[str, Any]) -> set[str]:
    moving = {cell["metric"] for cell in heat["cells"] if cell["state"] != "identical"}
    return {cell["metric"] for cell in heat["cells"]} - moving


def labels_of(heat: Mapping[str, Any]) -> dict[str, str]:
    """Return what people call each metric of a map, by its name; no two are called alike."""
    named = {each["name"]: each["label"] for each in heat["metrics"]}
    told = {name: drift_words.label(name, named) for name in named}
    twice = {label for label, times in Counter(told.values()).items() if times > 1}
    return {name: f"{label} ({name})" if label in twice else label for name, label in told.items()}


def heat_map(rows: Sequence[Mapping[str, Any]], metrics: Sequence[str]) -> alt.LayerChart:
    """Return a cell a row, coloured by its state and with the state's word in it.

    Args:
        rows: as ``to_rows`` makes them.
        metrics: as the rows call them, from top to bottom.
    """
    shown = {row["metric"] for row in rows}
    order = [name for name in metrics if name in shown]
    labels = {row["time"]: row["when"] for row in rows}
    times = [labels[time] for time in sorted(labels, key=formats.moment)]
    states = list(_COLOURS)
    base = of_rows(rows).encode(
        x=alt.X("when:N", title=None, sort=times, axis=alt.Axis(labelAngle=-40, labelLimit=140)),
        y=alt.Y(
            "metric:N",
            title=None,
            sort=order,
            axis=alt.Axis(labelLimit=alt.ExprRef(_LABEL_LIMIT), ticks=False, labelFlush=False),
        ),
    )
    tooltip = [
        alt.Tooltip("metric:N", title="Metric"),
        alt.Tooltip("when:N", title="Time"),
        alt.Tooltip("says:N", title="State"),
        alt.Tooltip("text:N", title="Evidence"),
    ]
    colour = alt.Color(
        "state:N",
        scale=alt.Scale(domain=states, range=[_COLOURS[state] for state in states]),
        legend=None,
    )
    cells = base.mark_rect(stroke="white", strokeWidth=alt.ExprRef(_GAP)).encode(
        color=colour, tooltip=tooltip
    )
    # Without a tooltip of its own a word lets clicks through to its cell.
    words = base.mark_text(aria=False, fontSize=9, text=alt.ExprRef(_TEXT)).encode(
        color=alt.value("#1A1D21")
    )
    pick = alt.selection_point(name=PICK, fields=["time", "end", "state"], empty=True)
    height = _ROW_HEIGHT * len(order) + _AXIS_HEIGHT
    return layered([cells.add_params(pick), words]).properties(height=height)


def takeaway(heat: Mapping[str, Any]) -> str:
    """Return the sentence that says what is to be seen in a map."""
    drifted = [cell for cell in heat["cells"] if cell["state"] == "drift"]
    if not heat["cells"]:
        return "There are no calls outside of the baseline to compare."
    if not drifted:
        states = [cell["state"] for cell in heat["cells"]]
        few = states.count("not_enough_data")
        if "no_drift" not in states and few:
            untold = f"It cannot be told: {formats.plural(few, 'cell')} had too few calls."
            return f"{untold}{_longer(heat)}"
        beside = f"; {formats.plural(few, 'cell')} had too few calls to tell" if few else ""
        return f"No drift in {formats.plural(len(states) - few, 'cell')}{beside}."
    first: dict[str, str] = {}
    for cell in sorted(drifted, key=lambda cell: formats.moment(cell["time"])):
        first.setdefault(cell["metric"], cell["time"])
    labels = labels_of(heat)
    # The dates on which most began, in order of time: what happened on one day belongs together.
    often = Counter(first.values()).most_common(_DATES_TOLD)
    told = []
    for time in sorted((time for time, _ in often), key=formats.moment):
        began = [
            labels[each["name"]] for each in heat["metrics"] if first.get(each["name"]) == time
        ]
        begin = formats.bucket_label(time, bucket_of(heat["buckets"]))
        told.append(f"from {begin} {drift_words.listed(began)}")
    rest = len(first) - sum(times for _, times in often)
    told += [f"{rest} more at other times"] if rest else []
    return f"{formats.plural(len(first), 'metric')} drifted: {'; '.join(told)}."


def _longer(heat: Mapping[str, Any]) -> str:
    """Return the way out of cells that have too few calls, where there is one."""
    sizes = [cell["n"] for cell in heat["cells"] if cell.get("n")]
    if not sizes or bucket_of(heat["buckets"]) == "week":
        return ""
    most = formats.plural(max(sizes), "call")
    return f" No column has more than {most}: choose longer ones."


def _base(metric: str, time: str) -> dict[str, Any]:
    return {"metric": metric, "time": time, "state": BASELINE}


def _row(cell: Mapping[str, Any], label: str, side: str, end: str, bucket: str) -> dict[str, Any]:
    state = cell["state"]
    return {
        "name": cell["metric"],
        "metric": label,
        "side": side,
        "time": cell["time"],
        "end": end,
        "when": formats.bucket_label(cell["time"], bucket),
        "state": state,
        "word": _WORDS.get(state, state),
        "sign": _SIGNS.get(state, ""),
        "says": drift_words.look(state).word,
        "text": _evidence(cell),
    }


def _evidence(cell: Mapping[str, Any]) -> str:
    told = []
    if cell.get("before") and cell.get("after"):
        told.append(f"{cell['before']} → {cell['after']}")
    if cell.get("effect") is not None:
        told.append(f"effect {cell['effect']:.3g}".replace("-", "−"))
    if cell.get("q_value") is not None:
        told.append(f"q {drift_words.p_value(cell['q_value'])}")
    if cell.get("n") is not None:
        told.append(
            f"{formats.count(cell['n'])} against {formats.plural(cell['baseline_n'], 'call')}"
        )
    return ", ".join(told)


def _ends(buckets: Sequence[str]) -> list[str]:
    """Return where each bucket ends, the last as long as the one before it."""
    if not buckets:
        return []
    last = formats.moment(buckets[-1])
    length = last - formats.moment(buckets[-2]) if len(buckets) > 1 else timedelta(days=1)
    return [*buckets[1:], f"{last + length:%Y-%m-%dT%H:%M:%SZ}"]
