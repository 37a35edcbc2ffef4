"""Backups of a collector that is served, and databases restored from them."""

import http.server
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from headway.apis import ApiClient
from headway.cli import main
from headway.errors import ApiError, CommandError, UnreachableError
from headway_collector.backup_command import fetch_backup
from headway_collector.errors import StoreError
from headway_collector.restoring import restore
from headway_collector.store.connections import Store
from headway_collector.store.drift_cards import save_card
from headway_collector.store.migrations import MIGRATIONS
from tests.collector.erasure_worlds import make_card

Lines = Callable[..., bytes]
Serve = Callable[..., Any]
BATCH_SPANS = 25
SENDERS = 3


def list_spans(path: Path) -> list[tuple[str, str]]:
    store = Store(path)
    rows = store.read("SELECT name, span_id FROM store.spans ORDER BY ALL")
    store.close()
    return [(row["name"], row["span_id"]) for row in rows]


def make(path: Path, *statements: str) -> None:
    """Make a database, or open one, and run statements in it."""
    store = Store(path)
    for statement in statements:
        with store.transaction() as connection:
            connection.execute(statement)
    store.close()


def add_span(number: int, user: str = "somebody") -> str:
    return (
        "INSERT INTO store.spans (project, name, kind, trace_id, span_id, span_key, start_ns, "
        "end_ns, received_ns, user_id) "
        f"VALUES ('p', 'triage', 'llm', '{number:032x}', '{number:016x}', {number}, {number}, "
        f"{number}, {number}, '{user}')"
    )


def test_a_backup_under_load_has_whole_batches_and_all_that_was_acknowledged_before(
    serve: Serve, tmp_path: Path, span_line: Lines
) -> None:
    served = serve(tmp_path / "a.duckdb")
    acknowledged: set[str] = set()
    enough, is_over = threading.Semaphore(0), threading.Event()

    def send(sender: int) -> None:
        client = ApiClient(served.url)
        number = 0
        while not is_over.is_set():
            name = f"{sender}-{number}"
            with lock:
                lines = [span_line(name=name) for _ in range(BATCH_SPANS)]
            client.ingest(lines, project="p", batch_id=name)
            acknowledged.add(name)
            enough.release()
            number += 1

    lock = threading.Lock()
    threads = [threading.Thread(target=send, args=(each,)) for each in range(SENDERS)]
    for thread in threads:
        thread.start()
    for _ in range(20):
        assert enough.acquire(timeout=60)
    before = set(acknowledged)
    size = fetch_backup(served.url, tmp_path / "backup")
    is_over.set()
    for thread in threads:
        thread.join()
    everything = set(acknowledged)
    left = sorted(each.name for each in tmp_path.iterdir())
    assert served.stop() == 0

    restore(tmp_path / "backup", tmp_path / "b.duckdb")
    stored = list_spans(tmp_path / "b.duckdb")
    names = [name for name, _ in stored]
    assert size == (tmp_path / "backup").stat().st_size
    assert before <= set(names) <= everything
    assert {names.count(name) for name in set(names)} == {BATCH_SPANS}
    assert len({span_id for _, span_id in stored}) == len(stored)
    assert set(stored) <= set(list_spans(tmp_path / "a.duckdb"))
    assert [each for each in left if "rewrite" in each or "part" in each] == []
    # A batch that is sent once more is told from a new one by these.
    store = Store(tmp_path / "b.duckdb")
    assert {row["batch_id"] for row in store.read("FROM store.batches")} == set(names)
    store.close()


def test_a_backup_says_what_was_made_and_is_written_down(
    client: Any, ingest: Callable[..., Any], span_line: Lines, tmp_path: Path
) -> None:
    ingest(span_line(name="kept"))
    response = client.get("/v1/backup")
    (tmp_path / "backup").write_bytes(response.content)
    (action,) = client.get("/v1/audit", params={"action": "backup.make"}).json()["actions"]

    assert response.status_code == 200
    assert int(response.headers["content-length"]) == len(response.content)
    assert response.headers["repr-digest"].startswith("sha-256=:")
    assert response.headers["cache-control"] == "no-store"
    assert [name for name, _ in list_spans(tmp_path / "backup")] == ["kept"]
    assert action["detail"] == {"bytes": len(response.content)}


