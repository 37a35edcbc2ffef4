"""Templates of other people, filled in without trust: sandboxed, and bounded in work and size.

A sandbox keeps a template from Python's objects; it does not keep it from going round for ever or
from doubling a text forty times. So the turns of loops, the calls and the characters are counted.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from jinja2 import TemplateError, Undefined, nodes
from jinja2.runtime import Context
from jinja2.sandbox import SandboxedEnvironment

from headway_evals.errors import ImportingError

_MOST_STEPS = 200_000
_MOST_CHARACTERS = 4_000_000
_UNBOUNDED_FILTERS = (
    *("center", "format", "indent", "pprint", "batch", "slice", "wordwrap", "xmlattr", "urlize"),
    *("random", "attr", "groupby", "tojson"),
)
_UNBOUNDED_METHODS = (
    *("format", "format_map", "ljust", "rjust", "center", "zfill", "expandtabs", "translate"),
    "encode",
)
_UNBOUNDED_GLOBALS = ("lipsum", "namespace", "cycler", "joiner")


class TemplateRefused(ImportingError):
    """A template says something that is not done here, or too much."""


class TemplateEnvironment(SandboxedEnvironment):
    """Jinja2 in bounds; one is not for several threads.

    Args:
        filters: by name, beside Jinja2's own, or where ``only`` in their place.
        only: whether there are no filters but those.
        undefined: what stands for a name without a value.
    """

    intercepted_binops = frozenset({"*", "**", "%", "+"})

    def __init__(
        self,
        filters: Mapping[str, Callable[..., Any]] | None = None,
        *,
        only: bool = False,
        undefined: type[Undefined] = Undefined,
        **options: Any,
    ) -> None:
        super().__init__(undefined=undefined, autoescape=False, **options)
        self._steps = self._characters = 0
        for name in _UNBOUNDED_GLOBALS:
            self.globals.pop(name, None)
        kept = {name: each for name, each in self.filters.items() if name not in _UNBOUNDED_FILTERS}
        kept["replace"] = _replace
        kept["join"] = _join
        self.filters = {} if only else kept
        self.filters.update(filters or {})
        self.filters["_turns"] = self._turns
        self.filters["_measured"] = self._measured

    def start(self) -> None:
        """Count from nothing."""
        self._steps = self._characters = 0

    def count_characters(self, count: int) -> None:
        """Count what a template makes.

        Raises:
            TemplateRefused: it is too much.
        """
        self._characters += count
        if self._characters > _MOST_CHARACTERS:
            raise TemplateRefused(f"the template makes more than {_MOST_CHARACTERS:,} characters")

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Return whether an attribute may be had: none of Python's own, none that pads texts."""
        if isinstance(obj, str) and attr in _UNBOUNDED_METHODS:
            return False
        return super().is_safe_attribute(obj, attr, value)

    def wrap_str_format(self, value: Any) -> Any:
        """Return None: texts are not formatted, whose fields may have any width."""

    def call(self, context: Context, called: Any, *arguments: Any, **named: Any) -> Any:
        """Call something, and count it."""
        self._step()
        owner, name = getattr(called, "__self__", None), getattr(called, "__name__", "")
        if isinstance(owner, str) and name in ("replace", "join"):
            return (_replace if name == "replace" else _joined)(owner, *arguments, **named)
        return self._measured(super().call(context, called, *arguments, **named))

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Compute, unless the result would be endless."""
        if operator == "*" and not (_is_number(left) and _is_number(right)):
            times = right if _is_number(right) else left
            what = left if times is right else right
            size = len(what) if isinstance(what, str | list | tuple) else math.inf
            self.count_characters(int(min(size * abs(times), _MOST_CHARACTERS + 1)))
        elif operator == "**" and not (_is_number(left) and _is_number(right) and abs(right) < 100):
            raise TemplateRefused("the template raises to a power of 100 or more")
        elif operator == "%" and isinstance(left, str):
            raise TemplateRefused("the template formats a text with %")
        return self._measured(super().call_binop(context, operator, left, right))

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        tree = super()._parse(source, name, filename)
        for loop in tree.find_all(nodes.For):
            loop.iter = nodes.Filter(loop.iter, "_turns", [], [], None, None)
        for joined in tree.find_all(nodes.Concat):
            joined.nodes = [
                nodes.Filter(each, "_measured", [], [], None, None) for each in joined.nodes
            ]
        for filtered in list(tree.find_all(nodes.Filter)):
            if filtered.name not in ("_measured", "_turns") and filtered.node is not None:
                filtered.node = nodes.Filter(filtered.node, "_measured", [], [], None, None)
        tree.set_environment(self)
        return tree

    def _turns(self, values: Iterable[Any]) -> Iterator[Any]:
        for value in values:
            self._step()
            yield value

    def _measured(self, value: Any) -> Any:
        self._step()
        if isinstance(value, str):
            self.count_characters(len(value))
        elif isinstance(value, int) and value.bit_length() > 4096:
            raise TemplateRefused("the template computes a number of more than 4096 bits")
        return value

    def _step(self) -> None:
        self._steps += 1
        if self._steps > _MOST_STEPS:
            raise TemplateRefused(f"the template takes more than {_MOST_STEPS:,} steps")


def render(environment: TemplateEnvironment, text: str, values: Mapping[str, Any]) -> str:
    """Return a template filled in.

    Raises:
        TemplateRefused: it is none, says what is not done here, or is out of bounds.
    """
    environment.start()
    parts: list[str] = []
    try:
        for part in environment.from_string(text).generate(**values):
            environment.count_characters(len(part))
            parts.append(part)
    except TemplateRefused:
        raise
    except TemplateError as error:
        raise TemplateRefused(f"not a template of ours: {error.message or error}") from error
    except Exception as error:  # a template meets any value there is
        raise TemplateRefused(f"the template raised {type(error).__name__}: {error}") from error
    return "".join(parts)


def _replace(text: Any, old: Any, new: Any, count: int | None = None) -> str:
    plain, old, new = str(text), str(old), str(new)
    places = (plain.count(old) if old else len(plain) + 1) if count is None else count
    if places * len(new) + len(plain) > _MOST_CHARACTERS:
        raise TemplateRefused(f"the template makes more than {_MOST_CHARACTERS:,} characters")
    return plain.replace(old, new, -1 if count is None else count)


def _join(values: Iterable[Any], separator: Any = "", attribute: str | None = None) -> str:
    parts = [str(each if attribute is None else each[attribute]) for each in values]
    if sum(map(len, parts)) + len(str(separator)) * len(parts) > _MOST_CHARACTERS:
        raise TemplateRefused(f"the template makes more than {_MOST_CHARACTERS:,} characters")
    return str(separator).join(parts)


def _joined(separator: str, values: Iterable[Any]) -> str:
    return _join(values, separator)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float)
