"""Erasing a user, a session or a trace: who has to hold still, and in which order it is done.

First the tombstones are set, in the transaction that finds the spans: from then on nothing of them
comes in. The describer and the jobs hold still until all is deleted, so that neither saves what it
read before; a job that ran begins again. An erasure that is cut off has no receipt, and is asked
for once more.
"""

import threading
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from headway_collector.callers import Caller
from headway_collector.describing import Describer
from headway_collector.jobs import Jobs
from headway_collector.store.audit import save_action
from headway_collector.store.connections import Store
from headway_collector.store.erasures import (
    Remains,
    Target,
    blank_results,
    bury,
    bury_sessions,
    cut,
    delete_around,
    delete_mentions,
    delete_spans,
    find_remains,
    find_shared,
    find_spans,
    list_targets,
)
from headway_collector.store.mentions import Finder, Mentions, find_mentions
from headway_collector.store.receipts import Receipt, read_receipt, save_receipt
from headway_collector.store.tombstones import Tombstones
from headway_collector.writing import Writer

TABLES = (
    "spans",
    "descriptors",
    "scores",
    "late_events",
    "results",
    "comparisons",
    "drift_cards",
    "jobs",
    "rejects",
    "batches",
)
"""What a receipt counts rows of; of ``results``, ``comparisons`` and ``batches`` those blanked."""

# Deleted rows take a few bytes each in the log; the descriptors and scores go with them.
_ROW_BYTES = 200


class _Found(NamedTuple):
    """The keys of the spans, and the traces that stay because others are in them."""

    gone: pa.Table
    shared: set[str]


class Eraser:
    """Erases, one target at a time; its calls wait, so they are not for the event loop.

    Args:
        store: what is read.
        writer: what deletes, and refuses what comes late.
        describer: holds still meanwhile.
        jobs: likewise.
        clock_ns: when it was.
        make_id: gives receipts an id.
    """

    def __init__(
        self,
        store: Store,
        writer: Writer,
        describer: Describer,
        jobs: Jobs,
        *,
        clock_ns: Callable[[], int],
        make_id: Callable[[], str],
    ) -> None:
        self._store = store
        self._writer = writer
        self._describer = describer
        self._jobs = jobs
        self._clock_ns = clock_ns
        self._make_id = make_id
        self._turn = threading.Lock()

    def erase(self, target: Target, caller: Caller) -> dict[str, Any]:
        """Erase a target from every read, and return the receipt.

        Raises:
            QueueFullError: the writer has too much to do.
            StoreUnavailableError: the database is down.
        """
        with self._turn, self._jobs.held(), self._describer.held():
            found = self._writer.perform(partial(self._begin, target=target)).result()
            finder = _make_finder(target, found.gone, found.shared)
            mentions = find_mentions(self._store, target.project, finder)
            *most, last = cut(found.gone)
            counts: Counter[str] = Counter()
            for chunk in most:
                task = partial(delete_spans, gone=chunk)
                counts.update(self._writer.perform(task, *_measure(chunk)).result())
            receipt_id, erased_ns = self._make_id(), self._clock_ns()

            def finish(connection: duckdb.DuckDBPyConnection) -> None:
                total = counts + Counter(delete_spans(connection, last))
                remains = find_remains(connection, target, found.gone)
                bury_sessions(connection, self._writer.tombstones, target, remains, erased_ns)
                total += Counter(clear_around(connection, target, found.gone, remains, mentions))
                self._jobs.drop(mentions.jobs)
                self._sign(connection, target, caller, receipt_id, total)

            self._writer.perform(finish, *_measure(last)).result()
        return read_receipt(self._store, receipt_id)

    def _begin(self, connection: duckdb.DuckDBPyConnection, target: Target) -> _Found:
        gone = find_spans(connection, target)
        bury(connection, self._writer.tombstones, target, gone, self._clock_ns())
        return _Found(gone, set(find_shared(connection, target.project, gone)))

    def _sign(
        self,
        connection: duckdb.DuckDBPyConnection,
        target: Target,
        caller: Caller,
        receipt_id: str,
        total: Counter[str],
    ) -> None:
        now_ns = self._clock_ns()
        counts = {table: total[table] for table in TABLES}
        receipt = Receipt(target.project, receipt_id, target.kind, caller.key_id, now_ns, counts)
        save_receipt(connection, receipt)
        detail = {"receipt_id": receipt_id, "kind": target.kind, "counts": counts}
        save_action(connection, "erasure.make", caller, target.project, detail, now_ns)


def clear_around(
    connection: duckdb.DuckDBPyConnection,
    target: Target,
    gone: pa.Table,
    remains: Remains,
    mentions: Mentions,
) -> dict[str, int]:
    """Delete what hung on deleted spans otherwise than by a key, and return how much that was."""
    return {
        **delete_around(connection, target, gone, remains),
        **blank_results(connection, target.project, gone, remains),
        **delete_mentions(connection, target.project, mentions),
    }


def reapply_tombstones(path: Path) -> int:
    """Erase once more whom the tombstones of a database name, and return how many those were.

    It is for a backup from before an erasure, while nobody serves it.

    Raises:
        StoreError: the file cannot be opened.
    """
    store = Store(path)
    count = 0
    try:
        with store.transaction() as connection:
            targets = list(list_targets(connection, Tombstones()))
        for target, erased_ns in targets:
            with store.transaction() as connection:
                found = find_spans(connection, target)
                # What a user did since is no matter of the erasure.
                gone = found.filter(pc.less_equal(found["start_ns"], erased_ns))
                shared = set(find_shared(connection, target.project, gone))
            if not len(gone):
                continue
            count += 1
            mentions = find_mentions(store, target.project, _make_finder(target, gone, shared))
            with store.transaction() as connection:
                delete_spans(connection, gone)
                remains = find_remains(connection, target, gone)
                clear_around(connection, target, gone, remains, mentions)
        store.checkpoint()
    finally:
        store.close()
    return count


def _make_finder(target: Target, gone: pa.Table, shared: set[str]) -> Finder:
    traces = {*gone["trace_id"].unique().to_pylist()} - shared
    ids = {*gone["span_id"].to_pylist(), *traces}
    if target.kind == "trace":
        return Finder(None, {*ids, target.identity})
    return Finder(target.identity, ids)


def _measure(chunk: pa.Table) -> tuple[int, int]:
    return _ROW_BYTES * len(chunk), max(1, len(chunk) // 5)
