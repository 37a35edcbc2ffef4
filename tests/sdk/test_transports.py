"""How long one exchange with a collector may take, and where it goes."""

import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from headway.records import Loss, encode_record
from headway.transports import Batch, HttpTransport
from tests.sdk.conftest import StandIn

LIMIT_S = 0.3


@dataclass
class Dripping:
    """A server that sends the head of its answer byte by byte, and never comes to its end."""

    url: str
    requests: list[bytes] = field(default_factory=list)
    is_over: threading.Event = field(default_factory=threading.Event)

    def serve(self, listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            self.requests.append(connection.recv(1 << 16))
            connection.sendall(b"HTTP/1.1 200 OK\r\nX-Padding: ")
            while not self.is_over.wait(LIMIT_S / 10):
                try:
                    connection.sendall(b"x")
                except OSError:
                    return


@pytest.fixture
def dripping() -> Iterator[Dripping]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = Dripping(f"http://127.0.0.1:{listener.getsockname()[1]}")
        thread = threading.Thread(target=server.serve, args=(listener,))
        thread.start()
        yield server
        server.is_over.set()
        thread.join()


def test_an_answer_whose_head_drips_is_left_when_the_time_is_over(dripping: Dripping) -> None:
    replies = []

    def send() -> None:
        replies.append(HttpTransport(dripping.url).send(Batch("shop", "1", [b"{}"], LIMIT_S)))

    began_s = time.monotonic()
    thread = threading.Thread(target=send, daemon=True)
    thread.start()
    thread.join(10 * LIMIT_S)

    assert [reply.status for reply in replies] == [0]
    assert "ReadTimeoutError" in replies[0].message
    assert time.monotonic() - began_s >= LIMIT_S


def test_a_path_in_the_address_stands_before_ours(dripping: Dripping) -> None:
    HttpTransport(f"{dripping.url}/behind/a/proxy/").send(Batch("shop", "1", [b"{}"], LIMIT_S))

    assert dripping.requests[0].startswith(b"POST /behind/a/proxy/v1/ingest HTTP/1.1\r\n")


def test_each_exchange_over_one_connection_has_its_own_time(collector: StandIn) -> None:
    transport = HttpTransport(collector.url)
    loss = Loss(client_id="c" * 32, reason="exit", count=1, time_ns=1, host="here", pid=1)
    statuses = []
    for limit_s in (LIMIT_S, 2 * LIMIT_S):
        batch = Batch("shop", "loss", [encode_record(loss)], limit_s)
        statuses.append(transport.send(batch).status)
        threading.Event().wait(LIMIT_S)

    assert statuses == [200, 200]
