"""What spans can be grouped by; a closed list, since SQL cannot bind the name of a column."""

from collections.abc import Sequence
from dataclasses import dataclass

from headway_collector.errors import InvalidRequestError
from headway_collector.store.attributes import group_attribute
from headway_collector.store.described import PREFIX, Table, group_descriptor
from headway_collector.store.filters import SpanFilters, select_spans

COLUMNS = (
    "project",
    "kind",
    "name",
    "status",
    "request_model",
    "response_model",
    "provider",
    "price_version",
    "user_id",
    "session_id",
    "trace_id",
    "prompt_name",
    "prompt_version",
    "environment",
    "release",
    "error_type",
    "status_message",
)
LISTS = {"tag": "tags", "finish_reason": "finish_reasons"}
"""Dimensions of which a span may have several values, and their columns."""

ATTRIBUTE_PREFIX = "attribute:"

# Each different item, which few lists have to be searched for: half the time of list_distinct.
_ITEMS = """CASE WHEN coalesce(len({column}), 0) = 0 THEN [NULL]
    WHEN len({column}) = 1 THEN {column}
    ELSE list_filter({column}, lambda item, i: list_position({column}, item) = i) END"""


@dataclass(frozen=True, slots=True)
class Dimension:
    """A name to group by, its SQL, and the values for its placeholders."""

    name: str
    sql: str
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Source:
    """The filtered spans as a FROM clause, and the values for its placeholders."""

    sql: str
    values: list[object]


def parse_dimension(name: str) -> Dimension:
    """Return the dimension of that name.

    Raises:
        InvalidRequestError: there is none; the message names those that exist.
    """
    if name in COLUMNS or name in LISTS:
        return Dimension(name, f"spans.{name}")
    key = name.removeprefix(ATTRIBUTE_PREFIX)
    if name.startswith(ATTRIBUTE_PREFIX) and key:
        found = group_attribute(key)
        return Dimension(name, found.sql, found.values)
    if name.startswith(PREFIX):
        return Dimension(name, group_descriptor(name.removeprefix(PREFIX)))
    raise InvalidRequestError(
        f"{name!r} is not a dimension; there are {', '.join((*COLUMNS, *LISTS))}, "
        f"{ATTRIBUTE_PREFIX}KEY and {PREFIX}NAME"
    )


def select_source(
    filters: SpanFilters, dimensions: Sequence[Dimension], table: Table = "spans"
) -> Source:
    """Return the spans to group, with each dimension as ``by_0``, ``by_1`` and so on.

    There is one row a span, or one for each of its different tags where those are a dimension.
    Of table ``descriptors`` there is one a described call, with the same names of its columns.
    """
    conditions = select_spans(filters)
    sql = f"(SELECT * FROM store.{table} AS spans {conditions.where}) AS spans"
    for name in (each.name for each in dimensions if each.name in LISTS):
        items = _ITEMS.format(column=LISTS[name])
        # Unnesting two lists at one level would pair their items instead of combining them.
        sql = f"(SELECT *, unnest({items}) AS {name} FROM {sql}) AS spans"
    columns = "".join(f", {each.sql} AS by_{index}" for index, each in enumerate(dimensions))
    values = [value for each in dimensions for value in each.values]
    return Source(f"(SELECT *{columns} FROM {sql}) AS spans", [*values, *conditions.values])
