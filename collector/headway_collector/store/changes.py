"""What was written while a copy of the database was made, by key, so that the copy can catch up.

A key says no more than that the copy's rows of that key shall be what the store's are by then. One
too many costs a look, and one too few would lose a row. Whoever writes to a table that is watched
notes the keys in the writer's task; while nobody copies, that costs one look into an empty dict.
"""

from collections.abc import Sequence

import duckdb
import pyarrow as pa

KEYS = {
    "spans": "span_key",
    "descriptors": "span_key",
    "scores": "score_key",
    "batches": "batch_key",
}
"""The tables that are watched, and the column of their keys; all others are compared whole."""


class Changes:
    """What was noted since the copy saw the store."""

    def __init__(self) -> None:
        self._keys: dict[str, list[pa.Array]] = {}
        self.whole: set[str] = set()
        self.count = 0
        """How many keys, some more than once."""

    def add(self, table: str, keys: pa.Array) -> None:
        """Note keys of one table."""
        if len(keys):
            self._keys.setdefault(table, []).append(keys)
            self.count += len(keys)

    def find_keys(self, table: str) -> pa.Table:
        """Return the keys of a table, each once, as the column ``key``."""
        keys = pa.chunked_array(self._keys.get(table, []), pa.int64())
        return pa.table({"key": keys.unique()})


# By connection, since that is all that the functions which write rows are given. Only the writer's
# is ever here, and only while its store is copied.
_watched: dict[int, Changes] = {}


def watch(connection: duckdb.DuckDBPyConnection) -> Changes:
    """Note from now on what is written on the connection, and forget what was noted before."""
    changes = Changes()
    _watched[id(connection)] = changes
    return changes


def unwatch(connection: duckdb.DuckDBPyConnection) -> None:
    """Note nothing any more."""
    _watched.pop(id(connection), None)


def note_keys(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    keys: "pa.Array | pa.ChunkedArray | Sequence[int]",
) -> None:
    """Note that rows of these keys are inserted, changed or deleted, where somebody wants to know.

    Args:
        connection: the writer's.
        table: one of ``KEYS``.
        keys: of its key column, 64 bits each.
    """
    changes = _watched.get(id(connection))
    if changes is None:
        return
    if isinstance(keys, pa.ChunkedArray):
        keys = keys.combine_chunks()
    changes.add(table, keys if isinstance(keys, pa.Array) else pa.array(keys, pa.int64()))


def note_rows(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    condition: str,
    values: Sequence[object] = (),
) -> None:
    """Note the rows that a statement with this condition is about to change or delete."""
    changes = _watched.get(id(connection))
    if changes is not None:
        found = connection.execute(
            f"SELECT {KEYS[table]} AS key FROM store.{table} AS {table} WHERE {condition}",
            list(values),
        ).to_arrow_table()
        changes.add(table, found["key"].combine_chunks())


def note_table(connection: duckdb.DuckDBPyConnection, table: str) -> None:
    """Note that a table has to be copied whole once more."""
    changes = _watched.get(id(connection))
    if changes is not None:
        changes.whole.add(table)
