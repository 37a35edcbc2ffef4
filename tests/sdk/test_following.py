"""Streams to their end, however they end, and what a reducer makes of their chunks."""

import asyncio
import contextvars
import gc
import json
import sys
import threading
import tracemalloc
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
from typing import Any

import msgspec
import numpy as np
import pytest

import headway
from headway.contexts import CURRENT
from headway.testing import Captured, FrozenClock, capture

DEADLINE_S = 10.0


@pytest.fixture
def captured() -> Iterator[Captured]:
    with capture() as captured:
        yield captured


def data(raw: msgspec.Raw) -> Any:
    return json.loads(bytes(raw)) if bytes(raw) else None


def joined(chunks: list[dict[str, str]]) -> str:
    return "".join(chunk["text"] for chunk in chunks)


@headway.observe(reduce=joined)
def deltas(*texts: str) -> Iterator[dict[str, str]]:
    for text in texts:
        yield {"text": text}


@headway.observe(reduce=joined)
async def adeltas(*texts: str) -> AsyncIterator[dict[str, str]]:
    for text in texts:
        await asyncio.sleep(0)
        yield {"text": text}


@headway.observe
async def astream(count: int) -> AsyncIterator[str]:
    for number in range(count):
        await asyncio.sleep(0)
        yield f"{number} "


@headway.observe
async def patient() -> AsyncIterator[str]:
    yield "first "
    await asyncio.Event().wait()


def test_a_reducer_makes_the_output_of_a_stream(captured: Captured) -> None:
    async def consume() -> None:
        async for _ in adeltas("a", "b", "c"):
            pass

    list(deltas("a", "b"))
    asyncio.run(consume())

    assert data(captured.span("deltas").output) == "ab"
    assert data(captured.span("adeltas").output) == "abc"
    assert captured.span("deltas").chunk_count == 2


def test_a_reducer_gets_the_chunks_themselves(captured: Captured) -> None:
    reduced: list[Any] = []

    @headway.observe(reduce=reduced.extend)
    def numbers() -> Iterator[object]:
        yield from given

    given = [object(), {"a": 1}, "text"]
    list(numbers())

    assert all(one is other for one, other in zip(reduced, given, strict=True))


def test_a_reducer_gets_what_came_of_a_stream_that_was_left_or_failed(captured: Captured) -> None:
    @headway.observe(reduce=joined)
    def breaking() -> Iterator[dict[str, str]]:
        yield {"text": "half"}
        raise ConnectionError("reset")

    generator = deltas("a", "b", "c")
    next(generator)
    generator.close()  # type: ignore[attr-defined]
    with pytest.raises(ConnectionError):
        list(breaking())

    assert data(captured.span("deltas").output) == "a"
    assert captured.span("deltas").is_abandoned
    assert data(captured.span("breaking").output) == "half"
    assert captured.span("breaking").status == "error"


def test_a_reducer_is_not_asked_about_a_value_or_where_the_output_was_set(
    captured: Captured,
) -> None:
    def fail(chunks: list[Any]) -> Any:
        raise AssertionError("nobody may reduce this")

    @headway.observe(reduce=fail)
    def value() -> list[str]:
        return ["a"]

    @headway.observe(reduce=fail)
    def secretive() -> Iterator[str]:
        headway.current_span().output = "hidden"
        yield "secret"

    value()
    list(secretive())

    assert data(captured.span("value").output) == ["a"]
    assert data(captured.span("secretive").output) == "hidden"


def test_a_reducer_that_raises_is_a_fault_and_the_chunks_are_kept() -> None:
    @headway.observe(reduce=lambda chunks: chunks[9])
    def short() -> Iterator[str]:
        yield "a"
        yield "b"

    with capture(is_raising=False) as captured:
        given = list(short())
        span, faults = captured.span("short"), headway.stats().faults

    assert given == ["a", "b"]
    assert data(span.output) == "ab"
    assert sum(faults.values()) == 1


@pytest.mark.parametrize(
    "chunks",
    [
        pytest.param(["x"] * 10_001, id="many"),
        pytest.param(["x" * 600_000] * 2, id="long"),
        pytest.param([np.zeros(100_000)] * 2, id="arrays"),
    ],
)
def test_a_stream_too_large_to_be_held_is_not_reduced_and_says_so(
    captured: Captured, chunks: list[Any]
) -> None:
    asked: list[int] = []

    @headway.observe(reduce=lambda given: asked.append(len(given)))
    def large() -> Iterator[Any]:
        yield from chunks

    for _ in large():
        pass
    output = data(captured.span("large").output)

    assert asked == []
    assert f"…[not reduced: {len(chunks):,} chunks are more than are held]" in output


