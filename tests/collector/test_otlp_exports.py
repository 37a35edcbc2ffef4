"""What becomes of an OTLP request: rows by project, joined events, scores, and what is refused."""

import json
import math
from collections.abc import Sequence
from typing import Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from starlette.testclient import TestClient

from headway_collector import exports
from headway_collector.costs.pricing import Prices
from headway_collector.dialects.mapping import Mapped, map_span
from headway_collector.otlp import protobufs
from headway_collector.otlp.telemetry import OtelSpan
from headway_collector.store.connections import Store
from tests.collector.otlp_requests import (
    PROTOBUF,
    START_NS,
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


def export(client: TestClient, path: str, body: Any, **headers: str) -> bytes:
    """Export, and return the body of the answer."""
    response = client.post(
        path,
        content=body.SerializeToString(),
        headers={"Content-Type": PROTOBUF}
        | {name.replace("_", "-"): value for name, value in headers.items()},
    )
    assert response.status_code == 200, response.text
    return response.content


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
