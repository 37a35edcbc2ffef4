"""Receipts of erasures: what went, and whether it has left the bytes of the file too.

Rows that are deleted are gone from every read, and their bytes stay in the file until a rewrite
that began later has ended. Whether there was one is looked up in the table ``rewrites`` each time,
so that no receipt can say something else than the file. No receipt tells whom it is about; only
the note of an erasure that is not ended yet does, and goes when it is signed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import duckdb
import msgspec

from headway_collector.errors import NotFoundError
from headway_collector.store.connections import Store
from headway_collector.store.filters import Conditions
from headway_collector.store.paging import Keyset, Page
from headway_collector.times import format_time

OUTSIDE = (
    "backups, exports and copies of the file made before {created_at}",
    "journals of clients that have not sent yet: what they still send is refused on arrival",
    "logs and files of the programs that made the calls",
    "texts of others that name the person in words, and figures computed over many calls",
    "templates of prompts, warnings of comparisons, and ids inside a JSON text in an attribute",
    "results of evals without an id of a call, or whose calls were deleted before by a rule of "
    "retention: those that carry a trace's id are blanked by erasing the trace",
)

_KEYSET = Keyset("erasures", "created_ns", ("receipt_id", "project"))
_REMOVED = """(SELECT min(rewrites.ended_ns) FROM store.rewrites AS rewrites
    WHERE rewrites.started_ns > erasures.created_ns AND rewrites.ended_ns IS NOT NULL
    AND rewrites.fault IS NULL)"""
# One that was begun, and cut off, has counted nothing yet.
_IS_SIGNED = "counts IS NOT NULL"
_COLUMNS = f"project, receipt_id, kind, created_ns, counts, {_REMOVED} AS removed_ns"


@dataclass(frozen=True, slots=True)
class Receipt:
    """What is kept of an erasure.

    Args:
        kind: ``user``, ``session`` or ``trace``; which one is not kept.
        counts: rows by table.
    """

    project: str
    receipt_id: str
    kind: str
    key_id: str | None
    created_ns: int
    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Begun:
    """An erasure that was begun, and by nobody ended.

    Args:
        identity: of the user, session or trace.
        created_ns: when it was asked for.
    """

    project: str
    receipt_id: str
    kind: Literal["user", "session", "trace"]
    identity: str
    created_ns: int


def save_receipt(connection: duckdb.DuckDBPyConnection, receipt: Receipt) -> None:
    """Keep a receipt, in the place of the note that it was begun."""
    connection.execute(
        "DELETE FROM store.erasures WHERE project = $1 AND receipt_id = $2 AND counts IS NULL",
        [receipt.project, receipt.receipt_id],
    )
    connection.execute(
        "INSERT INTO store.erasures (project, receipt_id, kind, key_id, created_ns, counts) "
        "VALUES ($1, $2, $3, $4, $5, $6)",
        [
            receipt.project,
            receipt.receipt_id,
            receipt.kind,
            receipt.key_id,
            receipt.created_ns,
            msgspec.json.encode(receipt.counts).decode(),
        ],
    )


def save_begun(connection: duckdb.DuckDBPyConnection, receipt: Receipt, identity: str) -> None:
    """Note an erasure of which nothing was deleted yet, so that it is ended if it is cut off."""
    connection.execute(
        "INSERT INTO store.erasures (project, receipt_id, kind, key_id, created_ns, identity) "
        "VALUES ($1, $2, $3, $4, $5, $6)",
        [
            receipt.project,
            receipt.receipt_id,
            receipt.kind,
            receipt.key_id,
            receipt.created_ns,
            identity,
        ],
    )


def find_begun(store: Store) -> list[Begun]:
    """Return the erasures that were begun and not ended, the oldest first."""
    rows = store.read(
        "SELECT project, receipt_id, kind, identity, created_ns FROM store.erasures "
        "WHERE counts IS NULL ORDER BY created_ns, receipt_id"
    )
    return [Begun(**row) for row in rows]


def read_receipt(store: Store, receipt_id: str, projects: Sequence[str] = ()) -> dict[str, Any]:
    """Return a receipt in the shape of the API.

    Raises:
        NotFoundError: there is none of that id.
    """
    conditions = Conditions()
    conditions.add("receipt_id = ?", receipt_id)
    conditions.add(_IS_SIGNED)
    conditions.add_any_of("project", projects)
    rows = store.read(
        f"SELECT {_COLUMNS} FROM store.erasures AS erasures {conditions.where} LIMIT 1",
        conditions.values,
    )
    if not rows:
        raise NotFoundError(f"there is no receipt {receipt_id[:80]!r}: GET /v1/erasures lists them")
    return _shape(rows[0])


def list_receipts(store: Store, projects: Sequence[str], page: Page) -> dict[str, Any]:
    """Return one page of receipts, by time."""
    conditions = Conditions()
    conditions.add_any_of("project", projects)
    conditions.add(_IS_SIGNED)
    _KEYSET.begin(conditions, page)
    rows = store.read(
        f"SELECT {_COLUMNS} FROM store.erasures AS erasures {conditions.where} "
        f"{_KEYSET.order_by(page)} LIMIT ?",
        [*conditions.values, page.limit],
    )
    return {"erasures": [_shape(row) for row in rows], "next_cursor": _KEYSET.end(rows, page)}


def count_pending(store: Store, *, limit_s: float | None = None) -> int:
    """Return of how many erasures the bytes are still in the file."""
    (row,) = store.read(
        "SELECT count(*) AS n FROM store.erasures AS erasures "
        f"WHERE {_IS_SIGNED} AND {_REMOVED} IS NULL",
        limit_s=limit_s,
    )
    return int(row["n"])


def find_pending(store: Store) -> int | None:
    """Return when the first erasure was whose bytes are still in the file; None without one."""
    (row,) = store.read(
        "SELECT min(created_ns) AS first_ns FROM store.erasures AS erasures "
        f"WHERE {_IS_SIGNED} AND {_REMOVED} IS NULL"
    )
    return None if row["first_ns"] is None else int(row["first_ns"])


def _shape(row: dict[str, Any]) -> dict[str, Any]:
    removed_ns = row["removed_ns"]
    created_at = format_time(row["created_ns"])
    return {
        "receipt_id": row["receipt_id"],
        "project": row["project"],
        "kind": row["kind"],
        "stage": "hidden" if removed_ns is None else "removed",
        "counts": msgspec.Raw(row["counts"].encode()),
        "created_at": created_at,
        "removed_at": None if removed_ns is None else format_time(removed_ns),
        "outside": [each.format(created_at=created_at) for each in OUTSIDE],
    }
