"""Observed generators: followed to their end, or to where they were left."""

import asyncio
import contextlib
import gc
import threading
from collections.abc import Generator, Iterator
from typing import Any

import pytest

import headway
from headway.contexts import CURRENT
from headway.testing import Captured, FrozenClock, capture
from tests.sdk.test_observing import astream, data, stream


@pytest.fixture
def captured() -> Iterator[Captured]:
    with capture() as captured:
        yield captured


def test_a_generator_is_followed_to_its_end(captured: Captured) -> None:
    generator = stream(3)
    chunks = []
    try:
        while True:
            chunks.append(next(generator))
    except StopIteration as stop:
        returned = stop.value
    span = captured.span("stream")

    assert (chunks, returned) == (["0 ", "1 ", "2 "], 3)
    assert data(span.output) == "0 1 2 "
    assert span.chunk_count == 3
    assert span.is_abandoned is None
    assert span.status == "ok"


def test_a_stream_tells_its_first_chunk_and_the_gaps_between_them() -> None:
    clock = FrozenClock()

    @headway.observe
    def slowly() -> Iterator[str]:
        for gap_ms in (250, 10, 20, 30):
            clock.tick(gap_ms / 1000)
            yield "x"

    with capture(clock_ns=clock) as captured:
        list(slowly())
        span = captured.span("slowly")

    assert span.ttft_ms == 250
    assert (span.chunk_p50_ms, span.chunk_p95_ms) == (20, 30)
    assert span.end_ns - span.start_ns == 310_000_000


def test_nothing_is_current_while_a_generator_waits(captured: Captured) -> None:
    generator = stream(2)
    next(generator)
    outside = CURRENT.get()
    list(generator)
    steps = [span for span in captured.spans if span.name.startswith("step")]

    assert outside is None
    assert {span.parent_span_id for span in steps} == {captured.span("stream").span_id}


def test_a_generator_belongs_to_the_span_in_which_it_was_called(captured: Captured) -> None:
    with headway.span("request") as request, headway.context(user="ada"):
        generator = stream(1)
    list(generator)
    span = captured.span("stream")

    assert span.parent_span_id == request.span_id
    assert span.user_id == "ada"


def test_values_and_errors_sent_into_a_generator_reach_it(captured: Captured) -> None:
    @headway.observe
    def echo() -> Generator[object, object, str]:
        received: object = None
        while True:
            try:
                received = yield received
            except KeyError as error:
                received = f"caught {error}"
            if received == "stop":
                return "done"

    generator = echo()
    next(generator)
    sent = generator.send("hello")
    thrown = generator.throw(KeyError("k"))
    with pytest.raises(StopIteration) as stop:
        generator.send("stop")

    assert (sent, thrown, stop.value.value) == ("hello", "caught 'k'", "done")
    assert captured.span("echo").status == "ok"


@pytest.mark.parametrize("is_closed", [True, False])
def test_a_generator_left_early_is_abandoned_and_not_an_error(
    captured: Captured, is_closed: bool
) -> None:
    generator = stream(5)
    next(generator)
    if is_closed:
        generator.close()
    else:
        del generator
        gc.collect()
    span = captured.span("stream")

    assert span.is_abandoned
    assert span.status == "ok"
    assert data(span.output) == "0 "


def test_a_generator_that_fails_keeps_what_it_gave(captured: Captured) -> None:
    @headway.observe
    def breaking() -> Iterator[str]:
        yield "half an ans"
        raise ConnectionError("reset")

    with pytest.raises(ConnectionError):
        list(breaking())
    span = captured.span("breaking")

    assert (span.status, span.status_message) == ("error", "reset")
    assert data(span.output) == "half an ans"
    assert span.is_abandoned is None


def test_chunks_that_are_not_all_text_become_a_list_as_they_were(captured: Captured) -> None:
    @headway.observe
    def mixed() -> Iterator[Any]:
        delta = {"text": "a"}
        yield delta
        delta["text"] = "changed"
        yield "b"

    list(mixed())

    assert data(captured.span("mixed").output) == [{"text": "a"}, "b"]


def test_an_endless_stream_is_kept_up_to_the_limit(captured: Captured) -> None:
    @headway.observe
    def long() -> Iterator[str]:
        for _ in range(3000):
            yield "x" * 1000

    for _ in long():
        pass
    span = captured.span("long")
    output = data(span.output)

    assert span.chunk_count == 3000
    assert len(output) < 1 << 20
    assert "…[cut " in output


def test_an_async_generator_is_followed_to_its_end(captured: Captured) -> None:
    async def consume() -> list[str]:
        return [chunk async for chunk in astream(3)]

    chunks = asyncio.run(consume())
    span = captured.span("astream")

    assert chunks == ["0 ", "1 ", "2 "]
    assert data(span.output) == "0 1 2 "
    assert span.chunk_count == 3
    assert span.ttft_ms is not None


def test_an_async_generator_closed_from_another_task_is_abandoned(captured: Captured) -> None:
    async def consume() -> None:
        generator = astream(5)
        await anext(generator)
        await asyncio.create_task(generator.aclose())  # type: ignore[attr-defined]

    asyncio.run(consume())
    span = captured.span("astream")

    assert span.is_abandoned
    assert span.status == "ok"


def test_an_async_generator_left_to_the_loop_is_abandoned(captured: Captured) -> None:
    async def consume() -> None:
        async for _ in astream(5):
            break

    asyncio.run(consume())

    assert captured.span("astream").is_abandoned
    assert captured.span("astream").status == "ok"


def test_a_stream_started_in_one_thread_may_be_read_in_another(captured: Captured) -> None:
    generator = stream(3)
    next(generator)
    thread = threading.Thread(target=lambda: list(generator))
    thread.start()
    thread.join()

    assert data(captured.span("stream").output) == "0 1 2 "


def test_what_a_plain_function_returns_is_followed_too(captured: Captured) -> None:
    @headway.observe
    def lazily() -> Iterator[int]:
        return (number for number in range(3))

    @headway.observe
    def later() -> Any:
        async def work() -> str:
            return "done"

        return work()

    numbers = list(lazily())
    result = asyncio.run(later())

    assert (numbers, result) == ([0, 1, 2], "done")
    assert data(captured.span("lazily").output) == [0, 1, 2]
    assert data(captured.span("later").output) == "done"


def test_a_context_manager_made_of_an_observed_generator_works(captured: Captured) -> None:
    @contextlib.contextmanager
    @headway.observe
    def session() -> Iterator[str]:
        yield "open"

    def use() -> None:
        with session() as opened:
            raise RuntimeError(f"inside {opened}")

    with pytest.raises(RuntimeError, match="inside open"):
        use()

    assert captured.span("session").status == "error"


def test_a_generator_that_a_function_hands_through_stays_open_for_who_else_reads_it(
    captured: Captured,
) -> None:
    @headway.observe
    def skip_first(numbers: Iterator[int]) -> Iterator[int]:
        next(numbers)
        return numbers

    numbers = (number for number in range(6))
    for number in skip_first(numbers):
        if number == 2:
            break

    assert list(numbers) == [3, 4, 5]
    assert captured.span("skip_first").is_abandoned


def test_a_generator_that_only_its_span_holds_is_closed_with_it(captured: Captured) -> None:
    ended = []

    @headway.observe
    def count() -> Iterator[int]:
        def generate() -> Iterator[int]:
            try:
                yield 1
            finally:
                ended.append(True)

        return generate()

    for _ in count():
        break

    assert ended == [True]
