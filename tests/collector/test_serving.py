"""``headway serve`` as a process: its line, its refusals, its end, its death, its full disk."""

import json
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import urllib3

from headway.apis import ApiClient
from headway.errors import ApiError
from headway.records import DEFAULT_URL
from headway_collector.commands import DEFAULT_HOST, DEFAULT_PORT
from headway_collector.store.connections import Store

Lines = Callable[..., bytes]
Serve = Callable[..., Any]


def run_serve(
    *options: str | Path, cwd: Path, **environment: str
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "headway", "serve", *options],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=environment or None,
        timeout=60,
    )


def test_it_says_where_it_listens_and_ends_cleanly(
    serve: Serve, tmp_path: Path, span_line: Lines
) -> None:
    database = tmp_path / "a.duckdb"
    served = serve(database, "--label", "demo traffic")
    client = ApiClient(served.url)

    assert client.get("/readyz") == {"status": "ready"}
    assert client.get("/healthz")["label"] == "demo traffic"
    client.ingest([span_line()], project="p", batch_id="b")
    assert served.stop(signal.SIGTERM) == 0
    assert not database.with_name("a.duckdb.wal").exists()


def test_it_listens_where_our_clients_and_exporters_of_otlp_look() -> None:
    assert (DEFAULT_HOST, DEFAULT_PORT) == ("127.0.0.1", 4318)
    assert f"http://{DEFAULT_HOST}:{DEFAULT_PORT}" == DEFAULT_URL


def test_an_interrupt_ends_it_cleanly(serve: Serve, tmp_path: Path) -> None:
    assert serve(tmp_path / "a.duckdb").stop(signal.SIGINT) == 0


def test_settings_come_from_the_file_beside_it(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "headway.toml").write_text('[collector]\nlabel = "from the file"\n')

    served = serve(tmp_path / "a.duckdb")

    assert ApiClient(served.url).get("/healthz")["label"] == "from the file"


def test_a_port_in_use_is_one_line_and_exit_2(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = run_serve("--db", tmp_path / "a.duckdb", "--port", str(port), cwd=tmp_path)

    assert done.returncode == 2
    assert done.stderr == (
        f"headway: 127.0.0.1:{port} is in use: another collector may run there already; "
        "stop it, or choose another port with --port (0 takes a free one)\n"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--host", "0.0.0.0"], "0.0.0.0 can be reached from other machines"),
        (["--host", "::"], ":: can be reached from other machines"),
        (["--host", "nosuchhost.invalid"], "there is no host 'nosuchhost.invalid': use --host"),
        (["--port", "70000"], "'70000' is not a port"),
        (["--port", "0", "--db", "notes.txt"], "notes.txt is not a DuckDB database"),
        (["--port", "0", "--db", ""], ". is a folder: name a file with --db"),
        (["--port", "0", "--db", "gone/a.duckdb"], "No such file or directory"),
    ],
)
def test_what_it_cannot_do_is_said_without_a_traceback(
    tmp_path: Path, options: list[str], message: str
) -> None:
    (tmp_path / "notes.txt").write_text("some notes " * 1000)

    done = run_serve(*options, cwd=tmp_path)

    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_second_collector_on_a_database_names_the_first(serve: Serve, tmp_path: Path) -> None:
    served = serve(tmp_path / "a.duckdb")

    done = run_serve("--db", tmp_path / "a.duckdb", "--port", "0", cwd=tmp_path)

    assert done.returncode == 2
    assert f"(PID {served.process.pid})" in done.stderr


