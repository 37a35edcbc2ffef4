"""Whose an exception is that comes up where we read the program's objects and run its code.

What that code raises stays with us; what a signal handler raises in the middle of it does not.
"""

import functools
import logging
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import datetime
from types import FrameType
from typing import Any

import pytest

import headway
from headway import testing
from headway.contexts import CURRENT, LABELS
from headway.guards import Guard
from headway.interruptions import is_from_handler
from headway.values import capture

Fail = Callable[[], Any]


class OutOfTimeError(Exception):
    """What task queues raise from a signal handler where a task takes too long."""


def raise_it(*_: object) -> None:
    raise OutOfTimeError


def interrupt() -> None:
    signal.raise_signal(signal.SIGUSR1)


class Handler:
    def handle(self, number: int, frame: object) -> None:
        raise_it()

    __call__ = handle


@pytest.fixture
def listen() -> Iterator[Callable[[Any], object]]:
    """Let a handler hear a signal for as long as the test runs."""
    before = signal.getsignal(signal.SIGUSR1)
    yield functools.partial(signal.signal, signal.SIGUSR1)
    signal.signal(signal.SIGUSR1, before)


def hash_a_class(fail: Fail) -> None:
    class Hashed(type):
        def __hash__(cls) -> int:
            fail()
            return 0

    class OfHashed(metaclass=Hashed): ...

    capture([OfHashed()] * 100)


def look_into_a_frame(fail: Fail) -> None:
    class Frame:
        __module__ = "pandas"
        shape = property(lambda self: fail())

    capture(Frame())


def write_a_time(fail: Fail) -> None:
    class Timestamp(datetime):
        __module__ = "pandas"

        def isoformat(self, *_: Any) -> str:
            return str(fail())

    capture([Timestamp(2026, 11, 22)])


def weigh_a_chunk(fail: Fail) -> None:
    class Array:
        __module__ = "numpy"
        shape, dtype = (1,), "int8"
        nbytes = property(lambda self: fail())

    @headway.observe(reduce=len)
    def stream() -> Iterator[Array]:
        yield Array()

    list(stream())


def reduce_chunks(fail: Fail) -> None:
    @headway.observe(reduce=lambda chunks: fail())
    def stream() -> Iterator[str]:
        yield "a"

    list(stream())


def read_a_signature(fail: Fail) -> None:
    class Model:
        __signature__ = property(lambda self: fail())

        def __call__(self) -> None: ...

    headway.observe(Model())()


def dress_a_callable(fail: Fail) -> None:
    class Model:
        __name__ = property(lambda self: fail())

        def __call__(self) -> None: ...

    headway.observe(Model())


def count_tokens(fail: Fail) -> None:
    class Count:
        def __index__(self) -> int:
            fail()
            return 1

    with headway.span("ask") as span:
        span.input_tokens = Count()  # type: ignore[assignment]


def read_attributes(fail: Fail) -> None:
    class Attributes:
        def keys(self) -> list[str]:
            fail()
            return []

    with headway.span("ask") as span:
        span.attributes = Attributes()  # type: ignore[assignment]


PLACES = [
    hash_a_class,
    look_into_a_frame,
    write_a_time,
    weigh_a_chunk,
    reduce_chunks,
    read_a_signature,
    dress_a_callable,
    count_tokens,
    read_attributes,
]


@pytest.mark.parametrize("read", PLACES)
def test_what_the_programs_code_raises_where_we_read_it_stays_with_us(
    read: Callable[[Fail], None],
) -> None:
    reached: list[bool] = []

    def fail() -> None:
        reached.append(True)
        raise_it()

    with testing.capture(is_raising=False):
        read(fail)

    assert reached


@pytest.mark.parametrize("read", PLACES)
def test_what_a_signal_handler_raises_there_reaches_the_program(
    read: Callable[[Fail], None], listen: Callable[[Any], object]
) -> None:
    listen(raise_it)

    with testing.capture(is_raising=False), pytest.raises(OutOfTimeError):
        read(interrupt)


@pytest.mark.parametrize("block", [headway.context, functools.partial(headway.span, "ask")])
def test_a_block_that_a_handler_keeps_from_being_entered_leaves_nothing_behind(
    block: Callable[[], AbstractContextManager[Any]],
) -> None:
    def interrupt_behind(frame: FrameType, event: str, function: Any) -> None:
        if event == "c_return" and function.__name__ == "set":
            sys.setprofile(None)
            raise_it()

    def enter() -> None:
        sys.setprofile(interrupt_behind)
        with block():
            raise AssertionError("nobody gets in here")

    labels = LABELS.get()
    with testing.capture(), pytest.raises(OutOfTimeError):
        enter()

    assert CURRENT.get() is None
    assert LABELS.get() is labels


@pytest.mark.parametrize(
    "handler",
    [raise_it, functools.partial(raise_it, 1), Handler(), Handler().handle],
    ids=["function", "partial", "object", "method"],
)
def test_a_handler_is_known_whatever_it_is(handler: Any, listen: Callable[[Any], object]) -> None:
    listen(handler)
    with pytest.raises(OutOfTimeError) as raised:
        interrupt()
    listen(signal.SIG_DFL)
    is_known_without_it = is_from_handler(raised.value)
    listen(handler)

    assert is_from_handler(raised.value)
    assert not is_known_without_it


class Interrupting(Exception):
    def __str__(self) -> str:
        interrupt()
        return "said"


class InterruptingHandler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        interrupt()


def test_what_a_signal_handler_raises_while_we_say_what_went_wrong_reaches_the_program(
    listen: Callable[[Any], object],
) -> None:
    listen(raise_it)
    guard, handler = Guard(), InterruptingHandler()

    with pytest.raises(OutOfTimeError):
        guard.catch("encoding", Interrupting())
    logging.getLogger("headway").addHandler(handler)
    try:
        with pytest.raises(OutOfTimeError):
            guard.warn("encoding", "something went wrong")
    finally:
        logging.getLogger("headway").removeHandler(handler)
    assert guard.faults == {}


def test_a_guard_does_not_swallow_what_a_signal_handler_raised(
    listen: Callable[[Any], object],
) -> None:
    listen(raise_it)
    guard = Guard()
    with pytest.raises(OutOfTimeError) as raised:
        interrupt()

    with pytest.raises(OutOfTimeError):
        guard.catch("encoding", raised.value)
    assert guard.faults == {}
