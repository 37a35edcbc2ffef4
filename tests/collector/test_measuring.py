"""What is counted is told in Prometheus' own text, with labels that nobody can make more of."""

import asyncio
import gzip
from collections.abc import Callable
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from headway_collector.apps import create_app
from headway_collector.decoding import decode_records
from headway_collector.measuring import BUCKETS_S, Counting, RequestTally, Timing
from headway_collector.store.connections import Store
from headway_collector.tallies import REASONS, classify

Lines = Callable[..., bytes]
Ingest = Callable[..., Any]
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def scrape(client: TestClient) -> Samples:
    response = client.get("/metrics")
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
    }


def value(samples: Samples, name: str, **labels: str) -> float | None:
    return samples.get((name, frozenset(labels.items())))


def test_records_are_counted_as_they_were_answered(
    client: TestClient, ingest: Ingest, span_line: Lines
) -> None:
    line = span_line()
    ingest(line, span_line(), batch_id="b1")
    ingest(line, span_line(trace_id="no"), b'{"type":"span"}')
    ingest(line, batch_id="b1")

    samples = scrape(client)

    assert value(samples, "headway_records_accepted_total") == 2
    assert value(samples, "headway_records_duplicate_total") == 1
    assert value(samples, "headway_records_rejected_total", reason="bad_id") == 1
    assert value(samples, "headway_records_rejected_total", reason="bad_field") == 1
    assert value(samples, "headway_batches_replayed_total") == 1
    assert value(samples, "headway_commits_total") == 3
    assert value(samples, "headway_rejects") == 2


def test_requests_are_counted_by_template_method_and_status(
    client: TestClient, ingest: Ingest, span_line: Lines
) -> None:
    line = span_line()
    ingest(line)
    for trace in ("a" * 32, "b" * 32):
        client.get(f"/v1/traces/{trace}")
    for number in range(3):
        client.get(f"/nowhere/{number}")
    client.request("BREW", "/v1/spans")

    samples = scrape(client)

    def count(route: str, method: str, status: str) -> float | None:
        labels = {"route": route, "method": method, "status": status}
        return value(samples, "headway_http_requests_total", **labels)

    assert count("/v1/ingest", "POST", "200") == 1
    assert count("/v1/traces/{trace_id}", "GET", "404") == 2
    assert count("unknown", "GET", "404") == 3
    methods = {dict(labels).get("method") for name, labels in samples if "http_requests" in name}
    assert "BREW" not in methods
    assert value(samples, "headway_http_received_bytes_total", route="/v1/ingest") == len(line)
    assert value(samples, "headway_http_refusals_total", code="unknown_path") == 3


def test_the_duration_is_a_histogram_that_adds_up(client: TestClient) -> None:
    for _ in range(5):
        client.get("/healthz")
    labels = {"route": "/healthz", "method": "GET"}

    samples = scrape(client)

    name = "headway_http_request_duration_seconds"
    counts = [value(samples, f"{name}_bucket", le=str(bound), **labels) or 0 for bound in BUCKETS_S]
    assert counts == sorted(counts)
    assert value(samples, f"{name}_bucket", le="+Inf", **labels) == 5
    assert value(samples, f"{name}_count", **labels) == 5
    assert 0 < (value(samples, f"{name}_sum", **labels) or 0) < 60


def test_a_time_on_a_bound_is_within_its_bucket() -> None:
    timing = Timing()
    for seconds in (0.001, 0.0011, 30.0, 31.0):
        timing.add(seconds)

    assert (timing.counts[0], timing.counts[1]) == (1, 1)
    assert timing.counts[-2:] == [1, 1]


def test_bytes_are_counted_as_they_came_compressed(client: TestClient, span_line: Lines) -> None:
    body = gzip.compress(span_line(input="x" * 10_000))
    client.post("/v1/ingest", content=body, headers={"Content-Encoding": "gzip"})

    samples = scrape(client)

    assert value(samples, "headway_http_received_bytes_total", route="/v1/ingest") == len(body)


