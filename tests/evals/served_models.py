"""A model server on loopback that behaves as a test wants, and a clock that nobody waits for."""

import json
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from headway_evals.models.paces import Pace
from headway_evals.models.requests import Ask, Completion, Generate, Request
from headway_evals.models.server_addresses import Address
from headway_evals.models.server_calls import Calls
from headway_evals.models.servers import Server
from headway_evals.prompts import Prompt


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it arrived; ``count`` says how often its prompt did, this time included."""

    path: str
    headers: Mapping[str, str]
    body: dict[str, Any]
    count: int

    @property
    def text(self) -> str:
        """Return the prompt, or what the last message says."""
        messages = self.body.get("messages")
        return str(messages[-1]["content"] if messages else self.body["prompt"])


@dataclass(frozen=True, slots=True)
class Said:
    """What is answered: JSON, or bytes as they are.

    Args:
        content: the answer.
        status: its status.
        headers: more of them.
        is_dropped: the connection is reset instead.
        missing_bytes: how many of the promised bytes never come.
    """

    content: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    is_dropped: bool = False
    missing_bytes: int = 0


Script = Callable[[Asked], Said]


@dataclass(slots=True)
class Clock:
    """Seconds that pass only by being waited for."""

    now: float = 0.0
    waits: list[float] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self) -> float:
        return self.now

    def wait(self, stop: threading.Event, seconds: float) -> bool:
        """Let the time pass at once."""
        with self.lock:
            self.now += seconds
            self.waits.append(seconds)
        return stop.is_set()


@dataclass(slots=True)
class Served:
    """A server under way, and what it was asked."""

    url: str
    asked: list[Asked] = field(default_factory=list)

    def model(
        self,
        clock: Clock,
        *,
        concurrency: int = 1,
        retries: int = 5,
        timeout_s: float = 10.0,
        interval_s: float = 0.0,
        **address: Any,
    ) -> Server:
        """Return the model that is served here."""
        calls = Calls(
            self.url,
            api_key=address.get("api_key"),
            concurrency=concurrency,
            retries=retries,
            timeout_s=timeout_s,
            pace=Pace(interval_s, clock=clock, wait=clock.wait),
            clock=clock,
            wait=clock.wait,
            chance=lambda: 1.0,
        )
        return Server(Address("m", self.url, **address), calls, concurrency=concurrency)


@contextmanager
def serve(script: Script) -> Iterator[Served]:
    """Serve a model that answers by a script."""
    counts: Counter[str] = Counter()
    lock = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body in one packet

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with lock:
                key = json.dumps(body, sort_keys=True)
                counts[key] += 1
                asked = Asked(self.path, dict(self.headers), body, counts[key])
                served.asked.append(asked)
            said = script(asked)
            self.close_connection = said.is_dropped or said.missing_bytes > 0
            if said.is_dropped:
                # Without lingering, closing resets.
                linger = struct.pack("ii", 1, 0)
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                return
            content = said.content
            raw = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response_only(said.status)
            for name, value in said.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(raw) + said.missing_bytes))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    class Quiet(ThreadingHTTPServer):
        def handle_error(self, request: Any, client_address: Any) -> None:
            pass  # whoever asked may have left

    server = Quiet(("127.0.0.1", 0), Handler)
    served = Served(f"http://127.0.0.1:{server.server_address[1]}/v1")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def said(text: str | None, reason: str = "stop", **usage: Any) -> Said:
    """Return an answer in the form of either API, which it takes for both."""
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": reason}
    return Said({"object": "chat.completion", "choices": [choice], "usage": usage})


def upper(asked: Asked) -> Said:
    """Answer in capitals, in the form of the API that was asked."""
    text = asked.text.upper()
    if asked.path.endswith("/chat/completions"):
        return said(text, prompt_tokens=5, completion_tokens=2)
    return Said({"choices": [{"text": text, "finish_reason": "stop"}]})


def requests_of(*prompts: Prompt, ask: Ask | None = None) -> list[Request]:
    """Return a request for each prompt."""
    return [
        Request(f"c{place}", prompt, prompt, ask or Generate(16))
        for place, prompt in enumerate(prompts)
    ]


def answers(model: Server, *prompts: Prompt, ask: Ask | None = None) -> list[Completion]:
    """Return what a model makes of prompts."""
    return model.generate(requests_of(*prompts, ask=ask), lambda index, completion: None)
