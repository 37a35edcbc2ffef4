"""The nightly housekeeping: what the rules of retention are past, then the file written anew.

It runs at one time of the day, and when it is asked to. The writer goes on beside it: each chunk is
a short transaction of its own, and batches come in between. A night that was missed because no
collector ran is made up for soon after the start where erased bytes wait for it.
"""

import logging
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import duckdb

from headway_collector.errors import QueueFullError, RequestError, StoreUnavailableError
from headway_collector.store.clearings import is_worth_rewriting, note_clearing
from headway_collector.store.connections import Store
from headway_collector.store.erasures import delete_spans
from headway_collector.store.receipts import find_pending
from headway_collector.store.retention import (
    DAY_NS,
    Due,
    blank_scores,
    blank_spans,
    clear_table,
    count_due,
    delete_orphans,
    find_due,
    read_due,
    read_rules,
)
from headway_collector.tuning import step_back
from headway_collector.writing import Writer

NIGHTLY = "03:00"
"""When it runs, in UTC."""

_MINUTE_NS = 60 * 10**9
# So that a start is not held up.
_FIRST_S = 60.0
_RETRY_S = 1.0
# A chunk's share of the writer's time at most.
_REST = 1.0
_ROW_BYTES = 500
_TIME = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")

_log = logging.getLogger(__name__)


class Outcome(Protocol):
    """What is known of a rewrite."""

    @property
    def fault(self) -> str | None:
        """Why nothing came of it, or None."""


class Rewrites(Protocol):
    """Writes the file anew, so that no deleted byte is left in it."""

    def run(self, reason: str) -> Outcome:
        """Do so, and return what came of it."""


@dataclass(frozen=True, slots=True)
class Term:
    """How many rows a rule is past."""

    project: str
    table: str
    kind: str | None
    work: str
    count: int


@dataclass(frozen=True, slots=True)
class Applied:
    """What was taken, and whether that was all."""

    terms: list[Term]
    is_done: bool


class _StoppedError(Exception):
    """The collector ends."""


def parse_nightly(text: str) -> int:
    """Return the nanoseconds from midnight of a time such as ``03:00``.

    Raises:
        ValueError: it is none.
    """
    found = _TIME.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!r} is no time of the day such as {NIGHTLY} (UTC)")
    return (int(found[1]) * 60 + int(found[2])) * _MINUTE_NS


def check_nightly(text: str) -> str:
    """Return a time of the day as it is.

    Raises:
        ValueError: it is none.
    """
    parse_nightly(text)
    return text


def find_next(nightly_ns: int, now_ns: int) -> int:
    """Return when that time of the day comes next."""
    today_ns = now_ns - now_ns % DAY_NS + nightly_ns
    return today_ns if today_ns > now_ns else today_ns + DAY_NS


