"""What an OTLP exporter is told: of what was not kept, of overload, and of faults."""

import gzip
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import duckdb
import pytest
from google.rpc.error_details_pb2 import BadRequest
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceResponse,
)
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceResponse,
)
from starlette.testclient import TestClient

from headway.records import Span
from headway_collector.apps import create_app
from headway_collector.budgets import ByteBudget
from headway_collector.costs.pricing import Prices
from headway_collector.errors import StoreUnavailableError
from headway_collector.otlp.answers import MediaType, Outcome, encode_outcome, join_reasons
from headway_collector.store.batches import Derived
from headway_collector.store.connections import Store
from headway_collector.writing import Limits
from tests.collector.otlp_requests import (
    JSON,
    PROTOBUF,
    both_encodings,
    encode,
    export_logs,
    export_points,
    export_spans,
    make_log,
    make_span,
    post,
    read_refusal,
)


def count_spans(store: Store) -> int:
    return int(store.read("SELECT count(*) AS n FROM store.spans")[0]["n"])


def test_bad_data_is_explained_in_a_bad_request(client: TestClient) -> None:
    protobuf = post(client, "/v1/traces", b"\xff", PROTOBUF)
    text = post(client, "/v1/traces", b"\xff", JSON).json()

    (detail,) = Status.FromString(protobuf.content).details
    fault = BadRequest()
    assert detail.Unpack(fault)
    assert "no export of this path" in fault.field_violations[0].description
    assert text["details"][0]["@type"] == "type.googleapis.com/google.rpc.BadRequest"


@both_encodings
def test_a_bad_span_is_told_and_kept_and_the_others_land(
    client: TestClient, store: Store, media_type: str
) -> None:
    request = export_spans(make_span(1), make_span(2, span_id=b""), make_span(3))

    response = post(client, "/v1/traces", request, media_type)

    assert (response.status_code, count_spans(store)) == (200, 2)
    reason = "2: its span id is '', not 8 bytes, or only zeros"
    if media_type == PROTOBUF:
        partial = ExportTraceServiceResponse.FromString(response.content).partial_success
        assert (partial.rejected_spans, partial.error_message) == (1, reason)
    else:
        told = {"rejectedSpans": "1", "errorMessage": reason}
        assert response.json() == {"partialSuccess": told}
    (kept,) = store.read("SELECT project, line, reason, raw FROM store.rejects")
    assert (kept["project"], kept["line"]) == ("shop", 2)
    assert kept["reason"] == "its span id is '', not 8 bytes, or only zeros"
    assert b"chat 2" in kept["raw"]


def test_an_answer_stays_small_however_much_was_refused(client: TestClient, store: Store) -> None:
    spans = [make_span(number, trace_id=b"\x01" * 500) for number in range(1, 3001)]

    response = post(client, "/v1/traces", export_spans(*spans), PROTOBUF)

    partial = ExportTraceServiceResponse.FromString(response.content).partial_success
    assert partial.rejected_spans == 3000
    assert partial.error_message.endswith("; and 2980 more")
    assert len(response.content) < 20_000
    assert store.read("SELECT count(*) AS n FROM store.rejects") == [{"n": 3000}]


@both_encodings
def test_an_answer_stays_small_however_long_the_reasons_are(media_type: MediaType) -> None:
    outcome = Outcome(30, join_reasons(["x" * 10_000_000] * 30))

    assert len(encode_outcome("traces", media_type, outcome)) < 20_000


@both_encodings
def test_log_records_that_are_no_genai_events_are_counted_in_a_warning(
    client: TestClient, media_type: str
) -> None:
    request = export_logs(make_log(event_name=""), make_log(event_name="app.started"))

    response = post(client, "/v1/logs", request, media_type)

    words = "2 log records are no GenAI events and were not kept"
    if media_type == PROTOBUF:
        partial = ExportLogsServiceResponse.FromString(response.content).partial_success
        assert (partial.rejected_log_records, partial.error_message) == (0, words)
    else:
        assert response.json() == {"partialSuccess": {"errorMessage": words}}


