"""A pool of connections on which a whole answer has a deadline, and words for what goes wrong.

Timeouts of sockets count anew with every byte: a server that sends one a second is never late.
Here the time that a request was given covers its connection, its headers and its body.
"""

import io
import ssl
import time
from collections.abc import Mapping
from http.client import BadStatusLine, HTTPResponse, IncompleteRead, RemoteDisconnected
from socket import SocketIO, socket
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import (
    ConnectTimeoutError,
    DecodeError,
    HTTPError,
    LocationParseError,
    NameResolutionError,
    NewConnectionError,
    ProtocolError,
    ReadTimeoutError,
    SSLError,
)
from urllib3.util import Timeout

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

UNREACHABLE = (NewConnectionError, ConnectTimeoutError, SSLError, LocationParseError)
"""The faults of a server that was not there at all."""


def make_pool(
    headers: Mapping[str, str], *, connect_s: float, timeout_s: float, size: int
) -> urllib3.PoolManager:
    """Return a pool whose requests raise ``ReadTimeoutError`` where an answer is not whole in time.

    Args:
        headers: of each request.
        connect_s: the longest wait for a connection, to each address of a host.
        timeout_s: the longest wait for a whole answer, the connection included.
        size: how many connections to a host are kept.
    """
    # urllib3 gives a connection what the total leaves when the request is sent.
    timeout = Timeout(connect=min(timeout_s, connect_s), read=timeout_s, total=timeout_s)
    pool = urllib3.PoolManager(maxsize=size, headers=headers, timeout=timeout)
    pool.pool_classes_by_scheme = {"http": _Plain, "https": _Safe}
    return pool


def fault_words(error: HTTPError, url: str, timeout_s: float) -> str:
    """Return what happened, without the names of classes and objects.

    Args:
        error: what a request on the pool raised.
        url: where it went.
        timeout_s: how long it had.
    """
    cause = error.args[-1] if isinstance(error, ProtocolError | SSLError) and error.args else None
    match cause or error:
        case ReadTimeoutError():
            return f"no answer within {timeout_s:g} s"
        case NameResolutionError():
            return f"no connection to {_place(url)}: no such host"
        case NewConnectionError() as fault:
            return f"no connection to {_place(url)}: {_reason(fault.__cause__)}"
        case ConnectTimeoutError():
            return f"no connection to {_place(url)} in time"
        case ssl.SSLError() as fault:
            # Of a certificate it says more than the reason does.
            said = getattr(fault, "verify_message", None) or getattr(fault, "reason", None)
            words = (said or "it was broken off").replace("_", " ").lower()
            return f"no safe connection to {_place(url)}: {words}"
        case IncompleteRead(partial=read, expected=more):
            count = read if isinstance(read, int) else len(read)
            whole = f" of {count + more:,}" if more else ""
            return f"the answer broke off after {count:,}{whole} bytes"
        case RemoteDisconnected():
            return "the server closed the connection without an answer"
        case BadStatusLine():
            return "what answers does not speak HTTP"
        case DecodeError():
            return "the answer cannot be unpacked: it is not what its Content-Encoding says"
        case ConnectionError():
            return "the server broke the connection off"
        case TimeoutError():
            return "the server did not take the whole request in time"
        case other:
            return f"the request failed: {other}"


class _Reads(io.RawIOBase):
    """Reads of a socket that end all together when the time is up."""

    def __init__(self, connection: socket) -> None:
        self._connection = connection
        # The file of its own keeps the socket open where the connection is closed after an answer.
        self._file: SocketIO = connection.makefile("rb", buffering=0)
        self._given_s = connection.gettimeout()
        self._deadline = time.monotonic() + (self._given_s or 0.0)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int | None:
        if self._given_s is None:
            return self._file.readinto(buffer)
        left_s = self._deadline - time.monotonic()
        if left_s <= 0:
            raise TimeoutError("timed out")
        self._connection.settimeout(left_s)
        count = self._file.readinto(buffer)
        # The connection's next request is sent before it is given its own time.
        self._connection.settimeout(self._given_s)
        return count

    def close(self) -> None:
        self._file.close()
        super().close()


class _Watched:
    """A socket as ``HTTPResponse`` asks for it."""

    def __init__(self, connection: socket) -> None:
        self._connection = connection

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_Reads(self._connection))


class _Answer(HTTPResponse):
    def __init__(self, sock: Any, *args: Any, **options: Any) -> None:
        super().__init__(_Watched(sock), *args, **options)  # type: ignore[arg-type]


class _PlainConnection(HTTPConnection):
    response_class = _Answer


class _SafeConnection(HTTPSConnection):
    response_class = _Answer


class _Plain(HTTPConnectionPool):
    ConnectionCls = _PlainConnection


class _Safe(HTTPSConnectionPool):
    ConnectionCls = _SafeConnection


def _place(url: str) -> str:
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    host = parts.hostname or ""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _reason(cause: BaseException | None) -> str:
    if isinstance(cause, ConnectionRefusedError):
        return "refused"
    return (getattr(cause, "strerror", None) or str(cause or "it failed")).lower()
