"""Measures by dimensions over time, and facets."""

from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from headway_collector.limits import MAX_COUNT
from headway_collector.store.connections import Store
from headway_collector.store.measures import MEASURES
from headway_collector.store.metrics import MAX_ROWS

Lines = Callable[..., bytes]
Ingest = Callable[..., Any]


def rows(client: TestClient, **params: Any) -> list[dict[str, Any]]:
    response = client.get("/v1/metrics", params=params)
    assert response.status_code == 200, response.text
    found: list[dict[str, Any]] = response.json()["rows"]
    return found


@pytest.fixture
def spans(ingest: Ingest, span_line: Lines, now_ns: int) -> None:
    """Four spans of two models in two hours."""
    hour_ns = 3600 * 10**9

    def make(hours: int, ms: int, **fields: Any) -> bytes:
        start_ns = now_ns + hours * hour_ns
        return span_line(start_ns=start_ns, end_ns=start_ns + ms * 10**6, **fields)

    ingest(
        make(0, 100, request_model="a", input_tokens=10, output_tokens=1, cost_usd=0.5, ttft_ms=4),
        make(0, 300, request_model="a", status="error", tags=["beta", "vip"], trace_id="a" * 32),
        make(0, 500, request_model="b", input_tokens=5, tags=["beta"], trace_id="a" * 32),
        make(1, 700, request_model="a", output_tokens=2, cost_usd=0.25, attributes={"shop": "x"}),
    )


@pytest.mark.usefixtures("spans")
def test_every_measure_over_all_spans(client: TestClient) -> None:
    measures = {
        "count": 4,
        "errors": 1,
        "error_rate": 0.25,
        "latency_p50_ms": 400,
        "latency_p95_ms": pytest.approx(670),
        "latency_p99_ms": pytest.approx(694),
        "ttft_p50_ms": 4,
        "ttft_p95_ms": 4,
        "input_tokens": 15,
        "output_tokens": 3,
        "total_tokens": 18,
        "cost_usd": 0.75,
        "traces": 3,
        "latency_mean_ms": 400,
        "cache_read_tokens": None,
        "cache_write_tokens": None,
        "reasoning_tokens": None,
        "audio_input_tokens": None,
        "audio_output_tokens": None,
        # The first span made 1 token in the 96 ms after the first one came, the last 2 in 700.
        "tokens_per_second": pytest.approx(3 / 0.796),
        "sessions": 0,
        "users": 0,
        "abandoned": 0,
        "inconsistent_usage": 0,
    }
    assert set(measures) == set(MEASURES)

    assert rows(client, measure=list(measures)) == [measures]


@pytest.mark.usefixtures("spans")
def test_groups_come_largest_first(client: TestClient) -> None:
    found = rows(client, measure=["count", "cost_usd"], by=["request_model"])

    assert found == [
        {"request_model": "a", "count": 3, "cost_usd": 0.75},
        {"request_model": "b", "count": 1, "cost_usd": None},
    ]


@pytest.mark.usefixtures("spans")
@pytest.mark.parametrize(
    ("bucket", "times"),
    [
        ("minute", ["2025-11-22T08:26:00.000000000Z", "2025-11-22T09:26:00.000000000Z"]),
        ("hour", ["2025-11-22T08:00:00.000000000Z", "2025-11-22T09:00:00.000000000Z"]),
        ("day", ["2025-11-22T00:00:00.000000000Z"]),
        ("week", ["2025-11-17T00:00:00.000000000Z"]),
    ],
)
def test_buckets_begin_at_full_units_and_weeks_on_monday(
    client: TestClient, bucket: str, times: list[str]
) -> None:
    assert [row["time"] for row in rows(client, bucket=bucket)] == times


@pytest.mark.usefixtures("spans")
def test_two_dimensions_over_time(client: TestClient) -> None:
    found = rows(client, bucket="hour", by=["request_model", "status"])

    assert [(row["time"][11:13], row["request_model"], row["status"]) for row in found] == [
        ("08", "a", "error"),
        ("08", "a", "unset"),
        ("08", "b", "unset"),
        ("09", "a", "unset"),
    ]


@pytest.mark.usefixtures("spans")
def test_a_span_counts_once_for_each_of_its_tags(client: TestClient) -> None:
    assert rows(client, by="tag") == [
        {"tag": "beta", "count": 2},
        {"tag": None, "count": 2},
        {"tag": "vip", "count": 1},
    ]


@pytest.mark.usefixtures("spans")
@pytest.mark.parametrize(
    ("by", "bucket"),
    [
        ([], "none"),
        (["request_model"], "none"),
        (["request_model", "attribute:shop"], "hour"),
        (["tag", "status"], "none"),
    ],
)
def test_totals_weigh_every_span_alike_however_it_is_grouped(
    client: TestClient, by: list[str], bucket: str
) -> None:
    measure = ["count", "latency_p50_ms", "error_rate", "users"]
    params = {"measure": measure, "by": by, "bucket": bucket}

    answer = client.get("/v1/metrics", params=params).json()

    assert answer["totals"] == {"count": 4, "latency_p50_ms": 400, "error_rate": 0.25, "users": 0}


