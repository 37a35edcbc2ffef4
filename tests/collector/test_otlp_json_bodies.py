"""OTLP in JSON: its spellings of ids, enums, integers and bytes, and damage that costs one item."""

import base64
import json
from typing import Any

import pytest

from headway_collector.errors import MalformedBodyError
from headway_collector.otlp import json_bodies
from headway_collector.otlp.telemetry import OtelSpan
from tests.collector.otlp_requests import (
    START_NS,
    as_json,
    export_logs,
    export_spans,
    make_log,
    make_span,
    make_value,
)


def json_span(**fields: Any) -> bytes:
    """Return a request with one valid span whose JSON is changed."""
    request = json.loads(as_json(export_spans(make_span())))
    request["resourceSpans"][0]["scopeSpans"][0]["spans"][0].update(fields)
    return json.dumps(request).encode()


def read_one(body: bytes) -> OtelSpan:
    telemetry = json_bodies.read_spans(body)
    assert telemetry.refused == []
    return telemetry.items[0]


def test_json_that_is_nested_without_end_is_refused_whole() -> None:
    depth = 100_000
    body = b'{"resourceSpans":' + b"[" * depth + b"]" * depth + b"}"

    with pytest.raises(MalformedBodyError):
        json_bodies.read_spans(body)


@pytest.mark.parametrize("depth", [50, 300, 5_000])
def test_deep_nesting_is_read_or_refused_by_whichever_limit_of_python_comes_first(
    depth: int,
) -> None:
    deep = b'{"arrayValue":{"values":[' * depth + b"]}}" * depth
    request = as_json(export_spans(make_span(1, {"deep": "here"}), make_span(2)))

    try:
        telemetry = json_bodies.read_spans(request.replace(b'{"stringValue": "here"}', deep))
    except MalformedBodyError:
        assert depth > 50
    else:
        assert telemetry.items[-1].name == "chat 2"
        assert len(telemetry.items) + len(telemetry.refused) == 2


@pytest.mark.parametrize(
    ("spelling", "trace_id"),
    [
        ("AB" * 16, "ab" * 16),
        ("ab" * 16, "ab" * 16),
        (base64.b64encode(b"\xab" * 16).decode(), "ab" * 16),
    ],
)
def test_ids_in_json_are_hex_in_any_case_or_by_mistake_base64(spelling: str, trace_id: str) -> None:
    assert read_one(json_span(traceId=spelling)).trace_id == trace_id


def test_enums_in_json_are_numbers_or_names() -> None:
    spans = [
        read_one(json_span(kind=kind, status={"code": code}))
        for kind, code in [(3, 2), ("SPAN_KIND_CLIENT", "STATUS_CODE_ERROR"), ("3", "2")]
    ]

    assert [(span.kind, span.status_code) for span in spans] == [(3, 2)] * 3


def test_64_bit_integers_in_json_are_texts_or_numbers() -> None:
    pairs = [
        {"key": "text", "value": {"intValue": "9007199254740993"}},
        {"key": "number", "value": {"intValue": 9007199254740993}},
        {"key": "float", "value": {"intValue": 12.0}},
    ]
    span = read_one(
        json_span(startTimeUnixNano=START_NS, endTimeUnixNano=str(START_NS + 1), attributes=pairs)
    )

    assert (span.start_ns, span.end_ns) == (START_NS, START_NS + 1)
    assert list(span.attributes.values()) == [9007199254740993, 9007199254740993, 12]


def test_unknown_fields_and_nulls_in_json_are_passed_over() -> None:
    span = read_one(
        json_span(
            brandNew={"a": [1]},
            parentSpanId=None,
            traceState=None,
            events=None,
            links=[],
            status=None,
            attributes=[{"key": "k", "value": None}, {"key": "l", "value": {}}],
        )
    )

    assert (span.parent_span_id, span.events, span.status_code) == ("", [], 0)
    assert span.attributes == {"k": None, "l": None}


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"name": 5}, "Expected `str | null`, got `int` - at `$.name`"),
        ({"traceId": "xy" * 16}, "the id 'xyxyxyxyxyxyxyxyxyxyxyxyxyxyxyxy' is not 32 hex digits"),
        ({"traceId": "ab " * 10 + "ab"}, "is not 32 hex digits"),
        ({"traceId": "ä"}, "is not 32 hex digits"),
        ({"kind": "CLIENT"}, "'CLIENT' is no whole number"),
        ({"flags": 0.5}, "0.5 is no whole number of 64 bits"),
        ({"attributes": [{"key": "k", "value": {"intValue": "9" * 30}}]}, "of 64 bits"),
        ({"startTimeUnixNano": "soon"}, "'soon' is no whole number"),
        ({"attributes": [{"key": "k", "value": {"doubleValue": "x"}}]}, "'x' is no number"),
        ({"attributes": [{"key": "k", "value": {"bytesValue": "x"}}]}, "'x' is no base64"),
        ({"attributes": [{"key": "k", "value": {"bytesValue": "!!!"}}]}, "'!!!' is no base64"),
        ({"attributes": {"k": "v"}}, "Expected `array | null`, got `object`"),
    ],
)
def test_a_bad_value_in_json_costs_one_span(fields: dict[str, Any], reason: str) -> None:
    good = json.loads(as_json(export_spans(make_span(2))))
    request = json.loads(json_span(**fields))
    request["resourceSpans"] += good["resourceSpans"]

    telemetry = json_bodies.read_spans(json.dumps(request).encode())

    assert [span.name for span in telemetry.items] == ["chat 2"]
    assert reason in telemetry.refused[0].reason


