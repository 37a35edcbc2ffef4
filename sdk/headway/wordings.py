"""What has one short way to be written: dates, decimals, paths, and whatever has a name.

    "2026-11-22T10:00:00+00:00"  "1:30:00"  "1.10"  "/srv/model"  "<function json.dumps>"

Each is read as the class of Python that it is, or is one of. A subclass that may write itself in
another way, and a time zone of the program's own, are named and never asked.
"""

from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import PurePath
from types import (
    AsyncGeneratorType,
    BuiltinFunctionType,
    CoroutineType,
    FunctionType,
    GeneratorType,
    MethodType,
    ModuleType,
)
from typing import Any
from uuid import UUID

from headway.descriptions import is_library
from headway.interruptions import is_from_handler
from headway.peeking import asked, instance_dict, library_of
from headway.texts import name_of, unreadable

_RUNNING = (GeneratorType, AsyncGeneratorType, CoroutineType)
_WITH_A_NAME = (FunctionType, BuiltinFunctionType, *_RUNNING)
_LONGEST_DECIMAL = 10_000
_IN_PYTHON = {PurePath: "pathlib", UUID: "uuid"}
"""Where the classes are whose text Python makes; others are written in C."""
_ZONES = frozenset({"datetime", "zoneinfo", "pytz", "dateutil", "pandas", "pendulum"})
_ZONES |= {"pydantic_core", "django", "psycopg2"}
"""Whose time zones are asked how far they are from UTC."""
_PARTS_OF_TIME = ("hour", "minute", "second", "microsecond")


def worded(value: Any, base: type) -> str:
    """Write a value as one of ``WORDED``, which is its class or a base of it."""
    return _WRITERS[base](value, base)


def _text_of(value: Any, base: Any) -> str:
    if base is Decimal and Decimal.__sizeof__(value) > _LONGEST_DECIMAL:
        return f"[{Decimal.__sizeof__(value):,} byte Decimal]"
    home = _IN_PYTHON.get(base)
    if home is not None and library_of(type(value)) != home:
        # A subclass may have written anew what makes the text.
        return f"<{name_of(type(value))}>"
    text: str = base.__str__(value)
    return text


def _moment(value: Any, base: Any) -> str:
    # In ISO 8601.
    zone = None if base is date else asked(value, base, "tzinfo")
    if zone is not None and library_of(type(zone)) not in _ZONES:
        # To ask it how far it is from UTC would be to run its code.
        return f"{_without_zone(value, base).isoformat()} <{name_of(type(zone))}>"
    # Of pandas' own, since its NaT is a datetime of the year 1 where datetime is asked.
    speaker = type(value) if is_library(type(value)) else base
    try:
        text: str = speaker.isoformat(value)
    except Exception as error:
        if is_from_handler(error):
            raise
        return unreadable(type(value), error)  # its library's, or that of its zone
    return text


def _without_zone(value: Any, base: type) -> datetime | time:
    if base is time:
        return time(*(asked(value, time, part) for part in _PARTS_OF_TIME))
    # Not ``replace``, which calls the class of a subclass.
    return datetime.combine(datetime.date(value), datetime.time(value))


def _name(value: Any, base: type) -> str:
    # A generator is only named, and never consumed.
    if base is type:
        return f"<type {name_of(value)}>"
    word = base.__name__.removeprefix("builtin_function_or_")
    if base is ModuleType:
        return f"<{word} {_plain(instance_dict(value).get('__name__'))}>"
    function = value.__func__ if base is MethodType else value
    if not any(type(function) is kind for kind in _WITH_A_NAME):
        return f"<{word}>"
    module = _plain(getattr(function, "__module__", None))
    return f"<{word} {module and f'{module}.'}{_plain(function.__qualname__)}>"


def _plain(name: object) -> str:
    # A name can be set to anything, and a text of a subclass writes itself.
    return str.__str__(name) if issubclass(type(name), str) else ""


_WRITERS: dict[type, Callable[[Any, Any], str]] = {
    **dict.fromkeys((complex, timedelta, UUID, Decimal, PurePath), _text_of),
    **dict.fromkeys((datetime, date, time), _moment),
    **dict.fromkeys((type, ModuleType, MethodType, *_WITH_A_NAME), _name),
}

WORDED = frozenset(_WRITERS)
"""The classes whose values are written in words."""
