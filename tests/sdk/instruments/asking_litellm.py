"""The same for litellm, which asks many providers through one interface.

The clients of those are instrumented too, since they are to add no span of their own.
"""

import asyncio
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import pytest

from tests.sdk.instruments import anthropic_wire, openai_wire, styles
from tests.sdk.instruments.asking import PIECES, WHOLE, Reading, Style
from tests.sdk.instruments.servers import Provider
from tests.sdk.instruments.test_openai_chat import TOOLS

# Else it asks the network for the prices that it knows.
os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
litellm: Any = pytest.importorskip("litellm")

LIBRARIES = ("openai", "anthropic", "litellm")
KEY = "not to be logged"
STREAMED: dict[str, Any] = {"stream": True, "stream_options": {"include_usage": True}}
CALLED = [
    {"type": "tool_call", "id": "call_1", "name": "track", "arguments": {"parcel": "P-9"}},
]


class Seller(NamedTuple):
    """Who answers: how litellm is told, and what its spans say that differs."""

    name: str
    prefix: str
    place: Callable[[str], dict[str, Any]]
    """Where litellm is to ask, by the address of the server."""
    provider: str


OPENAI = Seller("openai", "openai/", lambda url: {"api_base": f"{url}/v1"}, "openai")
AZURE = Seller(
    "azure",
    "azure/",
    lambda url: {"api_base": url, "api_version": "2025-04-01-preview"},
    "azure.ai.openai",
)
ANTHROPIC = Seller("anthropic", "anthropic/", lambda url: {"api_base": url}, "anthropic")
OPENAI_TEXTS = OPENAI._replace(prefix="text-completion-openai/")


def _litellm_styles(
    seller: Seller,
    function: str,
    name: str,
    said: styles.Said,
    lay_out: Callable[[Provider], None],
    given: dict[str, Any],
    pieces: int | None = None,
) -> Iterator[Style]:
    reading: Reading = WHOLE if pieces is None else PIECES

    def arguments(url: str) -> dict[str, Any]:
        model = seller.prefix + said.model
        fixed = {"model": model, "api_key": KEY, "num_retries": 0, "max_retries": 0}
        return {**given, **fixed, **seller.place(url)}

    def ask(url: str) -> Any:
        return reading.plain(getattr(litellm, function)(**arguments(url)))

    async def ask_and_wait(url: str) -> Any:
        return await reading.waited(getattr(litellm, f"a{function}")(**arguments(url)))

    streamed = {key: given[key] for key in STREAMED if key in given}
    said = replace(said, provider=seller.provider, params={**said.params, **streamed})
    for prefix, way in (("", ask), ("async ", lambda url: asyncio.run(ask_and_wait(url)))):
        full_name = f"{prefix}litellm {seller.name} {name}"
        yield Style(full_name, LIBRARIES, said, lay_out, way, pieces)


def _lay_calls(provider: Provider) -> None:
    answer = openai_wire.completion({"tool_calls": [openai_wire.TOOL_CALL]}, reason="tool_calls")
    provider.answer(answer | {"usage": styles.USAGE})


def _lay_call_chunks(provider: Provider) -> None:
    provider.stream([*openai_wire.tool_chunks(), openai_wire.chunk(usage=styles.USAGE)])


_TOOL_USE = {"type": "tool_use", "id": "call_1", "name": "track", "input": {"parcel": "P-9"}}


def _lay_use(provider: Provider) -> None:
    answer = anthropic_wire.message(_TOOL_USE, stop_reason="tool_use")
    provider.answer(answer | {"model": styles.MESSAGE.answered_by})


def _lay_use_events(provider: Provider) -> None:
    begun, *others = anthropic_wire.events(_TOOL_USE, stop_reason="tool_use")
    begun["message"]["model"] = styles.MESSAGE.answered_by
    provider.stream([begun, *others], last=None)


# litellm refuses a temperature for this model.
RESPONSE = replace(styles.RESPONSE, params={"max_output_tokens": 64})
# litellm counts what it is not told of as nothing, in some places.
TEXT_STREAM = replace(styles.TEXT, tokens=(1200, 60, None, None, 0))
VECTORS = replace(styles.VECTORS, tokens=(7, 0, None, None, None))
CHAT_TOOLS = replace(styles.CHAT, output=CALLED, reasons=("tool_calls",))
# litellm says how an answer ended in the words of OpenAI.
MESSAGE = replace(styles.MESSAGE, reasons=("stop",))
MESSAGE_TOOLS = replace(MESSAGE, output=CALLED, reasons=("tool_calls",))
AS_CHAT = {name: styles.AS_CHAT[name] for name in ("messages", "temperature")}
AS_MESSAGE = {"messages": styles.TURNS, "max_tokens": 64}


