"""What was refused: listed with its reason, taken up again, and bounded.

A row keeps the bytes as they came, what these are (``decoding.Form``), and beside an item of OTLP
the resource and scope that it stood in.
"""

import base64
import codecs
import logging
import os
import socket
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb

from headway.records import Loss
from headway_collector.errors import NotFoundError
from headway_collector.limits import MAX_REJECTS_BYTES
from headway_collector.store.batches import Batch
from headway_collector.store.connections import Store
from headway_collector.store.filters import Conditions
from headway_collector.store.losses import count_losses
from headway_collector.store.paging import Keyset, Page
from headway_collector.times import format_time

LOSS_REASON = "reject_dropped"

PREVIEW_BYTES = 2048
"""So much of each reject stands in a listing."""

_KEYSET = Keyset("rejects", "received_ns", ("reject_id",))
_COLUMNS = "reject_id, project, batch_id, line, received_ns, reason, form, size_bytes"
_KEPT_BYTES = "octet_length(raw)"
# A chunk is decoded in one go, and the writer then waits for what came of it.
_CHUNK_BYTES = 8 * 1024 * 1024
# Of ids, reason and the like.
_ROW_BYTES = 256
# As much is kept when there is too much, so that there is room for a while.
_KEPT = 15 / 16
# The collector's own losses stand under an id that no client makes.
_COLLECTOR_ID = "0" * 32

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RejectFilters:
    """What rejects can be narrowed by; times are those of arrival.

    Args:
        reason: a text in the reason, in any case.
    """

    project: tuple[str, ...] = ()
    reject_id: tuple[str, ...] = ()
    reason: str | None = None
    start_ns: int | None = None
    end_ns: int | None = None


@dataclass(frozen=True, slots=True)
class StoredReject:
    """A reject that may be read again; ``form`` is None for rows of older collectors."""

    reject_id: str
    project: str
    received_ns: int
    form: str | None
    raw: bytes
    context: bytes


@dataclass(frozen=True, slots=True)
class RejectChunk:
    """Some rejects, and the cursor behind them; None after the last."""

    rejects: list[StoredReject]
    cursor: str | None


def list_rejects(store: Store, filters: RejectFilters, page: Page) -> dict[str, Any]:
    """Return one page of rejects, the latest first, each with the beginning of its bytes."""
    conditions = _select(filters)
    _KEYSET.begin(conditions, page)
    rows = store.read(
        f"SELECT {_COLUMNS}, raw[1:{PREVIEW_BYTES}] AS raw, {_KEPT_BYTES} AS kept_bytes "
        f"FROM store.rejects {conditions.where} {_KEYSET.order_by(page)} LIMIT ?",
        [*conditions.values, page.limit],
    )
    return {"rejects": [_shape(row) for row in rows], "next_cursor": _KEYSET.end(rows, page)}


def read_reject(store: Store, reject_id: str, projects: Sequence[str]) -> dict[str, Any]:
    """Return one reject with all of its bytes that were kept.

    Raises:
        NotFoundError: there is none of that id, in these projects.
    """
    conditions = _select(RejectFilters(tuple(projects), (reject_id,)))
    rows = store.read(
        f"SELECT {_COLUMNS}, raw, {_KEPT_BYTES} AS kept_bytes FROM store.rejects "
        f"{conditions.where}",
        conditions.values,
    )
    if not rows:
        raise NotFoundError(f"there is no reject {reject_id[:80]!r}: GET /v1/rejects lists them")
    return _shape(rows[0])


def read_chunk(store: Store, filters: RejectFilters, page: Page) -> RejectChunk:
    """Return the next rejects that may be read again, no more than a few MB of them."""
    conditions = _select(filters)
    conditions.add("form IS DISTINCT FROM 'cut'")
    _KEYSET.begin(conditions, page)
    keys = store.read(
        f"SELECT reject_id, received_ns, {_KEPT_BYTES} AS kept_bytes FROM store.rejects "
        f"{conditions.where} {_KEYSET.order_by(page)} LIMIT ?",
        [*conditions.values, page.limit],
    )
    taken, left_bytes = [], _CHUNK_BYTES
    for key in keys:
        taken.append(key)
        left_bytes -= key["kept_bytes"]
        if left_bytes <= 0:
            break
    if not taken:
        return RejectChunk([], None)
    chosen = Conditions()
    chosen.add_any_of("reject_id", [key["reject_id"] for key in taken])
    rows = store.read(
        "SELECT reject_id, project, received_ns, form, raw, coalesce(context, ''::BLOB) AS context "
        f"FROM store.rejects {chosen.where} ORDER BY received_ns, reject_id",
        chosen.values,
    )
    full = Page(len(taken), page.cursor, page.is_descending)
    is_last = len(taken) == len(keys) and len(keys) < page.limit
    cursor = None if is_last else _KEYSET.end(taken, full)
    return RejectChunk([StoredReject(**row) for row in rows], cursor)


def find_present(connection: duckdb.DuckDBPyConnection, reject_ids: Sequence[str]) -> set[str]:
    """Return which of the rejects are still there, within the writer's transaction."""
    rows = connection.execute(
        "SELECT reject_id FROM store.rejects WHERE reject_id IN (SELECT unnest($1::VARCHAR[]))",
        [list(reject_ids)],
    ).fetchall()
    return {row[0] for row in rows}