@both_encodings
def test_metrics_are_taken_and_told_that_they_are_not_kept(
    client: TestClient, media_type: str
) -> None:
    response = post(client, "/v1/metrics", export_points(7), media_type)

    assert response.status_code == 200
    words = "7 data points were not kept: metrics are computed from the spans"
    if media_type == PROTOBUF:
        partial = ExportMetricsServiceResponse.FromString(response.content).partial_success
        assert (partial.rejected_data_points, partial.error_message) == (0, words)
    else:
        assert response.json() == {"partialSuccess": {"errorMessage": words}}


@both_encodings
def test_what_is_not_kept_is_counted_since_the_start(client: TestClient, media_type: str) -> None:
    for name in ("app.started", "gen_ai.user.message", "app.stopped"):
        post(client, "/v1/logs", export_logs(make_log(event_name=name)), media_type)
    post(client, "/v1/metrics", export_points(7), media_type)
    post(client, "/v1/metrics", export_points(5), media_type)

    ignored = client.get("/healthz").json()["ignored"]
    assert ignored == {"log_records": 2, "data_points": 12}
    assert client.get("/v1/losses").json()["total"] == 0


@both_encodings
def test_overload_of_memory_is_429_with_a_time_to_come_back(store: Store, media_type: str) -> None:
    with TestClient(create_app(store, budget=ByteBudget(limit_bytes=50))) as client:
        response = post(client, "/v1/traces", export_spans(make_span()), media_type)

    assert (response.status_code, read_refusal(response).code) == (429, 8)
    assert response.headers["Content-Type"] == media_type
    assert response.headers["Retry-After"] == "1"


def test_what_a_body_inflates_to_counts_as_memory(store: Store) -> None:
    body = gzip.compress(encode(export_spans(make_span(name="x" * 100_000)), PROTOBUF))
    budget = ByteBudget(limit_bytes=50_000)
    with TestClient(create_app(store, budget=budget)) as client:
        response = post(client, "/v1/traces", body, PROTOBUF, Content_Encoding="gzip")

    assert len(body) < 5_000
    assert (response.status_code, budget.held_bytes) == (429, 0)


@both_encodings
def test_a_full_queue_is_429_with_a_time_to_come_back(store: Store, media_type: str) -> None:
    with TestClient(create_app(store, limits=Limits(queued=0))) as client:
        response = post(client, "/v1/traces", export_spans(make_span()), media_type)

    assert (response.status_code, read_refusal(response).code) == (429, 8)
    assert response.headers["Retry-After"] == "1"
    assert count_spans(store) == 0


@both_encodings
def test_a_store_that_cannot_write_is_503_with_a_time_to_come_back(media_type: str) -> None:
    class FullStore(Store):
        is_full = False

        @contextmanager
        def transaction(self) -> Iterator[duckdb.DuckDBPyConnection]:
            if self.is_full:
                raise StoreUnavailableError("the disk is full")
            with super().transaction() as connection:
                yield connection

    store = FullStore()
    with TestClient(create_app(store)) as client:
        store.is_full = True
        response = post(client, "/v1/traces", export_spans(make_span()), media_type)
    store.close()

    assert (response.status_code, response.headers["Content-Type"]) == (503, media_type)
    assert (read_refusal(response).code, read_refusal(response).message) == (14, "the disk is full")
    assert response.headers["Retry-After"] == "5"


@both_encodings
def test_a_fault_of_ours_is_500_in_the_requests_encoding(
    store: Store, media_type: str, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(Prices):
        def price(self, spans: Sequence[Span], derived: Sequence[Derived]) -> None:
            raise ZeroDivisionError("a price list of nothing")

    app = create_app(store, prices=Broken())
    with TestClient(app, raise_server_exceptions=False) as client:
        response = post(client, "/v1/traces", export_spans(make_span()), media_type)

    assert (response.status_code, response.headers["Content-Type"]) == (500, media_type)
    refusal = read_refusal(response)
    assert (refusal.code, "price" in refusal.message) == (13, False)
    assert "a price list of nothing" in caplog.text
