"""The Drift page over a small collector that answers as the real one does: all of a card."""

from collections.abc import Callable
from dataclasses import replace
from urllib.parse import parse_qs

from streamlit.testing.v1 import AppTest

from headway_measures.drift import results
from headway_measures.drift.card_json import encode_card
from headway_ui import queries
from tests.ui.drift_answers import (
    CARD,
    EVIDENCE,
    FINDING,
    KEPT,
    PROMPT,
    REFUSALS,
    Collector,
    click,
    job,
    words_of,
)


def test_without_calls_the_page_says_how_to_log_one(
    collector: Collector, open_page: Callable[..., AppTest]
) -> None:
    collector.has_spans = False

    assert "Nothing has been logged here yet" in words_of(open_page())


def test_without_comparisons_the_page_shows_the_command(open_page: Callable[..., AppTest]) -> None:
    words = words_of(open_page(range="all"))

    assert "No windows have been compared yet" in words
    assert "headway drift --ref 'start=-14d&end=-7d' --cur 'start=-7d'" in words


def test_two_windows_of_a_link_stand_in_the_form_and_are_compared(
    collector: Collector, open_page: Callable[..., AppTest]
) -> None:
    collector.job = job("running", stage="columns", done=3, total=12)
    page = open_page(
        reference="start=-14d&end=-7d&request_model=v2&user_id=u1", current="start=-7d"
    )
    windows = [each for each in page.text_input if each.label in ("From", "Until")]
    assert [each.value for each in windows] == ["-14d", "-7d", "-7d", ""]
    assert "And user_id u1" in words_of(page)

    page = click(page, "Compare")

    assert collector.sent == [
        (
            "POST",
            "/v1/drift",
            "shop",
            {
                "reference": {
                    "user_id": ["u1"], "start": ["-14d"], "end": ["-7d"], "request_model": ["v2"],
                },
                "current": {"start": ["-7d"]},
                "filters": {},
                "options": {},
            },
        )
    ]  # fmt: skip
    assert page.query_params["job"] == "j1"
    assert page.query_params["current"] == "start=-7d"


def test_options_that_were_changed_go_along(
    collector: Collector, open_page: Callable[..., AppTest]
) -> None:
    collector.is_kept = True
    page = open_page(reference="start=-14d&end=-7d", current="start=-7d")
    by_label = {each.label: each for each in page.selectbox}
    by_label["Pair calls with the same prompt"].set_value("never")
    by_label["Independent of each other are"].set_value("users")
    page.number_input[0].set_value(1.0)
    (fields,) = [each for each in page.multiselect if each.label == "Also look for whom by"]
    fields.set_value(["user_id"])

    click(page, "Compare")

    assert collector.sent[0][3]["options"] == {
        "pair": "never", "unit": "user", "alpha": 0.01, "segment_by": ["user_id"],
    }  # fmt: skip


def test_without_a_link_the_halves_of_the_data_are_compared(
    collector: Collector, open_page: Callable[..., AppTest]
) -> None:
    collector.is_kept = True

    page = click(open_page(range="all"), "Compare")

    sent = collector.sent[0][3]
    assert sent["reference"] == {"start": ["2026-11-10T00:00:00Z"], "end": ["2026-11-16T12:00:00Z"]}
    assert sent["current"] == {"start": ["2026-11-16T12:00:00Z"], "end": ["2026-11-23T00:00:01Z"]}
    assert page.query_params["card"] == "c0ffee"
    assert "Drift: answers got shorter." in words_of(page)


def test_without_a_project_the_windows_are_of_all_of_them(
    collector: Collector, open_page: Callable[..., AppTest]
) -> None:
    collector.is_kept = True

    click(open_page(project="", reference="start=-9d&end=-7d", current="start=-7d"), "Compare")

    assert collector.sent[0][2] is None
    assert collector.sent[0][3]["reference"] == {"project": [], "start": ["-9d"], "end": ["-7d"]}


def test_a_refusal_is_said_beside_the_form(
    collector: Collector, open_page: Callable[..., AppTest]
) -> None:
    collector.refusal = "start is 'noon', which is no time"

    page = click(open_page(reference="start=noon", current="start=-7d"), "Compare")

    assert "which is no time" in page.error[0].value
    assert page.text_input[0].value == "noon"


def test_a_job_says_how_far_it_is_and_leads_to_its_card(
    collector: Collector, open_page: Callable[..., AppTest]
) -> None:
    collector.job = job("running", stage="columns", done=3, total=12)
    page = open_page(job="j1", reference="start=-14d", current="start=-7d")
    progress = page.get("progress")[0].proto
    assert (progress.value, progress.text) == (25, "Comparing columns, 3 of 12")

    collector.job = job("done", result={"card_id": "c0ffee"})
    page.run()

    assert page.query_params["card"] == "c0ffee"
    assert "job" not in page.query_params
    assert "Drift: answers got shorter." in words_of(page)


