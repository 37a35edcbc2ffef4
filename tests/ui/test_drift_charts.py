"""The map of evidence, in words and in a picture, and the words for states and windows."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from headway_ui import drift_charts, drift_words
from headway_ui.commands import APP
from tests.ui.drift_answers import (
    BUCKETS,
    CELL,
    HEAT,
    Collector,
    click,
    job,
    serving,
    words_of,
)


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    answers = Collector()
    with serving(answers) as url:
        monkeypatch.setenv("HEADWAY_URL", url)
        yield answers
    st.cache_data.clear()


@pytest.fixture
def open_page(collector: Collector) -> Callable[..., AppTest]:
    def run(**query: str) -> AppTest:
        page = AppTest.from_file(str(APP), default_timeout=60).switch_page("views/drift.py")
        for name, value in {"project": "shop", **query}.items():
            page.query_params[name] = value
        return page.run()

    return run


def test_a_map_is_asked_for_and_drawn_with_a_word_in_each_cell(
    collector: Collector, open_page: Callable[..., AppTest]
) -> None:
    collector.job = job("running", kind="heatmap", stage="columns", total=4)
    page = click(open_page(range="all"), "Draw the map")
    assert collector.sent[0][:3] == ("POST", "/v1/drift/heatmap", "shop")
    assert collector.sent[0][3]["bucket"] == "day"
    assert collector.sent[0][3]["baseline"] is None

    collector.job = job("done", kind="heatmap", result=HEAT)
    page.run()

    assert "1 metric drifted, the first on 13 Nov 2026: answer_chars." in words_of(page)
    table = page.dataframe[0].value
    assert set(table["Metric"]) == {"answer_chars"}
    assert set(table["State"]) == {"no drift", "drift", "not enough data", "baseline"}
    assert page.get("vega_lite_chart") or page.get("arrow_vega_lite_chart")

    page.toggle[0].set_value(False).run()

    assert "failed" in set(page.dataframe[0].value["State"])


def test_a_window_survives_its_way_through_a_url() -> None:
    window = {"start": ["-7d"], "tag": ["kind:a&b=c", "ü"], "end": [""]}

    assert drift_words.read_window(drift_words.window_text(window)) == {
        "start": ["-7d"],
        "tag": ["kind:a&b=c", "ü"],
    }


def test_a_state_is_never_told_by_colour_alone() -> None:
    for state in (*drift_words.STATES, "something_new"):
        badge = drift_words.badge(state)

        assert state.replace("_", " ") in badge.replace("\\", "")
        assert ":material/" in badge


def test_every_cell_of_the_picture_has_its_word() -> None:
    rows = drift_charts.to_rows(HEAT)
    spec = drift_charts.heat_map(rows, ["is_json", "answer_chars"]).to_dict()

    assert len(rows) == len(HEAT["cells"]) + 2 * 2
    assert {row["word"] for row in rows} == {"drift", "ok", "few", "same", "fault", "base"}
    assert spec["layer"][1]["encoding"]["text"]["field"] == "word"
    assert spec["layer"][0]["encoding"]["y"]["sort"] == ["is_json", "answer_chars"]


def test_a_cell_says_its_evidence_and_where_its_time_ends() -> None:
    row = next(row for row in drift_charts.to_rows(HEAT) if row["state"] == "drift")

    assert row["text"] == "median 10 → median 5, effect 0.5, q 0.01, 170 against 340 calls"
    assert (row["time"], row["end"]) == ("2026-11-13T00:00:00Z", "2026-11-14T00:00:00Z")
    assert drift_charts.to_rows(HEAT)[-1]["word"] == "base"


def test_the_baseline_is_the_one_told_else_the_first_third() -> None:
    told = {"start": BUCKETS[1], "end": BUCKETS[2]}

    assert drift_charts.baseline_of(HEAT) == (BUCKETS[0], BUCKETS[2])
    assert drift_charts.baseline_of({**HEAT, "baseline": told}) == (BUCKETS[1], BUCKETS[2])


def test_a_map_without_calls_is_said() -> None:
    nothing: dict[str, Any] = {"buckets": [], "metrics": [], "cells": []}

    assert drift_charts.to_rows(nothing) == []
    assert "no calls outside of the baseline" in drift_charts.takeaway(nothing)
    assert drift_charts.baseline_of(nothing) is None


def test_a_clicked_cell_is_compared_with_the_baseline(collector: Collector) -> None:
    collector.is_kept = True
    page = AppTest.from_file(str(APP), default_timeout=60).switch_page("views/drift.py")
    # What the callback of a click leaves behind; a picture cannot be clicked here.
    page.query_params["project"] = "shop"
    page.query_params["reference"] = "start=2026-11-10T00:00:00Z&end=2026-11-12T00:00:00Z"
    page.query_params["current"] = "start=2026-11-13T00:00:00Z&end=2026-11-14T00:00:00Z"
    page.session_state["drift_wanted"] = True

    page.run()

    assert collector.sent[0][3]["current"] == {
        "start": ["2026-11-13T00:00:00Z"],
        "end": ["2026-11-14T00:00:00Z"],
    }
    assert page.query_params["card"] == "c0ffee"


def test_too_few_calls_are_not_called_alike() -> None:
    def said(*states: str) -> str:
        cells = [{**CELL, "metric": "m", "time": BUCKETS[2], "state": state} for state in states]
        return drift_charts.takeaway({**HEAT, "cells": cells})

    assert said("no_drift", "not_enough_data") == (
        "No drift in 1 cell; 1 cell had too few calls to tell."
    )
    assert said("identical", "not_enough_data") == "It cannot be told: 1 cell had too few calls."
