"""From the bytes of a request to the bytes of its records, never more than a limit of either.

The limit holds while reading and while inflating, so neither an endless body nor a bomb of a few
kilobytes becomes gigabytes. It has a limit of time too: what has been read of a body that stalls
would be held for ever.
"""

import asyncio
import io
from collections.abc import Callable

import pyarrow as pa
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from headway_collector.errors import BodyTooLargeError, InvalidRequestError, NotNdjsonError

BODY_LIMIT_BYTES = 64 * 1024 * 1024
ENCODINGS = ("identity", "gzip", "zstd")

PATIENCE_S = 30.0
"""For a body that does not come on; each ``SLOWEST_BYTES_PER_S`` that came give one second more."""

SLOWEST_BYTES_PER_S = 16 * 1024

_STEP_BYTES = 1024 * 1024


class BodyLimit:
    """Middleware that stops reading a body at the limit, or when it stalls."""

    def __init__(
        self,
        app: ASGIApp,
        limit_bytes: int = BODY_LIMIT_BYTES,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._app = app
        self._limit_bytes = limit_bytes
        self._patience_s = patience_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with a body that ends at the limit, and in time."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = Headers(scope=scope).get("content-length", "")
        declared_bytes = int(declared) if declared.isdecimal() else 0
        received_bytes, is_whole = 0, False
        end_s = asyncio.get_running_loop().time() + self._patience_s

        async def receive_within() -> Message:
            nonlocal received_bytes, is_whole
            if is_whole:  # what comes then is that the client leaves, and nobody knows when
                return await receive()
            try:
                async with asyncio.timeout_at(end_s + received_bytes / SLOWEST_BYTES_PER_S):
                    message = await receive()
            except TimeoutError as error:
                text = _say_too_slow(received_bytes)
                raise HTTPException(408, text, {"Connection": "close"}) from error
            received_bytes += len(message.get("body", b""))
            is_whole = not message.get("more_body", False)
            if max(declared_bytes, received_bytes) > self._limit_bytes:
                # An HTTPException, since FastAPI turns every other one into "cannot be parsed".
                raise HTTPException(413, _say_too_large(self._limit_bytes))
            return message

        await self._app(scope, receive_within, send)


def decompress(
    body: bytes,
    encoding: str,
    grow: Callable[[int], object],
    limit_bytes: int = BODY_LIMIT_BYTES,
) -> bytes:
    """Return the body without its ``Content-Encoding``.

    Args:
        body: as it came.
        encoding: what the header says.
        grow: told of every piece that is inflated, as it comes; may raise.
        limit_bytes: of all pieces.

    Raises:
        InvalidRequestError: the encoding is not one of ``ENCODINGS``.
        NotNdjsonError: the body is damaged or in another encoding than the header says.
        BodyTooLargeError: there is more than ``limit_bytes`` in it.
    """
    encoding = encoding.strip().lower() or "identity"
    if encoding not in ENCODINGS:
        raise InvalidRequestError(
            f"Content-Encoding is {encoding!r}; this collector reads {', '.join(ENCODINGS)}"
        )
    if encoding != "identity":
        body = _inflate(body, encoding, grow, limit_bytes)
    if len(body) > limit_bytes:
        raise BodyTooLargeError(_say_too_large(limit_bytes))
    return body


def _say_too_large(limit_bytes: int) -> str:
    return f"the body is over {limit_bytes} bytes: send smaller batches"


def _say_too_slow(received_bytes: int) -> str:
    return f"the body did not come on after {received_bytes} bytes: send it again"


def _inflate(body: bytes, encoding: str, grow: Callable[[int], object], limit_bytes: int) -> bytes:
    inflated = io.BytesIO()  # gives out what it holds without copying it
    try:
        with pa.CompressedInputStream(pa.BufferReader(body), encoding) as stream:
            while inflated.tell() <= limit_bytes:
                piece = stream.read(min(_STEP_BYTES, limit_bytes + 1 - inflated.tell()))
                if not piece:
                    break
                grow(len(piece))
                inflated.write(piece)
    except OSError as error:
        raise NotNdjsonError(f"the body is not valid {encoding}: {error}") from error
    return inflated.getvalue()
