"""Which projects there are, and how much of each."""

from collections.abc import Sequence
from typing import Any

from headway_collector.store.connections import Store
from headway_collector.store.filters import Conditions
from headway_collector.times import format_time


def list_projects(store: Store, names: Sequence[str] = ()) -> dict[str, Any]:
    """Return each project with its number of spans and the times of its first and last span."""
    conditions = Conditions()
    conditions.add_any_of("project", names)
    rows = store.read(
        "SELECT project, count(*) AS span_count, min(start_ns) AS first_time, "
        f"max(start_ns) AS last_time FROM store.spans AS spans {conditions.where} "
        "GROUP BY project ORDER BY project",
        conditions.values,
    )
    for row in rows:
        row["first_time"] = format_time(row["first_time"])
        row["last_time"] = format_time(row["last_time"])
    return {"projects": rows}