@pytest.mark.parametrize(
    ("chunks", "output"),
    [
        ([b"f\xc3", b"\xbcr ", bytearray(b"alle")], "für alle"),
        ([memoryview(b"a"), "b"], "ab"),
        ([b"whole \xe2\x82"], "whole "),
        ([b"text", {"n": 1}], ["text", {"n": 1}]),
        ([b"", b"a"], "a"),
    ],
)
def test_bytes_are_joined_as_text_where_they_are_text(
    captured: Captured, chunks: list[Any], output: object
) -> None:
    @headway.observe
    def raw() -> Iterator[Any]:
        yield from chunks

    assert list(raw()) == chunks
    assert data(captured.span("raw").output) == output


def test_bytes_that_are_no_text_are_described_as_a_whole(captured: Captured) -> None:
    @headway.observe
    def audio() -> Iterator[bytes]:
        yield b"\xff\xd8"
        yield b"\x00"

    list(audio())
    output = data(captured.span("audio").output)

    assert (output["type"], output["size"]) == ("bytes", 3)


def test_one_chunk_is_held_no_longer_than_a_value_may_be(captured: Captured) -> None:
    @headway.observe
    def huge() -> Iterator[Any]:
        yield "x" * 5_000_000
        yield memoryview(b"y" * 5_000_000)

    list(huge())
    span = captured.span("huge")

    assert span.chunk_count == 2
    assert len(bytes(span.output)) <= 1 << 20
    assert "…[cut 1 of 2 chunks]" in data(span.output)


@pytest.mark.parametrize("kind", [bytearray, memoryview])
def test_a_chunk_longer_than_a_value_may_be_is_not_copied(
    captured: Captured, kind: Callable[[bytes], Any]
) -> None:
    @headway.observe
    def huge() -> Iterator[Any]:
        yield page

    page = kind(bytes(20 << 20))
    tracemalloc.start()
    try:
        list(huge())
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak_bytes < 10 << 20
    assert data(captured.span("huge").output)[0]["size"] == 20 << 20


def test_a_chunk_longer_than_a_value_may_be_is_let_go(captured: Captured) -> None:
    @headway.observe
    def huge() -> Iterator[str]:
        yield page
        yield "end"

    page = "x" * 5_000_000
    before = sys.getrefcount(page)
    generator = huge()
    next(generator)
    next(generator)
    after = sys.getrefcount(page)
    list(generator)

    assert after == before


def test_a_chunk_that_cannot_be_read_does_not_end_the_stream(captured: Captured) -> None:
    released = memoryview(b"a")
    released.release()

    @headway.observe
    def odd() -> Iterator[Any]:
        yield released
        yield "b"

    assert len(list(odd())) == 2
    assert data(captured.span("odd").output) == ["[unreadable memoryview: ValueError]", "b"]


def test_an_async_generator_whose_reader_is_cancelled_is_abandoned(captured: Captured) -> None:
    async def consume() -> None:
        async for _ in patient():
            first.set()

    async def main() -> None:
        task = asyncio.create_task(consume())
        await first.wait()
        task.cancel()
        await asyncio.wait([task])

    first = asyncio.Event()
    asyncio.run(main())
    span = captured.span("patient")

    assert span.is_abandoned
    assert (span.status, data(span.output)) == ("ok", "first ")


def test_the_gaps_of_an_endless_stream_are_those_of_its_first_chunks() -> None:
    clock, count = FrozenClock(), 30_000

    @headway.observe
    def slower_and_slower() -> Iterator[int]:
        for number in range(count):
            clock.tick(0.001 if number <= 10_000 else 0.002)
            yield number

    with capture(clock_ns=clock) as captured:
        for _ in slower_and_slower():
            pass
        span = captured.span("slower_and_slower")

    assert span.chunk_count == count
    assert (span.chunk_p50_ms, span.chunk_p95_ms) == (1.0, 1.0)


def test_values_and_errors_sent_into_an_async_generator_reach_it(captured: Captured) -> None:
    @headway.observe
    async def echo() -> AsyncGenerator[object, object]:
        received: object = None
        while received != "stop":
            try:
                received = yield received
            except KeyError as error:
                received = f"caught {error}"

    async def use() -> list[object]:
        generator = echo()
        given = [await anext(generator), await generator.asend("hello")]
        given.append(await generator.athrow(KeyError("k")))
        with pytest.raises(StopAsyncIteration):
            await generator.asend("stop")
        return given

    assert asyncio.run(use()) == [None, "hello", "caught 'k'"]
    assert captured.span("echo").status == "ok"
    assert captured.span("echo").is_abandoned is None


