"""Any JSON data without what must not be logged: texts, keys, numbers, and values by their names.

A text that is JSON itself, as the arguments of a tool call are, is looked into for names as well.
"""

import threading
import time
from collections.abc import Callable, Mapping
from inspect import Parameter, signature
from typing import Any

from headway.interruptions import is_from_handler
from headway.redaction.choices import Choices
from headway.redaction.names import DROPPED, NamedValues
from headway.redaction.texts import TextRedactor
from headway.texts import name_of

_SMALLEST_CARD = 10**12
_LONGEST_S = 0.1
"""That the program's functions may take for one record."""


class RedactionError(Exception):
    """A text could not be looked through, and must not be logged."""


class ValueRedactor:
    """Looks through JSON data.

    Args:
        choices: what is to be found.
        clock_s: measures what the program's own functions take.
    """

    def __init__(self, choices: Choices, clock_s: Callable[[], float] = time.perf_counter) -> None:
        self._texts = TextRedactor(choices.patterns)
        self._has_cards = "card" in choices.patterns
        self._functions = [_by_name(function) for function in choices.functions]
        self._names = NamedValues(choices.names)
        self._has_names = bool(choices.names)
        self._clock_s = clock_s
        self._asking = threading.local()

    def begin(self) -> None:
        """Begin with another record."""
        # One that comes up in the middle of another is a function's own, and on its account.
        if not getattr(self._asking, "is_busy", False):
            self._asking.spent_s = 0.0

    def field(self, name: str, value: Any) -> Any:
        """Return the value of a field, or of an argument, under its name."""
        return DROPPED if self.is_dropped(name) else self.value(name, value)

    def is_dropped(self, name: str) -> bool:
        """Whether what bears this name loses its value."""
        return self._has_names and self._names.is_named(name)

    def value(self, name: str, value: Any) -> Any:
        """Return JSON data without what is found in it, the same object where that is nothing."""
        kind = type(value)
        if kind is str:
            return self._text(name, value)
        if kind is dict:
            return self._mapping(name, value)
        if kind is list or kind is tuple:
            kept = [self.value(name, each) for each in value]
            is_same = all(map(_is_same, kept, value))
            return value if is_same else kept
        if kind is int or kind is float:
            return self._number(name, value)
        return value

    def _text(self, name: str, text: str) -> str:
        if self._has_names:
            text = self._names.dropped_from(text)
        text = self._texts.redact(text)
        for function in self._functions:
            text = self._asked(function, name, text)
        return text

    def _mapping(self, name: str, value: Mapping[str, Any]) -> Any:
        kept: dict[str, Any] = {}
        is_same = True
        for key, each in value.items():
            said = self._text(name, key)
            if said in kept:
                said = f"{said} #{len(kept)}"
            kept[said] = self.field(key, each)
            is_same = is_same and said is key and kept[said] is each
        return value if is_same else kept

    def _number(self, name: str, value: float) -> Any:
        if not (self._has_cards and abs(value) >= _SMALLEST_CARD and value == value // 1):
            return value
        digits = str(abs(int(value)))
        return "[card]" if self._texts.redact(digits) != digits else value

    def _asked(self, function: Callable[[str, str], Any], name: str, text: str) -> str:
        if getattr(self._asking, "is_busy", False):
            raise RedactionError("a redacting function logs calls of its own")
        begun_s = self._clock_s()
        self._asking.is_busy = True
        try:
            said = function(name, text)
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt) or is_from_handler(error):
                raise
            raise RedactionError(f"a redacting function raised {name_of(type(error))}") from None
        finally:
            self._asking.is_busy = False
            self._asking.spent_s += self._clock_s() - begun_s
        if self._asking.spent_s > _LONGEST_S:
            raise RedactionError(f"the redacting functions take longer than {_LONGEST_S} s")
        if not isinstance(said, str):
            raise RedactionError(f"a redacting function gave {type(said).__name__} and no text")
        return str.__str__(said)


def _is_same(one: object, other: object) -> bool:
    return one is other


def _by_name(function: Callable[..., Any]) -> Callable[[str, str], Any]:
    # A function of one argument is given the text alone.
    try:
        given = [
            each
            for each in signature(function).parameters.values()
            if each.default is Parameter.empty
            and each.kind in (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
        ]
    except (TypeError, ValueError):
        given = []
    if len(given) > 1:
        return function
    return lambda name, text: function(text)
