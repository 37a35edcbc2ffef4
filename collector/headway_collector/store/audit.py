"""What was done with an admin's key: one row an action, in the transaction of the action.

A row says who (the id of a key, which is public), what, in which project, and a few plain facts.
It never holds a secret, a text that was logged, or the id of a person: it outlives them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import duckdb
import msgspec

from headway_collector.callers import Caller
from headway_collector.store.connections import Store
from headway_collector.store.filters import Conditions
from headway_collector.store.paging import Keyset, Page
from headway_collector.times import format_time

_KEYSET = Keyset("audit", "time_ns", ("audit_id",))


@dataclass(frozen=True, slots=True)
class AuditFilters:
    """What the listing can be narrowed by; a row without a project is of all of them."""

    project: tuple[str, ...] = ()
    action: tuple[str, ...] = ()
    key_id: tuple[str, ...] = ()
    start_ns: int | None = None
    end_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Act:
    """Something that is to be done, perhaps in several projects; none means in all.

    Args:
        detail: as in ``save_action``; all its projects are told it.
    """

    action: str
    caller: Caller
    projects: tuple[str, ...]
    time_ns: int
    detail: Mapping[str, Any] = field(default_factory=dict)


def save_action(
    connection: duckdb.DuckDBPyConnection,
    action: str,
    caller: Caller,
    project: str | None,
    detail: Mapping[str, Any],
    time_ns: int,
) -> None:
    """Write down that a caller did something, within the transaction that does it.

    Args:
        connection: in the writer's transaction.
        action: a noun and a verb, such as ``key.make``.
        caller: who did it; without a key on a collector that has none.
        project: where; None means that it concerned all projects.
        detail: plain facts, such as counts and ids of keys. No secret, no text that was logged and
            nothing that tells who a person is.
        time_ns: when.
    """
    written = msgspec.json.encode(detail).decode()
    connection.execute(
        "INSERT INTO store.audit (audit_id, time_ns, key_id, action, project, detail) "
        "VALUES (uuid()::VARCHAR, ?, ?, ?, ?, ?)",
        [time_ns, caller.key_id, action, project, written],
    )


def save_act(connection: duckdb.DuckDBPyConnection, act: Act, counts: Mapping[str, int]) -> None:
    """Write one row for each project of an act, so that the administrators of each see it.

    Args:
        connection: in the writer's transaction.
        act: who did what, where and when.
        counts: what came of it in all; left out where several projects have a part in it, since
            each may know of its own alone.
    """
    detail = {**act.detail, **(counts if len(act.projects) < 2 else {})}
    for project in act.projects or (None,):
        save_action(connection, act.action, act.caller, project, detail, act.time_ns)


def list_actions(store: Store, filters: AuditFilters, page: Page) -> dict[str, Any]:
    """Return one page of what was done, by time."""
    conditions = Conditions()
    if filters.start_ns is not None:
        conditions.add("time_ns >= ?", filters.start_ns)
    if filters.end_ns is not None:
        conditions.add("time_ns < ?", filters.end_ns)
    conditions.add_any_of("project", filters.project)
    conditions.add_any_of("action", filters.action)
    conditions.add_any_of("key_id", filters.key_id)
    _KEYSET.begin(conditions, page)
    rows = store.read(
        f"SELECT audit_id, time_ns, key_id, action, project, detail FROM store.audit "
        f"{conditions.where} {_KEYSET.order_by(page)} LIMIT ?",
        [*conditions.values, page.limit],
    )
    return {"actions": [_shape(row) for row in rows], "next_cursor": _KEYSET.end(rows, page)}


def _shape(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "time": format_time(row["time_ns"]),
        "key_id": row["key_id"],
        "action": row["action"],
        "project": row["project"],
        "detail": msgspec.Raw(row["detail"].encode()),
    }
