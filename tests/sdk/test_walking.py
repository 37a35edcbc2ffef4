"""Kinds of values as they stand in a log, and objects that would do harm if they were asked."""

import collections
import enum
import itertools
import json
import signal
import threading
import time
import types
from collections import UserDict, UserList
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, tzinfo
from datetime import time as clock_time
from decimal import Decimal
from pathlib import PurePosixPath
from typing import Any, NamedTuple
from uuid import UUID
from zoneinfo import ZoneInfo

import attrs
import msgspec
import pandas as pd
import pydantic
import pytest
from dateutil.tz import gettz  # type: ignore[import-untyped]

from headway.limits import Limits
from headway.values import capture

TOUCHED: list[str] = []


class Touchy:
    """Tells when any of its code runs."""

    def _touch(self, *args: Any, **more: Any) -> Any:
        TOUCHED.append(type(self).__name__)
        raise AssertionError("nobody may run code of a stranger's object")

    __getattr__ = __len__ = __iter__ = __repr__ = __str__ = __bool__ = __eq__ = __fspath__ = _touch
    __getitem__ = __contains__ = __index__ = __float__ = __format__ = __reduce_ex__ = _touch
    keys = items = values = shape = dtype = name = value = property(_touch)

    __hash__: Any = object.__hash__


class TouchyCallable(Touchy):
    __call__ = Touchy._touch


class TouchyDict(Touchy, dict[Any, Any]): ...


class TouchyList(Touchy, list[Any]): ...


class TouchySet(Touchy, set[Any]): ...


class TouchyStr(Touchy, str): ...


class TouchyInt(Touchy, int):
    __lt__ = __neg__ = __abs__ = __int__ = bit_length = Touchy._touch


class TouchyFloat(Touchy, float): ...


class TouchyBytes(Touchy, bytes): ...


class TouchyDate(Touchy, datetime):
    isoformat = Touchy._touch


class TouchyError(Touchy, Exception): ...


class TouchyPath(Touchy, PurePosixPath):
    _format_parsed_parts = Touchy._touch


class TouchyColumn:
    def __str__(self) -> str:
        TOUCHED.append("column")
        raise AssertionError("nobody may ask a column for its text")

    __repr__ = __str__


class TouchyZone(Touchy, tzinfo):
    utcoffset = dst = tzname = Touchy._touch


class TouchyClass(type):
    def __hash__(cls) -> int:
        TOUCHED.append(cls.__name__)
        raise AssertionError(cls.__name__)

    def __eq__(cls, other: object) -> bool:
        TOUCHED.append(cls.__name__)
        raise AssertionError(cls.__name__)


class OfTouchyClass(metaclass=TouchyClass): ...


class Silent(Touchy):
    def __getattribute__(self, name: str) -> Any:
        TOUCHED.append(name)
        raise AssertionError(name)


@dataclass(slots=True)
class Slotted:
    a: int
    unset: int = field(init=False)


@attrs.define
class Attrs:
    a: int
    b: list[int]


