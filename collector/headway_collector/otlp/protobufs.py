"""OTLP in protobuf to plain structs, each message walked once.

Touching a field of a parsed message costs more than parsing it did, so each is read once, and the
attributes are left unparsed until then. A request that cannot be parsed as a whole is cut up, and
its items are parsed one by one.
"""

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from google.protobuf.message import DecodeError, Message
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)

from headway_collector.errors import MalformedBodyError
from headway_collector.otlp import amounts, shallow
from headway_collector.otlp.attributes import (
    read_attributes,
    read_sound_attributes,
    read_value,
)
from headway_collector.otlp.checks import (
    NO_SPAN_ID,
    NO_TRACE_ID,
    Group,
    UnreadableError,
    check_span_lists,
    collect,
    find_log_fault,
    find_span_fault,
)
from headway_collector.otlp.fragments import count_items, split
from headway_collector.otlp.telemetry import (
    OtelEvent,
    OtelLink,
    OtelLog,
    OtelSpan,
    RawForm,
    Resource,
    Scope,
    Telemetry,
)

T = TypeVar("T")

_UNREADABLE = "it cannot be parsed, or a text in it is not UTF-8"
_NO_EXPORT = "the body is no export of this path in protobuf, or a text in it is not UTF-8"


def read_spans(body: bytes) -> Telemetry[OtelSpan]:
    """Return what an ``ExportTraceServiceRequest`` holds.

    Raises:
        MalformedBodyError: the body is no such message.
        BodyTooLargeError: it holds too many spans, or too much in them.
    """
    try:
        _check_amounts(body, amounts.SPANS)
        groups = _group_spans(shallow.TraceRequest.FromString(body))
        return collect(groups, _read_span, find_span_fault, _dump, "protobuf_span")
    except DecodeError as error:
        return _collect_fragments(body, read_span, find_span_fault, "protobuf_span", error)


def read_logs(body: bytes) -> Telemetry[OtelLog]:
    """Return what an ``ExportLogsServiceRequest`` holds.

    Raises:
        MalformedBodyError: the body is no such message.
        BodyTooLargeError: it holds too many log records, or too much in them.
    """
    try:
        _check_amounts(body, amounts.LOGS)
        groups = _group_logs(shallow.LogsRequest.FromString(body))
        return collect(groups, _read_log, find_log_fault, _dump, "protobuf_log")
    except DecodeError as error:
        return _collect_fragments(body, read_log, find_log_fault, "protobuf_log", error)


def count_points(body: bytes) -> int:
    """Return how many data points an ``ExportMetricsServiceRequest`` holds.

    Raises:
        MalformedBodyError: the body is no such message.
        BodyTooLargeError: there is too much in it.
    """
    amounts.check_protobuf(body, amounts.METRICS)
    try:
        request = ExportMetricsServiceRequest.FromString(body)
    except DecodeError as error:
        raise MalformedBodyError(_NO_EXPORT) from error
    return sum(
        len(getattr(metric, data).data_points)
        for group in request.resource_metrics
        for part in group.scope_metrics
        for metric in part.metrics
        if (data := metric.WhichOneof("data")) is not None
    )


def _check_amounts(body: bytes, shape: dict[int, Any]) -> None:
    amounts.check_protobuf(body, shape)
    if len(body) > 2 * amounts.MAX_ITEMS:  # an item takes two bytes at least
        amounts.check_items(count_items(body))


def read_span(raw: bytes, resource: Resource, scope: Scope) -> OtelSpan:
    """Return what the bytes of a single span say.

    Raises:
        UnreadableError: they are no span.
    """
    try:
        return _read_span(shallow.Span.FromString(raw), resource, scope)
    except DecodeError as error:
        raise UnreadableError(_UNREADABLE) from error


def read_log(raw: bytes, resource: Resource, scope: Scope) -> OtelLog:
    """Return what the bytes of a single log record say.

    Raises:
        UnreadableError: they are no log record.
    """
    try:
        return _read_log(shallow.LogRecord.FromString(raw), resource, scope)
    except DecodeError as error:
        raise UnreadableError(_UNREADABLE) from error


def _collect_fragments(
    body: bytes,
    read: Callable[[bytes, Resource, Scope], T],
    find_fault: Callable[[T], str | None],
    form: RawForm,
    error: DecodeError,
) -> Telemetry[T]:
    try:
        telemetry = collect(_group_fragments(body), read, find_fault, bytes, form)
    except DecodeError:
        raise MalformedBodyError(_NO_EXPORT) from error
    if not telemetry.items and not telemetry.refused:
        raise MalformedBodyError(_NO_EXPORT) from error
    return telemetry


