"""Models on suites: the published comparisons with their verdicts, and the runs behind them."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from headway_ui import (
    comparison_details,
    empty_states,
    formats,
    links,
    queries,
    run_details,
    tables,
    verdicts,
)
from headway_ui.scopes import Scope
from headway_ui.sidebars import current_scope

STEP = 20


def page() -> None:
    """Draw the list, or the comparison or the run that the URL names."""
    scope = current_scope()
    comparison_id, run_id = st.query_params.get("comparison"), st.query_params.get("run")
    if comparison_id:
        comparison_details.draw(scope, comparison_id)
    elif run_id:
        run_details.draw(scope, run_id)
    else:
        _list(scope)


def _list(scope: Scope) -> None:
    st.title("Evals", anchor=False)
    st.caption("Candidate models against the one that is trusted; newest first, times in UTC")
    judged = queries.comparisons(scope.project, _shown("comparisons"))
    ran = queries.runs(scope.project, _shown("runs"))
    if not judged.items and not ran.items:
        empty_states.no_evals(queries.address().url)
        return
    st.subheader("Comparisons", anchor=False)
    if not judged.items:
        st.caption("There are runs, but none was compared with another yet.")
    for comparison in judged.items:
        _comparison(scope, comparison)
    _more("comparisons", judged)
    st.space("small")
    st.subheader("Runs", anchor=False)
    _runs(ran.items)
    _more("runs", ran)


def _shown(name: str) -> int:
    return int(st.session_state.get(f"{name}_shown", STEP))


def _more(name: str, page: queries.Page) -> None:
    def show_more() -> None:
        st.session_state[f"{name}_shown"] = _shown(name) + STEP

    if page.next_cursor is not None:
        st.button(f"More {name}", icon=":material/expand_more:", on_click=show_more)


def _comparison(scope: Scope, comparison: Mapping[str, Any]) -> None:
    with st.container(border=True, gap="xsmall"):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(verdicts.badge(comparison["verdict"]), width="content")
            links.draw(
                links.to_comparison(scope, comparison["comparison_id"]),
                f"**{formats.plain(verdicts.title(comparison))}**",
            )
            st.caption(
                formats.plain(
                    f"suite {comparison['suite']} · {formats.when(comparison['created_at'])}"
                )
            )
        st.markdown(formats.plain(verdicts.sentence(comparison)))


def _runs(ran: Sequence[Mapping[str, Any]]) -> None:
    def open_run(row: int) -> None:
        st.query_params["run"] = ran[row]["run_id"]

    rows = [
        {
            "Started (UTC)": formats.moment(run["started_at"]),
            "Model": run["model"],
            "Suite": run["suite"],
            "Version": run["suite_version"],
            "Pass rate": run["pass_rate"],
            "Passed": run["passed_count"],
            "Cases": run["case_count"],
        }
        for run in ran
    ]
    columns = {"Started (UTC)": tables.time(), "Pass rate": tables.rate()}
    tables.draw(rows, "runs", columns, "The runs with their pass rates, newest first", open_run)


page()