class Open(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(extra="allow")
    a: int
    _secret: str = pydantic.PrivateAttr("hidden")

    @pydantic.computed_field  # type: ignore[prop-decorator]
    @property
    def costly(self) -> int:
        raise AssertionError("nobody may compute a field")


class Root(pydantic.RootModel[list[int]]): ...


class Struct(msgspec.Struct):
    a: int


class Pair(NamedTuple):
    left: int
    right: object


class Level(enum.IntEnum):
    LOW = 1


class Word(enum.StrEnum):
    YES = "yes"


class Shape(enum.Enum):
    BOTH = (1, "a")


def captured(value: object, limits: Limits | None = None) -> Any:
    return json.loads(bytes(capture(value, limits or Limits())))


def named_by_strangers(value: Any) -> Any:
    value.__module__, value.__qualname__ = Touchy(), TouchyStr("find")
    return value


STRANGERS: dict[str, tuple[Callable[[], object], object]] = {
    "object": (Touchy, f"<{__name__}.Touchy>"),
    "silent": (Silent, f"<{__name__}.Silent>"),
    "dict": (lambda: TouchyDict(a=[1]), {"a": [1]}),
    "list": (lambda: TouchyList([1, 2]), [1, 2]),
    "set": (lambda: TouchySet([3]), [3]),
    "str": (lambda: TouchyStr("text"), "text"),
    "int": (lambda: TouchyInt(7), 7),
    "float": (lambda: TouchyFloat(0.5), 0.5),
    "datetime": (lambda: TouchyDate(2026, 11, 22), "2026-11-22T00:00:00"),
    "exception": (
        lambda: TouchyError("why", 3),
        {"type": f"{__name__}.TouchyError", "args": ["why", 3]},
    ),
    "in an exception": (
        lambda: ValueError(Touchy()),
        {"type": "ValueError", "args": [f"<{__name__}.Touchy>"]},
    ),
    "file name of an error": (
        lambda: OSError(2, "gone", Touchy()),
        {"type": "FileNotFoundError", "args": [2, "gone"]},
    ),
    "zone of a datetime": (
        lambda: datetime(2026, 11, 22, tzinfo=TouchyZone()),
        f"2026-11-22T00:00:00 <{__name__}.TouchyZone>",
    ),
    "zone of a datetime of a subclass": (
        lambda: TouchyDate(2026, 11, 22, tzinfo=TouchyZone()),
        f"2026-11-22T00:00:00 <{__name__}.TouchyZone>",
    ),
    "zone of a time": (
        lambda: clock_time(12, 30, tzinfo=TouchyZone()),
        f"12:30:00 <{__name__}.TouchyZone>",
    ),
    "column": (
        lambda: pd.DataFrame({TouchyColumn(): [1], ("a", 2): [1]}),
        {
            "type": "pandas.DataFrame",
            "shape": [1, 2],
            "dtypes": {f"<{__name__}.TouchyColumn>": "int64", "('a', 2)": "int64"},
        },
    ),
    "path": (lambda: TouchyPath("a"), f"<{__name__}.TouchyPath>"),
    "class of classes": (OfTouchyClass, f"<{__name__}.OfTouchyClass>"),
    "class of classes in an exception": (
        lambda: ValueError(OfTouchyClass()),
        {"type": "ValueError", "args": [f"<{__name__}.OfTouchyClass>"]},
    ),
    "method": (lambda: types.MethodType(TouchyCallable(), 1), "<method>"),
    "module": (lambda: types.ModuleType(TouchyStr("shop")), "<module shop>"),
    "function": (lambda: named_by_strangers(lambda: None), "<function find>"),
    "key": (lambda: {Touchy(): 1}, {f"<{__name__}.Touchy>": 1}),
}


@pytest.mark.parametrize("name", STRANGERS)
def test_no_code_of_a_strangers_object_runs(name: str) -> None:
    make, kept = STRANGERS[name]
    value = make()
    TOUCHED.clear()

    got = captured([object(), value])[1]
    assert captured([value, None])[0] == kept
    touched = list(TOUCHED)

    assert got == kept
    assert touched == []


def test_bytes_of_a_subclass_are_counted_as_bytes_count_them() -> None:
    assert captured(TouchyBytes(b"abc"))["size"] == 3


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (Slotted(1), {"a": 1, "unset": "[not stored]"}),
        (Attrs(1, [2]), {"a": 1, "b": [2]}),
        (Open.model_validate({"a": 1, "more": {"b": 2}}), {"a": 1, "more": {"b": 2}}),
        (Root([1, 2]), {"root": [1, 2]}),
        (Struct(1), {"a": 1}),
        (Pair(1, None), {"left": 1, "right": None}),
        (Level.LOW, 1),
        (Word.YES, "yes"),
        (Shape.BOTH, [1, "a"]),
        (date(2026, 11, 22), "2026-11-22"),
        (datetime(2026, 7, 1, tzinfo=ZoneInfo("Europe/Paris")), "2026-07-01T00:00:00+02:00"),
        (datetime(2026, 7, 1, tzinfo=gettz("Europe/Paris")), "2026-07-01T00:00:00+02:00"),
        (clock_time(12, 30, tzinfo=UTC), "12:30:00+00:00"),
        (timedelta(minutes=90), "1:30:00"),
        (pd.Timestamp("2026-11-22", tz=UTC), "2026-11-22T00:00:00+00:00"),
        (pd.NaT, "NaT"),
        (complex(1, 2), "(1+2j)"),
        (Decimal(10) ** 30, "1.000000000000000000000000000E+30"),
        (UUID(int=2), "00000000-0000-0000-0000-000000000002"),
        (range(3), [0, 1, 2]),
        ({"a": 1}.keys(), ["a"]),
        (UserDict(a=1), {"a": 1}),
        (UserList([1]), [1]),
        (collections.Counter("aab"), {"a": 2, "b": 1}),
        (collections.defaultdict(list, a=[1]), {"a": [1]}),
        (frozenset([1]), [1]),
        (FileNotFoundError(2, "gone"), {"type": "FileNotFoundError", "message": "[Errno 2] gone"}),
        (
            FileNotFoundError(2, "gone", "a.txt"),
            {"type": "FileNotFoundError", "message": "[Errno 2] gone: 'a.txt'"},
        ),
        (KeyError("id"), {"type": "KeyError", "message": "'id'"}),
        (json, "<module json>"),
        (json.JSONDecoder().decode, "<method json.decoder.JSONDecoder.decode>"),
        ([].append, "<method list.append>"),
        ({(1, 2): "a", (3, 4): "b"}, {"<tuple>": "a", "<tuple> #1": "b"}),
        (threading.Lock(), "<_thread.lock>"),
    ],
)
def test_kinds_of_values_are_kept_as_a_reader_expects(value: object, kept: object) -> None:
    assert captured(value) == kept


