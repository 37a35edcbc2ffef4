"""Evaluations over OTLP: scores of a span, a session or a response, once, and what is refused."""

from typing import Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from starlette.testclient import TestClient

from headway_collector.store.connections import Store
from tests.collector.otlp_requests import (
    START_NS,
    export,
    export_logs,
    export_spans,
    make_log,
    make_pairs,
    make_span,
)

EVALUATION = {
    "gen_ai.evaluation.name": "helpful",
    "gen_ai.evaluation.score.value": 0.75,
    "gen_ai.evaluation.explanation": "it answers",
}


def read_spans(client: TestClient) -> list[dict[str, Any]]:
    params: dict[str, str | int] = {"content": "full", "order": "asc", "limit": 1000}
    spans: list[dict[str, Any]] = client.get("/v1/spans", params=params).json()["spans"]
    return spans


def test_an_evaluation_is_a_score_and_comes_once(client: TestClient) -> None:
    event = make_log(1, EVALUATION, event_name="gen_ai.evaluation.result", body=None)
    for _ in range(2):
        export(client, "/v1/logs", export_logs(event))
    span = make_span(2)
    span.events.add(
        name="gen_ai.evaluation.result",
        time_unix_nano=START_NS,
        attributes=make_pairs(EVALUATION),
    )
    export(client, "/v1/traces", export_spans(span))

    scores = client.get("/v1/scores").json()["scores"]

    assert {score["span_id"] for score in scores} == {f"{1:016x}", f"{2:016x}"}
    assert [(each["name"], each["value"], each["comment"]) for each in scores] == [
        ("helpful", 0.75, "it answers")
    ] * 2


def test_an_evaluation_of_nothing_is_refused(client: TestClient) -> None:
    event = make_log(event_name="gen_ai.evaluation.result", body=None)

    answer = ExportLogsServiceResponse.FromString(export(client, "/v1/logs", export_logs(event)))

    assert answer.partial_success.rejected_log_records == 1
    assert "needs gen_ai.evaluation.name" in answer.partial_success.error_message


def judge(response_id: str, name: str = "helpful", **attributes: str) -> LogRecord:
    """Return an evaluation that names no span."""
    said = EVALUATION | {"gen_ai.evaluation.name": name, "gen_ai.response.id": response_id}
    return make_log(
        attributes=said | attributes,
        event_name="gen_ai.evaluation.result",
        trace_id=b"",
        span_id=b"",
    )


@pytest.mark.parametrize("age_days", [0, 20])
def test_an_evaluation_of_a_response_is_a_score_of_its_call(
    client: TestClient, age_days: int
) -> None:
    response = {"gen_ai.response.id": "resp-1"}
    start_ns = START_NS - age_days * 86_400_000_000_000
    moments = {"start_time_unix_nano": start_ns, "end_time_unix_nano": start_ns + 1}
    around = make_span(1, response | {"gen_ai.operation.name": "invoke_agent"}, **moments)
    call = make_span(2, response, **moments)
    export(client, "/v1/traces", export_spans(around, call, make_span(3)))
    export(client, "/v1/traces", export_spans(make_span(4, response), service__name="other"))

    for _ in range(2):
        assert export(client, "/v1/logs", export_logs(judge("resp-1"))) == b""

    (score,) = client.get("/v1/scores").json()["scores"]
    assert (score["project"], score["span_id"]) == ("shop", f"{2:016x}")
    assert (score["trace_id"], score["value"]) == (f"{2:032x}", 0.75)


def test_an_evaluation_of_a_response_that_is_unknown_is_refused_alone(
    client: TestClient, store: Store
) -> None:
    long_ago = START_NS - 40 * 86_400_000_000_000
    old = make_span(
        1,
        {"gen_ai.response.id": "resp-0"},
        start_time_unix_nano=long_ago,
        end_time_unix_nano=long_ago + 1,
    )
    export(client, "/v1/traces", export_spans(old, make_span(2, {"gen_ai.response.id": "resp-2"})))
    session = {"gen_ai.conversation.id": "conv-9"}
    events = [judge("resp-0"), judge("resp-2"), judge("resp-1"), judge("resp-1", **session)]

    answer = export(client, "/v1/logs", export_logs(*events))

    said = ExportLogsServiceResponse.FromString(answer).partial_success
    assert said.rejected_log_records == 2
    reason = "no call of this project within the month has gen_ai.response.id"
    assert said.error_message == f"1: {reason} 'resp-0'; 3: {reason} 'resp-1'"
    assert [row["line"] for row in store.read("SELECT line FROM store.rejects ORDER BY 1")] == [
        1,
        3,
    ]
    scores = client.get("/v1/scores").json()["scores"]
    places = {(score["span_id"], score["session_id"]) for score in scores}
    assert places == {(f"{2:016x}", None), (None, "conv-9")}


def test_two_responses_are_judged_alike_and_apart(client: TestClient) -> None:
    spans = [make_span(number, {"gen_ai.response.id": f"resp-{number}"}) for number in (1, 2)]
    export(client, "/v1/traces", export_spans(*spans))

    export(client, "/v1/logs", export_logs(judge("resp-1"), judge("resp-2")))

    scores = client.get("/v1/scores").json()["scores"]
    assert {score["span_id"] for score in scores} == {f"{1:016x}", f"{2:016x}"}


def test_an_evaluation_that_cannot_be_kept_does_not_cost_its_span(
    client: TestClient, store: Store
) -> None:
    span = make_span()
    span.events.add(
        name="gen_ai.evaluation.result",
        time_unix_nano=2**63,
        attributes=make_pairs(EVALUATION),
    )

    answer = ExportTraceServiceResponse.FromString(export(client, "/v1/traces", export_spans(span)))

    partial = answer.partial_success
    assert (partial.rejected_spans, len(read_spans(client))) == (0, 1)
    assert partial.error_message == "1: time_ns 9223372036854775808 is outside 1970 to 2200"
    (kept,) = store.read("SELECT line, raw FROM store.rejects")
    assert (kept["line"], b"helpful" in kept["raw"]) == (1, True)
