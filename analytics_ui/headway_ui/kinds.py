"""What a kind of span and a status look like: an icon with its word, and a colour beside them.

Icons are names of Material Symbols, which Streamlit serves itself.
"""

from dataclasses import dataclass
from typing import Literal

Colour = Literal["red", "orange", "green", "blue", "violet", "gray"]


@dataclass(frozen=True, slots=True)
class Look:
    """An icon, a word, and the name of a theme colour."""

    icon: str
    word: str
    colour: Colour

    @property
    def markdown_icon(self) -> str:
        """The icon as Streamlit's Markdown writes it."""
        return f":material/{self.icon}:"


KINDS = {
    "llm": Look("chat", "llm", "blue"),
    "embedding": Look("scatter_plot", "embedding", "violet"),
    "retriever": Look("manage_search", "retriever", "green"),
    "reranker": Look("swap_vert", "reranker", "green"),
    "tool": Look("build", "tool", "orange"),
    "agent": Look("smart_toy", "agent", "violet"),
    "chain": Look("link", "chain", "gray"),
    "guardrail": Look("shield", "guardrail", "orange"),
    "evaluator": Look("fact_check", "evaluator", "violet"),
    "span": Look("timeline", "span", "gray"),
}
STATUSES = {
    "ok": Look("check_circle", "ok", "green"),
    "error": Look("error", "error", "red"),
    "unset": Look("radio_button_unchecked", "unset", "gray"),
}


def kind_look(kind: str) -> Look:
    """Return how a kind looks; one that a newer collector knows looks like a plain span."""
    return KINDS.get(kind, Look("timeline", kind, "gray"))


def status_look(status: str) -> Look:
    """Return how a status looks."""
    return STATUSES.get(status, Look("help", status, "gray"))
