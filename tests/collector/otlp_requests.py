"""OTLP requests for tests, built with the protocol's own classes and sent in either encoding."""

import base64
import json
from collections.abc import Mapping
from typing import Any

import pytest
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord, ResourceLogs, ScopeLogs
from opentelemetry.proto.metrics.v1.metrics_pb2 import ResourceMetrics, ScopeMetrics
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans, ScopeSpans, Span
from starlette.testclient import TestClient

PROTOBUF = "application/x-protobuf"
JSON = "application/json"
START_NS = 1_763_800_000_000_000_000
both_encodings = pytest.mark.parametrize("media_type", [PROTOBUF, JSON])
_ID_KEYS = ("traceId", "spanId", "parentSpanId")


def make_span(number: int = 1, attributes: Mapping[str, Any] | None = None, **fields: Any) -> Span:
    """Return a valid span of that number, with whatever is said otherwise of it."""
    said: dict[str, Any] = {
        "trace_id": number.to_bytes(16),
        "span_id": number.to_bytes(8),
        "name": f"chat {number}",
        "kind": Span.SPAN_KIND_CLIENT,
        "start_time_unix_nano": START_NS,
        "end_time_unix_nano": START_NS + 250_000_000,
        "attributes": make_pairs({"gen_ai.operation.name": "chat"} | dict(attributes or {})),
    }
    return Span(**said | fields)


def make_log(
    number: int = 1, attributes: Mapping[str, Any] | None = None, **fields: Any
) -> LogRecord:
    """Return a GenAI event of the span of that number."""
    said: dict[str, Any] = {
        "trace_id": number.to_bytes(16),
        "span_id": number.to_bytes(8),
        "event_name": "gen_ai.user.message",
        "time_unix_nano": START_NS,
        "body": make_value({"content": "where is my parcel?"}),
        "attributes": make_pairs(attributes or {}),
    }
    return LogRecord(**said | fields)


def export_spans(*spans: Span, **resource: Any) -> ExportTraceServiceRequest:
    """Return an export of spans of one resource, by default a service ``shop``."""
    scope = ScopeSpans(scope=InstrumentationScope(name="tests", version="1"), spans=spans)
    group = ResourceSpans(resource=make_resource(**resource), scope_spans=[scope])
    return ExportTraceServiceRequest(resource_spans=[group])


def export_logs(*logs: LogRecord, **resource: Any) -> ExportLogsServiceRequest:
    """Return an export of log records of one resource, by default a service ``shop``."""
    scope = ScopeLogs(scope=InstrumentationScope(name="tests"), log_records=logs)
    group = ResourceLogs(resource=make_resource(**resource), scope_logs=[scope])
    return ExportLogsServiceRequest(resource_logs=[group])


def export_points(count: int) -> ExportMetricsServiceRequest:
    """Return an export of one gauge with that many data points."""
    part = ScopeMetrics()
    gauge = part.metrics.add(name="gen_ai.client.token.usage").gauge
    for number in range(count):
        gauge.data_points.add(as_int=number)
    group = ResourceMetrics(resource=make_resource(), scope_metrics=[part])
    return ExportMetricsServiceRequest(resource_metrics=[group])


def make_resource(**attributes: Any) -> Resource:
    """Return a resource with attributes whose dots are written as two underscores."""
    named = {key.replace("__", "."): value for key, value in attributes.items()}
    return Resource(attributes=make_pairs({"service.name": "shop"} | named))


def make_pairs(attributes: Mapping[str, Any]) -> list[KeyValue]:
    """Return attributes as protobuf has them."""
    return [KeyValue(key=key, value=make_value(value)) for key, value in attributes.items()]


def make_value(value: Any) -> AnyValue:
    """Return one value as protobuf has it."""
    made = AnyValue()
    match value:
        case None:
            pass
        case bool():
            made.bool_value = value
        case int():
            made.int_value = value
        case float():
            made.double_value = value
        case str():
            made.string_value = value
        case bytes():
            made.bytes_value = value
        case list():
            made.array_value.SetInParent()
            made.array_value.values.extend(make_value(each) for each in value)
        case dict():
            made.kvlist_value.SetInParent()
            made.kvlist_value.values.extend(make_pairs(value))
    return made


def as_json(request: Message) -> bytes:
    """Return a request as OTLP writes JSON: protobuf's own mapping, but with ids in hex."""
    return json.dumps(_spell_ids(MessageToDict(request))).encode()


def encode(request: Message, media_type: str) -> bytes:
    """Return the request in the encoding."""
    return as_json(request) if media_type == JSON else request.SerializeToString()


def post(
    client: TestClient, path: str, request: Message | bytes, media_type: str, **headers: str
) -> Any:
    """Export, and return the response."""
    body = request if isinstance(request, bytes) else encode(request, media_type)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.post(path, content=body, headers={"Content-Type": media_type} | named)


def read_refusal(response: Any) -> Status:
    """Return the ``google.rpc.Status`` of a response in either encoding."""
    if response.headers["Content-Type"] == PROTOBUF:
        status = Status.FromString(response.content)
    else:
        said = response.json()
        status = Status(code=said["code"], message=said["message"])
    assert status.message
    return status


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


def _spell_ids(value: Any) -> Any:
    if isinstance(value, list):
        return [_spell_ids(each) for each in value]
    if not isinstance(value, dict):
        return value
    return {
        key: base64.b64decode(each).hex() if key in _ID_KEYS else _spell_ids(each)
        for key, each in value.items()
    }
