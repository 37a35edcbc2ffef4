"""Clients that stall: their connections are answered or cut in time, and hold no memory."""

import asyncio
import itertools
import json
import select
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from urllib.parse import urlsplit

import pytest
from starlette.types import Message, Receive, Scope, Send

from headway_collector.bodies import BodyLimit
from headway_collector.budgets import ByteBudget
from headway_collector.protocols import PatientProtocol

Listen = Callable[..., str]
Lines = Callable[..., bytes]

DRIP_S = 0.02
PATIENCE_S = 0.4
DEADLINE_S = 30.0
POST = b"POST /v1/ingest HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n"


class Hasty(PatientProtocol):
    """What waits for headers no longer than a test may."""

    headers_s = PATIENCE_S
    headers_bytes = 4096


@pytest.fixture
def connect() -> Iterator[Callable[[str], socket.socket]]:
    """Open connections that are closed at the end."""
    opened: list[socket.socket] = []

    def open_one(url: str) -> socket.socket:
        address = urlsplit(url)
        assert address.hostname is not None
        opened.append(socket.create_connection((address.hostname, address.port or 0), DEADLINE_S))
        return opened[-1]

    yield open_one
    for each in opened:
        each.close()


Connect = Callable[[str], socket.socket]


def drip(connection: socket.socket, pieces: Iterator[bytes]) -> bytes:
    """Send piece after piece until the other side closes, and return what it said."""
    said, is_closed = [], threading.Event()

    def read() -> None:
        with suppress(OSError):
            while piece := connection.recv(4096):
                said.append(piece)
        is_closed.set()

    reader = threading.Thread(target=read)
    reader.start()
    with suppress(OSError):
        while not is_closed.wait(DRIP_S):
            connection.sendall(next(pieces, b""))
    reader.join(DEADLINE_S)
    assert is_closed.is_set(), "the collector never closed the connection"
    return b"".join(said)


@pytest.mark.parametrize("piece", [b"x", b""], ids=["byte by byte", "silent"])
def test_a_body_that_does_not_come_on_is_refused_and_gives_its_memory_back(
    listen: Listen, connect: Connect, piece: bytes
) -> None:
    budget = ByteBudget()
    connection = connect(listen(body_patience_s=PATIENCE_S, budget=budget))
    said = drip(connection, itertools.chain([POST], itertools.repeat(piece)))

    head, _, body = said.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408 ")
    assert b"connection: close" in head.lower()
    assert b"headway-collector: " in head.lower()
    assert json.loads(body)["code"] == "body_too_slow"
    assert budget.held_bytes == 0


def test_an_exporter_that_stalls_is_asked_to_come_back_in_its_own_words(
    listen: Listen, connect: Connect
) -> None:
    connection = connect(listen(body_patience_s=PATIENCE_S))
    head = POST.replace(b"/v1/ingest", b"/v1/traces").replace(
        b"Host", b"Content-Type: application/json\r\nHost"
    )
    said = drip(connection, iter([head, b'{"resourceSpans": ']))

    # 408 would be the last that is heard of the batch.
    assert said.startswith(b"HTTP/1.1 503 ")
    assert b"retry-after: 1" in said.lower()
    assert "did not come on" in json.loads(said.partition(b"\r\n\r\n")[2])["message"]


def test_a_body_of_fastapi_has_the_same_limit(listen: Listen, connect: Connect) -> None:
    connection = connect(listen(body_patience_s=PATIENCE_S))
    head = POST.replace(b"/v1/ingest", b"/v1/scores").replace(
        b"Host", b"Content-Type: application/json\r\nHost"
    )

    assert drip(connection, iter([head, b"{"])).startswith(b"HTTP/1.1 408 ")


def test_a_large_body_that_comes_on_slowly_is_taken(
    listen: Listen, connect: Connect, span_line: Lines
) -> None:
    # Every piece gives the next one more time than it takes to come.
    url = listen(body_patience_s=PATIENCE_S)
    body = b"\n".join(span_line(input="x" * 1000) for _ in range(400))
    connection = connect(url)
    connection.sendall(POST.replace(b"100000", str(len(body)).encode()))
    pieces = [body[i : i + 16384] for i in range(0, len(body), 16384)]
    pause = threading.Event()
    for piece in pieces:
        connection.sendall(piece)
        pause.wait(2 * PATIENCE_S / len(pieces))

    assert connection.recv(100).startswith(b"HTTP/1.1 200 ")


