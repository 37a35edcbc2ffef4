"""OTLP over HTTP: the requests that an exporter may send, in either encoding."""

import gzip
from collections.abc import Callable

import pyarrow as pa
import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from starlette.testclient import TestClient

from headway_collector.bodies import BODY_LIMIT_BYTES
from headway_collector.store.connections import Store
from tests.collector.otlp_requests import (
    JSON,
    PROTOBUF,
    both_encodings,
    encode,
    export_spans,
    make_span,
    post,
    read_refusal,
)

PATHS = ("/v1/traces", "/v1/logs", "/v1/metrics")
EMPTY = {
    "/v1/traces": (ExportTraceServiceRequest(), ExportTraceServiceResponse()),
    "/v1/logs": (ExportLogsServiceRequest(), ExportLogsServiceResponse()),
    "/v1/metrics": (ExportMetricsServiceRequest(), ExportMetricsServiceResponse()),
}


def count_spans(store: Store) -> int:
    return int(store.read("SELECT count(*) AS n FROM store.spans")[0]["n"])


@both_encodings
@pytest.mark.parametrize("path", PATHS)
def test_an_empty_request_succeeds_in_its_encoding(
    client: TestClient, path: str, media_type: str
) -> None:
    request, answer = EMPTY[path]
    responses = [post(client, path, body, media_type) for body in (request, b"")]

    for response in responses:
        assert response.status_code == 200
        assert response.headers["Content-Type"] == media_type
        assert response.content == encode(answer, media_type)


@both_encodings
def test_spans_are_on_disk_when_they_are_answered(
    client: TestClient, store: Store, media_type: str
) -> None:
    request = export_spans(make_span(1), make_span(2))

    response = post(client, "/v1/traces", request, media_type)

    assert (response.status_code, response.headers["Content-Type"]) == (200, media_type)
    assert response.content == (b"" if media_type == PROTOBUF else b"{}")
    assert response.headers["Headway-Collector"]
    assert count_spans(store) == 2


@both_encodings
def test_an_export_that_is_sent_again_is_stored_once(
    client: TestClient, store: Store, media_type: str
) -> None:
    request = export_spans(make_span(1), make_span(2))

    answers = [post(client, "/v1/traces", request, media_type) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200] * 3
    assert count_spans(store) == 2


@pytest.mark.parametrize(
    "media_type", [f"{PROTOBUF}; charset=utf-8", "Application/X-Protobuf", "application/json;v=1"]
)
def test_a_content_type_may_have_parameters_and_any_case(
    client: TestClient, store: Store, media_type: str
) -> None:
    plain = JSON if "json" in media_type else PROTOBUF
    body = encode(export_spans(make_span()), plain)

    response = client.post("/v1/traces", content=body, headers={"Content-Type": media_type})

    assert (response.status_code, response.headers["Content-Type"]) == (200, plain)
    assert count_spans(store) == 1


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("content_type", ["text/plain", "application/x-ndjson", ""])
def test_another_content_type_is_415(client: TestClient, path: str, content_type: str) -> None:
    response = client.post(path, content=b"{}", headers={"Content-Type": content_type})

    assert (response.status_code, response.headers["Content-Type"]) == (415, JSON)
    assert response.json()["message"] == (
        f"Content-Type is {content_type!r}; this path reads {PROTOBUF} and {JSON}"
    )


@both_encodings
@pytest.mark.parametrize(
    ("encoding", "compress"),
    [
        ("gzip", gzip.compress),
        ("zstd", lambda body: pa.compress(body, "zstd", asbytes=True)),
        ("identity", bytes),
    ],
)
def test_compressed_bodies_are_read(
    client: TestClient,
    store: Store,
    media_type: str,
    encoding: str,
    compress: Callable[[bytes], bytes],
) -> None:
    body = compress(encode(export_spans(make_span()), media_type))

    response = post(client, "/v1/traces", body, media_type, Content_Encoding=encoding)

    assert (response.status_code, count_spans(store)) == (200, 1)


def test_a_large_body_is_read(client: TestClient, store: Store) -> None:
    spans = [make_span(number, {"gen_ai.prompt": "x" * 2000}) for number in range(1, 501)]

    response = post(client, "/v1/traces", export_spans(*spans), PROTOBUF)

    assert (response.status_code, count_spans(store)) == (200, 500)


@both_encodings
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("body", "headers", "status", "code", "words"),
    [
        (b"\xff\xfe", {}, 400, 3, "the body is no"),
        (b"hello", {"Content_Encoding": "gzip"}, 400, 3, "not valid gzip"),
        (b"", {"Content_Encoding": "br"}, 422, 3, "Content-Encoding is 'br'"),
        (b"", {"Headway_Project": ""}, 422, 3, "Headway-Project has 0 characters"),
        (b"", {"Content_Length": str(BODY_LIMIT_BYTES + 1)}, 413, 8, "send smaller batches"),
    ],
)
def test_what_cannot_be_read_is_refused_in_the_requests_encoding(
    client: TestClient,
    path: str,
    media_type: str,
    body: bytes,
    headers: dict[str, str],
    status: int,
    code: int,
    words: str,
) -> None:
    response = post(client, path, body, media_type, **headers)

    assert (response.status_code, response.headers["Content-Type"]) == (status, media_type)
    refusal = read_refusal(response)
    assert refusal.code == code
    assert words in refusal.message


@both_encodings
def test_a_bomb_is_refused_before_it_is_inflated(client: TestClient, media_type: str) -> None:
    bomb = gzip.compress(bytes(BODY_LIMIT_BYTES + 1))

    response = post(client, "/v1/logs", bomb, media_type, Content_Encoding="gzip")

    assert (response.status_code, response.headers["Content-Type"]) == (413, media_type)
    assert "send smaller batches" in read_refusal(response).message


def test_reading_by_get_speaks_our_own_words(client: TestClient) -> None:
    responses = [client.get(path, headers={"Content-Type": PROTOBUF}) for path in PATHS]

    assert [each.headers["Content-Type"] for each in responses] == [JSON] * 3
    assert responses[1].json()["code"] == "method_not_allowed"


def test_the_paths_are_described(client: TestClient) -> None:
    paths = client.get("/openapi.json").json()["paths"]

    for path in PATHS:
        said = paths[path]["post"]
        assert set(said["requestBody"]["content"]) == {PROTOBUF, JSON}
        assert {PROTOBUF, JSON} <= set(said["responses"]["200"]["content"])
        names = [each["name"] for each in said["parameters"]]
        assert names == ["Headway-Project", "Content-Encoding"]
