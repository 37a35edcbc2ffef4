"""What every query of spans can be narrowed by, as SQL conditions with bound values."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import msgspec

from headway_collector.errors import InvalidRequestError

_ANY_OF = (
    "project",
    "kind",
    "name",
    "status",
    "request_model",
    "provider",
    "user_id",
    "session_id",
    "trace_id",
    "prompt_name",
    "prompt_version",
    "environment",
    "release",
)


@dataclass(frozen=True, slots=True)
class SpanFilters:
    """The span filters of the API; values of one field are alternatives, fields add up.

    Args:
        start_ns: the earliest start, included.
        end_ns: the latest start, not included.
        q: text in name, input or output, in any case.
        attribute: pairs of key and value, all of which must hold.
    """

    project: tuple[str, ...] = ()
    kind: tuple[str, ...] = ()
    name: tuple[str, ...] = ()
    status: tuple[str, ...] = ()
    request_model: tuple[str, ...] = ()
    provider: tuple[str, ...] = ()
    user_id: tuple[str, ...] = ()
    session_id: tuple[str, ...] = ()
    trace_id: tuple[str, ...] = ()
    prompt_name: tuple[str, ...] = ()
    prompt_version: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()
    release: tuple[str, ...] = ()
    tag: tuple[str, ...] = ()
    start_ns: int | None = None
    end_ns: int | None = None
    min_duration_ms: float | None = None
    is_root: bool | None = None
    q: str | None = None
    attribute: tuple[str, ...] = ()


@dataclass(slots=True)
class Conditions:
    """Conditions that all must hold, and the values for their placeholders, in order."""

    clauses: list[str] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)

    def add(self, clause: str, *values: Any) -> None:
        """Add a condition with one ``?`` for each value."""
        self.clauses.append(clause)
        self.values.extend(values)

    def add_any_of(self, column: str, values: Iterable[str]) -> None:
        """Add that the column has one of the values; none means no condition."""
        alternatives = list(values)
        if alternatives:
            marks = ", ".join("?" * len(alternatives))
            self.add(f"{column} IN ({marks})", *alternatives)

    @property
    def where(self) -> str:
        """The WHERE clause, or nothing."""
        return "WHERE " + " AND ".join(self.clauses) if self.clauses else ""


def select_spans(filters: SpanFilters) -> Conditions:
    """Return the conditions on table ``spans``."""
    conditions = Conditions()
    if filters.start_ns is not None:
        conditions.add("spans.start_ns >= ?", filters.start_ns)
    if filters.end_ns is not None:
        conditions.add("spans.start_ns < ?", filters.end_ns)
    for name in _ANY_OF:
        conditions.add_any_of(f"spans.{name}", getattr(filters, name))
    if filters.tag:
        conditions.add("list_has_any(spans.tags, ?)", list(filters.tag))
    if filters.min_duration_ms is not None:
        conditions.add("spans.end_ns - spans.start_ns >= ?", int(filters.min_duration_ms * 1e6))
    if filters.is_root is not None:
        conditions.add(f"spans.parent_span_id IS {'' if filters.is_root else 'NOT '}NULL")
    for pair in filters.attribute:
        key, sign, value = pair.partition("=")
        if not key or not sign:
            raise InvalidRequestError(f"attribute={pair!r} is not of the form key=value")
        conditions.add(f"{ATTRIBUTE} = ?", make_pointer(key), value)
    if filters.q:
        _add_text(conditions, filters.q)
    return conditions


ATTRIBUTE = "TRY(json_extract_string(spans.attributes, ?))"
"""The attribute at a JSON pointer, as text."""


def make_pointer(key: str) -> str:
    """Return the JSON pointer to an attribute; a dot in the key is only a character of it."""
    return "/" + key.replace("~", "~0").replace("/", "~1")


def _add_text(conditions: Conditions, text: str) -> None:
    # Input and output are JSON, in which a quote or a line break is written with a backslash.
    escaped = msgspec.json.encode(text).decode()[1:-1]
    conditions.add(
        "(contains(lower(spans.name), lower(?)) OR contains(lower(spans.input), lower(?))"
        " OR contains(lower(spans.output), lower(?)))",
        text,
        escaped,
        escaped,
    )
