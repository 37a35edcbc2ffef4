"""The page one opens first: how much, how well, how fast, how dear, and what has changed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from headway_ui import (
    buckets,
    cards,
    empty_states,
    formats,
    links,
    losses,
    mixes,
    panels,
    queries,
    tables,
)
from headway_ui.scopes import Scope
from headway_ui.sidebars import current_scope

MODEL = panels.MODEL
MEASURES = (
    "count",
    "errors",
    "error_rate",
    "latency_p50_ms",
    "latency_p95_ms",
    "total_tokens",
    "cost_usd",
)
_MOST_SCORES = 4


@dataclass(frozen=True, slots=True)
class Unit:
    """What counts as one: a model's answer, a whole request, or every step on the way."""

    noun: str
    only: Mapping[str, Any]


UNITS = {
    "Model calls": Unit("model call", {"kind": ["llm"]}),
    "Requests": Unit("request", {"is_root": True}),
    "All spans": Unit("span", {}),
}


@dataclass(frozen=True, slots=True)
class Choice:
    """What the head of the page was set to."""

    unit: Unit
    mix: mixes.Dimension | None


def page() -> None:
    """Draw the page from top to bottom."""
    scope = current_scope()
    if not scope.has_data:
        st.title("Overview", anchor=False)
        losses.draw(scope)
        empty_states.no_calls(queries.address().url, scope.project)
        return
    chosen = _head(scope, mixes.find_dimensions(queries.facets(scope.filters, mixes.FIELDS)))
    losses.draw(scope)
    unit = chosen.unit
    filters = {**scope.filters, **unit.only}
    totals = queries.totals(filters, MEASURES)
    if not totals["count"]:
        _explain_nothing(scope, unit)
        return

    trend = queries.metrics(filters, MEASURES, bucket=scope.bucket)
    trend.sort(key=lambda row: str(row["time"]))
    _figures(scope, unit, totals, trend)

    scores = queries.score_names(scope.filters)[:_MOST_SCORES]
    means = [f"{column}:{name}" for name in scores for column in ("score", "score_count")]
    by_model = queries.metrics(filters, [*MEASURES, *means], by=[MODEL])
    scores = [name for name in scores if any(row[f"score_count:{name}"] for row in by_model)]
    with st.grid(2, min_column_width=400, gap="small"):
        panels.volume(scope, unit.only, unit.noun)
        if chosen.mix:
            panels.mix(scope, unit.only, chosen.mix)
        for name in scores:
            panels.quality(scope, unit.only, name, by_model)
        panels.latency(scope, unit.only, trend)
        panels.errors(scope, unit.only, totals, trend)
        panels.spending(scope, unit.only, totals)
    _models(scope, unit, by_model, scores)


def _head(scope: Scope, dimensions: Mapping[str, mixes.Dimension]) -> Choice:
    with st.container(horizontal=True, vertical_alignment="top"):
        with st.container(gap=None):
            st.title("Overview", anchor=False)
            project = formats.plain(scope.project) if scope.project else "all projects"
            st.caption(f"Live traffic of {project}, {scope.window.label}, times in UTC")
        counted = st.segmented_control(
            "What is counted",
            list(UNITS),
            default="Model calls",
            required=True,
            key="count",
            bind="query-params",
            help="Model calls are spans of kind llm; requests are spans without a parent.",
        )
        mix = st.selectbox("Mix by", list(dimensions), key="mix", bind="query-params", width=200)
    return Choice(UNITS[counted or "Model calls"], dimensions.get(mix or ""))


def _explain_nothing(scope: Scope, unit: Unit) -> None:
    others = queries.totals(scope.filters, ["count"])["count"]
    if not others:
        empty_states.nothing_in_window(scope, f"{unit.noun}s")
        return
    st.info(
        f"No {unit.noun}s in the {scope.window.label}, but {formats.plural(others, 'span')} of "
        "other kinds.",
        icon=":material/account_tree:",
    )
    st.button("Count all spans", icon=":material/timeline:", on_click=_count_all_spans)


def _count_all_spans() -> None:
    st.session_state["count"] = "All spans"


def _figures(
    scope: Scope, unit: Unit, totals: Mapping[str, Any], trend: Sequence[Mapping[str, Any]]
) -> None:
    earlier = scope.previous_filters
    before = queries.totals({**earlier, **unit.only}, MEASURES) if earlier else {}
    p50, p95 = totals["latency_p50_ms"], totals["latency_p95_ms"]

    def draw(
        measure: str, label: str, value: str, good: cards.Good, words: str, **narrower: Any
    ) -> None:
        cards.figure(
            cards.Figure(
                label=label,
                value=value,
                change=formats.change(totals[measure], before.get(measure)),
                good=good,
                trend=[row[measure] or 0 for row in trend],
                link=links.to_traces(scope, {**unit.only, **narrower}),
                link_label=words,
                help=HELP[measure],
            ),
            versus=f"vs. the {scope.window.label.removeprefix('last ')} before",
        )

    noun = f"{unit.noun.capitalize()}s"
    with st.grid(6, min_column_width=140, gap="small"):
        draw("count", noun, formats.compact(totals["count"]), "off", "All of them")
        draw(
            "error_rate",
            "Error rate",
            formats.share(totals["error_rate"]),
            "inverse",
            "Failed ones",
            status=["error"],
        )
        draw(
            "latency_p50_ms",
            "Median latency",
            formats.duration(p50),
            "inverse",
            "Slower half",
            min_duration_ms=p50,
        )
        draw(
            "latency_p95_ms",
            "p95 latency",
            formats.duration(p95),
            "inverse",
            "Slowest 5 %",
            min_duration_ms=p95,
        )
        draw(
            "total_tokens", "Tokens", formats.compact(totals["total_tokens"]), "off", "Call by call"
        )
        draw("cost_usd", "Cost", formats.money(totals["cost_usd"]), "inverse", "Call by call")


HELP = {
    "count": "How many started in this window.",
    "error_rate": "The share that ended with status error.",
    "latency_p50_ms": "Half of them took at most this long.",
    "latency_p95_ms": "95 % of them took at most this long.",
    "total_tokens": "Input and output tokens together.",
    "cost_usd": "US dollars at the price of the day; a model without a price adds nothing.",
}


def _models(
    scope: Scope, unit: Unit, by_model: Sequence[Mapping[str, Any]], scores: Sequence[str]
) -> None:
    rows = sorted(by_model, key=lambda row: -row["count"])
    table = [
        {
            "Model": buckets.name_of(row, MODEL),
            "Calls": row["count"],
            "Errors": row["error_rate"],
            "Median": formats.duration(row["latency_p50_ms"]),
            "p95": formats.duration(row["latency_p95_ms"]),
            "Tokens": row["total_tokens"],
            "Cost": formats.money(row["cost_usd"]),
            **{name: row[f"score:{name}"] for name in scores},
        }
        for row in rows
    ]
    columns = {
        "Calls": tables.whole(),
        "Errors": st.column_config.NumberColumn(format="percent"),
        "Tokens": tables.whole(),
        **{name: tables.right() for name in ("Median", "p95", "Cost")},
        **{
            name: tables.rate(f"Mean {name}")
            for name in scores
            if all(0 <= (row[f"score:{name}"] or 0) <= 1 for row in rows)
        },
    }

    def behind(number: int) -> links.Link | None:
        model = rows[number][MODEL]
        return links.to_traces(scope, {**unit.only, MODEL: [model]}) if model else None

    with st.container(border=True):
        st.subheader("Models", anchor=False)
        st.caption("Select a model to see its calls.")
        tables.draw(table, "models", columns, "The models and how they do", behind)


page()
