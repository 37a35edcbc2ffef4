"""The objects of OTLP in JSON, as they are spelled, before anything is made of them.

Every field may be missing or null. The spans and log records of a request stay bytes, so that each
is read by itself.
"""

from typing import Any

import msgspec

Integer = int | float | str | None
"""64-bit integers are decimal texts; numbers are read too, also those that a float went through."""


class JsonObject(msgspec.Struct, rename="camel", gc=False):
    """An object of OTLP: keys in lowerCamelCase, unknown ones ignored."""


class JsonValue(JsonObject):
    """An attribute's value: at most one of these is given."""

    string_value: str | None = None
    int_value: Integer = None
    double_value: float | str | None = None
    bool_value: bool | None = None
    array_value: "JsonArray | None" = None
    kvlist_value: "JsonMap | None" = None
    bytes_value: str | None = None


class JsonArray(JsonObject):
    """A list of values."""

    values: list[JsonValue | None] | None = None


class JsonPair(JsonObject):
    """One attribute."""

    key: str = ""
    value: JsonValue | None = None


class JsonMap(JsonObject):
    """Attributes as a value."""

    values: list[JsonPair] | None = None


class JsonAttributed(JsonObject):
    """What has attributes; a resource is no more than that."""

    attributes: list[JsonPair] | None = None
    dropped_attributes_count: Integer = None


class JsonScope(JsonAttributed):
    """Which instrumentation made it."""

    name: str | None = None
    version: str | None = None


class JsonEvent(JsonAttributed):
    """A moment of a span."""

    name: str | None = None
    time_unix_nano: Integer = None


class JsonLink(JsonAttributed):
    """Another span."""

    trace_id: str | None = None
    span_id: str | None = None
    trace_state: str | None = None
    flags: Integer = None


class JsonStatus(JsonObject):
    """How a span ended."""

    code: Integer = None
    message: str | None = None


class JsonSpan(JsonAttributed):
    """One span, times and ids as texts."""

    trace_id: str | None = None
    span_id: str | None = None
    trace_state: str | None = None
    parent_span_id: str | None = None
    flags: Integer = None
    name: str | None = None
    kind: Integer = None
    start_time_unix_nano: Integer = None
    end_time_unix_nano: Integer = None
    events: list[JsonEvent] | None = None
    dropped_events_count: Integer = None
    links: list[JsonLink] | None = None
    dropped_links_count: Integer = None
    status: JsonStatus | None = None


class JsonLog(JsonAttributed):
    """One log record."""

    time_unix_nano: Integer = None
    observed_time_unix_nano: Integer = None
    severity_number: Integer = None
    severity_text: str | None = None
    event_name: str | None = None
    body: JsonValue | None = None
    flags: Integer = None
    trace_id: str | None = None
    span_id: str | None = None


class JsonPart(JsonObject):
    """The items of one scope; those of another signal than the request's stay empty."""

    scope: JsonScope | None = None
    spans: list[msgspec.Raw] | None = None
    log_records: list[msgspec.Raw] | None = None
    metrics: list[dict[str, Any]] | None = None
    schema_url: str | None = None


class JsonGroup(JsonObject):
    """The items of one resource."""

    resource: JsonAttributed | None = None
    scope_spans: list[JsonPart] | None = None
    scope_logs: list[JsonPart] | None = None
    scope_metrics: list[JsonPart] | None = None
    schema_url: str | None = None


class JsonRequest(JsonObject):
    """A whole body, of any signal."""

    resource_spans: list[JsonGroup] | None = None
    resource_logs: list[JsonGroup] | None = None
    resource_metrics: list[JsonGroup] | None = None
