import json
import threading
from collections import OrderedDict, deque, namedtuple
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from pathlib import PurePosixPath
from typing import Any
from uuid import UUID

import msgspec
import numpy as np
import pydantic
import pytest

from headway.lasting import are_lasting
from headway.limits import Budget, Limits
from headway.texts import clip, message_of
from headway.values import _is_plain, capture

Point = namedtuple("Point", "x y")


class Colour(Enum):
    RED = "red"


class Shout(str):
    def __str__(self) -> str:
        raise AssertionError("nobody may ask a text for its text")


@dataclass
class Hit:
    page: int
    text: str


class Model(pydantic.BaseModel):
    name: str
    secret: pydantic.SecretStr


class Struct(msgspec.Struct):
    a: int
    b: "Struct | None" = None


class Hostile:
    def __repr__(self) -> str:
        raise AssertionError("nobody may ask for a repr")

    __str__ = __repr__

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(name)


def captured(value: object, limits: Limits | None = None) -> Any:
    return json.loads(bytes(capture(value, limits or Limits())))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("text", "text"),
        (None, None),
        (1.5, 1.5),
        (float("nan"), "NaN"),
        ({"a": [1, True, {"b": None}]}, {"a": [1, True, {"b": None}]}),
        ((1, 2), [1, 2]),
        ({1: "a", None: "b", (1, 2): "c"}, {"1": "a", "null": "b", "<tuple>": "c"}),
        (OrderedDict(a=1), {"a": 1}),
        (deque([1, 2]), [1, 2]),
        ({3}, [3]),
        (Point(1, 2), {"x": 1, "y": 2}),
        (Hit(3, "c"), {"page": 3, "text": "c"}),
        (Struct(1, Struct(2)), {"a": 1, "b": {"a": 2, "b": None}}),
        (Colour.RED, "red"),
        (Shout("x"), "x"),
        (datetime(2026, 11, 22, tzinfo=UTC), "2026-11-22T00:00:00+00:00"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        (Decimal("1.10"), "1.10"),
        (PurePosixPath("/a/b"), "/a/b"),
        (ValueError("bad"), {"type": "ValueError", "message": "bad"}),
        (json.dumps, "<function json.dumps>"),
        (Hit, f"<type {__name__}.Hit>"),
        pytest.param(10**5000, "[16610 bit int]", id="huge"),
        ("a\ud800", "a\\ud800"),
        (np.float32(0.5), 0.5),
        (np.zeros((2, 3), "int8"), {"type": "numpy.ndarray", "shape": [2, 3], "dtype": "int8"}),
    ],
)
def test_values_become_the_json_that_a_reader_expects(value: object, expected: object) -> None:
    assert captured(value) == expected
    assert captured([object(), value])[1] == expected


def test_bytes_are_described_and_never_written() -> None:
    kept = captured({"image": b"abc"})["image"]

    assert kept == {
        "type": "bytes",
        "size": 3,
        "sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
    }


def test_a_pydantic_model_keeps_its_fields_and_its_secrets() -> None:
    kept = captured(Model(name="ada", secret=pydantic.SecretStr("swordfish")))

    assert kept["name"] == "ada"
    assert "swordfish" not in json.dumps(kept)


def test_an_object_is_named_and_never_asked_for_its_repr() -> None:
    kept = captured({"request": Hostile(), "question": "why?"})

    assert kept == {"request": f"<{__name__}.Hostile>", "question": "why?"}


def test_a_record_is_read_where_its_fields_are_stored_and_never_asked() -> None:
    @dataclass
    class Guarded:
        value: int

        def __getattribute__(self, name: str) -> Any:
            raise RuntimeError("no")

    assert captured([Guarded(1), "next"]) == [{"value": 1}, "next"]


def test_what_cannot_be_read_costs_only_itself() -> None:
    released = memoryview(b"abc")
    released.release()

    assert captured([released, "next"]) == ["[unreadable memoryview: ValueError]", "next"]


def test_a_cycle_is_cut_where_it_closes() -> None:
    loop: list[Any] = [1]
    loop.append(loop)

    assert captured(loop) == [1, "[cycle: list]"]


def test_what_is_too_deep_is_cut_and_said() -> None:
    nested: Any = "bottom"
    for _ in range(50):
        nested = [nested]

    kept = captured(nested, Limits(max_depth=3))

    assert kept == [[["[cut list: deeper than 3]"]]]


def test_a_huge_text_is_cut_in_its_middle_and_does_not_push_out_what_follows() -> None:
    page = "head" + "x" * 100_000 + "tail"

    kept = captured({"page": page, "question": "why?", "other": "y" * 100_000}, Limits(10_000))

    assert kept["question"] == "why?"
    assert kept["page"].startswith("head")
    assert kept["page"].endswith("tail")
    assert "…[cut " in kept["page"]
    assert "of 100,008 characters]…" in kept["page"]


def test_many_huge_texts_do_not_push_out_what_follows_them() -> None:
    pages = {f"page {number}": "x" * 100_000 for number in range(20)}

    kept = captured({**pages, "question": "why?"}, Limits(10_000))

    assert kept["question"] == "why?"
    assert kept.keys() == {*pages, "question"}


def test_long_lists_and_dicts_are_cut_and_say_how_much() -> None:
    limits = Limits(max_items=10)

    assert captured([object()] * 25, limits)[-1].endswith("of 25 items]")
    assert captured({str(i): object() for i in range(25)}, limits)["…"].endswith("of 25 keys]")


