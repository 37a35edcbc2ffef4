"""Headway's client: log what language models are asked and what they answer."""

from headway._version import __version__
from headway.labelling import context
from headway.lifecycle import flush, init, shutdown, stats
from headway.observing import observe
from headway.scoring import score
from headway.tallies import Stats
from headway.tracing import ActiveSpan, current_span, span

__all__ = [
    "ActiveSpan",
    "Stats",
    "__version__",
    "context",
    "current_span",
    "flush",
    "init",
    "observe",
    "score",
    "shutdown",
    "span",
    "stats",
]
