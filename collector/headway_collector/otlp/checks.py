"""What of a request can be kept, whichever encoding it came in.

Refused is only what no collector could use: ids that name nothing, times outside any clock, items
that cannot be read. All else is for the mapping to make the best of, since whoever runs a foreign
exporter cannot mend it.
"""

from collections.abc import Callable, Iterable
from typing import Any, Generic, NamedTuple, TypeVar

from headway_collector.limits import MAX_ATTRIBUTES
from headway_collector.otlp.amounts import MAX_ITEMS
from headway_collector.otlp.telemetry import (
    OtelLog,
    OtelSpan,
    RawForm,
    Refused,
    Resource,
    Scope,
    Telemetry,
)
from headway_collector.times import MAX_NS

TRACE_ID_CHARS = 32
SPAN_ID_CHARS = 16
NO_TRACE_ID = "0" * TRACE_ID_CHARS
NO_SPAN_ID = "0" * SPAN_ID_CHARS

_SHOWN_CHARS = 80

T = TypeVar("T")
M = TypeVar("M")


class Group(NamedTuple, Generic[M]):
    """Messages of one resource and scope, in whatever form the encoding has them."""

    resource: Resource
    scope: Scope
    messages: Iterable[M]


class UnreadableError(Exception):
    """One item of a request is not what it should be; the message says why."""


def collect(
    groups: Iterable[Group[M]],
    read: Callable[[M, Resource, Scope], T],
    find_fault: Callable[[T], str | None],
    dump: Callable[[M], bytes],
    form: RawForm,
) -> Telemetry[T]:
    """Return what the messages say, apart from those that cannot be kept.

    Args:
        groups: the messages of a request.
        read: one message to its struct; may raise ``UnreadableError``.
        find_fault: why the struct cannot be kept, or None.
        dump: a message that is refused as bytes.
        form: what those bytes are.
    """
    items: list[T] = []
    refused: list[Refused] = []
    position = 0
    for resource, scope, messages in groups:
        for message in messages:
            position += 1
            fault: str | None
            try:
                item = read(message, resource, scope)
            except UnreadableError as error:
                fault = str(error)
            except RecursionError:
                fault = "it is nested too deeply"
            else:
                fault = find_fault(item)
                if fault is None:
                    items.append(item)
                    continue
            refused.append(Refused(position, fault, dump(message), form, resource, scope))
    return Telemetry(items, refused)


def check_span_lists(event_count: int, link_count: int) -> None:
    """Refuse a span with that many events and links, where those are too many.

    Raises:
        UnreadableError: there are more than ``MAX_ITEMS`` of one.
    """
    if event_count > MAX_ITEMS or link_count > MAX_ITEMS:
        raise UnreadableError(
            f"it has {event_count} events and {link_count} links; {MAX_ITEMS} are allowed"
        )


def find_span_fault(span: OtelSpan) -> str | None:
    """Return why the span cannot be kept, or None."""
    fault = _find_id_fault(span.trace_id, span.span_id)
    if fault is not None:
        return fault
    count = len(span.attributes)
    count += sum([len(event.attributes) for event in span.events])
    count += sum([len(link.attributes) for link in span.links])
    if count > MAX_ATTRIBUTES:
        return _say_too_many(count)
    if span.parent_span_id and len(span.parent_span_id) != SPAN_ID_CHARS:
        return f"its parent span id is {show(span.parent_span_id)}, not 8 bytes"
    if not 0 < span.start_ns <= MAX_NS:
        return f"its start is {span.start_ns} ns, outside 1970 to 2200"
    if span.end_ns == 0:
        return "it has no end: a span is kept once it has ended"
    if not span.start_ns <= span.end_ns <= MAX_NS:
        return f"its end is {span.end_ns} ns, before its start {span.start_ns} or past 2200"
    return None


def find_log_fault(log: OtelLog) -> str | None:
    """Return why the log record cannot be kept, or None. It need not belong to a span."""
    if log.trace_id or log.span_id:
        fault = _find_id_fault(log.trace_id, log.span_id)
        if fault is not None:
            return fault
    if len(log.attributes) > MAX_ATTRIBUTES:
        return _say_too_many(len(log.attributes))
    latest_ns = max(log.time_ns, log.observed_ns)
    if not 0 <= latest_ns <= MAX_NS:
        return f"its time is {latest_ns} ns, outside 1970 to 2200"
    return None


def show(value: Any) -> str:
    """Return a value as a reason quotes it."""
    shown = repr(value)
    return shown if len(shown) <= _SHOWN_CHARS else shown[:_SHOWN_CHARS] + "…"


def _say_too_many(count: int) -> str:
    return f"it has {count} attributes; {MAX_ATTRIBUTES} are allowed"


def _find_id_fault(trace_id: str, span_id: str) -> str | None:
    if len(trace_id) != TRACE_ID_CHARS or trace_id == NO_TRACE_ID:
        return f"its trace id is {show(trace_id)}, not 16 bytes, or only zeros"
    if len(span_id) != SPAN_ID_CHARS or span_id == NO_SPAN_ID:
        return f"its span id is {show(span_id)}, not 8 bytes, or only zeros"
    return None