@pytest.mark.parametrize(
    "value",
    [
        "\x00" * 100_000,
        {"a": "\x00" * 1_000},
        {"k" * 100_000: 1},
        ["é" * 5_000] * 10,
        {str(i): "\x01" * 100 for i in range(1000)},
        [[["x" * 300] * 20] * 20] * 20,
        list(range(100_000)),
    ],
)
def test_no_value_takes_more_bytes_than_it_may(value: object) -> None:
    limits = Limits(max_bytes=4096)

    assert len(bytes(capture(value, limits))) <= 4096


def test_a_later_change_does_not_change_what_was_captured() -> None:
    messages = [{"role": "user"}]

    raw = capture(messages)
    messages[0]["role"] = "changed"

    assert json.loads(bytes(raw)) == [{"role": "user"}]


def test_a_dict_that_another_thread_fills_is_captured_without_an_error() -> None:
    shared: dict[str, object] = {"object": object()}
    stop = threading.Event()

    def fill() -> None:
        while not stop.is_set():
            for number in range(500):
                shared[str(number)] = number
            for number in range(500):
                del shared[str(number)]

    thread = threading.Thread(target=fill)
    thread.start()
    kept = [captured(shared) for _ in range(50)]
    stop.set()
    thread.join()

    assert all(each["object"] == "<object>" for each in kept)


def test_arrays_are_described_without_importing_their_library() -> None:
    torch_like = type("Tensor", (), {"__module__": "torch", "shape": (2,), "dtype": "torch.half"})

    assert captured(torch_like()) == {
        "type": "torch.Tensor",
        "shape": [2],
        "dtype": "torch.half",
    }


def test_an_exception_that_cannot_say_what_it_is_is_still_named() -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    assert message_of(Mute()).endswith("Mute.__str__ raised RuntimeError]")


def test_an_exception_whose_text_exits_ends_nothing_but_a_person_may() -> None:
    class Leaving(Exception):
        def __str__(self) -> str:
            raise self.args[0]

    assert message_of(Leaving(SystemExit(3))).endswith("Leaving.__str__ raised SystemExit]")
    with pytest.raises(KeyboardInterrupt):
        message_of(Leaving(KeyboardInterrupt()))


@pytest.mark.parametrize(
    ("value", "word"), [(np.nan, "NaN"), (np.inf, "Infinity"), (-np.inf, "-Infinity")]
)
def test_a_float_that_is_not_finite_is_named(value: float, word: str) -> None:
    assert captured({"a": value, "b": [1.5, value]}) == {"a": word, "b": [1.5, word]}
    assert captured([0.5] * 100 + [value])[-1] == word
    assert captured([0.5, 1, None] * 30 + [value])[-1] == word
    assert captured([object(), np.float32(value), np.float64(value)])[1:] == [word, word]
    assert captured({value: 1}) == {word: 1}
    assert are_lasting({"a": 0.5}, Limits())
    assert not are_lasting({"a": value}, Limits())


def test_a_sum_that_is_not_finite_does_not_make_its_numbers_so() -> None:
    assert captured([1e308] * 100) == [1e308] * 100


class Whole(int): ...


@pytest.mark.parametrize(
    ("value", "is_kept"),
    [
        ("text", True),
        (None, True),
        (True, True),
        (1.5, True),
        (float("nan"), False),
        (float("-inf"), False),
        ((1 << 64) - 1, True),
        (1 << 64, False),
        (1 - (1 << 64), True),
        (-(1 << 64), False),
        (Whole(1), False),
        (Shout("x"), False),
        (np.float64(1.5), False),
        (b"a", False),
        (Colour.RED, False),
    ],
    ids=repr,
)
def test_all_who_ask_whether_a_value_may_be_encoded_as_it_is_get_the_same_answer(
    value: object, is_kept: bool
) -> None:
    limits = Limits()
    named = {"a": value}
    answers = are_lasting(named, limits), _is_plain(named, limits, Budget(limits))
    in_long_lists = [
        _is_plain(values, limits, Budget(limits)) for values in ([value] * 50, [value, 1, 0.5] * 50)
    ]

    assert answers == (is_kept, is_kept)
    # These may be more careful: with the largest of the whole numbers they are.
    assert is_kept or in_long_lists == [False, False]


def test_clipping_keeps_head_and_tail() -> None:
    assert clip("abcdefghij", 6) == "abcd…[cut 4 of 10 characters]…ij"
    assert clip("short", 6) == "short"


class HostileClass(type):
    @property
    def __module__(cls) -> str:  # type: ignore[override]
        raise RuntimeError

    def __hash__(cls) -> int:
        raise RuntimeError


class OfHostileClass(metaclass=HostileClass):
    pass


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (np.longdouble(1.5), 1.5),
        (np.float16(1.5), 1.5),
        (np.int64(0), 0),
        (np.bool_(False), False),
        (np.array(2), 2),
    ],
)
def test_single_values_of_numpy_are_plain_numbers(value: object, kept: object) -> None:
    assert captured([value]) == [kept]
    assert type(captured(value)) is type(kept)


def test_a_class_that_does_not_tell_its_name_is_still_named() -> None:
    assert "OfHostileClass" in captured(OfHostileClass())
    assert "OfHostileClass" in captured({"a": [OfHostileClass()]})["a"][0]


def test_what_the_encoder_refuses_in_the_end_is_named() -> None:
    wrong: Any = Limits(max_bytes="big")  # type: ignore[arg-type]

    assert json.loads(bytes(capture({"a": 1}, wrong))) == "[unreadable dict: TypeError]"
