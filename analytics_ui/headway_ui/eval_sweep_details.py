"""The page of a sweep: its candidates, the best first, and who flips what between any two."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from headway_ui import (
    empty_states,
    eval_charts,
    eval_queries,
    eval_rate_charts,
    eval_sweeps,
    formats,
    links,
    picks,
    queries,
    tables,
    verdicts,
)
from headway_ui.charts import PICK
from headway_ui.links import Link
from headway_ui.scopes import Scope

_MOST_IN_MATRIX = 30

Run = Mapping[str, Any]


def draw(scope: Scope, sweep_id: str) -> None:
    """Draw the page of one sweep."""
    links.draw(links.to_evals(scope), "Evals", ":material/arrow_back:")
    runs = eval_sweeps.ranked(eval_queries.sweep(scope.project, sweep_id))
    if not runs:
        st.title("Sweep", anchor=False)
        empty_states.no_sweep(queries.address().url)
        return
    st.title(formats.plain(f"Sweep on {runs[0]['suite']}"), anchor=False)
    facts = (f"version {runs[0]['suite_version']}", formats.when(runs[0]["started_at"]), sweep_id)
    st.caption(formats.plain(" · ".join(facts)))
    st.markdown(f"#### {formats.plain(eval_sweeps.headline(runs))}")
    judged = [run for run in runs if eval_sweeps.row(run).get("difference") is not None]
    if judged:
        _forest(judged)
    _table(scope, runs)
    for run in runs:
        if note := eval_sweeps.row(run).get("note"):
            st.caption(formats.plain(f"{run['model']}: {note}"))
    for one in eval_sweeps.failed(runs):
        st.error(
            formats.plain(f"{one.get('candidate')}: no run: {one.get('error')}"),
            icon=":material/error:",
        )
    _matrix(scope, judged)


def _forest(runs: Sequence[Run]) -> None:
    estimates = [eval_sweeps.as_estimate(run) for run in runs]
    margin = eval_sweeps.row(runs[0]).get("margin") or 0.0
    with st.container(border=True):
        st.subheader("Gain over the baseline", anchor=False)
        st.altair_chart(
            eval_charts.forest(
                eval_charts.to_rows(estimates), margin, is_share=verdicts.is_share(estimates[0])
            ),
            alt=f"The candidates with their intervals; {eval_sweeps.headline(runs)}",
        )
        st.caption(
            "The line is the interval of the difference, of each candidate alone. The best of "
            "several flatters itself: a run of it on fresh cases says by how much."
        )


def _table(scope: Scope, runs: Sequence[Run]) -> None:
    def open_comparison(row: int) -> Link:
        comparison_id = eval_sweeps.row(runs[row]).get("comparison_id")
        if comparison_id:
            return links.to_comparison(scope, str(comparison_id))
        return links.to_run(scope, runs[row]["run_id"])

    rows = [_row(run) for run in runs]
    figures = ("Mean", "Difference", "Interval", "p (Holm)", "− / +", "Took")
    columns = {name: tables.right() for name in figures}
    columns["Candidate"] = st.column_config.TextColumn(width=190)
    tables.draw(
        rows, "sweep", columns, "The candidates, the best first", open_comparison, height="content"
    )
    st.caption("A click on a row opens its comparison with the baseline. p is after Holm.")


def _row(run: Run) -> dict[str, Any]:
    one, estimate = eval_sweeps.row(run), eval_sweeps.as_estimate(run)
    p_adjusted, took = one.get("p_adjusted"), one.get("took_s")
    flips = (one.get("flips") or {}).get(one.get("baseline_run_id"))
    return {
        "Candidate": estimate["slice"],
        "Verdict": one.get("verdict") or "unjudged",
        "Mean": verdicts.score(estimate, "candidate"),
        "Difference": verdicts.gain(estimate),
        "Interval": verdicts.interval(estimate),
        "p (Holm)": formats.MISSING if p_adjusted is None else f"{p_adjusted:.2g}",
        "− / +": f"{flips['to_fail']} / {flips['to_pass']}" if flips else formats.MISSING,
        "Took": formats.MISSING if took is None else formats.duration(took * 1000),
        "Kept answers": one.get("kept_count"),
        "Tokens out": one.get("output_tokens"),
        "Cases": run["case_count"],
    }


def _matrix(scope: Scope, runs: Sequence[Run]) -> None:
    if not runs or len(runs) > _MOST_IN_MATRIX:
        return

    def open_pair(mark: Mapping[str, Any]) -> Link:
        return links.to_pair(scope, mark["passing"], mark["failing"])

    flips = eval_sweeps.flips(runs, _baseline_name(eval_sweeps.baseline(runs)))
    told = any(count is not None for counts in flips.counts for count in counts)
    if not told:
        return
    with st.container(border=True):
        st.subheader("Flips between any two", anchor=False)
        st.caption(
            "Cases that pass under the row and fail under the column, whose number is that of its "
            "row. A click on a cell shows them."
        )
        name = picks.stamped("matrix", flips.counts)
        st.altair_chart(
            eval_rate_charts.matrix(flips),
            key=picks.fresh_key(name),
            on_select=picks.follower(name, _picked, open_pair),
            alt="Flips between any two runs of the sweep",
        )
        with st.expander("As a table"):
            st.table(_cells(flips), border="horizontal", hide_index=True)


def _cells(flips: eval_sweeps.Flips) -> list[dict[str, str]]:
    return [
        {"Passes under": formats.plain(f"{number} {name}")}
        | {
            str(at): "·" if at == number else formats.MISSING if count is None else str(count)
            for at, count in enumerate(counts)
        }
        for number, (name, counts) in enumerate(zip(flips.names, flips.counts, strict=True))
    ]


def _baseline_name(run_id: str | None) -> str:
    found = eval_queries.summary(run_id) if run_id else None
    return f"{found['run']['model']} (baseline)" if found else "the baseline"


def _picked(selection: Mapping[str, Any]) -> Mapping[str, Any] | None:
    marks = selection.get(PICK)
    return marks[0] if marks else None