def test_a_text_in_json_that_is_not_utf_8_costs_one_span() -> None:
    request = as_json(export_spans(make_span(1), make_span(2)))

    telemetry = json_bodies.read_spans(request.replace(b'"chat 1"', b'"\xff"'))

    assert [span.name for span in telemetry.items] == ["chat 2"]
    assert telemetry.refused[0].reason == "a text in it is not UTF-8"


HALVES = [
    (r"cut \ud83d", "cut \ufffd"),
    (r"\uDE00 cut", "\ufffd cut"),
    (r"\ud83d\ud83d\ude00\ude00", "\ufffd\U0001f600\ufffd"),
    (r"\\ud83d \\\ud83d\"", '\\ud83d \\\ufffd"'),
    (r"\\ud83d\udc00", "\\ud83d\ufffd"),
]


@pytest.mark.parametrize(("escaped", "text"), HALVES)
def test_half_a_character_in_json_is_replaced_and_costs_nothing(escaped: str, text: str) -> None:
    spans = as_json(export_spans(make_span(1), make_span(2, {"k": "half"})))
    logs = as_json(export_logs(make_log(body=make_value("half")), service__name="half"))
    half = escaped.encode()

    (good, cut) = json_bodies.read_spans(spans.replace(b"half", half)).items
    (log,) = json_bodies.read_logs(logs.replace(b"half", half)).items

    assert (good.name, cut.attributes["k"]) == ("chat 1", text)
    assert (log.body, log.resource.attributes["service.name"]) == (text, text)


def test_what_is_no_json_stays_none_whatever_halves_it_has() -> None:
    with pytest.raises(MalformedBodyError, match="no OTLP request in JSON"):
        json_bodies.read_spans(rb'{"resourceSpans": "\ud83d"')


@pytest.mark.parametrize("depth", [400, 20_000])
def test_a_value_in_json_that_is_nested_too_deeply_costs_one_item(depth: int) -> None:
    deep = b'{"arrayValue":{"values":[' * depth + b'{"stringValue":"]}\\""}' + b"]}}" * depth
    spans = as_json(export_spans(make_span(1, {"k": "]["}), make_span(2), make_span(3)))
    logs = as_json(export_logs(make_log(1), make_log(2, body=make_value("deep"))))

    telemetry = json_bodies.read_spans(
        spans.replace(
            b'"name": "chat 2"', b'"name": "\\ud83d", "attributes": [{"value":' + deep + b"}]"
        )
    )
    events = json_bodies.read_logs(logs.replace(b'{"stringValue": "deep"}', deep))

    assert [span.name for span in telemetry.items] == ["chat 1", "chat 3"]
    (refused,) = telemetry.refused
    assert (refused.position, refused.reason) == (2, "it is nested too deeply")
    assert json.loads(refused.raw).endswith("}")
    assert [log.trace_id[-1] for log in events.items] == ["1"]
    assert [each.position for each in events.refused] == [2]


def test_an_attribute_in_json_of_a_resource_or_scope_that_is_nested_too_deeply_is_a_text() -> None:
    deep = b'{"arrayValue":{"values":[' * 900 + b"]}}" * 900
    spans = as_json(export_spans(make_span(), region="deep"))
    logs = as_json(export_logs(make_log()))

    (span,) = json_bodies.read_spans(spans.replace(b'{"stringValue": "deep"}', deep)).items
    scope = b'{"attributes": [{"key": "region", "value": ' + deep + b'}], "name": "tests"}'
    (log,) = json_bodies.read_logs(logs.replace(b'{"name": "tests"}', scope)).items

    assert span.resource.attributes["service.name"] == "shop"
    assert span.resource.attributes["region"] == f"it is nested too deeply: {deep.decode()}"
    assert log.scope.name == "tests"
    assert '"region"' in log.scope.attributes["attributes"]


@pytest.mark.parametrize("text", ["/+8=", "_-8=", "/+8", "/\n+8="])
def test_bytes_are_read_in_both_alphabets_of_base64(text: str) -> None:
    span = read_one(json_span(attributes=[{"key": "k", "value": {"bytesValue": text}}]))

    assert span.attributes["k"] == b"\xff\xef"
