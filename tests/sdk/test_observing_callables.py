"""What can be observed: methods, partials, properties, callable objects, and what is refused."""

import functools
import inspect
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import numpy as np
import pytest

import headway
from headway.testing import Captured, capture
from tests.sdk.test_observing import astream, data, stream, triage, triage_number


@pytest.fixture
def captured() -> Iterator[Captured]:
    with capture() as captured:
        yield captured


class Desk:
    @headway.observe
    def method(self, message: str, *others: str, urgent: bool = False, **more: int) -> None: ...

    @classmethod
    @headway.observe
    def of_class(cls, message: str) -> None: ...

    @staticmethod
    @headway.observe
    def static(message: str) -> None: ...

    @headway.observe
    @classmethod
    def wrapped(cls, message: str) -> None: ...

    def __call__(self, message: str) -> str:
        return message


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda: Desk().method("a"), {"message": "a", "urgent": False}),
        (
            lambda: Desk().method("a", "b", "c", urgent=True, size=3),
            {"message": "a", "urgent": True, "others": ["b", "c"], "more": {"size": 3}},
        ),
        (lambda: Desk().method(message="a"), {"message": "a", "urgent": False}),
        (lambda: Desk.of_class("a"), {"message": "a"}),
        (lambda: Desk.static("a"), {"message": "a"}),
        (lambda: Desk.wrapped("a"), {"message": "a"}),
        (lambda: headway.observe(Desk())("a"), {"message": "a"}),
        (lambda: headway.observe(functools.partial(pow, 2))(3), {"base": 2, "exp": 3, "mod": None}),
        (lambda: headway.observe(max)(1, 2), {"args": [1, 2]}),
        (lambda: headway.observe(lambda a, /, **b: None)(1, a=2), {"a": 1, "b": {"a": 2}}),
    ],
)
def test_arguments_are_named_as_the_author_named_them(
    captured: Captured, call: Callable[[], object], expected: object
) -> None:
    call()

    assert data(captured.spans[0].input) == expected


def test_wrong_arguments_raise_what_they_always_raised(captured: Captured) -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'size'"):
        triage("a", size=1)  # type: ignore[call-arg]

    assert data(captured.span("triage").input) == {"args": ["a"], "kwargs": {"size": 1}}


def test_a_partial_function_bears_the_name_of_its_function(captured: Captured) -> None:
    headway.observe(functools.partial(triage_number, 5))()

    assert captured.span("triage_number").name == "triage_number"


def test_a_name_that_is_none_leaves_the_functions_name() -> None:
    name: Any = np.zeros((3, 3))
    with capture(is_raising=False) as captured:

        @headway.observe(name=name)
        def work() -> int:
            return 1

        assert work() == 1
        spans, faults = captured.spans, headway.stats().faults

    assert [span.name for span in spans] == ["work"]
    assert sum(faults.values()) == 1


def test_a_result_whose_class_hides_is_handed_through(captured: Captured) -> None:
    class Hiding(type):
        @property
        def __module__(cls) -> str:  # type: ignore[override]
            raise RuntimeError

        def __hash__(cls) -> int:
            raise RuntimeError

    class Odd(metaclass=Hiding):
        pass

    odd = Odd()

    assert headway.observe(lambda: odd)() is odd
    assert b"Odd" in bytes(captured.spans[0].output)


def test_a_generator_function_is_still_taken_for_one(captured: Captured) -> None:
    assert inspect.isgeneratorfunction(stream)
    assert inspect.isasyncgenfunction(astream)
    assert not inspect.isgeneratorfunction(triage)
    assert not inspect.isasyncgenfunction(stream)


class Shelf:
    @headway.observe  # type: ignore[prop-decorator]
    @property
    def size(self) -> int:
        return 3

    @headway.observe
    @functools.lru_cache  # noqa: B019  # the shelf lives as long as the test
    def find(self, title: str) -> str:
        return title


def test_a_property_is_observed_when_it_is_read(captured: Captured) -> None:
    shelf: Any = Shelf()

    assert shelf.size == 3
    assert captured.span("size").output == msgspec.Raw(b"3")


def test_what_was_written_on_a_function_stays_there(captured: Captured) -> None:
    def find() -> None: ...

    find.route = "/find"  # type: ignore[attr-defined]
    observed: Any = headway.observe(find)

    assert observed.route == "/find"


def test_what_a_callable_object_can_do_stays_in_reach(captured: Captured) -> None:
    find: Any = Shelf.find
    Shelf().find("Emma")

    assert find.cache_info().misses == 1
    find.cache_clear()
    assert find.cache_info().misses == 0


@pytest.mark.parametrize(
    ("given", "advice"),
    [
        ("llm", r"write observe\(kind='llm'\)"),
        (5, "no int"),
        (functools.cached_property(len), "no cached_property: write it right above the function"),
        (functools.partialmethod(len, []), "no partialmethod"),
        (functools.singledispatchmethod(len), "no singledispatchmethod"),
    ],
)
def test_what_cannot_be_observed_is_refused_with_advice(given: Any, advice: str) -> None:
    with pytest.raises(TypeError, match=advice):
        headway.observe(given)


class Secretive:
    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(f"no {name}")

    def __call__(self, question: str) -> str:
        return question


class Obliging:
    """Has whatever it is asked for, as proxies of what is elsewhere have."""

    def __getattr__(self, name: str) -> Any:
        return Obliging()

    def __call__(self, question: str) -> str:
        return question


class Numbered:
    __name__ = 5

    @property
    def __signature__(self) -> inspect.Signature:
        raise NameError("only for type checkers")

    def __call__(self, question: str) -> str:
        return question


@pytest.mark.parametrize("kind", [Secretive, Obliging, Numbered])
def test_a_callable_that_answers_no_questions_is_recorded_by_its_class(
    captured: Captured, kind: type
) -> None:
    given = headway.observe(kind())("x")

    assert given == "x"
    assert captured.spans[0].name == kind.__name__