@pytest.mark.parametrize("count", [1, 200])
def test_what_a_signal_handler_raises_goes_on_to_the_program(count: int) -> None:
    class SoftTimeoutError(Exception): ...

    def handle(*_: object) -> None:
        raise SoftTimeoutError

    def interrupted_s() -> float:
        # Between the first value and the last, where many are read.
        if next(looks) == count // 100:
            signal.raise_signal(signal.SIGUSR1)
        return 0.0

    looks = itertools.count()
    previous = signal.signal(signal.SIGUSR1, handle)
    try:
        with pytest.raises(SoftTimeoutError):
            capture([object()] * count, Limits(clock_s=interrupted_s))
    finally:
        signal.signal(signal.SIGUSR1, previous)


def test_what_a_library_raises_of_its_own_costs_only_its_object() -> None:
    class Broken(pd.DataFrame):
        __module__ = "pandas"

        @property
        def shape(self) -> None:
            raise TypeError

    unreadable, beside = captured([Broken(), 1])

    assert unreadable.endswith("Broken: TypeError]")
    assert beside == 1


def test_generators_are_named_and_never_consumed() -> None:
    def numbers() -> Any:
        yield from range(3)

    generator = numbers()

    kept = captured({"given": generator})

    assert kept["given"].startswith("<generator ")
    assert kept["given"].endswith("numbers>")
    assert list(generator) == [0, 1, 2]


def test_an_object_that_is_there_twice_is_written_twice_and_a_cycle_once() -> None:
    shared = {"a": Decimal(1)}
    parent: dict[str, Any] = {"left": shared, "right": shared}
    parent["self"] = parent

    assert captured(parent) == {"left": {"a": "1"}, "right": {"a": "1"}, "self": "[cycle: dict]"}


def test_numbers_of_thousands_of_digits_are_named() -> None:
    assert captured({"n": [10**4000] * 50, "m": 10**4000}) == {
        "n": ["[13288 bit int]"] * 50,
        "m": "[13288 bit int]",
    }
    assert captured(Decimal("1" * 100_000)).endswith(" byte Decimal]")


def test_keys_are_cut_where_no_key_is_so_long() -> None:
    kept = captured({"k" * 2_000_000: 1, "question": "why?"})

    assert kept["question"] == "why?"
    assert max(map(len, kept)) < 1100


