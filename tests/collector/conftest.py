"""A collector for tests: a real store, the real application, and lines to send to it."""

import itertools
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from starlette.testclient import TestClient

from headway_collector.apps import create_app
from headway_collector.protocols import PatientProtocol
from headway_collector.serving import Server
from headway_collector.store.connections import Store

NOW_NS = 1_763_800_000_000_000_000


@pytest.fixture
def now_ns() -> int:
    """What the collector's clock shows: 2025-11-22T08:26:40Z."""
    return NOW_NS


@pytest.fixture
def store() -> Iterator[Store]:
    """An empty database in memory."""
    store = Store()
    yield store
    store.close()


@pytest.fixture
def client(store: Store) -> Iterator[TestClient]:
    """The application over ``store``, with a clock that stands still."""
    app = create_app(store, label="tests", clock_ns=lambda: NOW_NS, make_id=lambda: "made-id")
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def listen() -> Iterator[Callable[..., str]]:
    """Serve a new empty database from this process, and return its address.

    ``http`` is the protocol of the connections; other arguments are those of ``create_app``.
    """
    with ExitStack() as stack:
        yield lambda **options: stack.enter_context(listening(**options))


@contextmanager
def listening(*, http: type[PatientProtocol] = PatientProtocol, **options: Any) -> Iterator[str]:
    store = Store()
    listens = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        app = create_app(store, **options)
        config = uvicorn.Config(app, http=http, log_level="warning", access_log=False)
        server = Server(config, listens.set)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        assert listens.wait(60)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        server.should_exit = True
        thread.join()
    store.close()


@pytest.fixture
def span_line() -> Callable[..., bytes]:
    """Make the line of a valid span; every call has ids of its own, and starts a second later."""
    numbers = itertools.count(1)

    def make(**fields: Any) -> bytes:
        number = next(numbers)
        start_ns = fields.pop("start_ns", NOW_NS + number * 1_000_000_000)
        span = {
            "type": "span",
            "trace_id": f"{number:032x}",
            "span_id": f"{number:016x}",
            "name": "triage",
            "kind": "llm",
            "start_ns": start_ns,
            "end_ns": start_ns + 250_000_000,
        }
        return json.dumps(span | fields).encode()

    return make


@pytest.fixture
def score_line() -> Callable[..., bytes]:
    """Make the line of a valid score."""
    numbers = itertools.count(1)

    def make(**fields: Any) -> bytes:
        number = next(numbers)
        score = {
            "type": "score",
            "score_id": f"score-{number}",
            "name": "helpful",
            "value": True,
            "time_ns": NOW_NS + number,
            "span_id": f"{1:016x}",
        }
        return json.dumps(score | fields).encode()

    return make


@pytest.fixture
def loss_line() -> Callable[..., bytes]:
    """Make the line of a valid loss."""

    def make(**fields: Any) -> bytes:
        loss = {
            "type": "loss",
            "client_id": "c" * 32,
            "reason": "journal_full",
            "count": 7,
            "time_ns": NOW_NS,
            "host": "web-1",
            "pid": 4711,
        }
        return json.dumps(loss | fields).encode()

    return make


@pytest.fixture
def ingest(client: TestClient) -> Callable[..., Any]:
    """Send lines as one batch, and return the answer to a batch that was taken."""

    def send(*lines: bytes, project: str = "p", batch_id: str | None = None) -> Any:
        headers = {"Headway-Project": project}
        if batch_id is not None:
            headers["Headway-Batch-Id"] = batch_id
        response = client.post("/v1/ingest", content=b"\n".join(lines), headers=headers)
        assert response.status_code == 200, response.text
        return response.json()

    return send


@dataclass
class Served:
    """A collector process, and where it listens."""

    url: str
    process: subprocess.Popen[str]

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send the signal, wait for the end, and return the exit code."""
        self.process.send_signal(number)
        code = self.process.wait(timeout=60)
        if self.process.stdout is not None:
            self.process.stdout.close()
        return code


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Served]]:
    """Start ``headway serve`` on a free port; whatever still runs at the end is killed."""
    with serving_processes(tmp_path) as start:
        yield start


@contextmanager
def serving_processes(folder: Path) -> Iterator[Callable[..., Served]]:
    """Yield what starts ``headway serve`` in a folder, as the fixture ``serve`` does for a test."""
    started: list[Served] = []

    def start(database: Path, *options: str) -> Served:
        process = subprocess.Popen(
            [sys.executable, "-m", "headway", "serve", "--db", database, "--port", "0", *options],
            stdout=subprocess.PIPE,
            text=True,
            cwd=folder,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        assert process.stdout is not None
        served = Served("", process)
        started.append(served)
        line = process.stdout.readline()
        found = re.fullmatch(r"Headway collector at (http://\S+) \(database (.*)\)\n", line)
        assert found is not None, f"said {line!r} and ended with {process.poll()}"
        served.url = found[1]
        return served

    try:
        yield start
    finally:
        for served in started:
            if served.process.poll() is None:
                served.stop(signal.SIGKILL)
