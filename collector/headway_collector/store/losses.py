"""What clients say they have lost: the largest count of each process and reason stands.

A client reports its counts again and again, beside its records, so most reports are known.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
import msgspec
import pyarrow as pa

from headway.records import Loss
from headway_collector.store.connections import Store
from headway_collector.store.filters import Conditions
from headway_collector.store.paging import Keyset, Page
from headway_collector.times import format_time

_KEYSET = Keyset("losses", "time_ns", ("client_id", "reason", "project"))
_COLUMNS = "project, client_id, host, pid, reason, count, time_ns"
_SCHEMA = pa.schema(
    {
        **dict.fromkeys(("project", "client_id", "reason", "host"), pa.string()),
        **dict.fromkeys(("count", "time_ns", "pid"), pa.int64()),
    }
)
_MOST_REASONS = 100
_IDENTITY = "project, client_id, reason"


@dataclass(frozen=True, slots=True)
class LossFilters:
    """What a listing of losses can be narrowed by; times are those of the latest loss."""

    project: tuple[str, ...] = ()
    reason: tuple[str, ...] = ()
    start_ns: int | None = None
    end_ns: int | None = None


def save_losses(
    connection: duckdb.DuckDBPyConnection, losses: Sequence[Loss], projects: Sequence[str]
) -> None:
    """Write each loss whose count is the largest yet, in place of the one before it."""
    largest: dict[tuple[str, str, str], dict[str, Any]] = {}
    for project, loss in zip(projects, losses, strict=True):
        row = {"project": project, **msgspec.structs.asdict(loss)}
        standing = largest.setdefault((project, loss.client_id, loss.reason), row)
        if loss.count > standing["count"]:
            standing.update(row)
    connection.register("incoming", pa.Table.from_pylist(list(largest.values()), schema=_SCHEMA))
    connection.execute(
        "DELETE FROM store.losses AS losses USING incoming WHERE losses.project = incoming.project "
        "AND losses.client_id = incoming.client_id AND losses.reason = incoming.reason "
        "AND losses.count < incoming.count"
    )
    # The inner join first: DuckDB then reads of the table only what the few incoming rows name.
    connection.execute(
        f"INSERT INTO store.losses BY NAME SELECT * FROM incoming ANTI JOIN (SELECT {_IDENTITY} "
        f"FROM store.losses JOIN incoming USING ({_IDENTITY})) AS standing USING ({_IDENTITY})"
    )
    connection.unregister("incoming")


def count_losses(
    connection: duckdb.DuckDBPyConnection, losses: Sequence[Loss], projects: Sequence[str]
) -> None:
    """Write losses of which each counts only what is new, on top of what stands."""
    summed = []
    for project, loss in zip(projects, losses, strict=True):
        standing = connection.execute(
            "SELECT max(count) FROM store.losses "
            "WHERE project = $1 AND client_id = $2 AND reason = $3",
            [project, loss.client_id, loss.reason],
        ).fetchone()
        before = (standing and standing[0]) or 0
        summed.append(msgspec.structs.replace(loss, count=before + loss.count))
    if summed:
        save_losses(connection, summed, projects)


def list_losses(store: Store, filters: LossFilters, page: Page) -> dict[str, Any]:
    """Return one page of the losses that pass the filters, by time, and how many all make up."""
    conditions = Conditions()
    if filters.start_ns is not None:
        conditions.add("time_ns >= ?", filters.start_ns)
    if filters.end_ns is not None:
        conditions.add("time_ns < ?", filters.end_ns)
    conditions.add_any_of("project", filters.project)
    conditions.add_any_of("reason", filters.reason)
    sums = store.read(
        f"SELECT reason, sum(count) AS lost FROM store.losses {conditions.where} "
        "GROUP BY reason ORDER BY lost DESC, reason",
        conditions.values,
    )
    _KEYSET.begin(conditions, page)
    rows = store.read(
        f"SELECT {_COLUMNS} FROM store.losses {conditions.where} {_KEYSET.order_by(page)} LIMIT ?",
        [*conditions.values, page.limit],
    )
    return {
        "total": sum(each["lost"] for each in sums),
        "reasons": {each["reason"]: each["lost"] for each in sums[:_MOST_REASONS]},
        "losses": [_shape(row) for row in rows],
        "next_cursor": _KEYSET.end(rows, page),
    }


def _shape(row: dict[str, Any]) -> dict[str, Any]:
    shaped = {name: value for name, value in row.items() if name != "time_ns"}
    shaped["time"] = format_time(row["time_ns"])
    return shaped
