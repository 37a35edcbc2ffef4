"""The page of a comparison: the verdict, the picture of it, the slices, and the flipped answers."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from headway_ui import (
    cards,
    empty_states,
    eval_charts,
    eval_flips,
    eval_queries,
    eval_words,
    formats,
    links,
    verdicts,
)
from headway_ui.scopes import Scope

Comparison = Mapping[str, Any]


def draw(scope: Scope, comparison_id: str) -> None:
    """Draw the page of one comparison."""
    links.draw(links.to_evals(scope), "Evals", ":material/arrow_back:")
    comparison = eval_queries.comparison(comparison_id)
    if comparison is None:
        st.title("Comparison", anchor=False)
        empty_states.not_found("comparison", comparison_id)
        return
    _head(scope, comparison)
    _cautions(comparison)
    _overall(comparison)
    gates = comparison["overall"].get("gates") or []
    if gates:
        _gates(comparison, gates)
    if comparison["slices"]:
        _slices(comparison, comparison["slices"], "Slices")
    # Those of the first gate are the comparison's own.
    for gate in gates[1:]:
        if gate.get("slices"):
            _slices(
                {**comparison, "overall": gate}, gate["slices"], f"Slices by gate {gate['gate']}"
            )
    _flips(scope, comparison)


def _head(scope: Scope, comparison: Comparison) -> None:
    st.title(formats.plain(verdicts.title(comparison)), anchor=False)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(verdicts.badge(comparison["verdict"]), width="content")
        st.caption(
            formats.plain(
                f"Suite {comparison['suite']}, version {comparison['suite_version']} · "
                f"{formats.when(comparison['created_at'])} · exit code {comparison['exit_code']}: "
                f"{verdicts.exit_code_meaning(comparison['exit_code'])}"
            )
        )
    st.markdown(f"#### {formats.plain(eval_words.headline(comparison))}")
    with st.container(horizontal=True, gap="small"):
        for noun, run_id in (
            ("Run of the baseline", comparison["baseline_run_id"]),
            ("Run of the candidate", comparison["candidate_run_id"]),
        ):
            if run_id:
                links.draw(links.to_run(scope, run_id), noun, ":material/checklist:")
        suite = links.to_suite(scope, comparison["suite"])
        links.draw(suite, "All runs of this suite", ":material/timeline:")


def _cautions(comparison: Comparison) -> None:
    overall = comparison["overall"]
    for case_id in overall.get("must_pass") or ():
        st.error(
            formats.plain(f"Case {case_id} must pass: it does for the baseline, and fails now."),
            icon=":material/priority_high:",
        )
    for warning in overall.get("warnings") or ():
        st.warning(formats.plain(warning), icon=":material/warning:")


def _gates(comparison: Comparison, gates: Sequence[Mapping[str, Any]]) -> None:
    with st.container(border=True):
        st.subheader("Gates", anchor=False)
        st.caption(
            "All have to pass. The first leads: flips and slices are its own. p is corrected "
            "after Holm for the number of gates."
        )
        st.table(
            [
                {
                    "Gate": formats.plain(each["gate"]),
                    "Scorer": formats.plain(each.get("scorer") or formats.MISSING),
                    "Verdict": verdicts.badge(each["verdict"]),
                    "What it says": formats.plain(eval_words.gate(each)),
                }
                for each in gates
            ],
            border="horizontal",
            hide_index=True,
            alt="The gates with their verdicts",
        )
        if len({verdicts.is_share(each) for each in gates}) == 1:
            # Gates of different margins have no common margin line: each is told in the table.
            margins = {each.get("margin", comparison["margin"]) for each in gates}
            if len(margins) == 1:
                st.altair_chart(
                    eval_charts.forest(
                        eval_charts.to_rows(gates, label="gate"),
                        margins.pop() or 0.0,
                        is_share=verdicts.is_share(gates[0]),
                    ),
                    alt="The gates with their intervals",
                )


def _overall(comparison: Comparison) -> None:
    overall = comparison["overall"]
    with st.container(border=True):
        st.subheader("Overall", anchor=False)
        with st.container(horizontal=True, gap="medium"):
            cards.fact("Baseline", verdicts.score(overall, "baseline"))
            cards.fact("Candidate", verdicts.score(overall, "candidate"))
            cards.fact("Difference", verdicts.gain(overall))
            cards.fact(f"{_confidence(comparison)} interval", verdicts.interval(overall))
            cards.fact("Margin", verdicts.margin(comparison))
            cards.fact("Cases", formats.count(overall["n"]))
            cards.fact("Flips to fail", formats.count(overall["flips_to_fail"]))
            cards.fact("Flips to pass", formats.count(overall["flips_to_pass"]))
        rows = eval_charts.to_rows([overall])
        st.altair_chart(
            eval_charts.forest(
                rows, comparison["margin"] or 0.0, is_share=verdicts.is_share(overall)
            ),
            alt=f"The difference with its interval: {verdicts.estimate(overall)}",
        )
        st.caption(
            "The line is the interval of the difference. Right of the dashed margin nothing is "
            "lost that matters; an interval wholly left of zero is a regression."
        )


def _slices(comparison: Comparison, found: Sequence[Mapping[str, Any]], title: str) -> None:
    slices = sorted(found, key=lambda each: each["difference"] or 0.0)
    regressed = [each["slice"] for each in slices if each["verdict"] == "regressed"]
    with st.container(border=True):
        st.subheader(formats.plain(title), anchor=False)
        st.caption(
            formats.plain(
                f"{len(regressed)} of {formats.plural(len(slices), 'slice')} regressed"
                + (f": {', '.join(regressed)}." if regressed else ".")
                + " The q-value is the p-value corrected for looking at so many slices."
            )
        )
        rows = eval_charts.to_rows(slices)
        st.altair_chart(
            eval_charts.forest(
                rows,
                comparison["overall"].get("margin", comparison["margin"]) or 0.0,
                is_share=verdicts.is_share(comparison["overall"]),
            ),
            alt=f"The slices with their intervals; {len(regressed)} regressed",
        )
        st.table(
            [_slice_row(each) for each in slices],
            border="horizontal",
            hide_index=True,
            alt="The slices with their verdicts and q-values",
        )


def _slice_row(one: Mapping[str, Any]) -> dict[str, str]:
    return {
        "Slice": formats.plain(one["slice"]),
        "Verdict": verdicts.badge(one["verdict"]),
        "Cases": formats.count(one["n"]),
        "Baseline": verdicts.score(one, "baseline"),
        "Candidate": verdicts.score(one, "candidate"),
        "Difference": verdicts.gain(one),
        "Interval": verdicts.interval(one),
        "q-value": formats.MISSING if one["q_value"] is None else f"{one['q_value']:.2g}",
    }


def _flips(scope: Scope, comparison: Comparison) -> None:
    with st.container(border=True):
        st.subheader("Flipped answers", anchor=False)
        names = (
            comparison["baseline_model"] or "the baseline",
            comparison["candidate_model"] or "the candidate",
        )
        run_ids = (comparison["baseline_run_id"], comparison["candidate_run_id"])
        eval_flips.draw(scope, comparison["flips"], names, run_ids)


def _confidence(comparison: Comparison) -> str:
    return "The" if comparison["alpha"] is None else f"{(1 - comparison['alpha']) * 100:.0f} %"
