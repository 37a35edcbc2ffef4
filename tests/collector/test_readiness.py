"""Ready means that a batch that came now would be written; alive means less, and asks nobody."""

import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import duckdb
import pytest
from starlette.testclient import TestClient

from headway_collector.apps import create_app
from headway_collector.disks import RESERVE_BYTES, Disk, Space
from headway_collector.store.connections import Store
from headway_collector.store.openings import MEMORY
from headway_collector.writing import Limits
from tests.collector.conftest import Served

Lines = Callable[..., bytes]


class Blockage:
    """A task that holds the writer up until it is let go, as a disk does that is stuck."""

    def __init__(self, client: TestClient) -> None:
        self._writer = client.app.state.collector.writer  # type: ignore[attr-defined]
        self._has_begun, self._may_end = threading.Event(), threading.Event()
        self._done = self._writer.perform(self._wait)
        assert self._has_begun.wait(30)

    def _wait(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._has_begun.set()
        self._may_end.wait(60)

    def end(self) -> None:
        self._may_end.set()
        self._done.result(60)


@pytest.fixture
def block() -> Iterator[Callable[[TestClient], Blockage]]:
    blockages: list[Blockage] = []

    def start(client: TestClient) -> Blockage:
        blockages.append(Blockage(client))
        return blockages[-1]

    yield start
    for each in blockages:
        each.end()


def reason(client: TestClient) -> str:
    response = client.get("/readyz")
    assert response.status_code == 503, response.text
    assert response.headers["retry-after"] == "5"
    assert client.get("/healthz").status_code == 200
    said: str = response.json()["message"]
    return said


def test_a_writer_that_comes_on_is_ready(client: TestClient) -> None:
    assert client.get("/readyz").json() == {"status": "ready"}


def test_work_that_waits_too_long_is_not_ready_and_ready_again_once_it_is_done(
    store: Store, block: Callable[[TestClient], Blockage]
) -> None:
    with TestClient(create_app(store, limits=Limits(stuck_s=0.0))) as client:
        blockage = block(client)

        assert "while work waits: is the disk stuck?" in reason(client)
        blockage.end()
        assert client.get("/readyz").status_code == 200


def test_short_work_leaves_the_collector_ready(
    client: TestClient, block: Callable[[TestClient], Blockage]
) -> None:
    block(client)

    assert client.get("/readyz").status_code == 200


def test_a_full_queue_is_not_ready(
    store: Store, block: Callable[[TestClient], Blockage], span_line: Lines
) -> None:
    with TestClient(create_app(store, limits=Limits(queued=1))) as client:
        blockage = block(client)
        waiting = client.app.state.collector.writer.perform(lambda connection: None)  # type: ignore[attr-defined]

        assert "the queue is full" in reason(client)
        assert client.post("/v1/ingest", content=span_line()).status_code == 429
        assert not waiting.done()
        blockage.end()


def test_a_file_that_was_moved_is_not_ready(tmp_path: Path) -> None:
    store = Store(tmp_path / "a.duckdb")
    with TestClient(create_app(store)) as client:
        (tmp_path / "a.duckdb").rename(tmp_path / "b.duckdb")
        assert "was moved or deleted" in reason(client)
        (tmp_path / "b.duckdb").rename(tmp_path / "a.duckdb")
        assert client.get("/readyz").status_code == 200
    store.close()


def test_a_collector_that_ends_is_not_ready(client: TestClient, store: Store) -> None:
    store.stop_reading()

    assert "shutting down" in reason(client)


def test_too_little_room_refuses_records_and_not_what_frees_it(
    tmp_path: Path, span_line: Lines
) -> None:
    free = [10_000]
    path = tmp_path / "a.duckdb"
    store = Store(path)
    disk = Disk(
        str(path),
        5_000,
        measure=lambda folder: Space(10**9, free[0]),
        clock_s=iter(range(10**6)).__next__,
    )
    with TestClient(create_app(store, disk=disk)) as client:
        assert client.post("/v1/ingest", content=span_line()).status_code == 200
        free[0] = 4_999

        refused = client.post("/v1/ingest", content=span_line())

        assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
        assert "4999 bytes left, and 5000 are kept" in refused.json()["message"]
        assert "4999 bytes left" in reason(client)
        assert client.post("/v1/reprice").status_code == 200
        free[0] = 5_000
        assert client.post("/v1/ingest", content=span_line()).status_code == 200
        assert client.get("/readyz").status_code == 200
    store.close()


@pytest.mark.parametrize(
    ("total", "reserve"), [(10**12, RESERVE_BYTES), (6 * 10**6, 300_000), (0, 0)]
)
def test_of_a_small_disk_less_is_kept(tmp_path: Path, total: int, reserve: int) -> None:
    disk = Disk(str(tmp_path / "a"), measure=lambda folder: Space(total, total))

    assert (disk.reserve_bytes, disk.fault) == (reserve, None)


def test_a_disk_is_asked_once_for_many_requests(tmp_path: Path) -> None:
    asked: list[str] = []

    def measure(folder: str) -> Space:
        asked.append(folder)
        return Space(10**9, 10**9)

    now_s = [0.0]
    disk = Disk(str(tmp_path / "a"), measure=measure, clock_s=lambda: now_s[0])
    for _ in range(100):
        assert disk.fault is None
    now_s[0] = 1.0
    assert disk.fault is None

    assert asked == [str(tmp_path)] * 2


def test_a_database_in_memory_has_no_disk() -> None:
    assert Disk(MEMORY, 10**18).fault is None


def test_a_disk_that_is_gone_is_for_the_store_to_say(tmp_path: Path) -> None:
    assert Disk(str(tmp_path / "gone" / "a")).fault is None


def test_sigterm_under_load_loses_nothing_acknowledged_and_ends_in_time(
    serve: Callable[..., Served], tmp_path: Path
) -> None:
    served = serve(tmp_path / "a.duckdb", "--mappers", "0")
    acknowledged: list[int] = []
    under_load = threading.Event()

    def make(number: int) -> bytes:
        span: dict[str, Any] = {"type": "span", "name": "n", "kind": "llm"}
        span |= {"trace_id": f"{number:032x}", "span_id": f"{number:016x}"}
        span |= {"start_ns": 10**18 + number, "end_ns": 10**18 + number + 1, "input": "x" * 2000}
        return json.dumps(span).encode()

    def send(worker: int) -> None:
        for batch in range(100_000):
            first = 1 + worker * 10**9 + batch * 20
            numbers = range(first, first + 20)
            request = urllib.request.Request(
                f"{served.url}/v1/ingest", data=b"\n".join(map(make, numbers)), method="POST"
            )
            try:
                with urllib.request.urlopen(request, timeout=30) as response:
                    assert json.load(response)["accepted"] == 20
            except (urllib.error.HTTPError, OSError, ValueError):
                return
            acknowledged.extend(numbers)
            if len(acknowledged) > 1_000:
                under_load.set()

    with ThreadPoolExecutor(6) as pool:
        senders = [pool.submit(send, worker) for worker in range(6)]
        assert under_load.wait(60)
        began_s = time.monotonic()
        code = served.stop()
        took_s = time.monotonic() - began_s
        for sender in senders:
            sender.result(60)

    store = Store(tmp_path / "a.duckdb")
    rows = store.read("SELECT span_id FROM store.spans")
    store.close()
    stored = [row["span_id"] for row in rows]
    assert code == 0
    assert {f"{number:016x}" for number in acknowledged} <= set(stored)
    assert len(stored) == len(set(stored))
    # Four seconds for requests, and the last checkpoint; supervisors kill after ten.
    assert took_s < 10
    assert not (tmp_path / "a.duckdb.wal").exists()
