"""A collector process that is sent bad input, and what it is held to: answers, in time, and memory.

``HEADWAY_FUZZ_SECONDS`` is the time of all fuzzers together; without it each sends a fixed number
of requests. ``HEADWAY_FUZZ_SEED`` makes a run another, or a failed one again.
``HEADWAY_FUZZ_TALLIES`` is a file that gets one line of JSON for each fuzzer.
"""

import http.client
import io
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from statistics import median
from typing import Self

import psutil  # type: ignore[import-untyped]

from tests.e2e.processes import clean_environment, read_line

ANSWER_S = 20.0
"""Longer than any answer may take, on a machine that does other things too."""

GROWTH_BYTES = 96 * 1024 * 1024
"""By so much memory may grow over a few hostile requests: a checkpoint, a pool of threads."""

LEAK_BYTES = 1024
"""Of each request: what memory may not grow by from the middle third of a run to its last."""

NOISE_BYTES = 24 * 1024 * 1024
"""By so much it goes up and down: a checkpoint holds the pages that it writes."""

HELPERS_BYTES = 768 * 1024 * 1024
"""More than its other processes ever need for so little: three of them, with their libraries."""

SAMPLES = 60

START_S = 60.0
# uvicorn closes a connection that is idle for five seconds.
_IDLE_S = 2.0
_JSON = "application/json"
_FAULT = re.compile(r"Traceback| (?:ERROR|CRITICAL) ")


@dataclass
class Answer:
    """What came back."""

    status: int
    body: bytes
    headers: Mapping[str, str]


