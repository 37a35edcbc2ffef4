"""OTLP's two encodings: they say the same, and one bad item costs no other."""

import json
import math
from types import ModuleType
from typing import Any

import pytest
from google.protobuf.message import Message
from google.protobuf.wrappers_pb2 import BytesValue
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from headway_collector.errors import MalformedBodyError
from headway_collector.otlp import json_bodies, protobufs, shallow
from headway_collector.otlp.telemetry import OtelEvent, OtelLink, OtelLog, OtelSpan, Resource, Scope
from tests.collector.otlp_requests import (
    JSON,
    PROTOBUF,
    START_NS,
    encode,
    export_logs,
    export_points,
    export_spans,
    make_log,
    make_pairs,
    make_span,
    make_value,
)

READERS = {PROTOBUF: protobufs, JSON: json_bodies}
VALUES: dict[str, Any] = {
    "text": "Größe 你好 \U0001f9ed",
    "empty": "",
    "yes": True,
    "no": False,
    "zero": 0,
    "large": 2**63 - 1,
    "below": -(2**63),
    "half": 0.5,
    "nothing": 0.0,
    "endless": math.inf,
    "bytes": b"\x00\xff",
    "absent": None,
    "list": ["a", 1, 0.5, True, None, ["b"], []],
    "map": {"a": {"b": [{"c": "d"}]}, "e": {}},
}


