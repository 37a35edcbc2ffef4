"""The file written anew under a writer: nothing is lost, and what was deleted has left it."""

import re
import secrets
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from headway_collector.errors import StoreUnavailableError
from headway_collector.rewriting import Rewriter
from headway_collector.store.changes import note_rows
from headway_collector.store.connections import Store
from headway_collector.store.copies import Copy
from headway_collector.store.interrupts import Reads
from headway_collector.writing import Writer
from tests.collector.killed_rewriting import BATCH_SPANS, FIRST_BATCHES, make_batch

STAGES = (
    "copied",
    "checked",
    "caught_up",
    "verified",
    "checkpointed",
    "detached",
    "renamed",
    "attached",
)
COUNT = "SELECT count(*) AS n, count(DISTINCT span_id) AS ids FROM store.spans"
Hook = Callable[[str], None]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A database in a file, with 400 spans."""
    store = Store(tmp_path / "a.duckdb")
    yield store
    store.close()


@pytest.fixture
def writer(store: Store) -> Iterator[Writer]:
    writer = Writer(store)
    writer.start()
    for number in range(20):
        writer.append(make_batch(number)).result()
    yield writer
    writer.close()


def change(writer: Writer, sql: str, *values: object) -> None:
    writer.perform(lambda connection: connection.execute(sql, list(values))).result()


def list_names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir() if not each.name.endswith(".wal"))


def test_everything_written_during_a_rewrite_is_in_the_new_file(
    store: Store, writer: Writer, tmp_path: Path
) -> None:
    numbers = iter(range(20, 60))
    told = []

    def write(stage: str) -> None:
        told.append(stage)
        if stage in ("copied", "checked"):
            for _ in range(20):
                writer.append(make_batch(next(numbers))).result()

            def update(connection: duckdb.DuckDBPyConnection) -> None:
                values = [f"{len(told):016x}"]
                note_rows(connection, "spans", "span_id = $1", values)
                connection.execute("UPDATE store.spans SET cost_usd = 3 WHERE span_id = $1", values)

            writer.perform(update).result()

    inode = (tmp_path / "a.duckdb").stat().st_ino
    outcome = Rewriter(store, writer, on_stage=write).run("test")
    writer.append(make_batch(60)).result()

    assert outcome.fault is None
    assert tuple(told) == STAGES
    assert (tmp_path / "a.duckdb").stat().st_ino != inode
    assert store.read(COUNT) == [{"n": 61 * BATCH_SPANS, "ids": 61 * BATCH_SPANS}]
    assert store.read("SELECT count(*) AS n FROM store.spans WHERE cost_usd = 3") == [{"n": 2}]
    assert writer.append(make_batch(30)).result().is_replay
    assert list_names(tmp_path) == ["a.duckdb"]
    writer.close()
    store.close()
    again = Store(tmp_path / "a.duckdb")
    assert again.read(COUNT) == [{"n": 61 * BATCH_SPANS, "ids": 61 * BATCH_SPANS}]
    again.close()


def test_a_rewrite_is_written_down(store: Store, writer: Writer, tmp_path: Path) -> None:
    times = iter((100, 200))
    outcome = Rewriter(store, writer, clock_ns=lambda: next(times)).run("test")

    (row,) = store.read("FROM store.rewrites")
    assert row == {
        "started_ns": 100,
        "ended_ns": 200,
        "bytes_before": outcome.bytes_before,
        "bytes_after": outcome.bytes_after,
        "fault": None,
    }
    assert row["bytes_after"] > 0


def test_the_bytes_of_deleted_rows_are_in_no_file_after_a_rewrite(
    store: Store, writer: Writer, tmp_path: Path
) -> None:
    rewriter = Rewriter(store, writer)
    for number in range(20):
        marker = secrets.token_hex(24)
        # A user's id is stored as it is; the texts are compressed, and looked for below as rows.
        mark = "UPDATE store.spans SET user_id = $1 WHERE hash(span_id) % 20 = $2"
        change(writer, mark, marker, number)
        change(writer, "UPDATE store.spans SET input = user_id WHERE user_id = $1", marker)
        store.checkpoint()
        assert find_bytes(tmp_path, marker)
        change(writer, "DELETE FROM store.spans WHERE user_id = $1", marker)

        assert rewriter.run("test").fault is None
        assert find_bytes(tmp_path, marker) == []
        assert find_rows(store, marker) == []
    assert store.read(COUNT)[0]["n"] == 0


def find_rows(store: Store, marker: str) -> list[dict[str, Any]]:
    tables = store.read("SELECT table_name FROM duckdb_tables() WHERE database_name = 'store'")
    each = (
        f"SELECT row::VARCHAR AS row FROM store.{table['table_name']} AS row" for table in tables
    )
    return store.read(f"FROM ({' UNION ALL '.join(each)}) WHERE contains(row, $1)", [marker])


def find_bytes(folder: Path, marker: str) -> list[str]:
    return [each.name for each in folder.rglob("*") if marker.encode() in each.read_bytes()]


def test_a_change_that_nobody_noted_keeps_the_old_file(
    store: Store, writer: Writer, tmp_path: Path
) -> None:
    def disturb(stage: str) -> None:
        if stage == "checked":
            change(writer, "UPDATE store.spans SET cost_usd = 9")

    inode = (tmp_path / "a.duckdb").stat().st_ino
    outcome = Rewriter(store, writer, on_stage=disturb).run("test")

    assert outcome.fault is not None
    assert "the copy of table spans" in outcome.fault
    assert (tmp_path / "a.duckdb").stat().st_ino == inode
    assert store.read("SELECT count(*) AS n FROM store.spans WHERE cost_usd = 9") == [{"n": 400}]
    assert list_names(tmp_path) == ["a.duckdb"]
    assert store.read("SELECT fault FROM store.rewrites") == [{"fault": outcome.fault}]
    assert Rewriter(store, writer).run("again").fault is None


def test_while_the_writer_waits_not_all_rows_are_compared_but_all_were_beside_it(
    store: Store, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[tuple[str, str]] = []

    def noting(name: str) -> Callable[..., None]:
        check = getattr(Copy, name)

        def note(copy: Copy, *arguments: Any) -> None:
            compared.append((name, threading.current_thread().name))
            check(copy, *arguments)

        return note

    for name in ("check_all", "check_keys", "check_changed"):
        monkeypatch.setattr(Copy, name, noting(name))
    outcome = Rewriter(store, writer).run("test")

    assert outcome.fault is None
    waiting = [name for name, thread in compared if thread == "headway-writer"]
    beside = [name for name, thread in compared if thread != "headway-writer"]
    assert waiting == ["check_changed"]
    assert beside[:2] == ["check_all", "check_keys"]


def test_a_rewrite_gives_up_where_more_is_written_than_it_can_follow(
    store: Store, writer: Writer
) -> None:
    numbers = iter(range(20, 10_000))
    is_over = threading.Event()

    def write() -> None:
        while not is_over.is_set():
            writer.append(make_batch(next(numbers))).result()

    thread = threading.Thread(target=write)
    thread.start()
    outcome = Rewriter(store, writer, few_keys=-1).run("test")
    is_over.set()
    thread.join()

    assert outcome.fault is not None
    assert re.fullmatch(r"\d+ rows were written while .* when less is written", outcome.fault)


def test_without_room_nothing_is_rewritten(store: Store, writer: Writer) -> None:
    outcome = Rewriter(store, writer, free_bytes=lambda folder: 0).run("test")

    assert outcome.fault is not None
    assert "make room" in outcome.fault


def test_a_read_that_comes_during_the_swap_waits_and_is_answered(
    store: Store, writer: Writer
) -> None:
    answers: list[Any] = []
    threads: list[threading.Thread] = []

    def ask(stage: str) -> None:
        if stage == "detached":
            threads.append(threading.Thread(target=lambda: answers.append(store.read(COUNT))))
            threads[-1].start()

    outcome = Rewriter(store, writer, on_stage=ask).run("test")
    for thread in threads:
        thread.join()

    assert outcome.fault is None
    assert answers == [[{"n": 400, "ids": 400}]]


def test_a_read_that_runs_on_and_on_is_ended_by_a_pause() -> None:
    store, reads = Store(), Reads(grace_s=0.01, end_s=30.0)
    begun, ended = threading.Event(), []

    def read() -> None:
        cursor = store.open_cursor()
        try:
            with reads.count(cursor):
                begun.set()
                cursor.execute("SELECT count(*) FROM range(1000000) a, range(1000000) b").fetchall()
        except StoreUnavailableError as error:
            ended.append(str(error))

    thread = threading.Thread(target=read)
    thread.start()
    assert begun.wait(10)
    with reads.pausing():
        thread.join(10)

    assert len(ended) == 1
    assert "had to end for the database's file to be replaced" in ended[0]
    store.close()


def test_a_stream_that_nobody_reads_from_keeps_the_old_file(
    store: Store, writer: Writer, tmp_path: Path
) -> None:
    inode = (tmp_path / "a.duckdb").stat().st_ino
    store._reads = Reads(grace_s=0.01, end_s=0.05)
    with store.stream("FROM store.spans", batch_rows=10) as reader:
        first = reader.read_next_batch()
        outcome = Rewriter(store, writer).run("test")

    assert len(first) > 0
    assert outcome.fault == "1 reads do not end"
    assert (tmp_path / "a.duckdb").stat().st_ino == inode
    assert store.read(COUNT) == [{"n": 400, "ids": 400}]


def test_closing_ends_a_rewrite_and_allows_no_other(store: Store, writer: Writer) -> None:
    closing: list[threading.Thread] = []

    def close(stage: str) -> None:
        if stage == "copied":
            closing.append(threading.Thread(target=rewriter.close))
            closing[0].start()
            assert rewriter._closing.wait(10)

    rewriter = Rewriter(store, writer, on_stage=close)
    outcome = rewriter.run("test")
    closing[0].join()

    assert outcome.fault == "the collector is shutting down: try again later"
    assert rewriter.run("again").fault == outcome.fault
    assert store.read(COUNT) == [{"n": 400, "ids": 400}]


def test_a_database_in_memory_has_no_file_to_rewrite() -> None:
    store = Store()
    writer = Writer(store)
    writer.start()
    outcome = Rewriter(store, writer).run("test")
    writer.close()
    store.close()

    assert (outcome.fault, outcome.bytes_before, outcome.bytes_after) == (None, 0, 0)


@pytest.mark.parametrize("stage", STAGES)
def test_a_kill_at_any_stage_leaves_a_whole_file_with_all_that_was_acknowledged(
    tmp_path: Path, stage: str
) -> None:
    command = [sys.executable, "-m", "tests.collector.killed_rewriting"]
    done = subprocess.run(
        [*command, str(tmp_path / "a.duckdb"), stage], capture_output=True, text=True, timeout=120
    )
    lines = [line for line in done.stdout.split("\n")[:-1] if line]
    store = Store(tmp_path / "a.duckdb")
    kept = store.read("SELECT span_id FROM store.spans")
    stored = [int(row["span_id"], 16) for row in kept]
    first = FIRST_BATCHES * BATCH_SPANS
    acknowledged = {
        int(line) * BATCH_SPANS + each for line in lines[1:] for each in range(BATCH_SPANS)
    }

    assert done.returncode == -9, done.stderr
    assert lines[0] == "deleted"
    assert len(stored) == len(set(stored))
    assert {each for each in stored if each < first} == {n for n in range(first) if n % 4}
    written = {each for each in stored if each >= first}
    assert acknowledged <= written
    # The last batch may have been committed without anybody having heard of it.
    assert len(written - acknowledged) in (0, BATCH_SPANS)
    assert list_names(tmp_path) == ["a.duckdb"]
    store.close()