@pytest.mark.parametrize("leaving", [GeneratorExit, asyncio.CancelledError])
@pytest.mark.parametrize("is_swallowed", [True, False])
def test_a_generator_told_that_its_reader_leaves_is_abandoned_whatever_it_does(
    captured: Captured, leaving: type[BaseException], is_swallowed: bool
) -> None:
    @headway.observe
    def stream() -> Generator[str]:
        try:
            yield "a"
        except leaving:
            if not is_swallowed:
                raise

    generator = stream()
    next(generator)
    with pytest.raises(StopIteration if is_swallowed else leaving):
        generator.throw(leaving())
    span = captured.span("stream")

    assert (span.is_abandoned, span.status) == (True, "ok")


def test_a_coroutine_that_is_cancelled_failed(captured: Captured) -> None:
    @headway.observe
    async def waiting() -> None:
        started.set()
        await asyncio.Event().wait()

    async def main() -> None:
        task = asyncio.create_task(waiting())
        await started.wait()
        task.cancel()
        await asyncio.wait([task])

    started = asyncio.Event()
    asyncio.run(main())
    span = captured.span("waiting")

    assert span.status == "error"
    assert span.error_type is not None
    assert span.error_type.endswith("CancelledError")


async def close_in_another_task(generator: Any) -> None:
    await asyncio.create_task(generator.aclose())


async def close_in_another_context(generator: Any) -> None:
    await asyncio.create_task(generator.aclose(), context=contextvars.Context())


async def read_on_in_another_task(generator: Any) -> None:
    async def rest() -> None:
        async for _ in generator:
            pass

    await asyncio.create_task(rest(), context=contextvars.Context())


async def throw_in_another_task(generator: Any) -> None:
    async def throw() -> None:
        with pytest.raises(KeyError):
            await generator.athrow(KeyError("k"))

    await asyncio.create_task(throw())


async def forget(generator: Any) -> None:
    del generator
    gc.collect()
    await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("end", "status", "is_abandoned"),
    [
        (close_in_another_task, "ok", True),
        (close_in_another_context, "ok", True),
        (read_on_in_another_task, "ok", None),
        (throw_in_another_task, "error", None),
        (forget, "ok", True),
    ],
)
def test_an_async_stream_that_ends_elsewhere_is_recorded_once(
    captured: Captured, end: Callable[[Any], Any], status: str, is_abandoned: bool | None
) -> None:
    async def consume() -> object:
        with headway.span("request"):
            streams = [astream(3)]
            await anext(streams[0])
            await end(streams.pop())
            inside = headway.current_span()
        return inside.name

    inside = asyncio.run(consume())
    span = captured.span("astream")

    assert inside == "request"
    assert (span.status, span.is_abandoned) == (status, is_abandoned)
    assert span.parent_span_id == captured.span("request").span_id


def test_an_async_stream_that_no_loop_knows_is_recorded_when_it_is_collected(
    captured: Captured,
) -> None:
    @headway.observe
    async def plain() -> AsyncIterator[str]:
        yield "a"
        yield "b"

    assert sys.get_asyncgen_hooks() == (None, None)
    generator: Any = plain()
    with pytest.raises(StopIteration):
        generator.__anext__().send(None)
    del generator
    gc.collect()

    assert captured.span("plain").is_abandoned
    assert data(captured.span("plain").output) == "a"


def test_a_generator_may_be_closed_in_another_context_and_thread(captured: Captured) -> None:
    @headway.observe
    def stream(count: int) -> Iterator[str]:
        for number in range(count):
            yield f"{number} "

    one, other = stream(3), stream(3)
    next(one)
    next(other)
    contextvars.Context().run(one.close)  # type: ignore[attr-defined]
    thread = threading.Thread(target=other.close)  # type: ignore[attr-defined]
    thread.start()
    thread.join(DEADLINE_S)

    assert [span.is_abandoned for span in captured.spans] == [True, True]
    assert CURRENT.get() is None


def test_a_coroutine_may_give_back_a_stream(captured: Captured) -> None:
    @headway.observe(reduce=joined)
    async def open_stream() -> AsyncIterator[dict[str, str]]:
        async def chunks() -> AsyncIterator[dict[str, str]]:
            yield {"text": "a"}
            yield {"text": "b"}

        return chunks()

    async def consume() -> int:
        return len([chunk async for chunk in await open_stream()])

    assert asyncio.run(consume()) == 2
    assert data(captured.span("open_stream").output) == "ab"
    assert captured.span("open_stream").chunk_count == 2
