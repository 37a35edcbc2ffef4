"""Batches into tables, exactly once, inside one transaction that the caller commits.

A batch that was seen before is answered as it was then. A span that was seen before, in any
batch, is a duplicate: it is looked for only where a span of that time can lie. Scores and batches
are looked up by a 64-bit key.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import duckdb
import msgspec
import numpy as np
import pyarrow as pa

from headway.records import IngestAnswer, RejectedLine, Score, Span
from headway_collector.decoding import Reject
from headway_collector.store.columns import build_scores, build_spans, make_key

Mask = np.ndarray[tuple[int], np.dtype[np.bool_]]

SHOWN_ERRORS = 20

# Spans further apart than this are looked up by themselves, so that an import of last year's logs
# beside live traffic does not read the year between; more windows than this would cost more.
_GAP_NS = 3_600_000_000_000
_MAX_WINDOWS = 8


@dataclass(frozen=True, slots=True)
class Batch:
    """What one request brings: records that were checked, and lines that were refused."""

    project: str
    batch_id: str | None = None
    spans: Sequence[Span] = ()
    price_versions: Sequence[str | None] = ()
    scores: Sequence[Score] = ()
    rejects: Sequence[Reject] = ()

    @property
    def row_count(self) -> int:
        """How many rows it asks to write."""
        return len(self.spans) + len(self.scores) + len(self.rejects)


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
            rejected=len(rejects),
            errors=[RejectedLine(line=r.line, reason=r.reason) for r in rejects[:SHOWN_ERRORS]],
        )


@dataclass(frozen=True, slots=True)
class _Window:
    """A stretch of time in which spans of the batches lie."""

    first_ns: int
    last_ns: int


def append_batches(
    connection: duckdb.DuckDBPyConnection, batches: Sequence[Batch], received_ns: int
) -> list[IngestAnswer]:
    """Write what is new in the batches and return an answer for each, in their order."""
    identities = [(each.project, each.batch_id or index) for index, each in enumerate(batches)]
    known = _find_answers(connection, batches)
    fresh: dict[tuple[str, str | int], _Tally] = {}
    for identity, batch in zip(identities, batches, strict=True):
        if identity not in known:
            fresh.setdefault(identity, _Tally(batch))
    tallies = list(fresh.values())
    _append_spans(connection, tallies, received_ns)
    _append_scores(connection, tallies)
    _append_rejects(connection, tallies, received_ns)
    _append_batch_ids(connection, tallies, received_ns)
    answers = []
    for identity, batch in zip(identities, batches, strict=True):
        if identity in known:
            answers.append(known[identity])
        else:
            answer = fresh[identity].answer()
            answer.is_replay = fresh[identity].batch is not batch
            answers.append(answer)
    return answers


def _find_answers(
    connection: duckdb.DuckDBPyConnection, batches: Sequence[Batch]
) -> dict[tuple[str, str | int], IngestAnswer]:
    named = [(each.project, each.batch_id) for each in batches if each.batch_id is not None]
    if not named:
        return {}
    wanted = pa.table(
        {
            "project": [project for project, _ in named],
            "batch_id": [batch_id for _, batch_id in named],
            "batch_key": [make_key(project, batch_id) for project, batch_id in named],
        }
    )
    connection.register("incoming", wanted)
    rows = connection.execute(
        "SELECT project, batch_id, accepted, duplicates, rejected, errors "
        "FROM store.batches JOIN incoming USING (batch_key, project, batch_id)"
    ).fetchall()
    return {
        (project, batch_id): IngestAnswer(
            accepted=accepted,
            duplicates=duplicates,
            rejected=rejected,
            is_replay=True,
            errors=msgspec.json.decode(errors, type=list[RejectedLine]),
        )
        for project, batch_id, accepted, duplicates, rejected, errors in rows
    }


def _append_spans(
    connection: duckdb.DuckDBPyConnection, tallies: Sequence[_Tally], received_ns: int
) -> None:
    spans = [span for tally in tallies for span in tally.batch.spans]
    if not spans:
        return
    counts = [len(tally.batch.spans) for tally in tallies]
    versions = [each for tally in tallies for each in tally.batch.price_versions]
    table = build_spans(spans, _repeat_projects(tallies, counts), versions, received_ns)
    keys = _keys(table, "project", "trace_id", "span_id")
    is_duplicate = _mark_repeats(keys)
    connection.register("incoming", keys)
    for window in _find_windows(table["start_ns"].to_numpy()):
        stored = connection.execute(
            "SELECT incoming.row FROM incoming JOIN store.spans USING (project, trace_id, span_id) "
            "WHERE spans.start_ns BETWEEN $1 AND $2",
            [window.first_ns, window.last_ns],
        ).fetchnumpy()
        is_duplicate[stored["row"].astype(np.int64)] = True
    _insert(connection, "spans", table.filter(pa.array(~is_duplicate)))
    _count(tallies, counts, is_duplicate)


def _append_scores(connection: duckdb.DuckDBPyConnection, tallies: Sequence[_Tally]) -> None:
    scores = [score for tally in tallies for score in tally.batch.scores]
    if not scores:
        return
    counts = [len(tally.batch.scores) for tally in tallies]
    table = build_scores(scores, _repeat_projects(tallies, counts))
    keys = _keys(table, "project", "score_id", "score_key")
    is_duplicate = _mark_repeats(keys)
    connection.register("incoming", keys)
    stored = connection.execute(
        "SELECT incoming.row FROM incoming JOIN store.scores USING (score_key, project, score_id)"
    ).fetchnumpy()
    is_duplicate[stored["row"].astype(np.int64)] = True
    _insert(connection, "scores", table.filter(pa.array(~is_duplicate)))
    _count(tallies, counts, is_duplicate)


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
        }
    )
    _insert(connection, "rejects", table)


def _append_batch_ids(
    connection: duckdb.DuckDBPyConnection, tallies: Sequence[_Tally], received_ns: int
) -> None:
    named = [(tally, tally.batch.batch_id) for tally in tallies if tally.batch.batch_id is not None]
    if not named:
        return
    answers = [tally.answer() for tally, _ in named]
    table = pa.table(
        {
            "project": [tally.batch.project for tally, _ in named],
            "batch_id": [batch_id for _, batch_id in named],
            "batch_key": [make_key(tally.batch.project, batch_id) for tally, batch_id in named],
            "received_ns": [received_ns] * len(named),
            "accepted": [answer.accepted for answer in answers],
            "duplicates": [answer.duplicates for answer in answers],
            "rejected": [answer.rejected for answer in answers],
            "errors": [msgspec.json.encode(answer.errors).decode() for answer in answers],
        }
    )
    _insert(connection, "batches", table)


def _insert(connection: duckdb.DuckDBPyConnection, name: str, rows: pa.Table) -> None:
    connection.register("incoming", rows)
    connection.execute(f"INSERT INTO store.{name} BY NAME SELECT * FROM incoming")
    # The view would keep the rows in memory until the next commit.
    connection.unregister("incoming")


def _keys(table: pa.Table, *names: str) -> pa.Table:
    """Return the columns that tell rows apart, and the number of each row."""
    return table.select(names).append_column("row", pa.array(range(table.num_rows), pa.int64()))


def _mark_repeats(keys: pa.Table) -> Mask:
    """Return which rows have the keys of an earlier row."""
    is_duplicate = np.zeros(keys.num_rows, dtype=np.bool_)
    columns = [keys[name].to_pylist() for name in keys.column_names[:-1]]
    identities = list(zip(*columns, strict=True))
    if len(set(identities)) < len(identities):
        seen: set[tuple[str, ...]] = set()
        for row, identity in enumerate(identities):
            is_duplicate[row] = identity in seen
            seen.add(identity)
    return is_duplicate


def _find_windows(starts_ns: np.ndarray[tuple[int], np.dtype[np.int64]]) -> Iterator[_Window]:
    ordered = np.sort(starts_ns)
    gaps = np.diff(ordered)
    widest = np.argsort(gaps)[::-1][: _MAX_WINDOWS - 1]
    edges = sorted(int(index) + 1 for index in widest if gaps[index] > _GAP_NS)
    for first, end in zip([0, *edges], [*edges, len(ordered)], strict=True):
        yield _Window(int(ordered[first]), int(ordered[end - 1]))


def _repeat_projects(tallies: Sequence[_Tally], counts: Sequence[int]) -> list[str]:
    pairs = zip(tallies, counts, strict=True)
    return [tally.batch.project for tally, count in pairs for _ in range(count)]


def _count(tallies: Sequence[_Tally], counts: Sequence[int], is_duplicate: Mask) -> None:
    first = 0
    for tally, count in zip(tallies, counts, strict=True):
        duplicates = int(is_duplicate[first : first + count].sum())
        tally.duplicates += duplicates
        tally.accepted += count - duplicates
        first += count
