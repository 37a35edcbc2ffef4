"""Streaming responses of Starlette and FastAPI, under a real server and a client that may leave."""

import asyncio
import gc
import http.client
import json
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
import uvicorn
from fastapi import FastAPI
from fastapi.sse import EventSourceResponse
from starlette.background import BackgroundTask
from starlette.responses import JSONResponse, StreamingResponse
from starlette.testclient import TestClient
from starlette.types import ASGIApp

import headway
from headway.contexts import CURRENT
from headway.testing import Captured, FrozenClock, capture

DEADLINE_S = 10.0


@pytest.fixture
def captured() -> Iterator[Captured]:
    with capture() as captured:
        yield captured


def data(raw: msgspec.Raw) -> Any:
    return json.loads(bytes(raw)) if bytes(raw) else None


async def words(*texts: str) -> AsyncIterator[str]:
    for text in texts:
        with headway.span(f"word {text}"):
            await asyncio.sleep(0)
        yield text


def app_with(endpoint: Callable[..., Any], **route: Any) -> FastAPI:
    app = FastAPI()
    app.get("/", response_model=None, **route)(endpoint)
    return app


def test_a_streaming_response_is_followed_to_the_end_of_its_body(captured: Captured) -> None:
    @headway.observe(kind="llm")
    async def chat(question: str) -> StreamingResponse:
        return StreamingResponse(words("for", "ty", " two"), media_type="text/plain", headers=tag)

    tag = {"X-Tag": "a"}
    with TestClient(app_with(chat)) as client:
        answer = client.get("/", params={"question": "how many?"})
    span = captured.span("chat")
    steps = [span for span in captured.spans if span.name.startswith("word")]

    assert (answer.status_code, answer.text, answer.headers["X-Tag"]) == (200, "forty two", "a")
    assert data(span.output) == "forty two"
    assert data(span.input) == {"question": "how many?"}
    assert (span.chunk_count, span.status, span.is_abandoned) == (3, "ok", None)
    assert span.ttft_ms is not None
    assert span.chunk_p50_ms is not None
    assert [step.parent_span_id for step in steps] == [span.span_id] * 3


def test_a_plain_function_may_stream_a_plain_generator_of_bytes(captured: Captured) -> None:
    @headway.observe
    def chat() -> StreamingResponse:
        return StreamingResponse(iter([b"f\xc3", b"\xbcr alle"]))

    with TestClient(app_with(chat)) as client:
        answer = client.get("/")

    assert answer.text == "für alle"
    assert data(captured.span("chat").output) == "für alle"


def test_a_body_that_fails_is_an_error_of_its_span(captured: Captured) -> None:
    async def breaking() -> AsyncIterator[str]:
        yield "half"
        raise ConnectionError("reset")

    @headway.observe
    async def chat() -> StreamingResponse:
        return StreamingResponse(breaking())

    with TestClient(app_with(chat)) as client, pytest.raises(ConnectionError):
        client.get("/")
    span = captured.span("chat")

    assert (span.status, span.status_message) == ("error", "reset")
    assert data(span.output) == "half"


def test_events_of_fastapi_are_followed(captured: Captured) -> None:
    @headway.observe
    async def returned() -> EventSourceResponse:
        return EventSourceResponse(words("data: a\n\n", "data: b\n\n"))

    @headway.observe
    async def yielded() -> AsyncIterator[dict[str, str]]:
        yield {"text": "a"}
        yield {"text": "b"}

    app = app_with(returned)
    app.get("/yielded", response_class=EventSourceResponse)(yielded)
    with TestClient(app) as client:
        text = client.get("/").text
        events = client.get("/yielded").text

    assert text == "data: a\n\ndata: b\n\n"
    assert data(captured.span("returned").output) == text
    assert events.count("data:") == 2
    assert data(captured.span("yielded").output) == [{"text": "a"}, {"text": "b"}]


def test_a_response_like_starlettes_is_followed_and_others_are_values(captured: Captured) -> None:
    class Events(JSONResponse):
        body_iterator: Any

        def __init__(self, content: Any) -> None:
            super().__init__({})
            self.body_iterator = content

    @headway.observe
    def events() -> Events:
        return Events(words("a", "b"))

    @headway.observe
    def plain() -> JSONResponse:
        return JSONResponse({"a": 1})

    async def read(response: Any) -> list[Any]:
        return [chunk async for chunk in response.body_iterator]

    given = events()
    chunks = asyncio.run(read(given))

    assert type(given) is Events
    assert chunks == ["a", "b"]
    assert captured.span("events").chunk_count == 2
    assert plain().body == b'{"a":1}'
    assert captured.span("plain").chunk_count is None


