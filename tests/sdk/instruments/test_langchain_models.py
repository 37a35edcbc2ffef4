"""Models in the real LangChain, fakes and with OpenAI's client beneath: a span for each call."""

import msgspec
import pytest
from langchain_core.language_models.fake import FakeListLLM
from langchain_core.language_models.fake_chat_models import (
    FakeMessagesListChatModel,
)
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_openai import ChatOpenAI

import headway
from headway.testing import Captured
from tests.sdk.instruments.servers import Provider
from tests.sdk.instruments.test_langchain import PROMPT, chunks, completion, models, parents, read

ANSWERED = {"role": "assistant", "parts": [{"type": "text", "content": "On its way."}]}


@pytest.fixture(autouse=True)
def instrumented(captured: Captured) -> None:
    headway.instrument("langchain", "openai")


@pytest.fixture
def openai_model(provider: Provider) -> ChatOpenAI:
    return ChatOpenAI.model_validate(
        {
            "model": "gpt-test",
            "base_url": provider.url,
            "api_key": "none",
            "max_retries": 0,
            "temperature": 0.2,
        }
    )


def test_a_call_of_openai_is_one_span_with_what_the_provider_counted(
    provider: Provider, openai_model: ChatOpenAI, captured: Captured
) -> None:
    provider.answer(completion())

    (PROMPT | openai_model).invoke({"question": "Where?"})

    (span,) = models(captured)
    assert (span.name, span.provider) == ("chat gpt-test", "openai")
    assert (span.request_model, span.response_model) == ("gpt-test", "gpt-test-2026")
    assert span.response_id == "chatcmpl-1"
    assert read(span.input) == [
        {"role": "system", "parts": [{"type": "text", "content": "Be brief."}]},
        {"role": "user", "parts": [{"type": "text", "content": "Where?"}]},
    ]
    assert read(span.output) == [{**ANSWERED, "finish_reason": "stop"}]
    assert (span.input_tokens, span.cache_read_tokens) == (31, 16)
    assert (span.output_tokens, span.reasoning_tokens) == (17, 5)
    assert read(span.params)["temperature"] == 0.2


def test_a_stream_is_one_span_with_its_pace(
    provider: Provider, openai_model: ChatOpenAI, captured: Captured
) -> None:
    provider.stream(chunks())

    said = [each.text for each in (PROMPT | openai_model).stream({"question": "Where?"})]

    (span,) = models(captured)
    assert "".join(said) == "On its way."
    assert (span.chunk_count, span.input_tokens) == (2, 31)
    assert span.ttft_ms is not None
    assert read(span.output) == [{**ANSWERED, "finish_reason": "stop"}]
    assert read(captured.span("RunnableSequence").input) == {"question": "Where?"}


def test_what_the_reader_of_a_stream_does_between_pieces_is_no_part_of_it(
    provider: Provider, openai_model: ChatOpenAI, captured: Captured
) -> None:
    import openai

    provider.stream(chunks())
    provider.answer(completion("Other."))
    client = openai.OpenAI(base_url=provider.url, api_key="none", max_retries=0)

    with client:
        for index, _ in enumerate(openai_model.stream("Where?")):
            if index == 1:
                client.chat.completions.create(
                    model="other", messages=[{"role": "user", "content": "?"}]
                )

    assert parents(captured) == {"chat other": None, "chat gpt-test": None}


def test_messages_with_tools_are_shown_as_calls_and_responses(captured: Captured) -> None:
    call = {"name": "track", "args": {"parcel": "P-9"}, "id": "c1", "type": "tool_call"}
    turns = [
        HumanMessage([{"type": "text", "text": "This?"}, {"type": "image", "url": "https://x/a"}]),
        AIMessage("", tool_calls=[call]),
        ToolMessage("On its way.", tool_call_id="c1", name="track"),
    ]
    usage = {
        "input_tokens": 9,
        "output_tokens": 2,
        "total_tokens": 11,
        "input_token_details": {"cache_read": 4, "ephemeral_5m_input_tokens": 3},
    }
    about = {"stop_reason": "end_turn", "model_name": "m-1"}
    answer = AIMessage("Soon.", usage_metadata=usage, response_metadata=about)

    FakeMessagesListChatModel(responses=[answer]).invoke(turns)

    (span,) = models(captured)
    assert [message["parts"] for message in read(span.input)] == [
        [
            {"type": "text", "content": "This?"},
            {"type": "uri", "modality": "image", "uri": "https://x/a"},
        ],
        [{"type": "tool_call", "id": "c1", "name": "track", "arguments": {"parcel": "P-9"}}],
        [{"type": "tool_call_response", "id": "c1", "response": "On its way."}],
    ]
    assert (span.input_tokens, span.cache_read_tokens, span.cache_write_tokens) == (9, 4, 3)
    assert (span.finish_reasons, span.response_model) == (["end_turn"], "m-1")


def test_a_model_that_completes_texts_is_an_llm_span(captured: Captured) -> None:
    assert FakeListLLM(responses=["a day"]).invoke("once upon") == "a day"

    (span,) = models(captured)
    assert read(span.input)[0]["parts"] == [{"type": "text", "content": "once upon"}]
    assert read(span.output)[0]["parts"] == [{"type": "text", "content": "a day"}]


def test_an_error_ends_every_run_around_it_and_reaches_the_program(
    provider: Provider, openai_model: ChatOpenAI, captured: Captured
) -> None:
    import openai

    provider.answer({"error": {"message": "slow down"}}, 429)

    with pytest.raises(openai.RateLimitError):
        (PROMPT | openai_model).invoke({"question": "Where?"})

    (span,) = models(captured)
    assert (span.status, str(span.error_type)[-14:]) == ("error", "RateLimitError")
    assert captured.span("RunnableSequence").status == "error"
    assert span.output == msgspec.Raw()


def test_a_stream_that_is_left_is_abandoned(
    provider: Provider, openai_model: ChatOpenAI, captured: Captured
) -> None:
    provider.stream(chunks())

    stream = openai_model.stream("Where?")
    next(stream)
    next(stream)
    stream.close()  # type: ignore[attr-defined]  # it is a generator

    (span,) = models(captured)
    assert span.is_abandoned is True
    assert read(span.output)[0]["parts"] == [{"type": "text", "content": "On its"}]