def counting() -> Any:
    """A clock that goes on by a millisecond at each look."""
    ticks = iter(range(10**9))
    return lambda: next(ticks) / 1000


def test_what_takes_too_long_is_cut_and_says_so() -> None:
    kept = captured([Decimal(1)] * 5_000, Limits(clock_s=counting(), max_s=0.01))

    assert kept[0] == "1"
    assert 300 < len(kept) < 1000
    assert kept[-1].endswith(" of 5,000 items: out of time]")


def test_the_clock_is_looked_at_before_each_long_text() -> None:
    kept = captured([object(), *["x" * 20_000] * 60], Limits(clock_s=counting(), max_s=0.01))

    assert 5 < len(kept) < 20
    assert kept[-1].endswith(" of 61 items: out of time]")


def test_of_a_text_that_comes_too_late_little_is_kept() -> None:
    clock_s = counting()
    late = Limits(clock_s=lambda: clock_s() * 10, max_s=0.01)

    kept = captured([object(), "x" * 20_000], late)

    assert kept[0] == "<object>"
    assert 1_000 < len(kept[1]) < 1_100


def test_as_much_is_kept_as_there_is_room_for() -> None:
    raw = capture([object(), *["y" * 150] * 7_000], Limits(clock_s=lambda: 0.0))

    assert 900_000 < len(bytes(raw)) <= 1 << 20


def test_a_long_text_of_surrogates_is_cut_to_what_is_quickly_mended() -> None:
    kept = captured("\ud800" * 100_000)

    assert kept.startswith("\\ud800")
    assert "…[cut 34,464 of 100,000 characters]…" in kept


def test_plain_data_that_is_long_to_look_at_is_cut_too() -> None:
    pages = [{"page": [{"word": word} for word in range(50)]} for _ in range(150)]

    in_time = captured(pages, Limits(clock_s=lambda: 0.0))
    late = captured(pages, Limits(clock_s=counting(), max_s=0.004))

    assert in_time == pages
    assert late[-1].endswith(" of 150 items: out of time]")


def test_a_hash_is_left_out_where_there_is_no_time_for_it() -> None:
    assert captured(b"x" * (8 << 20), Limits(clock_s=counting(), max_s=0.003)) == {
        "type": "bytes",
        "size": 8 << 20,
        "sha256": "[cut: out of time]",
    }


def nested(depth: int) -> Any:
    value: Any = Decimal(1)
    for _ in range(depth):
        value = [value, value]
    return value


PATHOLOGICAL: dict[str, Any] = {
    "a million small containers": lambda: [{"a": [{"b": 1}]} for _ in range(330_000)],
    "a million strangers": lambda: [Touchy()] * 1_000_000,
    "a range without end": lambda: range(10**12),
    "a long deque": lambda: collections.deque(range(3_000_000)),
    "shared without end": lambda: nested(60),
    "a large dict subclass": lambda: TouchyDict({str(i): i for i in range(300_000)}),
    "huge keys": lambda: {"k" * 1_000_000 + str(i): i for i in range(20)},
    "long keys": lambda: {"k" * 10_000 + str(i): i for i in range(2_000)},
    "long texts": lambda: dict.fromkeys(map(str, range(3_000)), "lorem \n" * 20_000),
    "huge numbers": lambda: [10**4000] * 10_000,
    "many bytes": lambda: [b"x" * (1 << 20)] * 100,
    "control characters": lambda: "\0" * (1 << 20),
    "surrogates": lambda: "\ud800" * (1 << 20),
    "plain text of a megabyte": lambda: "lorem ipsum\n" * (1 << 16),
}


@pytest.mark.parametrize("name", PATHOLOGICAL)
def test_no_value_takes_the_caller_long(name: str) -> None:
    value = PATHOLOGICAL[name]()

    # The processor's time of this thread: others may be busy beside the test.
    times = []
    for _ in range(3):
        begun_s = time.thread_time()
        raw = capture(value)
        times.append(time.thread_time() - begun_s)

    assert len(bytes(raw)) <= 1 << 20
    assert min(times) < 0.025
