"""Opening a database: the measured settings, the schema, and files that are not ours."""

import hashlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from headway_collector.decoding import decode_records
from headway_collector.errors import StoreError, StoreUnavailableError, UnstorableError
from headway_collector.store import migrations
from headway_collector.store.batches import Batch, Derived
from headway_collector.store.connections import Store
from headway_collector.store.openings import ROW_GROUP_ROWS
from headway_collector.store.writes import append_batches

Lines = Callable[..., bytes]


def append(store: Store, *lines: bytes) -> None:
    spans = decode_records(b"\n".join(lines)).spans
    with store.transaction() as connection:
        append_batches(connection, [Batch("p", None, spans, [Derived()] * len(spans))], 1)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_long_text_is_compressed_with_zstd_and_what_repeats_by_dictionaries(
    tmp_path: Path, span_line: Lines
) -> None:
    store = Store(tmp_path / "a.duckdb")
    append(
        store,
        *[
            span_line(input=f"what about parcel {n}? " * 20, request_model=f"gpt-{n % 7}")
            for n in range(3000)
        ],
    )
    store.checkpoint()

    kinds = store.read(
        "SELECT DISTINCT column_name, compression FROM pragma_storage_info('store.spans') "
        "WHERE column_name IN ('input', 'otel', 'request_model') AND segment_type = 'VARCHAR' "
        "ORDER BY column_name"
    )
    store.close()

    assert [(kind["column_name"], kind["compression"]) for kind in kinds] == [
        ("input", "ZSTD"),
        ("otel", "ZSTD"),
        ("request_model", "DICT_FSST"),
    ]


def test_row_groups_are_small(tmp_path: Path, span_line: Lines) -> None:
    store = Store(tmp_path / "a.duckdb")
    append(store, *[span_line() for _ in range(ROW_GROUP_ROWS + 1)])
    store.checkpoint()

    groups = store.read(
        "SELECT count(DISTINCT row_group_id) AS n FROM pragma_storage_info('store.spans')"
    )
    store.close()

    assert groups == [{"n": 2}]


def test_duckdb_never_checkpoints_by_itself_and_speaks_utc(store: Store) -> None:
    (settings,) = store.read(
        "SELECT current_setting('checkpoint_threshold') AS threshold, "
        "current_setting('TimeZone') AS zone"
    )

    assert settings == {"threshold": "931.3 GiB", "zone": "UTC"}


def test_rows_are_there_after_the_file_is_opened_again(tmp_path: Path, span_line: Lines) -> None:
    first = Store(tmp_path / "a.duckdb")
    append(first, span_line())
    first.close()

    second = Store(tmp_path / "a.duckdb")
    spans = second.read("SELECT name, epoch_ns(start_time) - start_ns AS off FROM store.spans")
    second.close()

    assert spans == [{"name": "triage", "off": 0}]


def test_a_transaction_that_fails_leaves_nothing(store: Store, span_line: Lines) -> None:
    def append_and_fail() -> None:
        spans = decode_records(span_line()).spans
        with store.transaction() as connection:
            append_batches(connection, [Batch("p", None, spans, [Derived()])], 1)
            connection.execute("INSERT INTO store.spans SELECT 'too few columns'")

    with pytest.raises(UnstorableError, match="the database refuses this"):
        append_and_fail()

    assert store.read("SELECT count(*) AS n FROM store.spans") == [{"n": 0}]


def test_each_migration_is_recorded(store: Store) -> None:
    versions = store.read("SELECT version FROM store.schema_versions ORDER BY version")

    assert versions == [{"version": n} for n in range(1, len(migrations.MIGRATIONS) + 1)]