@pytest.fixture
def answer() -> Iterator[Callable[..., str]]:
    """Serve one answer to every request, with these headers and this body."""
    servers: list[http.server.HTTPServer] = []
    threads: list[threading.Thread] = []

    def start(body: bytes, status: int = 200, **headers: str) -> str:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name.replace("_", "-"), value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *values: object) -> None:
                pass

        server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        threads.append(threading.Thread(target=server.serve_forever, args=(0.01,)))
        threads[-1].start()
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server, thread in zip(servers, threads, strict=True):
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(
    ("headers", "error", "message"),
    [
        ({"Content_Length": "4", "Repr_Digest": "sha-256=:AAAA:"}, CommandError, "4 bytes arrived"),
        ({"Content_Length": "4"}, CommandError, "the collector sent 4 with None"),
        ({"Content_Length": "9"}, CommandError, "broke off"),
    ],
)
def test_a_backup_that_is_not_what_was_sent_is_not_written(
    answer: Callable[..., str],
    tmp_path: Path,
    headers: dict[str, str],
    error: type[Exception],
    message: str,
) -> None:
    (tmp_path / "backup").write_bytes(b"the last good one")

    with pytest.raises(error, match=message):
        fetch_backup(answer(b"data", **headers), tmp_path / "backup")
    assert (tmp_path / "backup").read_bytes() == b"the last good one"
    assert [each.name for each in tmp_path.iterdir()] == ["backup"]


def test_a_backup_that_is_refused_says_why(answer: Callable[..., str], tmp_path: Path) -> None:
    body = b'{"code": "store_unavailable", "message": "make room"}'

    with pytest.raises(ApiError, match="GET /v1/backup: make room"):
        fetch_backup(answer(body, 503), tmp_path / "backup")
    with pytest.raises(UnreachableError, match="no collector answers"):
        fetch_backup("http://127.0.0.1:9", tmp_path / "backup")
    assert list(tmp_path.iterdir()) == []


def test_the_commands_bring_a_database_back(
    serve: Serve, tmp_path: Path, span_line: Lines, capsys: pytest.CaptureFixture[str]
) -> None:
    database, backup = tmp_path / "a.duckdb", tmp_path / "backup"
    served = serve(database)
    client = ApiClient(served.url)
    client.ingest([span_line(name="early")], project="p", batch_id="one")
    made = main(["backup", str(backup), "--url", served.url])
    client.ingest([span_line(name="late")], project="p", batch_id="two")
    refused = main(["restore", str(backup), "--db", str(database)])
    said = capsys.readouterr()
    served.stop()
    restored = main(["restore", str(backup), "--db", str(database)])

    assert (made, refused, restored) == (0, 2, 0)
    assert f"{database} is in use by" in said.err
    assert backup.stat().st_mode & 0o777 == 0o600
    assert capsys.readouterr().out == (
        f"{database} is what {backup} was; 1 rows of the audit since were kept; "
        f"the database that was there is {database}.before\n"
    )
    assert [name for name, _ in list_spans(database)] == ["early"]
    assert [name for name, _ in list_spans(Path(f"{database}.before"))] == ["early", "late"]
    assert list(tmp_path.glob("*.part*")) == []


def test_a_restore_may_discard_what_was_there(tmp_path: Path) -> None:
    make(tmp_path / "backup", add_span(1))
    make(tmp_path / "a.duckdb", add_span(2))
    restored = restore(tmp_path / "backup", tmp_path / "a.duckdb", is_discarding=True)

    assert restored.kept is None
    assert sorted(each.name for each in tmp_path.iterdir()) == ["a.duckdb", "backup"]
    assert [span_id for _, span_id in list_spans(tmp_path / "a.duckdb")] == [f"{1:016x}"]


def test_what_was_only_in_the_log_of_the_replaced_database_is_kept_with_it(tmp_path: Path) -> None:
    make(tmp_path / "backup", add_span(1))
    store = Store(tmp_path / "a.duckdb")
    with store.transaction() as connection:
        connection.execute(add_span(2))
    log = (tmp_path / "a.duckdb.wal").read_bytes()
    file = (tmp_path / "a.duckdb").read_bytes()
    store.close()
    (tmp_path / "a.duckdb").write_bytes(file)  # as a kill leaves both
    (tmp_path / "a.duckdb.wal").write_bytes(log)
    restore(tmp_path / "backup", tmp_path / "a.duckdb")

    assert [span_id for _, span_id in list_spans(tmp_path / "a.duckdb")] == [f"{1:016x}"]
    assert [span_id for _, span_id in list_spans(tmp_path / "a.duckdb.before")] == [f"{2:016x}"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no database at all" * 1000, "not a DuckDB database"),
        (None, "there is no file"),
    ],
)
def test_a_file_that_is_no_backup_changes_nothing(
    tmp_path: Path, content: bytes | None, message: str
) -> None:
    make(tmp_path / "a.duckdb", add_span(2))
    if content is not None:
        (tmp_path / "backup").write_bytes(content)

    with pytest.raises((StoreError, CommandError), match=message):
        restore(tmp_path / "backup", tmp_path / "a.duckdb")
    assert [span_id for _, span_id in list_spans(tmp_path / "a.duckdb")] == [f"{2:016x}"]
    assert not (tmp_path / "a.duckdb.before").exists()


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("CREATE TABLE somebody (id INT)", "something else"),
        ("SELECT 1", "an empty database, not a backup"),
        (
            "CREATE TABLE schema_versions AS SELECT 99 AS version, now() AS applied_at",
            f"schema 99, and this Headway knows up to {len(MIGRATIONS)}",
        ),
    ],
)
def test_a_database_of_others_or_of_a_newer_headway_is_no_backup(
    tmp_path: Path, statement: str, message: str
) -> None:
    with duckdb.connect(tmp_path / "backup") as connection:
        connection.execute(statement)

    with pytest.raises(StoreError, match=message):
        restore(tmp_path / "backup", tmp_path / "a.duckdb")
    assert [each.name for each in tmp_path.iterdir()] == ["backup"]


