"""Exceptions of observed calls: on the span within bounds, and in the program as they would be."""

import asyncio
import os
import sys
import traceback
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import headway
from headway.contexts import CURRENT
from headway.testing import Captured, capture

OUR_FOLDER = os.path.dirname(headway.__file__)


@pytest.fixture
def captured() -> Iterator[Captured]:
    with capture() as captured:
        yield captured


def test_an_exception_is_recorded_and_raised_untouched(captured: Captured) -> None:
    class OrderError(Exception):
        pass

    error = OrderError("no such order")

    @headway.observe
    def fail(order: int) -> None:
        raise error

    with pytest.raises(OrderError) as raised:
        fail(3)
    span = captured.span("fail")

    assert raised.value is error
    assert span.status == "error"
    assert span.error_type is not None
    assert span.error_type.endswith("OrderError")
    assert span.status_message == "no such order"
    assert span.error_stack is not None
    assert "raise error" in span.error_stack
    assert span.error_stack.count("File ") == 1
    assert CURRENT.get() is None


def told_of(error: BaseException) -> Any:
    """All that a program can see of an exception, but for our frames."""
    frames = [frame.f_code for frame, _ in traceback.walk_tb(error.__traceback__)]
    ours = [code.co_name for code in frames if code.co_filename.startswith(OUR_FOLDER)]
    theirs = [code.co_name for code in frames if not code.co_filename.startswith(OUR_FOLDER)]
    linked = error.__cause__, error.__context__, error.__suppress_context__, error.__notes__
    return error, linked, theirs, len(ours)


@pytest.mark.parametrize("way", ["call", "coroutine", "generator", "async generator", "late"])
def test_an_exception_reaches_the_program_as_it_would_without_us(
    captured: Captured, way: str
) -> None:
    error, cause, outer = ValueError("bad"), KeyError("id"), LookupError("handled meanwhile")
    error.add_note("a note")

    def fail() -> None:
        try:
            raise cause
        except KeyError:
            raise error from cause

    async def fail_later() -> None:
        fail()

    def fail_in_a_stream() -> Iterator[str]:
        yield "a"
        fail()

    async def fail_in_an_async_stream() -> AsyncIterator[str]:
        yield "a"
        fail()

    async def read(stream: Any) -> None:
        async for _ in stream:
            pass

    ways: dict[str, tuple[Callable[..., Any], Callable[[Any], Any]]] = {
        "call": (fail, lambda function: function()),
        "coroutine": (fail_later, lambda function: asyncio.run(function())),
        "generator": (fail_in_a_stream, lambda function: list(function())),
        "async generator": (fail_in_an_async_stream, lambda given: asyncio.run(read(given()))),
        "late": (lambda: fail_later(), lambda function: asyncio.run(function())),
    }
    function, use = ways[way]

    def told_by(function: Callable[..., Any]) -> Any:
        try:
            raise outer
        except LookupError:
            try:
                use(function)
            except ValueError as raised:
                return told_of(raised)
            finally:
                error.__traceback__ = cause.__traceback__ = outer.__traceback__ = None
        raise AssertionError("nothing was raised")

    *without_us, _ = told_by(function)
    *with_us, ours = told_by(headway.observe(function))

    assert with_us == without_us
    assert ours == 1


def test_a_stack_keeps_the_innermost_frames_only(captured: Captured) -> None:
    @headway.observe
    def fail() -> None:
        def dig(depth: int) -> None:
            if depth == 0:
                raise ValueError("bottom")
            dig(depth - 1)

        dig(200)

    with pytest.raises(ValueError, match="bottom"):
        fail()
    stack = captured.span("fail").error_stack or ""

    assert stack.count("in dig") <= 20
    assert 'raise ValueError("bottom")' in stack


def test_what_is_said_of_an_exception_is_bounded(captured: Captured, tmp_path: Path) -> None:
    path = tmp_path / "shop.py"
    path.write_text(
        f"def dig(depth): return dig(depth - 1) if depth else fail()  # {'x' * 700}\n"
        f"def fail(): raise ValueError('bottom ' * 1_000)  # {'y' * 10_000}\n"
    )
    shop: dict[str, Any] = {}
    exec(compile(path.read_text(), path, "exec"), shop)

    with pytest.raises(ValueError, match="bottom"):
        headway.observe(shop["dig"])(30)
    span = captured.span("dig")
    stack = span.error_stack or ""

    assert len(span.status_message or "") < 2_100
    assert len(stack) < 8_100
    assert max(map(len, stack.splitlines())) < 1_100
    assert "in fail" in stack


def test_an_exception_through_hundreds_of_calls_is_not_formatted_in_each(
    captured: Captured,
) -> None:
    @headway.observe
    def dig(depth: int) -> None:
        if depth == 0:
            raise ValueError("bottom")
        dig(depth - 1)

    formatting = 0

    def count(frame: Any, event: str, argument: object) -> None:
        nonlocal formatting
        module = frame.f_globals.get("__name__")
        formatting += event == "call" and module in ("traceback", "linecache")

    sys.setprofile(count)
    try:
        with pytest.raises(ValueError, match="bottom"):
            dig(100)
    finally:
        sys.setprofile(None)
    stacks = [span.error_stack or "" for span in captured.spans]

    assert formatting < 100
    assert len(stacks) == 101
    assert all('raise ValueError("bottom")' in stack for stack in stacks)
