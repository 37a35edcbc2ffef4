"""A store with a running writer, and calls to describe in it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headway.records import Span
from headway_collector.describing import Describer
from headway_collector.store.batches import Batch, Derived
from headway_collector.store.chunks import Selection
from headway_collector.store.connections import Store
from headway_collector.store.openings import MEMORY
from headway_collector.store.paging import Page
from headway_collector.store.rewrites import Place, StoredSpan, find_spans, replace_spans
from headway_collector.writing import Writer

SECOND_NS = 1_000_000_000
ANSWERS = ("Your parcel is on its way.", "Sorry, but I can't assist with that.", '{"kind": "x"}')


@dataclass
class Clock:
    """Shows when commits arrive."""

    now_ns: int = 100 * SECOND_NS


@dataclass
class World:
    """A store, its writer, and the time that rows are stamped with."""

    store: Store
    writer: Writer
    clock: Clock

    def append(self, *spans: Span) -> None:
        """Store spans in one commit, a second after the last."""
        self.clock.now_ns += SECOND_NS
        batch = Batch("p", None, spans, [Derived()] * len(spans))
        self.writer.append(batch).result(60)

    def rewrite(self, number: int, **fields: Any) -> None:
        """Give a stored span other fields, as a task of the writer."""
        place = Place("p", f"{number:032x}", f"{number:016x}")

        def work(connection: Any) -> None:
            (row,) = find_spans(connection, [place])
            kept = {name: getattr(row.span, name) for name in Span.__struct_fields__}
            fresh = StoredSpan(row.project, row.received_ns, Span(**kept | fields), row.derived)
            replace_spans(connection, [row], [fresh])

        self.writer.perform(work).result(60)

    def make_describer(self, **options: Any) -> Describer:
        """Return one whose thread does not run."""
        return Describer(self.store, self.writer, clock_ns=lambda: self.clock.now_ns, **options)

    def list_rows(self, columns: str = "* EXCLUDE (version, start_time)") -> list[dict[str, Any]]:
        """Return what is stored of all calls' descriptors, in the order of their starts."""
        return self.store.read(
            f"SELECT {columns} FROM store.descriptors ORDER BY start_ns, span_key, trace_key"
        )


@contextmanager
def open_world(path: Path | str = MEMORY) -> Iterator[World]:
    """Open a store, and run its writer meanwhile."""
    clock = Clock()
    store = Store(path)
    writer = Writer(store, clock_ns=lambda: clock.now_ns)
    writer.start()
    try:
        yield World(store, writer, clock)
    finally:
        writer.close()
        store.close()


def make_span(number: int, answer: str | None = None, **fields: Any) -> Span:
    """Return a call that starts at that second; without an answer it gives one of three."""
    said = ANSWERS[number % len(ANSWERS)] if answer is None else answer
    base: dict[str, Any] = {
        "trace_id": f"{number:032x}",
        "span_id": f"{number:016x}",
        "name": "triage",
        "kind": "llm",
        "start_ns": number * SECOND_NS,
        "end_ns": number * SECOND_NS + 1,
        "input": json.dumps({"message": f"Where is parcel {number}?"}).encode(),
        "output": json.dumps(said).encode(),
        "request_model": "support-7b",
        "prompt_version": "v3",
        "tags": ["kind:delivery"],
    }
    return Span(**base | fields)


def describe_all(describer: Describer) -> int:
    """Describe until nothing is left, and return how many rows that were."""
    total = 0
    while (rows := describer.describe_next()) is not None:
        total += rows
    return total


def describe_in_bulk(describer: Describer, limit: int = 4, **options: Any) -> int:
    """Ask for chunk after chunk, and return how many rows were written."""
    cursor, changed = None, 0
    while True:
        page = Page(limit, cursor, is_descending=False)
        done = describer.describe_chunk(Selection(), page, **options)
        cursor, changed = done.cursor, changed + done.changed
        if cursor is None:
            return changed
