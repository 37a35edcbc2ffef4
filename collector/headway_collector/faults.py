"""Every answer that is no, in one shape; nobody gets a traceback or a page of HTML.

Whoever exports over OTLP gets it in the shape and encoding of that protocol.
"""

import difflib
import logging
from collections.abc import Mapping
from typing import Any

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from headway_collector.errors import RequestError
from headway_collector.otlp.answers import JSON, PATHS, encode_refusal, find_media_type

_SHOWN_ERRORS = 3
_SHOWN_CHARS = 80
_CODES = {
    400: "bad_request",
    404: "unknown_path",
    405: "method_not_allowed",
    408: "body_too_slow",
    413: "body_too_large",
}

_log = logging.getLogger(__name__)


def install_handlers(app: FastAPI) -> None:
    """Make the application answer every fault in our shape."""
    app.add_exception_handler(RequestError, _answer_refusal)
    app.add_exception_handler(RequestValidationError, _answer_invalid)
    app.add_exception_handler(HTTPException, _answer_http)
    app.add_exception_handler(ClientDisconnect, _answer_nobody)
    app.add_exception_handler(Exception, _answer_failure)


def _answer(
    request: Request,
    status: int,
    code: str,
    message: str,
    headers: Mapping[str, str] | None = None,
) -> Response:
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
    return _answer(request, error.status, error.code, str(error), headers)


async def _answer_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    faults = error.errors()
    message = "; ".join(_describe(fault) for fault in faults[:_SHOWN_ERRORS])
    if len(faults) > _SHOWN_ERRORS:
        message += f"; and {len(faults) - _SHOWN_ERRORS} more"
    return _answer(request, 422, "invalid_request", message)


async def _answer_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    message = str(error.detail)
    if error.status_code == 404:
        message = _suggest_path(request)
    elif error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "")
        message = f"{request.method} {request.url.path} is not possible; allowed are {allowed}"
    code = _CODES.get(error.status_code, "bad_request")
    return _answer(request, error.status_code, code, message, error.headers)


async def _answer_nobody(request: Request, error: Exception) -> Response:
    return _answer(request, 400, "bad_request", "the request ended before its body did")


async def _answer_failure(request: Request, error: Exception) -> Response:
    _log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return _answer(request, 500, "internal_error", "the collector failed on this; its log says why")


def _describe(fault: Mapping[str, Any]) -> str:
    message = str(fault.get("ctx", {}).get("error", fault["msg"]))
    place, *path = fault["loc"]
    if fault["type"] == "json_invalid":
        return f"the body is not JSON: {message}"
    if not path:
        return f"{place}: {message}"
    if fault["type"] == "missing":
        return f"{place} {'.'.join(map(str, path))} is missing"
    shown = repr(fault["input"])
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
