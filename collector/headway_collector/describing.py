"""Descriptors of stored calls: after ingest by a thread of their own, and in bulk on demand.

Texts are read and described beside the writer, which is given finished rows; while it is busy, one
chunk a second is all. What a kill takes is found again: rows are saved together with the mark that
says how far they lead. Only one chunk is in the making at any time, so that what was read last is
what stands.
"""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa

from headway_collector.errors import QueueFullError, StoreUnavailableError
from headway_collector.own_functions import OwnFunctions
from headway_collector.remapping import Progress
from headway_collector.store.audit import Act, save_act
from headway_collector.store.chunks import Selection
from headway_collector.store.connections import Store
from headway_collector.store.descriptor_rows import Saving, save
from headway_collector.store.descriptors import (
    CallKey,
    DueKey,
    Fresh,
    count_calls,
    find_calls,
    find_described,
    find_fresh,
    has_calls,
    measure_calls,
    read_calls,
    read_due,
    read_mark,
    read_section,
)
from headway_collector.store.own import raise_versions
from headway_collector.store.paging import Page
from headway_collector.tuning import step_back
from headway_collector.writing import Writer

if TYPE_CHECKING:
    from headway_collector.descriptions import Described

DESCRIBED_ROWS = 1_000
"""About as many as half a second is enough for."""

_CHUNK_BYTES = 4 * 1024 * 1024
# A row of descriptors takes about a fifth of the place of a span.
_ROWS_A_SPAN = 5
_ROW_BYTES = 500

# Of the calls of all projects, which whoever may see some of them alone is not to know.
_UNTOLD = dict.fromkeys(("calls", "faults", "last_fault", "left_out"))

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Describing:
    """What makes descriptors, and the version that its rows are of."""

    version: int
    describe: "Callable[[Sequence[dict[str, Any]]], Described]"


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How often the thread looks, in seconds.

    Args:
        first_s: from the start to the first look, so that a start is not held up.
        gather_s: from a commit to a look, so that many commits are one chunk.
        busy_s: between chunks while the writer is busy.
        retry_s: after a fault.
        share: of the time that it rests between chunks, to that of the last chunk.
    """

    first_s: float = 1.0
    gather_s: float = 0.2
    busy_s: float = 1.0
    retry_s: float = 5.0
    share: float = 0.5


def load_describing(own: OwnFunctions) -> Describing:
    """Return the descriptors of today, for which polars is imported, beside the user's own."""
    # Its threads would take the cores from ingest and from reads.
    os.environ.setdefault("POLARS_MAX_THREADS", "1")
    from headway_collector.descriptions import describe_calls
    from headway_measures.descriptors.catalog import VERSION

    return Describing(VERSION, partial(describe_calls, ask=own.describe))


