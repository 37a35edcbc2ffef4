"""What every query of spans can be narrowed by, as SQL conditions with bound values."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from headway_collector.errors import InvalidRequestError
from headway_collector.store.attributes import QUOTED_KEY, equal_attribute
from headway_collector.store.columns import make_span_key
from headway_collector.store.expressions import DURATION_NS
from headway_collector.store.predicates import TEXTS, Predicate, parse_predicate
from headway_collector.store.texts import Match, find_text

_SPAN_ID_CHARS = 16
_PAIR = re.compile(rf"({QUOTED_KEY}|[^=]+)=(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class SpanFilters:
    """The span filters of the API; values of one field are alternatives, fields add up.

    Args:
        start_ns: the earliest start, included.
        end_ns: the latest start, not included.
        where: comparisons such as ``cost_usd>0.01``, all of which must hold.
        attribute: pairs of key and value, all of which must hold.
        q: what people wrote in name, input or output.
        match: whether case, accents and width of ``q`` may differ.
    """

    project: tuple[str, ...] = ()
    kind: tuple[str, ...] = ()
    name: tuple[str, ...] = ()
    status: tuple[str, ...] = ()
    status_message: tuple[str, ...] = ()
    request_model: tuple[str, ...] = ()
    response_model: tuple[str, ...] = ()
    response_id: tuple[str, ...] = ()
    provider: tuple[str, ...] = ()
    price_version: tuple[str, ...] = ()
    user_id: tuple[str, ...] = ()
    session_id: tuple[str, ...] = ()
    trace_id: tuple[str, ...] = ()
    span_id: tuple[str, ...] = ()
    parent_span_id: tuple[str, ...] = ()
    prompt_name: tuple[str, ...] = ()
    prompt_version: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()
    release: tuple[str, ...] = ()
    error_type: tuple[str, ...] = ()
    error_stack: tuple[str, ...] = ()
    finish_reason: tuple[str, ...] = ()
    tag: tuple[str, ...] = ()
    start_ns: int | None = None
    end_ns: int | None = None
    min_duration_ms: float | None = None
    is_root: bool | None = None
    where: tuple[str, ...] = ()
    attribute: tuple[str, ...] = ()
    q: str | None = None
    match: Match = "folded"


@dataclass(slots=True)
class Conditions:
    """Conditions that all must hold, and the values for their placeholders, in order."""

    clauses: list[str] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)

    def add(self, clause: str, *values: Any) -> None:
        """Add a condition with one ``?`` for each value."""
        self.clauses.append(clause)
        self.values.extend(values)

    def add_any_of(self, column: str, values: Iterable[str | int]) -> None:
        """Add that the column has one of the values; none means no condition."""
        alternatives = list(values)
        if alternatives:
            marks = ", ".join("?" * len(alternatives))
            self.add(f"{column} IN ({marks})", *alternatives)

    def join(self, others: "Conditions") -> "Conditions":
        """Return these conditions and the others as one."""
        return Conditions([*self.clauses, *others.clauses], [*self.values, *others.values])

    @property
    def where(self) -> str:
        """The WHERE clause, or nothing."""
        return "WHERE " + " AND ".join(self.clauses) if self.clauses else ""


def select_spans(filters: SpanFilters) -> Conditions:
    """Return the conditions on table ``spans``."""
    return select_by_columns(filters).join(select_by_texts(filters))


def select_by_columns(filters: SpanFilters) -> Conditions:
    """Return the conditions that are quick, whatever the number of spans."""
    conditions = Conditions()
    if filters.start_ns is not None:
        conditions.add("spans.start_ns >= ?", filters.start_ns)
    if filters.end_ns is not None:
        conditions.add("spans.start_ns < ?", filters.end_ns)
    if filters.span_id:
        _add_span_keys(conditions, filters.span_id)
    for name in TEXTS:
        conditions.add_any_of(f"spans.{name}", getattr(filters, name))
    if filters.finish_reason:
        conditions.add("list_has_any(spans.finish_reasons, ?)", list(filters.finish_reason))
    if filters.tag:
        conditions.add("list_has_any(spans.tags, ?)", list(filters.tag))
    if filters.min_duration_ms is not None:
        conditions.add(f"{DURATION_NS} >= ?", int(filters.min_duration_ms * 1e6))
    if filters.is_root is not None:
        conditions.add(f"spans.parent_span_id IS {'' if filters.is_root else 'NOT '}NULL")
    for predicate in _parse_predicates(filters, is_slow=False):
        conditions.add(predicate.sql, *predicate.values)
    return conditions


def select_by_texts(filters: SpanFilters) -> Conditions:
    """Return the conditions that read the texts of every span which passes the others."""
    conditions = Conditions()
    for predicate in _parse_predicates(filters, is_slow=True):
        conditions.add(predicate.sql, *predicate.values)
    for pair in filters.attribute:
        match = _PAIR.fullmatch(pair)
        if match is None:
            raise InvalidRequestError(f"attribute={pair[:80]!r} is not of the form key=value")
        condition = equal_attribute(match[1], match[2])
        conditions.add(condition.sql, *condition.values)
    if filters.q:
        found = find_text(filters.q, filters.match)
        conditions.add(found.sql, *found.values)
    return conditions


def _parse_predicates(filters: SpanFilters, *, is_slow: bool) -> list[Predicate]:
    predicates = map(parse_predicate, filters.where)
    return [predicate for predicate in predicates if predicate.is_slow is is_slow]


def _add_span_keys(conditions: Conditions, span_ids: Iterable[str]) -> None:
    """Add a condition on integers, which are far quicker to look through than the ids."""
    try:
        keys = [make_span_key(each) for each in span_ids if len(each) == _SPAN_ID_CHARS]
    except ValueError:
        return
    marks = ", ".join("?" * len(keys)) or "NULL"
    conditions.add(f"spans.span_key IN ({marks})", *keys)
