"""Bodies that nobody sends by mistake: each is refused for what it is, or costs itself alone.

Bombs are in ``test_back_pressure``, bodies that stall in ``test_stalls``, and too many spans,
events or points in ``test_otlp_amounts``.
"""

import gzip
import json
import socket
from collections.abc import Iterator
from itertools import repeat
from typing import Any

import pyarrow as pa
import pytest

from headway_collector.bodies import BODY_LIMIT_BYTES
from tests.collector.fuzz.fuzzed import ANSWER_S, GROWTH_BYTES, FuzzedCollector, read_answers
from tests.collector.fuzz.test_ndjson_mutations import BODIES, SPAN
from tests.collector.otlp_requests import (
    JSON,
    PROTOBUF,
    encode,
    export_spans,
    make_span,
)

_MEMBERS = gzip.compress(b"") * 50_000
_FRAMES = pa.compress(b"", "zstd", asbytes=True) * 50_000
# How a frame begins: RFC 8878, 3.1.1; what follows are its flags, and its window or its size.
_ZSTD = b"\x28\xb5\x2f\xfd"
LISTINGS = (
    "/v1/spans",
    "/v1/sessions",
    "/v1/prompts",
    "/v1/scores",
    "/v1/runs",
    "/v1/comparisons",
    "/v1/losses",
    "/v1/jobs",
    "/v1/drift",
)
READS = (
    "/v1/projects",
    *LISTINGS,
    "/v1/metrics?bucket=minute&measure=count&measure=latency_p95_ms",
    "/v1/metrics?bucket=day&by=name&start=1970-01-01&end=2199-12-31",
    "/v1/facets?field=name&field=environment",
)
# Nanoseconds: of 1970, of 2200 and what lies outside of both.
TIMES = (0, 1, 7_258_118_399 * 10**9, 2**63 - 1, 2**63, 2**64 - 1)


def line(number: int, **fields: Any) -> bytes:
    return json.dumps(SPAN | {"span_id": f"{number:016x}"} | fields).encode()


@pytest.mark.parametrize(
    ("encoding", "body", "status"),
    [
        pytest.param("gzip", gzip.compress(gzip.compress(line(1))), 400, id="gzip in gzip"),
        pytest.param("gzip", _MEMBERS + gzip.compress(line(1)), 200, id="members"),
        pytest.param("gzip", gzip.compress(bytes(2**20)) * 80, 413, id="a bomb of many members"),
        pytest.param("zstd", _FRAMES, 400, id="empty frames"),
        pytest.param("zstd", _ZSTD + b"\x00\x88\x01\x00\x00", 400, id="a window of 128 MiB"),
        pytest.param("zstd", _ZSTD + b"\x00\xf8\x01\x00\x00", 400, id="a window of terabytes"),
        pytest.param("zstd", _ZSTD + b"\xe0" + b"\xff" * 8, 400, id="a size of exabytes"),
        pytest.param("gzip, gzip", gzip.compress(gzip.compress(line(1))), 422, id="two codings"),
        pytest.param("gzip", b"", 400, id="nothing"),
        pytest.param("br", b"x", 422, id="a coding that is not read"),
    ],
)
def test_odd_compression_is_read_or_refused(
    fuzzed: FuzzedCollector, encoding: str, body: bytes, status: int
) -> None:
    before_bytes = fuzzed.rss_bytes

    answer = fuzzed.send("POST", "/v1/ingest", body, {"Content-Encoding": encoding})

    assert answer.status == status, answer.body
    assert fuzzed.rss_bytes - before_bytes < GROWTH_BYTES + BODY_LIMIT_BYTES


@pytest.mark.parametrize("path", ["/v1/ingest", "/v1/traces", "/v1/scores"])
def test_an_endless_body_is_refused_at_the_limit(fuzzed: FuzzedCollector, path: str) -> None:
    piece = b"100000\r\n" + b" " * 0x100000 + b"\r\n"
    head = f"POST {path} HTTP/1.1\r\nHost: x.localhost\r\nContent-Type: {JSON}\r\n"
    before_bytes = fuzzed.rss_bytes
    with socket.create_connection(("127.0.0.1", fuzzed.port), ANSWER_S) as connection:
        connection.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
        sent = _send_until_answered(connection, repeat(piece))
        answers = read_answers(connection)

    assert [each.status for each in answers] == [413]
    assert sent < 3 * BODY_LIMIT_BYTES
    assert fuzzed.rss_bytes - before_bytes < GROWTH_BYTES + 2 * BODY_LIMIT_BYTES


