import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone

import pytest

import headway
from headway.clients import Client
from headway.lifecycle import current_client
from headway.testing import FrozenClock, MemoryTransport, capture
from headway.transports import Batch
from tests.sdk.conftest import StandIn


@headway.observe
def ask(question: str) -> str:
    return question


def test_capture_gives_what_was_recorded_inside_and_nothing_else() -> None:
    with capture() as outer:
        ask("outer")
        with capture() as inner:
            ask("inner")
            headway.score("s", 1, session_id="x")
        ask("outer again")
        outer_inputs = [bytes(span.input) for span in outer.spans]
        inner_inputs = [bytes(span.input) for span in inner.spans]

    assert outer_inputs == [b'{"question":"outer"}', b'{"question":"outer again"}']
    assert inner_inputs == [b'{"question":"inner"}']
    assert len(inner.scores) == 1


def test_capture_can_be_read_when_it_is_over_and_leaves_no_thread_behind() -> None:
    before = set(threading.enumerate())  # a client of another test may be about to end
    with capture() as captured:
        ask("one")
        client = current_client()

    assert [span.name for span in captured.spans] == ["ask"]
    assert client.is_closed
    assert set(threading.enumerate()) <= before


def test_a_program_that_calls_init_is_captured_all_the_same() -> None:
    with capture() as captured:
        headway.init(project="shop", environment="test")
        ask("one")

    assert captured.span("ask").environment == "test"
    assert captured.projects == {"shop"}


def test_looking_for_a_span_that_is_not_there_says_what_is() -> None:
    with capture() as captured:
        ask("one")
        with pytest.raises(LookupError, match="0 spans are named 'tell'; recorded were: ask"):
            captured.span("tell")


def test_a_memory_transport_accepts_whole_batches() -> None:
    transport = MemoryTransport()
    line = b'{"type":"score","score_id":"1","name":"n","value":true,"time_ns":1}'

    reply = transport.send(Batch("shop", "id", [line, line]))

    assert reply.answer is not None
    assert reply.answer.accepted == 2
    assert len(transport.records) == 2


@headway.observe(kind="chain")
def support(question: str) -> dict[str, object]:
    search(question)
    with headway.span("answer", kind="llm", model="support-7b") as span:
        span.params = {"temperature": 0.5}
        span.attributes["shelf"] = 7
    return {"kind": "delivery", "sure": True}


@headway.observe(kind="retriever")
def search(question: str) -> list[str]:
    return [question, "x"]


def test_calls_hold_python_values_and_what_ran_inside() -> None:
    with capture() as captured:
        support("where?")
        call = captured.call("support")
        answer = captured.call(kind="llm")

    assert call.input == {"question": "where?"}
    assert call.output == {"kind": "delivery", "sure": True}
    assert [child.output for child in call.children] == [["where?", "x"], None]
    assert (answer.params, answer.attributes) == ({"temperature": 0.5}, {"shelf": 7})
    assert (answer.request_model, answer.input, answer.prompt_variables) == ("support-7b",) + (
        None,
    ) * 2


def test_the_tree_shows_who_called_whom() -> None:
    with capture() as captured:
        support("one")
        ask("two")

    assert captured.tree() == "support\n  search\n  answer\nask"
    assert [call.name for call in captured.roots] == ["support", "ask"]


def test_calls_are_found_by_name_and_kind() -> None:
    with capture() as captured:
        support("one")
        search("two")

    assert [call.output for call in captured.find("search")] == [["one", "x"], ["two", "x"]]
    assert [call.name for call in captured.find(kind="llm")] == ["answer"]
    assert captured.find("search", kind="llm") == []
    assert len(captured.find()) == 4


def test_looking_for_the_only_call_says_what_there_is() -> None:
    with capture() as captured:
        with pytest.raises(LookupError, match="0 calls have been made; recorded was nothing"):
            captured.call()
        support("one")

    with pytest.raises(LookupError, match=r"0 calls have name 'ask' and kind 'llm'.*:\nsupport"):
        captured.call("ask", kind="llm")


def test_a_frozen_clock_goes_only_where_it_is_told_to() -> None:
    clock = FrozenClock()

    @headway.observe
    def stream() -> Iterator[str]:
        clock.tick(0.25)
        yield "a"
        clock.tick(0.05)
        yield "b"

    with capture(clock_ns=clock) as captured:
        list(stream())
        ask("at once")

    assert (captured.call("stream").duration_ms, captured.call("stream").ttft_ms) == (300, 250)
    assert captured.call("ask").duration_ms == 0
    assert clock.now == datetime(2026, 1, 1, 0, 0, 0, 300_000, UTC)


def test_a_clock_starts_anywhere_and_never_goes_back() -> None:
    noon = datetime(2026, 5, 1, 12, 0, 0, 5, timezone(timedelta(hours=2)))
    clock = FrozenClock(noon)

    assert clock.now == noon
    for seconds in (-1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="a clock does not go by"):
            clock.tick(seconds)
    with pytest.raises(ValueError, match="has no time zone"):
        FrozenClock(datetime(2026, 5, 1))


def test_what_threads_and_tasks_do_is_captured() -> None:
    async def gather() -> None:
        await asyncio.gather(*(answer(number) for number in range(5)))

    @headway.observe
    async def answer(number: int) -> int:
        await asyncio.sleep(0)
        return number

    with capture() as captured:
        asyncio.run(gather())
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(ask, "abcde"))

    assert sorted(call.output for call in captured.find("answer")) == [0, 1, 2, 3, 4]
    assert sorted(call.output for call in captured.find("ask")) == list("abcde")


def test_a_generator_that_outlives_the_capture_goes_on_undisturbed() -> None:
    @headway.observe
    def stream() -> Iterator[int]:
        yield from range(3)

    with capture() as captured:
        numbers = stream()
        first = next(numbers)

    assert [first, *numbers] == [0, 1, 2]
    assert captured.calls == []


def test_a_configured_client_is_as_it_was_when_the_capture_is_over(
    collector: StandIn, make_client: Callable[..., Client]
) -> None:
    make_client(collector.url)
    ask("before")
    with capture() as captured:
        ask("inside")
    ask("after")
    headway.flush()

    assert [call.output for call in captured.calls] == ["inside"]
    assert [bytes(span.output) for span in collector.spans] == [b'"before"', b'"after"']
