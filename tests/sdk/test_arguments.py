"""Arguments by name, for every way in which Python lets a call be bound."""

import asyncio
import functools
import inspect
import json
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

import headway
from headway.testing import capture


class Desk:
    @headway.observe
    async def later(self, message: str, *others: str, urgent: bool = False) -> None: ...

    @headway.observe
    def stream(self, count: int, step: int = 2) -> Iterator[int]:
        yield count

    @headway.observe
    async def astream(self, count: int, step: int = 2) -> AsyncIterator[int]:
        yield count

    @classmethod
    @headway.observe
    async def of_class(cls, message: str) -> None: ...

    @headway.observe
    @staticmethod
    def static(message: str, limit: int = 1) -> None: ...

    @property
    @headway.observe
    def size(self) -> int:
        return 1

    @headway.observe
    def base(self, a: int, b: int = 1, *, c: int = 2) -> None: ...

    half = functools.partialmethod(base, 5, c=9)

    def bare(self, a: int, b: int = 1) -> None: ...


class Order:
    def __init__(self, number: int, *, is_open: bool = True) -> None: ...


class NamedByKeyword:
    """With a parameter that only functions of C can have."""

    __signature__ = inspect.Signature(
        [inspect.Parameter("from", inspect.Parameter.POSITIONAL_ONLY)]
    )

    def __call__(self, *args: int) -> None: ...


def handed_on(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return call


def triage(a: int, b: int, c: int = 3, *rest: int, **more: int) -> None: ...


async def later(a: int, b: int) -> None: ...


def by_place(a: int, b: int = 2, /, c: int = 3, *, d: int = 4) -> None: ...


def names_of_ours(args: int, *rest: int, kwargs: int = 1, **more: int) -> None: ...


async def first_of(stream: AsyncIterator[int]) -> int:
    async for item in stream:
        return item
    raise LookupError("the stream is empty")


partial = functools.partial
observe: Callable[..., Any] = headway.observe


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (
            lambda: asyncio.run(Desk().later("a", "b", urgent=True)),
            {"message": "a", "urgent": True, "others": ["b"]},
        ),
        (lambda: list(Desk().stream(1)), {"count": 1, "step": 2}),
        (lambda: asyncio.run(first_of(Desk().astream(1, step=3))), {"count": 1, "step": 3}),
        (lambda: asyncio.run(Desk.of_class("a")), {"message": "a"}),
        (lambda: Desk.static("a"), {"message": "a", "limit": 1}),
        (lambda: Desk().static("a"), {"message": "a", "limit": 1}),
        (lambda: Desk().size, {}),
        (lambda: Desk.base(Desk(), 1), {"a": 1, "b": 1, "c": 2}),
        (lambda: Desk().half(), {"a": 5, "b": 1, "c": 9}),
        (lambda: observe(Desk().bare)(1), {"a": 1, "b": 1}),
        (lambda: observe(Order)(3), {"number": 3, "is_open": True}),
        (lambda: observe(handed_on(triage))(1, 2), {"a": 1, "b": 2, "c": 3}),
        (lambda: observe(functools.cache(by_place))(1), {"a": 1, "b": 2, "c": 3, "d": 4}),
        (lambda: observe(by_place)(1, c=5), {"a": 1, "b": 2, "c": 5, "d": 4}),
        (lambda: observe(by_place)(1, 2, 3, d=9), {"a": 1, "b": 2, "c": 3, "d": 9}),
        (lambda: observe(partial(triage, 1, c=5))(2), {"a": 1, "b": 2, "c": 5}),
        (
            lambda: observe(partial(triage, b=1))(2, b=7, z=1),
            {"a": 2, "b": 7, "c": 3, "more": {"z": 1}},
        ),
        (
            lambda: observe(partial(partial(triage, 1), 2, x=1))(3, 4),
            {"a": 1, "b": 2, "c": 3, "rest": [4], "more": {"x": 1}},
        ),
        (lambda: asyncio.run(observe(partial(later, 1))(2)), {"a": 1, "b": 2}),
        (
            lambda: observe(names_of_ours)(1, 2, z=3),
            {"args": 1, "kwargs": 1, "rest": [2], "more": {"z": 3}},
        ),
        (lambda: observe(dict)(a=1), {"kwargs": {"a": 1}}),
        (lambda: observe(NamedByKeyword())(1), {"args": [1]}),
    ],
)
def test_arguments_have_the_names_of_the_signature(
    call: Callable[[], object], expected: object
) -> None:
    with capture() as captured:
        call()
        spans = captured.spans

    assert json.loads(bytes(spans[0].input)) == expected
