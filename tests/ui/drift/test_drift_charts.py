"""The map of evidence, in words and in a picture, and the words for states and windows."""

from collections.abc import Callable
from typing import Any

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
    words_of,
)


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

    assert "1 metric drifted: from 13 Nov 2026 length of answers." in words_of(page)
    table = page.dataframe[0].value
    assert set(table["Metric"]) == {"length of answers"}
    assert set(table["State"]) == {"no drift", "drift", "not enough data", "baseline"}
    assert page.get("vega_lite_chart") or page.get("arrow_vega_lite_chart")

    page.toggle[0].set_value(False).run()

    assert "failed" in set(page.dataframe[0].value["State"])


def test_a_map_has_the_baseline_that_was_chosen(
    collector: Collector, open_page: Callable[..., AppTest]
) -> None:
    collector.job = job("done", kind="heatmap", result=HEAT)
    page = open_page(range="all")
    for each in page.text_input:
        if each.label.startswith("Baseline"):
            each.set_value("-14d" if each.label.endswith("from") else "-9d")

    click(page, "Draw the map")

    assert collector.sent[0][3]["baseline"] == {"start": "-14d", "end": "-9d"}


def test_a_baseline_that_is_none_is_said(
    collector: Collector, open_page: Callable[..., AppTest]
) -> None:
    collector.refusal = "baseline.end is 'noon', which is no time"

    assert "which is no time" in click(open_page(range="all"), "Draw the map").error[0].value


def test_a_window_survives_its_way_through_a_url() -> None:
    window = {"start": ["-7d"], "tag": ["kind:a&b=c", "ü"], "end": [""]}

    assert drift_words.read_window(drift_words.window_text(window)) == {
        "start": ["-7d"],
        "tag": ["kind:a&b=c", "ü"],
    }


def test_names_of_metrics_and_groups_are_words() -> None:
    labels = {"is_json": "answers that are JSON"}
    said = [
        drift_words.heading(name, labels)
        for name in ("is_json", "is_json:missing", "tag:kind", "score:good", "own_count")
    ]

    assert said == [
        "Answers that are JSON",
        "Calls without answers that are JSON",
        "Tags kind",
        "Score good",
        "own_count",
    ]
    assert drift_words.group("kind:*", "refund") == "tag kind:refund"
    assert drift_words.group("request_model", "v3") == "model v3"
    assert drift_words.listed(["a", "b", "c", "d", "e"], 3) == "a, b and 3 more"


def test_what_goes_for_every_comparison_is_not_told_of_windows() -> None:
    one = {"kind": ["llm"], "project": ["shop"], "start": ["-7d"]}

    assert drift_words.windows(one, {**one, "start": ["-1d"]}) == ("from -7d", "from -1d")
    assert "project bar" in drift_words.windows(one, {**one, "project": ["bar"]})[1]


def test_a_change_in_a_gap_has_both_ends_and_no_moment() -> None:
    change = {"start_ns": 0, "lower_ns": 0, "upper_ns": 86_400 * 10**9, "confidence": 0.95}

    told = drift_words.since({**change, "note": "between the windows"})

    assert told.startswith("most likely between the windows, after 1 Jan 1970")
    assert told.endswith("and before 2 Jan 1970, 00:00 UTC")


def test_a_state_is_never_told_by_colour_alone() -> None:
    for state in (*drift_words.STATES, "something_new"):
        badge = drift_words.badge(state)

        assert state.replace("_", " ") in badge.replace("\\", "")
        assert ":material/" in badge


def test_every_cell_of_the_picture_has_its_word() -> None:
    rows = drift_charts.to_rows(HEAT)
    spec = drift_charts.heat_map(rows, ["answers that are JSON", "length of answers"]).to_dict()

    assert len(rows) == len(HEAT["cells"]) + 2 * 2
    assert {row["word"] for row in rows} == {"drift", "ok", "few", "same", "fault", "base"}
    assert "datum.sign : datum.word" in spec["layer"][1]["mark"]["text"]["expr"]
    assert "tooltip" not in spec["layer"][1]["encoding"]  # or the word would take its cell's clicks
    assert len({row["sign"] for row in rows}) == 6
    assert spec["layer"][0]["encoding"]["y"]["sort"] == [
        "answers that are JSON",
        "length of answers",
    ]


def test_what_began_on_one_day_is_told_together() -> None:
    names = ["answer_chars", "is_json", "score:good", "tag:kind", "mine", "his"]
    began = dict(zip(names, [2, 2, 3, 4, 3, 5], strict=True))
    heat = {
        **HEAT,
        "metrics": [{"name": name, "label": name, "side": "answer"} for name in names],
        "cells": [
            {**CELL, "metric": name, "time": time, "state": "drift"}
            for name, first in began.items()
            for time in BUCKETS[first:]
        ],
    }

    assert drift_charts.takeaway(heat) == (
        "6 metrics drifted: from 12 Nov 2026 answer_chars and is_json; "
        "from 13 Nov 2026 score good and mine; from 14 Nov 2026 tag:kind; 1 more at other times."
    )


def test_two_metrics_of_one_name_have_a_row_each() -> None:
    metrics = [{"name": name, "label": "length", "side": "answer"} for name in ("a", "b")]

    assert drift_charts.labels_of({"metrics": metrics}) == {"a": "length (a)", "b": "length (b)"}


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
    assert said("identical", "not_enough_data") == (
        "It cannot be told: 1 cell had too few calls. No column has more than 170 calls: "
        "choose longer ones."
    )


def test_what_never_differs_is_named_and_not_drawn() -> None:
    cells = [{**CELL, "metric": "is_json", "time": BUCKETS[3], "state": "identical"}]
    moving = {**CELL, "metric": "answer_chars", "time": BUCKETS[3], "state": "no_drift"}
    heat = {**HEAT, "cells": [*cells, moving]}

    assert drift_charts.unchanged(heat) == ["answers that are JSON"]
    assert {row["name"] for row in drift_charts.to_rows(heat)} == {"answer_chars"}
    assert drift_charts.unchanged(HEAT) == []


def test_where_cells_are_too_narrow_for_words_a_drift_keeps_its_sign() -> None:
    rows = drift_charts.to_rows(HEAT)
    words = drift_charts.heat_map(rows, ["length of answers"]).to_dict()["layer"][1]

    assert "bandwidth('x') < 8 ? (datum.state == 'drift'" in words["mark"]["text"]["expr"]
