"""A copy of the store: whole, of one moment, compressed alike, and refused where it differs."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from headway_collector.decoding import decode_records
from headway_collector.errors import CheckpointPostponedError, CopyError
from headway_collector.store.batches import Batch, Derived
from headway_collector.store.changes import (
    KEYS,
    Changes,
    note_keys,
    note_rows,
    note_table,
    unwatch,
    watch,
)
from headway_collector.store.connections import Store
from headway_collector.store.copies import Copy
from headway_collector.store.openings import MEMORY
from headway_collector.store.swaps import find_copy_path, list_logs
from headway_collector.store.writes import append_batches

Lines = Callable[..., bytes]
SCHEMA = (
    "SELECT table_name, sql FROM duckdb_tables() WHERE database_name = 'store' ORDER BY table_name"
)
COMPRESSIONS = (
    "SELECT column_name, compression FROM pragma_storage_info('store.spans') "
    "WHERE segment_type = 'VARCHAR' AND persistent GROUP BY ALL ORDER BY ALL"
)


@pytest.fixture
def filed(tmp_path: Path) -> Iterator[Store]:
    """An empty database in a file."""
    store = Store(tmp_path / "a.duckdb")
    yield store
    store.close()


@pytest.fixture
def copy(filed: Store, tmp_path: Path) -> Iterator[Copy]:
    copy = Copy(filed, tmp_path / "b.duckdb")
    yield copy
    copy.close()


def append(store: Store, *lines: bytes, project: str = "p", batch_id: str | None = None) -> None:
    found = decode_records(b"\n".join(lines))
    derived = [Derived() for _ in found.spans]
    batch = Batch(project, batch_id, found.spans, derived, found.scores, rejects=found.rejects)
    with store.transaction() as connection:
        append_batches(connection, [batch], 7)


def read_file(path: Path, sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(MEMORY) as connection:
        connection.execute("SET GLOBAL TimeZone = 'UTC'")
        connection.execute(f"ATTACH '{path}' AS store (READ_ONLY)")
        return connection.execute(sql).fetchall()


def read_tables(store: Store) -> dict[str, list[dict[str, Any]]]:
    """Return all rows of all tables, in an order of their own."""
    tables = [row["table_name"] for row in store.read(SCHEMA)]
    return {
        name: store.read(f"SELECT row::VARCHAR AS row FROM store.{name} AS row ORDER BY row")
        for name in tables
    }


def test_a_copy_has_all_rows_of_all_tables_and_the_same_schema(
    filed: Store, copy: Copy, tmp_path: Path, span_line: Lines, score_line: Lines
) -> None:
    append(filed, span_line(input="hello", tags=["a"]), score_line(), b"{broken", batch_id="one")
    filed.checkpoint()

    copy.pin()
    copy.fill()
    copy.check_all()
    copy.save()
    copy.finish()
    copied = Store(tmp_path / "b.duckdb")

    assert read_tables(copied) == read_tables(filed)
    assert copied.read(SCHEMA) == filed.read(SCHEMA)
    assert {name for name, rows in read_tables(copied).items() if rows} == {
        "batches",
        "rejects",
        "schema_versions",
        "scores",
        "spans",
    }
    assert list_logs(tmp_path / "b.duckdb") == []
    copied.close()


def test_texts_are_compressed_in_the_copy_as_in_the_store(
    filed: Store, copy: Copy, tmp_path: Path, span_line: Lines
) -> None:
    append(filed, *(span_line(input=f"prompt {number} " * 50) for number in range(3000)))
    filed.checkpoint()
    copy.pin()
    copy.fill()
    copy.save()
    copy.finish()
    found = dict(read_file(tmp_path / "b.duckdb", COMPRESSIONS))

    assert found["input"] == "ZSTD"
    assert (
        found["input"]
        == {row["column_name"]: row["compression"] for row in filed.read(COMPRESSIONS)}["input"]
    )


def test_a_copy_is_of_one_moment_while_the_store_is_written_and_checkpointed(
    filed: Store, copy: Copy, tmp_path: Path, span_line: Lines
) -> None:
    append(filed, span_line(), span_line())
    filed.checkpoint()
    copy.pin()
    append(filed, span_line())
    with filed.transaction() as connection:
        connection.execute("DELETE FROM store.spans WHERE span_id = '0000000000000001'")
    filed.checkpoint()
    copy.fill()
    copy.check_all()
    copy.save()
    copy.finish()

    listed = "SELECT span_id[-1:] AS id FROM store.spans ORDER BY id"
    assert read_file(tmp_path / "b.duckdb", listed) == [("1",), ("2",)]
    assert filed.read(listed) == [{"id": "2"}, {"id": "3"}]


def test_a_checkpoint_waits_for_a_copy_that_is_older_than_an_update(
    filed: Store, copy: Copy, span_line: Lines
) -> None:
    append(filed, span_line(), span_line())
    copy.pin()
    with filed.transaction() as connection:
        connection.execute("UPDATE store.spans SET cost_usd = 5")
    with pytest.raises(CheckpointPostponedError):
        filed.checkpoint()
    append(filed, span_line())
    copy.fill()
    copy.check_all()
    copy.save()
    filed.checkpoint()

    counted = "SELECT count(*) AS n, count(cost_usd) AS c FROM"
    assert filed.read(f"{counted} fresh.spans") == [{"n": 2, "c": 0}]
    assert filed.read(f"{counted} store.spans") == [{"n": 3, "c": 2}]


def test_a_copy_catches_up_with_what_was_inserted_changed_and_deleted(
    filed: Store, copy: Copy, span_line: Lines, score_line: Lines
) -> None:
    ids = [f"{number:016x}" for number in range(1, 6)]
    append(filed, *(span_line(span_id=each) for each in ids), score_line())
    copy.pin()
    copy.fill()
    copy.save()
    with filed.transaction() as connection:
        changes = watch(connection)
    append(filed, span_line(), score_line(), b"{broken", batch_id="two")
    with filed.transaction() as connection:
        for condition, statement in (
            ("span_id = $1", "DELETE FROM store.spans WHERE span_id = $1"),
            ("span_id = $1", "UPDATE store.spans SET cost_usd = 1 WHERE span_id = $1"),
        ):
            span_id = ids.pop()
            note_rows(connection, "spans", condition, [span_id])
            connection.execute(statement, [span_id])
        unwatch(connection)

    copy.pin()
    copy.catch_up(changes)
    copy.check_keys(changes)
    copy.check_all()
    copy.save()

    assert filed.read("SELECT count(*) AS n, sum(cost_usd) AS c FROM fresh.spans") == [
        {"n": 5, "c": 1.0}
    ]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE store.spans SET cost_usd = 5 WHERE span_id = '0000000000000001'",
        "DELETE FROM store.spans WHERE span_id = '0000000000000001'",
        "INSERT INTO store.scores FROM store.scores",
        "UPDATE store.batches SET received_ns = 8",
    ],
)
def test_a_change_that_nobody_noted_is_seen_in_the_comparison(
    filed: Store, copy: Copy, span_line: Lines, score_line: Lines, statement: str
) -> None:
    append(filed, span_line(), span_line(), score_line(), batch_id="one")
    copy.pin()
    copy.fill()
    copy.save()
    with filed.transaction() as connection:
        connection.execute(statement)
    copy.pin()
    copy.catch_up(Changes())

    with pytest.raises(CopyError, match="the copy of table"):
        copy.check_keys(Changes())


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("DELETE FROM store.spans WHERE span_id = '0000000000000001'", "spans has 2 rows, and"),
        ("INSERT INTO store.scores FROM store.scores", "scores has 1 rows, and the store has 2"),
        ("INSERT INTO fresh.spans FROM fresh.spans", "spans has 4 rows, and the store has 2"),
        ("UPDATE fresh.spans SET input = '\"wrong\"'", "table spans has 1 rows .sum"),
        ("UPDATE fresh.rejects SET reason = 'wrong'", "table rejects has 1 rows .sum"),
    ],
)
def test_without_reading_all_rows_lost_ones_and_wrong_values_of_changed_ones_are_seen(
    filed: Store, copy: Copy, span_line: Lines, score_line: Lines, statement: str, message: str
) -> None:
    append(filed, span_line(), span_line(), score_line(), b"{broken")
    copy.pin()
    copy.fill()
    copy.save()
    changes = Changes()
    found = filed.read("SELECT span_key FROM store.spans WHERE span_id = '0000000000000002'")
    changes.add("spans", pa.array([found[0]["span_key"]], pa.int64()))
    if " store." in statement:
        with filed.transaction() as connection:
            connection.execute(statement)
    copy.pin()
    copy.catch_up(changes)
    if " fresh." in statement:
        copy._cursor.execute(statement)

    with pytest.raises(CopyError, match=message):
        copy.check_changed(changes)


def test_a_text_that_differs_is_seen_when_all_is_compared(
    filed: Store, copy: Copy, span_line: Lines
) -> None:
    append(filed, span_line(input="right"))
    copy.pin()
    copy.fill()
    with filed.transaction() as connection:
        connection.execute("SELECT 1")
    copy._cursor.execute("UPDATE fresh.spans SET input = '\"wrong\"'")

    with pytest.raises(CopyError, match="the copy of table spans"):
        copy.check_all()


def test_a_table_noted_whole_is_copied_again(filed: Store, copy: Copy, span_line: Lines) -> None:
    append(filed, span_line(), span_line())
    copy.pin()
    copy.fill()
    copy.save()
    with filed.transaction() as connection:
        changes = watch(connection)
        note_table(connection, "spans")
        connection.execute("UPDATE store.spans SET input = '\"new\"'")
        unwatch(connection)
    copy.pin()
    copy.catch_up(changes)

    copy.check_all()


def test_nothing_is_noted_unless_somebody_watches(filed: Store) -> None:
    with filed.transaction() as connection:
        note_keys(connection, "spans", [1])
        changes = watch(connection)
        note_keys(connection, "spans", [2, 2, 3])
        unwatch(connection)
        note_keys(connection, "spans", [4])

    assert changes.count == 3
    assert sorted(changes.find_keys("spans")["key"].to_pylist()) == [2, 3]
    assert {len(changes.find_keys(table)) for table in KEYS if table != "spans"} == {0}


def test_without_room_there_is_no_copy_and_nothing_is_left(filed: Store, tmp_path: Path) -> None:
    with pytest.raises(CopyError, match=r"needs up to .* which has 1,000 free: make room"):
        Copy(filed, tmp_path / "b.duckdb", free_bytes=lambda folder: 1_000)

    assert not (tmp_path / "b.duckdb").exists()


@pytest.mark.parametrize("statement", ["TABLE store.mine (a INT)", "VIEW store.mine AS SELECT 1"])
def test_what_others_put_into_the_file_is_not_lost_in_a_copy(
    filed: Store, tmp_path: Path, statement: str
) -> None:
    with filed.transaction() as connection:
        connection.execute(f"CREATE {statement}")

    with pytest.raises(CopyError, match="holds mine, which is not Headway's"):
        Copy(filed, tmp_path / "b.duckdb")
    assert not (tmp_path / "b.duckdb").exists()


def test_a_copy_that_a_killed_process_left_is_removed_at_the_next_start(tmp_path: Path) -> None:
    left = find_copy_path(tmp_path / "a.duckdb")
    left.write_bytes(b"half")
    Path(f"{left}.wal").write_bytes(b"half")
    Store(tmp_path / "a.duckdb").close()

    assert [each.name for each in tmp_path.iterdir()] == ["a.duckdb"]
