"""A limit of time for what runs on a connection, which DuckDB itself has not, and its end by force.

DuckDB looks whether it was interrupted between two vectors, that is after 2048 rows at the latest.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

from headway_collector.errors import StoreUnavailableError

# What had not quite begun when it was interrupted is interrupted again.
_AGAIN_S = 0.1
# What runs when the file is replaced may go on for so long, and then has so long to end. Whoever
# comes meanwhile waits a little longer than both.
_GRACE_S = 3.0
_END_S = 2.0
_PATIENCE_S = 7.0


@contextmanager
def interrupting(connection: duckdb.DuckDBPyConnection, limit_s: float) -> Iterator[None]:
    """Interrupt what the block runs on the connection once it has taken so long.

    Raises:
        duckdb.InterruptException: it was interrupted.
    """
    is_over = threading.Event()

    def watch() -> None:
        patience_s = limit_s
        while not is_over.wait(patience_s):
            connection.interrupt()
            patience_s = _AGAIN_S

    watcher = threading.Thread(target=watch, name="headway-deadline", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        is_over.set()
        watcher.join()


class Reads:
    """The connections that read at the moment, so that all of them can be stopped.

    Args:
        grace_s: how long those that run when a pause begins may go on before they are ended.
        end_s: how long their ending may take.
    """

    def __init__(self, grace_s: float = _GRACE_S, end_s: float = _END_S) -> None:
        self._grace_s = grace_s
        self._end_s = end_s
        self.are_stopped = False
        self._is_paused = False
        self._running: list[duckdb.DuckDBPyConnection] = []
        self._ended: set[int] = set()
        self._changed = threading.Condition()

    @contextmanager
    def count(self, connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
        """Count the connection among them while the block runs.

        Raises:
            duckdb.InterruptException: reads are stopped.
            StoreUnavailableError: reads are paused for too long, or could not wait for this one.
        """
        with self._changed:
            may_go_on = self._changed.wait_for(
                lambda: self.are_stopped or not self._is_paused, _PATIENCE_S
            )
            if not may_go_on:
                raise StoreUnavailableError("the database's file is being replaced: try again")
            if self.are_stopped:
                raise duckdb.InterruptException("reads are stopped")
            self._running.append(connection)
        try:
            yield
        except Exception as error:
            if id(connection) not in self._ended:
                raise
            message = "this read had to end for the database's file to be replaced: try again"
            raise StoreUnavailableError(message) from error
        finally:
            with self._changed:
                self._ended.discard(id(connection))
                self._running.remove(connection)
                self._changed.notify_all()

    @contextmanager
    def pausing(self) -> Iterator[None]:
        """Let none run while the block does; those that come wait for its end.

        Raises:
            StoreUnavailableError: one does not end, such as a stream that nobody reads from.
        """
        with self._changed:
            self._is_paused = True
        try:
            with self._changed:
                if not self._changed.wait_for(lambda: not self._running, self._grace_s):
                    self._end_all()
            yield
        finally:
            with self._changed:
                self._is_paused = False
                self._changed.notify_all()

    def _end_all(self) -> None:
        deadline_s = time.monotonic() + self._end_s
        while self._running:
            if time.monotonic() > deadline_s:
                raise StoreUnavailableError(f"{len(self._running)} reads do not end")
            for connection in self._running:
                self._ended.add(id(connection))
                connection.interrupt()
            self._changed.wait(_AGAIN_S)

    def stop(self) -> None:
        """Interrupt all that run, allow no others, and return when none is left."""
        with self._changed:
            self.are_stopped = True
            while self._running:
                for connection in self._running:
                    connection.interrupt()
                self._changed.wait(_AGAIN_S)