def drop_rejects(connection: duckdb.DuckDBPyConnection, reject_ids: Sequence[str]) -> None:
    """Remove rejects that landed."""
    if reject_ids:
        connection.execute(
            "DELETE FROM store.rejects WHERE reject_id IN (SELECT unnest($1::VARCHAR[]))",
            [list(reject_ids)],
        )


def restate_rejects(connection: duckdb.DuckDBPyConnection, reasons: Mapping[str, str]) -> None:
    """Give rejects, by their ids, the reasons for which they are refused today."""
    if reasons:
        connection.execute(
            "UPDATE store.rejects SET reason = said.reason FROM "
            "(SELECT unnest($1::VARCHAR[]) AS reject_id, unnest($2::VARCHAR[]) AS reason) AS said "
            "WHERE rejects.reject_id = said.reject_id AND rejects.reason <> said.reason",
            [list(reasons), list(reasons.values())],
        )


class RejectsBound:
    """Keeps the rejects of each project under a number of bytes: the oldest go, and are counted.

    Args:
        limit_bytes: of one project.
    """

    def __init__(self, limit_bytes: int = MAX_REJECTS_BYTES) -> None:
        self._limit_bytes = limit_bytes
        # At least as much stands there; what is erased is not taken off it, and a commit that
        # fails leaves it too high. Both are set right when it is over the limit.
        self._bytes: dict[str, int] = {}

    def hold(
        self, connection: duckdb.DuckDBPyConnection, batches: Iterable[Batch], now_ns: int
    ) -> None:
        """Drop what is too much after the rejects of these batches were written."""
        sizes: dict[str, int] = {}
        for batch in batches:
            for reject in batch.rejects:
                size_bytes = len(reject.raw) + len(reject.context) + _ROW_BYTES
                sizes[batch.project] = sizes.get(batch.project, 0) + size_bytes
        for project, size_bytes in sizes.items():
            if project in self._bytes:
                self._bytes[project] += size_bytes
            else:
                self._bytes[project] = _measure(connection, project)
            if self._bytes[project] > self._limit_bytes:
                self._trim(connection, project, now_ns)

    def _trim(self, connection: duckdb.DuckDBPyConnection, project: str, now_ns: int) -> None:
        self._bytes[project] = _measure(connection, project)
        if self._bytes[project] <= self._limit_bytes:
            return
        dropped = connection.execute(
            f"""DELETE FROM store.rejects WHERE project = $1 AND reject_id IN (
                SELECT reject_id FROM store.rejects WHERE project = $1
                QUALIFY sum({_ROW_SIZE}) OVER (ORDER BY received_ns DESC, reject_id DESC) > $2)""",
            [project, int(self._limit_bytes * _KEPT)],
        ).fetchone()
        count = dropped[0] if dropped else 0
        self._bytes[project] = _measure(connection, project)
        if count:
            _log.warning("%d rejects of %s are dropped: there are too many", count, project)
            loss = Loss(
                client_id=_COLLECTOR_ID,
                reason=LOSS_REASON,
                count=count,
                time_ns=now_ns,
                host=socket.gethostname(),
                pid=os.getpid(),
            )
            count_losses(connection, [loss], [project])


_ROW_SIZE = f"({_KEPT_BYTES} + coalesce(octet_length(context), 0) + {_ROW_BYTES})"


def _measure(connection: duckdb.DuckDBPyConnection, project: str) -> int:
    row = connection.execute(
        f"SELECT sum({_ROW_SIZE})::BIGINT FROM store.rejects WHERE project = $1", [project]
    ).fetchone()
    return int(row[0] or 0) if row else 0


def _select(filters: RejectFilters) -> Conditions:
    conditions = Conditions()
    if filters.start_ns is not None:
        conditions.add("received_ns >= ?", filters.start_ns)
    if filters.end_ns is not None:
        conditions.add("received_ns < ?", filters.end_ns)
    conditions.add_any_of("project", filters.project)
    conditions.add_any_of("reject_id", filters.reject_id)
    if filters.reason is not None:
        conditions.add("contains(lower(reason), lower(?))", filters.reason)
    return conditions


def _shape(row: dict[str, Any]) -> dict[str, Any]:
    raw: bytes = row["raw"]
    text = _as_text(raw, is_whole=len(raw) == row["kept_bytes"])
    return {
        "reject_id": row["reject_id"],
        "project": row["project"],
        "batch_id": row["batch_id"],
        "line": row["line"],
        "time": format_time(row["received_ns"]),
        "reason": row["reason"],
        "form": row["form"],
        "can_replay": row["form"] != "cut",
        "size_bytes": row["size_bytes"],
        "kept_bytes": row["kept_bytes"],
        "raw": text,
        "raw_base64": base64.b64encode(raw).decode() if text is None else None,
    }


def _as_text(raw: bytes, *, is_whole: bool) -> str | None:
    """Return bytes as a text, where they are one; the end may have been cut off in a character."""
    try:
        text = codecs.getincrementaldecoder("utf-8")().decode(raw, final=is_whole)
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text
