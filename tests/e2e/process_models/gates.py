"""A gate before the collector: closed, it takes a request and lets nothing through."""

import socket
import threading
from contextlib import suppress
from typing import Self


class Gate:
    """Carries bytes between a client and the collector at ``port``, while it is open."""

    def __init__(self, port: int) -> None:
        self.has_request = threading.Event()
        """A request has come, or at least its first bytes."""
        self._port = port
        self._is_open = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._held: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def open(self) -> None:
        """Let through what waits and what comes."""
        self._is_open.set()

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._is_open.set()
        # What is accepted from now on is ended by its client, who is gone.
        while self._threads:
            while self._held:
                _end(self._held.pop())
            self._threads.pop().join(10)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._serve, args=(client,))
            self._held.append(client)
            self._threads.append(thread)
            thread.start()

    def _serve(self, client: socket.socket) -> None:
        try:
            first = client.recv(65536)
            self.has_request.set()
            self._is_open.wait()
            with socket.create_connection(("127.0.0.1", self._port)) as collector:
                self._held.append(collector)
                back = threading.Thread(target=_carry, args=(collector, client))
                back.start()
                collector.sendall(first)
                _carry(client, collector)
                back.join()
        except OSError:
            pass
        finally:
            client.close()


def _carry(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
    except OSError:
        pass
    finally:
        _end(target)


def _end(connection: socket.socket) -> None:
    with suppress(OSError):  # the other side was faster
        connection.shutdown(socket.SHUT_RDWR)
