"""Every answer that is no, in one shape; nobody gets a traceback or a page of HTML.

Whoever exports over OTLP gets it in the shape and encoding of that protocol.
"""

import difflib
import logging
import re
import reprlib
from collections.abc import Mapping
from typing import Any

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from headway_collector.errors import RequestError, UnauthorizedError
from headway_collector.measuring import CODE, find_template
from headway_collector.otlp.answers import JSON, PATHS, encode_refusal, find_media_type

_TOLD = "_headway_was_told"
_SHOWN_ERRORS = 3
_SHOWN_CHARS = 80
_CODES = {
    400: "bad_request",
    404: "unknown_path",
    405: "method_not_allowed",
    408: "body_too_slow",
    413: "body_too_large",
    429: "rate_limited",
}

_short = reprlib.Repr()
_short.maxstring = _SHOWN_CHARS + 2
_short.maxlist = _short.maxdict = _short.maxtuple = 20

_log = logging.getLogger(__name__)


def install_handlers(app: FastAPI) -> None:
    """Make the application answer every fault in our shape."""
    app.add_exception_handler(RequestError, _answer_refusal)
    app.add_exception_handler(RequestValidationError, _answer_invalid)
    app.add_exception_handler(HTTPException, _answer_http)
    app.add_exception_handler(ClientDisconnect, _answer_nobody)
    app.add_exception_handler(Exception, _answer_failure)


def was_told(error: BaseException) -> bool:
    """Whether the log has this fault already."""
    return _TOLD in error.__dict__


def _answer(
    request: Request,
    status: int,
    code: str,
    message: str,
    headers: Mapping[str, str] | None = None,
) -> Response:
    request.scope[CODE] = code
    if request.method == "POST" and request.url.path in PATHS:
        if status == 408:  # after which exporters would not come back
            status, headers = 503, {**(headers or {}), "Retry-After": "1"}
        media_type = find_media_type(request.headers.get("content-type", "")) or JSON
        return Response(encode_refusal(status, media_type, message), status, headers, media_type)
    body = msgspec.json.encode({"code": code, "message": message})
    return Response(body, status, headers, "application/json")


async def _answer_refusal(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestError)
    headers = {} if error.retry_after_s is None else {"Retry-After": str(error.retry_after_s)}
    if isinstance(error, UnauthorizedError):
        headers["WWW-Authenticate"] = "Bearer"
    return _answer(request, error.status, error.code, str(error), headers)


async def _answer_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    if isinstance(error.body, bytes):  # FastAPI reads what calls itself JSON, and hands on the rest
        said = request.headers.get("content-type", "")[:_SHOWN_CHARS]
        message = f"Content-Type is {said!r}; this path reads {JSON}"
        return _answer(request, 415, "unsupported_media", message)
    faults = error.errors()
    message = "; ".join(_describe(fault) for fault in faults[:_SHOWN_ERRORS])
    if len(faults) > _SHOWN_ERRORS:
        message += f"; and {len(faults) - _SHOWN_ERRORS} more"
    return _answer(request, 422, "invalid_request", message)


async def _answer_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    message, headers = str(error.detail), error.headers
    if error.status_code == 404:
        message = _suggest_path(request)
    elif error.status_code == 405:
        allowed = ", ".join(_find_methods(request, (error.headers or {}).get("Allow", "")))
        headers = {**(error.headers or {}), "Allow": allowed}
        message = f"{request.method} {request.url.path} is not possible; allowed are {allowed}"
    elif error.status_code == 400 and error.__cause__ is not None:
        message = _explain_json(error.__cause__)
    code = _CODES.get(error.status_code, "bad_request")
    return _answer(request, error.status_code, code, message, headers)


async def _answer_nobody(request: Request, error: Exception) -> Response:
    return _answer(request, 400, "bad_request", "the request ended before its body did")


async def _answer_failure(request: Request, error: Exception) -> Response:
    # Paths hold ids; the template says as much as is needed.
    _log.error("%s %s failed", request.method, find_template(request.scope), exc_info=error)
    error.__dict__[_TOLD] = True
    return _answer(request, 500, "internal_error", "the collector failed on this; its log says why")


def _explain_json(cause: BaseException) -> str:
    """Return why FastAPI could not parse a body."""
    if isinstance(cause, UnicodeDecodeError):
        return f"the body is not JSON: not UTF-8 at byte {cause.start + 1}"
    if isinstance(cause, RecursionError):
        return "the body is nested too deeply"
    return f"the body is not JSON: {cause}"


def _describe(fault: Mapping[str, Any]) -> str:
    message = str(fault.get("ctx", {}).get("error", fault["msg"]))
    place, *path = fault["loc"]
    if fault["type"] == "json_invalid":
        return f"the body is not JSON: {message}"
    if not path:
        return f"{place}: {message}"
    if fault["type"] == "missing":
        return f"{place} {'.'.join(map(str, path))} is missing"
    # A body of megabytes is not written out for the sake of its first characters.
    said = fault["input"]
    shown = repr(said[: _SHOWN_CHARS + 1]) if isinstance(said, str) else _short.repr(said)
    if len(shown) > _SHOWN_CHARS:
        shown = shown[:_SHOWN_CHARS] + "…"
    return f"{place} {'.'.join(map(str, path))} is {shown}: {message}"


def _suggest_path(request: Request) -> str:
    path = request.url.path
    message = f"there is no {path[:_SHOWN_CHARS]}"
    known = list(request.app.openapi()["paths"])
    below = [each for each in known if each.startswith(f"{path.rstrip('/')}/")]
    nearest = below or difflib.get_close_matches(path, known, n=1, cutoff=0.0)
    return f"{message}: did you mean {nearest[0]}?" if nearest else message


def _find_methods(request: Request, known: str) -> list[str]:
    """Return the methods of a path: those of the route that was found, and of others beside it."""
    methods = {each for each in known.split(", ") if each}
    for path, operations in request.app.openapi()["paths"].items():
        if re.fullmatch(re.sub(r"\\{\w+\\}", ".+", re.escape(path)), request.url.path):
            methods |= {method.upper() for method in operations}
    return sorted(methods)