def _group_fragments(body: bytes) -> Iterator[Group[bytes]]:
    for each in split(body):
        yield Group(
            _read_damaged_resource(each.resource, each.resource_schema_url),
            _read_damaged_scope(each.scope, each.scope_schema_url),
            each.items,
        )


def _dump(message: Message) -> bytes:
    raw: bytes = message.SerializeToString()
    return raw


def _group_spans(request: Any) -> Iterator[Group[Any]]:
    for group in request.resource_spans:
        resource = _read_resource(group.resource, group.schema_url)
        for part in group.scope_spans:
            yield Group(resource, _read_scope(part.scope, part.schema_url), part.spans)


def _group_logs(request: Any) -> Iterator[Group[Any]]:
    for group in request.resource_logs:
        resource = _read_resource(group.resource, group.schema_url)
        for part in group.scope_logs:
            yield Group(resource, _read_scope(part.scope, part.schema_url), part.log_records)


def _read_resource(message: Any, schema_url: str) -> Resource:
    return Resource(
        read_attributes(message.attributes), message.dropped_attributes_count, schema_url
    )


def _read_scope(message: Any, schema_url: str) -> Scope:
    return Scope(
        message.name,
        message.version,
        read_attributes(message.attributes),
        message.dropped_attributes_count,
        schema_url,
    )


def _read_damaged_resource(raw: bytes, schema_url: bytes) -> Resource:
    # An attribute that cannot be parsed would else cost every span, in each request anew.
    message = shallow.Resource.FromString(raw)
    attributes, count = read_sound_attributes(message.attributes)
    dropped_count = message.dropped_attributes_count + count
    return Resource(attributes, dropped_count, schema_url.decode(errors="replace"))


def _read_damaged_scope(raw: bytes, schema_url: bytes) -> Scope:
    message = shallow.Scope.FromString(raw)
    attributes, count = read_sound_attributes(message.attributes)
    dropped_count = message.dropped_attributes_count + count
    url = schema_url.decode(errors="replace")
    return Scope(message.name, message.version, attributes, dropped_count, url)


def _read_span(message: Any, resource: Resource, scope: Scope) -> OtelSpan:
    parent = message.parent_span_id.hex()
    status = message.status
    events, links = message.events, message.links
    check_span_lists(len(events), len(links))
    return OtelSpan(
        trace_id=message.trace_id.hex(),
        span_id=message.span_id.hex(),
        name=message.name,
        start_ns=message.start_time_unix_nano,
        end_ns=message.end_time_unix_nano,
        parent_span_id="" if parent == NO_SPAN_ID else parent,
        kind=message.kind,
        status_code=status.code,
        status_message=status.message,
        trace_state=message.trace_state,
        flags=message.flags,
        attributes=read_attributes(message.attributes),
        dropped_attributes_count=message.dropped_attributes_count,
        events=list(map(_read_event, events)),
        dropped_events_count=message.dropped_events_count,
        links=list(map(_read_link, links)),
        dropped_links_count=message.dropped_links_count,
        resource=resource,
        scope=scope,
    )


def _read_event(message: Any) -> OtelEvent:
    return OtelEvent(
        message.name,
        message.time_unix_nano,
        read_attributes(message.attributes),
        message.dropped_attributes_count,
    )


def _read_link(message: Any) -> OtelLink:
    return OtelLink(
        message.trace_id.hex(),
        message.span_id.hex(),
        message.trace_state,
        read_attributes(message.attributes),
        message.dropped_attributes_count,
        message.flags,
    )


def _read_log(message: Any, resource: Resource, scope: Scope) -> OtelLog:
    trace_id, span_id = message.trace_id.hex(), message.span_id.hex()
    return OtelLog(
        time_ns=message.time_unix_nano,
        observed_ns=message.observed_time_unix_nano,
        severity_number=message.severity_number,
        severity_text=message.severity_text,
        event_name=message.event_name,
        body=read_value(message.body),
        attributes=read_attributes(message.attributes),
        dropped_attributes_count=message.dropped_attributes_count,
        flags=message.flags,
        trace_id="" if trace_id == NO_TRACE_ID else trace_id,
        span_id="" if span_id == NO_SPAN_ID else span_id,
        resource=resource,
        scope=scope,
    )
