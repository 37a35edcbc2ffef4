"""Requests that come in, as children of the spans that they were sent from.

    app.add_middleware(ASGIMiddleware)                   # FastAPI, Starlette
    app.wsgi_app = WSGIMiddleware(app.wsgi_app)          # Flask
    application = WSGIMiddleware(get_wsgi_application()) # Django

What a request brings is read from its ``traceparent``, ``tracestate`` and ``baggage``. No span is
opened, unless ``span=True`` asks for one a request. Answers pass as they are.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

from headway.fields import checked
from headway.handovers import Handover, Surroundings, surroundings
from headway.labelling import context
from headway.lifecycle import current_client
from headway.otel_parents import OTEL, active_id, modules
from headway.tracing import ActiveSpan, span

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]
Environ = dict[str, Any]
StartResponse = Callable[..., Any]
WSGIApp = Callable[[Environ, StartResponse], Iterable[bytes]]

_FIRST_FAILURE = 500
_NAMES = ("traceparent", "tracestate", "baggage")


class ASGIMiddleware:
    """Gives all spans of a request, or of a websocket, the parent and the labels it came with.

    Args:
        app: what answers.
        span: open a span around each HTTP request.
        baggage: believe the user, the session and the tags that come with it; where strangers call,
            they are what strangers say.
    """

    def __init__(self, app: ASGIApp, *, span: bool = False, baggage: bool = True) -> None:
        self._app = app
        self._has_span = span
        self._has_baggage = baggage

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        said = checked(current_client().guard, "headers", _headers_of, scope) or {}
        with _arriving(said, has_baggage=self._has_baggage):
            is_wanted = self._has_span and scope["type"] == "http"
            opened = _open(scope.get("method"), scope.get("path"), is_wanted)
            if opened is None:
                await self._app(scope, receive, send)
                return
            with opened:
                try:
                    await self._app(scope, receive, _watching(send, opened))
                finally:
                    # Only now does it stand there.
                    _name(opened, scope.get("method"), getattr(scope.get("route"), "path", None))


class WSGIMiddleware:
    """Gives all spans of a request the parent and the labels that it came with.

    Args:
        app: what answers.
        span: open a span around each request, until its answer is read.
        baggage: believe the user, the session and the tags that come with it; where strangers call,
            they are what strangers say.
    """

    def __init__(self, app: WSGIApp, *, span: bool = False, baggage: bool = True) -> None:
        self._app = app
        self._has_span = span
        self._has_baggage = baggage

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        said = _headers_in(environ)
        if not said and not self._has_span:
            return self._app(environ, start_response)
        with _arriving(said, has_baggage=self._has_baggage):
            opened = _open(environ.get("REQUEST_METHOD"), environ.get("PATH_INFO"), self._has_span)
            around = surroundings()
        if opened is not None:
            opened.otel_id = active_id() if OTEL in modules else 0
            around = Surroundings(opened, around.labels, around.arrival)
            start_response = _watching_start(start_response, opened)
        try:
            body: Iterable[bytes] = Handover(self._app, around)(environ, start_response)
        except BaseException as error:
            _close(opened, error)
            raise
        wrapper = environ.get("wsgi.file_wrapper")
        if hasattr(body, "__len__") or (isinstance(wrapper, type) and isinstance(body, wrapper)):
            # It is there, or the server sends it in its own way.
            _close(opened)
            return body
        return _Body(body, around, opened)


class _Body:
    """An answer that is made while the server reads it, when the call of the application is over.

    Nothing is held over from one piece to the next: between them the server's thread is its own.
    """

    def __init__(
        self, body: Iterable[bytes], around: Surroundings, opened: ActiveSpan | None
    ) -> None:
        self._body = body
        self._around = around
        self._opened = opened
        self._step: Callable[[], bytes] | None = None

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            if self._step is None:
                pieces = Handover(iter, self._around)(self._body)
                self._step = Handover(pieces.__next__, self._around)
            piece: bytes = self._step()
        except StopIteration:
            _close(self._opened)
            raise
        except BaseException as error:
            _close(self._opened, error)
            raise
        return piece

    def close(self) -> None:
        """End the answer, as a server does where the client has gone, too."""
        try:
            close = getattr(self._body, "close", None)
            if close is not None:
                Handover(close, self._around)()
        finally:
            _close(self._opened)


@contextmanager
def _arriving(said: dict[str, str], *, has_baggage: bool) -> Iterator[None]:
    if not has_baggage:
        said.pop("baggage", None)
    if not said:
        yield
        return
    with context(
        traceparent=said.get("traceparent"),
        tracestate=said.get("tracestate"),
        baggage=said.get("baggage"),
    ):
        yield


def _headers_of(scope: Scope) -> dict[str, str]:
    said: dict[str, str] = {}
    for raw, value in scope.get("headers") or ():
        name = bytes(raw).lower().decode("latin-1")
        if name in _NAMES:
            text = bytes(value).decode("latin-1")
            # Two parents are none; a list may come in several lines.
            joined = "" if name == "traceparent" else f"{said.get(name)},{text}"
            said[name] = joined if name in said else text
    return said


def _headers_in(environ: Environ) -> dict[str, str]:
    said = {name: environ.get(f"HTTP_{name.upper()}") for name in _NAMES}
    return {name: text for name, text in said.items() if isinstance(text, str)}


def _open(method: object, path: object, is_wanted: bool) -> ActiveSpan | None:
    if not is_wanted:
        return None
    opened = span(str(method or "request"))
    opened.attributes["http.request.method"] = method
    opened.attributes["url.path"] = path
    return opened


def _close(opened: ActiveSpan | None, error: BaseException | None = None) -> None:
    if opened is not None:
        opened.close(error)


def _watching(send: Send, opened: ActiveSpan) -> Send:
    async def watch(message: Message) -> None:
        if message.get("type") == "http.response.start":
            _note(opened, message.get("status"))
        await send(message)

    return watch


def _watching_start(start_response: StartResponse, opened: ActiveSpan) -> StartResponse:
    def start(status: str, *args: Any, **named: Any) -> Any:
        number = str(status).partition(" ")[0]
        _note(opened, int(number) if number.isdecimal() else None)
        return start_response(status, *args, **named)

    return start


def _note(opened: ActiveSpan, status: object) -> None:
    opened.attributes["http.response.status_code"] = status
    if isinstance(status, int) and status >= _FIRST_FAILURE:
        opened.status = "error"


def _name(opened: ActiveSpan, method: object, route: object) -> None:
    # Not by the path, of which there are as many as there are things to ask for.
    if isinstance(route, str) and route:
        opened.name = f"{method} {route}"
        opened.attributes["http.route"] = route
