"""A collector process that is sent bad input, and what it is held to: answers, in time, and memory.

``HEADWAY_FUZZ_SECONDS`` is the time of all fuzzers together; without it each sends a fixed number
of requests. ``HEADWAY_FUZZ_SEED`` makes a run another, or a failed one again.
``HEADWAY_FUZZ_TALLIES`` is a file that gets one line of JSON for each fuzzer.
"""

import http.client
import io
import json
import os
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
from typing import Self

import psutil  # type: ignore[import-untyped]

from tests.e2e.processes import clean_environment, read_line

ANSWER_S = 20.0
"""Longer than any answer may take, on a machine that does other things too."""

GROWTH_BYTES = 96 * 1024 * 1024
"""By so much memory may grow from a third of a run to its end: a checkpoint, a pool of threads."""

START_S = 60.0
# uvicorn closes a connection that is idle for five seconds.
_IDLE_S = 2.0


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
    start_bytes: int = 0
    warm_bytes: int = 0
    end_bytes: int = 0

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
            "start_mib": self.start_bytes // 2**20,
            "warm_mib": self.warm_bytes // 2**20,
            "end_mib": self.end_bytes // 2**20,
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
        """How much memory it has, with the processes that map for it."""
        processes = [self._measured, *self._measured.children(recursive=True)]
        return sum(int(each.memory_info().rss) for each in processes)

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
        if self._connection is not None and time.monotonic() - self._used_s > _IDLE_S:
            self._connection.close()
            self._connection = None
        if self._connection is None:
            self._connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=ANSWER_S)
        try:
            self._connection.request(method, path, body, dict(headers or {}))
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

    def check_well(self) -> None:
        """Fail where it does not live, does not take work, or had a fault of its own."""
        assert self._process.poll() is None, self.log[-4000:]
        assert self.send("GET", "/readyz").status == 200
        assert "Traceback" not in self.log, self.log[-4000:]


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

        After a third, what there is to cache is cached, and memory is looked at.
        """
        number, began_s = 0, time.monotonic()
        while True:
            done = number / count
            if self.end_s is not None:
                done = (time.monotonic() - began_s) / (self.end_s - began_s)
            if done >= 1:
                return
            if done >= 1 / 3 and self.tally.warm_bytes == 0:
                self.tally.warm_bytes = self.collector.rss_bytes
            yield number
            number += 1

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
    tally = Tally(name, start_bytes=collector.rss_bytes)
    end_s = None if whole_s is None else time.monotonic() + share * whole_s
    try:
        yield Fuzzing(collector, Random(f"{seed} {name}"), tally, seed, end_s)
    finally:
        tally.end_bytes = collector.rss_bytes
        tally.save()
    collector.check_well()
    grown_bytes = tally.end_bytes - (tally.warm_bytes or tally.start_bytes)
    assert grown_bytes < GROWTH_BYTES, f"{name}: {grown_bytes} bytes more"
