"""From its last call a process needs no three seconds to end, whatever the collector does."""

import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.sdk.programs import run

LIMIT_S = 3.0
PROGRAM = """
import time
import headway

@headway.observe
def ask(question): return "answer"

for number in range(3000): ask("x" * 1000)
print(time.monotonic())
"""
LATE_PROGRAM = """
import atexit, time
import headway

@headway.observe
def ask(question): return "answer"

@atexit.register
def last():
    ask("the only call comes when threads can no longer be started")
    print(time.monotonic())
"""

Behave = Callable[[socket.socket], None]


@contextmanager
def server(behave: Behave, backlog: int = 16) -> Iterator[str]:
    """Something that accepts connections and does as it likes with each."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=backlog)
    held: list[socket.socket] = []

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            held.append(connection)
            threading.Thread(target=behave, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join()
        for connection in held:
            connection.close()


def seconds_since(last_call: str) -> float:
    """Say, and print for whoever runs with -s, how long the process needed to end."""
    took_s = time.monotonic() - float(last_call)
    sys.stdout.write(f"from the last call to the end: {took_s:.2f} s\n")
    return took_s


def read_request(connection: socket.socket) -> None:
    head = b""
    while b"\r\n\r\n" not in head:
        head += connection.recv(65536)
    head, _, body = head.partition(b"\r\n\r\n")
    length = next(
        line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")
    )
    missing = int(length.split(b":")[1]) - len(body)
    while missing > 0:
        missing -= len(connection.recv(65536))


def say_nothing(connection: socket.socket) -> None:
    pass


def answer_slowly(connection: socket.socket) -> None:
    answer = b'{"accepted":1,"duplicates":0,"rejected":0}'
    try:
        while True:
            read_request(connection)
            threading.Event().wait(0.8)
            head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(answer)}\r\n\r\n"
            connection.sendall(head.encode() + answer)
    except (OSError, StopIteration):
        return


def drip(connection: socket.socket) -> None:
    try:
        read_request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while True:
            threading.Event().wait(0.2)
            connection.sendall(b" ")
    except (OSError, StopIteration):
        return


def put_off(connection: socket.socket) -> None:
    read_request(connection)
    connection.sendall(
        b"HTTP/1.1 503 Busy\r\nRetry-After: 300\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"
    )
    connection.close()


def die_in_the_middle(connection: socket.socket) -> None:
    read_request(connection)
    connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"accepted":')
    connection.close()


@pytest.mark.parametrize(
    ("behave", "folder", "program"),
    [
        (say_nothing, "journal", PROGRAM),
        (say_nothing, "memory", PROGRAM),
        (say_nothing, "journal", LATE_PROGRAM),
        (answer_slowly, "journal", PROGRAM),
        (drip, "journal", PROGRAM),
        (drip, "memory", LATE_PROGRAM),
        (put_off, "journal", PROGRAM),
        (put_off, "memory", PROGRAM),
        (die_in_the_middle, "journal", PROGRAM),
    ],
)
def test_a_process_ends_in_time_with_a_collector_that_is_no_help(
    behave: Behave, folder: str, program: str, tmp_path: Path
) -> None:
    (tmp_path / "memory").write_text("no folder can be here")
    with server(behave) as url:
        done = run(program, tmp_path, HEADWAY_URL=url, HEADWAY_JOURNAL_DIR=str(tmp_path / folder))
    took_s = seconds_since(done.stdout)

    assert done.returncode == 0, done.stderr
    assert took_s < LIMIT_S


def test_a_process_ends_in_time_with_nobody_at_the_port(tmp_path: Path) -> None:
    done = run(PROGRAM, tmp_path, HEADWAY_URL="http://127.0.0.1:9")
    took_s = seconds_since(done.stdout)

    assert "3,000 recorded and not shipped" in done.stderr
    assert took_s < LIMIT_S


def test_a_process_ends_in_time_where_packets_are_swallowed(tmp_path: Path) -> None:
    # A listener whose queue is full answers no further knock, as a firewall that drops does.
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        address = listener.getsockname()
        knocking = [socket.socket() for _ in range(4)]
        for each in knocking:
            each.setblocking(False)
            each.connect_ex(address)
        done = run(PROGRAM, tmp_path, HEADWAY_URL=f"http://127.0.0.1:{address[1]}")
        took_s = seconds_since(done.stdout)
        for each in knocking:
            each.close()

    assert "3,000 recorded and not shipped" in done.stderr
    assert took_s < LIMIT_S
