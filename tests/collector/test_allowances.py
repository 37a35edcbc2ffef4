"""A key is held to its rates: refused in time, told when to come back, and never queued."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from starlette.testclient import TestClient

from headway_collector.allowances import SAVED_S, Allowance, Bucket
from headway_collector.apps import create_app
from headway_collector.bodies import BODY_LIMIT_BYTES
from headway_collector.callers import EVERYONE, Scope
from headway_collector.errors import RateLimitedError
from headway_collector.granting import Wish, grant
from headway_collector.store.connections import Store
from headway_collector.store.keys import Key

Lines = Callable[..., bytes]


@dataclass
class Clock:
    """Seconds that pass when they are told to."""

    now_s: float = 1000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


def make_key(requests_per_s: float | None = None, bytes_per_s: float | None = None) -> Key:
    return Key("k1", "", "", None, ("read",), requests_per_s, bytes_per_s, 0)


def test_a_bucket_gives_what_it_holds_and_then_what_time_brings(clock: Clock) -> None:
    bucket = Bucket(2.0, 4.0, clock)
    taken = [bucket.take(1.0) for _ in range(4)]

    assert taken == [0.0] * 4
    assert bucket.take(1.0) == pytest.approx(0.5)
    clock.now_s += 0.5
    assert bucket.take(1.0) == 0.0
    assert bucket.take(3.0) == pytest.approx(1.5)


def test_a_refusal_takes_nothing(clock: Clock) -> None:
    bucket = Bucket(1.0, 1.0, clock)
    bucket.take(1.0)

    assert [bucket.take(1.0) for _ in range(100)] == [1.0] * 100


def test_a_long_pause_saves_up_no_more_than_the_bucket_holds(clock: Clock) -> None:
    allowance = Allowance.of(make_key(requests_per_s=3.0), clock)
    clock.now_s += 86_400
    for _ in range(int(3.0 * SAVED_S)):
        allowance.begin()

    with pytest.raises(RateLimitedError, match="k1 sends too many requests: try again in 1 s"):
        allowance.begin()


def test_whoever_may_ask_seldom_is_told_when(clock: Clock) -> None:
    allowance = Allowance.of(make_key(requests_per_s=0.01), clock)
    allowance.begin()

    with pytest.raises(RateLimitedError) as refused:
        allowance.begin()
    assert refused.value.retry_after_s == 100
    clock.now_s += 100
    allowance.begin()


def test_a_large_body_is_taken_and_the_next_request_waits_for_it(clock: Clock) -> None:
    allowance = Allowance.of(make_key(bytes_per_s=1_000.0), clock)
    allowance.begin()

    assert allowance.go_on(60_000) == 0.0
    with pytest.raises(RateLimitedError) as refused:
        allowance.begin()
    assert refused.value.retry_after_s == 50
    clock.now_s += 50
    allowance.begin()


def test_bodies_sent_at_once_owe_no_more_than_the_largest_one(clock: Clock) -> None:
    allowance = Allowance.of(make_key(bytes_per_s=1_000.0), clock)
    for _ in range(1_000):
        allowance.begin()
    taken_bytes, step_bytes = 0, 1024 * 1024
    while allowance.go_on(step_bytes) == 0.0:
        taken_bytes += step_bytes

    assert taken_bytes <= BODY_LIMIT_BYTES + 1_000.0 * SAVED_S


def test_without_rates_nothing_is_bounded(clock: Clock) -> None:
    allowance = Allowance.of(make_key(), clock)
    allowance.begin()

    assert not allowance.is_bounded
    assert allowance.go_on(10**12) == 0.0


def put_key(
    store: Store,
    scope: Scope,
    requests_per_s: float | None = None,
    bytes_per_s: float | None = None,
) -> dict[str, str]:
    """Make a key, and return the header that brings it."""
    wish = Wish("", ("p",), (scope,), requests_per_s, bytes_per_s)
    with store.transaction() as connection:
        granted = grant(connection, wish, EVERYONE, 1, is_offline=True)
    return {"Authorization": f"Bearer {granted.text}"}


@pytest.fixture
def serve_store(store: Store) -> Iterator[Callable[[], TestClient]]:
    """Serve ``store`` once it has its keys."""
    opened: list[TestClient] = []

    def serve() -> TestClient:
        client = TestClient(create_app(store), raise_server_exceptions=False)
        opened.append(client.__enter__())
        return client

    yield serve
    for client in opened:
        client.__exit__(None, None, None)


def test_over_http_it_is_429_with_the_time_to_wait(
    store: Store, serve_store: Callable[[], TestClient]
) -> None:
    slow, free = put_key(store, "read", requests_per_s=0.002), put_key(store, "read")
    client = serve_store()
    answers = [client.get("/v1/spans", headers=slow) for _ in range(2)]

    assert [each.status_code for each in answers] == [200, 429]
    assert answers[1].json()["code"] == "rate_limited"
    assert 400 <= int(answers[1].headers["Retry-After"]) <= 500
    assert answers[1].headers["Headway-Collector"]
    assert client.get("/v1/spans", headers=free).status_code == 200


def test_bytes_of_records_are_counted_and_otlp_hears_it_in_its_own_shape(
    store: Store, serve_store: Callable[[], TestClient], span_line: Lines
) -> None:
    key = put_key(store, "ingest", bytes_per_s=1.0)
    client = serve_store()
    first = client.post("/v1/ingest", content=span_line(), headers=key)
    again = client.post("/v1/ingest", content=span_line(), headers=key)
    export = client.post(
        "/v1/traces", content=b"{}", headers={**key, "Content-Type": "application/json"}
    )

    assert (first.status_code, first.json()["accepted"]) == (200, 1)
    assert again.status_code == 429
    assert int(again.headers["Retry-After"]) >= len(span_line()) - SAVED_S - 10
    assert export.status_code == 429
    assert export.json()["code"] == 8  # RESOURCE_EXHAUSTED of google.rpc.Code
    assert export.headers["Retry-After"]


def test_a_body_that_owes_too_much_is_cut_with_429_and_nothing_of_it_is_stored(
    store: Store, serve_store: Callable[[], TestClient], span_line: Lines
) -> None:
    key = put_key(store, "ingest", bytes_per_s=1.0)
    reader = put_key(store, "read")
    client = serve_store()
    # Both have begun before either owes anything; together they are over the largest body.
    keyring = client.app.state.collector.keyring  # type: ignore[attr-defined]
    key_id = key["Authorization"].split("_")[1]
    allowance = keyring.find_allowance(key_id)
    allowance.begin()

    def pieces() -> Iterator[bytes]:
        yield span_line()
        assert allowance.go_on(BODY_LIMIT_BYTES - 1_000) == 0.0
        yield b"\n" + json.dumps({"type": "x" * 2_000}).encode()

    cut = client.post("/v1/ingest", content=pieces(), headers=key)

    assert cut.status_code == 429
    assert int(cut.headers["Retry-After"]) > 0
    assert client.get("/v1/spans", headers=reader).json()["spans"] == []