def test_whatever_was_answered_survives_kill_9_exactly_once(serve: Serve, tmp_path: Path) -> None:
    database = tmp_path / "a.duckdb"
    answered: set[str] = set()
    sent: dict[str, list[bytes]] = {}
    for round_number in range(3):
        served = serve(database)
        enough = threading.Event()
        with ThreadPoolExecutor(4) as pool:
            workers = [
                pool.submit(
                    send_until_dead, served.url, f"{round_number}-{n}", sent, answered, enough
                )
                for n in range(4)
            ]
            assert enough.wait(60)
            served.stop(signal.SIGKILL)
            for worker in workers:
                worker.result()

    # The batches whose answer was lost are sent again, as the client would.
    served = serve(database)
    client = ApiClient(served.url)
    for batch_id, lines in sent.items():
        if batch_id not in answered:
            client.ingest(lines, project="p", batch_id=batch_id)
    assert served.stop() == 0
    store = Store(database)
    stored = store.read("SELECT span_id, count(*) AS n FROM store.spans GROUP BY span_id")
    store.close()

    expected = {json.loads(line)["span_id"] for lines in sent.values() for line in lines}
    assert len(answered) > 30
    assert {row["span_id"] for row in stored} == expected
    assert {row["n"] for row in stored} == {1}


def send_until_dead(
    url: str,
    worker: str,
    sent: dict[str, list[bytes]],
    answered: set[str],
    enough: threading.Event,
) -> None:
    """Send batches until nobody answers, noting which were answered."""
    client = ApiClient(url)
    for number in range(100_000):
        batch_id = f"{worker}-{number}"
        lines = [make_line(batch_id, index) for index in range(20)]
        sent[batch_id] = lines
        try:
            client.ingest(lines, project="p", batch_id=batch_id)
        except ApiError:
            return
        answered.add(batch_id)
        if number >= 5:
            enough.set()


def make_line(batch_id: str, index: int) -> bytes:
    seed = abs(hash((batch_id, index))) % 2**60 + 1
    span = {
        "type": "span",
        "trace_id": f"{seed:032x}",
        "span_id": f"{seed:016x}",
        "name": batch_id,
        "start_ns": time.time_ns(),
        "end_ns": time.time_ns(),
        "input": "where is my parcel? " * 50,
    }
    return json.dumps(span).encode()


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="limits a process on Linux only")
def test_a_full_disk_is_503_and_loses_nothing_that_was_answered(
    serve: Serve, tmp_path: Path, span_line: Lines
) -> None:
    database = tmp_path / "a.duckdb"
    served = serve(database)

    def ask(method: str, path: str, body: bytes | None = None) -> "urllib3.BaseHTTPResponse":
        return urllib3.request(method, served.url + path, body=body, retries=False)

    def limit_files(size_bytes: int) -> None:
        # A file that may not grow fails like one on a disk that is full.
        limits = (size_bytes, resource.RLIM_INFINITY)
        resource.prlimit(served.process.pid, resource.RLIMIT_FSIZE, limits)

    limit_files(1_000_000)
    answers: list[urllib3.BaseHTTPResponse] = []
    while not answers or answers[-1].status == 200:
        lines = [span_line(input="x" * 5000) for _ in range(20)]
        answers.append(ask("POST", "/v1/ingest", b"\n".join(lines)))
    not_ready = ask("GET", "/readyz")
    still_read = ask("GET", "/v1/metrics")
    limit_files(resource.RLIM_INFINITY)
    after = ask("POST", "/v1/ingest", span_line())

    stored = 20 * (len(answers) - 1)
    assert stored > 0
    assert (answers[-1].status, answers[-1].json()["code"]) == (503, "store_unavailable")
    assert answers[-1].headers["Retry-After"] == "5"
    assert not_ready.status == 503
    assert still_read.json()["rows"] == [{"count": stored}]
    assert after.json()["accepted"] == 1
    assert ask("GET", "/readyz").status == 200
    assert served.stop() == 0
    store = Store(database)
    assert store.read("SELECT count(*) AS n FROM store.spans") == [{"n": stored + 1}]
    store.close()


def test_it_ends_at_once_though_a_body_never_comes_whole(serve: Serve, tmp_path: Path) -> None:
    served = serve(tmp_path / "a.duckdb")
    parts = urllib3.util.parse_url(served.url)
    head = b"POST /v1/ingest HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nabc"
    with socket.create_connection((parts.host, parts.port)) as client:
        client.sendall(head)
        # Once another request is answered, the first has been read.
        assert ApiClient(served.url).get("/readyz") == {"status": "ready"}
        began_s = time.monotonic()

        assert served.stop(signal.SIGTERM) == 0

        assert time.monotonic() - began_s < 3
