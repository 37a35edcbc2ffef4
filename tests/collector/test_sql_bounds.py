"""/v1/sql beside the writer: what a question takes keeps no append from its time or its room."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from headway_collector.decoding import decode_records
from headway_collector.errors import StoreUnavailableError, TooBroadError
from headway_collector.store.batches import Batch, Derived
from headway_collector.store.connections import Store
from headway_collector.store.sql import SqlBounds, measure_process, run_sql
from headway_collector.writing import Writer

INSERT = (
    "INSERT INTO store.spans BY NAME SELECT 'a' AS project, printf('%032x', i) AS trace_id, "
    "i AS start_ns, i + 1000 AS end_ns, repeat(md5(i::VARCHAR), {times}) AS input "
    "FROM range({count}) t(i)"
)
ROWS, CHUNK = 50_000, 500
# A few hundred at most on an idle machine; waiting for the end of the question would be more.
MOST_APPEND_S = 2.5
QUESTION_S = 3.0
WAIT_S = 30.0
MIB = 2**20


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A file with 50,000 spans of 2 KB."""
    store = Store(tmp_path / "headway.duckdb")
    append(store, ROWS)
    store.checkpoint()
    yield store
    store.close()


def append(store: Store, count: int = CHUNK, times: int = 64) -> float:
    start_s = time.monotonic()
    with store.transaction() as connection:
        connection.execute(INSERT.format(count=count, times=times))
    return time.monotonic() - start_s


def send(writer: Writer, line: bytes, batch_id: str) -> bool:
    """Send a span as a client does; False: it is told to send it again."""
    spans = decode_records(line).spans
    try:
        writer.append(Batch("a", batch_id, spans, [Derived()])).result(WAIT_S)
    except StoreUnavailableError:
        return False
    return True


class Asking:
    """A question that runs in a thread of its own."""

    def __init__(self) -> None:
        self.refusals: list[str] = []
        self.faults: list[Exception] = []
        self.has_ended = threading.Event()


@contextmanager
def asking(store: Store, sql: str, bounds: SqlBounds) -> Iterator[Asking]:
    asked = Asking()

    def ask() -> None:
        try:
            run_sql(store, sql, ["a"], limit=100_000, bounds=bounds)
        except TooBroadError as error:
            asked.refusals.append(str(error))
        except Exception as error:
            asked.faults.append(error)
        finally:
            asked.has_ended.set()

    thread = threading.Thread(target=ask)
    thread.start()
    yield asked
    thread.join()
    assert asked.faults == []


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM spans a, spans b ORDER BY random()",
        "SELECT median(a.duration_ms + b.duration_ms) FROM spans a, spans b",
        "SELECT string_agg(a.input) FROM spans a, spans b",
    ],
)
def test_the_writer_goes_on_beside_a_question_without_end(store: Store, sql: str) -> None:
    before, most_bytes, took_s = measure_process(), 0, []

    with asking(store, sql, SqlBounds(time_s=QUESTION_S)) as asked:
        while not asked.has_ended.is_set():
            took_s.append(append(store))
            most_bytes = max(most_bytes, measure_process() - before)

    (row,) = store.read("SELECT count(*) AS n FROM store.spans")
    assert row["n"] == ROWS + CHUNK * len(took_s)
    assert len(asked.refusals) == 1
    assert len(took_s) >= 1
    assert max(took_s) < MOST_APPEND_S
    assert most_bytes < 1200 * MIB


def test_what_is_spilled_to_disk_is_bounded_and_gone_afterwards(store: Store) -> None:
    with store.open_cursor() as cursor:
        # Enough for what a sort must have in memory, so that it goes on to disk.
        cursor.execute("SET GLOBAL memory_limit = '384MB'")
    bounds = SqlBounds(time_s=20, memory_bytes=500 * MIB)

    most_bytes = 0
    with asking(store, "SELECT * FROM spans a, spans b ORDER BY a.input", bounds) as asked:
        while not asked.has_ended.wait(0.002):
            most_bytes = max(most_bytes, measure_folder(f"{store.path}.tmp"))

    assert 0 < most_bytes < 400 * MIB
    assert "more memory" in asked.refusals[0]
    assert measure_folder(f"{store.path}.tmp") == 0


def test_without_room_to_spill_a_question_ends_and_the_writer_does_not(
    store: Store, span_line: Callable[..., bytes]
) -> None:
    with store.open_cursor() as cursor:
        cursor.execute("SET GLOBAL memory_limit = '128MB'")
        cursor.execute("SET GLOBAL max_temp_directory_size = '1MB'")
    writer = Writer(store)
    writer.start()
    stored, line = 0, span_line()

    bounds = SqlBounds(time_s=20, memory_bytes=1024 * MIB)
    with asking(store, "SELECT * FROM spans a, spans b ORDER BY a.input", bounds) as asked:
        while not asked.has_ended.is_set() or not stored:
            if send(writer, line, f"batch-{stored}"):
                stored, line = stored + 1, span_line()
    writer.close()

    assert "more memory" in asked.refusals[0]
    (row,) = store.read("SELECT count(*) AS n FROM store.spans")
    assert row["n"] == ROWS + stored


def measure_folder(path: str) -> int:
    """Return how many bytes there are in a folder whose files come and go."""
    size_bytes = 0
    if os.path.isdir(path):
        for entry in os.scandir(path):
            try:
                size_bytes += entry.stat().st_size
            except FileNotFoundError:
                continue
    return size_bytes


@pytest.mark.parametrize(
    "made",
    [
        "string_split(b.input, '')",
        "hex(b.input || b.input)",
        "regexp_replace(b.input, '.', 'xxxxxxxxxxxxxxxx', 'g')",
        "upper(b.input)",
    ],
)
def test_long_texts_make_no_question_long_or_large(tmp_path: Path, made: str) -> None:
    store = Store(tmp_path / "long.duckdb")
    append(store, 400, times=6250)
    store.checkpoint()
    before, most_bytes = measure_process(), 0
    start_s = time.monotonic()

    # One of 200,000 characters beside each of 400 times 400 rows.
    sql = f"SELECT max(length({made})) FROM spans a, (SELECT input FROM spans LIMIT 1) b, spans c"
    with asking(store, sql, SqlBounds(time_s=1)) as asked:
        while not asked.has_ended.wait(0.002):
            most_bytes = max(most_bytes, measure_process() - before)

    # A fast machine ends some of these in time.
    assert len(asked.refusals) <= 1
    assert most_bytes < 1024 * MIB
    assert time.monotonic() - start_s < 5
    store.close()
