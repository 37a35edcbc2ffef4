"""Runs of the real LangChain: which is under which, and whose they are."""

import asyncio
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.language_models import BaseChatModel
from langchain_core.language_models.fake_chat_models import (
    GenericFakeChatModel,
)
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import RunnableLambda, RunnableParallel
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI

import headway
from headway.records import Span
from headway.testing import Captured, capture
from tests.sdk.instruments.servers import Provider

PROMPT = ChatPromptTemplate.from_messages([("system", "Be brief."), ("human", "{question}")])
USAGE = {
    "prompt_tokens": 31,
    "completion_tokens": 17,
    "total_tokens": 48,
    "prompt_tokens_details": {"cached_tokens": 16},
    "completion_tokens_details": {"reasoning_tokens": 5},
}


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


@headway.observe
def look_up(parcel: str) -> str:
    return f"{parcel} is on its way"


@tool
def track(parcel: str) -> str:
    """Say where a parcel is."""
    return look_up(parcel)


class Shelf(BaseRetriever):
    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun
    ) -> list[Document]:
        return [Document("Parcels take two days.", id="d1", metadata={"page": 3})]


def fake_model(*texts: str) -> BaseChatModel:
    return GenericFakeChatModel(messages=iter([AIMessage(text) for text in texts]))


def completion(text: str = "On its way.") -> dict[str, Any]:
    message = {"role": "assistant", "content": text}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "gpt-test-2026",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": USAGE,
    }


