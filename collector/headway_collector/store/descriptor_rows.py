"""Rows of ``descriptors`` as they are saved, kept and forgotten, in the writer's transaction.

Rows, mark and what is no longer due are saved together.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import duckdb
import msgspec
import pyarrow as pa

from headway_collector.store.changes import note_keys
from headway_collector.store.descriptors import REPEATED, CallKey, DueKey

_TYPES = {
    "project": pa.string(),
    **dict.fromkeys(("span_key", "trace_key", "start_ns", "received_ns"), pa.int64()),
    **dict.fromkeys(REPEATED, pa.string()),
    "tags": pa.list_(pa.string()),
}
_IS_OF = (
    "described.span_key = gone.span_key AND described.trace_key = gone.trace_key "
    "AND described.start_ns = gone.start_ns AND described.project = gone.project "
    "AND described.start_ns >= (SELECT min(start_ns) FROM gone) "
    "AND described.start_ns <= (SELECT max(start_ns) FROM gone)"
)


@dataclass(frozen=True, slots=True)
class Saving:
    """What one transaction writes.

    Args:
        rows: of calls, as the table has them, but for ``start_time`` and ``version``.
        due: how often each was noted as due before its texts were read; those that were noted
            again since stay due.
        mark_ns: how far the arrivals are described, where that is known.
        silent: those of the calls without texts. Where such a call has a row it had texts, which
            were taken out since: what was found out of them stays.
    """

    version: int
    rows: pa.Table
    due: dict[DueKey, int] = field(default_factory=dict)
    mark_ns: int | None = None
    silent: frozenset[CallKey] = frozenset()


def build_rows(calls: Sequence[dict[str, Any]], described: pa.Table) -> pa.Table:
    """Return rows of the table: what is repeated of each call, beside its descriptors."""
    columns = {
        name: pa.array([call[name] for call in calls], kind) for name, kind in _TYPES.items()
    }
    return pa.table(
        {**columns, **dict(zip(described.column_names, described.columns, strict=True))}
    )


def save(connection: duckdb.DuckDBPyConnection, saving: Saving) -> None:
    """Write rows in place of those of the same calls, and how far that leads."""
    kept = _keep_silent(connection, saving)
    rows = _leave_out(saving.rows, kept)
    forget(connection, rows.select(CallKey._fields))
    if saving.due:
        still = {key.due for key in kept}
        _forget_due(connection, _build_due({k: n for k, n in saving.due.items() if k not in still}))
        _settle_due(connection, _build_due(saving.due))
    _insert(connection, rows, saving.version)
    if saving.mark_ns is not None:
        connection.execute(
            "DELETE FROM store.descriptor_marks WHERE version <= $1", [saving.version]
        )
        connection.execute(
            "INSERT INTO store.descriptor_marks VALUES ($1, $2)", [saving.version, saving.mark_ns]
        )


def forget(connection: duckdb.DuckDBPyConnection, gone: pa.Table) -> None:
    """Delete the rows of calls, which are given by the columns of `CallKey`."""
    note_keys(connection, "descriptors", gone["span_key"])
    # DuckDB finds the table by the name of the argument.
    connection.execute(f"DELETE FROM store.descriptors AS described USING gone WHERE {_IS_OF}")


def blank_words(connection: duckdb.DuckDBPyConnection, gone: pa.Table) -> None:
    """Take out of rows what may stand in a text itself: how an answer opens, and own words.

    What the user's functions said in numbers, yes and no stays, as all other descriptors do.

    Args:
        connection: the writer's.
        gone: the calls, by the columns of `CallKey` at least.
    """
    note_keys(connection, "descriptors", gone["span_key"])
    connection.execute(
        f"UPDATE store.descriptors AS described SET opener = NULL FROM gone WHERE {_IS_OF} "
        "AND opener IS NOT NULL"
    )
    found = connection.execute(
        "SELECT described.rowid, own FROM store.descriptors AS described, gone "
        f"WHERE {_IS_OF} AND own IS NOT NULL"
    ).fetchall()
    if found:
        said = pa.table(
            {
                "row": pa.array([row for row, _ in found], pa.int64()),
                "own": pa.array([_leave_figures(own) for _, own in found], pa.string()),
            }
        )
        _write_own(connection, said)


def _leave_figures(own: str) -> str:
    said = msgspec.json.decode(own)
    kept = {name: value for name, value in said.items() if isinstance(value, int | float)}
    return msgspec.json.encode(kept).decode()


def _write_own(connection: duckdb.DuckDBPyConnection, said: pa.Table) -> None:
    connection.execute(
        "UPDATE store.descriptors AS described SET own = said.own FROM said "
        "WHERE described.rowid = said.row"
    )


def _keep_silent(connection: duckdb.DuckDBPyConnection, saving: Saving) -> set[CallKey]:
    """Let the rows of calls without texts count as of this version, and return which those are."""
    if not saving.silent:
        return set()
    columns = list(zip(*saving.silent, strict=True))
    kinds = (pa.string(), pa.int64(), pa.int64(), pa.int64())
    gone = pa.table(
        {
            name: pa.array(values, kind)
            for name, values, kind in zip(CallKey._fields, columns, kinds, strict=True)
        }
    )
    names = ", ".join(f"described.{name}" for name in CallKey._fields)
    found = connection.execute(
        f"SELECT {names} FROM store.descriptors AS described, gone WHERE {_IS_OF}"
    ).fetchall()
    if found:
        note_keys(connection, "descriptors", gone["span_key"])
        connection.execute(
            "UPDATE store.descriptors AS described SET version = $1 "
            f"FROM gone WHERE {_IS_OF} AND described.version < $1",
            [saving.version],
        )
    return {CallKey(*row) for row in found}


def _leave_out(rows: pa.Table, kept: set[CallKey]) -> pa.Table:
    if not kept:
        return rows
    keys = zip(*(rows[name].to_pylist() for name in CallKey._fields), strict=True)
    return rows.filter(pa.array([CallKey(*key) not in kept for key in keys], pa.bool_()))


def _build_due(due: dict[DueKey, int]) -> pa.Table:
    seen = {
        "project": pa.array([key.project for key in due], pa.string()),
        "span_key": pa.array([key.span_key for key in due], pa.int64()),
        "start_ns": pa.array([key.start_ns for key in due], pa.int64()),
        "times": pa.array(list(due.values()), pa.int64()),
    }
    return pa.table(seen)


def _forget_due(connection: duckdb.DuckDBPyConnection, seen: pa.Table) -> None:
    note_keys(connection, "descriptors", seen["span_key"])
    # Of a span that is gone, or no call any more, no row comes in the place of the old one.
    connection.execute(
        "DELETE FROM store.descriptors AS described USING seen "
        "WHERE described.span_key = seen.span_key AND described.start_ns = seen.start_ns "
        "AND described.project = seen.project"
    )


def _settle_due(connection: duckdb.DuckDBPyConnection, seen: pa.Table) -> None:
    connection.execute(
        "DELETE FROM store.due_descriptors AS due USING ("
        "SELECT project, span_key, start_ns FROM seen SEMI JOIN ("
        "SELECT project, span_key, start_ns, count(*) AS times FROM store.due_descriptors "
        "GROUP BY ALL) AS noted USING (project, span_key, start_ns, times)) AS done "
        "WHERE due.span_key = done.span_key AND due.start_ns = done.start_ns "
        "AND due.project = done.project"
    )


def _insert(connection: duckdb.DuckDBPyConnection, incoming: pa.Table, version: int) -> None:
    connection.execute(
        "INSERT INTO store.descriptors BY NAME SELECT *, $1::INTEGER AS version, "
        "make_timestamptz(start_ns // 1000) AS start_time FROM incoming",
        [version],
    )
