"""The values there are to filter by, with how many spans have each."""

from collections.abc import Sequence
from typing import Any

from headway_collector.store.connections import Store
from headway_collector.store.deadlines import Deadline
from headway_collector.store.described import find_table
from headway_collector.store.dimensions import Dimension, parse_dimension, select_source
from headway_collector.store.filters import SpanFilters

MAX_VALUES = 100


def read_facets(
    store: Store, filters: SpanFilters, names: Sequence[str], *, deadline: Deadline | None = None
) -> dict[str, Any]:
    """Return the commonest values of each dimension, with the number of spans.

    Raises:
        InvalidRequestError: a dimension is unknown.
        TooBroadError: the deadline is over.
    """
    dimensions = [parse_dimension(name) for name in names]
    deadline = deadline or Deadline()
    return {
        "facets": {each.name: _read_facet(store, filters, each, deadline) for each in dimensions}
    }


def _read_facet(
    store: Store, filters: SpanFilters, dimension: Dimension, deadline: Deadline
) -> list[dict[str, Any]]:
    source = select_source(filters, [dimension], find_table(filters, (), [dimension.name]))
    return deadline.read(
        store,
        f"SELECT by_0 AS value, count(*) AS count FROM {source.sql} WHERE by_0 IS NOT NULL "
        "GROUP BY 1 ORDER BY count DESC, value LIMIT ?",
        [*source.values, MAX_VALUES],
    )
