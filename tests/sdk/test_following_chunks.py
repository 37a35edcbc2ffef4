"""Chunks of a stream: what a reducer makes of them, and how much of them is held."""

import asyncio
import sys
import tracemalloc
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import numpy as np
import pytest

import headway
from headway.testing import Captured, FrozenClock, capture
from tests.sdk.test_following import data, joined


@pytest.fixture
def captured() -> Iterator[Captured]:
    with capture() as captured:
        yield captured


@headway.observe(reduce=joined)
def deltas(*texts: str) -> Iterator[dict[str, str]]:
    for text in texts:
        yield {"text": text}


@headway.observe(reduce=joined)
async def adeltas(*texts: str) -> AsyncIterator[dict[str, str]]:
    for text in texts:
        await asyncio.sleep(0)
        yield {"text": text}


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
