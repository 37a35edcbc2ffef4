"""Rows of long texts, of which DuckDB reads and writes 2,048 at a time, within little memory."""

import json
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pytest
from starlette.testclient import TestClient

from headway.records import Span
from headway_collector.apps import create_app
from headway_collector.describing import Describer
from headway_collector.errors import StoreUnavailableError
from headway_collector.store.batches import Batch, Derived
from headway_collector.store.connections import Store
from headway_collector.store.memories import CACHE_BYTES, is_short_of_memory
from headway_collector.store.openings import MEMORY
from headway_collector.writing import Limits, Writer

SPANS = 384
BATCH_SPANS = 64
TEXT_CHARS = 64 * 1024
TRACE = "a" * 32
LITTLE = "24MB"


def make_spans(first: int, count: int = BATCH_SPANS) -> list[Span]:
    """Return calls whose texts are 64 KB, each another one."""
    return [
        Span(
            trace_id=TRACE,
            span_id=f"{number:016x}",
            name="long",
            kind="llm",
            start_ns=10**18 + number * 10**9,
            end_ns=10**18 + number * 10**9 + 5,
            input=msgspec.Raw(
                json.dumps(f"question {number} " + f"{number:08x}" * (TEXT_CHARS // 8)).encode()
            ),
            output=msgspec.Raw(b'"an answer"'),
        )
        for number in range(first, first + count)
    ]


def append(writer: Writer, spans: list[Span]) -> int:
    batch = Batch("p", None, spans, [Derived()] * len(spans))
    return writer.append(batch, len(spans) * TEXT_CHARS).result(60).accepted


def count(store: Store) -> dict[str, Any]:
    (row,) = store.read(
        "SELECT count(*) AS spans, count(DISTINCT md5(input)) AS texts, "
        "min(strlen(input)) AS shortest FROM store.spans"
    )
    return row


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database that a collector with little memory wrote, with many checkpoints."""
    path = tmp_path_factory.mktemp("long") / "long.duckdb"
    store = Store(path, usual_memory=LITTLE)
    writer = Writer(store, Limits(checkpoint_rows=BATCH_SPANS))
    writer.start()
    for first in range(0, SPANS, BATCH_SPANS):
        assert append(writer, make_spans(first)) == BATCH_SPANS
    writer.close()
    assert writer.tally.checkpoint_failures == writer.tally.commit_failures == 0
    assert writer.tally.checkpoints >= SPANS // BATCH_SPANS - 1
    store.close()
    return path


@pytest.fixture
def store(filled: Path) -> Iterator[Store]:
    """The database, opened with little memory."""
    store = Store(filled, usual_memory=LITTLE)
    yield store
    store.close()


@pytest.fixture
def client(store: Store) -> Iterator[TestClient]:
    with TestClient(create_app(store, label="tests")) as client:
        yield client


def test_what_was_written_within_little_memory_is_there(store: Store) -> None:
    found = count(store)
    assert found == {"spans": SPANS, "texts": SPANS, "shortest": found["shortest"]}
    assert found["shortest"] > TEXT_CHARS


def test_the_same_read_fails_where_there_is_no_more_memory(filled: Path) -> None:
    store = Store(filled, usual_memory=LITTLE, most_memory=LITTLE)
    with pytest.raises(Exception, match="Out of Memory") as caught:
        count(store)
    assert is_short_of_memory(caught.value)
    (row,) = store.read("SELECT count(*) AS spans FROM store.spans")
    store.close()
    assert row == {"spans": SPANS}


def test_a_read_that_lacks_memory_is_counted_and_done_again(store: Store) -> None:
    before = store.memory.shortages
    count(store)
    assert store.memory.shortages == before + 1
    assert not store.memory.is_wide


def test_listings_traces_and_searches_show_them(client: TestClient) -> None:
    page = client.get("/v1/spans", params={"limit": "50"}).json()
    whole = client.get("/v1/spans", params={"limit": "5", "content": "full"}).json()
    trace = client.get(f"/v1/traces/{TRACE}").json()
    found = client.get("/v1/spans", params={"q": "question 300 "}).json()

    assert len(page["spans"]) == 50
    assert {len(span["input"]) > TEXT_CHARS for span in whole["spans"]} == {True}
    assert len(trace["spans"]) == SPANS
    assert [span["span_id"] for span in found["spans"]] == [f"{300:016x}"]


@pytest.mark.parametrize("form", ["arrow", "jsonl"])
def test_an_export_has_all_of_them(client: TestClient, form: str) -> None:
    data = client.get("/v1/export", params={"format": form}).content

    if form == "arrow":
        texts = pa.ipc.open_stream(data).read_all()["input"].to_pylist()
    else:
        texts = [json.dumps(json.loads(line)["input"]) for line in data.splitlines()]
    assert len(set(texts)) == SPANS
    assert min(map(len, texts)) > TEXT_CHARS


def test_they_are_described(filled: Path) -> None:
    store = Store(filled, usual_memory=LITTLE)
    writer = Writer(store)
    writer.start()
    assert Describer(store, writer).describe_next()
    writer.close()
    (row,) = store.read("SELECT count(*) AS n, min(prompt_chars) AS least FROM store.descriptors")
    store.close()
    assert row["n"] > 0
    assert row["least"] > TEXT_CHARS


def test_what_there_is_no_memory_for_is_refused_and_the_rest_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "short.duckdb"
    store = Store(path, usual_memory=LITTLE, most_memory=LITTLE)
    writer = Writer(store, Limits(checkpoint_rows=BATCH_SPANS, retry_s=0.01))
    writer.start()
    assert append(writer, make_spans(0)) == BATCH_SPANS
    with pytest.raises(StoreUnavailableError) as caught:
        append(writer, make_spans(BATCH_SPANS, SPANS))
    assert is_short_of_memory(caught.value)
    writer.close()
    store.close()

    store = Store(path, usual_memory=LITTLE)
    writer = Writer(store)
    writer.start()
    assert append(writer, make_spans(BATCH_SPANS, SPANS)) == SPANS
    writer.close()
    assert count(store)["spans"] == BATCH_SPANS + SPANS
    store.close()


def test_a_checkpoint_that_lacks_memory_is_made_later_and_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "short.duckdb"
    store = Store(path, usual_memory="64MB", most_memory="64MB")
    writer = Writer(store, Limits(checkpoint_rows=BATCH_SPANS, retry_s=0.0))
    writer.start()
    stored = 0
    for first in range(0, SPANS, BATCH_SPANS):
        with suppress(StoreUnavailableError):
            stored += append(writer, make_spans(first))
    writer.close()
    assert writer.tally.checkpoint_failures > 0
    store.close()

    store = Store(path, usual_memory="64MB")
    store.checkpoint()
    assert 0 < stored == count(store)["spans"]
    store.close()


def test_pages_of_the_file_are_let_go_and_nothing_else(store: Store) -> None:
    with store.memory.widened(), store.lend_cursor() as cursor:
        cursor.execute("SELECT sum(strlen(input)) FROM store.spans").fetchall()
        store.memory.trim()
        (pages,) = cursor.execute(
            "SELECT sum(memory_usage_bytes) FROM duckdb_memory() WHERE tag = 'BASE_TABLE'"
        ).fetchone() or (0,)
    assert pages <= CACHE_BYTES + 16 * 2**20


def test_the_limit_is_wide_until_the_last_has_left() -> None:
    store = Store(MEMORY, usual_memory="100MiB", most_memory="1GiB")
    seen = []

    def look() -> None:
        seen.extend(store.read("SELECT current_setting('memory_limit') AS limit"))

    with store.memory.widened():
        other = threading.Thread(target=look)
        with store.memory.widened():
            look()
        other.start()
        other.join()
    look()
    store.close()
    assert [row["limit"] for row in seen] == ["1.0 GiB", "1.0 GiB", "100.0 MiB"]
