"""Headway's client: log what language models are asked and what they answer."""

from typing import TYPE_CHECKING, Any

from headway._version import __version__
from headway.handovers import propagate
from headway.instrumenting import instrument, uninstrument
from headway.labelling import context
from headway.langchain_handlers import langchain_handler
from headway.lifecycle import flush, init, shutdown, stats
from headway.observing import observe
from headway.otel_parents import otel_context
from headway.prompts import Prompt
from headway.scoring import score
from headway.tallies import Stats
from headway.tracing import ActiveSpan, current_span, span

if TYPE_CHECKING:
    from headway.outgoing import headers
    from headway.reading import Client

__all__ = [
    "ActiveSpan",
    "Client",
    "Prompt",
    "Stats",
    "__version__",
    "context",
    "current_span",
    "flush",
    "headers",
    "init",
    "instrument",
    "langchain_handler",
    "observe",
    "otel_context",
    "propagate",
    "score",
    "shutdown",
    "span",
    "stats",
    "uninstrument",
]


def __getattr__(name: str) -> Any:
    # What speaks HTTP is nothing that a program that only logs is to wait for at import.
    if name == "Client":
        from headway.reading import Client

        return Client
    if name == "headers":
        from headway.outgoing import headers

        return headers
    raise AttributeError(f"module 'headway' has no attribute {name!r}")