def test_totals_of_nothing_are_there_too(client: TestClient) -> None:
    for by in ("kind", "tag"):
        answer = client.get("/v1/metrics", params={"measure": ["count", "cost_usd"], "by": by})

        assert answer.json()["totals"] == {"count": 0, "cost_usd": None}


def test_users_sessions_flags_and_kinds_of_tokens_are_measured(
    client: TestClient, ingest: Ingest, span_line: Lines
) -> None:
    ingest(
        span_line(user_id="u1", session_id="s1", is_abandoned=True, cache_read_tokens=3),
        span_line(user_id="u1", session_id="s2", is_abandoned=False, reasoning_tokens=4),
        span_line(user_id="u2", session_id="s2", audio_output_tokens=5),
    )
    expected = {
        "users": 2,
        "sessions": 2,
        "abandoned": 1,
        "cache_read_tokens": 3,
        "reasoning_tokens": 4,
        "audio_output_tokens": 5,
    }

    assert rows(client, measure=list(expected)) == [expected]


def test_two_lists_are_combined_and_not_paired(
    client: TestClient, ingest: Ingest, span_line: Lines
) -> None:
    ingest(span_line(tags=["a", "b"], finish_reasons=["stop"]))

    found = rows(client, by=["tag", "finish_reason"])

    assert found == [
        {"tag": "a", "finish_reason": "stop", "count": 1},
        {"tag": "b", "finish_reason": "stop", "count": 1},
    ]


@pytest.mark.usefixtures("spans")
def test_an_attribute_is_a_dimension(client: TestClient) -> None:
    found = rows(client, by="attribute:shop", request_model="a")

    assert found == [{"attribute:shop": None, "count": 2}, {"attribute:shop": "x", "count": 1}]


def test_nothing_is_counted_as_nothing(client: TestClient) -> None:
    assert rows(client, measure=["count", "cost_usd", "error_rate"]) == [
        {"count": 0, "cost_usd": None, "error_rate": None}
    ]
    assert rows(client, by="kind") == []


def test_a_score_is_the_mean_of_the_latest_on_each_span(
    client: TestClient, ingest: Ingest, span_line: Lines, score_line: Lines, now_ns: int
) -> None:
    ingest(
        span_line(span_id="a" * 16, request_model="x"),
        span_line(span_id="b" * 16, request_model="x"),
        span_line(span_id="c" * 16, request_model="y"),
        score_line(span_id="a" * 16, value=False, time_ns=now_ns + 5),
        score_line(span_id="a" * 16, value=True, time_ns=now_ns),
        score_line(span_id="b" * 16, value=True),
        score_line(span_id="b" * 16, value="a word", time_ns=now_ns + 9),
        score_line(span_id="b" * 16, name="length", value=3.5),
        score_line(span_id="d" * 16, value=1),
    )
    ingest(score_line(span_id="c" * 16, value=1), project="another")

    found = rows(
        client,
        by="request_model",
        measure=["count", "score:helpful", "score_count:helpful", "score:length", "score:'; --"],
    )

    assert found == [
        {
            "request_model": "x",
            "count": 2,
            "score:helpful": 0.5,
            "score_count:helpful": 2,
            "score:length": 3.5,
            "score:'; --": None,
        },
        {
            "request_model": "y",
            "count": 1,
            "score:helpful": None,
            "score_count:helpful": 0,
            "score:length": None,
            "score:'; --": None,
        },
    ]


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"measure": "speed"}, "there are count, errors, error_rate"),
        ({"measure": "score:"}, "score:NAME"),
        ({"by": "colour"}, "there are project, kind, name"),
        ({"by": "attribute:"}, "attribute:KEY"),
        ({"by": ["kind", "kind"]}, "2 different dimensions"),
        ({"by": ["kind", "name", "status"]}, "at most 2"),
        ({"bucket": "month"}, "'none', 'minute', 'hour', 'day' or 'week'"),
    ],
)
def test_an_unknown_name_is_refused_with_those_that_exist(
    client: TestClient, params: dict[str, str], message: str
) -> None:
    response = client.get("/v1/metrics", params=params)

    assert response.status_code == 422
    assert message in response.json()["message"]


@pytest.mark.usefixtures("spans")
def test_facets_are_the_commonest_values_with_counts(client: TestClient) -> None:
    fields = ["request_model", "tag", "user_id", "attribute:shop"]

    answer = client.get("/v1/facets", params={"field": fields}).json()

    assert answer["facets"] == {
        "request_model": [{"value": "a", "count": 3}, {"value": "b", "count": 1}],
        "tag": [{"value": "beta", "count": 2}, {"value": "vip", "count": 1}],
        "user_id": [],
        "attribute:shop": [{"value": "x", "count": 1}],
    }


