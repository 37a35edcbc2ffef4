"""What is too large is refused alone, with the field, its size and the limit."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from headway_collector.apps import create_app
from headway_collector.costs.pricing import Prices
from headway_collector.decoding import decode_records
from headway_collector.exports import export_spans as export_telemetry
from headway_collector.limits import MAX_ATTRIBUTES, MAX_CUT_BYTES, MAX_REFUSED_BYTES, Caps
from headway_collector.otlp import json_bodies, protobufs
from headway_collector.store.connections import Store
from tests.collector.otlp_requests import JSON, PROTOBUF, encode, export_spans, make_span

Lines = Callable[..., bytes]

SMALL = Caps(record_bytes=20_000, field_bytes=10_000, attributes=100)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"input": "x" * 10_000}, "input has 10002 bytes; 10000 are allowed"),
        ({"output": ["x" * 10_000]}, "output has 10004 bytes; 10000 are allowed"),
        ({"status_message": "x" * 10_002}, "status_message has 10002 bytes; 10000 are allowed"),
        (
            {"attributes": {f"k{number}": 1 for number in range(101)}},
            "it has 101 attributes; 100 are allowed",
        ),
    ],
)
def test_a_record_with_one_field_too_large_is_refused_alone(
    span_line: Lines, fields: dict[str, Any], reason: str
) -> None:
    body = b"\n".join([span_line(), span_line(**fields), span_line()])

    decoded = decode_records(body, SMALL)

    assert len(decoded.spans) == 2
    assert [(each.line, each.reason) for each in decoded.rejects] == [(2, reason)]


def test_fields_at_their_limit_are_kept(span_line: Lines) -> None:
    attributes = {f"k{number}": "x" for number in range(100)}
    line = span_line(input="x" * 9_998, attributes=attributes)

    assert decode_records(line, SMALL).rejects == []


def test_keys_within_values_and_texts_are_no_attributes(span_line: Lines) -> None:
    inner = {f"k{number}": 1 for number in range(150)}
    line = span_line(attributes={"object": inner, "text": json.dumps(inner)})

    assert decode_records(line, SMALL).rejects == []


def test_a_record_too_large_in_all_is_refused_before_it_is_read(span_line: Lines) -> None:
    large = span_line(input="x" * 9_000, output="x" * 9_000, params={"x": "x" * 9_000})

    (reject,) = decode_records(b"\n".join([large, span_line()]), SMALL).rejects

    assert reject.reason == f"the record has {len(large)} bytes; 20000 are allowed"


def test_a_score_has_caps_too(score_line: Lines) -> None:
    decoded = decode_records(b"\n".join([score_line(comment="x" * 10_001), score_line()]), SMALL)

    assert len(decoded.scores) == 1
    assert decoded.rejects[0].reason == "comment has 10001 bytes; 10000 are allowed"


def test_of_what_is_refused_for_its_size_only_the_beginning_is_kept(span_line: Lines) -> None:
    large = span_line(input="x" * 200_000)

    (reject,) = decode_records(large, SMALL).rejects

    assert (reject.raw, reject.form) == (large[:MAX_CUT_BYTES], "cut")
    assert reject.size_bytes == len(large)


@pytest.mark.parametrize("media_type", [PROTOBUF, JSON])
def test_a_foreign_span_of_a_hundred_thousand_attributes_is_refused_alone(
    media_type: str,
) -> None:
    many = make_span(1, attributes={f"a{number}": number for number in range(100_000)})
    read = (protobufs if media_type == PROTOBUF else json_bodies).read_spans

    telemetry = read(encode(export_spans(many, make_span(2)), media_type))

    assert [span.name for span in telemetry.items] == ["chat 2"]
    (refused,) = telemetry.refused
    count = 100_000 + len(make_span(1).attributes)
    assert refused.reason.startswith("it has ")
    assert refused.reason.endswith(f" attributes; {MAX_ATTRIBUTES} are allowed")
    assert 100_000 <= int(refused.reason.split()[2]) <= count


def test_attributes_of_events_count_too() -> None:
    span = make_span(1)
    for _ in range(30):
        event = span.events.add(name="e")
        for number in range(1_000):
            event.attributes.add(key=f"k{number}").value.int_value = 1

    (refused,) = protobufs.read_spans(encode(export_spans(span), PROTOBUF)).refused

    assert refused.reason.endswith(f"attributes; {MAX_ATTRIBUTES} are allowed")


def test_a_foreign_span_has_the_same_caps(store: Store) -> None:
    large = make_span(1, attributes={"own.text": "x" * 100_000})
    body = encode(export_spans(large, make_span(2)), PROTOBUF)

    with TestClient(create_app(store, caps=SMALL)) as client:
        response = client.post("/v1/traces", content=body, headers={"Content-Type": PROTOBUF})

    assert response.status_code == 200
    assert store.read("SELECT name FROM store.spans") == [{"name": "chat 2"}]
    (kept,) = store.read("SELECT reason, form, octet_length(raw) AS n FROM store.rejects")
    assert "; 10000 are allowed" in kept["reason"] or "; 20000 are allowed" in kept["reason"]
    assert (kept["form"], kept["n"]) == ("cut", MAX_CUT_BYTES)


def test_what_one_request_has_kept_of_its_refused_spans_is_bounded() -> None:
    # Each of them is kept with its resource, which is sent once.
    request = export_spans(*[make_span(number + 1) for number in range(200)])
    big = request.resource_spans[0].resource.attributes.add(key="big")
    big.value.string_value = "x" * 1_000_000
    telemetry = protobufs.read_spans(encode(request, PROTOBUF))

    def fail(otel: Any) -> Any:
        raise ZeroDivisionError

    made = export_telemetry(telemetry, None, Prices(), fail)

    (batch,) = made.batches
    assert len(batch.rejects) == 200
    assert sum(len(each.raw) for each in batch.rejects) > MAX_REFUSED_BYTES / 2
    assert sum(len(each.raw) for each in batch.rejects) <= MAX_REFUSED_BYTES
    assert batch.rejects[-1].form == "cut"


def test_the_caps_can_be_set(store: Store, span_line: Lines) -> None:
    body = b"\n".join([span_line(input="x" * 3_000_000), span_line()])
    with TestClient(create_app(store, caps=Caps(field_bytes=2_000_000))) as client:
        answer = client.post("/v1/ingest", content=body).json()

    assert (answer["accepted"], answer["rejected"]) == (1, 1)
    assert answer["errors"][0]["reason"] == "input has 3000002 bytes; 2000000 are allowed"