@dataclass
class Tally:
    """What became of the requests of one fuzzer."""

    name: str
    statuses: Counter[int] = field(default_factory=Counter)
    slowest_s: float = 0.0
    memory: list[tuple[float, int]] = field(default_factory=list)
    helpers_bytes: int = 0

    @property
    def levels(self) -> list[int]:
        """How many bytes were in use in each third of the run: the median of what was seen."""
        thirds: list[list[int]] = [[], [], []]
        for done, used_bytes in self.memory:
            thirds[min(2, int(3 * done))].append(used_bytes)
        return [int(median(each)) if each else 0 for each in thirds]

    @property
    def allowed_bytes(self) -> int:
        """How much more the last third may use than the middle one."""
        return max(NOISE_BYTES, LEAK_BYTES * self.statuses.total() // 3)

    def add(self, status: int, took_s: float) -> None:
        """Count an answer."""
        self.statuses[status] += 1
        self.slowest_s = max(self.slowest_s, took_s)

    def save(self) -> None:
        """Append a line to the file that was asked for."""
        path = os.environ.get("HEADWAY_FUZZ_TALLIES")
        if path is None:
            return
        said = {
            "name": self.name,
            "requests": self.statuses.total(),
            "statuses": dict(sorted(self.statuses.items())),
            "slowest_s": round(self.slowest_s, 3),
            "memory_mib": [level // 2**20 for level in self.levels],
            "helpers_mib": self.helpers_bytes // 2**20,
        }
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(json.dumps(said) + "\n")


class FuzzedCollector:
    """``headway serve`` in a process of its own, which keeps what it says on stderr."""

    def __init__(self, folder: Path) -> None:
        self._log = folder / "stderr.txt"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "headway", "serve", "--db", folder / "f.db", "--port", "0"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=folder,
                env=clean_environment(OMP_NUM_THREADS="1"),
            )
        self._connection: http.client.HTTPConnection | None = None
        self.key: str | None = None
        self._used_s = 0.0
        self._measured = psutil.Process(self._process.pid)
        try:
            line = read_line(self._process, START_S).decode()
        except AssertionError as error:
            self.__exit__()
            raise AssertionError(self.log[-4000:]) from error
        self.url = line.split()[3]
        self.port = int(self.url.rpartition(":")[2])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._connection is not None:
            self._connection.close()
        self._process.terminate()
        self._process.wait(START_S)
        assert self._process.stdout is not None
        self._process.stdout.close()

    @property
    def log(self) -> str:
        """What it said on stderr."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    @property
    def rss_bytes(self) -> int:
        """How much memory it has, without the processes that work for it."""
        return int(self._measured.memory_info().rss)

    @property
    def helpers_bytes(self) -> int:
        """How much those have: of jobs, which come and go with their work, and of mappers."""
        found = 0
        for each in self._measured.children(recursive=True):
            with suppress(psutil.NoSuchProcess):
                found += int(each.memory_info().rss)
        return found

    @property
    def connection_count(self) -> int:
        """How many connections it has with others."""
        found = self._measured.net_connections("tcp")
        return sum(each.status == psutil.CONN_ESTABLISHED for each in found)

    def wait_for_connections(self, count: int) -> None:
        """Return once it has no more connections than that.

        Raises:
            TimeoutError: it keeps them.
        """
        end_s = time.monotonic() + ANSWER_S
        while (left := self.connection_count) > count:
            self.send("GET", "/healthz")  # a turn of its event loop
            if time.monotonic() > end_s:
                raise TimeoutError(f"{left} connections are left, {count} were there before")

    def send(
        self, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send a request on the connection that is open, and return its answer.

        Raises:
            OSError: there was none within ``ANSWER_S``.
            http.client.HTTPException: it is no HTTP.
        """
        headers = dict(headers or {})
        if self.key is not None:
            headers.setdefault("Authorization", f"Bearer {self.key}")
        if self._connection is not None and time.monotonic() - self._used_s > _IDLE_S:
            self._connection.close()
            self._connection = None
        if self._connection is not None:
            # What was refused before its end has ended its connection, and the client is told so
            # behind the answer. On a new connection there is no such excuse.
            with suppress(ConnectionError, http.client.RemoteDisconnected):
                return self._ask(method, path, body, headers)
        return self._ask(method, path, body, headers)

    def _ask(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> Answer:
        if self._connection is None:
            self._connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=ANSWER_S)
        try:
            self._connection.request(method, path, body, headers)
            response = self._connection.getresponse()
            answer = Answer(response.status, response.read(), _lower(response.headers.items()))
        except BaseException:
            self._connection.close()
            self._connection = None
            raise
        if response.will_close:
            self._connection.close()
        self._used_s = time.monotonic()
        return answer

    def read(self, path: str) -> dict[str, object]:
        """Return what a GET answers, which is a success."""
        answer = self.send("GET", path)
        assert answer.status == 200, answer.body
        found: dict[str, object] = json.loads(answer.body)
        return found

    def make_key(self, *scopes: str) -> str:
        """Return a new key for all projects; once there is one, nothing is answered without."""
        body = {"scopes": scopes, "all_projects": True, "name": "fuzzer"}
        answer = self.send("POST", "/v1/keys", json.dumps(body).encode(), {"Content-Type": _JSON})
        assert answer.status == 201, answer.body
        made: str = json.loads(answer.body)["key"]
        return made

    def check_well(self) -> None:
        """Fail where it does not live, does not take work, or had a fault of its own."""
        assert self._process.poll() is None, self.log[-4000:]
        assert self.send("GET", "/readyz").status == 200
        assert not _FAULT.search(self.log), self.log[-4000:]


@dataclass(frozen=True)
class Fuzzing:
    """A run of one fuzzer: its chance, its rounds, and what it counts."""

    collector: FuzzedCollector
    random: Random
    tally: Tally
    seed: str
    end_s: float | None

    @property
    def left_s(self) -> float | None:
        """How much of its time is left; None where the number of requests is fixed."""
        return None if self.end_s is None else self.end_s - time.monotonic()

    def rounds(self, count: int) -> Iterator[int]:
        """Yield numbers: ``count`` of them, or until the time that was asked for is over.

        Meanwhile memory is looked at, again and again.
        """
        number, began_s = 0, time.monotonic()
        while True:
            done = number / count
            if self.end_s is not None:
                done = (time.monotonic() - began_s) / (self.end_s - began_s)
            if done >= 1:
                return
            self.look(done)
            yield number
            number += 1

    def look(self, done: float) -> None:
        """Note how much memory is in use, a share of the run being done; not too often."""
        seen = self.tally.memory
        if not seen or done - seen[-1][0] >= 1 / SAMPLES:
            seen.append((done, self.collector.rss_bytes))
            self.tally.helpers_bytes = max(self.tally.helpers_bytes, self.collector.helpers_bytes)

    def send(
        self, path: str, body: bytes, headers: Mapping[str, str], *, method: str = "POST"
    ) -> Answer:
        """Send a request, count its answer, and fail where it is a fault of ours."""
        began_s = time.monotonic()
        try:
            answer = self.collector.send(method, path, body, headers)
        except (OSError, http.client.HTTPException) as error:
            raise AssertionError(self._show(path, body, f"no answer: {error!r}")) from error
        self.tally.add(answer.status, time.monotonic() - began_s)
        if answer.status >= 500:
            said = f"{answer.status} {answer.body!r}\n{self.collector.log[-4000:]}"
            raise AssertionError(self._show(path, body, said))
        return answer

    def _show(self, path: str, body: bytes, said: str) -> str:
        shown = body if len(body) <= 4000 else body[:2000] + b" ... " + body[-2000:]
        return f"HEADWAY_FUZZ_SEED={self.seed} {path} {shown!r}: {said}"


def read_answers(connection: socket.socket) -> list[Answer]:
    """Return the answers that come on a connection until the other side closes it."""
    said = bytearray()
    with suppress(ConnectionResetError):
        while piece := connection.recv(65_536):
            said += piece
    file, answers = io.BytesIO(said), []
    while line := file.readline():
        status = int(line.split()[1])
        headers = _lower(http.client.parse_headers(file).items())
        if status >= 200:
            answers.append(Answer(status, file.read(int(headers["content-length"])), headers))
    return answers


def _lower(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers}


def budget_s() -> float | None:
    """Return the time of all fuzzers together, or None where the number of requests is fixed."""
    text = os.environ.get("HEADWAY_FUZZ_SECONDS")
    return None if text is None else float(text)


@contextmanager
def fuzzing(collector: FuzzedCollector, name: str, share: float) -> Iterator[Fuzzing]:
    """Give a fuzzer its chance and its share of the time, and hold the collector to its memory."""
    seed = os.environ.get("HEADWAY_FUZZ_SEED", "1")
    whole_s = budget_s()
    tally = Tally(name)
    end_s = None if whole_s is None else time.monotonic() + share * whole_s
    try:
        yield Fuzzing(collector, Random(f"{seed} {name}"), tally, seed, end_s)
    finally:
        tally.save()
    collector.check_well()
    first, middle, last = tally.levels
    assert tally.helpers_bytes < HELPERS_BYTES, f"{name}: {tally.helpers_bytes} bytes in helpers"
    # A short run is over before what there is to load and to cache is there.
    if end_s is not None and middle > 0:
        assert last - middle < tally.allowed_bytes, f"{name}: {first}, {middle}, {last} bytes"
