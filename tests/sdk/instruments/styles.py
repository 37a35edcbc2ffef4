"""What a call says, and what of it must stand in its span however it was asked.

The same answer can be laid out whole and in pieces for each interface; ``asking`` has the ways in
which programs ask for it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from tests.sdk.instruments import anthropic_wire, openai_wire
from tests.sdk.instruments.servers import Provider

QUESTION = "Where is my parcel?"
USAGE = {
    "prompt_tokens": 1200,
    "completion_tokens": 60,
    "total_tokens": 1260,
    "prompt_tokens_details": {"cached_tokens": 1024},
    "completion_tokens_details": {"reasoning_tokens": 40},
}
TEXT_USAGE = {"prompt_tokens": 1200, "completion_tokens": 60, "total_tokens": 1260}


@dataclass(frozen=True)
class Said:
    """What the span of a call says, however it was asked; the cost is what the collector adds."""

    input: Any
    output: Any
    """The parts of the answer; of embeddings what is kept of them."""
    model: str
    answered_by: str | None
    params: Mapping[str, Any]
    tokens: tuple[int | None, ...]
    """Input, output, read from a cache, written to it, reasoning."""
    cost_usd: float | None
    reasons: tuple[str, ...] = ("stop",)
    kind: str = "llm"
    provider: str = "openai"


SYSTEM = {"role": "system", "parts": [{"type": "text", "content": "Be brief."}]}
USER = {"role": "user", "parts": [{"type": "text", "content": QUESTION}]}
ANSWER = [{"type": "text", "content": '{"city":"Leipzig"}'}]
PIECES = ('{"city"', ':"Leip', 'zig"}')

CHAT = Said(
    input=[SYSTEM, USER],
    output=ANSWER,
    model="gpt-4o",
    answered_by="gpt-4o-2024-08-06",
    params={"temperature": 0.2},
    tokens=(1200, 60, 1024, None, 40),
    cost_usd=(176 * 2.5 + 1024 * 1.25 + 60 * 10) / 1e6,
)
RESPONSE = replace(
    CHAT,
    model="gpt-5",
    answered_by="gpt-5-2025-08-07",
    tokens=(1200, 60, 1024, 0, 40),
    cost_usd=(176 * 1.25 + 1024 * 0.125 + 60 * 10) / 1e6,
    reasons=("completed",),
)
TEXT = replace(
    CHAT,
    input=[USER],
    model="gpt-3.5-turbo-instruct",
    answered_by="gpt-3.5-turbo-instruct",
    tokens=(1200, 60, None, None, None),
    cost_usd=(1200 * 1.5 + 60 * 2) / 1e6,
)
UNCOUNTED_TEXT = replace(TEXT, answered_by=None, tokens=(None,) * 5, cost_usd=None)
"""All that LangChain keeps of a text in pieces."""
VECTORS = Said(
    input=["one", "two"],
    output={"count": 2, "dimensions": 3},
    model="text-embedding-3-small",
    answered_by="text-embedding-3-small",
    params={"dimensions": 3},
    tokens=(7, None, None, None, None),
    cost_usd=7 * 0.02 / 1e6,
    reasons=(),
    kind="embedding",
)
MESSAGE = replace(
    CHAT,
    model="claude-sonnet-4-5",
    answered_by="claude-sonnet-4-5-20250929",
    params={"max_tokens": 64},
    tokens=(135, 42, 100, 25, 30),
    cost_usd=(10 * 3 + 100 * 0.3 + 25 * 3.75 + 42 * 15) / 1e6,
    reasons=("end_turn",),
    provider="anthropic",
)

TURNS: list[Any] = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": QUESTION},
]
AS_CHAT: dict[str, Any] = {"model": "gpt-4o", "messages": TURNS, "temperature": 0.2}
AS_RESPONSE: dict[str, Any] = {
    "model": "gpt-5",
    "instructions": "Be brief.",
    "input": QUESTION,
    "temperature": 0.2,
}
AS_TEXT: dict[str, Any] = {"model": TEXT.model, "prompt": QUESTION, "temperature": 0.2}
AS_VECTORS: dict[str, Any] = {"model": VECTORS.model, "input": ["one", "two"], "dimensions": 3}
AS_MESSAGE: dict[str, Any] = {
    "model": MESSAGE.model,
    "max_tokens": 64,
    "system": "Be brief.",
    "messages": TURNS[1:],
}


def lay_chat(provider: Provider) -> None:
    """Lay out an answer of chat completions."""
    provider.answer(openai_wire.completion({"content": "".join(PIECES)}) | {"usage": USAGE})


def lay_chunks(provider: Provider) -> None:
    """Lay it out in pieces."""
    counted = openai_wire.chunk(usage=USAGE)
    provider.stream([*openai_wire.chunks(*PIECES, usage=False), counted])


def lay_response(provider: Provider) -> None:
    """Lay out an answer of the Responses interface."""
    provider.answer(openai_wire.events(*PIECES)[-1]["response"])


def lay_events(provider: Provider) -> None:
    """Lay it out in events."""
    provider.stream(openai_wire.events(*PIECES), last=None)


def lay_text(provider: Provider) -> None:
    """Lay out an answer of the legacy completions."""
    provider.answer(openai_wire.text_completion("".join(PIECES), usage=TEXT_USAGE))


def lay_texts(provider: Provider) -> None:
    """Lay it out in pieces."""
    counted = openai_wire.text_completion(None, usage=TEXT_USAGE, choices=[])
    provider.stream([*openai_wire.text_chunks(*PIECES), counted])


def lay_vectors(provider: Provider) -> None:
    """Lay out embeddings."""
    provider.answer(openai_wire.EMBEDDINGS)


def lay_message(provider: Provider) -> None:
    """Lay out an answer of Anthropic's."""
    told = anthropic_wire.message({"type": "text", "text": "".join(PIECES)})
    provider.answer(told | {"model": MESSAGE.answered_by})


def lay_message_events(provider: Provider) -> None:
    """Lay it out in events."""
    begun, *others = anthropic_wire.events({"type": "text", "text": "".join(PIECES)})
    begun["message"]["model"] = MESSAGE.answered_by
    provider.stream([begun, *others], last=None)
