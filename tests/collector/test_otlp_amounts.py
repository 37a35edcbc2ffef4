"""An OTLP request of too many things is refused before they are made, however few bytes it has."""

import json
from collections.abc import Callable

import pytest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from starlette.testclient import TestClient

from headway_collector.errors import BodyTooLargeError
from headway_collector.otlp import json_bodies, protobufs
from headway_collector.otlp.amounts import MAX_ITEMS, MAX_VALUES
from tests.collector.otlp_requests import (
    JSON,
    PROTOBUF,
    as_json,
    encode,
    export_logs,
    export_points,
    export_spans,
    make_log,
    make_span,
)

BODIES = {PROTOBUF: protobufs, JSON: json_bodies}
both_encodings = pytest.mark.parametrize("media_type", [PROTOBUF, JSON])


def fill_json(body: bytes, key: str, item: bytes, count: int) -> bytes:
    """Return a request whose list under the key holds an item so many times."""
    start = body.index(f'"{key}": ['.encode()) + len(key) + 5
    return body[:start] + (item + b",") * count + body[start:]


def make_many_spans(media_type: str, count: int) -> bytes:
    """Return a request of that many empty spans, and one that is sound."""
    request = export_spans(make_span())
    if media_type == JSON:
        return fill_json(as_json(request), "spans", b"{}", count - 1)
    request.resource_spans[0].scope_spans[0].spans.extend([Span()] * (count - 1))
    return encode(request, media_type)


def make_many_values(media_type: str, count: int) -> bytes:
    """Return a request of one span with a list of so many values."""
    request = export_spans(make_span(attributes={"k": ["v"]}))
    if media_type == JSON:
        return fill_json(as_json(request), "values", b"{}", count)
    array = AnyValue(array_value=ArrayValue(values=[AnyValue()] * count))
    request.resource_spans[0].scope_spans[0].spans[0].attributes[1].value.CopyFrom(array)
    return encode(request, media_type)


@both_encodings
@pytest.mark.parametrize("make", [make_many_spans, make_many_values])
def test_a_request_of_too_many_things_is_refused_for_good(
    client: TestClient, media_type: str, make: Callable[[str, int], bytes]
) -> None:
    body = make(media_type, MAX_VALUES + 1)

    response = client.post("/v1/traces", content=body, headers={"Content-Type": media_type})

    assert (response.status_code, response.headers.get("Retry-After")) == (413, None)
    assert f"more than {MAX_VALUES} values: send smaller batches" in response.text
    assert client.get("/v1/spans").json()["spans"] == []


@both_encodings
def test_as_many_spans_as_are_allowed_are_read_and_no_more(media_type: str) -> None:
    telemetry = BODIES[media_type].read_spans(make_many_spans(media_type, MAX_ITEMS))

    assert (len(telemetry.items), len(telemetry.refused)) == (1, MAX_ITEMS - 1)
    with pytest.raises(BodyTooLargeError, match=f"holds {MAX_ITEMS + 1} spans or log records"):
        BODIES[media_type].read_spans(make_many_spans(media_type, MAX_ITEMS + 1))


@both_encodings
def test_too_many_log_records_or_points_are_refused_too(media_type: str) -> None:
    logs = export_logs(make_log())
    points = export_points(1)
    if media_type == JSON:
        log_body = fill_json(as_json(logs), "logRecords", b"{}", MAX_ITEMS)
        point_body = fill_json(as_json(points), "dataPoints", b"{}", MAX_VALUES)
    else:
        logs.resource_logs[0].scope_logs[0].log_records.extend([type(make_log())()] * MAX_ITEMS)
        gauge = points.resource_metrics[0].scope_metrics[0].metrics[0].gauge
        gauge.data_points.extend([type(gauge.data_points[0])()] * MAX_VALUES)
        log_body, point_body = logs.SerializeToString(), points.SerializeToString()

    with pytest.raises(BodyTooLargeError, match="log records"):
        BODIES[media_type].read_logs(log_body)
    with pytest.raises(BodyTooLargeError, match="values"):
        BODIES[media_type].count_points(point_body)


@both_encodings
@pytest.mark.parametrize("what", ["events", "links"])
def test_a_span_of_too_many_events_or_links_is_refused_alone(media_type: str, what: str) -> None:
    bad = make_span(2)
    getattr(bad, what).add()
    request = export_spans(make_span(1), bad)
    if media_type == JSON:
        body = fill_json(as_json(request), what, b"{}", MAX_ITEMS)
    else:
        filled = getattr(request.resource_spans[0].scope_spans[0].spans[1], what)
        filled.extend([filled[0]] * MAX_ITEMS)
        body = request.SerializeToString()

    telemetry = BODIES[media_type].read_spans(body)

    assert [span.name for span in telemetry.items] == ["chat 1"]
    (refused,) = telemetry.refused
    assert f"{MAX_ITEMS + 1} {what}" in refused.reason


@pytest.mark.parametrize(
    "text", ["[,{" * (MAX_VALUES // 2), '"\\' + ',"' * MAX_VALUES, "\0" * MAX_VALUES]
)
def test_what_stands_in_a_text_does_not_count(text: str) -> None:
    request = export_spans(make_span(attributes={"k": text}))

    for media_type, body in ((PROTOBUF, request.SerializeToString()), (JSON, as_json(request))):
        (span,) = BODIES[media_type].read_spans(body).items
        assert span.attributes["k"] == text


def test_a_damaged_body_that_seems_to_hold_much_is_said_to_be_damaged(client: TestClient) -> None:
    body = b"\x0a\xff\xff\xff\x7f" + b"\x0a\x01" * 2_000_000
    headers = {"Content-Type": PROTOBUF}

    for cut in (body, body + b"\x0a", b"\x0b" + body, b"\xff" * 4_000_000 + b"\0" * 2_000_000):
        assert client.post("/v1/traces", content=cut, headers=headers).status_code == 400


def test_many_usual_spans_are_far_below_what_is_allowed() -> None:
    span = make_span(1, {f"gen_ai.usage.{number}": number for number in range(40)})
    body = as_json(export_spans(span))
    said = json.dumps(json.loads(body)["resourceSpans"][0]["scopeSpans"][0]["spans"][0]).encode()

    in_json = json_bodies.read_spans(fill_json(body, "spans", said, 8191))
    in_protobuf = protobufs.read_spans(export_spans(*[span] * 8192).SerializeToString())

    assert len(in_json.items) == len(in_protobuf.items) == 8192
