"""The page of any two runs of a suite: the verdict where one is published, the flips in any case.

A verdict takes statistics, and these live where runs are made: the page says by which command.
"""

from collections.abc import Mapping
from typing import Any

import streamlit as st

from headway_ui import (
    cards,
    empty_states,
    eval_flips,
    eval_queries,
    eval_words,
    formats,
    links,
    queries,
    verdicts,
)
from headway_ui.scopes import Scope


def draw(scope: Scope, baseline_id: str, candidate_id: str) -> None:
    """Draw the page of two runs."""
    links.draw(links.to_evals(scope), "Evals", ":material/arrow_back:")
    sides = []
    for run_id in (baseline_id, candidate_id):
        answer = eval_queries.summary(run_id)
        if answer is None:
            st.title("Two runs", anchor=False)
            empty_states.not_found("run", run_id)
            return
        sides.append(answer)
    before, after = (side["run"] for side in sides)
    st.title(formats.plain(f"{after['model']} against {before['model']}"), anchor=False)
    if before["suite"] != after["suite"]:
        st.warning(
            formats.plain(
                f"Only runs of one suite can be compared: the baseline is of {before['suite']}, "
                f"the candidate of {after['suite']}."
            ),
            icon=":material/warning:",
        )
        return
    st.caption(formats.plain(f"Two runs of suite {after['suite']}"))
    if before["suite_version"] != after["suite_version"]:
        st.caption(
            formats.plain(
                f"Their versions differ ({before['suite_version']}, {after['suite_version']}): a "
                "case of both may not be the same."
            )
        )
    with st.container(horizontal=True, gap="large"):
        for noun, side in zip(("Baseline", "Candidate"), sides, strict=True):
            _side(scope, noun, side)
    _verdict(scope, baseline_id, candidate_id)
    found = eval_queries.flips(baseline_id, candidate_id)
    if found is None:
        return
    with st.container(border=True):
        st.subheader("Flipped answers", anchor=False)
        st.caption(eval_words.counts(found))
        if found["flips_to_fail"] + found["flips_to_pass"] > len(found["flips"]):
            st.caption(f"The first {formats.count(len(found['flips']))} can be looked at here.")
        names = (before["model"], after["model"])
        eval_flips.draw(scope, found["flips"], names, (baseline_id, candidate_id))


def _side(scope: Scope, noun: str, side: Mapping[str, Any]) -> None:
    rate = next((one for one in side["rates"] if one["part"] == "all"), None)
    with st.container(gap="xsmall", width="content"):
        cards.fact(f"{noun}, passed", formats.MISSING if rate is None else eval_words.rate(rate))
        run = side["run"]
        links.draw(
            links.to_run(scope, run["run_id"]),
            f":small[{formats.plain(run['model'])}, {formats.when(run['started_at'])}]",
            ":material/checklist:",
        )


def _verdict(scope: Scope, baseline_id: str, candidate_id: str) -> None:
    judged = eval_queries.verdicts_between(baseline_id, candidate_id)
    for comparison in judged:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(verdicts.badge(comparison["verdict"]), width="content")
            link = links.to_comparison(scope, comparison["comparison_id"])
            links.draw(link, "The whole comparison", ":material/arrow_forward:")
        st.markdown(formats.plain(verdicts.sentence(comparison)))
    if not judged:
        st.markdown(
            "**No verdict on these two is published.** This makes one, where the runs were made:"
        )
        url = queries.address().url
        st.code(eval_words.compare_command(baseline_id, candidate_id, url), "bash")
