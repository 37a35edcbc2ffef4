"""What becomes of an OTLP request: rows by project, joined events, and what is refused."""

import json
import math
from collections.abc import Sequence
from typing import Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from starlette.testclient import TestClient

from headway_collector import exports
from headway_collector.costs.pricing import Prices
from headway_collector.dialects.mapping import Mapped, map_span
from headway_collector.otlp import protobufs
from headway_collector.otlp.telemetry import OtelSpan
from headway_collector.store.connections import Store
from tests.collector.otlp_requests import (
    START_NS,
    export,
    export_logs,
    export_spans,
    make_log,
    make_pairs,
    make_span,
    make_value,
)

CHAT = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o",
    "gen_ai.usage.input_tokens": 1000,
    "gen_ai.usage.output_tokens": 100,
}
EVALUATION = {
    "gen_ai.evaluation.name": "helpful",
    "gen_ai.evaluation.score.value": 0.75,
    "gen_ai.evaluation.explanation": "it answers",
}


def read_spans(client: TestClient) -> list[dict[str, Any]]:
    params: dict[str, str | int] = {"content": "full", "order": "asc", "limit": 1000}
    spans: list[dict[str, Any]] = client.get("/v1/spans", params=params).json()["spans"]
    return spans


def list_projects(spans: Sequence[dict[str, Any]]) -> list[str]:
    return [span["project"] for span in spans]


def test_a_span_of_genai_is_a_canonical_span_with_its_cost(client: TestClient) -> None:
    export(client, "/v1/traces", export_spans(make_span(attributes=CHAT)))

    (span,) = read_spans(client)

    assert (span["kind"], span["provider"], span["request_model"]) == ("llm", "openai", "gpt-4o")
    assert (span["input_tokens"], span["output_tokens"]) == (1000, 100)
    assert span["cost_usd"] == pytest.approx(0.0035)
    assert span["price_version"].startswith("genai-prices ")
    assert (span["duration_ms"], span["name"]) == (250.0, "chat 1")
    assert span["attributes"] == CHAT


def test_numbers_that_json_has_none_for_are_shown_as_words(client: TestClient) -> None:
    said = {"n": math.nan, "list": [math.inf, {"below": -math.inf, "half": 0.5, "word": "NaN"}]}
    export(client, "/v1/traces", export_spans(make_span(attributes=said)))

    (span,) = read_spans(client)

    del span["attributes"]["gen_ai.operation.name"]
    assert span["attributes"] == {
        "n": "NaN",
        "list": ["Infinity", {"below": "-Infinity", "half": 0.5, "word": "NaN"}],
    }


def test_one_request_may_bring_spans_of_several_projects(client: TestClient) -> None:
    request = export_spans(make_span(1), service__name="shop")
    request.MergeFrom(export_spans(make_span(2), openinference__project__name="phoenix"))
    request.MergeFrom(export_spans(make_span(3), service__name="unknown_service:python"))
    request.MergeFrom(export_spans(make_span(4), service__name="shop"))

    export(client, "/v1/traces", request)

    assert sorted(list_projects(read_spans(client))) == ["default", "phoenix", "shop", "shop"]


def test_the_project_of_the_header_holds_for_all(client: TestClient) -> None:
    export(client, "/v1/traces", export_spans(make_span()), Headway_Project="support")

    assert list_projects(read_spans(client)) == ["support"]


@pytest.mark.parametrize("span_count", [1, 100])
@pytest.mark.parametrize("order", [("span", "log"), ("log", "span")])
def test_an_event_joins_its_span_whichever_comes_first(
    client: TestClient, order: tuple[str, str], span_count: int
) -> None:
    others = [make_span(number) for number in range(2, span_count + 1)]
    events = export_logs(
        make_log(body=make_value({"content": "where is my parcel?"})),
        make_log(
            event_name="gen_ai.choice",
            body=make_value(
                {"index": 0, "finish_reason": "stop", "message": {"content": "on its way"}}
            ),
        ),
    )
    for each in order:
        if each == "span":
            export(client, "/v1/traces", export_spans(make_span(attributes=CHAT), *others))
        else:
            assert export(client, "/v1/logs", events) == b""

    span = next(span for span in read_spans(client) if span["name"] == "chat 1")

    assert "where is my parcel?" in str(span["input"])
    assert "on its way" in str(span["output"])
    assert span["finish_reasons"] == ["stop"]


def test_an_event_may_name_itself_in_an_attribute(client: TestClient) -> None:
    export(client, "/v1/traces", export_spans(make_span(attributes=CHAT)))
    event = make_log(event_name="", attributes={"event.name": "gen_ai.user.message"})

    answer = export(client, "/v1/logs", export_logs(event))

    assert answer == b""
    assert "where is my parcel?" in str(read_spans(client)[0]["input"])