def test_the_response_is_the_same_but_for_its_body(captured: Captured) -> None:
    task = BackgroundTask(print)
    made = StreamingResponse(words("a"), 201, {"X-Tag": "a"}, "text/event-stream", task)
    before = {**vars(made)}

    given = headway.observe(lambda: made)()
    after = {**vars(given)}

    assert given is made
    assert after.keys() == before.keys()
    assert {name for name in before if before[name] is not after[name]} == {"body_iterator"}


def test_a_reducer_makes_the_output_of_a_body(captured: Captured) -> None:
    @headway.observe(reduce=lambda chunks: {"words": len(chunks)})
    async def chat() -> StreamingResponse:
        return StreamingResponse(words("a", "b"))

    with TestClient(app_with(chat)) as client:
        client.get("/")

    assert data(captured.span("chat").output) == {"words": 2}


def test_a_response_that_nobody_sends_is_a_call_all_the_same(captured: Captured) -> None:
    @headway.observe
    def chat() -> StreamingResponse:
        return StreamingResponse(iter(["a"]))

    response = chat()
    before = len(captured.spans)
    del response
    gc.collect()

    assert before == 0
    assert captured.span("chat").is_abandoned
    assert captured.span("chat").chunk_count == 0


def test_a_body_dropped_in_its_middle_ends_with_its_last_chunk() -> None:
    clock = FrozenClock()

    @headway.observe
    def chat() -> StreamingResponse:
        return StreamingResponse(words("a", "b"))

    async def read_one() -> None:
        response = chat()
        clock.tick(0.005)
        await anext(aiter(response.body_iterator))
        clock.tick(5)

    with capture(clock_ns=clock) as captured:
        asyncio.run(read_one())
        gc.collect()
        span = captured.span("chat")

    assert span.is_abandoned
    assert span.end_ns - span.start_ns == 5_000_000
    assert data(span.output) == "a"


def test_closing_the_body_closes_what_is_inside(captured: Captured) -> None:
    closed: list[str] = []

    async def inside() -> AsyncIterator[str]:
        try:
            yield "a"
            yield "b"
        finally:
            closed.append("inside")

    async def read_one() -> None:
        body: Any = headway.observe(lambda: StreamingResponse(inside()))().body_iterator
        await anext(body)
        await asyncio.create_task(body.aclose())
        closed_by_then.extend(closed)
        await anext(body, None)

    closed_by_then: list[str] = []
    asyncio.run(read_one())

    assert closed_by_then == ["inside"]
    assert [span.is_abandoned for span in captured.spans] == [True]
    assert CURRENT.get() is None


@contextmanager
def served(app: ASGIApp) -> Iterator[int]:
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    started = threading.Event()

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            started.set()

    server = Server(uvicorn.Config(app, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, args=([listening],))
    thread.start()
    try:
        assert started.wait(DEADLINE_S)
        yield listening.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(DEADLINE_S)
        listening.close()


def leave_after_the_first_chunk(port: int) -> bytes:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE_S)
    connection.request("GET", "/")
    first = connection.getresponse().read1(100)
    connection.close()
    return first


@pytest.mark.parametrize("is_waiting", [True, False])
def test_a_client_that_leaves_abandons_the_stream(captured: Captured, is_waiting: bool) -> None:
    ended = threading.Event()

    async def endless() -> AsyncIterator[str]:
        try:
            yield "first "
            while True:
                if is_waiting:
                    await asyncio.Event().wait()
                await asyncio.sleep(0)
                yield "x" * 100
        finally:
            ended.set()

    @headway.observe
    async def chat() -> StreamingResponse:
        return StreamingResponse(endless())

    with served(app_with(chat)) as port:
        first = leave_after_the_first_chunk(port)
        is_ended = ended.wait(DEADLINE_S)
    gc.collect()
    span = captured.span("chat")

    assert first.startswith(b"first ")
    assert is_ended
    assert (span.is_abandoned, span.status) == (True, "ok")
    assert data(span.output).startswith("first ")


def test_starlette_is_not_imported_to_look_for_its_responses(tmp_path: Path) -> None:
    program = (
        "import sys, headway\n"
        "assert headway.observe(lambda: object())()\n"
        "loaded = {name.partition('.')[0] for name in sys.modules}\n"
        "assert not loaded & {'starlette', 'fastapi', 'asyncio', 'pydantic', 'numpy'}, loaded\n"
    )
    environment = {
        "HEADWAY_JOURNAL_DIR": str(tmp_path),
        "HEADWAY_URL": "http://127.0.0.1:9",
        "HEADWAY_EXIT_TIMEOUT_S": "0",
    }

    ran = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True)

    assert ran.returncode == 0, ran.stderr