def _chat_styles() -> Iterator[Style]:
    for seller in (OPENAI, AZURE):
        tools = {**AS_CHAT, "tools": TOOLS}
        yield from _litellm_styles(
            seller, "completion", "chat", styles.CHAT, styles.lay_chat, AS_CHAT
        )
        yield from _litellm_styles(
            seller,
            "completion",
            "chat stream",
            styles.CHAT,
            styles.lay_chunks,
            AS_CHAT | STREAMED,
            3,
        )
        yield from _litellm_styles(seller, "completion", "tools", CHAT_TOOLS, _lay_calls, tools)
        yield from _litellm_styles(
            seller,
            "completion",
            "tools stream",
            CHAT_TOOLS,
            _lay_call_chunks,
            tools | STREAMED,
            3,
        )
    tools = {**AS_MESSAGE, "tools": TOOLS}
    yield from _litellm_styles(
        ANTHROPIC, "completion", "chat", MESSAGE, styles.lay_message, AS_MESSAGE
    )
    yield from _litellm_styles(
        ANTHROPIC,
        "completion",
        "chat stream",
        MESSAGE,
        styles.lay_message_events,
        AS_MESSAGE | STREAMED,
        2,
    )
    yield from _litellm_styles(ANTHROPIC, "completion", "tools", MESSAGE_TOOLS, _lay_use, tools)
    yield from _litellm_styles(
        ANTHROPIC,
        "completion",
        "tools stream",
        MESSAGE_TOOLS,
        _lay_use_events,
        tools | STREAMED,
        3,
    )


def _text_styles() -> Iterator[Style]:
    given = {"prompt": styles.QUESTION, "temperature": 0.2}
    yield from _litellm_styles(
        OPENAI_TEXTS, "text_completion", "text", styles.TEXT, styles.lay_text, given
    )
    yield from _litellm_styles(
        OPENAI_TEXTS,
        "text_completion",
        "text stream",
        TEXT_STREAM,
        styles.lay_texts,
        given | STREAMED,
        3,
    )
    said = replace(MESSAGE, input=[styles.USER])
    given = {"prompt": styles.QUESTION, "max_tokens": 64}
    yield from _litellm_styles(
        ANTHROPIC, "text_completion", "text", said, styles.lay_message, given
    )
    plain, waited = _litellm_styles(
        ANTHROPIC,
        "text_completion",
        "text stream",
        said,
        styles.lay_message_events,
        given | STREAMED,
        2,
    )
    yield plain
    # litellm puts a generator around this one, from outside of which nobody sees who answers.
    yield waited._replace(said=replace(waited.said, answered_by=said.model))


def _response_styles() -> Iterator[Style]:
    given = {"instructions": "Be brief.", "input": styles.QUESTION, "max_output_tokens": 64}
    for seller in (OPENAI, AZURE):
        yield from _litellm_styles(
            seller, "responses", "response", RESPONSE, styles.lay_response, given
        )
        yield from _litellm_styles(
            seller,
            "responses",
            "response stream",
            RESPONSE,
            styles.lay_events,
            {**given, "stream": True},
            3,
        )
    said = replace(MESSAGE, params={"max_output_tokens": 64}, reasons=("completed",))
    yield from _litellm_styles(ANTHROPIC, "responses", "response", said, styles.lay_message, given)
    yield from _litellm_styles(
        ANTHROPIC,
        "responses",
        "response stream",
        said,
        styles.lay_message_events,
        {**given, "stream": True},
        2,
    )


def _vector_styles() -> Iterator[Style]:
    given = {name: styles.AS_VECTORS[name] for name in ("input", "dimensions")}
    for seller in (OPENAI, AZURE):
        yield from _litellm_styles(
            seller, "embedding", "embeddings", VECTORS, styles.lay_vectors, given
        )


def _broken_styles() -> Iterator[Style]:
    chat = replace(styles.CHAT, output=BROKEN_OFF)
    yield from _litellm_styles(
        OPENAI,
        "completion",
        "chat",
        chat,
        lambda provider: _break(provider, openai_wire.chunks(*styles.PIECES)[:3]),
        AS_CHAT | STREAMED,
        2,
    )
    yield from _litellm_styles(
        OPENAI_TEXTS,
        "text_completion",
        "text",
        replace(styles.TEXT, output=BROKEN_OFF),
        lambda provider: _break(provider, openai_wire.text_chunks(*styles.PIECES)[:2]),
        {"prompt": styles.QUESTION, "temperature": 0.2} | STREAMED,
        2,
    )
    given = {"instructions": "Be brief.", "input": styles.QUESTION, "max_output_tokens": 64}
    yield from _litellm_styles(
        OPENAI,
        "responses",
        "response",
        replace(RESPONSE, output=BROKEN_OFF),
        lambda provider: _break(provider, openai_wire.events(*styles.PIECES)[:5]),
        {**given, "stream": True},
        2,
    )
    text = {"type": "text", "text": "On its way."}
    told = [*anthropic_wire.events(text)][:4]
    said = replace(MESSAGE, output=[{"type": "text", "content": "On it"}])
    for function, name, asking in (
        ("completion", "chat", AS_MESSAGE | STREAMED),
        ("responses", "response", {**given, "stream": True}),
    ):
        yield from _litellm_styles(
            ANTHROPIC, function, name, said, lambda provider: _break(provider, told), asking, 1
        )


def _break(provider: Provider, events: list[dict[str, Any]]) -> None:
    provider.stream(events, is_dropped=True)


BROKEN_OFF = [{"type": "text", "content": "".join(styles.PIECES[:2])}]
BREAKING_STYLES = [*_broken_styles()]
"""Streams of which a part comes."""
LITELLM_STYLES = [*_chat_styles(), *_text_styles(), *_response_styles(), *_vector_styles()]
