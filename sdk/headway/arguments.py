"""A call's arguments by their names, as the function's author wrote them.

The signature is read once, when the function is decorated, so that most calls cost one ``zip``.
``self`` and ``cls`` are left out; what a function without a signature is given is ``args`` and
``kwargs``.
"""

import functools
import inspect
from collections.abc import Callable, Mapping
from inspect import Parameter
from typing import Any

_BY_PLACE = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
_BY_NAME = (Parameter.POSITIONAL_OR_KEYWORD, Parameter.KEYWORD_ONLY)
_OWNERS = ("self", "cls")


class ArgumentReader:
    """Names the arguments of one function's calls."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._given: tuple[Any, ...] = ()
        self._given_by_name: dict[str, Any] = {}
        while isinstance(function, functools.partial):
            self._given = (*function.args, *self._given)
            self._given_by_name = {**function.keywords, **self._given_by_name}
            function = function.func
        parameters = _parameters(function)
        self._places = tuple(each.name for each in parameters if each.kind in _BY_PLACE)
        self._names = tuple(each.name for each in parameters if each.kind in _BY_NAME)
        self._defaults = {
            each.name: each.default for each in parameters if each.default is not Parameter.empty
        }
        rest = {each.kind: each.name for each in parameters}
        self._rest = rest.get(Parameter.VAR_POSITIONAL, "args")
        self._rest_by_name = rest.get(Parameter.VAR_KEYWORD, "kwargs")
        self._owner = self._places[0] if self._places[:1] in [(each,) for each in _OWNERS] else None
        is_by_place_alone = not self._given and all(
            each.kind in _BY_PLACE or each.kind is Parameter.VAR_POSITIONAL for each in parameters
        )
        self._first = 0 if self._owner is None else 1
        self._shown = self._places[self._first :]
        self._simple_count = len(self._places) if is_by_place_alone else -1

    def read(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments of one call, defaults included, in the signature's order."""
        if len(args) == self._simple_count and not kwargs:
            return dict(zip(self._shown, args[self._first :], strict=True))
        named = self._read_all(self._given + args, {**self._given_by_name, **kwargs})
        if self._owner is not None:
            named.pop(self._owner, None)
        return named

    def _read_all(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
        named = dict(zip(self._places, args, strict=False))
        for name in (*self._places, *self._names):
            if name not in named and name in self._names and name in kwargs:
                named[name] = kwargs.pop(name)
            elif name not in named and name in self._defaults:
                named[name] = self._defaults[name]
        if len(args) > len(self._places):
            named[self._rest] = args[len(self._places) :]
        if kwargs:
            named[self._rest_by_name] = kwargs
        return named


def _parameters(function: Callable[..., Any]) -> list[Parameter]:
    try:
        return list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        # Some built-in functions have none.
        return []
