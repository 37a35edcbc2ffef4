"""Batches into tables, exactly once, inside one transaction that the caller commits.

A batch that was seen before is answered as it was then. A span that was seen before, in any
batch, is a duplicate: it is looked for where a span of about that time can lie. Looking reads one
column of 64-bit keys, and the texts only of those that match.
"""

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import duckdb
import numpy as np
import pyarrow as pa

from headway.records import IngestAnswer, RejectedLine
from headway_collector.store.batches import Batch
from headway_collector.store.changes import note_keys
from headway_collector.store.columns import build_scores, build_spans
from headway_collector.store.losses import save_losses
from headway_collector.store.prompt_texts import save_prompts
from headway_collector.store.replays import Replays

Identity = tuple[str, ...]
Mask = np.ndarray[tuple[int], np.dtype[np.bool_]]

SHOWN_ERRORS = 20

# Spans further apart than this are looked up by themselves, so that an import of last year's logs
# beside live traffic does not read the year between; more windows than this would cost more.
_GAP_NS = 3_600_000_000_000
_MAX_WINDOWS = 8
# One exporter counts nanoseconds, another rounds the same start to what a float or a millisecond
# holds, and both mean one span. A span of the same id that is further away is another one.
_APART_NS = 10 * 10**9
_STORED_SPANS = (
    "FROM store.spans WHERE start_ns BETWEEN $1 AND $2 "
    "AND span_key IN (SELECT unnest($3::BIGINT[]))"
)


@dataclass(slots=True)
class _Tally:
    """A batch on its way through the transaction."""

    batch: Batch
    accepted: int = 0
    duplicates: int = 0

    def answer(self) -> IngestAnswer:
        rejects = self.batch.rejects
        return IngestAnswer(
            accepted=self.accepted,
            duplicates=self.duplicates,
            rejected=sum(reject.count for reject in rejects),
            errors=[RejectedLine(line=r.line, reason=r.reason) for r in rejects[:SHOWN_ERRORS]],
        )


@dataclass(frozen=True, slots=True)
class _Window:
    """A stretch of time in which spans of the batches lie."""

    first_ns: int
    last_ns: int


def append_batches(
    connection: duckdb.DuckDBPyConnection,
    batches: Sequence[Batch],
    received_ns: int,
    replays: Replays | None = None,
) -> list[IngestAnswer]:
    """Write what is new in the batches and return an answer for each, in their order."""
    replays = replays or Replays()
    identities = [(each.project, each.batch_id or index) for index, each in enumerate(batches)]
    known = replays.find(connection, batches)
    fresh: dict[tuple[str, str | int], _Tally] = {}
    for identity, batch in zip(identities, batches, strict=True):
        if identity not in known:
            fresh.setdefault(identity, _Tally(batch))
    tallies = list(fresh.values())
    _append_spans(connection, tallies, received_ns)
    _append_scores(connection, tallies)
    _append_prompts(connection, tallies)
    _append_rejects(connection, tallies, received_ns)
    replays.add(connection, [(each.batch, each.answer()) for each in tallies], received_ns)
    _save_losses(connection, batches)
    answers = []
    for identity, batch in zip(identities, batches, strict=True):
        if identity in known:
            answers.append(known[identity])
        else:
            answer = fresh[identity].answer()
            answer.is_replay = fresh[identity].batch is not batch
            answers.append(answer)
    return answers


def insert_rows(connection: duckdb.DuckDBPyConnection, name: str, incoming: pa.Table) -> None:
    """Write rows to a table of the store, each column to that of its name."""
    # DuckDB finds the rows by the name of the argument, in half the time of a registered view.
    connection.execute(f"INSERT INTO store.{name} BY NAME SELECT * FROM incoming")


def _append_spans(
    connection: duckdb.DuckDBPyConnection, tallies: Sequence[_Tally], received_ns: int
) -> None:
    rows = _gather_rows(tallies)
    if rows is None:
        return
    rows = rows.append_column("received_ns", pa.repeat(received_ns, len(rows)))
    is_known = _find_known(rows, _find_stored(connection, rows))
    note_keys(connection, "spans", rows["span_key"])
    insert_rows(connection, "spans", rows.filter(pa.array(~is_known)) if is_known.any() else rows)
    _count(tallies, [tally.batch.span_count for tally in tallies], is_known)


def _find_stored(connection: duckdb.DuckDBPyConnection, rows: pa.Table) -> set[Identity]:
    """Return the identities of stored spans that have a key of these."""
    keys = rows["span_key"].to_pylist()
    stored: set[Identity] = set()
    for window in _find_windows(rows["start_ns"].to_numpy()):
        found = connection.execute(
            f"SELECT span_key {_STORED_SPANS}", [window.first_ns, window.last_ns, keys]
        ).fetchall()
        # Mostly there is none, and what is never looked at need not be read.
        if found:
            found_keys = [key for (key,) in found]
            stored.update(
                connection.execute(
                    f"SELECT project, trace_id, span_id {_STORED_SPANS}",
                    [window.first_ns, window.last_ns, found_keys],
                ).fetchall()
            )
    return stored


