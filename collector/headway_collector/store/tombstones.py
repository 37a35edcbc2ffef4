"""What was erased, as salted digests, so that what is still on its way does not bring it back.

A digest is the keyed BLAKE2b of a name: whoever has the table without the salt cannot try names
against it, and nobody reads a name out of it. The writer holds them in memory and looks at each
batch inside its transaction, so that nothing slips in beside an erasure. Without an erasure that
is one ``if``.
"""

import hashlib
import secrets
from array import array
from collections.abc import Iterable, Sequence

import duckdb
import pyarrow as pa

from headway_collector.store.batches import Batch
from headway_collector.store.sieves import Grave, Graves, Sieve, sift

_SALT = "tombstones"
_SALT_BYTES = 32
# Which kinds are of one name: the digest of a trace is looked up in three of them.
_NAMES: dict[Grave, str] = {
    "user_trace": "trace",
    "session_trace": "trace",
    "user_session": "session",
}


class Tombstones:
    """What is refused; for the writer's thread, in its transactions."""

    def __init__(self) -> None:
        self._is_stale = True
        self._salt = b""
        self._graves: dict[str, Graves] = {}
        # What a digest of each kind begins with is the same for every name.
        self._begun: dict[tuple[Grave, str], hashlib.blake2b] = {}

    def refuse(self, connection: duckdb.DuckDBPyConnection, batches: list[Batch]) -> list[Batch]:
        """Return the batches without what was erased, which is counted among their rejects."""
        if self._is_stale:
            self._load(connection)
        if not self._graves:
            return batches
        return [self._sift(connection, batch) for batch in batches]

    def bury(
        self,
        connection: duckdb.DuckDBPyConnection,
        project: str,
        names: dict[Grave, Iterable[str]],
        erased_ns: int,
    ) -> None:
        """Keep tombstones of these names, from this transaction on."""
        if self._is_stale:
            self._load(connection)
        # Read again by the next batch, from what this transaction will have left.
        self._is_stale = True
        if not self._salt:
            self._salt = secrets.token_bytes(_SALT_BYTES)
            self._begun.clear()
            connection.execute("INSERT INTO store.salts VALUES ($1, $2)", [_SALT, self._salt])
        for kind, each in names.items():
            digests = sorted({self.digest(project, kind, name) for name in each})
            if digests:
                incoming = pa.table({"digest": pa.array(digests, pa.int64())})
                _insert(connection, incoming, [project, kind, erased_ns])

    def has_any(self, connection: duckdb.DuckDBPyConnection, project: str) -> bool:
        """Return whether anything was erased in a project."""
        if self._is_stale:
            self._load(connection)
        return project in self._graves

    def is_erased(
        self,
        connection: duckdb.DuckDBPyConnection,
        project: str,
        span_id: str | None,
        trace_id: str | None,
    ) -> bool:
        """Return whether a span, or without one a trace, was erased."""
        if self._is_stale:
            self._load(connection)
        graves = self._graves.get(project)
        if graves is None:
            return False
        if span_id and graves.has("span", self.digest(project, "span", span_id)):
            return True
        if not trace_id:
            return False
        trace = self.digest(project, "trace", trace_id)
        if graves.has("trace", trace):
            return True
        is_shared = graves.has("user_trace", trace) or graves.has("session_trace", trace)
        if span_id or not is_shared:
            return False
        sql = "SELECT 1 FROM store.spans WHERE project = $1 AND trace_id = $2 LIMIT 1"
        return connection.execute(sql, [project, trace_id]).fetchone() is None

    def digest(self, project: str, kind: Grave, name: str) -> int:
        """Return the 64 bits that stand for a name."""
        begun = self._begun.get((kind, project))
        if begun is None:
            begin = f"{_NAMES.get(kind, kind)}\0{project}\0".encode()
            begun = hashlib.blake2b(begin, digest_size=8, key=self._salt)
            self._begun[kind, project] = begun
        digest = begun.copy()
        digest.update(name.encode())
        return int.from_bytes(digest.digest(), "big", signed=True)

    def list_moments(
        self, connection: duckdb.DuckDBPyConnection
    ) -> dict[tuple[str, Grave, int], int]:
        """Return when each user, session and trace was erased, by project, kind and digest."""
        self._load(connection)
        rows = connection.execute(
            "SELECT project, kind, digest, max(erased_ns) FROM store.tombstones "
            "WHERE kind IN ('user', 'session', 'trace') GROUP BY ALL"
        ).fetchall()
        return {(project, kind, digest): erased_ns for project, kind, digest, erased_ns in rows}

    def _load(self, connection: duckdb.DuckDBPyConnection) -> None:
        row = connection.execute("SELECT salt FROM store.salts WHERE name = $1", [_SALT]).fetchone()
        self._salt = bytes(row[0]) if row else b""
        self._begun.clear()
        graves: dict[str, Graves] = {}
        if self._salt:
            for project, kind, digest, erased_ns in connection.execute(
                "SELECT project, kind, digest, max(erased_ns) FROM store.tombstones "
                "GROUP BY ALL ORDER BY digest"
            ).fetchall():
                found = graves.setdefault(project, Graves())
                if kind in ("user", "session"):
                    found.moments[digest] = max(erased_ns, found.moments.get(digest, -1))
                else:
                    found.sorted_digests.setdefault(kind, array("q")).append(digest)
        self._graves = graves
        self._is_stale = False

    def _sift(self, connection: duckdb.DuckDBPyConnection, batch: Batch) -> Batch:
        graves = self._graves.get(batch.project)
        if graves is None:
            return batch
        known: dict[tuple[str, str], int] = {}

        def digest(kind: Grave, name: str) -> int:
            found = known.get((kind, name))
            if found is None:
                found = known[kind, name] = self.digest(batch.project, kind, name)
            return found

        return sift(batch, Sieve(connection, batch.project, graves, digest))


def _insert(
    connection: duckdb.DuckDBPyConnection, incoming: pa.Table, parameters: Sequence[object]
) -> None:
    # DuckDB finds the rows by the name of the argument.
    connection.execute(
        "INSERT INTO store.tombstones BY NAME SELECT $1 AS project, $2 AS kind, digest, "
        "$3::BIGINT AS erased_ns FROM incoming",
        parameters,
    )
