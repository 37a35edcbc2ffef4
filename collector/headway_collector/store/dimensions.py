"""What spans can be grouped by; a closed list, since SQL cannot bind the name of a column."""

from dataclasses import dataclass

from headway_collector.errors import InvalidRequestError
from headway_collector.store.filters import ATTRIBUTE, SpanFilters, make_pointer, select_spans

COLUMNS = (
    "project",
    "kind",
    "name",
    "status",
    "request_model",
    "provider",
    "user_id",
    "session_id",
    "prompt_name",
    "prompt_version",
    "environment",
    "release",
    "error_type",
)
TAG = "tag"
ATTRIBUTE_PREFIX = "attribute:"


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
    if name in COLUMNS or name == TAG:
        return Dimension(name, f"spans.{name}")
    key = name.removeprefix(ATTRIBUTE_PREFIX)
    if name.startswith(ATTRIBUTE_PREFIX) and key:
        return Dimension(name, ATTRIBUTE, (make_pointer(key),))
    raise InvalidRequestError(
        f"{name!r} is not a dimension; there are {', '.join((*COLUMNS, TAG))} "
        f"and {ATTRIBUTE_PREFIX}KEY"
    )


def select_source(filters: SpanFilters, dimensions: list[Dimension]) -> Source:
    """Return the spans to group: one row a span, or one a span and tag if tags are asked for."""
    conditions = select_spans(filters)
    columns = "*"
    if any(dimension.name == TAG for dimension in dimensions):
        columns = "*, unnest(CASE WHEN len(tags) > 0 THEN tags ELSE [NULL] END) AS tag"
    sql = f"(SELECT {columns} FROM store.spans AS spans {conditions.where}) AS spans"
    return Source(sql, conditions.values)