@pytest.mark.parametrize(
    ("said", "time_ns"), [({}, None), ({"observed_time_unix_nano": START_NS + 7}, START_NS + 7)]
)
def test_an_evaluation_without_a_time_was_made_when_it_was_seen(
    client: TestClient, store: Store, now_ns: int, said: dict[str, int], time_ns: int | None
) -> None:
    event = make_log(
        attributes=EVALUATION,
        event_name="gen_ai.evaluation.result",
        **{"time_unix_nano": 0} | said,
    )

    for _ in "12":
        export(client, "/v1/logs", export_logs(event))

    assert store.read("SELECT time_ns FROM store.scores") == [{"time_ns": time_ns or now_ns}]


def test_an_event_that_belongs_to_no_span_is_refused_with_its_reason(
    client: TestClient, store: Store
) -> None:
    request = export_logs(make_log(event_name="app.started"), make_log(trace_id=b"", span_id=b""))

    answer = ExportLogsServiceResponse.FromString(export(client, "/v1/logs", request))

    reason = "a GenAI event without a trace id and a span id belongs to no span"
    assert answer.partial_success.rejected_log_records == 1
    assert answer.partial_success.error_message == (
        f"1 log records are no GenAI events and were not kept; 2: {reason}"
    )
    assert store.read("SELECT project, line, reason FROM store.rejects") == [
        {"project": "shop", "line": 2, "reason": reason}
    ]


def test_a_fault_of_ours_costs_one_span_and_one_line_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail_on_odd(otel: OtelSpan) -> Mapped:
        if int(otel.span_id, 16) % 2:
            raise ZeroDivisionError("odd")
        return map_span(otel)

    spans = [make_span(number) for number in range(1, 5)]
    spans[1].trace_id = b""
    telemetry = protobufs.read_spans(export_spans(*spans).SerializeToString())

    made = exports.export_spans(telemetry, None, Prices(), fail_on_odd)

    (batch,) = made.batches
    assert [span.name for span in batch.spans] == ["chat 4"]
    assert [reject.line for reject in batch.rejects] == [2, 1, 3]
    assert json.loads(batch.rejects[1].raw)["name"] == "chat 1"
    assert made.outcome.rejected == 3
    assert "1: the collector failed on it: ZeroDivisionError('odd')" in made.outcome.message
    assert caplog.text.count("a span of OTLP cannot be mapped") == 1


def test_a_span_that_only_announces_another_makes_no_row(client: TestClient) -> None:
    pending = make_span(1, {"logfire.span_type": "pending_span"})

    answer = export(client, "/v1/traces", export_spans(pending, make_span(2)))

    assert answer == b""
    assert [span["name"] for span in read_spans(client)] == ["chat 2"]


def test_what_is_too_long_for_a_field_is_cut_and_not_refused(client: TestClient) -> None:
    long = "x" * 5000
    span = make_span(attributes=CHAT | {"user.id": long}, name=long)

    assert export(client, "/v1/traces", export_spans(span)) == b""

    (stored,) = read_spans(client)
    assert (len(stored["name"]), len(stored["user_id"])) == (1024, 1024)
    assert stored["attributes"]["user.id"] == long


@pytest.mark.parametrize(
    "garbage", [None, True, -1, 1e308, math.nan, -math.inf, "", "{", "[[[", b"\x00", [], {}, [{}]]
)
def test_no_value_of_any_attribute_costs_a_span(client: TestClient, garbage: Any) -> None:
    names = [
        *CHAT,
        "gen_ai.input.messages",
        "gen_ai.output.messages",
        "gen_ai.response.finish_reasons",
        "gen_ai.response.time_to_first_chunk",
        "gen_ai.prompt.0.role",
        "gen_ai.prompt.-1.content",
        "llm.input_messages.0.message.content",
        "llm.input_messages.99999999999.message.role",
        "llm.token_count.prompt",
        "langfuse.observation.usage_details",
        "langfuse.observation.type",
        "input.value",
        "metadata",
        "tag.tags",
        "session.id",
        "$ref",
    ]
    span = make_span(attributes=dict.fromkeys(names, garbage))
    span.events.add(name="exception", attributes=make_pairs({"exception.type": garbage}))
    span.events.add(name="gen_ai.choice", attributes=make_pairs(dict.fromkeys(names, garbage)))

    answer = export(client, "/v1/traces", export_spans(span))

    partial = ExportTraceServiceResponse.FromString(answer).partial_success
    assert (partial.rejected_spans, partial.error_message) == (0, "")
    assert len(read_spans(client)) == 1