def test_a_job_can_be_cancelled(collector: Collector, open_page: Callable[..., AppTest]) -> None:
    collector.job = job("queued")

    page = click(open_page(job="j1"), "Cancel")

    assert collector.sent == [("DELETE", "/v1/jobs/j1", None, None)]
    assert "was cancelled" in page.info[0].value


def test_a_failed_job_says_why(collector: Collector, open_page: Callable[..., AppTest]) -> None:
    collector.job = job("failed", error="the process ended")

    assert "The job failed: the process ended" in words_of(open_page(job="j1"))


def test_a_card_says_all_that_was_found(open_page: Callable[..., AppTest]) -> None:
    words = words_of(open_page(card="c0ffee"))

    assert ":red-badge[:material/change_circle: drift]" in words
    assert "**Reference:** model v2, until 22 Nov 2026, 12:00 UTC, 400 calls" in words
    for said in (
        FINDING.sentence,
        "**median 48 chars**",
        "distance in standard deviations 0.84 (0.7 to 0.98)",
        "since about 22 Nov 2026, 12:00 UTC (95 % between 21 Nov 2026",
        "model v3 came at 22 Nov 2026, 12:00 UTC: 0 % → 60.0 % of the calls",
        "tag kind:refund",
        "−290 (−310 to −270)",
        "sorry *",
        "5 calls were not described.",
        "headway drift --replay c0ffee",
    ):
        assert said in words
    (tests,) = [grid.value for grid in open_page(card="c0ffee").dataframe]
    assert list(tests["State"])[1] == ["not enough data"]
    assert list(tests["Needs a side"]) == ["–", "642"]
    assert "+10.0 points" in tests["Effect"][1]


def test_examples_stand_side_by_side_and_are_never_markup(
    open_page: Callable[..., AppTest],
) -> None:
    page = open_page(card="c0ffee")
    blocks = [each.proto.body for each in page.get("html")]

    assert len(blocks) == 3
    assert "<mark" in blocks[0]
    assert "&lt;" in blocks[1]
    assert "<b>" not in "".join(blocks)
    assert PROMPT in [each.value for each in page.text]
    assert "No such call." in words_of(page)


def test_a_finding_leads_to_its_calls_in_its_time(open_page: Callable[..., AppTest]) -> None:
    page = open_page(card="c0ffee")

    (link,) = [
        each.proto for each in page.get("page_link") if each.proto.label == "The calls it speaks of"
    ]
    query = parse_qs(link.query_string)
    assert query["tag"] == ["kind:refund"]
    assert (query["from"], query["until"]) == (["2026-11-22T12:00:00Z"], ["2026-11-23T12:00:00Z"])
    assert query["project"] == ["shop"]
    assert "model" not in query
    assert "Traces cannot narrow by model." in words_of(page)
    assert query["show"] == ["All spans"]


def test_a_card_can_be_taken_along_in_every_form(
    collector: Collector, open_page: Callable[..., AppTest]
) -> None:
    page = open_page(card="c0ffee")

    labels = [each.proto.label for each in page.get("download_button")]
    assert labels == ["JSON", "Markdown", "HTML"]
    assert queries.drift_card_as("c0ffee", "json") == encode_card(CARD)
    assert queries.drift_card_as("c0ffee", "html") == b"a html file"


def test_a_card_without_findings_shows_what_was_looked_at(
    collector: Collector, open_page: Callable[..., AppTest]
) -> None:
    nan = results.Effect("auc", float("nan"), None, None, 0.52)
    tests = (replace(REFUSALS, effects=(nan,)), replace(EVIDENCE, state="identical", effects=()))
    collector.card = replace(CARD, verdict="no_drift", findings=(), tests=tests)

    page = open_page(card="c0ffee")

    assert "no drift" in words_of(page)
    assert list(page.dataframe[0].value["Effect"]) == ["told apart (AUC) –"]


def test_a_card_that_is_gone_is_said(open_page: Callable[..., AppTest]) -> None:
    assert "There is no card gone." in words_of(open_page(card="gone"))


def test_kept_comparisons_lead_to_their_cards(
    collector: Collector, open_page: Callable[..., AppTest]
) -> None:
    collector.kept = [KEPT]

    page = open_page()

    assert (
        "1 finding · reference model v2, until 22 Nov 2026, 12:00 UTC · current from 22 Nov"
        in words_of(page)
    )
    (link,) = [each.proto for each in page.get("page_link") if "Card of" in each.proto.label]
    query = parse_qs(link.query_string)
    assert query["card"] == ["c0ffee"]
    assert query["reference"] == ["request_model=v2&end=2026-11-22T12:00:00Z"]
