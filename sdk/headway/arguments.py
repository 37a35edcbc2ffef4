"""A call's arguments by their names, as the function's author wrote them.

At a function's first call a reader with the same parameters is made for it, so that Python itself
sorts out places, names and defaults, as fast as it does for the function:

    def read(message, /, temperature=_default_1, *rest, **options):
        named = {"message": message, "temperature": temperature}
        if rest: named["rest"] = rest
        if options: named["options"] = options
        return named

``self`` and ``cls`` are left out; what a function without a signature is given is ``args`` and
``kwargs``.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from keyword import iskeyword
from typing import Any, NamedTuple

from headway.interruptions import forgiven

_STARS = {"VAR_POSITIONAL": "*", "VAR_KEYWORD": "**"}
_BY_PLACE = ("POSITIONAL_ONLY", "POSITIONAL_OR_KEYWORD")
_OWNERS = ("self", "cls")
_NOTHING = object()
_SOURCE_NAME = f"{__file__}:read"
"""In our folder, so that a frame of a reader counts as ours."""


class ArgumentReader:
    """Names the arguments of one function's calls."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._given: tuple[Any, ...] = ()
        self._given_by_name: dict[str, Any] = {}
        while isinstance(function, functools.partial):
            self._given = (*function.args, *self._given)
            self._given_by_name = {**function.keywords, **self._given_by_name}
            function = function.func
        self._is_whole = not self._given and not self._given_by_name
        self._function = function
        self._read: Callable[..., dict[str, Any]] | None = None

    def read(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments of one call, defaults included, in the signature's order."""
        read = self._read
        if read is None:
            read = self._read = _make_reader(_parameters_of(self._function))
        try:
            if self._is_whole:
                return read(*args, **kwargs)
            return read(*self._given, *args, **{**self._given_by_name, **kwargs})
        except TypeError:
            # The function will say what is wrong with this call.
            return _read_loosely(*args, **kwargs)


class _Parameter(NamedTuple):
    name: str
    kind: str
    default: Any = _NOTHING


def _make_reader(parameters: Sequence[_Parameter]) -> Callable[..., dict[str, Any]]:
    if not all(each.name.isidentifier() and not iskeyword(each.name) for each in parameters):
        # Not to be written in Python, as a parameter of C that is named ``from``.
        return _read_loosely
    is_owned = parameters and parameters[0].kind in _BY_PLACE and parameters[0].name in _OWNERS
    shown = parameters[1:] if is_owned else parameters
    plain = ", ".join(f"{each.name!r}: {each.name}" for each in shown if each.kind not in _STARS)
    named = _unused("named", parameters)
    lines = [
        f"def read({_declare(parameters)}):",
        f"    {named} = {{{plain}}}",
        *(
            f"    if {each.name}: {named}[{each.name!r}] = {each.name}"
            for each in shown
            if each.kind in _STARS
        ),
        f"    return {named}",
    ]
    namespace = {f"_default_{place}": each.default for place, each in enumerate(parameters)}
    # Nothing but names of parameters went into the source, and all of them are identifiers.
    exec(compile("\n".join(lines), _SOURCE_NAME, "exec"), namespace)
    read: Callable[..., dict[str, Any]] = namespace["read"]
    return read


def _declare(parameters: Sequence[_Parameter]) -> str:
    # As source, with the separators of the kinds and without annotations.
    parts: list[str] = []
    kinds = [each.kind for each in parameters]
    for place, each in enumerate(parameters):
        is_first_by_name = each.kind == "KEYWORD_ONLY" and kinds.index(each.kind) == place
        if is_first_by_name and "VAR_POSITIONAL" not in kinds:
            parts.append("*")
        default = "" if each.default is _NOTHING else f"=_default_{place}"
        parts.append(f"{_STARS.get(each.kind, '')}{each.name}{default}")
        if each.kind == "POSITIONAL_ONLY" and kinds[place + 1 : place + 2] != [each.kind]:
            parts.append("/")
    return ", ".join(parts)


def _unused(name: str, parameters: Sequence[_Parameter]) -> str:
    taken = {each.name for each in parameters}
    while name in taken:
        name += "_"
    return name


def _read_loosely(*args: Any, **kwargs: Any) -> dict[str, Any]:
    return {**({"args": args} if args else {}), **({"kwargs": kwargs} if kwargs else {})}


def _parameters_of(function: Callable[..., Any]) -> list[_Parameter]:
    import inspect  # heavy, and a program that only imports us may never need it

    parameters = None
    with forgiven():
        parameters = inspect.signature(function).parameters.values()
    if parameters is None:
        # Some built-in functions have none, and others' raises: they take what they are given.
        return [_Parameter("args", "VAR_POSITIONAL"), _Parameter("kwargs", "VAR_KEYWORD")]
    return [
        _Parameter(
            each.name,
            each.kind.name,
            _NOTHING if each.default is inspect.Parameter.empty else each.default,
        )
        for each in parameters
    ]
