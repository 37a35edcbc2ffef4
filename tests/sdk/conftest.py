"""A stand-in collector on loopback that answers as the contract says; clients and journals."""

import gzip
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import msgspec
import pyarrow
import pytest

from headway.client_settings import ClientSettings
from headway.clients import Client
from headway.guards import Guard
from headway.identities import Identities
from headway.journals import Journal
from headway.lifecycle import install
from headway.losses import Losses
from headway.places import DEFAULT_LIMIT_BYTES, Place
from headway.records import (
    BATCH_HEADER,
    COLLECTOR_HEADER,
    PROJECT_HEADER,
    Loss,
    PromptVersion,
    Record,
    Score,
    Span,
)
from tests.sdk.lines import DEADLINE_S, Line

_decode = msgspec.json.Decoder(Record | Loss).decode


def _key_of(record: Record) -> str:
    if isinstance(record, PromptVersion):
        return f"{record.name} {record.version}"
    return record.score_id if isinstance(record, Score) else record.span_id


@dataclass(frozen=True)
class Request:
    """One POST to /v1/ingest."""

    project: str
    batch_id: str
    headers: dict[str, str]
    lines: list[bytes]


@dataclass(frozen=True)
class Answer:
    """What the stand-in says instead of accepting a batch."""

    status: int
    body: bytes = b'{"code":"some_code","message":"some reason"}'
    headers: dict[str, str] = field(default_factory=dict)
    is_strangers: bool = False
    """Whether it is of a proxy, or of some other server."""


class StandIn:
    """Accepts batches, once each; ``decide`` makes it refuse some."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.records: dict[str, Record] = {}
        self.repeated: list[str] = []
        self.projects: dict[str, str] = {}
        self.losses: dict[tuple[str, str, str], Loss] = {}
        self.answers: deque[Answer] = deque()
        self.decide: Callable[[Request], Answer | None] = lambda request: None
        self._changed = threading.Condition()
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                elif self.headers.get("Content-Encoding") == "zstd":
                    body = pyarrow.input_stream(pyarrow.py_buffer(body), "zstd").read()
                answer = stand_in.receive(
                    Request(
                        self.headers[PROJECT_HEADER],
                        self.headers[BATCH_HEADER],
                        dict(self.headers),
                        body.split(b"\n"),
                    )
                )
                self.send_response(answer.status)
                if not answer.is_strangers:
                    self.send_header(COLLECTOR_HEADER, "0.0")
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer.body)))
                self.end_headers()
                self.wfile.write(answer.body)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def spans(self) -> list[Span]:
        return [record for record in self.records.values() if isinstance(record, Span)]

    def refuse_all(self, status: int = 503) -> None:
        """Take nothing more, until told to."""
        self.decide = lambda request: Answer(status)

    def take_all(self) -> None:
        self.decide = lambda request: None

    def lost_by(self, client_id: str) -> dict[str, int]:
        """What one process lost, by reason."""
        return {
            reason: loss.count for (_, who, reason), loss in self.losses.items() if who == client_id
        }

    def receive(self, request: Request) -> Answer:
        with self._changed:
            self.requests.append(request)
            answer = self.answers.popleft() if self.answers else self.decide(request)
            if answer is None:
                answer = self._accept(request)
            self._changed.notify_all()
            return answer

    def wait_until(self, is_so: Callable[[], bool]) -> bool:
        with self._changed:
            return self._changed.wait_for(is_so, DEADLINE_S)

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _accept(self, request: Request) -> Answer:
        accepted = duplicates = 0
        for line in request.lines:
            record = _decode(line)
            if isinstance(record, Loss):
                self._note(request.project, record)
                continue
            accepted += 1
            key = _key_of(record)
            if key in self.records:
                duplicates += 1
                self.repeated.append(key)
            self.records[key] = record
            self.projects[key] = request.project
        receipt = {"accepted": accepted - duplicates, "duplicates": duplicates, "rejected": 0}
        return Answer(200, msgspec.json.encode(receipt))

    def _note(self, project: str, loss: Loss) -> None:
        key = project, loss.client_id, loss.reason
        if key not in self.losses or self.losses[key].count < loss.count:
            self.losses[key] = loss


@pytest.fixture
def collector() -> Iterator[StandIn]:
    stand_in = StandIn()
    yield stand_in
    stand_in.stop()


@pytest.fixture
def make_journal(tmp_path: Path) -> Iterator[Callable[..., Journal]]:
    """Make journals in one folder, each as of another process."""
    made: list[Journal] = []

    def make(
        folder: Path | None = tmp_path / "journal",
        *,
        project: str = "shop",
        limit: int = DEFAULT_LIMIT_BYTES,
        url: str = "",
        losses: Losses | None = None,
        clock_s: Callable[[], float] = time.monotonic,
    ) -> Journal:
        place = Place(folder, project, limit, url)
        made.append(Journal(place, Guard(losses=losses), Identities(), clock_s=clock_s))
        return made[-1]

    yield make
    for journal in made:
        journal.close()


@pytest.fixture
def make_line(tmp_path: Path, collector: StandIn) -> Iterator[Callable[..., Line]]:
    made: list[Line] = []

    def make(url: str = collector.url, project: str = "shop") -> Line:
        made.append(Line(tmp_path / "journal", url, project))
        return made[-1]

    yield make
    for line in made:
        line.close()


@pytest.fixture
def make_client(tmp_path: Path) -> Iterator[Callable[..., Client]]:
    """Make clients whose journal is in the test's folder; faults of theirs fail the test."""
    made: list[Client] = []

    def make(url: str = "http://127.0.0.1:9", **settings: object) -> Client:
        chosen = {"journal_dir": tmp_path / "journal", "is_raising": True, **settings}
        client = Client(msgspec.convert({"url": url, **chosen}, ClientSettings))
        previous = install(client)
        if previous is not None:
            previous.close(0.0)
        made.append(client)
        return client

    yield make
    install(None)
    for client in made:
        client.close(0.0)
