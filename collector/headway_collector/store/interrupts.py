"""A limit of time for what runs on a connection; DuckDB itself has none."""

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
