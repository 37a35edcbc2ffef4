"""LangChain above OpenAI's client: the call of a model is one span, one made by hand its own.

Models that complete texts stand out: LangChain tells of those that are waited for in other tasks.
"""

import asyncio
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import openai
import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.runnables import RunnableLambda, RunnableParallel
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAI

import headway
from headway.testing import Captured
from tests.sdk.instruments import openai_wire as wire
from tests.sdk.instruments.servers import Provider
from tests.sdk.instruments.test_langchain import models, parents

Place = dict[str, Any]
"""Where LangChain's models ask, and with which client."""

each_way = pytest.mark.parametrize("is_waited", [False, True], ids=["plain", "waited"])


class Listener(BaseCallbackHandler):
    """A handler of the program's own, as most are."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def on_llm_start(self, serialized: Any, prompts: list[str], **told: Any) -> None:
        self.heard.append(f"asked {prompts[0]}")

    def on_llm_end(self, response: Any, **told: Any) -> None:
        self.heard.append("answered")


@pytest.fixture
def by_hand(provider: Provider) -> Iterator[Callable[[str], str]]:
    """Asks OpenAI's client itself."""
    http_client = openai.DefaultHttpxClient(verify=False)
    with openai.OpenAI(
        api_key="k", base_url=f"{provider.url}/v1", max_retries=0, http_client=http_client
    ) as client:
        yield lambda model: client.completions.create(model=model, prompt="?").choices[0].text


def text_model(place: Place, **more: Any) -> OpenAI:
    return OpenAI.model_validate({"model": "texts", **place, **more})


def chat_model(place: Place) -> ChatOpenAI:
    return ChatOpenAI.model_validate({"model": "chats", **place})


def two_texts() -> dict[str, Any]:
    choice = {"finish_reason": "stop", "logprobs": None}
    return wire.text_completion(
        None, choices=[{**choice, "index": at, "text": text} for at, text in enumerate("ab")]
    )


def ask(
    provider: Provider,
    make: Callable[[Place], Any],
    *asked: Any,
    is_waited: bool,
    is_batch: bool = False,
) -> Any:
    """Ask what LangChain makes, in one of its ways."""
    place: Place = {"base_url": f"{provider.url}/v1", "api_key": "k", "max_retries": 0}
    if not is_waited:
        with openai.DefaultHttpxClient(verify=False) as client:
            made = make({**place, "http_client": client})
            return (made.batch if is_batch else made.invoke)(*asked)

    async def waited() -> Any:
        # LangChain's own is shared, and outlives the loop.
        async with openai.DefaultAsyncHttpxClient(verify=False) as client:
            made = make({**place, "http_async_client": client})
            return await (made.abatch if is_batch else made.ainvoke)(*asked)

    return asyncio.run(waited())


@each_way
def test_texts_that_are_asked_for_in_one_request_are_a_span_each(
    provider: Provider, captured: Captured, is_waited: bool
) -> None:
    headway.instrument("langchain", "openai")
    provider.answer(two_texts())

    given = ask(provider, text_model, ["one", "two"], is_waited=is_waited, is_batch=True)

    assert (given, len(provider.asked)) == (["a", "b"], 1)
    assert [call.input[0]["parts"][0]["content"] for call in captured.calls] == ["one", "two"]
    assert [call.output[0]["parts"][0]["content"] for call in captured.calls] == ["a", "b"]


@each_way
def test_a_text_that_its_model_puts_together_of_pieces_is_one_span(
    provider: Provider, captured: Captured, is_waited: bool
) -> None:
    headway.instrument("langchain", "openai")
    provider.stream(wire.text_chunks("On its", " way."))

    given = ask(provider, partial(text_model, streaming=True), "Where?", is_waited=is_waited)

    (call,) = captured.calls
    assert given == "On its way."
    assert (call.chunk_count, call.output[0]["parts"][0]["content"]) == (2, given)


