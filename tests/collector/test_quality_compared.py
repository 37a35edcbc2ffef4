"""Two cohorts of scores compared, and two scores of the same calls, asked of a real collector."""

import json
from typing import Any

import pytest
from starlette.testclient import TestClient

from headway_collector.store.connections import Store
from headway_collector.store.filters import SpanFilters
from headway_collector.store.quality import Judge, read_pairs
from tests.collector.score_worlds import Ingest, Lines, Log, make_log, span_id


@pytest.fixture
def log(ingest: Ingest, span_line: Lines, score_line: Lines) -> Log:
    """Log one call with its scores."""
    return make_log(ingest, span_line, score_line)


def compare(client: TestClient, **body: Any) -> Any:
    answer = client.post("/v1/quality/cohorts", json={"score": "helpful", **body})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_versions_are_compared_with_the_difference_its_interval_and_what_is_needed(
    client: TestClient, log: Log
) -> None:
    for place in range(40):
        log(scores={"helpful": place % 10 > 0}, prompt_version="v1", input=f"a{place}")
        log(scores={"helpful": place % 10 > 2}, prompt_version="v2", input=f"b{place}")
    found = compare(client, reference={"prompt_version": ["v1"]}, current={"prompt_version": "v2"})

    assert (found["is_paired"], found["pairs"], found["is_rate"]) == (False, 0, True)
    assert (found["reference"]["mean"], found["current"]["mean"]) == (0.9, 0.7)
    assert found["difference"] == pytest.approx(-0.2)
    assert found["lower"] < -0.2 < found["upper"] < 0
    assert found["p_value"] < 0.05
    assert found["needs_n"] is None


def test_the_same_prompts_are_paired_and_show_more(client: TestClient, log: Log) -> None:
    for place in range(40):
        log(scores={"helpful": place % 2 > 0}, prompt_version="v1", input=f"q{place}")
        log(scores={"helpful": place % 2 > 0 or place < 12}, prompt_version="v2", input=f"q{place}")
    found = compare(
        client, reference={"prompt_version": ["v1"]}, current={"prompt_version": ["v2"]}
    )

    assert (found["is_paired"], found["pairs"]) == (True, 40)
    assert found["difference"] == pytest.approx(0.15)
    assert found["p_value"] == pytest.approx(1 / 64)  # McNemar's mid-p of six flips one way
    assert found["lower"] > 0


def test_a_small_difference_says_how_many_scores_would_show_it(
    client: TestClient, log: Log
) -> None:
    for place in range(20):
        log(scores={"helpful": place % 2 > 0}, prompt_version="v1")
        log(scores={"helpful": place < 11}, prompt_version="v2")
    found = compare(client, reference={"prompt_version": "v1"}, current={"prompt_version": "v2"})

    assert not found["is_paired"]  # nothing is known of what was asked
    assert found["lower"] < 0 < found["upper"]
    assert found["needs_n"] == pytest.approx(1567, rel=0.02)


def test_filters_of_both_hold_where_a_cohort_says_nothing_else(
    client: TestClient, log: Log
) -> None:
    for model in ("a", "b"):
        for project in ("p", "q"):
            log(project, {"helpful": True}, request_model=model, environment="live")
            log(project, {"helpful": True}, request_model=model)
    sides = {"reference": {"request_model": "a"}, "current": {"request_model": ["a", "b"]}}
    both = compare(client, **sides, filters={"environment": ["live"], "request_model": "x"})
    answer = client.post(
        "/v1/quality/cohorts",
        json={"score": "helpful", **sides},
        headers={"Headway-Project": "q"},
    ).json()

    assert (both["reference"]["n"], both["current"]["n"]) == (2, 4)
    assert (answer["reference"]["n"], answer["current"]["n"]) == (2, 4)


def test_an_empty_cohort_is_told_and_not_compared(client: TestClient, log: Log) -> None:
    log(scores={"helpful": True})
    found = compare(client, reference={}, current={"start": "2030-01-01"})

    assert (found["reference"]["n"], found["current"]["n"]) == (1, 0)
    assert (found["difference"], found["p_value"]) == (None, None)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"reference": {"colour": "red"}, "current": {}}, "colour is unknown"),
        ({"reference": {"start": "soon"}, "current": {}}, "'soon'"),
        ({"reference": [], "current": {}}, "filters are an object"),
        ({"reference": {}, "current": {}, "alpha": 1}, "alpha"),
        ({"reference": {}, "current": {}, "test": "t"}, "test"),
        ({"reference": {"request_model": "\ud800"}, "current": {}}, "half a character"),
        ({"reference": {}, "current": {}, "filters": {"tag": ["\udfff"]}}, "half a character"),
    ],
)
def test_cohorts_that_cannot_be_read_are_refused(
    client: TestClient, body: dict[str, Any], words: str
) -> None:
    content = json.dumps({"score": "helpful", **body})
    answer = client.post("/v1/quality/cohorts", content=content)

    assert answer.status_code == 422
    assert words in answer.json()["message"]


