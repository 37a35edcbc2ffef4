"""A limit of time for what runs on a connection, which DuckDB itself has not, and its end by force.

DuckDB looks whether it was interrupted between two vectors, that is after 2048 rows at the latest.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import duckdb

# What had not quite begun when it was interrupted is interrupted again.
_AGAIN_S = 0.1


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
    """The connections that read at the moment, so that all of them can be stopped."""

    def __init__(self) -> None:
        self.are_stopped = False
        self._running: list[duckdb.DuckDBPyConnection] = []
        self._changed = threading.Condition()

    @contextmanager
    def count(self, connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
        """Count the connection among them while the block runs.

        Raises:
            duckdb.InterruptException: reads are stopped.
        """
        with self._changed:
            if self.are_stopped:
                raise duckdb.InterruptException("reads are stopped")
            self._running.append(connection)
        try:
            yield
        finally:
            with self._changed:
                self._running.remove(connection)
                self._changed.notify_all()

    def stop(self) -> None:
        """Interrupt all that run, allow no others, and return when none is left."""
        with self._changed:
            self.are_stopped = True
            while self._running:
                for connection in self._running:
                    connection.interrupt()
                self._changed.wait(_AGAIN_S)
