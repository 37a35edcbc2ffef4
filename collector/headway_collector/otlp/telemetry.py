"""What an OTLP request says, as plain structs, whichever encoding it came in.

Source: opentelemetry-proto 1.x, ``trace/v1/trace.proto``, ``logs/v1/logs.proto`` and
``common/v1/common.proto``. Ids are lower-case hex. An attribute's value is a str, bool, int, float,
bytes, None (an ``AnyValue`` without a value), a list of values, or a dict of them by key.
"""

from typing import Any, Generic, Literal, TypeVar

import msgspec

Attributes = dict[str, Any]
T = TypeVar("T")


class Resource(msgspec.Struct, omit_defaults=True, gc=False, frozen=True):
    """What emitted it: a service, a process."""

    attributes: Attributes = {}
    dropped_attributes_count: int = 0
    schema_url: str = ""


class Scope(msgspec.Struct, omit_defaults=True, gc=False, frozen=True):
    """Which instrumentation made it."""

    name: str = ""
    version: str = ""
    attributes: Attributes = {}
    dropped_attributes_count: int = 0
    schema_url: str = ""


class OtelEvent(msgspec.Struct, omit_defaults=True, gc=False):
    """Something that happened while a span ran, at one moment."""

    name: str
    time_ns: int = 0
    attributes: Attributes = {}
    dropped_attributes_count: int = 0


class OtelLink(msgspec.Struct, omit_defaults=True, gc=False):
    """Another span that a span has to do with."""

    trace_id: str
    span_id: str
    trace_state: str = ""
    attributes: Attributes = {}
    dropped_attributes_count: int = 0
    flags: int = 0


class OtelLog(msgspec.Struct, omit_defaults=True, gc=False):
    """One log record; with ``event_name`` it is an event. Without ids it belongs to no span."""

    time_ns: int = 0
    observed_ns: int = 0
    severity_number: int = 0
    severity_text: str = ""
    event_name: str = ""
    body: Any = None
    attributes: Attributes = {}
    dropped_attributes_count: int = 0
    flags: int = 0
    trace_id: str = ""
    span_id: str = ""
    resource: Resource = Resource()
    scope: Scope = Scope()


class OtelSpan(msgspec.Struct, omit_defaults=True, gc=False):
    """One span as it was sent, with the log events that were joined to it.

    ``kind`` and ``status_code`` are the numbers of ``SpanKind`` and ``Status.StatusCode``.
    """

    trace_id: str
    span_id: str
    name: str
    start_ns: int
    end_ns: int
    parent_span_id: str = ""
    kind: int = 0
    status_code: int = 0
    status_message: str = ""
    trace_state: str = ""
    flags: int = 0
    attributes: Attributes = {}
    dropped_attributes_count: int = 0
    events: list[OtelEvent] = []
    dropped_events_count: int = 0
    links: list[OtelLink] = []
    dropped_links_count: int = 0
    resource: Resource = Resource()
    scope: Scope = Scope()
    logs: list[OtelLog] = []


RawForm = Literal["protobuf_span", "protobuf_log", "json_span", "json_log"]
"""What an item is, as it came."""


class Refused(msgspec.Struct, gc=False):
    """One item of a request that cannot be kept: its position from 1, why, its bytes or JSON."""

    position: int
    reason: str
    raw: bytes
    form: RawForm
    resource: Resource = Resource()
    scope: Scope = Scope()


class Telemetry(msgspec.Struct, Generic[T], gc=False):
    """What one request brought: items that were read, and those that could not be."""

    items: list[T] = []
    refused: list[Refused] = []
