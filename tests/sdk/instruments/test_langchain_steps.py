"""Chains, tools and retrievers of LangChain, waited for or not: results and errors are let be."""

import asyncio
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import Runnable, RunnableLambda
from langchain_core.tools import tool

import headway
from headway.clients import Client
from headway.records import Kind
from headway.testing import capture


class Lost(Exception):
    """What a step raises."""


LOST = Lost("lost")


def look_up(parcel: str) -> str:
    if parcel == "lost":
        raise LOST
    return f"{parcel} is on its way"


@tool
def track(parcel: str) -> str:
    """Say where a parcel is."""
    return look_up(parcel)


class Shelf(BaseRetriever):
    """Finds one document."""

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun
    ) -> list[Document]:
        return [Document(look_up(query), id="d1")]


class Step(NamedTuple):
    """One sort of run, and what its span is to say for the parcel ``P-9``."""

    kind: Kind
    name: str
    made: Runnable[Any, Any]
    output: object


STEPS = [
    Step("chain", "look_up", RunnableLambda(look_up), "P-9 is on its way"),
    Step("tool", "track", track, "P-9 is on its way"),
    Step("retriever", "Shelf", Shelf(), [{"id": "d1", "content": "P-9 is on its way"}]),
]

each_step = pytest.mark.parametrize("step", STEPS, ids=[step.kind for step in STEPS])
each_way = pytest.mark.parametrize("is_waited", [False, True], ids=["plain", "waited"])


def run(step: Step, parcel: str, *, is_waited: bool) -> Any:
    """Run a step and return what it gives."""
    if not is_waited:
        return step.made.invoke(parcel)

    async def waited() -> Any:
        return await step.made.ainvoke(parcel)

    return asyncio.run(waited())


@each_step
@each_way
def test_a_step_is_recorded_and_gives_what_it_gives(
    step: Step, is_waited: bool, make_client: Callable[..., Client]
) -> None:
    alone = run(step, "P-9", is_waited=is_waited)
    headway.instrument("langchain")
    with capture() as captured:
        with headway.span("request") as outer:
            logged = run(step, "P-9", is_waited=is_waited)
        span, _ = captured.calls
    make_client()
    unheard = run(step, "P-9", is_waited=is_waited)

    assert logged == unheard == alone
    assert (span.kind, span.name, span.status) == (step.kind, step.name, "ok")
    assert (span.input, span.output) == ("P-9", step.output)
    assert span.parent_span_id == outer.span_id
    assert headway.stats().pending == 1


@each_step
@each_way
def test_what_a_step_raises_is_the_very_same_and_on_its_span(
    step: Step, is_waited: bool, make_client: Callable[..., Client]
) -> None:
    headway.instrument("langchain")
    with capture() as captured:
        with pytest.raises(Lost, match="lost") as raised:
            run(step, "lost", is_waited=is_waited)
        (span,) = captured.calls
    make_client()
    with pytest.raises(Lost, match="lost"):
        run(step, "lost", is_waited=is_waited)

    assert raised.value is LOST
    assert vars(LOST) == {}
    assert (span.kind, span.status, span.status_message) == (step.kind, "error", "lost")
    assert str(span.error_type).endswith("Lost")
    assert headway.stats().pending == 1