def test_a_request_may_be_worked_on_for_longer_than_its_body_may_stall() -> None:
    async def work() -> bool:
        messages = iter([{"type": "http.request", "body": b"all of it", "more_body": False}])
        never = asyncio.Event()

        async def receive() -> Message:
            if (message := next(messages, None)) is None:
                await never.wait()
            return message or {}

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            await receive()
            # As Starlette does to learn that the client has left.
            with suppress(TimeoutError):
                await asyncio.wait_for(receive(), 5 * DRIP_S)
            await send({"type": "done"})

        sent: list[Message] = []

        async def send(message: Message) -> None:
            sent.append(message)

        await BodyLimit(app, patience_s=DRIP_S)({"type": "http", "headers": []}, receive, send)
        return bool(sent)

    assert asyncio.run(work())


@pytest.mark.parametrize(
    "pieces",
    [
        [],
        itertools.repeat(b"\r\n"),
        itertools.chain([b"GET /healthz HTTP/1.1\r\n"], itertools.repeat(b"A: b\r\n")),
        itertools.chain([b"GET /healthz HTTP/1.1\r\nA: "], itertools.repeat(b"b")),
    ],
    ids=["silent", "blank lines", "header by header", "one header"],
)
def test_headers_that_never_end_are_cut(
    listen: Listen, connect: Connect, pieces: Iterator[bytes]
) -> None:
    assert drip(connect(listen(http=Hasty)), iter(pieces)) == b""


def test_headers_that_never_end_are_cut_after_an_answer_too(
    listen: Listen, connect: Connect
) -> None:
    request = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    endless = itertools.chain(
        [request, request, b"GET / HTTP/1.1\r\n"], itertools.repeat(b"A: b\r\n")
    )

    assert drip(connect(listen(http=Hasty)), endless).count(b"HTTP/1.1 200") == 2


def test_large_headers_are_cut_at_once(listen: Listen, connect: Connect) -> None:
    class Patient(Hasty):
        headers_s = 10 * DEADLINE_S

    endless = itertools.chain([b"GET /healthz HTTP/1.1\r\nA: "], itertools.repeat(b"b" * 1000))

    assert drip(connect(listen(http=Patient)), endless) == b""


def test_what_drips_in_behind_an_early_answer_is_cut(listen: Listen, connect: Connect) -> None:
    head = POST.replace(b"/v1/ingest", b"/v1/nothing")

    said = drip(connect(listen(http=Hasty)), itertools.chain([head], itertools.repeat(b"x")))

    assert said.startswith(b"HTTP/1.1 404 ")


@pytest.mark.parametrize(
    ("line", "status"),
    [
        (b"POST /v1/nothing HTTP/1.1", b"404"),
        (b"POST /v1/nothing HTTP/1.0", b"404"),
        (b"POST /v1/traces HTTP/1.1\r\nContent-Type: text/plain", b"415"),
    ],
)
def test_who_is_refused_while_sending_can_send_on_and_read_why(
    listen: Listen, connect: Connect, line: bytes, status: bytes
) -> None:
    connection = connect(listen())
    size = 8_000_000
    head = line + b"\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % size
    connection.sendall(head)
    # As a client does that reads nothing before it has sent all; a reset would end it here.
    is_answered, _, _ = select.select([connection], [], [], DEADLINE_S)
    for _ in range(size // 100_000):
        connection.sendall(bytes(100_000))
    said = b"".join(iter(lambda: connection.recv(4096), b""))

    assert is_answered
    assert said.split()[1] == status
    assert said.endswith(b"}")


def test_requests_that_come_in_pieces_are_answered(listen: Listen, connect: Connect) -> None:
    connection = connect(listen(http=Hasty))
    request = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    pause = threading.Event()
    for _ in range(3):
        for piece in (request[:10], request[10:]):
            connection.sendall(piece)
            pause.wait(PATIENCE_S / 4)
        assert connection.recv(4096).startswith(b"HTTP/1.1 200")
