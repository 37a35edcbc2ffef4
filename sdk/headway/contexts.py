"""What a span inherits: its parent, and the user, session, tags and place it happens in.

Both live in context variables, so every thread and every asyncio task has its own. Nothing here
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


def restore(variable: ContextVar[Any], token: Token[Any]) -> None:
    """Undo a ``set``, unless it happened in a context that is not the current one."""
    try:  # noqa: SIM105  # suppress() would cost more than all the rest
        variable.reset(token)
    except ValueError:
        # Set in another context, which keeps its value; this one never had it.
        pass
