"""How long an answer may take in all, and the words for what went wrong on the way."""

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import IncompleteRead

import pytest
from urllib3.exceptions import HTTPError, ProtocolError, SSLError

from headway_evals.errors import ModelError
from headway_evals.models.deadlines import fault_words
from headway_evals.models.requests import Generate, Request
from headway_evals.models.server_addresses import Address
from headway_evals.models.server_calls import Calls
from headway_evals.models.servers import Server

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
WHOLE = b'{"choices":[{"text":"kind"}]}'

Talk = Callable[[socket.socket, threading.Event], None]


def hear(connection: socket.socket) -> None:
    """Read a request to the end of its JSON; where some is left, closing resets."""
    heard = b""
    while not heard.endswith(b"}") and (piece := connection.recv(1 << 16)):
        heard += piece


@contextmanager
def talker(talk: Talk) -> Iterator[str]:
    """Let a script talk on each connection after its request; the address is yielded."""
    over = threading.Event()

    def converse(connection: socket.socket) -> None:
        with connection:
            try:
                hear(connection)
                talk(connection, over)
            except OSError:
                pass  # whoever asked has left

    def listen() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=converse, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=listen, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            over.set()
            # accept() is not woken by a close.
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(10)


def fault_of(url: str, timeout_s: float = 5.0) -> str:
    """Return what is told of one try."""
    server = Server(Address("m", url), Calls(url, retries=0, timeout_s=timeout_s))
    (found,) = server.generate(
        [Request("a", "hello", "hello", Generate(4))], lambda index, completion: None
    )
    return found.text or (found.error or "").removesuffix(", after one try")


def drip(before: bytes, piece: bytes) -> Talk:
    """Send a piece again and again, each well within the timeout, for longer than that."""

    def talk(connection: socket.socket, over: threading.Event) -> None:
        connection.sendall(before)
        for _ in range(60):
            over.wait(0.05)
            connection.sendall(piece)

    return talk


def say(content: bytes) -> Talk:
    """Send this and close."""
    return lambda connection, over: connection.sendall(content)


@pytest.mark.parametrize(
    ("before", "piece"),
    [(b"", b"H"), (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"), (HEAD, b" "), (CHUNKED, b"1\r\n \r\n")],
    ids=["status", "headers", "body", "chunks"],
)
def test_an_answer_that_comes_bit_by_bit_has_to_be_whole_in_time(
    before: bytes, piece: bytes
) -> None:
    with talker(drip(before, piece)) as url:
        started = time.monotonic()
        fault = fault_of(url, timeout_s=0.4)
        took_s = time.monotonic() - started

    assert fault == "no answer within 0.4 s"
    assert took_s < 3


def test_a_connection_that_is_used_again_has_its_whole_time_again() -> None:
    def talk(connection: socket.socket, over: threading.Event) -> None:
        for _ in range(3):
            over.wait(0.3)
            connection.sendall(HEAD.replace(b"500", b"%d" % len(WHOLE)) + WHOLE)
            hear(connection)

    with talker(talk) as url:
        calls = Calls(url, retries=0, timeout_s=0.6, concurrency=1)
        found = [calls.post("/completions", {}, threading.Event()).data for _ in range(3)]

    assert [each["choices"][0]["text"] for each in found] == ["kind"] * 3


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (HEAD + b'{"choices":', "the answer broke off after 11 of 500 bytes"),
        (b"", "the server closed the connection without an answer"),
        (b"SSH-2.0-OpenSSH_9\r\n", "what answers does not speak HTTP"),
        (
            HEAD.replace(b"500", b"3\r\nContent-Encoding: gzip") + b"abc",
            "the answer cannot be unpacked: it is not what its Content-Encoding says",
        ),
    ],
)
def test_a_broken_answer_is_told_in_words(content: bytes, words: str) -> None:
    with talker(say(content)) as url:
        assert fault_of(url) == words


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ProtocolError("aborted", ConnectionResetError()), "the server broke the connection off"),
        (ProtocolError("?", IncompleteRead(b"abc")), "the answer broke off after 3 bytes"),
        (ProtocolError("?", TimeoutError()), "the server did not take the whole request in time"),
        (SSLError(ssl.SSLError()), "no safe connection to h:443: it was broken off"),
    ],
)
def test_a_fault_of_the_connection_is_told_in_words(error: HTTPError, words: str) -> None:
    assert fault_words(error, "https://h/v1", 2.0) == words


def test_a_server_that_is_not_there_is_told_by_its_place() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        place = f"127.0.0.1:{free.getsockname()[1]}"

    with pytest.raises(ModelError) as caught:
        fault_of(f"http://{place}/v1")

    assert f"after one try (no connection to {place}: refused)" in str(caught.value)


def test_a_host_that_nobody_knows_is_told() -> None:
    with pytest.raises(ModelError, match=r"\(no connection to host.invalid:80: no such host\)"):
        fault_of("http://host.invalid/v1")
