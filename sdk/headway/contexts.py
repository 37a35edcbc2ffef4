"""What a span inherits: its parent, and the user, session, tags and place it happens in.

They live in context variables, so every thread and every asyncio task has its own. Nothing here
holds a token where another context could end up with it: ``restore`` forgives a context that was
left for good, as happens to a generator that another task closes.
"""

from contextvars import ContextVar, Token
from typing import Any, Protocol

import msgspec


class Ancestor(Protocol):
    """Whatever can be the parent of a span: a live span, or one in another process."""

    @property
    def trace_id(self) -> str:
        """The trace that the child joins."""

    @property
    def span_id(self) -> str:
        """The parent of the child."""

    @property
    def otel_id(self) -> int:
        """The OpenTelemetry span that was active when it became current; 0 for none."""


class Remote(msgspec.Struct, frozen=True, gc=False):
    """A span of another process, or of OpenTelemetry, as W3C's trace context tells it."""

    trace_id: str
    span_id: str
    is_sampled: bool = True
    state: str = ""
    """The ``tracestate`` of other vendors, handed on as it came."""
    otel_id: int = 0


class Labels(msgspec.Struct, frozen=True, gc=False):
    """What ``headway.context`` gives to all spans inside it."""

    user: str | None = None
    session: str | None = None
    tags: tuple[str, ...] = ()
    environment: str | None = None
    release: str | None = None


NO_LABELS = Labels()

CURRENT: ContextVar[Ancestor | None] = ContextVar("headway_current", default=None)
LABELS: ContextVar[Labels] = ContextVar("headway_labels", default=NO_LABELS)
ARRIVAL: ContextVar[Remote | None] = ContextVar("headway_arrival", default=None)
"""Where the trace came from, which says how it goes on to others."""


def restore(variable: ContextVar[Any], token: Token[Any]) -> None:
    """Undo a ``set``, unless it happened in a context that is not the current one."""
    try:  # noqa: SIM105  # suppress() would cost more than all the rest
        variable.reset(token)
    except ValueError:
        # Set in another context, which keeps its value; this one never had it.
        pass
