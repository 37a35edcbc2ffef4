"""promptfoo's templates: the part of Nunjucks that Jinja2 says in the same way.

What Nunjucks prints otherwise is made to print so (nothing for null, ``true`` for true, ``2`` for
2.0), a mapping has its keys for attributes and nothing of Python's, and only filters that give the
same are known. Anything else is refused, and so reported: JavaScript's operators and methods, the
environment, an object printed as it is.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from jinja2 import Undefined

from headway_evals.importing.templates import TemplateEnvironment, TemplateRefused, render

_MARKS = ("{{", "{%", "{#")
_PLAIN = re.compile(r"\{\{-?\s*([A-Za-z_]\w*)\s*-?\}\}")
_OUR_FIELD = re.compile(r"\{\w+\}")


class _Environment:
    """What ``env`` names: nothing that a suite may see."""


class Nunjucks(TemplateEnvironment):
    """Jinja2 that prints and looks up as Nunjucks does."""

    def __init__(self) -> None:
        filters: dict[str, Callable[..., Any]] = {
            "upper": lambda value: printed(value).upper(),
            "lower": lambda value: printed(value).lower(),
            "trim": lambda value: printed(value).strip(),
            "capitalize": lambda value: printed(value).lower().capitalize(),
            "length": lambda value: len(value) if isinstance(value, str | list | dict) else 0,
            "first": lambda value: value[0] if value else None,
            "last": lambda value: value[-1] if value else None,
            "join": lambda value, separator="": separator.join(map(printed, value)),
            "default": _default,
            "d": _default,
            "dump": _dump,
            "safe": lambda value: value,
            "string": lambda value: printed(value),
        }
        super().__init__(filters, only=True, finalize=printed)
        self.globals = {"env": _Environment(), "range": self.globals["range"]}

    def getattr(self, obj: Any, attribute: str) -> Any:
        """Return a key of a mapping, or the length of a text or a list."""
        return self.getitem(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """Return an item; what only JavaScript has is refused."""
        if isinstance(obj, _Environment):
            raise TemplateRefused("the template reads the environment")
        if isinstance(obj, Undefined):
            return self.undefined(obj=obj, name=argument)
        if isinstance(obj, Mapping):
            return obj[argument] if argument in obj else self.undefined(obj=obj, name=argument)
        if isinstance(obj, str | list) and argument == "length":
            return len(obj)
        if isinstance(obj, str | list) and isinstance(argument, int):
            is_there = 0 <= argument < len(obj)
            return obj[argument] if is_there else self.undefined(obj=obj, name=str(argument))
        # A loop's own counters.
        if type(obj).__name__ == "LoopContext" and argument in _LOOP:
            return super().getattr(obj, argument)
        raise TemplateRefused(f"the template asks a {type(obj).__name__} for {argument!r}")


_LOOP = ("index", "index0", "revindex", "revindex0", "first", "last", "length")


def has_template(text: str) -> bool:
    """Return whether a text is more than itself."""
    return any(mark in text for mark in _MARKS)


def fill(environment: Nunjucks, value: Any, variables: Mapping[str, Any]) -> Any:
    """Return a value with every text in it filled in.

    Raises:
        TemplateRefused: a template says what is not done here.
    """
    if isinstance(value, str):
        return render(environment, value, variables) if has_template(value) else value
    if isinstance(value, Mapping):
        return {key: fill(environment, each, variables) for key, each in value.items()}
    if isinstance(value, list):
        return [fill(environment, each, variables) for each in value]
    return value


def as_fields(text: str) -> str | None:
    """Return a template with our fields in place of plain variables; None where it holds more.

    A text that has ``{word}`` of its own is no such: to us that would be a field.
    """
    rest = _PLAIN.sub("", text)
    if has_template(rest) or _OUR_FIELD.search(rest) or "}}" in rest:
        return None
    return _PLAIN.sub(r"{\1}", text)


def names_of(text: str) -> set[str]:
    """Return the plain variables of a template."""
    return set(_PLAIN.findall(text))


def printed(value: Any) -> str:
    """Return a value as JavaScript prints it.

    Raises:
        TemplateRefused: it is an object, of which JavaScript prints only that it is one.
    """
    if value is None or isinstance(value, Undefined):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e21:
        return str(int(value))
    if isinstance(value, list | Mapping):
        raise TemplateRefused("the template prints an object: write | dump")
    return str(value)


def _default(value: Any, other: Any = "", is_for_all: bool = False) -> Any:
    is_none = isinstance(value, Undefined) or (is_for_all and not value)
    return other if is_none else value


def _dump(value: Any, spaces: Any = None) -> str:
    if isinstance(value, Undefined):
        return ""
    indent = min(spaces, 10) if isinstance(spaces, int) and spaces > 0 else None
    separators = (",", ": ") if indent else (",", ":")
    return json.dumps(_plain(value), ensure_ascii=False, indent=indent, separators=separators)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    is_whole = isinstance(value, float) and value.is_integer() and abs(value) < 1e21
    return int(value) if is_whole else value
