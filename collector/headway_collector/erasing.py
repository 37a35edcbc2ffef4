"""Erasing a user, a session or a trace: who has to hold still, and in which order it is done.

First the tombstones are set, in the transaction that finds the spans: from then on nothing of them
comes in. The describer and the jobs hold still until all is deleted, so that neither saves what it
read before; a job that ran begins again. Each transaction leaves nothing behind of the calls it
deletes. An erasure that is cut off is ended at the next start or in the next night.
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

from headway_collector.callers import EVERYONE, Caller
from headway_collector.describing import Describer
from headway_collector.jobs import Jobs
from headway_collector.quoting import find_quoting
from headway_collector.store.audit import save_action
from headway_collector.store.candidates import list_targets
from headway_collector.store.connections import Store
from headway_collector.store.erasures import (
    Remains,
    bury_sessions,
    cut,
    delete_around,
    delete_mentions,
    delete_spans,
    find_remains,
)
from headway_collector.store.eval_remains import blank_results
from headway_collector.store.mentions import FOREVER_NS, Finder, Mentions, find_mentions
from headway_collector.store.receipts import (
    Begun,
    Receipt,
    find_begun,
    read_receipt,
    save_begun,
    save_receipt,
)
from headway_collector.store.targets import Target, bury, find_shared, find_spans
from headway_collector.writing import Writer

TABLES = (
    "spans",
    "descriptors",
    "scores",
    "authored_scores",
    "late_events",
    "results",
    "comparisons",
    "drift_cards",
    "jobs",
    "rejects",
    "batches",
)
"""What a receipt counts rows of; of ``results``, ``comparisons`` and ``batches`` those blanked.

``authored_scores`` are those that an erased user gave to others' calls: they stay as figures,
without author and words.
"""

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
            receipt_id = self._make_id()
            begin = partial(self._begin, target, caller, receipt_id)
            found: _Found = self._writer.perform(begin).result()
            self._delete(target, caller, receipt_id, found)
        return read_receipt(self._store, receipt_id)

    def finish(self) -> int:
        """End the erasures that were cut off, and return how many those were.

        Who it was stands in the note of it until it is signed.

        Raises:
            QueueFullError: the writer has too much to do; what is done is done.
            StoreUnavailableError: the database is down.
        """
        if not find_begun(self._store):
            return 0
        with self._turn, self._jobs.held(), self._describer.held():
            # Looked for once more: those that ran meanwhile are ended now.
            begun = find_begun(self._store)
            for each in begun:
                self._go_on(each)
        return len(begun)

    def _begin(
        self,
        target: Target,
        caller: Caller,
        receipt_id: str,
        connection: duckdb.DuckDBPyConnection,
    ) -> _Found:
        gone = find_spans(connection, target)
        now_ns = self._clock_ns()
        bury(connection, self._writer.tombstones, target, gone, now_ns)
        receipt = Receipt(target.project, receipt_id, target.kind, caller.key_id, now_ns, {})
        save_begun(connection, receipt, target.identity)
        return _Found(gone, set(find_shared(connection, target.project, gone)))

    def _go_on(self, begun: Begun) -> None:
        """Delete what is left, and sign the receipt."""
        target = Target(begun.project, begun.kind, begun.identity)
        look = partial(_look, target=target, until_ns=begun.created_ns)
        found = self._writer.perform(look).result()
        self._delete(target, EVERYONE, begun.receipt_id, found, begun.created_ns)

    def _delete(
        self,
        target: Target,
        caller: Caller,
        receipt_id: str,
        found: _Found,
        until_ns: int = FOREVER_NS,
    ) -> None:
        finder = _make_finder(target, found.gone, found.shared)
        mentions = find_all_mentions(
            self._store, target.project, finder, found.gone, caller, until_ns
        )
        chunks = list(cut(found.gone))
        counts: Counter[str] = Counter()

        def work(connection: duckdb.DuckDBPyConnection, number: int) -> Counter[str]:
            total = Counter(counts)
            # What names the calls goes first: later nobody knows all their ids any more.
            if number == 0:
                total.update(delete_mentions(connection, target.project, mentions))
                self._jobs.drop([each.name for each in mentions.jobs])
            total.update(self._clear(connection, target, chunks[number], until_ns))
            if number == len(chunks) - 1:
                self._sign(connection, target, caller, receipt_id, total)
            return total

        for number, chunk in enumerate(chunks):
            task = partial(work, number=number)
            counts = self._writer.perform(task, *_measure(chunk)).result()

    def _clear(
        self,
        connection: duckdb.DuckDBPyConnection,
        target: Target,
        chunk: pa.Table,
        until_ns: int,
    ) -> Counter[str]:
        counts = Counter(delete_spans(connection, chunk))
        remains = find_remains(connection, target, chunk)
        tombstones = self._writer.tombstones
        bury_sessions(connection, tombstones, target, remains, self._clock_ns())
        counts.update(clear_around(connection, target, chunk, remains, until_ns))
        return counts

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
    until_ns: int,
) -> Counter[str]:
    """Delete what hung on deleted spans otherwise than by a key, and return how much that was."""
    counts = Counter(delete_around(connection, target, gone, remains, until_ns))
    named = target.identity if target.kind == "trace" else None
    counts.update(blank_results(connection, target.project, gone, remains.traces, named))
    return counts


def find_all_mentions(
    store: Store,
    project: str,
    finder: Finder,
    gone: pa.Table,
    caller: Caller,
    until_ns: int = FOREVER_NS,
) -> Mentions:
    """Return what names the target or the calls, or may quote them, while these are there."""
    mentions = find_mentions(store, project, finder, until_ns)
    has_all = caller.projects is None
    cards, jobs = find_quoting(store, project, gone, has_all_projects=has_all)
    mentions.cards |= cards
    mentions.jobs |= jobs
    return mentions


def reapply_tombstones(path: Path) -> int:
    """Erase once more whom the tombstones of a database name, and return how many those were.

    It is for a backup from before an erasure, while nobody serves it.

    Raises:
        StoreError: the file cannot be opened.
    """
    store = Store(path)
    count = 0
    try:
        for target, erased_ns in list_targets(store):
            with store.transaction() as connection:
                gone, shared = _look(connection, target, erased_ns)
            finder = _make_finder(target, gone, shared)
            mentions = find_all_mentions(store, target.project, finder, gone, EVERYONE, erased_ns)
            with store.transaction() as connection:
                counts = Counter(delete_mentions(connection, target.project, mentions))
                counts.update(delete_spans(connection, gone))
                remains = find_remains(connection, target, gone)
                counts.update(clear_around(connection, target, gone, remains, erased_ns))
            count += any(counts.values())
        store.checkpoint()
    finally:
        store.close()
    return count


def _look(connection: duckdb.DuckDBPyConnection, target: Target, until_ns: int) -> _Found:
    """Return what is left of a target that was erased; what a user did since is none of it."""
    found = find_spans(connection, target)
    gone = found.filter(pc.less_equal(found["start_ns"], until_ns))
    return _Found(gone, set(find_shared(connection, target.project, gone)))


def _make_finder(target: Target, gone: pa.Table, shared: set[str]) -> Finder:
    traces = {*gone["trace_id"].unique().to_pylist()} - shared
    ids = {*gone["span_id"].to_pylist(), *traces}
    return Finder(target.kind, target.identity, ids)


def _measure(chunk: pa.Table) -> tuple[int, int]:
    return _ROW_BYTES * len(chunk), max(1, len(chunk) // 5)