def test_a_file_that_was_copied_while_it_was_served_is_no_backup(tmp_path: Path) -> None:
    make(tmp_path / "backup", add_span(1))
    (tmp_path / "backup.wal").write_bytes(b"rows that the file has not")

    with pytest.raises(CommandError, match=r"backup\.wal lies beside .* with `headway backup`"):
        restore(tmp_path / "backup", tmp_path / "a.duckdb")


def test_a_database_is_not_restored_from_itself(tmp_path: Path) -> None:
    make(tmp_path / "a.duckdb", add_span(1))

    with pytest.raises(CommandError, match="is the database itself"):
        restore(tmp_path / "a.duckdb", tmp_path / "a.duckdb")


def test_who_was_erased_after_the_backup_stays_erased(serve: Serve, tmp_path: Path) -> None:
    database = tmp_path / "a.duckdb"
    make(database, add_span(1, "ann"), add_span(2, "bob"))
    served = serve(database)
    fetch_backup(served.url, tmp_path / "backup")
    ApiClient(served.url).post("/v1/erasures", {"kind": "user", "id": "ann"}, project="p")
    served.stop()
    restored = restore(tmp_path / "backup", database)

    assert restored.carried.tombstones > 0
    assert restored.erased == 1
    assert [span_id for _, span_id in list_spans(database)] == [f"{2:016x}"]
    store = Store(database)
    assert store.read("SELECT count(*) AS n FROM store.erasures") == [{"n": 1}]
    store.close()


def test_a_card_of_the_backup_that_may_quote_who_was_erased_since_is_not_restored(
    serve: Serve, tmp_path: Path
) -> None:
    database = tmp_path / "a.duckdb"
    make(database, add_span(1, "ann"), add_span(2, "bob"))
    store = Store(database)
    windows = {"held": (1, 2), "kept": (2, 3)}  # ann's call began at 1, and bob's at 2
    with store.transaction() as connection:
        for card_id, (start_ns, end_ns) in windows.items():
            window = {"filters": [], "start_ns": start_ns, "end_ns": end_ns}
            card = json.loads(make_card(card_id, "b" * 16))
            card |= {"reference": window, "current": window}
            save_card(connection, "p", json.dumps(card).encode(), 1)
    store.close()
    served = serve(database)
    fetch_backup(served.url, tmp_path / "backup")
    ApiClient(served.url).post("/v1/erasures", {"kind": "user", "id": "ann"}, project="p")
    served.stop()
    assert main(["restore", str(tmp_path / "backup"), "--db", str(database)]) == 0

    store = Store(database)
    assert store.read("SELECT card_id FROM store.drift_cards") == [{"card_id": "kept"}]
    store.close()


def test_erasures_of_another_collector_are_not_lost_in_a_restore(tmp_path: Path) -> None:
    for name, salt in (("backup", "AA"), ("a.duckdb", "BB")):
        make(
            tmp_path / name,
            f"INSERT INTO store.salts VALUES ('tombstones', '\\x{salt}'::BLOB)",
            "INSERT INTO store.tombstones VALUES ('p', 'user', 5, 7)",
        )

    with pytest.raises(StoreError, match="of another collector"):
        restore(tmp_path / "backup", tmp_path / "a.duckdb")


def test_a_key_that_was_revoked_after_the_backup_stays_revoked(tmp_path: Path) -> None:
    add_key = "INSERT INTO store.keys (key_id, name) VALUES ('k1', 'one'), ('k2', 'two')"
    make(tmp_path / "backup", add_key)
    make(tmp_path / "a.duckdb", add_key, "UPDATE store.keys SET revoked_ns = 9 WHERE key_id = 'k1'")
    restore(tmp_path / "backup", tmp_path / "a.duckdb")

    store = Store(tmp_path / "a.duckdb")
    assert store.read("SELECT key_id, revoked_ns FROM store.keys ORDER BY key_id") == [
        {"key_id": "k1", "revoked_ns": 9},
        {"key_id": "k2", "revoked_ns": None},
    ]
    store.close()
