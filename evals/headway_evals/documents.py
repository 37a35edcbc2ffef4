"""YAML and JSONL as plain data that remembers its lines, so that a fault can name its place.

Values are JSON's: text, numbers, true, false, null, lists and mappings with text keys. YAML is
read by the rules of YAML 1.2, where ``yes``, ``no``, ``12:30`` and ``2026-11-22`` are text.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import msgspec
import yaml

from headway_evals.errors import SuiteError

_MOST_FAULTS = 50
_MOST_NESTED = 100
_MOST_REPEATED = 1_000_000
"""How many values aliases may stand for: a few lines of them can mean thousands of millions."""


class MarkedDict(dict[str, Any]):
    """A mapping, the line it starts at, and the line of each key."""

    def __init__(self, line: int) -> None:
        super().__init__()
        self.line = line
        self.lines: dict[str, int] = {}

    def line_of(self, key: str) -> int:
        """Return the line of a key; where it is missing, the mapping's own."""
        return self.lines.get(key, self.line)


class MarkedList(list[Any]):
    """A list, and the line of each item."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[int] = []


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong, and where."""

    path: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.message}"


@dataclass(slots=True)
class Faults:
    """What is wrong with one file and those it names, gathered so that all is said at once."""

    found: list[Fault] = field(default_factory=list)

    def add(self, path: str, line: int, message: str) -> None:
        """Note a fault, for example ``triage.yaml:41: case 'refund-3' has no input``."""
        self.found.append(Fault(path, line, message))

    def error(self) -> SuiteError:
        """Return the faults as one error, a line each, file by file."""
        files = list(dict.fromkeys(fault.path for fault in self.found))
        ordered = sorted(self.found, key=lambda fault: (files.index(fault.path), fault.line))
        rest = len(ordered) - _MOST_FAULTS
        tail = [f"and {rest} more faults"] if rest > 0 else []
        return SuiteError("\n".join([*map(str, ordered[:_MOST_FAULTS]), *tail]))


