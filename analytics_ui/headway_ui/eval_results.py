"""The results of a run: filters, a page of them, and the one that is opened.

The collector filters and counts, so that a run of many thousand cases is as quick as a small one.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from headway_ui import contents, eval_queries, formats, links, tables
from headway_ui.scopes import Scope

OUTCOMES = {"All": None, "Failed": False, "Passed": True}
OUTCOME_WORDS = {True: "passed", False: "failed", None: "not judged"}
_AFTER, _BEFORE = "after", "results_before"

Result = Mapping[str, Any]


def draw(scope: Scope, run: Mapping[str, Any], rates: Sequence[Mapping[str, Any]]) -> None:
    """Draw the results of a run.

    Args:
        scope: its project and window stay in links.
        run: without its results.
        rates: its rates, whose tags and scorers there are to choose from.
    """
    filters = _choose(run, rates)
    found = eval_queries.results(run["run_id"], filters, st.query_params.get(_AFTER))
    st.caption(
        f"{formats.count(found.total)} of {formats.plural(_all_of(run, found, filters), 'case')}"
    )
    if not found.items:
        st.caption("No case matches.")
        _pager(found)
        return
    table, detail = st.columns([6, 5], gap="medium")
    with table:
        _table(found.items)
        _pager(found)
    with detail, st.container(border=True):
        _result(scope, _opened(run["run_id"], found.items))


def narrow(part: str, name: str) -> None:
    """Narrow to what failed of a part of the run; only to be called from a callback."""
    st.session_state["outcome"] = "Failed"
    st.session_state["scorer"] = name if part == "scorer" else None
    st.session_state["case_tag"] = [name] if part == "tag" else []
    st.session_state["case_q"] = ""
    _restart()


def _choose(run: Mapping[str, Any], rates: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    scorers = [one["name"] for one in rates if one["part"] == "scorer"]
    tags = [one["name"] for one in rates if one["part"] == "tag"]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        outcome = st.segmented_control(
            "Outcome",
            list(OUTCOMES),
            default="All",
            required=True,
            key="outcome",
            bind="query-params",
            on_change=_restart,
        )
        scorer = st.selectbox(
            "By scorer",
            _with_linked(scorers, "scorer"),
            index=None,
            key="scorer",
            bind="query-params",
            placeholder="all of them",
            on_change=_restart,
            width=150,
        )
        wanted = st.multiselect(
            "Tag",
            _with_linked(tags, "case_tag"),
            key="case_tag",
            bind="query-params",
            placeholder="any",
            on_change=_restart,
            width=190,
        )
        text = st.text_input(
            "Text in case, answer or error",
            key="case_q",
            bind="query-params",
            icon=":material/search:",
            placeholder="any",
            max_chars=1000,
            on_change=_restart,
            width=240,
        )
    return {"passed": OUTCOMES[outcome or "All"], "scorer": scorer, "tag": wanted, "q": text}


def _with_linked(values: Sequence[str], name: str) -> list[str]:
    # A link may name what the run does not have; without it here the page would show all cases.
    linked = st.query_params.get_all(name)
    return [*values, *(each for each in linked if each not in values)]


def _all_of(run: Mapping[str, Any], found: eval_queries.Results, filters: Mapping[str, Any]) -> int:
    if any(value not in (None, "", []) for value in filters.values()):
        return eval_queries.results(run["run_id"], {}, limit=1).total
    return found.total


def _restart() -> None:
    st.query_params.pop(_AFTER, None)
    st.session_state.pop(_BEFORE, None)


def _pager(found: eval_queries.Results) -> None:
    after = st.query_params.get(_AFTER)
    if after is None and found.next_cursor is None:
        return
    with st.container(horizontal=True):
        st.button(
            "Previous cases",
            icon=":material/chevron_left:",
            disabled=after is None,
            on_click=_back,
        )
        st.button(
            "Next cases",
            icon=":material/chevron_right:",
            icon_position="right",
            disabled=found.next_cursor is None,
            on_click=_forward,
            args=(after, found.next_cursor),
        )


def _forward(after: str | None, cursor: str) -> None:
    st.session_state[_BEFORE] = [*st.session_state.get(_BEFORE, []), after]
    st.query_params[_AFTER] = cursor


def _back() -> None:
    # The collector's cursors lead one way; who came by a link goes back to the beginning.
    before = st.session_state.get(_BEFORE, [])
    earlier = before[-1] if before else None
    st.session_state[_BEFORE] = before[:-1]
    if earlier is None:
        st.query_params.pop(_AFTER, None)
    else:
        st.query_params[_AFTER] = earlier


def _opened(run_id: str, results: Sequence[Result]) -> Result:
    wanted = st.query_params.get("case")
    if wanted is None:
        return results[0]
    shown = next((result for result in results if result["case_id"] == wanted), None)
    if shown is not None:
        return shown
    # A link may open a case that is on another page.
    elsewhere = eval_queries.results(run_id, {"case_id": wanted}, limit=1).items
    return elsewhere[0] if elsewhere else results[0]


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
