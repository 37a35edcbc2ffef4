"""What goes with an erasure: the spans, and whatever hangs on them or names who is erased.

All is deleted in the writer's transactions, many spans in several; each leaves nothing behind of
the calls it deletes.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import duckdb
import pyarrow as pa

from headway_collector.store.changes import note_keys
from headway_collector.store.descriptor_rows import forget
from headway_collector.store.mentions import FOREVER_NS, REJECT_DIGEST, Mentions, OwnedKey
from headway_collector.store.scores import BLANK_WORDS
from headway_collector.store.targets import Target
from headway_collector.store.tombstones import Tombstones

CHUNK_ROWS = 10_000
"""Spans in one transaction."""

_IS_GONE = (
    "spans.span_key = gone.span_key AND spans.span_id = gone.span_id "
    "AND spans.trace_id = gone.trace_id AND spans.project = gone.project"
)
# A span id alone names a span where no other of that id is left in the project.
_SCORES_OF_SPANS = """project = $1 AND span_id IN (SELECT span_id FROM gone) AND (
    EXISTS (FROM gone WHERE gone.span_id = scores.span_id AND gone.trace_id = scores.trace_id)
    OR (scores.trace_id IS NULL AND scores.span_id NOT IN (
        SELECT span_id FROM store.spans
        WHERE project = $1 AND span_key IN (SELECT span_key FROM gone))))"""


@dataclass(frozen=True, slots=True)
class Remains:
    """What of the traces and sessions of erased spans is left without a span."""

    traces: list[str] = field(default_factory=list)
    sessions: list[str] = field(default_factory=list)


def bury_sessions(
    connection: duckdb.DuckDBPyConnection,
    tombstones: Tombstones,
    target: Target,
    remains: Remains,
    erased_ns: int,
) -> None:
    """Keep tombstones of sessions of which nothing is left, for scores that are on their way."""
    if remains.sessions:
        tombstones.bury(connection, target.project, {"user_session": remains.sessions}, erased_ns)


def cut(gone: pa.Table, size: int = CHUNK_ROWS) -> Iterator[pa.Table]:
    """Yield the keys as many at a time as one transaction takes, and at least one table."""
    for first in range(0, max(1, len(gone)), size):
        yield gone.slice(first, size)


def delete_spans(connection: duckdb.DuckDBPyConnection, gone: pa.Table) -> dict[str, int]:
    """Delete spans of one project, with their descriptors, late events and scores.

    Args:
        connection: the writer's.
        gone: their keys, as `targets.find_spans` returns them.

    Returns:
        how many rows went, by table.
    """
    if not len(gone):
        return {}
    keys = gone["span_key"].combine_chunks()
    project = gone["project"][0].as_py()
    note_keys(connection, "spans", keys)
    times = [min(gone["start_ns"].to_pylist()), max(gone["start_ns"].to_pylist())]
    counts = {
        "spans": _delete(
            connection,
            gone,
            f"store.spans AS spans USING gone WHERE {_IS_GONE} "
            "AND spans.start_ns BETWEEN $1 AND $2",
            times,
        ),
        "descriptors": _count(
            connection,
            gone,
            "SELECT count(*) FROM store.descriptors AS spans SEMI JOIN gone "
            "USING (project, span_key, trace_key, start_ns) "
            "WHERE spans.start_ns BETWEEN $1 AND $2",
            times,
        ),
    }
    if counts["descriptors"]:
        forget(connection, gone.select(["project", "span_key", "trace_key", "start_ns"]))
    _delete(
        connection,
        gone,
        "store.due_descriptors AS due USING gone WHERE due.span_key = gone.span_key "
        "AND due.start_ns = gone.start_ns AND due.project = gone.project",
    )
    counts["late_events"] = _delete(
        connection,
        gone,
        f"store.late_events AS spans USING gone WHERE {_IS_GONE}",
    )
    counts["scores"] = _delete_scores(connection, gone, _SCORES_OF_SPANS, [project])
    return counts


def find_remains(connection: duckdb.DuckDBPyConnection, target: Target, gone: pa.Table) -> Remains:
    """Return the traces and sessions of deleted spans of which nothing is left."""
    found = {}
    for column in ("trace_id", "session_id"):
        names = {name for name in gone[column].unique().to_pylist() if name}
        named = "trace" if column == "trace_id" else "session"
        if target.kind == named:
            names.add(target.identity)
        left = _column(
            connection,
            pa.table({"name": pa.array(sorted(names), pa.string())}),
            f"SELECT DISTINCT {column} FROM store.spans "
            f"WHERE project = $1 AND {column} IN (SELECT name FROM gone)",
            [target.project],
        )
        found[named] = sorted(names.difference(left))
    return Remains(found["trace"], found["session"])


def delete_around(
    connection: duckdb.DuckDBPyConnection,
    target: Target,
    gone: pa.Table,
    remains: Remains,
    until_ns: int = FOREVER_NS,
) -> dict[str, int]:
    """Delete what hung on whole traces and sessions, and what waits for spans of these traces.

    Of scores that a user gave to others' calls the figures stay, without author and words.

    Args:
        connection: the writer's.
        target: whose.
        gone: the calls that were deleted.
        remains: of what nothing is left.
        until_ns: when the target was erased, where that is past: what it scored since stays.
    """
    counts = dict.fromkeys(("scores", "late_events"), 0)
    sessions = remains.sessions
    if target.kind == "session":
        sessions = [name for name in sessions if name != target.identity]
        values = [target.project, target.identity, until_ns]
        own = "project = $1 AND session_id = $2 AND time_ns <= $3"
        counts["scores"] += _delete_scores(connection, gone, own, values)
    for column, names in (("trace_id", remains.traces), ("session_id", sessions)):
        if names:
            empty = pa.table({"name": pa.array(names, pa.string())})
            condition = f"project = $1 AND {column} IN (SELECT name FROM gone)"
            counts["scores"] += _delete_scores(connection, empty, condition, [target.project])
    traces = {*gone["trace_id"].unique().to_pylist(), *remains.traces}
    counts["late_events"] = _delete(
        connection,
        pa.table({"name": pa.array(sorted(traces), pa.string())}),
        "store.late_events WHERE project = $1 AND trace_id IN (SELECT name FROM gone)",
        [target.project],
    )
    if target.kind == "user":
        counts["authored_scores"] = _forget_author(connection, target, until_ns)
    return counts


def delete_mentions(
    connection: duckdb.DuckDBPyConnection, project: str, mentions: Mentions
) -> dict[str, int]:
    """Delete the cards, jobs and refused lines that name the target or what it did.

    Those of several projects are not counted: the receipt is for whoever has this one.
    """
    counts = {
        "rejects": 0,
        "drift_cards": _delete_owned(connection, project, "drift_cards", "card_id", mentions.cards),
        "jobs": _delete_owned(connection, project, "jobs", "job_id", mentions.jobs),
    }
    if mentions.rejects:
        received_ns, lines, digests = zip(*mentions.rejects, strict=True)
        columns = {
            "received_ns": pa.array(received_ns, pa.int64()),
            "line": pa.array(lines, pa.int64()),
            "digest": pa.array(digests, pa.uint64()),
        }
        counts["rejects"] = _delete(
            connection,
            pa.table(columns),
            "store.rejects AS rejects USING gone WHERE rejects.received_ns = gone.received_ns "
            f"AND rejects.line = gone.line AND {REJECT_DIGEST} = gone.digest "
            "AND rejects.project = $1",
            [project],
        )
    if mentions.batches:
        note_keys(connection, "batches", mentions.batches)
        connection.execute(
            "UPDATE store.batches SET errors = '[]' "
            "WHERE project = $1 AND batch_key IN (SELECT unnest($2::BIGINT[]))",
            [project, mentions.batches],
        )
    return {**counts, "batches": len(mentions.batches)}


def _delete(
    connection: duckdb.DuckDBPyConnection,
    gone: pa.Table,
    sql: str,
    values: Sequence[object] = (),
) -> int:
    # DuckDB finds the table by the name of the argument, here and below.
    row = connection.execute(f"DELETE FROM {sql}", list(values)).fetchone()
    return int(row[0]) if row else 0


def _count(
    connection: duckdb.DuckDBPyConnection, gone: pa.Table, sql: str, values: Sequence[object]
) -> int:
    row = connection.execute(sql, list(values)).fetchone()
    return int(row[0]) if row else 0


def _column(
    connection: duckdb.DuckDBPyConnection, gone: pa.Table, sql: str, values: Sequence[object]
) -> list[Any]:
    return [row[0] for row in connection.execute(sql, list(values)).fetchall()]


def _delete_scores(
    connection: duckdb.DuckDBPyConnection, gone: pa.Table, condition: str, values: list[object]
) -> int:
    found = _column(
        connection,
        gone,
        f"SELECT score_key FROM store.scores AS scores WHERE {condition}",
        values,
    )
    if found:
        note_keys(connection, "scores", found)
        connection.execute(
            "DELETE FROM store.scores WHERE project = $1 "
            "AND score_key IN (SELECT unnest($2::BIGINT[]))",
            [values[0], found],
        )
    return len(found)


def _forget_author(connection: duckdb.DuckDBPyConnection, target: Target, until_ns: int) -> int:
    """Take name and words of a user off the scores that the user gave to others' calls."""
    values = [target.project, target.identity, until_ns]
    condition = "project = $1 AND author = $2 AND time_ns <= $3"
    keys = connection.execute(
        f"SELECT score_key FROM store.scores WHERE {condition}", values
    ).fetchall()
    if keys:
        note_keys(connection, "scores", [key for (key,) in keys])
        connection.execute(
            f"UPDATE store.scores SET author = NULL, {BLANK_WORDS} WHERE {condition}", values
        )
    return len(keys)


def _delete_owned(
    connection: duckdb.DuckDBPyConnection,
    project: str,
    table: str,
    column: str,
    keys: Iterable[OwnedKey],
) -> int:
    """Delete cards or jobs, and return how many of them were the project's own."""
    names: dict[str, list[str]] = {}
    for key in keys:
        names.setdefault(key.project, []).append(key.name)
    counts = dict.fromkeys((project, *names), 0)
    for owner, each in names.items():
        row = connection.execute(
            f"DELETE FROM store.{table} WHERE project = $1 "
            f"AND {column} IN (SELECT unnest($2::VARCHAR[]))",
            [owner, each],
        ).fetchone()
        counts[owner] = int(row[0]) if row else 0
    return counts[project]
