"""Calls of the real ``anthropic`` client, against a server that speaks its wire format."""

from collections.abc import Iterator
from typing import Any

import anthropic
import msgspec
import pytest
from anthropic.types.beta import BetaMessage

import headway
from headway.records import Span
from headway.testing import Captured
from tests.sdk.instruments.anthropic_wire import CALL, TEXT, THOUGHT, message
from tests.sdk.instruments.servers import Provider

REQUEST: dict[str, Any] = {
    "model": "claude-test",
    "max_tokens": 64,
    "stop_sequences": ["END"],
    "system": "Be brief.",
    "messages": [{"role": "user", "content": "Where is my parcel?"}],
}
ASKED = [
    {"role": "system", "parts": [{"type": "text", "content": "Be brief."}]},
    {"role": "user", "parts": [{"type": "text", "content": "Where is my parcel?"}]},
]
ANSWERED = {"type": "text", "content": "On its way."}
REASONED = {"type": "reasoning", "content": "Look it up."}
HI = {
    "type": "bytes",
    "size": 2,
    "sha256": "8f434346648f6b96df89dda901c5176b10a6d83961dd3c1ac88b59b2dc327aa4",
}
CALLED = {
    "type": "tool_call",
    "id": "toolu_1",
    "name": "track",
    "arguments": {"parcel": "P-9"},
}


@pytest.fixture
def client(provider: Provider, captured: Captured) -> Iterator[anthropic.Anthropic]:
    headway.instrument("anthropic")
    with anthropic.Anthropic(base_url=provider.url, api_key="none", max_retries=0) as client:
        yield client


def read(raw: msgspec.Raw) -> Any:
    return msgspec.json.decode(raw)


def parts_of(span: Span) -> Any:
    return read(span.output)[0]["parts"]


def test_a_message_is_an_llm_span_with_all_that_was_said_and_counted(
    provider: Provider, client: anthropic.Anthropic, captured: Captured
) -> None:
    provider.answer(message())

    with headway.span("request") as request:
        answer = client.messages.create(**REQUEST)

    span = captured.span("chat claude-test")
    assert type(answer) is anthropic.types.Message
    assert (span.kind, span.status, span.parent_span_id) == ("llm", "ok", request.span_id)
    assert (span.provider, span.request_model) == ("anthropic", "claude-test")
    assert (span.response_model, span.response_id) == ("claude-test-20261101", "msg_1")
    assert read(span.input) == ASKED
    assert read(span.output) == [
        {"role": "assistant", "parts": [ANSWERED], "finish_reason": "end_turn"}
    ]
    assert span.finish_reasons == ["end_turn"]
    assert read(span.params) == {"max_tokens": 64, "stop_sequences": ["END"]}


def test_input_tokens_include_those_of_the_cache(
    provider: Provider, client: anthropic.Anthropic, captured: Captured
) -> None:
    provider.answer(message())

    client.messages.create(**REQUEST)

    span = captured.span("chat claude-test")
    assert (span.input_tokens, span.cache_read_tokens, span.cache_write_tokens) == (135, 100, 25)
    assert (span.output_tokens, span.reasoning_tokens) == (42, 30)
    split = "anthropic.usage.cache_creation.ephemeral_{}_input_tokens"
    attributes = read(span.attributes)
    assert [attributes[split.format(life)] for life in ("5m", "1h")] == [5, 20]


def test_tools_are_shown_as_calls_and_responses(
    provider: Provider, client: anthropic.Anthropic, captured: Captured
) -> None:
    provider.answer(message(THOUGHT, CALL, stop_reason="tool_use"))
    provider.answer(message())
    tool: Any = {"name": "track", "description": "Tracks.", "input_schema": {"type": "object"}}

    first = client.messages.create(**REQUEST, tools=[tool])
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": [TEXT]}
    turns = [
        *REQUEST["messages"],
        {"role": "assistant", "content": first.content},
        {"role": "user", "content": [result]},
    ]
    client.messages.create(**{**REQUEST, "messages": turns})

    one, two = captured.spans
    assert parts_of(one) == [REASONED, CALLED]
    assert one.finish_reasons == ["tool_use"]
    assert read(one.attributes)["gen_ai.tool.definitions"] == [
        {
            "type": "function",
            "name": "track",
            "description": "Tracks.",
            "parameters": {"type": "object"},
        }
    ]
    response = {"type": "tool_call_response", "id": "toolu_1", "response": "On its way."}
    assert read(two.input)[2:] == [
        {"role": "assistant", "parts": [REASONED, CALLED]},
        {"role": "user", "parts": [response]},
    ]


