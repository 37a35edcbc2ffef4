"""Rows taken back and written anew: whole, in order, in chunks, each in place of itself."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from headway_collector.decoding import decode_records
from headway_collector.dialects.mapping import is_pending, map_span
from headway_collector.originals.envelopes import unpack
from headway_collector.otlp.telemetry import OtelSpan
from headway_collector.remapping import Remapper
from headway_collector.store.batches import Batch, Derived
from headway_collector.store.chunks import Chunk, Selection, read_foreign, read_priceable
from headway_collector.store.connections import Store
from headway_collector.store.late import LateEvents
from headway_collector.store.paging import Page
from headway_collector.store.rewrites import (
    Place,
    StoredSpan,
    Window,
    find_spans,
    replace_spans,
    save_costs,
    stamp_spans,
)
from headway_collector.store.writes import append_batches
from tests.collector.dialects.examples import NAMES, load_example, make_span

Lines = Callable[..., bytes]
LARGE = 1 << 30


def append(store: Store, *batches: Batch) -> None:
    late = LateEvents(Remapper().reread, 10**15)
    with store.transaction() as connection:
        append_batches(connection, batches, 7)
        late.join(connection, batches, 7)


def foreign_batch(*otels: OtelSpan, project: str = "p") -> Batch:
    mapped = [map_span(otel) for otel in otels]
    return Batch(project, None, [m.span for m in mapped], [m.derived for m in mapped])


def native_batch(*lines: bytes, project: str = "p") -> Batch:
    spans = decode_records(b"\n".join(lines)).spans
    return Batch(project, None, spans, [Derived() for _ in spans])


def read_all(store: Store, project: str = "p") -> list[StoredSpan]:
    places = [
        Place(**row) for row in store.read("SELECT project, trace_id, span_id FROM store.spans")
    ]
    with store.transaction() as connection:
        rows = find_spans(connection, places)
    return sorted(rows, key=lambda row: row.span.span_id)


def numbered(number: int, **fields: Any) -> OtelSpan:
    attributes = {"gen_ai.request.model": f"model-{number}"}
    return make_span(attributes, span_id=f"{number:016x}", **fields)


@pytest.mark.parametrize("order", ["spans first", "logs first"])
@pytest.mark.parametrize("name", NAMES)
def test_the_original_of_every_fixture_comes_back_exactly(
    store: Store, name: str, order: str
) -> None:
    example = load_example(name)
    originals = {otel.span_id: otel for otel in example.spans if not is_pending(otel)}
    bare = [msgspec.structs.replace(otel, logs=[]) for otel in originals.values()]
    spans, logs = foreign_batch(*bare), Batch("p", logs=example.logs)
    for batch in (spans, logs) if order == "spans first" else (logs, spans):
        append(store, batch)

    restored = {row.span.span_id: unpack(row.list_columns()) for row in read_all(store)}
    assert restored == originals


def test_a_row_read_and_written_back_is_the_same_row(store: Store, span_line: Lines) -> None:
    full = span_line(
        input={"a": [1, None, "ß"]},
        params=None,
        finish_reasons=["stop"],
        tags=["x", "y"],
        cost_usd=0.1,
        is_abandoned=True,
        attributes={"k": "v"},
        input_tokens=3,
    )
    append(store, native_batch(full, span_line()), foreign_batch(numbered(9)))
    columns = "SELECT * EXCLUDE start_time, epoch_ns(start_time) AS t FROM store.spans ORDER BY ALL"
    before = store.read(columns)
    rows = read_all(store)
    with store.transaction() as connection:
        replace_spans(connection, rows, rows)

    assert store.read(columns) == before
    assert [row.received_ns for row in read_all(store)] == [7, 7, 7]


def test_only_the_named_rows_are_replaced(store: Store, span_line: Lines) -> None:
    same_ids = {"trace_id": "a" * 32, "span_id": "b" * 16, "start_ns": 1, "end_ns": 2}
    append(
        store,
        native_batch(span_line(**same_ids), span_line(**(same_ids | {"trace_id": "c" * 32}))),
        native_batch(span_line(**same_ids), project="other"),
    )
    (row,) = [r for r in read_all(store) if r.place == Place("p", "a" * 32, "b" * 16)]
    renamed = StoredSpan("p", 7, msgspec.structs.replace(row.span, name="new"), row.derived)
    with store.transaction() as connection:
        replace_spans(connection, [row], [renamed])

    names = store.read("SELECT project, trace_id, name FROM store.spans ORDER BY ALL")
    assert [tuple(each.values()) for each in names] == [
        ("other", "a" * 32, "triage"),
        ("p", "a" * 32, "new"),
        ("p", "c" * 32, "triage"),
    ]


def test_a_window_leaves_out_what_starts_outside(store: Store) -> None:
    append(store, foreign_batch(*[numbered(n, start_ns=n * 100) for n in (1, 2, 3)]))
    places = [row.place for row in read_all(store)]
    with store.transaction() as connection:
        found = find_spans(connection, places, Window(100, 200))

    assert sorted(row.span.start_ns for row in found) == [100, 200]


def chunks(store: Store, read: Callable[[Any, str | None], Chunk]) -> list[list[str]]:
    """Read chunk after chunk to the end, and return the span ids of each."""
    seen, cursor = [], None
    while True:
        with store.transaction() as connection:
            chunk = read(connection, cursor)
        seen.append([row.span.span_id.lstrip("0") for row in chunk.rows])
        cursor = chunk.cursor
        if cursor is None:
            return seen


def test_chunks_take_every_row_once_in_the_order_of_starts(store: Store) -> None:
    # The starts of some are the same.
    spans = [numbered(n, start_ns=n // 3) for n in range(1, 8)]
    append(store, foreign_batch(*reversed(spans)))

    def read(connection: Any, cursor: str | None) -> Chunk:
        page = Page(2, cursor, is_descending=False)
        return read_foreign(connection, Selection(), page, size_bytes=LARGE, older_than=None)

    assert chunks(store, read) == [["1", "2"], ["3", "4"], ["5", "6"], ["7"]]


def test_a_chunk_ends_with_the_row_that_makes_it_large(store: Store) -> None:
    long = {"input.value": "x" * 10_000}
    spans = [make_span(long, span_id=f"{n:016x}", start_ns=n) for n in range(1, 6)]
    append(store, foreign_batch(*spans))

    def read(connection: Any, cursor: str | None) -> Chunk:
        page = Page(100, cursor, is_descending=False)
        return read_foreign(connection, Selection(), page, size_bytes=15_000, older_than=None)

    assert chunks(store, read) == [["1", "2"], ["3", "4"], ["5"]]


def test_a_selection_narrows_by_project_time_and_version(store: Store, span_line: Lines) -> None:
    append(
        store,
        foreign_batch(*[numbered(n, start_ns=n) for n in (1, 2, 3, 4)]),
        foreign_batch(numbered(5, start_ns=2), project="other"),
        native_batch(span_line(start_ns=2, span_id=f"{6:016x}")),
    )
    with store.transaction() as connection:
        (second,) = find_spans(connection, [Place("p", make_span().trace_id, f"{2:016x}")])
        stamp_spans(connection, [second], 9)

    def read(connection: Any, cursor: str | None) -> Chunk:
        selection = Selection(("p",), start_ns=2, end_ns=4)
        page = Page(10, cursor, is_descending=False)
        return read_foreign(connection, selection, page, size_bytes=LARGE, older_than=9)

    assert chunks(store, read) == [["3"]]


def test_rows_whose_cost_was_reported_are_not_priced_again(store: Store, span_line: Lines) -> None:
    ids = [f"{n:016x}" for n in (1, 2, 3)]
    spans = native_batch(
        span_line(span_id=ids[0], cost_usd=1.0, start_ns=1, input="long" * 100),
        span_line(span_id=ids[1], cost_usd=2.0, start_ns=2, input="long" * 100),
        span_line(span_id=ids[2], start_ns=3),
    )
    derived = [Derived(price_version="v1"), Derived(), Derived()]
    append(store, Batch("p", None, spans.spans, derived))
    with store.transaction() as connection:
        chunk = read_priceable(connection, Selection(), Page(10, is_descending=False))
        for row in chunk.rows:
            row.span.cost_usd, row.derived.price_version = 5.0, "v2"
        save_costs(connection, chunk.rows)

    rows = store.read("SELECT cost_usd, price_version, input FROM store.spans ORDER BY start_ns")
    assert [tuple(row.values()) for row in rows] == [
        (5.0, "v2", f'"{"long" * 100}"'),
        (2.0, None, f'"{"long" * 100}"'),
        (5.0, "v2", None),
    ]
