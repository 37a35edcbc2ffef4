"""Quality over time, asked of a real collector."""

from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from headway_collector.store.connections import Store
from headway_collector.store.filters import SpanFilters
from headway_collector.store.quality import read_scores
from headway_measures.intervals import wilson
from tests.collector.score_worlds import Ingest, Lines, Log, make_log, span_id

DAY_NS = 86_400 * 1_000_000_000


@pytest.fixture
def log(ingest: Ingest, span_line: Lines, score_line: Lines) -> Log:
    """Log one call with its scores."""
    return make_log(ingest, span_line, score_line)


def ask(client: TestClient, **query: Any) -> Any:
    answer = client.get("/v1/quality", params={"score": "helpful", **query})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_rate_has_a_band_by_day_and_version(client: TestClient, log: Log, now_ns: int) -> None:
    for place in range(20):
        log(scores={"helpful": place % 4 > 0}, prompt_version="v1", start_ns=now_ns + place)
    log(scores={"helpful": False}, prompt_version="v2", start_ns=now_ns + 2 * DAY_NS)
    found = ask(client, by="prompt_version", bucket="day")
    band = wilson(15, 20)

    assert (found["is_rate"], found["share"], found["by"]) == (True, 1.0, ["prompt_version"])
    assert found["rows"][0] == {
        "time": "2025-11-22T00:00:00.000000000Z",
        "prompt_version": "v1",
        "n": 20,
        "units": 20,
        "mean": 0.75,
        "lower": pytest.approx(band.lower),
        "upper": pytest.approx(band.upper),
    }
    # A day without a score has no row.
    assert [row["time"][:10] for row in found["rows"]] == ["2025-11-22", "2025-11-24"]
    assert [(each["prompt_version"], each["n"]) for each in found["totals"]] == [
        ("v1", 20),
        ("v2", 1),
    ]


def test_totals_weigh_every_score_alike(client: TestClient, log: Log, now_ns: int) -> None:
    values = [4.0, 1.5, 2.0, 5.0, 4.5, 0.0, 3.0]
    for place, value in enumerate(values):
        log(scores={"helpful": value}, start_ns=now_ns + (place == 0) * DAY_NS)
    found = ask(client, bucket="day")

    assert [row["n"] for row in found["rows"]] == [6, 1]
    assert (found["is_rate"], found["totals"][0]["n"]) == (False, 7)
    assert found["totals"][0]["mean"] == pytest.approx(np.mean(values))
    assert (found["rows"][1]["lower"], found["rows"][1]["upper"]) == (None, None)


def test_scores_of_one_session_are_one_unit(client: TestClient, log: Log) -> None:
    for place in range(40):
        log(scores={"helpful": place < 20}, session_id=f"s{place // 10}", request_model="a")
        log(scores={"helpful": place < 20}, request_model="b")
    by_model = {each["request_model"]: each for each in ask(client, by="request_model")["totals"]}

    assert (by_model["a"]["units"], by_model["b"]["units"]) == (4, 40)
    assert by_model["a"]["lower"] < by_model["b"]["lower"] - 0.1


def test_sessions_of_two_projects_are_two_though_named_alike(client: TestClient, log: Log) -> None:
    log("p", {"helpful": True}, session_id="1")
    log("q", {"helpful": True}, session_id="1")

    assert ask(client)["totals"][0]["units"] == 2


def test_a_judged_trace_and_a_judged_session_count_once_where_they_begin(
    client: TestClient, ingest: Ingest, span_line: Lines, score_line: Lines, now_ns: int
) -> None:
    trace_id = "e" * 32
    ingest(
        span_line(trace_id=trace_id, request_model="first", session_id="s", start_ns=now_ns),
        span_line(trace_id=trace_id, request_model="second", session_id="s", start_ns=now_ns + 9),
        score_line(name="helpful", value=1, trace_id=trace_id, span_id=None),
        score_line(name="helpful", value=0, session_id="s", span_id=None),
    )
    whole = ask(client, by="request_model")["totals"]
    later = ask(client, by="request_model", request_model="second")["totals"]

    assert [(each["request_model"], each["n"], each["mean"]) for each in whole] == [
        ("first", 2, 0.5)
    ]
    assert [(each["request_model"], each["n"]) for each in later] == [("second", 2)]


def test_the_newest_score_of_a_span_counts_and_words_do_not(
    client: TestClient, ingest: Ingest, span_line: Lines, score_line: Lines
) -> None:
    same = {"name": "helpful", "span_id": span_id(1)}
    ingest(
        span_line(span_id=span_id(1)),
        score_line(value=False, time_ns=5, **same),
        score_line(value=True, time_ns=9, **same),
        score_line(value="so-so", time_ns=11, **same),
    )

    assert [(each["n"], each["mean"]) for each in ask(client)["totals"]] == [(1, 1.0)]


def test_a_score_that_nobody_gave_has_no_rows(client: TestClient, log: Log) -> None:
    log()

    assert ask(client) == {
        "score": "helpful",
        "bucket": "none",
        "by": [],
        "is_rate": False,
        "share": 1.0,
        "totals": [],
        "rows": [],
    }


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"by": "colour"}, "'colour' is not a dimension"),
        ({"by": "descriptor:opener"}, "scores are not grouped by descriptors"),
        ({"bucket": "year"}, "bucket"),
        ({"colour": "red"}, "colour is unknown"),
        ({"score": ""}, "score"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_words(
    client: TestClient, query: dict[str, str], words: str
) -> None:
    answer = client.get("/v1/quality", params={"score": "helpful", **query})

    assert answer.status_code == 422
    assert words in answer.json()["message"]


def test_too_many_groups_are_refused_with_what_to_do(
    client: TestClient, ingest: Ingest, span_line: Lines, score_line: Lines
) -> None:
    numbers = range(1, 2002)
    ingest(*(span_line(user_id=f"u{number}") for number in numbers))
    ingest(*(score_line(span_id=span_id(number)) for number in numbers))
    answer = client.get("/v1/quality", params={"score": "helpful", "by": "user_id"})

    assert answer.status_code == 422
    assert "more than 2000 groups" in answer.json()["message"]


def test_of_too_many_scores_whole_sessions_are_drawn(
    store: Store, client: TestClient, ingest: Ingest, span_line: Lines, score_line: Lines
) -> None:
    numbers = range(1, 1001)
    ingest(*(span_line(session_id=f"s{number // 4}") for number in numbers))
    ingest(*(score_line(span_id=span_id(number)) for number in numbers))
    found = read_scores(store, SpanFilters(), "helpful", most=400)
    sizes = np.unique(found.sessions, return_counts=True)[1]

    assert found.share == pytest.approx(0.4, abs=1e-3)
    assert 250 < len(found.values) < 550
    assert sorted(set(sizes.tolist()))[-1] == 4
    assert (sizes < 4).sum() <= 2
