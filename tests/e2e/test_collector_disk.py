"""The collector on a disk that others fill and free again under load, and on one that stalls.

A disk is a small tmpfs, which takes root to mount, and stalls where a library between the collector
and the C library holds ``fsync`` back, which takes a C compiler; anybody else sees the tests
skipped. The disk is filled ``HEADWAY_DISK_ROUNDS`` times, in ``make soak`` more often than here.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import urllib3

from headway_collector.decoding import decode_records
from headway_collector.errors import StoreError, StoreUnavailableError
from headway_collector.store.batches import Batch, Derived
from headway_collector.store.connections import Store
from headway_collector.writing import Limits, Writer
from tests.e2e.processes import CollectorProcess, clean_environment
from tests.e2e.test_full_disk import fill, mount

pytestmark = pytest.mark.timeout(300 + 30 * int(os.environ.get("HEADWAY_DISK_ROUNDS", "2")))

ROUNDS = int(os.environ.get("HEADWAY_DISK_ROUNDS", "2"))
CLIENTS = 3
ROWS = 20
TEXT_BYTES = 1_000
DISK_MB = 160
TINY_DISK_KB = 1_000
LOG_BYTES = 200_000
WAIT_S = 60.0
START_NS = 1_763_800_000_000_000_000
# All requests together may hold 256 MB, and a body 64.
LARGE_POSTS, LARGE_BYTES, SMALL_BYTES = 4, 60 << 20, 20 << 20
# The disk itself says no here, and nothing before it.
NO_RESERVE = {"HEADWAY_COLLECTOR_DISK_RESERVE_BYTES": "0"}

STALLING = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

static void wait_while_stalled(void) {
    const char *gate = getenv("STALLED_WHILE");
    while (gate && access(gate, F_OK) == 0) usleep(1000);
}

int fsync(int file) {
    wait_while_stalled();
    return ((int (*)(int))dlsym(RTLD_NEXT, "fsync"))(file);
}

int fdatasync(int file) {
    wait_while_stalled();
    return ((int (*)(int))dlsym(RTLD_NEXT, "fdatasync"))(file);
}
"""

LOGGING = """
import sys, threading
import headway

is_over = threading.Event()

@headway.observe(kind="llm", model="support-7b")
def answer(message):
    return message.upper()

def log():
    number = 0
    while not is_over.wait(0.005):
        with headway.context(session=f"sdk {number}"):
            answer(f"where is {number}? " * 10)
        number += 1

worker = threading.Thread(target=log)
worker.start()
sys.stdin.readline()
is_over.set()
worker.join()
assert headway.flush(timeout_s=60), headway.stats()
stats = headway.stats()
print(stats.recorded, sum(stats.dropped.values()), flush=True)
"""


@dataclass
class Load:
    """Clients that post batches one after the other, and what they were told.

    Args:
        is_patient: whether a batch that was refused is posted again, as it was, or given up.
    """

    url: str
    is_patient: bool = True
    acknowledged: list[str] = field(default_factory=list)
    given_up: list[str] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    slowest_s: float = 0.0
    changed: threading.Condition = field(default_factory=threading.Condition)
    is_over: threading.Event = field(default_factory=threading.Event)

    def run(self, client: int) -> None:
        number = 0
        with urllib3.PoolManager(retries=False, timeout=WAIT_S) as pool:
            while not self.is_over.is_set():
                number += 1
                names = [f"{self.is_patient} {client} {number} {row}" for row in range(ROWS)]
                body = make_body(names)
                batch = {"Headway-Batch-Id": names[0], "Headway-Project": "load"}
                is_kept = self.post(pool, body, batch)
                while not is_kept and self.is_patient and not self.is_over.wait(0.02):
                    is_kept = self.post(pool, body, batch)
                with self.changed:
                    (self.acknowledged if is_kept else self.given_up).extend(names)

    def post(self, pool: urllib3.PoolManager, body: bytes, headers: dict[str, str]) -> bool:
        begun_s = time.monotonic()
        answer = pool.request("POST", f"{self.url}/v1/ingest", body=body, headers=headers)
        took_s = time.monotonic() - begun_s
        with self.changed:
            self.statuses[answer.status] += 1
            self.slowest_s = max(self.slowest_s, took_s)
            if answer.status in (429, 503):
                if not int(answer.headers.get("Retry-After", 0)):
                    self.faults.append("a refusal without Retry-After")
            elif answer.status != 200:
                self.faults.append(f"{answer.status}: {answer.data[:300]!r}")
            self.changed.notify_all()
        return answer.status == 200

    def wait_for(self, status: int, more: int = 20) -> None:
        """Return once that many more answers had the status."""
        with self.changed:
            wanted = self.statuses[status] + more
            reached = self.changed.wait_for(
                lambda: self.statuses[status] >= wanted or self.faults, WAIT_S
            )
            assert reached, f"no {more} more answers were {status}: {self.statuses}"