class Describer:
    """Keeps every stored call described.

    Args:
        store: what is read.
        writer: saves the rows.
        clock_ns: what the lag is counted back from.
        own: the user's functions, which are closed with it.
        load: called once there is a call to describe; without it what is made today.
        chunk_rows: how many calls are described at once.
    """

    def __init__(
        self,
        store: Store,
        writer: Writer,
        *,
        clock_ns: Callable[[], int] = time.time_ns,
        rhythm: Rhythm | None = None,
        own: OwnFunctions | None = None,
        load: Callable[[], Describing] | None = None,
        chunk_rows: int = DESCRIBED_ROWS,
    ) -> None:
        self._store = store
        self._writer = writer
        self._clock_ns = clock_ns
        self._rhythm = rhythm or Rhythm()
        self._own = own or OwnFunctions()
        self._load = load or partial(load_describing, self._own)
        self._chunk_rows = chunk_rows
        self._describing: Describing | None = None
        self._mark_ns: int | None = None
        self._faults = 0
        self._turn = threading.Lock()
        self._woken = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="headway-describer", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def close(self) -> None:
        """End the thread, after the chunk that it is at; the writer has to run until then.

        A chunk that the user's functions are asked about is given up: they may take their time.
        """
        self._closing.set()
        self._own.close()
        self._woken.set()
        self._thread.join()

    def wake(self) -> None:
        """Say that something was committed."""
        self._woken.set()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Let no chunk be read or saved while the block runs."""
        with self._turn:
            yield

    def describe_next(self) -> int | None:
        """Describe the next chunk of what arrived or was written anew.

        Returns:
            how many rows that are; None where nothing was left to describe.
        """
        with self._turn:
            describing = self._find_describing()
            if describing is None:
                return None
            if self._mark_ns is None:
                self._mark_ns = read_mark(self._store, describing.version)
            # Before the texts are read: what is noted from here on stays due.
            due = read_due(self._store, self._chunk_rows)
            fresh = find_fresh(self._store, describing.version, self._mark_ns, self._chunk_rows)
            if not due and not fresh.keys:
                # Nothing is worth a commit; the next look need not pass these arrivals again.
                self._mark_ns = fresh.done_ns
                return None
            return self._describe_waiting(describing, due, fresh, self._mark_ns)

    def describe_chunk(
        self, selection: Selection, page: Page, *, is_all: bool = False, act: Act | None = None
    ) -> Progress:
        """Describe the next chunk of the calls that are meant, where they lack a row, or all.

        Args:
            selection: which calls.
            page: which chunk of them.
            is_all: also those that have a row.
            act: what the audit is to say, where anything was described.

        Raises:
            QueueFullError: the writer has too much to do.
            StoreUnavailableError: the database is down.
        """
        with self._turn:
            describing = self._find_describing()
            if describing is None:
                return Progress(None, 0, 0)
            section = read_section(self._store, selection, page)
            known = (
                set() if is_all else find_described(self._store, describing.version, section.keys)
            )
            wanted = [key for key in section.keys if key not in known]
            taken = self._take(wanted)
            rows, silent = self._describe(describing, taken)
            if len(rows):
                self._save(Saving(describing.version, rows, silent=silent), act)
            if len(taken) < len(wanted):
                reached = section.keys.index(taken[-1])
                return Progress(section.cursors[reached], reached + 1, len(rows))
            cursor = None if section.is_last else section.cursors[-1]
            return Progress(cursor, len(section.keys), len(rows))

    def tell(self, projects: tuple[str, ...] | None = None) -> dict[str, Any]:
        """Return how many calls are described, and how far behind their arrival that is.

        Args:
            projects: only of these; what is counted over all is then left out.
        """
        describing = self._find_describing()
        own = [{**each, **(_UNTOLD if projects else {})} for each in self._own.tell()]
        if describing is None:
            nothing = {"version": None, "described": 0, "due": 0, "lag_s": 0.0, "faults": 0}
            return {**nothing, "own": own}
        counts = count_calls(self._store, describing.version, projects or ())
        first_ns = counts["first_ns"]
        lag_ns = 0 if first_ns is None else max(0, self._clock_ns() - first_ns)
        return {
            "version": describing.version,
            "described": counts["described"],
            "due": counts["fresh"] + counts["again"],
            "lag_s": round(lag_ns / 1e9, 3),
            "faults": None if projects else self._faults,
            "own": own,
        }

    def _run(self) -> None:
        step_back()
        self._closing.wait(self._rhythm.first_s)
        while not self._closing.is_set():
            self._woken.clear()
            if not self._closing.is_set():  # else its waking may just have been cleared
                self._closing.wait(self._work())

    def _work(self) -> float:
        """Describe a chunk, or wait until there may be one; return for how long to rest."""
        began_s = time.monotonic()
        try:
            rows = self.describe_next()
        except (QueueFullError, StoreUnavailableError) as error:
            _log.info("calls are described later: %s", error)
            return self._rhythm.retry_s
        except Exception:  # the thread must outlive every fault of a chunk
            _log.exception("calls cannot be described")
            return self._rhythm.retry_s
        if rows is None:
            self._woken.wait()
        pause_s = self._rhythm.gather_s if rows is None else 0.0
        if self._writer.is_busy:
            return max(pause_s, self._rhythm.busy_s)
        return max(pause_s, (time.monotonic() - began_s) * self._rhythm.share if rows else 0.0)

    def _find_describing(self) -> Describing | None:
        if self._describing is None and has_calls(self._store):
            if versions := self._own.versions:
                self._writer.perform(partial(raise_versions, versions=versions)).result()
            self._describing = self._load()
        return self._describing

    def _describe_waiting(
        self, describing: Describing, due: dict[DueKey, int], fresh: Fresh, mark_ns: int
    ) -> int:
        again = find_calls(self._store, due)
        keys = list(dict.fromkeys([*again, *fresh.keys]))
        taken = self._take(keys)
        left = keys[len(taken) :]
        unsettled = {key.due for key in left}
        came_ns = [fresh.keys[key] - 1 for key in left if key in fresh.keys]
        reached_ns = max(mark_ns, min([fresh.done_ns, *came_ns]))
        rows, silent = self._describe(describing, taken)
        settled = {key: times for key, times in due.items() if key not in unsettled}
        self._save(Saving(describing.version, rows, settled, reached_ns, silent))
        self._mark_ns = reached_ns
        return len(rows)

    def _take(self, keys: Sequence[CallKey]) -> list[CallKey]:
        """Return as many as fit into memory and a few seconds, and at least one."""
        sizes = measure_calls(self._store, keys)
        taken, left_bytes = [], _CHUNK_BYTES
        for key in keys[: self._own.most_calls]:
            taken.append(key)
            left_bytes -= sizes.get(key, 0)
            if left_bytes <= 0:
                break
        return taken

    def _describe(
        self, describing: Describing, keys: Sequence[CallKey]
    ) -> tuple[pa.Table, frozenset[CallKey]]:
        """Return rows, and those of the calls that have no texts."""
        calls = read_calls(self._store, keys)
        described = describing.describe(calls)
        self._faults += described.faults
        silent = [each for each in calls if each["input"] is None and each["output"] is None]
        names = CallKey._fields
        return described.rows, frozenset(CallKey(*(each[n] for n in names)) for each in silent)

    def _save(self, saving: Saving, act: Act | None = None) -> None:
        count = len(saving.rows)

        def task(connection: duckdb.DuckDBPyConnection) -> None:
            save(connection, saving=saving)
            if act is not None:
                save_act(connection, act, {"changed": count})

        row_count = max(1, count // _ROWS_A_SPAN)
        self._writer.perform(task, count * _ROW_BYTES, row_count).result()
