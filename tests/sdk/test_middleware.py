"""Requests that come in, to applications of ASGI and of WSGI, with headers and without."""

import asyncio
import json
import threading
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server
from wsgiref.util import FileWrapper

import pytest
from fastapi import FastAPI, WebSocket
from fastapi.responses import StreamingResponse
from starlette.testclient import TestClient

import headway
from headway.contexts import ARRIVAL, CURRENT, LABELS, NO_LABELS
from headway.middleware import ASGIMiddleware, WSGIMiddleware
from headway.testing import Captured, capture

TRACE, SPAN = "a" * 32, "b" * 16
SENT = {
    "traceparent": f"00-{TRACE}-{SPAN}-01",
    "baggage": "tenant=7,headway.user=ada,headway.session=s1,headway.tags=beta",
}


@pytest.fixture
def captured() -> Iterator[Captured]:
    with capture() as captured:
        yield captured


def origin(captured: Captured, name: str = "work") -> tuple[Any, ...]:
    span = captured.span(name)
    return span.trace_id, span.parent_span_id, span.user_id, span.session_id, span.tags


@headway.observe
def work() -> str:
    return "done"


def served(**options: bool) -> TestClient:
    """A client of an application of FastAPI."""
    app = FastAPI()
    app.add_middleware(ASGIMiddleware, **options)

    @app.get("/work/{number}")
    async def in_loop(number: int) -> str:
        return work()

    @app.get("/threaded")
    def in_thread() -> str:
        return work()

    @app.get("/streamed")
    async def streamed() -> StreamingResponse:
        def pieces() -> Iterator[str]:
            yield "a"
            work()
            yield "b"

        return StreamingResponse(pieces())

    @app.get("/failing")
    async def failing() -> None:
        raise RuntimeError("broken")

    @app.websocket("/socket")
    async def socket(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text(work())
        await socket.close()

    return TestClient(app)


@pytest.mark.parametrize("path", ["/work/7", "/threaded", "/streamed"])
def test_spans_of_a_request_have_its_parent_and_its_labels(path: str, captured: Captured) -> None:
    assert served().get(path, headers=SENT).status_code == 200
    assert origin(captured) == (TRACE, SPAN, "ada", "s1", ["beta"])
    assert len(captured.spans) == 1


def test_spans_of_a_websocket_have_them_too(captured: Captured) -> None:
    with served(span=True).websocket_connect("/socket", headers=SENT) as socket:
        assert socket.receive_text() == "done"

    assert origin(captured) == (TRACE, SPAN, "ada", "s1", ["beta"])
    assert len(captured.spans) == 1


def test_requests_without_headers_begin_traces_of_their_own(captured: Captured) -> None:
    client = served()
    client.get("/work/1", headers=SENT)
    client.get("/work/2", headers={"traceparent": "00-what-ever-01", "baggage": ",;="})
    client.get("/work/3")

    assert [span.parent_span_id for span in captured.spans] == [SPAN, None, None]
    assert [span.user_id for span in captured.spans] == ["ada", None, None]


def test_two_parents_are_none(captured: Captured) -> None:
    header = ("traceparent", SENT["traceparent"])
    served().get("/work/1", headers=[header, header])

    assert captured.span("work").parent_span_id is None


def test_a_server_that_breaks_the_rules_is_a_fault_and_answers() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        work()

    scope = {"type": "http", "headers": [("traceparent", "text")]}
    with capture(is_raising=False) as captured:
        asyncio.run(ASGIMiddleware(app)(scope, None, None))  # type: ignore[arg-type]  # unused
        faults = headway.stats().faults

    assert captured.span("work").parent_span_id is None
    assert faults == {"reading headers": 1}


def test_what_strangers_say_of_themselves_need_not_be_believed(captured: Captured) -> None:
    served(baggage=False).get("/work/1", headers=SENT)

    assert origin(captured) == (TRACE, SPAN, None, None, [])


def test_a_span_around_each_request_is_named_by_its_route(captured: Captured) -> None:
    served(span=True).get("/work/7?secret=1", headers=SENT)
    around = captured.span("GET /work/{number}")

    assert origin(captured, around.name) == (TRACE, SPAN, "ada", "s1", ["beta"])
    assert captured.span("work").parent_span_id == around.span_id
    assert json.loads(bytes(around.attributes)) == {
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "http.route": "/work/{number}",
        "url.path": "/work/7",
    }


def test_a_request_that_fails_fails_as_it_did_and_is_an_error(captured: Captured) -> None:
    with pytest.raises(RuntimeError, match="broken"):
        served(span=True).get("/failing")
    with pytest.raises(RuntimeError, match="broken"):
        served().get("/failing", headers=SENT)

    assert captured.span("GET /failing").status == "error"


class Threading(ThreadingMixIn, WSGIServer):
    """A server of WSGI as frameworks bring one for development."""


class Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


def whole(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
    start("200 OK", [("Content-Type", "text/plain")])
    return [work().encode()]


def lazy(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
    start("200 OK", [("Content-Type", "text/plain")])
    yield b"do"
    yield work().encode()[2:]


def of_a_file(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
    work()
    start("200 OK", [("Content-Type", "text/plain")])
    opened = Path(environ["PATH_INFO"]).open("rb")  # noqa: SIM115  # the server closes it
    wrapped: Iterable[bytes] = environ["wsgi.file_wrapper"](opened)
    return wrapped


def get(app: Any, path: str = "/", headers: dict[str, str] | None = None) -> str:
    """Ask an application over HTTP, on loopback."""
    server = make_server("127.0.0.1", 0, app, Threading, Quiet)
    thread = threading.Thread(target=server.handle_request)
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}{path}"
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers or {})) as answer:
            return str(answer.read().decode())
    finally:
        thread.join()
        server.server_close()


@pytest.mark.parametrize("app", [whole, lazy])
def test_spans_of_a_wsgi_request_have_its_parent_and_its_labels(
    app: Any, captured: Captured
) -> None:
    assert get(WSGIMiddleware(app), headers=SENT) == "done"
    assert origin(captured) == (TRACE, SPAN, "ada", "s1", ["beta"])


def test_wsgi_has_a_span_where_asked_until_the_answer_is_read(captured: Captured) -> None:
    assert get(WSGIMiddleware(lazy, span=True), "/parcels", SENT) == "done"
    around = captured.span("GET")

    assert captured.spans[-1].span_id == around.span_id
    assert captured.span("work").parent_span_id == around.span_id
    assert origin(captured, "GET") == (TRACE, SPAN, "ada", "s1", ["beta"])
    assert json.loads(bytes(around.attributes)) == {
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "url.path": "/parcels",
    }


def test_a_file_is_left_to_the_server(captured: Captured, tmp_path: Path) -> None:
    path = tmp_path / "answer"
    path.write_text("from disk")
    environ = {"PATH_INFO": str(path), "wsgi.file_wrapper": FileWrapper}
    app = WSGIMiddleware(of_a_file, span=True)
    body = app(environ, lambda status, headers: None)

    assert isinstance(body, FileWrapper)
    assert get(app, str(path), SENT) == "from disk"
    body.close()


def test_between_the_pieces_of_an_answer_the_servers_thread_is_its_own(
    captured: Captured,
) -> None:
    environ = {f"HTTP_{name.upper()}": text for name, text in SENT.items()}
    body = iter(WSGIMiddleware(lazy, span=True)(environ, lambda status, headers: None))
    next(body)
    here = CURRENT.get(), LABELS.get(), ARRIVAL.get()
    list(body)

    assert here == (None, NO_LABELS, None)
    assert captured.span("work").parent_span_id == captured.span("request").span_id


def test_an_answer_that_nobody_reads_on_is_closed(captured: Captured) -> None:
    closed: list[str | None] = []

    class Body:
        def __iter__(self) -> Iterator[bytes]:
            return iter([b"a", b"b"])

        def close(self) -> None:
            closed.append(headway.current_span().trace_id)

    app = WSGIMiddleware(lambda environ, start: Body(), span=True)
    body: Any = app({"HTTP_TRACEPARENT": SENT["traceparent"]}, lambda status, headers: None)
    next(body)
    body.close()

    assert closed == [TRACE]
    assert captured.span("request").status == "ok"


def test_an_application_of_wsgi_that_fails_is_an_error(captured: Captured) -> None:
    def failing(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        raise RuntimeError("broken")

    def late(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        start("503 Service Unavailable", [])
        yield b"sorry"

    start = {"REQUEST_METHOD": "GET"}
    with pytest.raises(RuntimeError, match="broken"):
        WSGIMiddleware(failing, span=True)(start, lambda status, headers: None)
    list(WSGIMiddleware(late, span=True)(start, lambda status, headers: None))

    assert [span.status for span in captured.spans] == ["error", "error"]