def parse_yaml(
    text: str,
    path: str,
    faults: Faults,
    tags: Mapping[str, Callable[[str], Any]] = MappingProxyType({}),
) -> Any:
    """Return a YAML document as marked data, None where it is not YAML at all.

    Args:
        text: the document.
        path: its file, as faults name it.
        faults: where faults go.
        tags: what a text under a tag of its own, such as ``!function``, is read by.
    """
    try:
        if not _is_bounded(text, path, faults):
            return None
        node = yaml.compose(text, Loader=_Loader)
        return None if node is None else _Builder(path, faults, tags).build(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        faults.add(path, mark.line + 1 if mark else 1, f"not YAML: {error.problem}")
    except yaml.reader.ReaderError as error:
        faults.add(path, text.count("\n", 0, error.position) + 1, f"not YAML: {error.reason}")
    return None


def parse_jsonl(text: str, path: str, faults: Faults) -> MarkedList:
    """Return the values of a file with one JSON value a line; blank lines are passed over."""
    items = MarkedList()
    # Not splitlines: JSON may hold U+2028 as it is, which ends a line to Python alone.
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            items.append(_marked(msgspec.json.decode(line), number))
            items.lines.append(number)
        except (msgspec.DecodeError, RecursionError) as error:
            faults.add(path, number, f"not JSON: {error}")
    return items


class _Loader(yaml.CSafeLoader):
    """The parser with the scalars of YAML 1.2's core schema instead of 1.1's."""

    yaml_implicit_resolvers: dict[str, list[Any]] = {}  # noqa: RUF012  # yaml's own declaration


def _tag(kind: str) -> str:
    return f"tag:yaml.org,2002:{kind}"


_SCALARS: Mapping[str, Callable[[str], Any]] = {
    _tag("str"): str,
    _tag("null"): lambda text: None,
    _tag("bool"): lambda text: text.lower() == "true",
    _tag("int"): int,
    _tag("float"): float,
}

for _kind, _pattern, _first in (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+", list("-+0123456789")),
    ("float", r"[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*)(?:[eE][-+]?[0-9]+)?", list("-+.0123456789")),
    ("float", r"[-+]?[0-9]+[eE][-+]?[0-9]+", list("-+0123456789")),
):
    _Loader.add_implicit_resolver(_tag(_kind), re.compile(f"^(?:{_pattern})$"), _first)


@dataclass(slots=True)
class _Extent:
    """How many values stand in one, itself included, and how deep, with its aliases written out."""

    anchor: str | None
    count: int = 1
    depth: int = 1

    def add(self, inner: "_Extent") -> None:
        self.count += inner.count
        self.depth = max(self.depth, inner.depth + 1)


def _is_bounded(text: str, path: str, faults: Faults) -> bool:
    """Note where nesting or aliases pass their limits, before libyaml's composer crashes on it."""
    open_extents: list[_Extent] = []
    named: dict[str | None, _Extent] = {}
    repeated = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            open_extents.append(_Extent(event.anchor))
            depth = len(open_extents)
        elif isinstance(event, yaml.CollectionEndEvent | yaml.ScalarEvent | yaml.AliasEvent):
            if isinstance(event, yaml.CollectionEndEvent):
                extent = open_extents.pop()
            elif isinstance(event, yaml.ScalarEvent):
                extent = _Extent(event.anchor)
            else:
                extent = named.get(event.anchor, _Extent(event.anchor))
                repeated += extent.count
            named[extent.anchor] = extent
            if open_extents:
                open_extents[-1].add(extent)
            depth = len(open_extents) + extent.depth - 1
        else:
            continue
        line = event.start_mark.line + 1 if event.start_mark else 1
        if depth > _MOST_NESTED:
            faults.add(path, line, f"nested more than {_MOST_NESTED} deep")
            return False
        if repeated > _MOST_REPEATED:
            faults.add(path, line, f"aliases stand for more than {_MOST_REPEATED:,} values")
            return False
    return True


@dataclass(slots=True)
class _Builder:
    """Turns YAML's nodes into marked data."""

    path: str
    faults: Faults
    tags: Mapping[str, Callable[[str], Any]]
    open_nodes: set[int] = field(default_factory=set)

    def build(self, node: yaml.Node) -> Any:
        line = node.start_mark.line + 1
        if id(node) in self.open_nodes:
            self.faults.add(self.path, line, "an alias stands inside what it names")
            return None
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, line)
        self.open_nodes.add(id(node))
        try:
            if isinstance(node, yaml.MappingNode):
                return self._mapping(node, line)
            items = MarkedList()
            for each in node.value:
                items.append(self.build(each))
                items.lines.append(each.start_mark.line + 1)
            return items
        finally:
            self.open_nodes.remove(id(node))

    def _mapping(self, node: yaml.MappingNode, line: int) -> MarkedDict:
        mapping = MarkedDict(line)
        for key_node, value_node in node.value:
            key_line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                self.faults.add(self.path, key_line, "a key must be text")
                continue
            key = str(key_node.value)
            if key in mapping:
                first = mapping.lines[key]
                self.faults.add(self.path, key_line, f"{key!r} stands twice, first in line {first}")
            mapping[key] = self.build(value_node)
            mapping.lines[key] = key_line
        return mapping

    def _scalar(self, node: yaml.ScalarNode, line: int) -> Any:
        read = self.tags.get(node.tag) or _SCALARS.get(node.tag)
        if read is None:
            self.faults.add(self.path, line, f"the tag {node.tag!r} is not known here")
            return None
        try:
            return read(node.value)
        except ValueError as error:
            self.faults.add(self.path, line, f"{node.value!r} is no such value: {error}")
            return None


def _marked(value: Any, line: int) -> Any:
    if isinstance(value, dict):
        mapping = MarkedDict(line)
        mapping.update((key, _marked(each, line)) for key, each in value.items())
        return mapping
    if isinstance(value, list):
        items = MarkedList()
        items.extend(_marked(each, line) for each in value)
        items.lines = [line] * len(items)
        return items
    return value
