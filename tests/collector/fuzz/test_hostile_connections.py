"""Connections that break the rules of HTTP, or of those who wait: answered, cut, and forgotten.

Slow bodies and headers are in ``test_stalls``.
"""

import contextlib
import json
import socket
import struct
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from tests.collector.fuzz.fuzzed import ANSWER_S, FuzzedCollector, read_answers
from tests.collector.fuzz.test_ndjson_mutations import SPAN

HEAD = b"Host: x.localhost\r\n"
GET = b"GET /healthz HTTP/1.1\r\n" + HEAD + b"\r\n"
LINE = json.dumps(SPAN).encode()
POST = b"POST /v1/ingest HTTP/1.1\r\n" + HEAD
CHUNKED = b"Transfer-Encoding: chunked\r\n"
# What would be answered if the bytes behind a request were taken for another one.
HIDDEN = b"GET /hidden HTTP/1.1\r\n" + HEAD + b"\r\n"


@contextlib.contextmanager
def connected(fuzzed: FuzzedCollector) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", fuzzed.port), ANSWER_S) as connection:
        yield connection


def reset(connection: socket.socket) -> None:
    """Close a connection so that the other side gets a reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def test_requests_that_do_not_wait_for_answers_are_answered_in_order(
    fuzzed: FuzzedCollector,
) -> None:
    with connected(fuzzed) as connection:
        body = b"Content-Length: %d\r\n\r\n%s" % (len(LINE), LINE)
        connection.sendall((GET + POST + body + HIDDEN) * 20)
        connection.shutdown(socket.SHUT_WR)
        answers = read_answers(connection)

    assert [each.status for each in answers] == [200, 200, 404] * 20


def test_who_closes_his_half_after_a_request_still_gets_its_answer(
    fuzzed: FuzzedCollector,
) -> None:
    with connected(fuzzed) as connection:
        connection.sendall(POST + b"Content-Length: %d\r\n\r\n%s" % (len(LINE), LINE))
        connection.shutdown(socket.SHUT_WR)
        (answer,) = read_answers(connection)

    assert answer.status == 200
    said = json.loads(answer.body)
    assert said["accepted"] + said["duplicates"] == 1


def test_who_closes_his_half_in_the_middle_of_a_body_stores_nothing(
    fuzzed: FuzzedCollector,
) -> None:
    before: Any = fuzzed.read("/v1/spans?project=half")
    with connected(fuzzed) as connection:
        said = b"Headway-Project: half\r\nContent-Length: %d\r\n\r\n%s" % (len(LINE) + 1, LINE)
        connection.sendall(POST + said)
        connection.shutdown(socket.SHUT_WR)
        answers = read_answers(connection)

    assert [each.status for each in answers if each.status < 400] == []
    assert fuzzed.read("/v1/spans?project=half") == before


def test_connections_that_are_reset_anywhere_leave_nothing_behind(fuzzed: FuzzedCollector) -> None:
    request = POST + b"Content-Length: %d\r\n\r\n%s" % (len(LINE) * 400, (LINE + b"\n") * 390)
    fuzzed.check_well()
    before = fuzzed.connection_count
    for end in range(1, len(request), len(request) // 200):
        with connected(fuzzed) as connection:
            connection.sendall(request[:end])
            reset(connection)

    fuzzed.check_well()
    fuzzed.wait_for_connections(before)


def test_hundreds_that_say_nothing_keep_nobody_from_an_answer(fuzzed: FuzzedCollector) -> None:
    with ExitStack() as stack:
        for _ in range(800):
            stack.enter_context(connected(fuzzed))
        answer = fuzzed.send("POST", "/v1/ingest", LINE)

    assert answer.status == 200


@pytest.mark.parametrize(
    "request_bytes",
    [
        POST + CHUNKED + b"Content-Length: 5\r\n\r\n0\r\n\r\n" + HIDDEN,
        POST + b"Content-Length: 5\r\n" + CHUNKED + b"\r\n0\r\n\r\n" + HIDDEN,
        POST + b"Content-Length: 0\r\nContent-Length: %d\r\n\r\n" % len(HIDDEN) + HIDDEN,
        POST + b"Content-Length: 0, %d\r\n\r\n" % len(HIDDEN) + HIDDEN,
        POST + b"Content-Length: +%d\r\n\r\n" % len(HIDDEN) + HIDDEN,
        POST + b"Content-Length: -1\r\n\r\n" + HIDDEN,
        POST + b"Content-Length: 0x10\r\n\r\n" + HIDDEN,
        POST + b"Content-Length: 18446744073709551616\r\n\r\n" + HIDDEN,
        POST + b"Content-Length : 0\r\n\r\n" + HIDDEN,
        POST + b"Content-\r\n Length: 0\r\n\r\n" + HIDDEN,
        POST + b"Transfer-Encoding: xchunked\r\n\r\n" + HIDDEN,
        POST + b"Transfer-Encoding: chunked, identity\r\n\r\n" + HIDDEN,
        POST + b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n" + HIDDEN,
        POST + CHUNKED + CHUNKED + b"\r\nFFFFFFFFFFFFFFFFF\r\n" + HIDDEN,
        POST + CHUNKED + b"\r\n-1\r\n" + HIDDEN,
        POST + CHUNKED + b"\r\n5 \r\nhello\r\n0\n\n" + HIDDEN,
    ],
)
def test_a_request_hidden_in_the_body_of_another_is_never_answered(
    fuzzed: FuzzedCollector, request_bytes: bytes
) -> None:
    with connected(fuzzed) as connection:
        connection.sendall(request_bytes)
        connection.shutdown(socket.SHUT_WR)
        answers = read_answers(connection)

    assert len(answers) <= 1
    assert {each.status for each in answers} <= {400, 413}
    fuzzed.check_well()


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(300),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET /healthz\r\n\r\n",
        b"GET /healthz HTTP/9.9\r\n\r\n",
        b"GET /healthz HTTP/1.1\nHost: x\n\n",
        b"get /healthz HTTP/1.1\r\n\r\n",
        b"GET  /healthz  HTTP/1.1\r\n\r\n",
        b"GET http://evil.example/healthz HTTP/1.1\r\n" + HEAD + b"\r\n",
        b"GET \xff\xfe HTTP/1.1\r\n" + HEAD + b"\r\n",
        b"GET /v1/traces/\xc3\xa9\x80 HTTP/1.1\r\n" + HEAD + b"\r\n",
        b"GET /v1/traces/%00%ff%zz%u1234 HTTP/1.1\r\n" + HEAD + b"\r\n",
        b"GET /../../etc/passwd HTTP/1.1\r\n" + HEAD + b"\r\n",
        b"GET //v1//spans HTTP/1.1\r\n" + HEAD + b"\r\n",
        b"GET * HTTP/1.1\r\n" + HEAD + b"\r\n",
        b"OPTIONS * HTTP/1.1\r\n" + HEAD + b"\r\n",
        b"CONNECT evil.example:443 HTTP/1.1\r\n" + HEAD + b"\r\n",
        b"GET /healthz HTTP/1.1\r\n" + HEAD + b"A: \x00\x01\x7f\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\n" + HEAD + b"A: b\r\n" * 5000 + b"\r\n",
        b"GET /healthz HTTP/1.1\r\n" + HEAD + b"Upgrade: h2c\r\nConnection: Upgrade\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\n" + HEAD + b"Upgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
        b"GET /v1/spans?" + b"a" * 60_000 + b" HTTP/1.1\r\n" + HEAD + b"\r\n",
        b"GET /v1/spans?" + b"a" * 200_000 + b" HTTP/1.1\r\n" + HEAD + b"\r\n",
        b"GET /v1/spans?" + b"project=p&" * 6000 + b" HTTP/1.1\r\n" + HEAD + b"\r\n",
        b"GET /v1/spans?" + b"a=&" * 10_000 + b" HTTP/1.1\r\n" + HEAD + b"\r\n",
        b"GET /v1/metrics?" + b"attribute=a=b&" * 4000 + b" HTTP/1.1\r\n" + HEAD + b"\r\n",
        b"GET /v1/" + b"%2f" * 15_000 + b" HTTP/1.1\r\n" + HEAD + b"\r\n",
        b"POST /v1/scores HTTP/1.1\r\n"
        + HEAD
        + b"Expect: 100-continue\r\nContent-Length: 0\r\n\r\n",
    ],
    ids=lambda request_bytes: repr(request_bytes[:60]),
)
def test_what_is_hardly_http_is_answered_or_cut(
    fuzzed: FuzzedCollector, request_bytes: bytes
) -> None:
    with connected(fuzzed) as connection:
        with contextlib.suppress(OSError):  # cut while it is sent, or before it is ended
            connection.sendall(request_bytes)
            connection.shutdown(socket.SHUT_WR)
        answers = read_answers(connection)

    assert {each.status for each in answers if each.status >= 500} == set()
    fuzzed.check_well()


@pytest.mark.parametrize(
    "method", ["HEAD", "OPTIONS", "TRACE", "PATCH", "PUT", "DELETE", "PROPFIND", "SEARCH"]
)
def test_a_method_that_a_path_has_not_is_405_and_names_those_it_has(
    fuzzed: FuzzedCollector, method: str
) -> None:
    schema: Any = fuzzed.read("/openapi.json")
    for path, operations in schema["paths"].items():
        if method.lower() in operations or path in ("/healthz", "/readyz"):
            continue
        answer = fuzzed.send(method, path.replace("{", "").replace("}", ""))

        assert answer.status == 405, (path, answer.status)
        allowed = {each.strip().lower() for each in answer.headers["allow"].split(",")}
        assert allowed >= operations.keys(), (path, allowed)
