"""Whether a span failed, and of what."""

import msgspec

from headway.records import Status
from headway_collector.dialects.keys import Keys, Names
from headway_collector.dialects.lookups import as_text, find_count, find_text
from headway_collector.otlp.telemetry import Attributes, OtelSpan

_STATUSES: dict[int, Status] = {1: "ok", 2: "error"}
_ERROR_TYPE = Names("error.type")
_EXCEPTION_TYPE = ("exception.type",)
_MESSAGE = "langfuse.observation.status_message"
_LEVEL = "langfuse.observation.level"
_LOGFIRE_LEVEL = "logfire.level_num"
_LOGFIRE_ERROR = 17
_LIVEKIT_ERROR = "lk.function_tool.is_error"
_LEVELS = Names(_LEVEL, _LOGFIRE_LEVEL, _LIVEKIT_ERROR)


class Outcome(msgspec.Struct, gc=False, frozen=True):
    """How a span ended."""

    status: Status
    message: str | None
    error_type: str | None
    error_stack: str | None


def find_outcome(otel: OtelSpan, keys: Keys) -> Outcome:
    """Return how the span ended.

    OTLP's status decides. Where it is unset, as instrumentations in their first version leave it,
    an ``error.type`` or a level of error does, or a tool that says it failed. Of several
    exceptions the last one ended the span.
    """
    attributes = otel.attributes
    error_type = find_text(attributes, keys[_ERROR_TYPE])
    status = _STATUSES.get(otel.status_code)
    if status is None:
        has_failed = error_type is not None or (keys[_LEVELS] and _has_error_level(attributes))
        status = "error" if has_failed else "unset"
    message = otel.status_message or as_text(attributes.get(_MESSAGE))
    exception = _find_exception(otel)
    if exception is None:
        return Outcome(status, message or None, error_type, None)
    if status == "error":
        message = message or as_text(exception.get("exception.message"))
    return Outcome(
        status,
        message or None,
        error_type or find_text(exception, _EXCEPTION_TYPE),
        as_text(exception.get("exception.stacktrace")) or None,
    )


def _has_error_level(attributes: Attributes) -> bool:
    if _LEVEL in attributes:
        return as_text(attributes[_LEVEL]) == "ERROR"
    if attributes.get(_LIVEKIT_ERROR) is True:
        return True
    level = find_count(attributes, (_LOGFIRE_LEVEL,))
    return level is not None and level >= _LOGFIRE_ERROR


def _find_exception(otel: OtelSpan) -> Attributes | None:
    for event in reversed(otel.events):
        if event.name == "exception":
            return event.attributes
    return None
