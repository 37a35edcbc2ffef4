"""``@headway.observe``: a call as a span, and a function that stays what it was."""

import asyncio
import functools
import inspect
import json
import threading
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from typing import Any, assert_type

import msgspec
import pytest

import headway
from headway.contexts import CURRENT
from headway.lifecycle import current_client
from headway.records import Span
from headway.testing import Captured, capture


@pytest.fixture
def captured() -> Iterator[Captured]:
    with capture() as captured:
        yield captured


def data(raw: msgspec.Raw) -> Any:
    return json.loads(bytes(raw)) if bytes(raw) else None


class Prompt:
    name = "triage"
    version = "4f2a"


@headway.observe(kind="llm", model="support-7b", provider="local", prompt=Prompt())
def triage(message: str, *, limit: int = 3) -> str:
    return message.upper()[:limit]


@headway.observe
async def answer(message: str) -> str:
    await asyncio.sleep(0)
    return triage(message)


@headway.observe
def stream(count: int) -> Generator[str, str | None, int]:
    for number in range(count):
        with headway.span(f"step {number}"):
            pass
        yield f"{number} "
    return count


@headway.observe
async def astream(count: int) -> AsyncIterator[str]:
    for number in range(count):
        await asyncio.sleep(0)
        yield f"{number} "


def test_a_call_becomes_a_span_with_its_arguments_by_name(captured: Captured) -> None:
    given = triage("where is my parcel?")
    span = captured.span("triage")

    assert given == "WHE"
    assert data(span.input) == {"message": "where is my parcel?", "limit": 3}
    assert data(span.output) == "WHE"
    assert (span.kind, span.status) == ("llm", "ok")
    assert (span.request_model, span.provider) == ("support-7b", "local")
    assert (span.prompt_name, span.prompt_version) == ("triage", "4f2a")
    assert span.parent_span_id is None
    assert span.start_ns <= span.end_ns


def test_the_decorated_function_keeps_its_signature_for_type_checkers(
    captured: Captured,
) -> None:
    # mypy checks this file: each ignore below fails it, were the signature lost.
    assert_type(triage("a"), str)
    assert_type(triage("a", limit=1), str)
    wrong: Callable[[], object] = functools.partial(triage, 1)  # type: ignore[arg-type]

    with pytest.raises(TypeError):
        triage("a", size=1)  # type: ignore[call-arg]
    with pytest.raises(AttributeError):
        wrong()


def test_the_decorated_function_is_what_it_was_at_run_time() -> None:
    assert triage.__name__ == "triage"
    assert list(inspect.signature(triage).parameters) == ["message", "limit"]
    assert inspect.iscoroutinefunction(answer)
    assert not inspect.iscoroutinefunction(triage)


def test_calls_inside_a_coroutine_are_its_children(captured: Captured) -> None:
    given = asyncio.run(answer("hello"))
    outer, inner = captured.span("answer"), captured.span("triage")

    assert given == "HEL"
    assert inner.parent_span_id == outer.span_id
    assert inner.trace_id == outer.trace_id


def test_tasks_that_run_at_once_do_not_mix_their_parents(captured: Captured) -> None:
    async def together() -> None:
        await asyncio.gather(*(answer(str(number)) for number in range(20)))

    asyncio.run(together())
    outer = {span.span_id: span for span in captured.spans if span.name == "answer"}
    inner = [span for span in captured.spans if span.name == "triage"]

    assert len(outer) == len(inner) == 20
    for span in inner:
        assert span.parent_span_id is not None
        assert data(outer[span.parent_span_id].input)["message"] == data(span.input)["message"]


def test_a_call_that_a_task_outlives_lets_go_of_its_content(captured: Captured) -> None:
    calls: list[Any] = []

    @headway.observe
    def start(document: str) -> str:
        calls.append(CURRENT.get())
        return document.upper()

    start("x" * 1000)
    record = calls[0].record
    span = captured.span("start")

    assert (bytes(record.input), bytes(record.output)) == (b"", b"")
    assert (data(span.input), data(span.output)) == ({"document": "x" * 1000}, "X" * 1000)


def test_an_argument_that_is_no_finite_number_is_named(captured: Captured) -> None:
    @headway.observe
    def rate(loss: float) -> None: ...

    rate(float("nan"))

    assert data(captured.span("rate").input) == {"loss": "NaN"}


def test_an_output_set_by_hand_is_not_overwritten(captured: Captured) -> None:
    @headway.observe
    def secretive() -> str:
        headway.current_span().output = "hidden"
        return "secret"

    secretive()

    assert data(captured.span("secretive").output) == "hidden"


def test_a_giant_number_among_the_arguments_is_named(captured: Captured) -> None:
    headway.observe(triage_number)(1 << 100_000)

    assert data(captured.span("triage_number").input) == {"number": "[100001 bit int]"}


def triage_number(number: int) -> int:
    return number & 1


def test_what_a_call_takes_and_gives_is_bounded_however_it_is_made_up(captured: Captured) -> None:
    @headway.observe
    def repeat(*texts: str, **more: str) -> str:
        return texts[0] * len(texts)

    @headway.observe
    def title(page: str) -> str:
        return page[:9]

    repeat("x" * 2_000_000)
    repeat("x" * 20_000, *["y"] * 99)
    title("x" * 2_000_000)
    headway.observe(lambda a, b, c, d, e, f, g, h, i, j, k: None)(*["\0" * 16_000] * 11)
    sizes = [(len(bytes(span.input)), len(bytes(span.output))) for span in captured.spans]

    assert len(sizes) == 4
    assert max(map(max, sizes)) <= 1 << 20


def test_arguments_are_recorded_as_they_were_at_the_call(captured: Captured) -> None:
    @headway.observe
    def consume(messages: list[str]) -> None:
        messages.clear()

    consume(["a"])

    assert data(captured.span("consume").input) == {"messages": ["a"]}


def test_an_unknown_kind_is_a_fault_and_not_an_error() -> None:
    @headway.observe(kind="lm")  # type: ignore[call-overload]
    def typo() -> int:
        return 1

    with capture(is_raising=False) as captured:
        given = typo()
        span = captured.span("typo")

    assert given == 1
    assert span.kind == "span"


def test_many_threads_record_everything(captured: Captured) -> None:
    def work(number: int) -> None:
        for _ in range(200):
            triage(f"thread {number}")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    spans: list[Span] = captured.spans

    assert len({span.span_id for span in spans}) == 1600
    assert {span.parent_span_id for span in spans} == {None}


def test_a_call_that_cannot_be_read_is_counted_as_lost() -> None:
    def work() -> int:
        return 1

    with capture(is_raising=False):
        client: Any = current_client()
        client.identities = None
        given = headway.observe(work)()
        stats = headway.stats()

    assert given == 1
    assert (stats.recorded, stats.dropped) == (1, {"unreadable": 1})
