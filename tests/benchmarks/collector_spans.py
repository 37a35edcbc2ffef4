"""What is sent: invented calls with 2 KB of real prose each, as the client and as OTLP say them."""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span, Status

from headway import records
from tests.benchmarks.collector_requests import (
    NOW_S,
    Template,
    make_template,
    mark,
    mark_trace,
)
from tests.benchmarks.prose import piece

BATCH_SPANS = 500
MODELS = ("gpt-4o-mini", "gpt-4o", "claude-sonnet-4", "gemini-2.0-flash", "support-7b")
NAMES = ("triage", "answer", "summarise", "translate", "classify", "extract", "rewrite", "plan")
USERS = 5_000
_TEXT_CHARS = 1024
_TRACE_SPANS = 5
_PROJECTS = 4

Value = str | int | float | Sequence[str]


@dataclass(frozen=True, slots=True)
class Call:
    """One invented call; the slots are those of its ids."""

    slot: int
    trace_slot: int
    parent_slot: int | None
    question: str
    answer: str
    name: str
    model: str
    user: str
    session: str
    start_ns: int
    end_ns: int
    input_tokens: int
    output_tokens: int
    is_error: bool


def make_ingest(number: int, span_count: int = BATCH_SPANS, *, key: str = "") -> Template:
    """Return a batch for ``/v1/ingest``; another number brings other calls.

    Args:
        key: sent as the API key where given.
    """
    calls = make_calls(number, span_count)
    head = [
        "POST /v1/ingest HTTP/1.1",
        "Content-Type: application/x-ndjson",
        f"{records.PROJECT_HEADER}: bench-{number % _PROJECTS}",
        f"{records.BATCH_HEADER}: {mark(_count_slots(span_count))}",
    ]
    if key:
        head.append(f"Authorization: Bearer {key}")
    body = b"\n".join(records.encode_record(_make_record(call)) for call in calls)
    return make_template(head, body + b"\n", span_count)


def make_otlp(number: int, span_count: int = BATCH_SPANS) -> Template:
    """Return the same calls as a protobuf export for ``/v1/traces``."""
    spans = [_make_otlp_span(call) for call in make_calls(number, span_count)]
    resource = Resource(attributes=[_attribute("service.name", f"bench-{number % _PROJECTS}")])
    export = ExportTraceServiceRequest(
        resource_spans=[ResourceSpans(resource=resource, scope_spans=[ScopeSpans(spans=spans)])]
    )
    head = ["POST /v1/traces HTTP/1.1", "Content-Type: application/x-protobuf"]
    return make_template(head, export.SerializeToString(), span_count)


def make_calls(number: int, count: int) -> list[Call]:
    """Return the calls of one batch, in traces of five under the first of them."""
    chance = random.Random(number)
    calls = []
    for index in range(count):
        start_ns = NOW_S * 10**9 - chance.randrange(2 * 10**9, 6 * 10**9)
        first = index - index % _TRACE_SPANS
        calls.append(
            Call(
                slot=index,
                trace_slot=count + index // _TRACE_SPANS,
                parent_slot=None if index == first else first,
                question=piece(2 * (number * count + index), _TEXT_CHARS),
                answer=piece(2 * (number * count + index) + 1, _TEXT_CHARS),
                name=chance.choice(NAMES),
                model=chance.choice(MODELS),
                user=f"user-{chance.randrange(USERS)}",
                session=f"session-{number}-{first}",
                start_ns=start_ns,
                end_ns=start_ns + chance.randrange(50 * 10**6, 1_900 * 10**6),
                input_tokens=chance.randrange(180, 320),
                output_tokens=chance.randrange(180, 320),
                is_error=chance.random() < 0.02,
            )
        )
    return calls


def _count_slots(span_count: int) -> int:
    return span_count + (span_count + _TRACE_SPANS - 1) // _TRACE_SPANS


