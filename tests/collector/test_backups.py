"""Backups of a collector that is served, fetched whole or not at all."""

import http.server
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from headway.apis import ApiClient
from headway.cli import main
from headway.errors import ApiError, CommandError, UnreachableError
from headway_collector.backup_command import fetch_backup
from headway_collector.restoring import restore
from headway_collector.store.connections import Store

Lines = Callable[..., bytes]
Serve = Callable[..., Any]
BATCH_SPANS = 25
SENDERS = 3


def list_spans(path: Path) -> list[tuple[str, str]]:
    store = Store(path)
    rows = store.read("SELECT name, span_id FROM store.spans ORDER BY ALL")
    store.close()
    return [(row["name"], row["span_id"]) for row in rows]


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
