"""Jobs as the Drift page tells of them: their states, and what goes wrong on the way."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from tests.ui.drift_answers import (
    CARD,
    EVIDENCE,
    FINDING,
    Collector,
    click,
    job,
    words_of,
)

SCORE = replace(EVIDENCE, metric="score:helpful", side="score", state="no_drift")


def progress_of(page: AppTest) -> str:
    return str(page.get("progress")[0].proto.text)


def test_a_waiting_job_says_behind_how_many(
    collector: Collector, open_page: Callable[..., AppTest]
) -> None:
    collector.job = job("queued")
    earlier, later = "2026-11-22T11:00:00Z", "2026-11-22T13:00:00Z"
    collector.jobs = [
        job("queued", created_at=later),
        collector.job,
        job("queued", created_at=earlier),
        job("running", created_at=earlier),
        job("done", created_at=earlier),
    ]

    assert progress_of(open_page(job="j1")) == "Waiting for its turn, behind 2 other jobs"


@pytest.mark.parametrize("stage", ["", "starting"])
def test_a_job_between_its_stages_is_told_in_words(
    collector: Collector, open_page: Callable[..., AppTest], stage: str
) -> None:
    collector.job = job("running", stage=stage)

    assert progress_of(open_page(job="j1")) == "Starting to compute"


def test_a_collector_that_goes_away_is_told_and_asked_again(
    collector: Collector, open_page: Callable[..., AppTest]
) -> None:
    collector.is_away = True
    page = open_page(job="j1")
    assert "The collector does not answer." in words_of(page)

    collector.is_away, collector.job = False, job("running", stage="columns")
    page.run()

    assert progress_of(page) == "Comparing columns"
    assert not page.warning


@pytest.mark.parametrize("status", [400, 422, 429, 503])
def test_what_the_collector_would_not_do_is_said_beside_the_form(
    collector: Collector, open_page: Callable[..., AppTest], status: int
) -> None:
    collector.refusal, collector.refused_with = "64 jobs wait: try again later", status

    page = click(open_page(reference="start=-14d&end=-7d", current="start=-7d"), "Compare")
    assert "64 jobs wait" in page.error[0].value
    assert [each for each in page.button if each.label == "Compare"]

    page = click(open_page(), "Draw the map")
    assert "64 jobs wait" in page.error[0].value


@pytest.mark.parametrize(
    ("result", "said"),
    [
        (
            {"is_same": True, "differs": [], "changes": []},
            "Computed again, it is the same card, byte for byte.",
        ),
        (
            {"is_same": False, "differs": ["data", "versions"], "changes": ["numpy was 1, is 2"]},
            "Computed again, it is not the same card: other calls are in its windows and Headway "
            "or what it computes with has another version.",
        ),
    ],
)
def test_a_card_is_computed_again_and_what_differs_is_told(
    collector: Collector, open_page: Callable[..., AppTest], result: dict[str, Any], said: str
) -> None:
    collector.job = job("done", result=result)

    page = click(open_page(card="c0ffee"), "Compute it again")

    assert collector.sent[0][:2] == ("POST", "/v1/drift/c0ffee/replay")
    assert page.query_params["replay"] == "j1"
    assert said in words_of(page)
    for change in result["changes"]:
        assert change in words_of(page)


def test_own_descriptors_that_fail_are_told_with_their_reason(
    collector: Collector, open_page: Callable[..., AppTest]
) -> None:
    counts = {"calls": 1061, "left_out": 3}
    collector.own = [
        {"name": "tone", "faults": 0, "last_fault": None, **counts},
        {"name": "mood", "faults": 12, "last_fault": "ValueError: no model", **counts},
    ]

    page = open_page()

    (expander,) = [each for each in page.expander if "own" in each.label]
    assert expander.label == "Your own descriptors: 1 of 2 fails"
    (table,) = [each.value for each in page.table]
    assert list(table["Failed"]) == ["0", "12"]
    assert list(table["Last failure"]) == ["", "ValueError\\: no model"]


def test_without_own_descriptors_nothing_is_said_of_them(open_page: Callable[..., AppTest]) -> None:
    assert not [each for each in open_page().expander if "own" in each.label]


def test_of_many_findings_the_first_are_drawn_and_all_are_a_click_away(
    collector: Collector, open_page: Callable[..., AppTest]
) -> None:
    many = tuple(replace(FINDING, sentence=f"Finding number {each};") for each in range(30))
    collector.card = replace(CARD, findings=many)

    page = open_page(card="c0ffee")
    assert "Finding number 7;" in words_of(page)
    assert "Finding number 8;" not in words_of(page)

    assert "Finding number 29;" in words_of(click(page, "Show 22 more findings"))


def test_scores_that_did_not_drift_stand_beside_the_findings(
    collector: Collector, open_page: Callable[..., AppTest]
) -> None:
    assert "These calls have no scores" in words_of(open_page(card="c0ffee"))
    st.cache_data.clear()
    collector.card = replace(CARD, quality=(SCORE,))

    page = open_page(card="c0ffee")

    (scores,) = [each.value for each in page.table if "Score" in each.value]
    assert list(scores["Score"]) == ["Score helpful"]
    assert "no drift" in scores["State"][0]


def test_of_the_tests_the_drifts_stand_first_and_what_is_the_same_in_a_line(
    collector: Collector, open_page: Callable[..., AppTest]
) -> None:
    paired = replace(EVIDENCE, metric="own:Tone", method="signed_rank", is_paired=True, n_cur=400)
    same = replace(EVIDENCE, metric="is_json", state="identical", effects=())
    none = replace(same, metric="tag:kind", n_ref=0, n_cur=0)
    tests = (same, replace(SCORE, q_value=0.4), none, paired)
    collector.card = replace(CARD, tests=tests)

    page = open_page(card="c0ffee")

    (table,) = [each.value for each in page.dataframe]
    assert list(table["Metric"]) == ["Tone", "Score helpful"]
    assert list(table["Test"]) == ["signed ranks, paired", "Kolmogorov–Smirnov"]
    assert list(table["Calls"]) == ["400 pairs", "400 → 380"]
    words = words_of(page)
    assert "The same in both windows (1): answers that are JSON." in words
    assert "No values in either (1): tags kind." in words
