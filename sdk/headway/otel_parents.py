"""OpenTelemetry beside us, in both directions: its active span as our parent, and ours as its.

Nothing here imports it. Where the program has not, a span costs one look at ``sys.modules``.

Of one of our spans and one of OpenTelemetry's, both current, the parent is the one that was
opened last. Each of ours remembers which of OpenTelemetry's was active when it was opened: if that
is still the active one, ours is inside it; if another is, that one is inside ours.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

from headway.contexts import ARRIVAL, CURRENT, Ancestor, Remote
from headway.interruptions import is_from_handler
from headway.reentries import Reentrant

OTEL = "opentelemetry.trace.propagation"
"""The module that is there once a program can have active spans."""

modules = sys.modules


def active_id() -> int:
    """Return the id of OpenTelemetry's active span; 0 where there is none."""
    context = _active_context()
    return 0 if context is None else context.span_id


def active_span() -> Remote | None:
    """Return OpenTelemetry's active span."""
    context = _active_context()
    if context is None:
        return None
    return Remote(
        f"{context.trace_id:032x}",
        f"{context.span_id:016x}",
        bool(context.trace_flags & 1),
        context.trace_state.to_header() if context.trace_state else "",
        context.span_id,
    )


def innermost(ours: Ancestor | None) -> Ancestor | None:
    """Return the parent of a span that begins here: ours, or OpenTelemetry's where that is inside.

    Args:
        ours: the span of ours that is current.
    """
    if OTEL not in modules:
        return ours
    active = _active_context()
    if active is None or (ours is not None and active.span_id == ours.otel_id):
        return ours
    return active_span()


def here() -> Remote | None:
    """Return what other processes are to take for their parent, or None outside of any span."""
    parent = innermost(CURRENT.get())
    if parent is None:
        return None
    for known in (ARRIVAL.get(), active_span() if OTEL in modules else None):
        if known is not None and known.trace_id == parent.trace_id:
            return Remote(parent.trace_id, parent.span_id, known.is_sampled, known.state)
    return parent if isinstance(parent, Remote) else Remote(parent.trace_id, parent.span_id)


def otel_context() -> Reentrant:
    """Make the current span the parent of what OpenTelemetry records inside.

    Where the program does not use OpenTelemetry, or no span is open, nothing happens. What it
    returns may be entered again; the span that is current then is the parent.
    """
    return Reentrant(_shared, _context)


def _context() -> object:
    return modules["opentelemetry.context"].get_current() if OTEL in modules else None


@contextmanager
def _shared() -> Iterator[None]:
    ours = CURRENT.get() if OTEL in modules else None
    parent = here() if ours is not None and innermost(ours) is ours else None
    token = None if parent is None else _attach(parent)
    try:
        yield
    finally:
        if token is not None:
            with suppress(Exception):
                modules["opentelemetry.context"].detach(token)


def _active_context() -> Any:
    # Also where another thread is in the middle of importing it, or a span of somebody's own making
    # raises: then there is none.
    try:
        module: Any = modules[OTEL]
        # As get_current_span does, which costs three times as much where there is none.
        span = module.get_value(module._SPAN_KEY)
        if span is None:
            return None
        context = span.get_span_context()
        return context if context.is_valid else None
    except Exception as error:
        if is_from_handler(error):
            raise
        return None


def _attach(parent: Remote) -> Any:
    try:
        trace: Any = modules["opentelemetry.trace"]
        context = trace.SpanContext(
            int(parent.trace_id, 16),
            int(parent.span_id, 16),
            is_remote=False,
            trace_flags=trace.TraceFlags(int(parent.is_sampled)),
            trace_state=trace.TraceState.from_header([parent.state] if parent.state else []),
        )
        span = trace.set_span_in_context(trace.NonRecordingSpan(context))
        return modules["opentelemetry.context"].attach(span)
    except Exception as error:
        if is_from_handler(error):
            raise
        return None
