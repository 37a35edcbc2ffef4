"""OTLP in JSON to plain structs.

Source: the JSON mapping in opentelemetry-proto's ``docs/specification.md``: protobuf's own, with
hex ids, enums as numbers and lowerCamelCase keys. Read besides are what exporters send by mistake
and cannot be misunderstood: ids in base64, enums by name, null for what is absent, halves of
characters. The spans of a request stay bytes until each is read by itself, so that one bad value
costs one span.
"""

import base64
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

import msgspec
from opentelemetry.proto.logs.v1.logs_pb2 import SeverityNumber
from opentelemetry.proto.trace.v1 import trace_pb2

from headway_collector.errors import MalformedBodyError
from headway_collector.otlp.amounts import check_items, check_json
from headway_collector.otlp.checks import (
    NO_SPAN_ID,
    NO_TRACE_ID,
    SPAN_ID_CHARS,
    TRACE_ID_CHARS,
    Group,
    UnreadableError,
    check_span_lists,
    collect,
    find_log_fault,
    find_span_fault,
    show,
)
from headway_collector.otlp.json_repairs import (
    TOO_DEEP,
    close_deep_items,
    is_closed,
    mend_halves,
)
from headway_collector.otlp.json_shapes import (
    Integer,
    JsonAttributed,
    JsonEvent,
    JsonGroup,
    JsonLink,
    JsonLog,
    JsonPair,
    JsonPart,
    JsonRequest,
    JsonScope,
    JsonSpan,
    JsonStatus,
    JsonValue,
)
from headway_collector.otlp.telemetry import (
    Attributes,
    OtelEvent,
    OtelLink,
    OtelLog,
    OtelSpan,
    Resource,
    Scope,
    Telemetry,
)

T = TypeVar("T")

_requests = msgspec.json.Decoder(JsonRequest)
_spans = msgspec.json.Decoder(JsonSpan)
_logs = msgspec.json.Decoder(JsonLog)

_INTEGERS = range(-(2**63), 2**64)
_KINDS = dict(trace_pb2.Span.SpanKind.items())
_CODES = dict(trace_pb2.Status.StatusCode.items())
_SEVERITIES = dict(SeverityNumber.items())
_STANDARD_ALPHABET = str.maketrans("-_", "+/")


def read_spans(body: bytes) -> Telemetry[OtelSpan]:
    """Return what an ``ExportTraceServiceRequest`` holds.

    Raises:
        MalformedBodyError: the body is no such object.
        BodyTooLargeError: it holds too many spans, or too much in them.
    """
    return collect(_group_spans(_parse(body)), read_span, find_span_fault, bytes, "json_span")


def read_logs(body: bytes) -> Telemetry[OtelLog]:
    """Return what an ``ExportLogsServiceRequest`` holds.

    Raises:
        MalformedBodyError: the body is no such object.
        BodyTooLargeError: it holds too many log records, or too much in them.
    """
    return collect(_group_logs(_parse(body)), read_log, find_log_fault, bytes, "json_log")


def count_points(body: bytes) -> int:
    """Return how many data points an ``ExportMetricsServiceRequest`` holds.

    Raises:
        MalformedBodyError: the body is no such object.
        BodyTooLargeError: there is too much in it.
    """
    return sum(
        len(data["dataPoints"])
        for group in _parse(body).resource_metrics or ()
        for part in group.scope_metrics or ()
        for metric in part.metrics or ()
        for data in metric.values()
        if isinstance(data, dict) and isinstance(data.get("dataPoints"), list)
    )