def test_names_follow_the_conventions_of_prometheus(client: TestClient) -> None:
    families = list(text_string_to_metric_families(client.get("/metrics").text))
    ours = {family.name: family for family in families if family.name.startswith("headway_")}

    assert len(ours) > 25
    assert all(family.documentation for family in ours.values())
    for name, family in ours.items():
        if family.type == "counter":
            # The parser takes the ending of counters off.
            assert all(sample.name == f"{name}_total" for sample in family.samples)
        assert not name.endswith(("_ms", "_kb", "_count", "_total"))
    times = [name for name in ours if "age" in name or "lag" in name or "duration" in name]
    assert all(name.endswith("_seconds") for name in times)


def test_losses_jobs_queue_and_files_are_there(
    client: TestClient, ingest: Ingest, loss_line: Lines
) -> None:
    ingest(loss_line(), loss_line(client_id="d" * 32, count=5))

    samples = scrape(client)

    assert value(samples, "headway_client_losses", reason="journal_full") == 12
    assert value(samples, "headway_jobs", state="queued") == 0
    assert (value(samples, "headway_queue_length"), value(samples, "headway_queue_limit")) == (
        0,
        4096,
    )
    assert value(samples, "headway_erasures_pending") == 0
    assert value(samples, "headway_ready") == 1
    assert value(samples, "headway_database_up") == 1
    assert (value(samples, "process_resident_memory_bytes") or 0) > 1e6


def test_sizes_and_room_are_told_of_a_database_on_a_disk(tmp_path: Any, span_line: Lines) -> None:
    store = Store(tmp_path / "a.duckdb")
    with TestClient(create_app(store)) as client:
        client.post("/v1/ingest", content=span_line())
        samples = scrape(client)
    store.close()

    assert (value(samples, "headway_database_size_bytes") or 0) > 0
    assert (value(samples, "headway_database_wal_size_bytes") or 0) > 0
    assert (value(samples, "headway_disk_free_bytes") or 0) > 0
    assert (value(samples, "headway_disk_reserve_bytes") or 0) <= 256 * 1024 * 1024


def test_a_database_that_is_down_leaves_what_is_counted_in_memory(
    client: TestClient, ingest: Ingest, span_line: Lines, store: Store
) -> None:
    ingest(span_line())
    store.stop_reading()

    samples = scrape(client)

    assert value(samples, "headway_database_up") == 0
    assert value(samples, "headway_records_accepted_total") == 1
    assert value(samples, "headway_jobs", state="queued") is None


def test_two_applications_count_apart(client: TestClient, ingest: Ingest, span_line: Lines) -> None:
    ingest(span_line())
    other = Store()
    with TestClient(create_app(other)) as beside:
        samples = scrape(beside)
    other.close()

    assert value(samples, "headway_records_accepted_total") == 0


@pytest.fixture
def rejected(span_line: Lines) -> Callable[..., str]:
    def word(line: bytes) -> str:
        (reject,) = decode_records(b"\n".join([span_line(), line])).rejects
        return classify(reject.reason)

    return word


def test_reasons_become_few_words(rejected: Callable[..., str], span_line: Lines) -> None:
    words = [
        rejected(line)
        for line in (
            span_line(span_id="no"),
            span_line(end_ns=1),
            span_line(name="x" * 2000),
            span_line(input="x" * 9_000_000),
            b'{"broken',
            b'{"type":"span","name":"\xff"}',
            span_line(kind="nonsense"),
            span_line(input_tokens=-1),
        )
    ]

    assert words == [
        "bad_id",
        "bad_time",
        "too_large",
        "too_large",
        "not_json",
        "not_text",
        "bad_field",
        "bad_field",
    ]
    assert classify("it is nested too deeply") == "too_deep"
    assert classify("whatever comes") == "other"
    assert set(words) < set(REASONS)


def test_a_request_that_is_never_answered_is_counted_as_its_client_leaving() -> None:
    tally = RequestTally()

    async def leave(scope: Any, receive: Any, send: Any) -> None:
        return None

    async def ask() -> None:
        scope = {"type": "http", "path": "/x", "method": "GET"}
        await Counting(leave, tally)(scope, None, None)  # type: ignore[arg-type]

    asyncio.run(ask())

    assert tally.requests == {("unknown", "GET", 499): 1}
    assert tally.under_way == 0
