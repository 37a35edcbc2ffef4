"""Sends the rows of a table in batches whose ids are the same in every run."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from headway.errors import ApiError
from headway.records import IngestAnswer
from headway_collector.importing.mapping import RowFault
from headway_collector.importing.marks import Fault, Mark, MarkFile, Totals
from headway_collector.importing.tables import Table

BATCH_ROWS = 500
BATCH_BYTES = 4 * 1024 * 1024
ROW_BYTES = 16 * 1024 * 1024
KEPT_FAULTS = 20

# A collector that is busy or out of disk says so with these, and is asked again.
_PASSING = frozenset({429, 503})
_DELAYS_S = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 15.0)


class RowMapper(Protocol):
    """What makes lines of a row."""

    def map_row(self, number: int, values: dict[str, Any]) -> list[bytes]:
        """Return the lines of a row, or raise ``RowFault``."""


class LineClient(Protocol):
    """What takes lines to a collector."""

    def ingest(self, lines: Sequence[bytes], *, project: str, batch_id: str) -> IngestAnswer:
        """Send them, and return what came of them."""


@dataclass(slots=True)
class _Batch:
    """The lines of some rows, whose they are, and what was wrong with others."""

    first_row: int
    next_row: int
    lines: list[bytes] = field(default_factory=list)
    sources: list[int] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    size_bytes: int = 0

    @property
    def is_full(self) -> bool:
        """Whether it is time to send."""
        return self.next_row - self.first_row >= BATCH_ROWS or self.size_bytes >= BATCH_BYTES


class Transfer:
    """One table on its way into one project.

    Args:
        key: the same for the same file, plan and project, in every run.
        marks: remembers how far it came.
        on_progress: called after each batch.
        sleep: waits for a busy collector.
        row_bytes: how long a row may be.
    """

    def __init__(
        self,
        table: Table,
        mapper: RowMapper,
        client: LineClient,
        project: str,
        key: str,
        marks: MarkFile,
        *,
        on_progress: Callable[[], None] = lambda: None,
        sleep: Callable[[float], None] = time.sleep,
        row_bytes: int = ROW_BYTES,
    ) -> None:
        self._table = table
        self._mapper = mapper
        self._client = client
        self._project = project
        self._key = key
        self._marks = marks
        self._on_progress = on_progress
        self._sleep = sleep
        self._row_bytes = row_bytes

    def run(self, on_progress: Callable[[], None] | None = None) -> Totals:
        """Send what is not yet there, and return what came of the whole file.

        Args:
            on_progress: called after each batch, in place of the one given before.

        Raises:
            ApiError: the collector refused, or cannot be reached; a later run goes on from here.
        """
        mark = self._marks.load()
        if mark is not None and not self._is_known(mark):
            mark = None
        totals = Totals() if mark is None else mark.totals
        for batch in self._batches(0 if mark is None else mark.next_row):
            self._send_batch(batch, totals)
            self._marks.save(Mark(batch.next_row, batch.first_row, totals))
            (on_progress or self._on_progress)()
        self._marks.remove()
        return totals

    def _is_known(self, mark: Mark) -> bool:
        """Return whether the collector has what the mark says; its database may be another."""
        batch = next(self._batches(mark.last_batch_row), None)
        return batch is not None and (not batch.lines or self._send(batch).is_replay)

    def _batches(self, first_row: int) -> Iterator[_Batch]:
        batch = _Batch(first_row, first_row)
        for number, row in enumerate(self._table.rows()):
            if number < first_row:
                continue
            batch.next_row = number + 1
            try:
                if row.fault is not None:
                    raise RowFault(row.fault)
                lines = self._mapper.map_row(number, row.values)
                size_bytes = sum(map(len, lines))
                if size_bytes > self._row_bytes:
                    raise RowFault(f"{size_bytes} bytes, but at most {self._row_bytes} can be sent")
            except RowFault as fault:
                batch.faults.append(Fault(row.line, str(fault)))
            else:
                batch.lines += lines
                batch.sources += [row.line] * len(lines)
                batch.size_bytes += size_bytes
            if batch.is_full:
                yield batch
                batch = _Batch(batch.next_row, batch.next_row)
        if batch.next_row > batch.first_row:
            yield batch

    def _send_batch(self, batch: _Batch, totals: Totals) -> None:
        faults = batch.faults
        if batch.lines:
            answer = self._send(batch)
            # A replay is answered with the counts of then; what it counts is there already.
            totals.accepted += 0 if answer.is_replay else answer.accepted
            totals.duplicates += answer.duplicates + (answer.accepted if answer.is_replay else 0)
            totals.bad += answer.rejected
            refused = [Fault(batch.sources[e.line - 1], e.reason) for e in answer.errors]
            faults = sorted([*faults, *refused], key=lambda fault: fault.line)
        totals.bad += len(batch.faults)
        totals.rows += batch.next_row - batch.first_row
        totals.faults += faults[: KEPT_FAULTS - len(totals.faults)]

    def _send(self, batch: _Batch) -> IngestAnswer:
        batch_id = f"import-{self._key}-{batch.first_row}"
        for delay_s in _DELAYS_S:
            try:
                return self._client.ingest(batch.lines, project=self._project, batch_id=batch_id)
            except ApiError as error:
                if error.status not in _PASSING:
                    raise
            self._sleep(delay_s)
        return self._client.ingest(batch.lines, project=self._project, batch_id=batch_id)
