"""Streams to their end, however they end: left, cancelled, closed elsewhere, or by nobody."""

import asyncio
import contextvars
import gc
import json
import sys
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
from typing import Any

import msgspec
import pytest

import headway
from headway.contexts import CURRENT
from headway.testing import Captured, capture

DEADLINE_S = 10.0


@pytest.fixture
def captured() -> Iterator[Captured]:
    with capture() as captured:
        yield captured


def data(raw: msgspec.Raw) -> Any:
    return json.loads(bytes(raw)) if bytes(raw) else None


def joined(chunks: list[dict[str, str]]) -> str:
    return "".join(chunk["text"] for chunk in chunks)


@headway.observe
async def astream(count: int) -> AsyncIterator[str]:
    for number in range(count):
        await asyncio.sleep(0)
        yield f"{number} "


@headway.observe
async def patient() -> AsyncIterator[str]:
    yield "first "
    await asyncio.Event().wait()


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