def make_body(names: list[str]) -> bytes:
    """Return a span for each name, with texts that no compression makes smaller."""
    lines = []
    for name in names:
        digest = hashlib.sha256(name.encode()).hexdigest()
        span = {
            "type": "span",
            "trace_id": digest[:32],
            "span_id": digest[32:48],
            "name": "triage",
            "kind": "llm",
            "session_id": name,
            "start_ns": START_NS,
            "end_ns": START_NS + 10**9,
            "input": os.urandom(TEXT_BYTES // 2).hex(),
        }
        lines.append(json.dumps(span).encode())
    return b"\n".join(lines)


@contextmanager
def loading(load: Load) -> Iterator[Load]:
    """Let several clients post until the block ends."""
    workers = [threading.Thread(target=load.run, args=(client,)) for client in range(CLIENTS)]
    for worker in workers:
        worker.start()
    try:
        yield load
    finally:
        load.is_over.set()
        for worker in workers:
            worker.join(2 * WAIT_S)


@contextmanager
def logging(collector: CollectorProcess, journal: Path) -> Iterator["subprocess.Popen[str]"]:
    """Run a program that logs by the SDK until it is told a line."""
    with subprocess.Popen(
        [sys.executable, "-c", LOGGING],
        env=clean_environment(HEADWAY_URL=collector.url, HEADWAY_JOURNAL_DIR=str(journal)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as program:
        try:
            yield program
        finally:
            program.kill()


def read_ready(collector: CollectorProcess) -> tuple[int, str]:
    answer = urllib3.request("GET", f"{collector.url}/readyz", retries=False, timeout=WAIT_S)
    return answer.status, answer.json().get("message", "")


def stored_names(collector: CollectorProcess, project: str) -> Counter[str]:
    query: dict[str, str | int] = {"content": "none", "limit": 1000, "project": project}
    return Counter(span["session_id"] for span in collector.api.pages("/v1/spans", "spans", query))


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    yield from mount(tmp_path / "disk", DISK_MB << 10)


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    yield from mount(tmp_path / "tiny-disk", TINY_DISK_KB)


def test_a_disk_that_is_filled_and_freed_under_load_loses_nothing_acknowledged(
    disk: Path, tmp_path: Path
) -> None:
    told = []
    with CollectorProcess(disk / "headway.duckdb", environment=NO_RESERVE) as collector:
        load, hasty = Load(collector.url), Load(collector.url, is_patient=False)
        with logging(collector, tmp_path / "journal") as program, loading(load), loading(hasty):
            for _ in range(ROUNDS):
                load.wait_for(200)
                filler = fill(disk)
                load.wait_for(503)
                hasty.wait_for(503)
                told.append(read_ready(collector))
                filler.unlink()
                load.wait_for(200)
                hasty.wait_for(200)
                told.append(read_ready(collector))
            for each in (load, hasty):
                each.is_over.set()
            recorded, dropped = map(int, program.communicate("it is over\n", WAIT_S * 2)[0].split())
        # As after a crash: what stands in the log has to be whole behind what was torn.
        collector.kill()
        collector.start()
        stored = stored_names(collector, "load")
        by_sdk = stored_names(collector, "default")
        ready = read_ready(collector)

    assert load.faults == hasty.faults == []
    assert [status for status, _ in told] == [503, 200] * ROUNDS
    assert all("No space left on device" in message for _, message in told[::2])
    acknowledged = {*load.acknowledged, *hasty.acknowledged}
    assert acknowledged <= stored.keys()
    assert stored.keys() <= acknowledged | {*load.given_up, *hasty.given_up}
    assert set(stored.values()) == set(by_sdk.values()) == {1}
    assert (len(by_sdk), dropped) == (recorded, 0)
    assert ready == (200, "")


def test_a_checkpoint_on_a_full_disk_fails_alone_and_is_made_up_for(disk: Path) -> None:
    with writing(disk / "headway.duckdb") as (store, writer):
        for number in range(4):
            append(writer, number)
        filler = fill(disk)
        # Room for the log, and none for the checkpoint that this batch makes due.
        os.truncate(filler, filler.stat().st_size - LOG_BYTES)
        is_kept = is_appended(writer, 5)
        fault = wait_for_fault(writer, lambda fault: fault is not None)
        stored = store.read("SELECT count(*) AS n FROM store.spans")
        filler.unlink()
        after = wait_for_fault(writer, lambda fault: fault is None)
        is_kept_now = is_appended(writer, 6)
    reopened = Store(disk / "headway.duckdb")
    rows = reopened.read("SELECT count(*) AS n, count(DISTINCT span_id) AS d FROM store.spans")
    reopened.close()

    assert fault is not None
    assert "No space left on device" in fault
    assert stored == [{"n": ROWS * (5 if is_kept else 4)}]
    assert (after, is_kept_now) == (None, True)
    assert rows == [{"n": stored[0]["n"] + ROWS, "d": stored[0]["n"] + ROWS}]


@contextmanager
def writing(path: Path) -> Iterator[tuple[Store, Writer]]:
    """Open a database with a writer that soon has to checkpoint."""
    store = Store(path)
    writer = Writer(store, Limits(checkpoint_rows=4 * ROWS, retry_s=0.05))
    writer.start()
    try:
        yield store, writer
    finally:
        writer.close()
        store.close()


def append(writer: Writer, number: int) -> None:
    decoded = decode_records(make_body([f"{number} {row}" for row in range(ROWS)]))
    batch = Batch("p", None, decoded.spans, [Derived()] * ROWS)
    writer.append(batch, ROWS * TEXT_BYTES).result(WAIT_S)


def is_appended(writer: Writer, number: int) -> bool:
    try:
        append(writer, number)
    except StoreUnavailableError:
        return False
    return True


def wait_for_fault(writer: Writer, is_wanted: Callable[[str | None], bool]) -> str | None:
    deadline_s, pause = time.monotonic() + WAIT_S, threading.Event()
    while not is_wanted(writer.fault):
        assert time.monotonic() < deadline_s, writer.fault
        pause.wait(0.01)
    return writer.fault


@pytest.mark.parametrize("room", [0, 4096, 8192, 12288, 20480])
def test_a_first_start_on_a_full_disk_says_so_and_the_next_one_works(
    tiny_disk: Path, room: int
) -> None:
    path = tiny_disk / "headway.duckdb"
    filler = fill(tiny_disk)
    os.truncate(filler, filler.stat().st_size - room)
    with pytest.raises(StoreError, match=r"cannot be opened: .*No space left on device|No space"):
        Store(path)
    filler.unlink()
    store = Store(path)
    versions = store.read("SELECT count(*) AS n FROM store.schema_versions")
    store.close()

    assert versions[0]["n"] > 0


def test_an_empty_file_that_somebody_is_making_a_database_of_is_left_to_him(
    tmp_path: Path,
) -> None:
    path = tmp_path / "headway.duckdb"
    path.touch()
    holding = "import fcntl, sys; file = open(sys.argv[1], 'r+b'); fcntl.lockf(file, fcntl.LOCK_EX)"
    with subprocess.Popen(
        [sys.executable, "-c", f"{holding}; print('held', flush=True); sys.stdin.read()", path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        inode = path.stat().st_ino
        with pytest.raises(StoreError):
            Store(path)
        is_left = path.stat().st_ino == inode
        holder.communicate("")

    assert is_left


def test_a_collector_that_starts_on_a_full_disk_shows_what_it_has_and_takes_more_when_it_can(
    disk: Path,
) -> None:
    path = disk / "headway.duckdb"
    later = [f"after {row}" for row in range(1_000)]
    more = make_body(later)
    with writing(path.with_name("before.duckdb")) as (_, writer):
        append(writer, 1)
        # As after a kill: there is a log.
        for end in ("", ".wal"):
            shutil.copy(disk / f"before.duckdb{end}", disk / f"headway.duckdb{end}")
    filler = fill(disk)
    with CollectorProcess(path, environment=NO_RESERVE) as collector:
        names, refused = stored_names(collector, "p"), post(collector, more)
        filler.unlink()
        kept = post(collector, more)
        code = collector.stop()
    store = Store(path)
    rows = store.read("SELECT project, session_id FROM store.spans")
    store.close()

    assert (kept.status, code) == (200, 0)
    assert (refused.status, refused.json()["code"]) == (503, "store_unavailable")
    assert int(refused.headers["Retry-After"]) > 0
    before = [f"1 {row}" for row in range(ROWS)]
    assert names == Counter(before)
    stored = Counter((row["project"], row["session_id"]) for row in rows)
    assert stored == Counter(
        [*(("p", each) for each in before), *(("default", each) for each in later)]
    )


def post(collector: CollectorProcess, body: bytes) -> "urllib3.BaseHTTPResponse":
    where = f"{collector.url}/v1/ingest"
    return urllib3.request("POST", where, body=body, retries=False, timeout=WAIT_S)


def test_a_read_that_needs_room_on_a_full_disk_fails_alone_and_works_once_there_is_some(
    disk: Path,
) -> None:
    store = Store(disk / "headway.duckdb")
    with store.transaction() as connection:
        connection.execute(
            "INSERT INTO store.spans BY NAME SELECT 'p' AS project, "
            "md5(range::VARCHAR) || md5((-range)::VARCHAR) AS input FROM range(400000)"
        )
    store.checkpoint()
    # The smallest that it opens with; what it sorts does not fit.
    store._connection.execute("SET GLOBAL memory_limit = '32MB'")
    store._connection.execute("SET GLOBAL threads = 1")
    sorting = (
        "SELECT input FROM store.spans QUALIFY row_number() OVER (ORDER BY md5(input)) % 100000 = 0"
    )
    filler = fill(disk)
    with pytest.raises(StoreUnavailableError, match="No space left on device"):
        store.read(sorting)
    counted = store.read("SELECT count(*) AS n FROM store.spans")
    filler.unlink()
    with store.transaction() as connection:
        connection.execute("INSERT INTO store.spans BY NAME SELECT 'p' AS project")
    found = store.read(sorting)
    store.close()

    assert counted == [{"n": 400_000}]
    assert len(found) == 4
    assert not (disk / "headway.duckdb.tmp").exists()


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    """The file during whose life nothing reaches the disk."""
    return tmp_path / "stalled"


@pytest.fixture
def stalling(tmp_path: Path, gate: Path) -> dict[str, str]:
    """The environment of a process whose disk stalls at the gate."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("a disk that stalls takes a C compiler to make")
    source, library = tmp_path / "stalling.c", tmp_path / "stalling.so"
    source.write_text(STALLING)
    subprocess.run(
        [compiler, "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True, timeout=WAIT_S
    )
    return {"LD_PRELOAD": str(library), "STALLED_WHILE": str(gate)}


def test_a_disk_that_stalls_under_load_is_answered_429_in_time_and_recovers(
    tmp_path: Path, gate: Path, stalling: dict[str, str]
) -> None:
    large = make_body(["large"]) + b"\n" + b" " * LARGE_BYTES
    with CollectorProcess(tmp_path / "headway.duckdb", environment=stalling) as collector:
        load = Load(collector.url)
        with loading(load), ThreadPoolExecutor(LARGE_POSTS) as elsewhere:
            load.wait_for(200)
            gate.touch()
            # They wait for their commit, and hold all the bytes that there are for requests.
            waiting = [elsewhere.submit(post, collector, large) for _ in range(LARGE_POSTS)]
            refused, took_s = wait_for_refusal(collector)
            health = collector.api.get("/healthz")
            gate.unlink()
            statuses = {each.result(WAIT_S).status for each in waiting}
            load.wait_for(200)
        stored = stored_names(collector, "load")

    assert (refused.status, refused.json()["code"]) == (429, "queue_full")
    assert int(refused.headers["Retry-After"]) > 0
    assert took_s < 5
    assert health["status"] == "ok"
    assert statuses <= {200, 429}
    assert load.faults == []
    assert {*load.acknowledged} <= stored.keys()
    assert set(stored.values()) == {1}


def wait_for_refusal(collector: CollectorProcess) -> tuple["urllib3.BaseHTTPResponse", float]:
    """Post until a post is refused, with the seconds that it took."""
    deadline_s = time.monotonic() + WAIT_S
    while time.monotonic() < deadline_s:
        begun_s = time.monotonic()
        with suppress(urllib3.exceptions.TimeoutError):
            answer = urllib3.request(
                "POST",
                f"{collector.url}/v1/ingest",
                body=make_body(["small"]) + b"\n" + b" " * SMALL_BYTES,
                retries=False,
                timeout=1.0,
            )
            if answer.status == 429:
                return answer, time.monotonic() - begun_s
    raise AssertionError("everything was taken, and nothing could be written")
