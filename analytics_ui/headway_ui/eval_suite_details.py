"""The page of a suite: its pass rate run by run, the cases that flip most, any two of its runs."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from headway_ui import (
    empty_states,
    eval_queries,
    eval_rate_charts,
    eval_words,
    formats,
    links,
    picks,
    queries,
    tables,
)
from headway_ui.charts import PICK
from headway_ui.links import Link
from headway_ui.scopes import Scope

ALL = "All scorers"

Run = Mapping[str, Any]


def draw(scope: Scope, suite: str) -> None:
    """Draw the page of one suite."""
    links.draw(links.to_evals(scope), "Evals", ":material/arrow_back:")
    st.title(formats.plain(f"Suite {suite}"), anchor=False)
    models = st.query_params.get_all("suite_model")
    found = eval_queries.history(scope.project, suite, models)
    runs = found["runs"]
    if not runs and not models:
        empty_states.no_runs(queries.address().url, suite)
        return
    st.caption(
        formats.plain(
            f"The latest {formats.plural(len(runs), 'run')} of project {found['project']}, "
            "times in UTC"
        )
    )
    _models(scope, suite)
    if not runs:
        st.caption("No run of these models.")
        return
    _course(scope, runs)
    _pair(scope, runs)
    _flipping(scope, found["flipping"], len(runs))


def _models(scope: Scope, suite: str) -> None:
    names = sorted({run["model"] for run in eval_queries.history(scope.project, suite)["runs"]})
    linked = st.query_params.get_all("suite_model")
    st.multiselect(
        "Model",
        [*names, *(each for each in linked if each not in names)],
        key="suite_model",
        bind="query-params",
        placeholder="any",
    )


def _course(scope: Scope, runs: Sequence[Run]) -> None:
    def open_run(mark: Mapping[str, Any]) -> Link:
        return links.to_run(scope, mark["run_id"])

    names = dict.fromkeys(
        one["name"] for run in runs for one in run["rates"] if one["part"] == "scorer"
    )
    with st.container(border=True):
        st.subheader("Pass rate, run by run", anchor=False)
        chosen = st.segmented_control(
            "Scorer",
            [ALL, *names],
            default=ALL,
            required=True,
            key="suite_scorer",
            bind="query-params",
        )
        scorer = "" if chosen in (None, ALL) else chosen
        takeaway = eval_words.of_history(runs, scorer)
        st.caption(formats.plain(takeaway))
        points = eval_rate_charts.to_course(runs, scorer)
        if not points:
            return
        name = picks.stamped("course", points)
        st.altair_chart(
            eval_rate_charts.course(points),
            key=picks.fresh_key(name),
            on_select=picks.follower(name, _picked, open_run),
            alt=f"Pass rate, run by run. {takeaway}",
        )
        st.caption(
            "Lines up and down are 95 % intervals of each rate. Whether two runs differ is told by "
            "a comparison, case by case. A click on a mark opens its run."
        )
    _runs(scope, runs, scorer)


def _runs(scope: Scope, runs: Sequence[Run], scorer: str) -> None:
    latest = list(reversed(runs))

    def open_run(row: int) -> Link:
        return links.to_run(scope, latest[row]["run_id"])

    rows = []
    for run in latest:
        rate = eval_words.rate_of(run, scorer)
        rows.append(
            {
                "Started (UTC)": formats.moment(run["started_at"]),
                "Model": run["model"],
                "Version": run["suite_version"],
                "Passed": formats.MISSING if rate is None else eval_words.rate(rate),
                "Took": eval_words.took(run),
            }
        )
    columns = {"Started (UTC)": tables.time(), "Took": tables.right()}
    tables.draw(rows, "suite_runs", columns, "The runs of the suite, newest first", open_run)


def _pair(scope: Scope, runs: Sequence[Run]) -> None:
    if len(runs) < 2:
        return
    names = {
        run["run_id"]: f"{run['model']}, {formats.day_and_hour(run['started_at'])}, {run['run_id']}"
        for run in reversed(runs)
    }
    run_ids = list(names)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        baseline = st.selectbox(
            "Baseline", run_ids, index=1, format_func=names.__getitem__, key="pair_baseline"
        )
        candidate = st.selectbox(
            "Candidate", run_ids, index=0, format_func=names.__getitem__, key="pair_candidate"
        )
        if baseline != candidate:
            link = links.to_pair(scope, str(baseline), str(candidate))
            links.draw(link, "Compare these two", ":material/compare_arrows:")


def _flipping(scope: Scope, cases: Sequence[Mapping[str, Any]], run_count: int) -> None:
    st.subheader("Cases that flip most", anchor=False)
    if not cases:
        st.caption("No case passed in one of these runs and failed in the next.")
        return

    def open_case(row: int) -> Link:
        case = cases[row]
        return links.to_run(scope, case["last_run_id"], {"case": case["case_id"]})

    st.caption(
        "How often a case passed in one run and failed in the next, or the reverse, among "
        f"{formats.plural(run_count, 'run')} of any model. Under one model and engine "
        "`headway suite flakes` tells chance from change."
    )
    rows = [
        {
            "Case": case["case_id"],
            "Flips": case["flip_count"],
            "Runs": case["run_count"],
            "Passed": case["passed_count"],
            "Latest": "passed" if case["has_passed"] else "failed",
            "Tags": ", ".join(case["tags"] or ()),
        }
        for case in cases
    ]
    tables.draw(rows, "flipping", {}, "The cases that flip most", open_case)


def _picked(selection: Mapping[str, Any]) -> Mapping[str, Any] | None:
    marks = selection.get(PICK)
    return marks[0] if marks else None