@each_way
def test_models_side_by_side_are_one_span_each_under_their_own_step(
    provider: Provider, captured: Captured, is_waited: bool
) -> None:
    headway.instrument("langchain", "openai")
    # The same for both, as either may be first.
    answer = wire.completion() | {
        "choices": [{**wire.completion()["choices"][0], "text": "Yes.", "logprobs": None}]
    }
    provider.answer(answer)
    provider.answer(answer)

    def both(place: Place) -> Any:
        return RunnableParallel(text=text_model(place), chat=chat_model(place))

    with headway.span("request"):
        given = ask(provider, both, "Where?", is_waited=is_waited)

    assert (given["text"], given["chat"].text) == ("Yes.", "On its way.")
    assert parents(captured) == {
        "request": None,
        "RunnableParallel<text,chat>": "request",
        "text_completion texts": "RunnableParallel<text,chat>",
        "chat chats": "RunnableParallel<text,chat>",
    }
    assert len(models(captured)) == 2


@each_way
def test_a_call_by_hand_in_a_step_or_a_tool_is_a_span_of_its_own_under_it(
    provider: Provider, captured: Captured, by_hand: Callable[[str], str], is_waited: bool
) -> None:
    headway.instrument("langchain", "openai")
    for _ in range(3):
        provider.answer(wire.text_completion("Yes."))

    @tool
    def track(parcel: str) -> str:
        """Say where a parcel is."""
        return by_hand("in-tool")

    def follow(said: str) -> str:
        return by_hand("in-step")

    def chain(place: Place) -> Any:
        return text_model(place) | RunnableLambda(follow) | track

    assert ask(provider, chain, "Where?", is_waited=is_waited) == "Yes."
    assert parents(captured) == {
        "RunnableSequence": None,
        "text_completion texts": "RunnableSequence",
        "follow": "RunnableSequence",
        "text_completion in-step": "follow",
        "track": "RunnableSequence",
        "text_completion in-tool": "track",
    }
    assert len(models(captured)) == 3


def test_a_call_by_hand_beside_a_model_that_is_waited_for_is_a_span_of_its_own(
    provider: Provider, captured: Captured
) -> None:
    headway.instrument("langchain", "openai")
    for _ in range(3):
        provider.answer(wire.text_completion("Yes."))

    def chain(place: Place) -> Any:
        model = text_model(place)
        completions = model.async_client

        async def both(question: str) -> None:
            by_hand = completions.create(model="by-hand", prompt="?")
            await asyncio.gather(model.ainvoke(question), by_hand)
            await completions.create(model="after", prompt="?")

        return RunnableLambda(both)

    ask(provider, chain, "Where?", is_waited=True)

    assert parents(captured) == {
        "both": None,
        "text_completion texts": "both",
        "text_completion by-hand": "both",
        "text_completion after": "both",
    }
    assert len(models(captured)) == 3


@each_way
def test_a_handler_that_is_passed_covers_the_call_too(
    provider: Provider, captured: Captured, is_waited: bool
) -> None:
    headway.instrument("openai")
    provider.answer(wire.text_completion("Yes."))
    config = {"callbacks": [headway.langchain_handler()], "run_name": "ours"}

    assert ask(provider, text_model, "Where?", config, is_waited=is_waited) == "Yes."
    (call,) = captured.calls
    assert call.attributes["langchain.name"] == "ours"


@each_way
def test_the_programs_own_handlers_hear_what_they_hear_without_us(
    provider: Provider, captured: Captured, is_waited: bool
) -> None:
    alone, beside = Listener(), Listener()
    provider.answer(wire.text_completion("Yes."))
    provider.answer(wire.text_completion("Yes."))

    ask(provider, text_model, "Where?", {"callbacks": [alone]}, is_waited=is_waited)
    headway.instrument("langchain", "openai")
    ask(provider, text_model, "Where?", {"callbacks": [beside]}, is_waited=is_waited)

    assert alone.heard == beside.heard == ["asked Where?", "answered"]
    assert len(models(captured)) == 1


@each_way
def test_a_call_that_is_refused_is_one_span_with_the_error(
    provider: Provider, captured: Captured, is_waited: bool
) -> None:
    headway.instrument("langchain", "openai")
    provider.answer({"error": {"message": "Slow down."}}, 429)
    provider.answer(wire.text_completion("Yes."))

    with pytest.raises(openai.RateLimitError):
        ask(provider, text_model, "Where?", is_waited=is_waited)
    ask(provider, text_model, "Again?", is_waited=is_waited)

    assert [call.status for call in captured.calls] == ["error", "ok"]