@pytest.mark.usefixtures("spans")
def test_facets_follow_the_filters(client: TestClient) -> None:
    answer = client.get("/v1/facets", params={"field": "request_model", "status": "error"})

    assert answer.json()["facets"] == {"request_model": [{"value": "a", "count": 1}]}


def test_facets_stop_at_a_hundred(client: TestClient, ingest: Ingest, span_line: Lines) -> None:
    ingest(*[span_line(user_id=f"u{n:03}") for n in range(150)])

    facet = client.get("/v1/facets", params={"field": "user_id"}).json()["facets"]["user_id"]

    assert [each["value"] for each in facet] == [f"u{n:03}" for n in range(100)]


@pytest.mark.parametrize("bucket", ["minute", "hour", "day", "week"])
def test_a_span_at_the_end_of_time_breaks_no_bucket(
    ingest: Ingest, span_line: Lines, client: TestClient, store: Store, bucket: str
) -> None:
    # Stored by a collector that knew no limits yet.
    ingest(span_line())
    store.read("UPDATE store.spans SET start_ns = 9223372036854775807, end_ns = start_ns")
    ingest(span_line())

    found = rows(client, bucket=bucket)

    assert [row["count"] for row in found] == [1, 1]
    assert found[1]["time"].startswith("2262-04-")


def test_the_largest_token_counts_there_can_be_add_up(
    ingest: Ingest, span_line: Lines, client: TestClient
) -> None:
    ingest(*[span_line(input_tokens=MAX_COUNT, output_tokens=MAX_COUNT) for _ in range(3)])

    assert rows(client, measure=["total_tokens"]) == [{"total_tokens": 6 * MAX_COUNT}]


def test_of_too_many_groups_the_largest_are_returned(
    ingest: Ingest, span_line: Lines, client: TestClient
) -> None:
    ingest(*[span_line(user_id=f"u{n}") for n in range(MAX_ROWS)])
    ingest(span_line(user_id="often"), span_line(user_id="often"))

    answer = client.get("/v1/metrics", params={"by": "user_id"}).json()
    whole = client.get("/v1/metrics").json()
    over_time = client.get("/v1/metrics", params={"by": "user_id", "bucket": "hour"})

    assert answer["is_partial"]
    assert len(answer["rows"]) == MAX_ROWS
    assert answer["rows"][0] == {"user_id": "often", "count": 2}
    assert not whole["is_partial"]
    assert "narrow the time" in over_time.json()["message"]


@pytest.mark.parametrize(
    ("column", "dimension"), [("finish_reasons", "finish_reason"), ("tags", "tag")]
)
def test_an_item_that_stands_twice_in_a_list_counts_its_span_once(
    ingest: Ingest, span_line: Lines, client: TestClient, column: str, dimension: str
) -> None:
    for items in (["stop", "stop"], ["length", "stop", "length", "stop"], ["stop"], []):
        ingest(span_line(cost_usd=1, **{column: items}))

    counted = rows(client, measure=["count", "cost_usd"], by=[dimension])
    facet = client.get("/v1/facets", params={"field": dimension}).json()["facets"][dimension]

    assert counted == [
        {dimension: "stop", "count": 3, "cost_usd": 3},
        {dimension: "length", "count": 1, "cost_usd": 1},
        {dimension: None, "count": 1, "cost_usd": 1},
    ]
    assert facet == [{"value": "stop", "count": 3}, {"value": "length", "count": 1}]


def test_a_score_of_one_trace_does_not_count_for_the_same_span_id_in_another(
    ingest: Ingest, span_line: Lines, score_line: Lines, client: TestClient, now_ns: int
) -> None:
    first, second, shared = {"trace_id": "a" * 32}, {"trace_id": "b" * 32}, {"span_id": "c" * 16}
    ingest(span_line(**first, **shared), span_line(**second, **shared))
    measured = {"measure": ["score:helpful", "score_count:helpful"], "by": "trace_id"}

    ingest(score_line(value=1, time_ns=now_ns + 1, **first, **shared))
    assert {row["trace_id"][0]: row["score:helpful"] for row in rows(client, **measured)} == {
        "a": 1,
        "b": None,
    }

    # Without a trace it is said of both; what was said last holds for each.
    ingest(score_line(value=0.5, time_ns=now_ns, **shared))
    assert {row["trace_id"][0]: row["score:helpful"] for row in rows(client, **measured)} == {
        "a": 1,
        "b": 0.5,
    }

    ingest(score_line(value=0.25, time_ns=now_ns + 2, **shared))
    assert {row["trace_id"][0]: row["score:helpful"] for row in rows(client, **measured)} == {
        "a": 0.25,
        "b": 0.25,
    }
    assert [row["score_count:helpful"] for row in rows(client, **measured)] == [1, 1]
