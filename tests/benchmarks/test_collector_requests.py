import http.server
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from headway_collector.decoding import decode_records
from headway_collector.otlp.protobufs import read_spans
from headway_collector.otlp.telemetry import OtelSpan
from tests.benchmarks import collector_wrk
from tests.benchmarks.collector_requests import RUN_SLOTS, Template
from tests.benchmarks.collector_spans import make_ingest, make_otlp

NOW_S = 1_763_800_000
SPANS = 20


def body_of(request: bytes) -> bytes:
    return request.split(b"\r\n\r\n", 1)[1]


def otlp_spans(request: bytes) -> list[OtelSpan]:
    telemetry = read_spans(body_of(request))
    assert not telemetry.refused
    return telemetry.items


def ids_of_ingest(body: bytes) -> list[str]:
    return [span.span_id for span in decode_records(body).spans]


def ids_of_otlp(body: bytes) -> list[str]:
    return [span.span_id for span in read_spans(body).items]


BOTH = pytest.mark.parametrize(
    ("make", "read_ids"), [(make_ingest, ids_of_ingest), (make_otlp, ids_of_otlp)]
)


class Recorder(http.server.ThreadingHTTPServer):
    """Says yes to every post, and keeps it."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), RecordingHandler)
        self.posts: list[tuple[str | None, bytes]] = []


class RecordingHandler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        assert isinstance(self.server, Recorder)
        self.server.posts.append((self.headers["Headway-Batch-Id"], body))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    server = Recorder()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_batch_has_as_many_records_as_it_says_and_the_collector_takes_them_all() -> None:
    filled = make_ingest(3, SPANS).fill(1, NOW_S)

    decoded = decode_records(body_of(filled))
    assert (len(decoded.spans), decoded.rejects) == (SPANS, [])


def test_an_export_has_the_texts_of_the_batch_of_the_same_number() -> None:
    records = decode_records(body_of(make_ingest(3, SPANS).fill(1, NOW_S))).spans
    spans = otlp_spans(make_otlp(3, SPANS).fill(1, NOW_S))

    questions = [bytes(record.input).partition(b":")[2][1:-2].decode() for record in records]
    assert all(
        question in span.attributes["gen_ai.input.messages"]
        for question, span in zip(questions, spans, strict=True)
    )
    assert min(map(len, questions)) >= 1024


def test_a_filled_export_says_the_same_as_a_filled_batch_about_ids_and_times() -> None:
    records = decode_records(body_of(make_ingest(3, SPANS).fill(7, NOW_S))).spans
    spans = otlp_spans(make_otlp(3, SPANS).fill(7, NOW_S))

    assert [
        (span.trace_id, span.span_id, span.parent_span_id, span.start_ns, span.end_ns)
        for span in spans
    ] == [
        (span.trace_id, span.span_id, span.parent_span_id or "", span.start_ns, span.end_ns)
        for span in records
    ]


def test_patches_leave_an_export_otherwise_as_it_was() -> None:
    template = make_otlp(3, SPANS)
    export = ExportTraceServiceRequest.FromString(body_of(template.fill(7, NOW_S)))
    unfilled = ExportTraceServiceRequest.FromString(body_of(template.request))

    for spans in (export, unfilled):
        for span in spans.resource_spans[0].scope_spans[0].spans:
            for field in ("trace_id", "span_id", "parent_span_id"):
                span.ClearField(field)
            span.ClearField("start_time_unix_nano")
            span.ClearField("end_time_unix_nano")
            span.attributes[9].ClearField("value")  # the response's id
    assert export == unfilled


def test_times_are_shortly_before_now() -> None:
    spans = otlp_spans(make_otlp(3, SPANS).fill(7, NOW_S))

    ages_s = [NOW_S - span.end_ns / 1e9 for span in spans]
    assert min(ages_s) >= 0
    assert max(ages_s) < 10


@BOTH
def test_ids_are_unique_from_request_to_request_and_from_run_to_run(
    make: Callable[[int, int], Template], read_ids: Callable[[bytes], Sequence[str]]
) -> None:
    template = make(3, SPANS)
    firsts = [run + turn * template.slot_count for run in (1, 1 + RUN_SLOTS) for turn in range(5)]

    ids = [each for first in firsts for each in read_ids(body_of(template.fill(first, NOW_S)))]
    assert len(set(ids)) == len(ids) == 10 * SPANS


def test_batch_ids_and_keys_stand_in_the_headers() -> None:
    template = make_ingest(3, 1, key="secret")
    first, second = (template.fill(slot, NOW_S).split(b"\r\n\r\n")[0] for slot in (1, 100))

    assert b"Authorization: Bearer secret" in first
    assert b"feedface" not in first
    assert first != second


@BOTH
@pytest.mark.skipif(not collector_wrk.is_here(), reason="wrk is not installed")
def test_wrk_writes_the_same_ids_as_fill_and_counts_the_answers(
    make: Callable[[int, int], Template],
    read_ids: Callable[[bytes], Sequence[str]],
    recorder: Recorder,
    tmp_path: Path,
) -> None:
    templates = [make(number, SPANS) for number in range(3)]
    port = recorder.server_address[1]
    load = collector_wrk.run_wrk(
        f"http://127.0.0.1:{port}", templates, tmp_path, connections=2, seconds=1
    )

    bodies = [body for _, body in recorder.posts]
    ids = [each for body in bodies for each in read_ids(body)]
    assert 0 < load.acknowledged <= len(bodies)
    assert len(set(ids)) == len(ids) == len(bodies) * SPANS
    batch_ids = [batch_id for batch_id, _ in recorder.posts if batch_id]
    assert len(set(batch_ids)) == len(batch_ids)
