"""The page of a run: what one model answered on one suite, in all, by scorer, tag and case."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from headway_ui import (
    empty_states,
    eval_queries,
    eval_rate_charts,
    eval_results,
    eval_words,
    formats,
    links,
    picks,
    verdicts,
)
from headway_ui.charts import PICK
from headway_ui.scopes import Scope

_MOST_TAGS = 30

Rate = Mapping[str, Any]


def draw(scope: Scope, run_id: str) -> None:
    """Draw the page of one run."""
    links.draw(links.to_evals(scope), "Evals", ":material/arrow_back:")
    answer = eval_queries.summary(run_id)
    if answer is None:
        st.title("Run", anchor=False)
        empty_states.not_found("run", run_id)
        return
    run, rates = answer["run"], answer["rates"]
    _head(scope, run, rates, answer["outcomes"])
    _rates(rates)
    eval_results.draw(scope, run, rates)


def _head(
    scope: Scope, run: Mapping[str, Any], rates: Sequence[Rate], outcomes: Mapping[str, int]
) -> None:
    st.title(formats.plain(f"{run['model']} on {run['suite']}"), anchor=False)
    facts = [
        f"version {run['suite_version']}",
        f"model digest {str(run['model_digest'])[:16]}" if run["model_digest"] else "",
        formats.when(run["started_at"]),
        f"took {eval_words.took(run)}" if run["ended_at"] else "",
        f"run {run['run_id']}",
    ]
    st.caption(formats.plain(" · ".join(filter(None, facts))))
    for one in rates:
        if one["part"] == "all":
            st.markdown(f"#### Passed {formats.plain(eval_words.rate(one))}")
    for said in (eval_words.unjudged(outcomes), *eval_words.notes(run)):
        if said:
            st.caption(formats.plain(said))
    with st.container(horizontal=True, gap="small"):
        links.draw(
            links.to_suite(scope, run["suite"]), "All runs of this suite", ":material/timeline:"
        )
        sweep_id = run["settings"].get("sweep_id")
        if isinstance(sweep_id, str):
            links.draw(links.to_sweep(scope, sweep_id), "Its sweep", ":material/table_rows:")
    for comparison in eval_queries.verdicts_on(run["run_id"]):
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.markdown(verdicts.badge(comparison["verdict"]), width="content")
            link = links.to_comparison(scope, comparison["comparison_id"])
            links.draw(link, formats.plain(verdicts.title(comparison)))
    with st.expander("Settings and environment"):
        st.json({"settings": run["settings"], "environment": run["environment"]})


def _rates(rates: Sequence[Rate]) -> None:
    scorers = [one for one in rates if one["part"] == "scorer"]
    tags = sorted((one for one in rates if one["part"] == "tag"), key=lambda one: one["rate"])
    titles = (("Pass rate by scorer", scorers), ("Pass rate by tag, the lowest first", tags))
    parts = [(title, chosen) for title, chosen in titles if chosen]
    if not parts:
        return
    for column, (title, chosen) in zip(st.columns(len(parts), gap="small"), parts, strict=True):
        with column, st.container(border=True, height="stretch"):
            _rate_card(title, chosen)


def _rate_card(title: str, chosen: Sequence[Rate]) -> None:
    def narrow(mark: Mapping[str, Any]) -> None:
        eval_results.narrow(mark["part"], mark["name"])

    st.markdown(f"**{title}**")
    drawn = eval_rate_charts.to_rows(chosen[:_MOST_TAGS])
    worst = min(drawn, key=lambda row: row["rate"])
    st.caption(
        formats.plain(f"Lowest is {worst['label']} with {worst['text']}. ")
        + "The line is the 95 % interval; a click on a mark shows what failed."
    )
    name = picks.stamped(f"rates_{drawn[0]['part']}", drawn)
    st.altair_chart(
        eval_rate_charts.rates(drawn),
        key=picks.fresh_key(name),
        on_select=picks.follower(name, _picked, narrow),
        alt=f"{title}; lowest is {worst['label']} with {worst['text']}",
    )
    with st.expander("As a table"):
        st.table(
            [{"Of": formats.plain(row["label"]), "Passed": row["text"]} for row in drawn],
            border="horizontal",
            hide_index=True,
        )
    if len(chosen) > _MOST_TAGS:
        st.caption(f"Drawn are {_MOST_TAGS} of {formats.count(len(chosen))}.")


def _picked(selection: Mapping[str, Any]) -> Mapping[str, Any] | None:
    marks = selection.get(PICK)
    return marks[0] if marks else None
