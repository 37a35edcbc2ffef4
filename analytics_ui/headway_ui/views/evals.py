"""Models on suites: which suites there are, the published verdicts, and the runs behind them."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from headway_ui import (
    comparison_details,
    empty_states,
    eval_pair_details,
    eval_queries,
    eval_suite_details,
    eval_sweep_details,
    eval_sweeps,
    formats,
    links,
    queries,
    run_details,
    tables,
    verdicts,
)
from headway_ui.links import Link
from headway_ui.scopes import Scope
from headway_ui.sidebars import current_scope

STEP = 20
_NONE_COMPARED = (
    "There are runs, but none was compared with another yet: open a suite and choose two."
)


def page() -> None:
    """Draw the list, or what the URL names: a comparison, a run, two runs, a suite or a sweep."""
    scope, named = current_scope(), st.query_params
    if comparison_id := named.get("comparison"):
        comparison_details.draw(scope, comparison_id)
    elif run_id := named.get("run"):
        run_details.draw(scope, run_id)
    elif (baseline := named.get("baseline")) and (candidate := named.get("candidate")):
        eval_pair_details.draw(scope, baseline, candidate)
    elif suite := named.get("suite"):
        eval_suite_details.draw(scope, suite)
    elif sweep_id := named.get("sweep"):
        eval_sweep_details.draw(scope, sweep_id)
    else:
        _list(scope)


def _list(scope: Scope) -> None:
    st.title("Evals", anchor=False)
    st.caption("Candidate models against the one that is trusted; newest first, times in UTC")
    known = eval_queries.suites(scope.project)
    if not known and not eval_queries.comparisons(scope.project, 1).items:
        empty_states.no_evals(queries.address().url)
        return
    if known:
        st.subheader("Suites", anchor=False)
        _suites(scope, known)
    models = [str(each["last_model"]) for each in known if each["last_model"]]
    with st.container(horizontal=True):
        wanted = _several("Suite", "of_suite", dict.fromkeys(each["suite"] for each in known))
        judged = _several("Verdict of a comparison", "verdict", verdicts.VERDICTS)
        answered = _several("Model of a run", "model", dict.fromkeys(models))
    _comparisons(scope, wanted, judged)
    _runs(scope, wanted, answered)


def _several(label: str, key: str, values: Mapping[str, Any]) -> list[str]:
    linked = [each for each in st.query_params.get_all(key) if each not in values]
    return st.multiselect(
        label,
        [*values, *linked],
        key=key,
        bind="query-params",
        placeholder="any",
        accept_new_options=True,
        width=230,
    )


def _suites(scope: Scope, suites: Sequence[Mapping[str, Any]]) -> None:
    def open_suite(row: int) -> Link:
        return links.to_suite(scope, suites[row]["suite"])

    rows = [
        {
            "Suite": each["suite"],
            **({"Project": each["project"]} if scope.project is None else {}),
            "Latest run (UTC)": formats.moment(each["last_started_at"]),
            "Latest model": each["last_model"],
            "Pass rate": each["pass_rate"],
            "Cases": each["case_count"],
            "Runs": each["run_count"],
            "Versions": each["version_count"],
        }
        for each in suites
    ]
    columns = {"Latest run (UTC)": tables.time(), "Pass rate": tables.rate()}
    tables.draw(rows, "suites", columns, "The suites, the latest run first", open_suite)


def _comparisons(scope: Scope, suites: Sequence[str], chosen: Sequence[str]) -> None:
    st.subheader("Comparisons", anchor=False)
    judged = eval_queries.comparisons(scope.project, _shown("comparisons"), suites, chosen)
    if not judged.items:
        st.caption("No comparison matches." if suites or chosen else _NONE_COMPARED)
    for comparison in judged.items:
        _comparison(scope, comparison)
    _more("comparisons", judged)
    st.space("small")


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


def _runs(scope: Scope, suites: Sequence[str], models: Sequence[str]) -> None:
    st.subheader("Runs", anchor=False)
    found = eval_queries.runs(scope.project, _shown("runs"), suites, models)
    ran = found.items
    if not ran:
        st.caption("No run matches.")
        return
    for sweep_id in eval_sweeps.ids(ran):
        links.draw(
            links.to_sweep(scope, sweep_id),
            f"Sweep {formats.plain(sweep_id)}",
            ":material/table_rows:",
        )

    def open_run(row: int) -> Link:
        return links.to_run(scope, ran[row]["run_id"])

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
    _more("runs", found)


page()
