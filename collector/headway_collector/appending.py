"""What one commit writes of some batches, besides their rows: all that depends on earlier ones."""

from collections.abc import Sequence

import duckdb

from headway.records import IngestAnswer
from headway_collector.store.batches import Batch
from headway_collector.store.late import LateEvents
from headway_collector.store.rejects import RejectsBound
from headway_collector.store.replays import Replays
from headway_collector.store.tombstones import Tombstones
from headway_collector.store.writes import append_batches


class Appender:
    """Writes batches inside the transactions of the writer.

    Args:
        late: joins log events to spans; None where no such events can come.
        rejects_bytes: how much is kept of what was refused in one project.
    """

    def __init__(self, late: LateEvents | None, rejects_bytes: int) -> None:
        self.tombstones = Tombstones()
        self._replays = Replays()
        self._rejects = RejectsBound(rejects_bytes)
        self._late = late

    def append(
        self, connection: duckdb.DuckDBPyConnection, batches: Sequence[Batch], now_ns: int
    ) -> list[IngestAnswer]:
        """Write what is new in the batches, and was not erased, and return an answer for each."""
        batches = self.tombstones.refuse(connection, list(batches))
        answers = append_batches(connection, batches, now_ns, self._replays)
        self._rejects.hold(connection, batches, now_ns)
        for batch, answer in zip(batches, answers, strict=True):
            if batch.note is not None and answer.accepted and not answer.is_replay:
                batch.note(connection, answer.accepted)
        if self._late is not None:
            pairs = zip(batches, answers, strict=True)
            fresh = [batch for batch, answer in pairs if not answer.is_replay]
            self._late.join(connection, fresh, now_ns)
        return answers
