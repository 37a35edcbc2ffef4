"""Quality over time, cohorts and agreement, asked of a real collector."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from headway_collector.store.connections import Store
from headway_collector.store.filters import SpanFilters
from headway_collector.store.quality import read_pairs, read_scores
from headway_measures.intervals import wilson

Lines = Callable[..., bytes]
Ingest = Callable[..., Any]

DAY_NS = 86_400 * 1_000_000_000


def span_id(number: int) -> str:
    return f"{number:016x}"


@pytest.fixture
def log(ingest: Ingest, span_line: Lines, score_line: Lines) -> Callable[..., None]:
    """Log one call with its scores by name; the calls are numbered from 1."""
    count = 0

    def send(project: str = "p", scores: dict[str, Any] | None = None, **fields: Any) -> None:
        nonlocal count
        count += 1
        lines = [span_line(span_id=span_id(count), trace_id=f"{count:032x}", **fields)]
        for name, value in (scores or {}).items():
            ids = {"span_id": span_id(count), "trace_id": f"{count:032x}"}
            lines.append(score_line(name=name, value=value, score_id=f"{name}-{count}", **ids))
        ingest(*lines, project=project)

    return send


def ask(client: TestClient, **query: Any) -> Any:
    answer = client.get("/v1/quality", params={"score": "helpful", **query})
    assert answer.status_code == 200, answer.text
    return answer.json()


def compare(client: TestClient, **body: Any) -> Any:
    answer = client.post("/v1/quality/cohorts", json={"score": "helpful", **body})
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_rate_has_a_band_by_day_and_version(
    client: TestClient, log: Callable[..., None], now_ns: int
) -> None:
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


def test_totals_weigh_every_score_alike(
    client: TestClient, log: Callable[..., None], now_ns: int
) -> None:
    values = [4.0, 1.5, 2.0, 5.0, 4.5, 0.0, 3.0]
    for place, value in enumerate(values):
        log(scores={"helpful": value}, start_ns=now_ns + (place == 0) * DAY_NS)
    found = ask(client, bucket="day")

    assert [row["n"] for row in found["rows"]] == [6, 1]
    assert (found["is_rate"], found["totals"][0]["n"]) == (False, 7)
    assert found["totals"][0]["mean"] == pytest.approx(np.mean(values))
    assert (found["rows"][1]["lower"], found["rows"][1]["upper"]) == (None, None)


def test_scores_of_one_session_are_one_unit(client: TestClient, log: Callable[..., None]) -> None:
    for place in range(40):
        log(scores={"helpful": place < 20}, session_id=f"s{place // 10}", request_model="a")
        log(scores={"helpful": place < 20}, request_model="b")
    by_model = {each["request_model"]: each for each in ask(client, by="request_model")["totals"]}

    assert (by_model["a"]["units"], by_model["b"]["units"]) == (4, 40)
    assert by_model["a"]["lower"] < by_model["b"]["lower"] - 0.1


def test_sessions_of_two_projects_are_two_though_named_alike(
    client: TestClient, log: Callable[..., None]
) -> None:
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


def test_a_score_that_nobody_gave_has_no_rows(client: TestClient, log: Callable[..., None]) -> None:
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


def test_versions_are_compared_with_the_difference_its_interval_and_what_is_needed(
    client: TestClient, log: Callable[..., None]
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


def test_the_same_prompts_are_paired_and_show_more(
    client: TestClient, log: Callable[..., None]
) -> None:
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
    client: TestClient, log: Callable[..., None]
) -> None:
    for place in range(20):
        log(scores={"helpful": place % 2 > 0}, prompt_version="v1")
        log(scores={"helpful": place < 11}, prompt_version="v2")
    found = compare(client, reference={"prompt_version": "v1"}, current={"prompt_version": "v2"})

    assert not found["is_paired"]  # nothing is known of what was asked
    assert found["lower"] < 0 < found["upper"]
    assert found["needs_n"] == pytest.approx(1567, rel=0.02)


def test_filters_of_both_hold_where_a_cohort_says_nothing_else(
    client: TestClient, log: Callable[..., None]
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


def test_an_empty_cohort_is_told_and_not_compared(
    client: TestClient, log: Callable[..., None]
) -> None:
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
    ],
)
def test_cohorts_that_cannot_be_read_are_refused(
    client: TestClient, body: dict[str, Any], words: str
) -> None:
    answer = client.post("/v1/quality/cohorts", json={"score": "helpful", **body})

    assert answer.status_code == 422
    assert words in answer.json()["message"]


def test_two_scores_of_the_same_answers_are_compared(
    client: TestClient, log: Callable[..., None]
) -> None:
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

    assert read_pairs(store, SpanFilters(), "thumbs", "judge").first == []
    assert read_pairs(store, SpanFilters(), "judge", "grade").second == ["good"]


def test_words_and_numbers_are_not_compared(client: TestClient, log: Callable[..., None]) -> None:
    log(scores={"thumbs": True, "judge": "good"})
    answer = client.get("/v1/quality/agreement", params={"first": "thumbs", "second": "judge"})

    assert answer.status_code == 422
    assert answer.json()["message"].startswith("thumbs and judge: one score says words")