@pytest.fixture(params=[PROTOBUF, JSON])
def media_type(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def reader(media_type: str) -> ModuleType:
    return READERS[media_type]


def test_every_field_of_a_span_is_read(reader: ModuleType, media_type: str) -> None:
    message = make_span(
        parent_span_id=b"\xab" * 8,
        trace_state="a=b",
        flags=257,
        status=Status(code=Status.STATUS_CODE_ERROR, message="timed out"),
        dropped_attributes_count=1,
        dropped_events_count=2,
        dropped_links_count=3,
    )
    message.events.add(
        name="exception",
        time_unix_nano=START_NS + 1,
        attributes=make_pairs({"exception.type": "TimeoutError"}),
        dropped_attributes_count=4,
    )
    message.links.add(
        trace_id=b"\x02" * 16,
        span_id=b"\x03" * 8,
        trace_state="c=d",
        attributes=make_pairs({"k": 1}),
        dropped_attributes_count=5,
        flags=1,
    )
    request = export_spans(message)
    group = request.resource_spans[0]
    group.schema_url = "https://schema/resource"
    group.scope_spans[0].schema_url = "https://schema/scope"
    group.scope_spans[0].scope.attributes.extend(make_pairs({"s": True}))

    telemetry = reader.read_spans(encode(request, media_type))

    assert telemetry.refused == []
    assert telemetry.items == [
        OtelSpan(
            trace_id="00000000000000000000000000000001",
            span_id="0000000000000001",
            name="chat 1",
            start_ns=START_NS,
            end_ns=START_NS + 250_000_000,
            parent_span_id="abababababababab",
            kind=3,
            status_code=2,
            status_message="timed out",
            trace_state="a=b",
            flags=257,
            attributes={"gen_ai.operation.name": "chat"},
            dropped_attributes_count=1,
            events=[OtelEvent("exception", START_NS + 1, {"exception.type": "TimeoutError"}, 4)],
            dropped_events_count=2,
            links=[OtelLink("02" * 16, "03" * 8, "c=d", {"k": 1}, 5, 1)],
            dropped_links_count=3,
            resource=Resource({"service.name": "shop"}, 0, "https://schema/resource"),
            scope=Scope("tests", "1", {"s": True}, 0, "https://schema/scope"),
        )
    ]


def test_every_type_of_value_is_read(reader: ModuleType, media_type: str) -> None:
    body = encode(export_spans(make_span(attributes=VALUES)), media_type)

    (span,) = reader.read_spans(body).items

    assert span.attributes == {"gen_ai.operation.name": "chat"} | VALUES
    assert list(map(type, span.attributes.values()))[1:] == list(map(type, VALUES.values()))


def test_what_was_read_before_is_read_alike_and_no_other_is_taken_for_it() -> None:
    body = encode(export_spans(*(make_span(attributes=VALUES) for _ in "ab")), PROTOBUF)

    said = repr({"gen_ai.operation.name": "chat"} | VALUES)
    assert [repr(span.attributes) for span in protobufs.read_spans(body).items] == [said, said]


def test_more_values_than_are_remembered_are_all_told_apart() -> None:
    numbers = range(20_000)
    span = make_span(attributes={f"number {number}": number for number in numbers})

    (read,) = protobufs.read_spans(encode(export_spans(span), PROTOBUF)).items

    assert list(read.attributes.values()) == ["chat", *numbers]


def test_a_number_that_is_none_is_read(reader: ModuleType, media_type: str) -> None:
    body = encode(export_spans(make_span(attributes={"n": math.nan})), media_type)

    (span,) = reader.read_spans(body).items

    assert math.isnan(span.attributes["n"])


def test_every_field_of_a_log_record_is_read(reader: ModuleType, media_type: str) -> None:
    message = make_log(
        attributes={"gen_ai.system": "openai"},
        observed_time_unix_nano=START_NS + 9,
        severity_number=9,
        severity_text="INFO",
        flags=1,
        dropped_attributes_count=2,
    )

    telemetry = reader.read_logs(encode(export_logs(message), media_type))

    assert telemetry.items == [
        OtelLog(
            time_ns=START_NS,
            observed_ns=START_NS + 9,
            severity_number=9,
            severity_text="INFO",
            event_name="gen_ai.user.message",
            body={"content": "where is my parcel?"},
            attributes={"gen_ai.system": "openai"},
            dropped_attributes_count=2,
            flags=1,
            trace_id="00000000000000000000000000000001",
            span_id="0000000000000001",
            resource=Resource({"service.name": "shop"}),
            scope=Scope("tests"),
        )
    ]


def test_a_log_record_needs_no_span_and_may_have_any_body(
    reader: ModuleType, media_type: str
) -> None:
    request = export_logs(
        make_log(trace_id=b"", span_id=b"", body=make_value("plain")),
        make_log(trace_id=b"\x00" * 16, span_id=b"\x00" * 8, body=make_value(["a", 1])),
        make_log(trace_id=b"", span_id=b"", body=None),
    )

    logs = reader.read_logs(encode(request, media_type)).items

    assert [(log.trace_id, log.span_id, log.body) for log in logs] == [
        ("", "", "plain"),
        ("", "", ["a", 1]),
        ("", "", None),
    ]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"trace_id": b"\x01" * 15}, "id"),
        ({"trace_id": b""}, "its trace id is '', not 16 bytes, or only zeros"),
        ({"trace_id": b"\x00" * 16}, "its trace id is '00000000000000000000000000000000', not"),
        ({"span_id": b"\x00" * 8}, "its span id is '0000000000000000', not 8 bytes, or only"),
        ({"span_id": b"\x01" * 9}, "id"),
        ({"parent_span_id": b"\x01"}, "id"),
        ({"start_time_unix_nano": 0}, "its start is 0 ns, outside 1970 to 2200"),
        ({"start_time_unix_nano": 2**63}, "its start is 9223372036854775808 ns, outside"),
        ({"end_time_unix_nano": 0}, "it has no end: a span is kept once it has ended"),
        ({"end_time_unix_nano": START_NS - 1}, "its end is 1763799999999999999 ns, before its"),
        ({"end_time_unix_nano": 2**64 - 1}, "its end is 18446744073709551615 ns"),
    ],
)
def test_a_bad_span_is_refused_alone_with_its_place_and_its_bytes(
    reader: ModuleType, media_type: str, fields: dict[str, Any], reason: str
) -> None:
    bad = make_span(2, **fields)
    request = export_spans(make_span(1), bad, make_span(3))

    telemetry = reader.read_spans(encode(request, media_type))

    assert [span.name for span in telemetry.items] == ["chat 1", "chat 3"]
    (refused,) = telemetry.refused
    assert (refused.position, refused.resource) == (2, Resource({"service.name": "shop"}))
    assert reason in refused.reason
    if media_type == PROTOBUF:
        assert Span.FromString(refused.raw) == bad
    else:
        assert json.loads(refused.raw)["name"] == "chat 2"


def test_a_parent_of_zeros_is_none(reader: ModuleType, media_type: str) -> None:
    body = encode(export_spans(make_span(parent_span_id=b"\x00" * 8)), media_type)

    (span,) = reader.read_spans(body).items

    assert span.parent_span_id == ""