class Housekeeper:
    """The thread that does it.

    Args:
        store: what is read.
        writer: deletes.
        rewriter: gets the bytes out of the file.
        nightly: the time of the day, in UTC.
        clock_ns: what time it is.
        first_s: how long after the start a missed night is made up for.
        finish: ends erasures that were cut off, and returns how many.
        hold: keeps the describer from saving what it read, while texts are taken out.
    """

    def __init__(
        self,
        store: Store,
        writer: Writer,
        rewriter: Rewrites,
        *,
        nightly: str = NIGHTLY,
        clock_ns: Callable[[], int] = time.time_ns,
        first_s: float = _FIRST_S,
        finish: Callable[[], int] = lambda: 0,
        hold: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self._store = store
        self._writer = writer
        self._rewriter = rewriter
        self._nightly_ns = parse_nightly(nightly)
        self._clock_ns = clock_ns
        self._first_s = first_s
        self._finish = finish
        self._hold = hold
        self._turn = threading.Lock()
        self._changed = threading.Condition()
        self._is_asked = False
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="headway-housekeeper", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def close(self) -> None:
        """End the thread after the chunk that it is at; the rewriter has to be closed before."""
        with self._changed:
            self._closing.set()
            self._changed.notify_all()
        self._thread.join()

    def ask_for_rewrite(self) -> None:
        """Have the file written anew now, where erased bytes wait for that; never waits."""
        with self._changed:
            self._is_asked = True
            self._changed.notify_all()

    def count_due(self, projects: Sequence[str] = ()) -> list[Term]:
        """Return what the rules are past now, without deleting anything."""
        due = find_due(self._store, read_rules(self._store), self._clock_ns(), projects)
        counted = [(each, count_due(self._store, each)) for each in due]
        return [_tell(each, count) for each, count in counted if count]

    def apply_rules(self, projects: Sequence[str] = (), *, limit_s: float | None = None) -> Applied:
        """Delete and blank what the rules are past, and return how much that was.

        Args:
            projects: only in these; none means all.
            limit_s: after as long no other chunk is begun.

        Raises:
            StoreUnavailableError: the collector ends; what is done is done.
        """
        end_s = None if limit_s is None else time.monotonic() + limit_s
        with self._turn:
            try:
                return self._apply(projects, end_s)
            except _StoppedError:
                raise StoreUnavailableError("the collector is shutting down") from None

    def _apply(self, projects: Sequence[str], end_s: float | None) -> Applied:
        done: Counter[Due] = Counter()
        now_ns = self._clock_ns()
        for due in find_due(self._store, read_rules(self._store), now_ns, projects):
            if due.table not in ("spans", "scores"):
                done[due] += self._perform(partial(clear_table, due=due), 0)
                continue
            while len(gone := read_due(self._store, due)):
                done[due] += len(gone)
                task: Callable[[duckdb.DuckDBPyConnection], object]
                if due.work == "days":
                    task = partial(delete_spans, gone=gone)
                elif due.table == "scores":
                    task = partial(blank_scores, gone=gone)
                else:
                    task = partial(blank_spans, gone=gone)
                with nullcontext() if due.work == "days" else self._hold():
                    self._perform(task, len(gone) if due.table == "spans" else 0)
                if end_s is not None and time.monotonic() > end_s:
                    return Applied(_tell_all(done), is_done=False)
            if due.work == "days":
                orphans = partial(delete_orphans, project=due.project, before_ns=due.before_ns)
                self._perform(orphans, 0)
        return Applied(_tell_all(done), is_done=True)

    def _perform(self, task: Callable[[duckdb.DuckDBPyConnection], object], rows: int) -> int:
        """Have the writer do it, then leave the writer to others for as long as that took."""

        def take(connection: duckdb.DuckDBPyConnection) -> int:
            found = task(connection)
            count = found if isinstance(found, int) else 0
            note_clearing(connection, self._clock_ns(), rows, 0 if rows else count)
            return count

        while True:
            began_s = time.monotonic()
            try:
                done = self._writer.perform(take, rows * _ROW_BYTES, max(1, rows)).result()
            except (QueueFullError, StoreUnavailableError) as error:
                _log.info("housekeeping goes on later: %s", error)
                self._rest(_RETRY_S)
            else:
                self._rest((time.monotonic() - began_s) * _REST)
                return done

    def _rest(self, pause_s: float) -> None:
        if self._closing.wait(pause_s):
            raise _StoppedError

    def _run(self) -> None:
        step_back()
        self._end_erasures()
        due_ns = self._find_first()
        while True:
            with self._changed:
                while not (self._closing.is_set() or self._is_asked):
                    wait_s = (due_ns - self._clock_ns()) / 1e9
                    if wait_s <= 0:
                        break
                    self._changed.wait(min(wait_s, 3_600.0))
                if self._closing.is_set():
                    return
                is_asked, self._is_asked = self._is_asked, False
            is_night = self._clock_ns() >= due_ns
            if is_night:
                due_ns = find_next(self._nightly_ns, self._clock_ns())
            self._keep_house(is_night, "asked for" if is_asked else "nightly")

    def _find_first(self) -> int:
        """Return when the first night is; soon, where one was missed."""
        now_ns = self._clock_ns()
        try:
            pending_ns = find_pending(self._store)
        except RequestError:
            pending_ns = None
        if pending_ns is not None and now_ns - pending_ns > DAY_NS:
            return now_ns + int(self._first_s * 1e9)
        return find_next(self._nightly_ns, now_ns)

    def _end_erasures(self) -> None:
        try:
            if count := self._finish():
                _log.info("%d erasures that were cut off are ended", count)
        except (RequestError, QueueFullError, StoreUnavailableError) as error:
            _log.info("erasures that were cut off are ended later: %s", error)
        except Exception:  # as below
            _log.exception("an erasure that was cut off cannot be ended")

    def _keep_house(self, is_night: bool, reason: str) -> None:
        self._end_erasures()
        try:
            if is_night:
                for term in self.apply_rules().terms:
                    _log.info("retention: %s", term)
            is_worth = is_night and is_worth_rewriting(self._store, self._clock_ns())
            if find_pending(self._store) is None and not is_worth:
                return
            outcome = self._rewriter.run(reason)
            if outcome.fault is not None:
                _log.error("erased bytes are still in the file: %s", outcome.fault)
        except StoreUnavailableError as error:
            _log.info("housekeeping goes on at the next time: %s", error)
        except Exception:  # the thread must outlive every fault of a night
            _log.exception("housekeeping failed")


def _tell_all(done: Counter[Due]) -> list[Term]:
    return [_tell(each, count) for each, count in done.items() if count]


def _tell(due: Due, count: int) -> Term:
    return Term(due.project, due.table, due.kind, due.work, count)