@pytest.mark.parametrize("path", ["/v1/ingest", "/v1/traces", "/v1/scores"])
def test_a_body_that_says_it_is_a_gigabyte_is_refused_unread(
    fuzzed: FuzzedCollector, path: str
) -> None:
    head = f"POST {path} HTTP/1.1\r\nHost: x.localhost\r\nContent-Type: {JSON}\r\n"
    with socket.create_connection(("127.0.0.1", fuzzed.port), ANSWER_S) as connection:
        connection.sendall(f"{head}Content-Length: 1000000000\r\n\r\n[".encode())
        said = connection.recv(4096)

    assert said.startswith(b"HTTP/1.1 413 ")


def _send_until_answered(connection: socket.socket, pieces: Iterator[bytes]) -> int:
    """Send until something comes back, and return how many bytes that were."""
    sent = 0
    connection.settimeout(0)
    for piece in pieces:
        rest = memoryview(piece)
        while rest:
            try:
                connection.recv(1, socket.MSG_PEEK)
            except BlockingIOError:
                pass
            else:
                connection.settimeout(ANSWER_S)
                connection.shutdown(socket.SHUT_WR)
                return sent
            try:
                done = connection.send(rest)
            except BlockingIOError:
                continue
            rest, sent = rest[done:], sent + done
    raise AssertionError("no end")


@pytest.mark.parametrize("path", list(BODIES))
def test_json_of_any_depth_is_taken_or_refused(fuzzed: FuzzedCollector, path: str) -> None:
    refused = 0
    # There is a depth that one reader just follows, and the next one does not.
    for depth in [20, 400, *range(880, 1000, 5), 100_000, 1_000_000]:
        for opens, closes in ((b"[", b"]"), (b'{"a":', b"}")):
            deep = opens * depth + b"1" + closes * depth
            for body in (deep, _put_in(path, deep)):
                answer = fuzzed.send("POST", path, body, {"Content-Type": JSON})
                refused += answer.status in (400, 422)

                assert answer.status < 500, (depth, opens, answer.body, fuzzed.log[-3000:])

    assert refused > 0


def _put_in(path: str, deep: bytes) -> bytes:
    # Where anything may stand in these bodies, and in none of the others.
    if path == "/v1/runs":
        body = BODIES[path] | {"run": BODIES[path]["run"] | {"settings": {"deep": "@"}}}
    else:
        body = BODIES[path] | {"deep": "@"}
    return json.dumps(body).encode().replace(b'"@"', deep)


