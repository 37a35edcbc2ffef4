"""The page of a run: what one model answered on one suite, case by case."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from headway_ui import contents, empty_states, formats, links, queries, tables
from headway_ui.scopes import Scope

OUTCOMES = {"All": None, "Failed": False, "Passed": True}
OUTCOME_WORDS = {True: "passed", False: "failed", None: "not judged"}

Result = Mapping[str, Any]


def draw(scope: Scope, run_id: str) -> None:
    """Draw the page of one run."""
    links.draw(links.to_evals(scope), "Evals", ":material/arrow_back:")
    answer = queries.run(run_id)
    if answer is None:
        st.title("Run", anchor=False)
        empty_states.not_found("run", run_id)
        return
    run, results = answer["run"], answer["results"]
    _head(run)
    chosen = _choose(results)
    if not chosen:
        st.caption("No case matches.")
        return
    table, detail = st.columns([6, 5], gap="medium")
    with table:
        _table(chosen)
    wanted = st.query_params.get("case")
    shown = next((result for result in chosen if result["case_id"] == wanted), chosen[0])
    with detail, st.container(border=True):
        _result(scope, shown)


def _head(run: Mapping[str, Any]) -> None:
    st.title(formats.plain(f"{run['model']} on {run['suite']}"), anchor=False)
    facts = [
        f"version {run['suite_version']}",
        formats.when(run["started_at"]),
        f"run {run['run_id']}",
    ]
    st.caption(formats.plain(" · ".join(facts)))
    with st.container(horizontal=True, gap="small"):
        figures = {
            "Pass rate": formats.share(run["pass_rate"]),
            "Passed": formats.count(run["passed_count"]),
            "Cases": formats.count(run["case_count"]),
            **{f"Mean {name}": formats.score(one["mean"]) for name, one in run["scores"].items()},
        }
        for label, value in figures.items():
            st.metric(formats.plain(label), formats.plain(value), border=True, width=160)
    with st.expander("Settings and environment"):
        st.json({"settings": run["settings"], "environment": run["environment"]})


def _choose(results: Sequence[Result]) -> list[Result]:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        outcome = st.segmented_control(
            "Outcome",
            list(OUTCOMES),
            default="All",
            required=True,
            key="outcome",
            bind="query-params",
        )
        tags = sorted({tag for result in results for tag in result["tags"]})
        wanted = st.multiselect("Tag", tags, key="case_tag", bind="query-params", placeholder="any")
    passed = OUTCOMES[outcome or "All"]
    chosen = [
        result
        for result in results
        if passed in (None, result["passed"]) and (not wanted or set(wanted) & set(result["tags"]))
    ]
    st.caption(f"{formats.count(len(chosen))} of {formats.plural(len(results), 'case')}")
    return chosen


def _table(results: Sequence[Result]) -> None:
    def stay(row: int) -> None:
        st.query_params["case"] = results[row]["case_id"]

    text = st.column_config.TextColumn
    columns = {
        "Case": text(width=90),
        "Outcome": text(width=75),
        "Input": text(width=230),
        "Output": text(width=230),
        "Latency": tables.right(width=75),
    }
    rows = [_row(result) for result in results]
    tables.draw(rows, "results", columns, "The cases with their outcomes", to=stay, height=620)


def _row(result: Result) -> dict[str, Any]:
    return {
        "Case": result["case_id"],
        "Outcome": OUTCOME_WORDS[result["passed"]],
        "Input": formats.shorten(contents.as_text(result["input"]), 200),
        "Output": formats.shorten(contents.as_text(result["output"]), 200),
        "Latency": formats.duration(result["latency_ms"]),
        "Tags": ", ".join(result["tags"]),
    }


def _result(scope: Scope, result: Result) -> None:
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.subheader(formats.plain(result["case_id"]), anchor=False, width="content")
        if result["passed"]:
            st.badge("passed", icon=":material/check_circle:", color="green")
        elif result["passed"] is False:
            st.badge("failed", icon=":material/cancel:", color="red")
        for tag in result["tags"]:
            st.badge(formats.plain(tag), color="gray")
    if result["error"]:
        st.error(formats.plain(result["error"]), icon=":material/error:")
    for title in ("input", "output", "expected"):
        if result[title] is not None:
            st.markdown(f"**{title.capitalize()}**")
            contents.draw(result[title], f"{title}_{result['case_id']}")
    if result["scores"]:
        st.markdown("**Scores**")
        st.table(
            [_score_row(name, score) for name, score in result["scores"].items()],
            border="horizontal",
            hide_index=True,
        )
    if result["trace_id"]:
        trace = links.to_trace(scope, result["trace_id"], result["span_id"])
        links.draw(trace, "The trace of this answer", ":material/account_tree:")


def _score_row(name: str, score: Any) -> dict[str, str]:
    # A run from elsewhere may hold bare values in place of our own triples.
    whole = score if isinstance(score, Mapping) else {"value": score}
    words: dict[Any, str] = {True: ":material/check: passed", False: ":material/close: failed"}
    return {
        "Scorer": formats.plain(name),
        "Value": formats.plain(contents.as_text(whole.get("value"))),
        "Outcome": words.get(whole.get("passed"), formats.MISSING),
        "Detail": formats.plain(contents.as_text(whole.get("detail"))),
    }