def _parse(body: bytes) -> JsonRequest:
    check_json(body)
    try:
        return _parse_mended(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedBodyError(f"the body is no OTLP request in JSON: {error}") from error


def _parse_mended(body: bytes) -> JsonRequest:
    try:
        # Nothing at all is a request without items, as it is in protobuf.
        return _requests.decode(body or b"{}")
    except (msgspec.DecodeError, RecursionError):
        mended = mend_halves(body)
    try:
        return _requests.decode(mended)
    except RecursionError as error:
        try:
            return _requests.decode(close_deep_items(mended))
        except msgspec.DecodeError:
            raise error from None  # it is no item that is nested so deeply


def _group_spans(request: JsonRequest) -> Iterator[Group[msgspec.Raw]]:
    groups = request.resource_spans or ()
    check_items(sum(len(part.spans or ()) for group in groups for part in group.scope_spans or ()))
    for group in groups:
        resource = _read_resource(group)
        for part in group.scope_spans or ():
            yield Group(resource, _read_scope(part), part.spans or ())


def _group_logs(request: JsonRequest) -> Iterator[Group[msgspec.Raw]]:
    groups = request.resource_logs or ()
    check_items(
        sum(len(part.log_records or ()) for group in groups for part in group.scope_logs or ())
    )
    for group in groups:
        resource = _read_resource(group)
        for part in group.scope_logs or ():
            yield Group(resource, _read_scope(part), part.log_records or ())


def _read_resource(group: JsonGroup) -> Resource:
    said = group.resource or JsonAttributed()
    try:
        return Resource(
            _read_attributes(said.attributes),
            _read_int(said.dropped_attributes_count),
            group.schema_url or "",
        )
    except UnreadableError as error:
        raise MalformedBodyError(f"a resource cannot be read: {error}") from error


def _read_scope(part: JsonPart) -> Scope:
    said = part.scope or JsonScope()
    try:
        return Scope(
            said.name or "",
            said.version or "",
            _read_attributes(said.attributes),
            _read_int(said.dropped_attributes_count),
            part.schema_url or "",
        )
    except UnreadableError as error:
        raise MalformedBodyError(f"a scope cannot be read: {error}") from error


def read_span(raw: msgspec.Raw | bytes, resource: Resource, scope: Scope) -> OtelSpan:
    """Return what the JSON of a single span says.

    Raises:
        UnreadableError: it is no span.
    """
    said = _decode(_spans, raw)
    status = said.status or JsonStatus()
    events, links = said.events or (), said.links or ()
    check_span_lists(len(events), len(links))
    return OtelSpan(
        trace_id=_read_id(said.trace_id, TRACE_ID_CHARS),
        span_id=_read_id(said.span_id, SPAN_ID_CHARS),
        name=said.name or "",
        start_ns=_read_int(said.start_time_unix_nano),
        end_ns=_read_int(said.end_time_unix_nano),
        parent_span_id=_drop_zeros(_read_id(said.parent_span_id, SPAN_ID_CHARS)),
        kind=_read_enum(said.kind, _KINDS),
        status_code=_read_enum(status.code, _CODES),
        status_message=status.message or "",
        trace_state=said.trace_state or "",
        flags=_read_int(said.flags),
        attributes=_read_attributes(said.attributes),
        dropped_attributes_count=_read_int(said.dropped_attributes_count),
        events=[_read_event(event) for event in events],
        dropped_events_count=_read_int(said.dropped_events_count),
        links=[_read_link(link) for link in links],
        dropped_links_count=_read_int(said.dropped_links_count),
        resource=resource,
        scope=scope,
    )


def _read_event(said: JsonEvent) -> OtelEvent:
    return OtelEvent(
        said.name or "",
        _read_int(said.time_unix_nano),
        _read_attributes(said.attributes),
        _read_int(said.dropped_attributes_count),
    )


def _read_link(said: JsonLink) -> OtelLink:
    return OtelLink(
        _read_id(said.trace_id, TRACE_ID_CHARS),
        _read_id(said.span_id, SPAN_ID_CHARS),
        said.trace_state or "",
        _read_attributes(said.attributes),
        _read_int(said.dropped_attributes_count),
        _read_int(said.flags),
    )


def read_log(raw: msgspec.Raw | bytes, resource: Resource, scope: Scope) -> OtelLog:
    """Return what the JSON of a single log record says.

    Raises:
        UnreadableError: it is no log record.
    """
    said = _decode(_logs, raw)
    return OtelLog(
        time_ns=_read_int(said.time_unix_nano),
        observed_ns=_read_int(said.observed_time_unix_nano),
        severity_number=_read_enum(said.severity_number, _SEVERITIES),
        severity_text=said.severity_text or "",
        event_name=said.event_name or "",
        body=None if said.body is None else _read_value(said.body),
        attributes=_read_attributes(said.attributes),
        dropped_attributes_count=_read_int(said.dropped_attributes_count),
        flags=_read_int(said.flags),
        trace_id=_drop_zeros(_read_id(said.trace_id, TRACE_ID_CHARS)),
        span_id=_drop_zeros(_read_id(said.span_id, SPAN_ID_CHARS)),
        resource=resource,
        scope=scope,
    )


def _decode(decoder: msgspec.json.Decoder[T], raw: msgspec.Raw | bytes) -> T:
    try:
        return decoder.decode(raw)
    except UnicodeDecodeError as error:
        raise UnreadableError("a text in it is not UTF-8") from error
    except msgspec.DecodeError as error:
        said = TOO_DEEP if is_closed(bytes(raw)) else str(error)
        raise UnreadableError(said) from error


def _read_attributes(pairs: Iterable[JsonPair] | None) -> Attributes:
    attributes: Attributes = {}
    for pair in pairs or ():
        value = pair.value
        attributes[pair.key] = None if value is None else _read_value(value)
    return attributes


def _read_value(value: JsonValue) -> Any:
    if value.string_value is not None:
        return value.string_value
    if value.int_value is not None:
        return _read_int(value.int_value)
    if value.double_value is not None:
        return _read_double(value.double_value)
    if value.bool_value is not None:
        return value.bool_value
    if value.array_value is not None:
        items = value.array_value.values or ()
        return [None if each is None else _read_value(each) for each in items]
    if value.kvlist_value is not None:
        return _read_attributes(value.kvlist_value.values)
    return None if value.bytes_value is None else _read_base64(value.bytes_value)


def _read_int(value: Integer) -> int:
    try:
        number = int(value or 0)
    except ValueError as error:
        raise UnreadableError(f"{show(value)} is no whole number of 64 bits") from error
    if number not in _INTEGERS or (isinstance(value, float) and value != number):
        raise UnreadableError(f"{show(value)} is no whole number of 64 bits")
    return number


def _read_double(value: float | str) -> float:
    try:
        return float(value)  # protobuf's "NaN", "Infinity" and "-Infinity" are Python's, too
    except ValueError as error:
        raise UnreadableError(f"{show(value)} is no number") from error


def _read_enum(value: Integer, names: Mapping[str, int]) -> int:
    return names[value] if isinstance(value, str) and value in names else _read_int(value)


def _read_id(text: str | None, chars: int) -> str:
    """Return an id as lower-case hex, or nothing where there is none."""
    if not text:
        return ""
    try:
        id_bytes = bytes.fromhex(text) if len(text) == chars else base64.b64decode(text)
    except ValueError:
        id_bytes = b""
    if len(id_bytes) * 2 != chars:
        raise UnreadableError(f"the id {show(text)} is not {chars} hex digits")
    return id_bytes.hex()


def _drop_zeros(span_id: str) -> str:
    return "" if span_id in (NO_SPAN_ID, NO_TRACE_ID) else span_id


def _read_base64(text: str) -> bytes:
    """Return bytes; protobuf reads both alphabets, and does not ask for the padding."""
    digits = "".join(text.split()).rstrip("=").translate(_STANDARD_ALPHABET)
    try:
        return base64.b64decode(digits + "=" * (-len(digits) % 4), validate=True)
    except ValueError as error:
        raise UnreadableError(f"{show(text)} is no base64") from error