@pytest.mark.parametrize("piece", [b"[],", b'{"":0},'])
def test_json_of_very_many_values_is_refused_before_they_are_made(
    fuzzed: FuzzedCollector, piece: bytes
) -> None:
    body = b"[" + piece * (30_000_000 // len(piece)) + b"0]"
    before_bytes = fuzzed.rss_bytes

    answer = fuzzed.send("POST", "/v1/runs", body, {"Content-Type": JSON})

    assert answer.status == 413
    assert b"2000000 values" in answer.body
    assert fuzzed.rss_bytes - before_bytes < GROWTH_BYTES


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-Infinity", "1e400", "-1e999", "9" * 500])
def test_a_number_that_is_none_is_no_score(fuzzed: FuzzedCollector, value: str) -> None:
    body = f'{{"name":"n","span_id":"{1:016x}","value":{value}}}'.encode()

    answer = fuzzed.send("POST", "/v1/scores", body, {"Content-Type": JSON})

    assert answer.status == 422
    assert b"value" in answer.body


@pytest.mark.parametrize(
    "media_type", ["text/plain", "application/x-www-form-urlencoded", "application/xml", "x", "/"]
)
@pytest.mark.parametrize("path", list(BODIES))
def test_a_body_of_another_type_is_refused_for_it(
    fuzzed: FuzzedCollector, path: str, media_type: str
) -> None:
    body = json.dumps(BODIES[path]).encode()

    answer = fuzzed.send("POST", path, body, {"Content-Type": media_type})

    assert answer.status == 415
    assert json.loads(answer.body) == {
        "code": "unsupported_media",
        "message": f"Content-Type is {media_type!r}; this path reads application/json",
    }


def test_an_empty_body_is_no_fault_of_ours(fuzzed: FuzzedCollector) -> None:
    schema: Any = fuzzed.read("/openapi.json")
    paths = [path for path, operations in schema["paths"].items() if "post" in operations]
    answers = {
        (path, media_type): fuzzed.send(
            "POST", path.replace("{", "").replace("}", ""), b"", {"Content-Type": media_type}
        ).status
        for path in paths
        for media_type in ("", JSON, PROTOBUF, "multipart/form-data; boundary=x")
    }

    assert len(paths) > 10
    assert {key: status for key, status in answers.items() if status >= 500} == {}


@pytest.mark.parametrize("media_type", [JSON, PROTOBUF])
def test_spans_of_any_time_are_kept_or_refused_and_can_be_read(
    fuzzed: FuzzedCollector, media_type: str
) -> None:
    spans = [
        make_span(
            200 + number,
            span_id=(200 + number).to_bytes(8),
            start_time_unix_nano=start_ns,
            end_time_unix_nano=end_ns,
        )
        for number, (start_ns, end_ns) in enumerate((a, b) for a in TIMES for b in TIMES)
    ]
    headers = {"Content-Type": media_type, "Headway-Project": f"times-{media_type[-4:]}"}
    body = encode(export_spans(make_span(100), *spans, make_span(101)), media_type)

    answer = fuzzed.send("POST", "/v1/traces", body, headers)
    found: Any = fuzzed.read(f"/v1/spans?limit=1000&project={headers['Headway-Project']}")
    statuses = {path: fuzzed.send("GET", path).status for path in READS}

    assert answer.status == 200, answer.body
    kept = {int(span["span_id"], 16) for span in found["spans"]}
    assert kept >= {100, 101}
    # OTLP's 0 is no time; of the two others, those pairs whose end is no earlier than their start.
    assert len(kept) == 2 + 3
    assert set(statuses.values()) == {200}, statuses


@pytest.mark.parametrize("listing", LISTINGS)
def test_a_cursor_that_was_never_given_is_refused(fuzzed: FuzzedCollector, listing: str) -> None:
    deep = "W1tb" * 8000  # base64 of [[[
    made = ("", "=", "%00", "W10", "bnVsbA", "%F0%9F%98%80", "../../etc", "a" * 60_000, deep)
    odd = ("WyJzcGFucyBkZXNjIiwxZTQwMCwiIiwiIl0", "WyJzcGFucyBkZXNjIixOYU5d")

    answers = [fuzzed.send("GET", f"{listing}?cursor={each}") for each in (*made, *odd)]

    assert {each.status for each in answers} == {422}
    assert all(b"cursor" in each.body for each in answers)
    assert all(len(each.body) < 1000 for each in answers)


@pytest.mark.parametrize("media_type", [JSON, PROTOBUF])
def test_very_many_attributes_in_otlp_cost_their_span_alone(
    fuzzed: FuzzedCollector, media_type: str
) -> None:
    names = [f"k{number}" for number in range(100_000)]
    many = make_span(301, dict.fromkeys(names, 1) if media_type == PROTOBUF else {}, name="many")
    body = encode(export_spans(make_span(300), many, make_span(302)), media_type)
    if media_type == JSON:  # the mapping of protobuf takes seconds for so many
        said = json.loads(body)
        span = said["resourceSpans"][0]["scopeSpans"][0]["spans"][1]
        span["attributes"] += [{"key": name, "value": {"intValue": "1"}} for name in names]
        body = json.dumps(said).encode()

    headers = {"Content-Type": media_type, "Headway-Project": f"many-{media_type[-4:]}"}
    answer = fuzzed.send("POST", "/v1/traces", body, headers)
    found: Any = fuzzed.read(f"/v1/spans?project={headers['Headway-Project']}")

    assert answer.status == 200
    assert b"attributes" in answer.body
    assert {span["name"] for span in found["spans"]} == {"chat 300", "chat 302"}


def test_very_many_attributes_cost_their_line_alone(fuzzed: FuzzedCollector) -> None:
    many = {f"k{number}": number for number in range(100_000)}
    body = b"\n".join([line(400), line(401, attributes=many), line(402)])

    said = json.loads(fuzzed.send("POST", "/v1/ingest", body).body)

    assert (said["accepted"], said["rejected"]) == (2, 1)
    assert "attributes" in said["errors"][0]["reason"]
