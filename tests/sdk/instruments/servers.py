"""A server on loopback that answers as providers do: JSON, event streams, errors, broken lines."""

import json
import threading
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

LAST = "[DONE]"
"""What ends a stream of OpenAI's."""


class Asked(NamedTuple):
    """One request that came."""

    path: str
    headers: Mapping[str, str]
    body: Any


@dataclass(frozen=True)
class Reply:
    """What the server says to the next request."""

    body: bytes
    status: int = 200
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    is_dropped: bool = False
    """Whether the connection breaks where the body ends."""


class Provider:
    """Gives the replies that were laid out, in turn; keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self._replies: deque[Reply] = deque()
        provider = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                provider.asked.append(Asked(self.path, dict(self.headers), body))
                reply = provider._replies.popleft()
                self.send_response(reply.status)
                self.send_header("Content-Type", reply.content_type)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                # One that breaks off promised more.
                self.send_header("Content-Length", str(len(reply.body) + reply.is_dropped))
                self.end_headers()
                self.wfile.write(reply.body)
                self.close_connection = reply.is_dropped

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def answer(self, body: Any, status: int = 200, **headers: str) -> None:
        """Lay out an answer in JSON."""
        self._replies.append(Reply(json.dumps(body).encode(), status, headers=headers))

    def stream(
        self, events: Iterable[Any], *, last: str | None = LAST, is_dropped: bool = False
    ) -> None:
        """Lay out an answer of server-sent events, named by their ``type`` where they have one."""
        lines = []
        for event in events:
            if isinstance(event, dict) and "type" in event:
                lines.append(f"event: {event['type']}")
            lines.append(f"data: {json.dumps(event)}\n")
        if last is not None and not is_dropped:
            lines.append(f"data: {last}\n")
        body = "".join(f"{line}\n" for line in lines).encode()
        self._replies.append(Reply(body, 200, "text/event-stream", is_dropped=is_dropped))

    def reply(self, body: bytes, content_type: str) -> None:
        """Lay out an answer as it is."""
        self._replies.append(Reply(body, content_type=content_type))

    def reset(self) -> None:
        """Forget what was asked and laid out."""
        self.asked.clear()
        self._replies.clear()

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