def _gather_rows(tallies: Sequence[_Tally]) -> pa.Table | None:
    """Return the spans of all batches in their order; those of small batches are built together."""
    tables: list[pa.Table] = []
    for is_built, group in groupby(tallies, lambda tally: tally.batch.rows is not None):
        batches = [tally.batch for tally in group]
        if is_built:
            tables.extend(batch.rows for batch in batches if batch.rows is not None)
        elif any(batch.spans for batch in batches):
            tables.append(
                build_spans(
                    [span for batch in batches for span in batch.spans],
                    [batch.project for batch in batches for _ in batch.spans],
                    [each for batch in batches for each in batch.derived],
                )
            )
    return pa.concat_tables(tables) if tables else None


def _append_scores(connection: duckdb.DuckDBPyConnection, tallies: Sequence[_Tally]) -> None:
    scores = [score for tally in tallies for score in tally.batch.scores]
    if not scores:
        return
    counts = [len(tally.batch.scores) for tally in tallies]
    projects = _repeat_projects(tallies, counts)
    table = build_scores(scores, projects)
    stored: set[Identity] = set(
        connection.execute(
            "SELECT project, score_id FROM store.scores "
            "WHERE score_key IN (SELECT unnest($1::BIGINT[]))",
            [table["score_key"].to_pylist()],
        ).fetchall()
    )
    identities = [
        (project, score.score_id) for project, score in zip(projects, scores, strict=True)
    ]
    is_known = _mark_known(identities, stored)
    note_keys(connection, "scores", table["score_key"])
    insert_rows(connection, "scores", table.filter(pa.array(~is_known)))
    _count(tallies, counts, is_known)


def _append_prompts(connection: duckdb.DuckDBPyConnection, tallies: Sequence[_Tally]) -> None:
    prompts = [prompt for tally in tallies for prompt in tally.batch.prompts]
    if prompts:
        counts = [len(tally.batch.prompts) for tally in tallies]
        stored = save_prompts(connection, prompts, _repeat_projects(tallies, counts))
        _count(tallies, counts, stored)


def _append_rejects(
    connection: duckdb.DuckDBPyConnection, tallies: Sequence[_Tally], received_ns: int
) -> None:
    rejects = [(tally.batch, reject) for tally in tallies for reject in tally.batch.rejects]
    if not rejects:
        return
    table = pa.table(
        {
            "project": pa.array([batch.project for batch, _ in rejects], pa.string()),
            "batch_id": pa.array([batch.batch_id for batch, _ in rejects], pa.string()),
            "line": [reject.line for _, reject in rejects],
            "received_ns": [received_ns] * len(rejects),
            "reason": [reject.reason for _, reject in rejects],
            "raw": pa.array([reject.raw for _, reject in rejects], pa.binary()),
            "reject_id": [secrets.token_hex(16) for _ in rejects],
            "form": [reject.form for _, reject in rejects],
            "size_bytes": [reject.size_bytes or len(reject.raw) for _, reject in rejects],
            "context": pa.array([reject.context for _, reject in rejects], pa.binary()),
        }
    )
    insert_rows(connection, "rejects", table)


def _save_losses(connection: duckdb.DuckDBPyConnection, batches: Sequence[Batch]) -> None:
    # Those of replays too: a batch that is sent again may carry a later count than it did then.
    losses = [loss for batch in batches for loss in batch.losses]
    if losses:
        projects = [batch.project for batch in batches for _ in batch.losses]
        save_losses(connection, losses, projects)


def _find_known(rows: pa.Table, stored: set[Identity]) -> Mask:
    keys = rows["span_key"].to_numpy()
    if not stored and len(np.unique(keys)) == len(keys):
        return np.zeros(len(rows), dtype=np.bool_)
    columns = (rows[name].to_pylist() for name in ("project", "trace_id", "span_id"))
    return _mark_known(list(zip(*columns, strict=True)), stored)


def _mark_known(identities: Sequence[Identity], stored: set[Identity]) -> Mask:
    """Return which rows are stored already, or stand here a second time."""
    is_known = np.zeros(len(identities), dtype=np.bool_)
    if stored or len(set(identities)) < len(identities):
        seen = set(stored)
        for row, identity in enumerate(identities):
            is_known[row] = identity in seen
            seen.add(identity)
    return is_known


def _find_windows(starts_ns: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Iterator[_Window]:
    ordered = np.sort(starts_ns)
    gaps = np.diff(ordered)
    widest = np.argsort(gaps)[::-1][: _MAX_WINDOWS - 1]
    edges = sorted(int(index) + 1 for index in widest if gaps[index] > _GAP_NS)
    for first, end in zip([0, *edges], [*edges, len(ordered)], strict=True):
        yield _Window(int(ordered[first]) - _APART_NS, int(ordered[end - 1]) + _APART_NS)


def _repeat_projects(tallies: Sequence[_Tally], counts: Sequence[int]) -> list[str]:
    pairs = zip(tallies, counts, strict=True)
    return [tally.batch.project for tally, count in pairs for _ in range(count)]


def _count(tallies: Sequence[_Tally], counts: Sequence[int], is_known: Mask) -> None:
    first = 0
    for tally, count in zip(tallies, counts, strict=True):
        duplicates = int(is_known[first : first + count].sum())
        tally.duplicates += duplicates
        tally.accepted += count - duplicates
        first += count
