"""A stand-in for OpenAI's API on loopback: chat completions with usage, tools and streams.

Its one answer is the same to every question; what is asked stands beside it.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MODEL = "gpt-4o-mini-2024-07-18"
SYSTEM = "You answer in one sentence."
QUESTION = "Where is my parcel P-17?"
ANSWER = "Your parcel is on its way."
TOOL_CALL = {
    "id": "call_7",
    "type": "function",
    "function": {"name": "find_parcel", "arguments": '{"number": "P-17"}'},
}
USAGE = {
    "prompt_tokens": 120,
    "completion_tokens": 12,
    "total_tokens": 132,
    "prompt_tokens_details": {"cached_tokens": 100},
    "completion_tokens_details": {"reasoning_tokens": 4},
}
_HEAD = {"id": "chatcmpl-1", "created": 1_763_800_000, "model": MODEL, "service_tier": "default"}


@contextmanager
def fake_openai() -> Iterator[str]:
    """Serve until the block ends; give the base URL for a client."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if request.get("stream"):
            body = "".join(f"data: {json.dumps(each)}\n\n" for each in _stream(request))
            self._answer("text/event-stream", body + "data: [DONE]\n\n")
        else:
            self._answer("application/json", json.dumps(_complete(request)))

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def _answer(self, content_type: str, body: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())


def _complete(request: dict[str, Any]) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": ANSWER}
    reason = "stop"
    if request.get("tools"):
        message, reason = {"role": "assistant", "tool_calls": [TOOL_CALL]}, "tool_calls"
    choice = {"index": 0, "message": message, "finish_reason": reason}
    return _HEAD | {"object": "chat.completion", "choices": [choice], "usage": USAGE}


def _stream(request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    head = _HEAD | {"object": "chat.completion.chunk"}
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    deltas += [{"content": f"{word} "} for word in ANSWER.split()[:-1]]
    deltas += [{"content": ANSWER.split()[-1]}]
    for delta in deltas:
        yield head | {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
    yield head | {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
    if request.get("stream_options", {}).get("include_usage"):
        yield head | {"choices": [], "usage": USAGE}