def test_media_are_shown_by_their_kind_and_an_unknown_block_as_it_is(
    provider: Provider, client: anthropic.Anthropic, captured: Captured
) -> None:
    provider.answer(message())
    content = [
        {
            "type": "image",
            "source": {"type": "base64", "media_type": "image/png", "data": "aGk="},
        },
        {"type": "document", "source": {"type": "url", "url": "https://example.org/a.pdf"}},
        {"type": "tomorrow", "x": 1},
    ]

    client.messages.create(**{**REQUEST, "messages": [{"role": "user", "content": content}]})

    assert read(captured.span("chat claude-test").input)[1]["parts"] == [
        {"type": "blob", "mime_type": "image/png", "modality": "image", "content": HI},
        {"type": "uri", "modality": "document", "uri": "https://example.org/a.pdf"},
        {"type": "tomorrow", "x": 1},
    ]


def test_the_user_is_the_one_of_the_request_and_tokens_of_access_are_left_out(
    provider: Provider, client: anthropic.Anthropic, captured: Captured
) -> None:
    provider.answer(message())
    server: Any = {"type": "url", "url": "https://x.org", "name": "x"}
    server["authorization_token"] = "hidden"

    client.beta.messages.create(**REQUEST, metadata={"user_id": "u7"}, mcp_servers=[server])

    span = captured.span("chat claude-test")
    assert span.user_id == "u7"
    assert b"hidden" not in msgspec.json.encode(span)


def test_an_iterator_of_messages_reaches_the_provider_whole(
    provider: Provider, client: anthropic.Anthropic, captured: Captured
) -> None:
    provider.answer(message())

    client.messages.create(**{**REQUEST, "messages": iter(REQUEST["messages"])})

    assert provider.asked[0].body["messages"] == REQUEST["messages"]
    assert captured.span("chat claude-test").output_tokens == 42


def test_a_refused_request_raises_the_clients_error_and_is_recorded_with_it(
    provider: Provider, client: anthropic.Anthropic, captured: Captured
) -> None:
    body = {"type": "error", "error": {"type": "rate_limit_error", "message": "slow down"}}
    provider.answer(body, 429)

    with pytest.raises(anthropic.RateLimitError):
        client.messages.create(**REQUEST)

    span = captured.span("chat claude-test")
    assert (span.status, span.error_type) == ("error", "anthropic.RateLimitError")
    assert read(span.attributes)["http.response.status_code"] == 429
    assert read(span.input) == ASKED


def test_the_beta_and_raw_responses_are_recorded_too(
    provider: Provider, client: anthropic.Anthropic, captured: Captured
) -> None:
    provider.answer(message())
    provider.answer(message())

    beta = client.beta.messages.create(**REQUEST, betas=["x-2026"])
    raw = client.messages.with_raw_response.create(**REQUEST)

    assert (type(beta), raw.parse().id) == (BetaMessage, "msg_1")
    assert [span.output_tokens for span in captured.spans] == [42, 42]


@pytest.mark.parametrize(
    ("name", "asked_for", "place"),
    [
        ("AnthropicBedrock", "aws.bedrock", {"aws_region": "eu-central-1", "api_key": "none"}),
        (
            "AnthropicVertex",
            "gcp.vertex_ai",
            {"region": "global", "project_id": "shop", "access_token": "none"},
        ),
        ("AnthropicFoundry", "anthropic", {"api_key": "none"}),
    ],
)
def test_the_clients_of_other_services_name_whose_they_are(
    provider: Provider, captured: Captured, name: str, asked_for: str, place: dict[str, Any]
) -> None:
    headway.instrument("anthropic")
    provider.answer(message())

    with getattr(anthropic, name)(base_url=provider.url, max_retries=0, **place) as client:
        answer = client.messages.create(**REQUEST)

    span = captured.span("chat claude-test")
    assert type(answer) is anthropic.types.Message
    assert (span.provider, span.request_model) == (asked_for, "claude-test")
    assert (read(span.input), parts_of(span), span.output_tokens) == (ASKED, [ANSWERED], 42)


def test_the_turns_of_a_tool_runner_are_spans_and_so_is_the_tool_where_it_is_observed(
    provider: Provider, client: anthropic.Anthropic, captured: Captured
) -> None:
    provider.answer(message(CALL, stop_reason="tool_use"))
    provider.answer(message())

    @anthropic.beta_tool
    @headway.observe(kind="tool")
    def track(parcel: str) -> str:
        """Say where a parcel is.

        Args:
            parcel: its number.
        """
        return f"{parcel} is in Leipzig"

    with headway.span("request") as request:
        answer = client.beta.messages.tool_runner(**REQUEST, tools=[track]).until_done()

    first, tool, second, _ = captured.spans
    assert answer.stop_reason == "end_turn"
    assert [span.parent_span_id for span in (first, tool, second)] == [request.span_id] * 3
    assert (parts_of(first), read(tool.input)) == ([CALLED], {"parcel": "P-9"})
    assert read(second.input)[-1]["parts"] == [
        {"type": "tool_call_response", "id": "toolu_1", "response": "P-9 is in Leipzig"}
    ]