def chunks() -> Iterator[dict[str, Any]]:
    whole = {**completion(), "object": "chat.completion.chunk", "usage": None}
    for delta, reason in (
        ({"role": "assistant", "content": ""}, None),
        ({"content": "On its"}, None),
        ({"content": " way."}, None),
        ({}, "stop"),
    ):
        yield {**whole, "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}
    yield {**whole, "choices": [], "usage": USAGE}


def read(raw: msgspec.Raw) -> Any:
    return msgspec.json.decode(raw)


def parents(captured: Captured) -> dict[str, str | None]:
    """Return the name of each span's parent by its own name."""
    names = {span.span_id: span.name for span in captured.spans}
    return {span.name: names.get(span.parent_span_id or "") for span in captured.spans}


def models(captured: Captured) -> list[Span]:
    return [span for span in captured.spans if span.kind == "llm"]


def test_runs_and_own_spans_are_nested_as_they_are_called(captured: Captured) -> None:
    def follow(said: BaseMessage) -> Any:
        return track.invoke({"parcel": said.text})

    chain = PROMPT | fake_model("P-9") | RunnableLambda(follow)

    with headway.span("request"):
        answer = chain.invoke({"question": "Where is P-9?"})

    assert answer == "P-9 is on its way"
    assert parents(captured) == {
        "request": None,
        "RunnableSequence": "request",
        "ChatPromptTemplate": "RunnableSequence",
        "chat": "RunnableSequence",
        "follow": "RunnableSequence",
        "track": "follow",
        "look_up": "track",
    }
    tool_span = captured.span("track")
    assert (tool_span.kind, read(tool_span.output)) == ("tool", "P-9 is on its way")
    assert read(tool_span.input) == {"parcel": "P-9"}
    assert read(captured.span("RunnableSequence").input) == {"question": "Where is P-9?"}


def test_a_span_that_is_opened_between_two_runs_stands_between_them(captured: Captured) -> None:
    def ask(question: str) -> str:
        with headway.span("between"):
            return fake_model("Yes.").invoke(question).text

    RunnableLambda(ask).invoke("Now?")

    assert parents(captured) == {"ask": None, "between": "ask", "chat": "between"}


def test_async_runs_are_nested_and_leave_no_parent_behind(
    provider: Provider, openai_model: ChatOpenAI, captured: Captured
) -> None:
    provider.answer(completion())
    provider.answer(completion())
    provider.stream(chunks())

    async def run() -> None:
        await openai_model.ainvoke("Bare?")
        with headway.span("request"):
            await (PROMPT | openai_model | RunnableLambda(look_up_text)).ainvoke({"question": "?"})
        with headway.span("after"):
            pass
        async for _ in openai_model.astream("Streamed?"):
            pass

    asyncio.run(run())

    found = parents(captured)
    bare, nested, streamed = models(captured)
    assert (bare.parent_span_id, streamed.parent_span_id, found["after"]) == (None, None, None)
    assert nested.parent_span_id == captured.span("RunnableSequence").span_id
    assert (found["RunnableSequence"], found["look_up"]) == ("request", "look_up_text")
    assert (streamed.chunk_count, streamed.output_tokens) == (2, 17)


def look_up_text(message: BaseMessage) -> str:
    return look_up(message.text)


def test_runs_of_a_batch_keep_their_parents_in_their_threads(captured: Captured) -> None:
    def ask(question: str) -> str:
        return look_up(question)

    with headway.span("request") as request:
        RunnableLambda(ask).batch(["one", "two", "three"])
        RunnableParallel(left=ask, right=ask).invoke("four")

    by_id = {span.span_id: span for span in captured.spans}
    looked = [span for span in captured.spans if span.name == "look_up"]
    assert {span.trace_id for span in captured.spans} == {request.trace_id}
    assert len(looked) == 5
    for span in looked:
        around = by_id[str(span.parent_span_id)]
        assert around.name in ("ask", "left", "right", "RunnableLambda")
        assert around.start_ns <= span.start_ns <= span.end_ns <= around.end_ns


def test_a_retriever_is_a_span_with_its_documents(captured: Captured) -> None:
    Shelf().invoke("how long?")

    span = captured.span("Shelf")
    assert (span.kind, read(span.input)) == ("retriever", "how long?")
    assert read(span.output) == [
        {"id": "d1", "content": "Parcels take two days.", "metadata": {"page": 3}}
    ]


def test_tags_and_metadata_of_a_run_are_those_of_its_spans(captured: Captured) -> None:
    config: Any = {"tags": ["beta"], "metadata": {"thread_id": "t1", "user_id": "u1", "shop": 7}}

    (PROMPT | fake_model("Yes.")).invoke({"question": "?"}, config)

    for span in captured.spans:
        assert (span.tags, span.session_id, span.user_id) == (["beta"], "t1", "u1")
        assert read(span.attributes)["langchain.metadata.shop"] == 7


def test_a_chain_that_was_made_an_agent_is_one(captured: Captured) -> None:
    config: Any = {
        "run_name": "helper",
        "metadata": {"ls_integration": "langchain_create_agent", "lc_agent_name": "helper"},
    }

    RunnableLambda(look_up).invoke("P-9", config)

    assert captured.span("helper").kind == "agent"


def test_a_handler_that_is_passed_records_only_that_run_and_once(captured: Captured) -> None:
    headway.uninstrument()
    config: Any = {"callbacks": [headway.langchain_handler()]}

    RunnableLambda(look_up).invoke("unseen")
    RunnableLambda(look_up, name="seen").invoke("P-9", config)
    headway.instrument("langchain")
    RunnableLambda(look_up, name="once").invoke("P-9", config)

    names = [span.name for span in captured.spans]
    assert names == ["look_up", "look_up", "seen", "look_up", "once"]
    assert parents(captured)["look_up"] == "once"


def test_an_object_that_cannot_be_read_is_a_fault_and_stops_no_run() -> None:
    class Hostile(dict[str, Any]):
        def items(self) -> Any:
            raise RuntimeError("no")

    def finish(given: Any) -> str:
        return "done"

    with capture(is_raising=False) as captured:
        answer = RunnableLambda(finish, name="run").invoke(Hostile())

        assert answer == "done"
        assert captured.span("run").status == "ok"
        assert headway.stats().faults
