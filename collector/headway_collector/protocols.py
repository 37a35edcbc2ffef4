"""Connections that never come to a request are cut.

uvicorn gives up a connection that is idle between two requests, but waits for ever for the headers
of the first, for the end of headers that have begun, and for the rest of a body whose request has
been answered; and it keeps whatever comes as headers, however much. Bodies have a limit of their
own (``bodies``).

Whoever is refused while still sending must be able to read why. A connection that is closed with
bytes unread is reset, and that takes the answer along: so the rest is read first, and thrown away.

Whoever closes his half behind a whole request still gets its answer, if it does not take long:
whoever has left altogether looks the same until something is sent to him, and a long read should
not go on for him. What is no HTTP is told so in the words of every other no.
"""

import asyncio
from collections.abc import Callable
from typing import cast

import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEADERS_S = 30.0
"""From the first byte of a request, or from the connection, to the end of the headers."""

HEADERS_BYTES = 64 * 1024

_NO_HTTP = "this is no request of HTTP/1.1 that can be read, or its URL or headers are too long"

LEFT_S = 5.0
"""For the answer to a read whose client has closed his half."""

ABORT = "headway.abort"
"""The extension of a scope that cuts the connection, whatever still waits to be sent."""


class _AnswersTransport:
    """A transport as uvicorn's answers see it, but for how it is closed."""

    def __init__(self, transport: asyncio.Transport, close: Callable[[], None]) -> None:
        self._write = transport.write
        self.is_closing = transport.is_closing
        self.close = close

    def write(self, data: bytes) -> None:
        """Send bytes, where somebody is still there: uvicorn learns a turn later that nobody is."""
        if not self.is_closing():
            self._write(data)


class PatientProtocol(HttpToolsProtocol):
    """HTTP/1.1 by uvicorn, with limits to how long and how large headers may be.

    uvicorn makes its protocols itself, so whoever wants other limits makes a subclass.
    """

    headers_s = HEADERS_S
    headers_bytes = HEADERS_BYTES
    left_s = LEFT_S
    _leaving: asyncio.TimerHandle | None = None
    _timer: asyncio.TimerHandle | None = None
    _read_bytes = 0
    _is_in_body = False
    _is_closing = False
    _has_ended = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._for_answers = _AnswersTransport(transport, self._close_answered)
        self._wait()

    def data_received(self, data: bytes) -> None:
        """Take bytes, and wait for more of them where they end no headers."""
        super().data_received(data)
        if self.transport.is_closing() or self._is_at_work:
            return
        # What comes between two requests, or behind an answer, has also ended uvicorn's own wait.
        self._wait()
        if not self._is_in_body:
            self._read_bytes += len(data)
            if self._read_bytes > self.headers_bytes:
                self.transport.close()

    def on_headers_complete(self) -> None:
        """Go on to the request."""
        self._stop_waiting()
        self._read_bytes = 0
        self._is_in_body = True
        self.scope["extensions"] = {ABORT: {"abort": self.transport.abort}}
        super().on_headers_complete()
        if self.cycle is not None:
            self.cycle.transport = cast(asyncio.Transport, self._for_answers)

    def on_message_complete(self) -> None:
        """Note that the body is whole."""
        self._is_in_body = False
        super().on_message_complete()
        if self._is_closing:
            self.transport.close()

    def eof_received(self) -> bool | None:  # type: ignore[override]
        """Stay until all is answered that came whole."""
        self._has_ended = True
        self._expect_to_leave()
        return self._is_at_work and not self._is_in_body

    def on_response_complete(self) -> None:
        """Go on to the next request, or end where no more will come."""
        super().on_response_complete()
        if self._has_ended and not self._is_at_work:
            self.transport.close()
        self._expect_to_leave()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP, or none that this protocol takes."""
        body = msgspec.json.encode({"code": "bad_request", "message": _NO_HTTP})
        head = (
            "HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """End the waits."""
        self._stop_waiting()
        if self._leaving is not None:
            self._leaving.cancel()
        self._for_answers.close = self.transport.close  # so that no cycle is left behind
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """Finish the request that is here, but wait for none that has not come whole."""
        super().shutdown()
        if self._is_in_body:
            self.transport.close()

    @property
    def _is_at_work(self) -> bool:
        """Whether a request waits for its answer."""
        return self.cycle is not None and not self.cycle.response_complete

    def _close_answered(self) -> None:
        """Close the connection, after what is still to come of a request that was answered."""
        if self._is_at_work or not self._is_in_body or self.transport.is_closing():
            self.transport.close()
            return
        self._is_closing = True
        self.transport.write_eof()
        self._wait()

    def _expect_to_leave(self) -> None:
        """Give a read that runs for somebody who may be gone a little more time."""
        if self._leaving is not None:
            self._leaving.cancel()
        if self._has_ended and self._is_at_work and self.cycle.scope["method"] == "GET":
            self._leaving = self.loop.call_later(self.left_s, self.transport.close)

    def _wait(self) -> None:
        if self._timer is None:
            self._timer = self.loop.call_later(self.headers_s, self._give_up)

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _give_up(self) -> None:
        self._timer = None
        if not self._is_at_work:
            self.transport.close()
