"""Which batches were answered already, and how.

The latest are remembered by their ids, in a table that outlives the process and as keys in memory,
so that a batch that nobody sent before costs no look into the table. One that is older is no
replay any more: its spans and scores are found to be duplicates one by one.
"""

from collections.abc import Sequence

import duckdb
import msgspec

from headway.records import IngestAnswer, RejectedLine
from headway_collector.store.batches import Batch
from headway_collector.store.changes import note_keys, note_rows
from headway_collector.store.columns import make_key

_REMEMBER = """INSERT INTO store.batches BY NAME SELECT
    unnest($1::VARCHAR[]) AS project, unnest($2::VARCHAR[]) AS batch_id,
    unnest($3::BIGINT[]) AS batch_key, unnest($4::BIGINT[]) AS accepted,
    unnest($5::BIGINT[]) AS duplicates, unnest($6::BIGINT[]) AS rejected,
    unnest($7::VARCHAR[]) AS errors, $8::BIGINT AS received_ns"""

KEPT = 100_000
"""So many batches at least are remembered, and twice as many at most."""


class Replays:
    """The answers to the latest batches; for the writer thread, in its transactions.

    A key of a transaction that failed does no harm: the table is asked, and does not have it.
    """

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._older: set[int] = set()
        self._newer: set[int] | None = None
        self._newer_ns = 0
        """When the first of the newer ones came."""

    def find(
        self, connection: duckdb.DuckDBPyConnection, batches: Sequence[Batch]
    ) -> dict[tuple[str, str], IngestAnswer]:
        """Return the answers by project and id of those batches that have one."""
        newer = self._load(connection)
        keys = [make_key(each.project, each.batch_id) for each in batches if each.batch_id]
        known = [key for key in keys if key in newer or key in self._older]
        if not known:
            return {}
        rows = connection.execute(
            "SELECT project, batch_id, accepted, duplicates, rejected, errors FROM store.batches "
            "WHERE batch_key IN (SELECT unnest($1::BIGINT[]))",
            [known],
        ).fetchall()
        return {
            (project, batch_id): IngestAnswer(
                accepted=accepted,
                duplicates=duplicates,
                rejected=rejected,
                is_replay=True,
                errors=msgspec.json.decode(errors, type=list[RejectedLine]),
            )
            for project, batch_id, accepted, duplicates, rejected, errors in rows
        }

    def add(
        self,
        connection: duckdb.DuckDBPyConnection,
        answered: Sequence[tuple[Batch, IngestAnswer]],
        received_ns: int,
    ) -> None:
        """Remember answers; batches without an id are left out."""
        named = [(batch, answer) for batch, answer in answered if batch.batch_id]
        if not named:
            return
        newer = self._load(connection)
        keys = [make_key(batch.project, batch.batch_id or "") for batch, _ in named]
        note_keys(connection, "batches", keys)
        connection.execute(
            _REMEMBER,
            [
                [batch.project for batch, _ in named],
                [batch.batch_id for batch, _ in named],
                keys,
                [answer.accepted for _, answer in named],
                [answer.duplicates for _, answer in named],
                [answer.rejected for _, answer in named],
                [msgspec.json.encode(answer.errors).decode() for _, answer in named],
                received_ns,
            ],
        )
        newer.update(keys)
        if len(newer) >= self._kept:
            is_old = "received_ns < $1"
            note_rows(connection, "batches", is_old, [self._newer_ns])
            connection.execute(f"DELETE FROM store.batches WHERE {is_old}", [self._newer_ns])
            self._older, self._newer, self._newer_ns = newer, set(), received_ns

    def _load(self, connection: duckdb.DuckDBPyConnection) -> set[int]:
        if self._newer is None:
            rows = connection.execute(
                "SELECT batch_key, received_ns FROM store.batches "
                "ORDER BY received_ns DESC LIMIT $1",
                [self._kept],
            ).fetchall()
            self._older = {key for key, _ in rows}
            self._newer = set()
            self._newer_ns = min((received_ns for _, received_ns in rows), default=0)
        return self._newer
