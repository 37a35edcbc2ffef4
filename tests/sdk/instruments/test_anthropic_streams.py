"""Answers of the real ``anthropic`` client in pieces: followed as far as the program reads."""

import asyncio
from collections.abc import Iterator
from typing import Any

import anthropic
import pytest

import headway
from headway.testing import Captured, capture
from tests.sdk.instruments.anthropic_wire import CALL, TEXT, THOUGHT, events, message
from tests.sdk.instruments.servers import Provider
from tests.sdk.instruments.test_anthropic import ANSWERED, CALLED, REASONED, REQUEST, parts_of


@pytest.fixture
def client(provider: Provider, captured: Captured) -> Iterator[anthropic.Anthropic]:
    headway.instrument("anthropic")
    with anthropic.Anthropic(base_url=provider.url, api_key="none", max_retries=0) as client:
        yield client


def test_a_stream_is_followed_to_its_end_and_keeps_its_type(
    provider: Provider, client: anthropic.Anthropic, captured: Captured
) -> None:
    provider.stream(events(THOUGHT, TEXT, CALL, stop_reason="tool_use"), last=None)

    stream = client.messages.create(**REQUEST, stream=True)
    kinds = [event.type for event in stream]

    span = captured.span("chat claude-test")
    assert (type(stream), kinds[-1]) == (anthropic.Stream, "message_stop")
    assert parts_of(span) == [REASONED, ANSWERED, CALLED]
    assert (span.input_tokens, span.output_tokens, span.reasoning_tokens) == (135, 42, 30)
    assert (span.finish_reasons, span.chunk_count) == (["tool_use"], 6)
    assert span.ttft_ms is not None
    assert span.chunk_p50_ms is not None


@pytest.mark.parametrize("is_beta", [False, True])
def test_the_stream_helper_is_followed(
    provider: Provider, client: anthropic.Anthropic, captured: Captured, is_beta: bool
) -> None:
    provider.stream(events(), last=None)
    messages: Any = client.beta.messages if is_beta else client.messages

    with messages.stream(**REQUEST) as stream:
        texts = list(stream.text_stream)
        final = stream.get_final_message()

    span = captured.span("chat claude-test")
    assert (texts, final.stop_reason) == (["On it", "s way."], "end_turn")
    assert parts_of(span) == [ANSWERED]
    assert (span.status, span.is_abandoned, span.chunk_count) == ("ok", None, 2)


def test_a_stream_that_is_left_is_abandoned_with_what_had_come(
    provider: Provider, client: anthropic.Anthropic, captured: Captured
) -> None:
    provider.stream(events(CALL), last=None)

    with client.messages.create(**REQUEST, stream=True) as stream:
        for event in stream:
            if event.type == "content_block_delta":
                break

    span = captured.span("chat claude-test")
    assert span.is_abandoned is True
    assert parts_of(span) == [{**CALLED, "arguments": '{"parcel": '}]


def test_an_error_in_a_stream_reaches_the_program_and_the_span(
    provider: Provider, client: anthropic.Anthropic, captured: Captured
) -> None:
    failure = {"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}
    provider.stream([*events(is_whole=False), failure], last=None)

    with pytest.raises(anthropic.APIStatusError, match="busy"):
        list(client.messages.create(**REQUEST, stream=True))

    span = captured.span("chat claude-test")
    assert (span.status, parts_of(span)) == ("error", [ANSWERED])


def test_async_calls_and_streams_are_recorded(provider: Provider, captured: Captured) -> None:
    headway.instrument("anthropic")
    provider.answer(message())
    provider.stream(events(), last=None)
    provider.stream(events(), last=None)

    async def ask() -> list[str]:
        async with anthropic.AsyncAnthropic(
            base_url=provider.url, api_key="none", max_retries=0
        ) as client:
            await client.messages.create(**REQUEST)
            async for _ in await client.messages.create(**REQUEST, stream=True):
                pass
            async with client.messages.stream(**REQUEST) as stream:
                return [text async for text in stream.text_stream]

    texts = asyncio.run(ask())

    assert texts == ["On it", "s way."]
    assert [parts_of(span) for span in captured.spans] == [[ANSWERED]] * 3
    assert [span.chunk_count for span in captured.spans] == [None, 2, 2]


def test_an_answer_that_makes_no_sense_is_a_fault_and_reaches_the_program(
    provider: Provider,
) -> None:
    provider.answer({"id": 7, "content": "?", "usage": {"input_tokens": "many"}})
    provider.stream([{"type": "content_block_delta", "index": "x"}], last=None)
    with capture(is_raising=False) as captured:
        headway.instrument("anthropic")
        with anthropic.Anthropic(base_url=provider.url, api_key="none", max_retries=0) as client:
            answer: Any = client.messages.create(**REQUEST)
            pieces = list(client.messages.create(**REQUEST, stream=True))

        assert (answer.id, len(pieces)) == (7, 1)
        assert [span.name for span in captured.spans] == ["chat claude-test"] * 2
        assert headway.stats().faults
    headway.uninstrument()
