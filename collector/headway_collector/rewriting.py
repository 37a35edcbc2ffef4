"""The database's file written anew while it is served, and copies of it for backups.

DuckDB only marks what is deleted; its bytes stay until something else is written over them. A file
that was written anew holds nothing but the rows that are alive. The copy is made beside the
writer. What was written meanwhile is then copied after it and compared, round by round, until so
little is left that the writer can wait for the last of it, for a comparison of what changed, and
for the renaming. A change of a row that nobody noted, and that leaves as many rows, is seen by the
last comparison of all rows beside the writer, and not after it.
"""

import logging
import shutil
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from io import BufferedReader
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

from headway_collector.errors import CopyError, QueueFullError, StoreUnavailableError
from headway_collector.store.changes import Changes, unwatch, watch
from headway_collector.store.connections import Store
from headway_collector.store.copies import Copy, save_rewrite
from headway_collector.store.memories import is_short_of_memory
from headway_collector.store.swaps import find_copy_path, remove_copy
from headway_collector.writing import Writer

Stage = str
"""``copied``, ``checked``, ``caught_up``, ``verified``, ``checkpointed``, ``detached``, ``renamed``
or ``attached``: what was done last."""

# So many keys are caught up with in about half a second, for which the writer waits.
_FEW_KEYS = 10_000
_MOST_ROUNDS = 8
# To compare all rows takes a while, in which as much may be written again.
_WHOLE_ROUNDS = 4
_AGAIN_S = 0.1

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a rewrite.

    Args:
        started_ns: what was deleted before is gone from the file's bytes if there is no fault.
        ended_ns: when it ended, Unix time in nanoseconds as above.
        bytes_before: the size of the file; 0 for a database in memory.
        bytes_after: the size of the file that is served now.
        fault: why the old file was kept, or None.
    """

    started_ns: int
    ended_ns: int
    bytes_before: int
    bytes_after: int
    fault: str | None


class Rewriter:
    """Writes the file anew, and copies it, one at a time.

    Args:
        store: what is served.
        writer: writes to it.
        clock_ns: the time that outcomes are stamped with.
        on_stage: told of each stage when it is done.
        free_bytes: tells the free room of a folder.
        few_keys: how much may be left for the step that the writer waits for.
    """

    def __init__(
        self,
        store: Store,
        writer: Writer,
        *,
        clock_ns: Callable[[], int] = time.time_ns,
        on_stage: Callable[[Stage], None] = lambda stage: None,
        free_bytes: Callable[[Path], int] = lambda folder: shutil.disk_usage(folder).free,
        few_keys: int = _FEW_KEYS,
    ) -> None:
        self._store = store
        self._writer = writer
        self._clock_ns = clock_ns
        self._on_stage = on_stage
        self._free_bytes = free_bytes
        self._few_keys = few_keys
        self._turn = threading.Lock()
        self._closing = threading.Event()
        self._copy: Copy | None = None
        self._changes = Changes()

    def run(self, reason: str) -> Outcome:
        """Write the file anew, and return what came of it; faults are told there, never raised.

        It takes as long as reading and writing the whole database; never call it in the writer's
        thread or on the event loop.

        Args:
            reason: stands in the log.
        """
        with self._turn:
            started_ns, before = self._clock_ns(), self._measure_file()
            fault = None if self._store.file is None else self._try_rewrite(self._store.file)
            after = self._measure_file()
            outcome = Outcome(started_ns, self._clock_ns(), before, after, fault)
            if fault is None:
                _log.info("the database was rewritten (%s): %s", reason, outcome)
            else:
                _log.error("the database was not rewritten (%s): %s", reason, fault)
            # A collector that ends, or has no room, cannot write this down either.
            with suppress(QueueFullError, StoreUnavailableError):
                self._writer.perform(partial(save_rewrite, row=asdict(outcome))).result()
            return outcome

    def open_backup(self) -> BufferedReader:
        """Return a file with all that is committed by now, and nothing later.

        It has no name any more, so that nothing of it stays once it is closed.

        Raises:
            StoreUnavailableError: there is no room for it, or the collector ends.
            QueueFullError: the writer has too much to do.
        """
        with self._turn, TemporaryDirectory() as folder:
            file = self._store.file
            path = Path(folder) / "memory.duckdb" if file is None else find_copy_path(file)
            try:
                self._make_backup(path)
                return path.open("rb")
            except duckdb.InterruptException as error:
                raise self._explain_end() from error
            except OSError as error:
                raise StoreUnavailableError(f"{path} cannot be made: {error}") from error
            finally:
                remove_copy(path)

    def _make_backup(self, path: Path) -> None:
        self._with_memory("a backup", lambda: self._copy_all(path))

    def _copy_all(self, path: Path) -> None:
        copy = self._open(path)
        try:
            self._writer.perform(lambda connection: copy.pin()).result()
            self._fill(copy)
            copy.finish()
        finally:
            self._let_go(copy)

    def close(self) -> None:
        """End what runs, and allow nothing more; the writer has to run until then."""
        self._closing.set()
        while not self._turn.acquire(timeout=_AGAIN_S):
            copy = self._copy
            if copy is not None:
                with suppress(duckdb.Error):  # it was closed just now
                    copy.interrupt()
        self._turn.release()

    def _try_rewrite(self, file: Path) -> str | None:
        try:
            self._with_memory("the rewrite", lambda: self._rewrite(file))
        except duckdb.InterruptException:
            return str(self._explain_end())
        except (StoreUnavailableError, QueueFullError) as error:
            return str(error)
        except Exception as error:  # whoever asked has to hear of it, whatever it is
            _log.exception("the rewrite failed")
            return f"{type(error).__name__}: {error}"
        return None

    def _with_memory(self, what: str, make: Callable[[], None]) -> None:
        """Make a copy, and once more from the beginning with more memory where texts are long."""
        memory = self._store.memory
        try:
            make()
        except Exception as error:
            if not is_short_of_memory(error):
                raise
            memory.note_shortage(what, error)
            with memory.widened(is_trimmed=False):
                make()

    def _rewrite(self, file: Path) -> None:
        copy = self._open(find_copy_path(file))
        # The writer's connection, under which changes are noted.
        connection = self._writer.perform(lambda connection: connection).result()
        try:
            self._pin(copy)
            self._fill(copy)
            for number in range(_MOST_ROUNDS):
                changes = self._pin(copy)
                copy.catch_up(changes)
                if number < _WHOLE_ROUNDS:
                    copy.check_keys(changes)
                else:
                    copy.check_changed(changes)
                copy.save()
                if self._changes.count <= self._few_keys and not self._changes.whole:
                    break
            else:
                raise CopyError(
                    f"{self._changes.count} rows were written while the last few were copied: "
                    "rewrite when less is written"
                )
            self._writer.perform_between(lambda: self._swap(copy)).result()
        finally:
            unwatch(connection)
            self._let_go(copy)
            remove_copy(copy.path)

    def _open(self, path: Path) -> Copy:
        if self._closing.is_set():
            raise self._explain_end()
        self._copy = Copy(self._store, path, free_bytes=self._free_bytes)
        return self._copy

    def _let_go(self, copy: Copy) -> None:
        self._copy = None
        copy.close()

    def _pin(self, copy: Copy) -> Changes:
        """Let the copy see the store as it is now; return what was written since the last time."""

        def pin(connection: duckdb.DuckDBPyConnection) -> Changes:
            changes, self._changes = self._changes, watch(connection)
            copy.pin()
            return changes

        return self._writer.perform(pin).result()

    def _fill(self, copy: Copy) -> None:
        copy.fill()
        self._on_stage("copied")
        copy.check_all()
        copy.save()
        self._on_stage("checked")

    def _swap(self, copy: Copy) -> None:
        """Copy the rest, compare, and serve the copy. In the writer's thread."""
        if self._closing.is_set():
            raise self._explain_end()
        copy.pin()
        copy.catch_up(self._changes)
        self._on_stage("caught_up")
        copy.check_changed(self._changes)
        self._on_stage("verified")
        copy.save()
        copy.finish()
        # From here on it is not interrupted: what is left takes as long as a checkpoint.
        self._let_go(copy)
        self._store.replace_file(copy.path, self._on_stage)

    def _measure_file(self) -> int:
        file = self._store.file
        return 0 if file is None else file.stat().st_size

    def _explain_end(self) -> StoreUnavailableError:
        return StoreUnavailableError("the collector is shutting down: try again later")