def test_a_log_record_with_half_an_address_is_refused(reader: ModuleType, media_type: str) -> None:
    request = export_logs(make_log(1), make_log(2, span_id=b""), make_log(3, time_unix_nano=2**63))

    telemetry = reader.read_logs(encode(request, media_type))

    assert [log.trace_id[-1] for log in telemetry.items] == ["1"]
    assert [(each.position, each.reason) for each in telemetry.refused] == [
        (2, "its span id is '', not 8 bytes, or only zeros"),
        (3, "its time is 9223372036854775808 ns, outside 1970 to 2200"),
    ]


def test_positions_count_through_all_groups(reader: ModuleType, media_type: str) -> None:
    bad: dict[str, Any] = {"trace_id": b""}
    request = export_spans(make_span(1), make_span(2, **bad))
    request.MergeFrom(export_spans(make_span(3), make_span(4, **bad)))

    telemetry = reader.read_spans(encode(request, media_type))

    assert [refused.position for refused in telemetry.refused] == [2, 4]


def test_nothing_is_a_request_without_items(reader: ModuleType, media_type: str) -> None:
    bodies = [b"", encode(ExportTraceServiceRequest(), media_type)]

    assert [reader.read_spans(body).items for body in bodies] == [[], []]
    assert reader.count_points(b"") == 0


def test_data_points_are_counted(reader: ModuleType, media_type: str) -> None:
    assert reader.count_points(encode(export_points(7), media_type)) == 7


@pytest.mark.parametrize("body", [b"hello", b"\xff\xfe\x00", b'{"resourceSpans": 5}', b"[]"])
def test_a_body_of_something_else_is_refused_whole(reader: ModuleType, body: bytes) -> None:
    for read in (reader.read_spans, reader.read_logs, reader.count_points):
        if read is reader.read_spans or b"resourceSpans" not in body:
            with pytest.raises(MalformedBodyError, match="the body is no"):
                read(body)


def test_a_text_in_protobuf_that_is_not_utf_8_costs_one_item() -> None:
    spans = export_spans(make_span(1), make_span(2))
    spans.MergeFrom(export_spans(make_span(3), service__name="other"))
    spans.resource_spans[1].schema_url = "https://schema"
    logs = export_logs(make_log(1), make_log(2, severity_text="chat 2"))

    telemetry = protobufs.read_spans(spoil(spans))
    events = protobufs.read_logs(spoil(logs))

    assert [span.name for span in telemetry.items] == ["chat 1", "chat 3"]
    assert telemetry.items[1].resource == Resource({"service.name": "other"}, 0, "https://schema")
    assert telemetry.items[1].scope == Scope("tests", "1")
    (refused,) = telemetry.refused
    assert (refused.position, refused.resource.attributes) == (2, {"service.name": "shop"})
    assert refused.reason == "it cannot be parsed, or a text in it is not UTF-8"
    assert b"chat \xff" in refused.raw
    assert [log.trace_id[-1] for log in events.items] == ["1"]
    assert [each.position for each in events.refused] == [2]


def test_an_attribute_in_protobuf_of_a_resource_that_cannot_be_parsed_is_dropped() -> None:
    deep = b""
    for _ in range(120):
        item = BytesValue(value=deep).SerializeToString()
        deep = b"\x2a" + BytesValue(value=item).SerializeToString()[1:]  # an array of one item
    nested = shallow.TraceRequest.FromString(export_spans(make_span(1)).SerializeToString())
    pair = b"\x12" + BytesValue(value=deep).SerializeToString()[1:]
    nested.resource_spans[0].resource.attributes.append(pair)
    spoilt = spoil(export_spans(make_span(1), region="chat 2"))

    for body in (nested.SerializeToString(), spoilt):
        telemetry = protobufs.read_spans(body)
        (span,) = telemetry.items
        assert span.resource == Resource({"service.name": "shop"}, 1)
        assert not telemetry.refused


def test_an_attribute_in_protobuf_of_a_scope_that_cannot_be_parsed_is_dropped() -> None:
    logs = export_logs(make_log(1))
    logs.resource_logs[0].scope_logs[0].scope.attributes.extend(make_pairs({"k": "chat 2", "l": 1}))

    (log,) = protobufs.read_logs(spoil(logs)).items

    assert log.scope == Scope("tests", "", {"l": 1}, 1)


def spoil(request: Message) -> bytes:
    """Return the request with one text damaged."""
    body: bytes = request.SerializeToString()
    assert body.count(b"chat 2") == 1
    return body.replace(b"chat 2", b"chat \xff")