def _make_record(call: Call) -> records.Span:
    return records.Span(
        trace_id=mark_trace(call.trace_slot),
        span_id=mark(call.slot),
        parent_span_id=None if call.parent_slot is None else mark(call.parent_slot),
        name=call.name,
        kind="chain" if call.parent_slot is None else "llm",
        start_ns=call.start_ns,
        end_ns=call.end_ns,
        status="error" if call.is_error else "ok",
        error_type="RateLimitError" if call.is_error else None,
        input=records.encode_value({"message": call.question}),
        output=records.encode_value(call.answer),
        provider="openai",
        request_model=call.model,
        response_model=call.model,
        response_id=f"chatcmpl-{mark(call.slot)}",
        finish_reasons=["stop"],
        params=records.encode_value({"temperature": 0.2, "max_tokens": 512}),
        input_tokens=call.input_tokens,
        output_tokens=call.output_tokens,
        cache_read_tokens=call.input_tokens // 2,
        ttft_ms=call.output_tokens / 2,
        chunk_count=call.output_tokens,
        user_id=call.user,
        session_id=call.session,
        tags=["beta"] if call.slot % 3 else ["beta", "mobile"],
        environment="production",
        release="2026.11.2",
        prompt_name=f"{call.name}-prompt",
        prompt_version="9f8e7d6c5b4a",
        prompt_variables=records.encode_value({"product": call.name, "locale": "en"}),
        attributes=records.encode_value(
            {"app.route": f"/chat/{call.name}", "app.region": "eu-west-1", "app.retries": 0}
        ),
    )


def _make_otlp_span(call: Call) -> Span:
    attributes: dict[str, Value] = {
        "gen_ai.operation.name": "invoke_agent" if call.parent_slot is None else "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": call.model,
        "gen_ai.request.temperature": 0.2,
        "gen_ai.request.top_p": 0.95,
        "gen_ai.request.max_tokens": 512,
        "gen_ai.request.seed": 17,
        "gen_ai.request.choice.count": 1,
        "gen_ai.response.model": call.model,
        "gen_ai.response.id": f"chatcmpl-{mark(call.slot)}",
        "gen_ai.response.finish_reasons": ["stop"],
        "gen_ai.usage.input_tokens": call.input_tokens,
        "gen_ai.usage.output_tokens": call.output_tokens,
        "gen_ai.usage.cache_read.input_tokens": call.input_tokens // 2,
        "gen_ai.output.type": "text",
        "gen_ai.conversation.id": call.session,
        "gen_ai.input.messages": _encode_message("user", call.question),
        "gen_ai.output.messages": _encode_message("assistant", call.answer, finish_reason="stop"),
        "user.id": call.user,
        "server.address": "api.openai.com",
        "server.port": 443,
        "app.route": f"/chat/{call.name}",
        "app.region": "eu-west-1",
        "app.retries": 0,
        "app.release": "2026.11.2",
    }
    if call.is_error:
        attributes["error.type"] = "RateLimitError"
    status = Status.STATUS_CODE_ERROR if call.is_error else Status.STATUS_CODE_OK
    parent = b"" if call.parent_slot is None else bytes.fromhex(mark(call.parent_slot))
    return Span(
        trace_id=bytes.fromhex(mark_trace(call.trace_slot)),
        span_id=bytes.fromhex(mark(call.slot)),
        parent_span_id=parent,
        name=f"chat {call.model}",
        kind=Span.SPAN_KIND_CLIENT,
        start_time_unix_nano=call.start_ns,
        end_time_unix_nano=call.end_ns,
        attributes=[_attribute(key, value) for key, value in attributes.items()],
        status=Status(code=status),
    )


def _encode_message(role: str, text: str, **more: str) -> str:
    return json.dumps([{"role": role, "parts": [{"type": "text", "content": text}], **more}])


def _attribute(key: str, value: Value) -> KeyValue:
    match value:
        case str():
            said = AnyValue(string_value=value)
        case int():
            said = AnyValue(int_value=value)
        case float():
            said = AnyValue(double_value=value)
        case _:
            values = [AnyValue(string_value=each) for each in value]
            said = AnyValue(array_value=ArrayValue(values=values))
    return KeyValue(key=key, value=said)
