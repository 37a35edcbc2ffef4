"""What requests and the queue may take: bytes until the answer, and checkpoints in between."""

import asyncio
import gzip
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import duckdb
import pyarrow as pa
import pytest
from starlette.exceptions import HTTPException
from starlette.testclient import TestClient
from starlette.types import Message, Receive, Scope, Send

from headway_collector.apps import create_app
from headway_collector.bodies import BODY_LIMIT_BYTES, BodyLimit, decompress
from headway_collector.budgets import ByteBudget
from headway_collector.errors import BodyTooLargeError, QueueFullError
from headway_collector.store.connections import Store
from headway_collector.writing import Limits
from tests.collector.otlp_requests import PROTOBUF, encode, export_spans, make_span

Lines = Callable[..., bytes]
WAIT_S = 30
PADDING = "x" * 2000


class Watched(Store):
    """A store whose commits wait for a permission, and whose checkpoints are counted."""

    def __init__(self) -> None:
        super().__init__()
        self.has_begun, self.may_end = threading.Event(), threading.Event()
        self.checkpoints = 0

    @contextmanager
    def transaction(self) -> Iterator[duckdb.DuckDBPyConnection]:
        with super().transaction() as connection:
            yield connection
            self.has_begun.set()
            assert self.may_end.wait(WAIT_S)

    def checkpoint(self) -> None:
        super().checkpoint()
        self.checkpoints += 1


@pytest.fixture
def watched() -> Iterator[Watched]:
    store = Watched()
    yield store
    store.close()


@pytest.fixture(params=["/v1/ingest", "/v1/traces"])
def post(request: pytest.FixtureRequest, span_line: Lines) -> Callable[[TestClient, int], int]:
    """Send one span of two kilobytes, by either way in, and return the status."""

    def send(client: TestClient, number: int) -> int:
        if request.param == "/v1/ingest":
            body, headers = span_line(input=PADDING), {}
        else:
            span = make_span(number, {"input.value": PADDING})
            body, headers = encode(export_spans(span), PROTOBUF), {"Content-Type": PROTOBUF}
        return client.post(request.param, content=body, headers=headers).status_code

    return send


def test_what_waits_for_its_commit_still_counts_as_memory(
    watched: Watched, post: Callable[[TestClient, int], int]
) -> None:
    budget = ByteBudget(limit_bytes=3000)
    app = create_app(watched, budget=budget)
    with TestClient(app) as client, ThreadPoolExecutor(1) as elsewhere:
        first = elsewhere.submit(post, client, 1)
        assert watched.has_begun.wait(WAIT_S)
        meanwhile = post(client, 2)
        is_answered = first.done()
        watched.may_end.set()

        assert (meanwhile, is_answered, first.result(WAIT_S)) == (429, False, 200)
        assert (post(client, 3), budget.held_bytes) == (200, 0)


def test_large_requests_bring_the_next_checkpoint_nearer(
    watched: Watched, post: Callable[[TestClient, int], int]
) -> None:
    watched.may_end.set()
    limits = Limits(checkpoint_bytes=5000)
    with TestClient(create_app(watched, limits=limits)) as client:
        for number in range(1, 6):
            post(client, number)
        during = watched.checkpoints

    # Two requests each.
    assert during == 2


@pytest.mark.parametrize("path", ["/v1/ingest", "/v1/traces", "/v1/logs", "/v1/metrics"])
def test_a_bomb_in_zstd_is_refused_like_any_other(client: TestClient, path: str) -> None:
    bomb = pa.compress(bytes(BODY_LIMIT_BYTES + 1), "zstd", asbytes=True)

    response = client.post(
        path, content=bomb, headers={"Content-Encoding": "zstd", "Content-Type": PROTOBUF}
    )

    assert len(bomb) < 100_000
    assert response.status_code == 413


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_nothing_is_inflated_beyond_the_limit(encoding: str) -> None:
    # Whoever went on to the end would meet the damage there.
    damaged = pa.compress(bytes(8_000_000), encoding, asbytes=True)[:-9]

    with pytest.raises(BodyTooLargeError):
        decompress(damaged, encoding, ByteBudget().change, limit_bytes=1_000)


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_nothing_is_inflated_beyond_what_all_requests_may_hold(encoding: str) -> None:
    # As above.
    damaged = pa.compress(bytes(20_000_000), encoding, asbytes=True)[:-9]
    budget = ByteBudget(limit_bytes=5_000_000)

    with budget.hold() as hold, pytest.raises(QueueFullError):
        decompress(damaged, encoding, hold.grow)


def test_what_a_batch_of_ours_inflates_to_counts_as_memory(span_line: Lines) -> None:
    body = gzip.compress(span_line(input="x" * 100_000))
    store, budget = Store(), ByteBudget(limit_bytes=50_000)
    with TestClient(create_app(store, budget=budget)) as client:
        response = client.post("/v1/ingest", content=body, headers={"Content-Encoding": "gzip"})
    store.close()

    assert len(body) < 5_000
    assert (response.status_code, budget.held_bytes) == (429, 0)


def test_a_body_that_does_not_say_its_size_is_read_no_further_than_the_limit() -> None:
    pieces: Iterator[Message] = iter(
        [{"type": "http.request", "body": bytes(1000), "more_body": True}] * 20
    )

    async def receive() -> Message:
        return next(pieces)

    async def send(message: Message) -> None:
        raise AssertionError("nobody answers")

    async def read_on(scope: Scope, receive: Receive, send: Send) -> None:
        while True:
            await receive()

    limited = BodyLimit(read_on, limit_bytes=10_000)
    with pytest.raises(HTTPException) as refused:
        asyncio.run(limited({"type": "http", "headers": []}, receive, send))

    assert refused.value.status_code == 413
    assert len(list(pieces)) == 9


def test_the_database_has_a_budget_too(store: Store) -> None:
    (settings,) = store.read("SELECT current_setting('memory_limit') AS memory")

    assert settings == {"memory": "610.3 MiB"}