def test_two_scores_of_the_same_answers_are_compared(client: TestClient, log: Log) -> None:
    for thumbs, judge, count in ((True, True, 20), (True, False, 5), (False, False, 15)):
        for _ in range(count):
            log(scores={"thumbs": thumbs, "judge": judge})
    log(scores={"thumbs": True})
    found = client.get("/v1/quality/agreement", params={"first": "thumbs", "second": "judge"})

    answer = found.json()
    assert (answer["n"], answer["kind"], answer["agreement"]) == (40, "boolean", 0.875)
    assert answer["table"] == [[15, 0], [5, 20]]
    assert answer["kappa"] == pytest.approx((0.875 - 0.5) / 0.5)
    assert answer["kappa_lower"] < answer["kappa"] < answer["kappa_upper"]
    assert (
        found.json()
        == client.get("/v1/quality/agreement", params={"first": "thumbs", "second": "judge"}).json()
    )


def test_a_trace_and_its_span_are_not_the_same_answer(
    store: Store, ingest: Ingest, span_line: Lines, score_line: Lines
) -> None:
    ids = {"trace_id": "e" * 32, "span_id": "e" * 16}
    ingest(
        span_line(**ids),
        score_line(name="thumbs", **ids),
        score_line(name="judge", trace_id=ids["trace_id"], span_id=None),
        score_line(name="grade", value="good", trace_id=ids["trace_id"], span_id=None),
    )

    assert read_pairs(store, SpanFilters(), Judge("thumbs"), Judge("judge")).first == []
    assert read_pairs(store, SpanFilters(), Judge("judge"), Judge("grade")).second == ["good"]


def test_words_and_numbers_are_not_compared(client: TestClient, log: Log) -> None:
    log(scores={"thumbs": True, "judge": "good"})
    answer = client.get("/v1/quality/agreement", params={"first": "thumbs", "second": "judge"})

    assert answer.status_code == 422
    assert answer.json()["message"].startswith("thumbs and judge: one score says words")


def test_people_and_a_judge_are_compared_under_one_name(
    client: TestClient, ingest: Ingest, span_line: Lines, score_line: Lines
) -> None:
    ingest(*(span_line() for _ in range(4)))
    trace = {"trace_id": "e" * 32, "span_id": None}
    ingest(span_line(trace_id="e" * 32))
    for place, judged in enumerate((True, True, False, False), 1):
        ingest(
            score_line(value=place != 2, span_id=span_id(place), source="human", time_ns=9),
            score_line(value=judged, span_id=span_id(place), source="judge", time_ns=5),
            score_line(value=not judged, span_id=span_id(place), source="code", time_ns=7),
        )
    ingest(*(score_line(value=True, source=source, **trace) for source in ("human", "judge")))
    query = {"first": "helpful", "second": "helpful", "first_source": "human"}
    found = client.get("/v1/quality/agreement", params=query | {"second_source": "judge"}).json()
    any_source = client.get("/v1/quality/agreement", params=query).json()

    assert (found["first_source"], found["second_source"]) == ("human", "judge")
    assert (found["n"], found["table"]) == (5, [[0, 1], [2, 2]])
    assert any_source["agreement"] == 1.0  # the newest of any source is the person's


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({}, "name two scores, or one of two sources"),
        ({"first_source": "judge", "second_source": "judge"}, "first and second are both"),
        ({"first_source": "nobody"}, "first_source"),
    ],
)
def test_a_score_is_not_compared_with_itself(
    client: TestClient, query: dict[str, str], words: str
) -> None:
    both = {"first": "helpful", "second": "helpful"}
    answer = client.get("/v1/quality/agreement", params=both | query)

    assert answer.status_code == 422
    assert words in answer.json()["message"]


def test_scores_of_both_cohorts_are_counted_and_the_same_cohort_twice_is_refused(
    client: TestClient, ingest: Ingest, log: Log, score_line: Lines
) -> None:
    for place in range(12):
        log(scores={"helpful": place % 2 > 0}, request_model=f"m{place % 3}", session_id="s")
    ingest(score_line(value=True, session_id="s", span_id=None))
    sides = {"reference": {"request_model": ["m0", "m1"]}, "current": {"request_model": ["m1"]}}
    apart = {"reference": {"request_model": "m0"}, "current": {"request_model": "m2"}}
    same = {"score": "helpful", "reference": {}, "current": {"session_id": "s"}}
    answer = client.post("/v1/quality/cohorts", json=same)

    assert compare(client, **sides)["overlap"] == 5  # four calls and the session
    assert compare(client, **apart)["overlap"] == 1
    assert answer.status_code == 422
    assert "hold the same 13 scores" in answer.json()["message"]