def test_a_database_of_the_first_schema_gets_the_later_tables_and_keeps_its_rows(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.duckdb"
    with duckdb.connect() as connection:
        connection.execute(f"ATTACH '{path}' AS store (STORAGE_VERSION 'v1.5.0')")
        migrations.MIGRATIONS[0](connection)
        connection.execute("INSERT INTO store.schema_versions VALUES (1, now())")
        connection.execute("INSERT INTO store.spans BY NAME SELECT 'p' AS project, 'old' AS name")

    store = Store(path)
    spans = store.read("SELECT project, name FROM store.spans")
    losses = store.read("SELECT count(*) AS n FROM store.losses")
    versions = store.read("SELECT version FROM store.schema_versions ORDER BY version")
    store.close()

    assert spans == [{"project": "p", "name": "old"}]
    assert losses == [{"n": 0}]
    assert versions == [{"version": n} for n in range(1, len(migrations.MIGRATIONS) + 1)]


def test_a_database_of_a_newer_schema_is_refused_and_left_untouched(tmp_path: Path) -> None:
    path = tmp_path / "a.duckdb"
    store = Store(path)
    with store.transaction() as connection:
        connection.execute("INSERT INTO store.schema_versions VALUES (99, now())")
    store.close()
    before = digest(path)

    with pytest.raises(StoreError, match=r"schema 99, and this Headway knows up to \d+: install"):
        Store(path)

    assert digest(path) == before
    assert not path.with_name("a.duckdb.wal").exists()


def test_somebody_elses_database_is_refused_and_left_untouched(tmp_path: Path) -> None:
    path = tmp_path / "sales.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE orders (id INTEGER)")
    before = digest(path)

    with pytest.raises(StoreError, match=r"database of something else .* the table orders"):
        Store(path)

    assert digest(path) == before


def test_a_file_that_is_no_database_is_refused_and_left_untouched(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a database\n" * 1000)

    with pytest.raises(StoreError, match=r"notes.txt is not a DuckDB database: choose another"):
        Store(path)

    assert path.read_text() == "not a database\n" * 1000


def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"No such file or directory.*is its folder there"):
        Store(tmp_path / "missing" / "a.duckdb")


def test_a_folder_in_place_of_a_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"is a folder: name a file with --db"):
        Store(tmp_path)


def test_a_database_in_use_names_the_process_that_uses_it(tmp_path: Path) -> None:
    path = tmp_path / "a.duckdb"
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, headway_collector.store.connections as c; "
            "s = c.Store(sys.argv[1]); print('open', flush=True); sys.stdin.read()",
            path,
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "open\n"

        with pytest.raises(StoreError, match=rf"in use by .*\(PID {holder.pid}\): stop that one"):
            Store(path)
    finally:
        holder.communicate()


def test_a_store_heals_after_a_checkpoint_that_failed(tmp_path: Path, span_line: Lines) -> None:
    script = """
import resource, sys
from headway_collector.decoding import decode_records
from headway_collector.errors import StoreUnavailableError
from headway_collector.store.connections import Store
from headway_collector.store.batches import Batch, Derived
from headway_collector.store.writes import append_batches

def append(store, line):
    with store.transaction() as connection:
        append_batches(connection, [Batch("p", None, decode_records(line).spans, [Derived()])], 1)

store = Store(sys.argv[1])
store.checkpoint()
first, second = sys.stdin.buffer.read().splitlines()
append(store, first)
resource.setrlimit(resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
try:
    store.checkpoint()
except StoreUnavailableError:
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
    append(store, second)
    store.checkpoint()
    print(store.read("SELECT count(*) AS n FROM store.spans"))
store.close()
"""
    done = subprocess.run(
        [sys.executable, "-c", script, tmp_path / "a.duckdb"],
        input=span_line() + b"\n" + span_line(),
        capture_output=True,
        check=True,
    )

    assert done.stdout == b"[{'n': 2}]\n"


def test_a_read_while_the_file_is_being_reopened_says_so(store: Store) -> None:
    with store.transaction() as connection:
        connection.execute("CREATE TABLE store.gone (n INTEGER)")
    store._connection.execute("DETACH store")

    with pytest.raises(StoreUnavailableError, match="being reopened"):
        store.read("SELECT * FROM store.spans")
