"""One POST to the collector, and what its answer means for the batch."""

import io

# Before the hooks below are registered: a fork takes the locks in reverse, ours must be before
# that of logging, which the import of urllib3 takes under ours.
import logging  # noqa: F401
import os
import time
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any, Protocol
from urllib.parse import urlsplit

import msgspec

from headway._version import __version__
from headway.compressors import Compressor, find_compressor
from headway.errors import SettingsError
from headway.forks import IMPORTING, let_go
from headway.records import BATCH_HEADER, COLLECTOR_HEADER, PROJECT_HEADER, IngestAnswer

TIMEOUT_S = 30.0
_CONNECT_TIMEOUT_S = 3.0
_LONGEST_WAIT_S = 300.0
_LONGEST_URL = 1000
_LARGEST_ANSWER_BYTES = 1 << 20
_CHUNK_BYTES = 1 << 16
_REFUSED = frozenset({400, 422})
_FORBIDDEN = frozenset({401, 403})
_TOO_LARGE = 413
_OK = 200
_LAST_LATIN_1 = 0xFF
_ADVICE = {
    401: "set HEADWAY_API_KEY",
    403: "the key in HEADWAY_API_KEY is not good for this project",
    404: "it is no collector, set HEADWAY_URL",
}


class Batch(msgspec.Struct, frozen=True):
    """Some encoded records of one project; the id is the same each time they are sent.

    Args:
        timeout_s: how long the sender can wait for the answer.
    """

    project: str
    batch_id: str
    lines: Sequence[bytes]
    timeout_s: float = TIMEOUT_S


class Reply(msgspec.Struct, frozen=True):
    """What became of a batch.

    Args:
        status: of HTTP; 0 where nobody answered.
        answer: the collector's receipt; without one nothing has arrived.
        message: for people: what is wrong and what to do.
        code: the collector's word for a fault; empty where it was not a collector that spoke.
        retry_after_s: how long it asked us to wait.
    """

    status: int
    answer: IngestAnswer | None = None
    message: str = ""
    code: str = ""
    retry_after_s: float = 0.0

    @property
    def is_too_large(self) -> bool:
        """Whether fewer records at once may get through."""
        return self.status == _TOO_LARGE

    @property
    def is_forbidden(self) -> bool:
        """Whether our key is not good for that project."""
        return self.status in _FORBIDDEN

    @property
    def is_refused(self) -> bool:
        """Whether a collector finds the content itself at fault, now and ever after."""
        return self.status in _REFUSED and bool(self.code)

    @property
    def is_final(self) -> bool:
        """Whether a collector has spoken its last word on the records.

        What stands between us and it, a proxy or another server, is perhaps right tomorrow.
        """
        is_ours = self.is_too_large and bool(self.code)
        return self.answer is not None or self.is_refused or is_ours


class Transport(Protocol):
    """Whatever can carry a batch to a collector."""

    def send(self, batch: Batch) -> Reply:
        """Send the batch and wait for the answer; every failure is a reply."""


class Withheld:
    """Sends nothing: every batch stays in the journal.

    Args:
        reason: what is wrong and what to do.
    """

    def __init__(self, reason: str) -> None:
        self._reason = reason

    def send(self, batch: Batch) -> Reply:
        """Say why the batch stays."""
        return Reply(0, message=self._reason)


class HttpTransport:
    """Batches as NDJSON over HTTP, compressed where they leave the machine.

    Args:
        url: the collector's address.
        api_key: sent as a bearer token where given.
        clock_s: seconds since the Unix epoch; a ``Retry-After`` may be a date.

    Raises:
        SettingsError: the address is not an HTTP one, or the key cannot stand in a header.
    """

    def __init__(
        self, url: str, api_key: str | None = None, *, clock_s: Callable[[], float] = time.time
    ) -> None:
        self.url = address_of(url)
        self._clock_s = clock_s
        self._headers = {
            "Content-Type": "application/x-ndjson",
            "User-Agent": f"headway/{__version__}",
        }
        if api_key:
            self._headers["Authorization"] = bearer(api_key)
        self._compressor: Compressor | None = None
        self._pool: Any = None

    def send(self, batch: Batch) -> Reply:
        """Send the batch and wait for the answer; every failure is a reply."""
        urllib3 = _import_urllib3()
        if self._pool is None:
            self._pool = _make_pool(urllib3, self.url)
            self._compressor = None if _is_loopback(self.url) else find_compressor()
        headers = {**self._headers, PROJECT_HEADER: batch.project, BATCH_HEADER: batch.batch_id}
        body = b"\n".join(batch.lines)
        if self._compressor is not None:
            headers["Content-Encoding"] = self._compressor.encoding
            body = self._compressor.compress(body)
        wait_s = batch.timeout_s
        try:
            end_s = time.monotonic() + wait_s
            response = self._pool.request(
                "POST",
                f"{urlsplit(self.url).path}/v1/ingest",
                body=body,
                headers=headers,
                redirect=False,
                preload_content=False,
                timeout=urllib3.Timeout(connect=min(_CONNECT_TIMEOUT_S, wait_s), total=wait_s),
            )
            content = read_answer(response, end_s)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            return Reply(
                0,
                message=f"no collector answers at {self.url} ({type(error).__name__}): "
                "start one with `headway up`, or set HEADWAY_URL",
            )
        except ValueError as error:
            # What http.client cannot put into a header.
            return Reply(0, message=f"a batch of {batch.project!r} cannot be sent: {error}")
        return self._understand(response.status, response.headers, content)

    def _understand(self, status: int, headers: Mapping[str, str], body: bytes) -> Reply:
        if status == _OK:
            try:
                return Reply(status, answer=msgspec.json.decode(body, type=IngestAnswer))
            except msgspec.DecodeError:
                return Reply(status, message=f"{self.url} is no collector: set HEADWAY_URL")
        try:
            refusal = msgspec.json.decode(body, type=_Refusal)
        except msgspec.DecodeError:
            refusal = _Refusal("", _ADVICE.get(status) or _moved(headers) or "it gave no reason")
        is_collector = COLLECTOR_HEADER in headers
        return Reply(
            status,
            message=f"{self.url} answered {status}: {refusal.message}",
            code=refusal.code if is_collector else "",
            retry_after_s=_seconds(headers.get("Retry-After", "0"), self._clock_s),
        )


def read_answer(response: Any, end_s: float) -> bytes:
    """Return the body of an answer of urllib3 that was not read yet, up to 1 MiB as it travelled.

    Nobody asked for a compressed one, so none is inflated.

    Raises:
        TimeoutError: it has not come until ``end_s``, by ``time.monotonic``.
    """
    content = bytearray()
    is_whole = False
    try:
        while not is_whole and len(content) < _LARGEST_ANSWER_BYTES:
            if time.monotonic() >= end_s:
                raise TimeoutError
            chunk = response.read1(_CHUNK_BYTES, decode_content=False)
            content += chunk
            is_whole = not chunk
    finally:
        if is_whole:
            response.release_conn()
        else:
            response.close()
    return bytes(content)


def bearer(api_key: str) -> str:
    """Return the value of the ``Authorization`` header.

    Raises:
        SettingsError: the key cannot stand in a header; the message does not repeat it.
    """
    for place, character in enumerate(api_key, start=1):
        if not character.isprintable() or ord(character) > _LAST_LATIN_1:
            raise SettingsError(
                f"the API key has {character!a} as character {place}, which cannot stand in "
                "an HTTP header: check for line breaks and other scripts (HEADWAY_API_KEY)"
            )
    return f"Bearer {api_key}"


def address_of(url: str) -> str:
    """Return the address in one form: without a password or a query, since it stands in files.

    Raises:
        SettingsError: it is not an HTTP address.
    """
    try:
        url.encode()  # a byte of the environment that is not UTF-8 could not travel
        parts = urlsplit(url)
        host, is_usable = parts.hostname, parts.port != 0
    except ValueError:
        host, is_usable = None, False
    is_usable = is_usable and parts.scheme in ("http", "https") and len(url) <= _LONGEST_URL
    if not host or not is_usable:
        raise SettingsError(
            f"the collector's address is {_without_secrets(url)!r}: "
            "give it as http://host:port (HEADWAY_URL)"
        )
    return f"{parts.scheme}://{_without_secrets(parts.netloc)}{parts.path}".rstrip("/")


class _Refusal(msgspec.Struct):
    code: str
    message: str


def _moved(headers: Mapping[str, str]) -> str:
    # Nothing is sent after it: a key would go along to whoever that is.
    location = headers.get("Location", "").partition("?")[0]
    base = _without_secrets(location).removesuffix("/v1/ingest")
    return f"it points to {base!a}, set HEADWAY_URL to where the collector is" if base else ""


def _without_secrets(address: str) -> str:
    return address.rpartition("@")[2][:_LONGEST_URL]


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    return host in ("localhost", "::1") or host.startswith("127.")


def _seconds(retry_after: str, clock_s: Callable[[], float]) -> float:
    try:
        wait_s = float(retry_after)
    except ValueError:
        wait_s = _instant_of(retry_after) - clock_s()
    return min(wait_s, _LONGEST_WAIT_S) if wait_s > 0 else 0.0


def _instant_of(date: str) -> float:
    # Here and not above: urllib3 has brought it by now, and `import headway` should not pay it.
    from email.utils import parsedate_to_datetime

    try:
        return parsedate_to_datetime(date).timestamp()
    except (ValueError, OverflowError):
        return 0.0


class _Punctual(io.RawIOBase):
    """Reads within the time that a socket has now; its own limit begins anew at every byte."""

    def __init__(self, source: io.RawIOBase, connection: Any) -> None:
        self._source = source
        self._connection = connection
        self._end_s = time.monotonic() + connection.gettimeout()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        if (left_s := self._end_s - time.monotonic()) <= 0:
            raise TimeoutError
        self._connection.settimeout(left_s)
        return self._source.readinto(buffer)

    def close(self) -> None:
        self._source.close()
        super().close()


def _make_pool(urllib3: ModuleType, url: str) -> Any:
    from http.client import HTTPResponse  # urllib3 has brought it by now

    def begin(connection: Any, *args: Any, **named: Any) -> HTTPResponse:
        # The head is read before urllib3 returns the answer.
        answer = HTTPResponse(connection, *args, **named)
        answer.fp = io.BufferedReader(_Punctual(answer.fp.detach(), connection))
        return answer

    pool: Any = urllib3.connection_from_url(url, retries=False)
    members = {"response_class": staticmethod(begin)}
    pool.ConnectionCls = type("PunctualConnection", (pool.ConnectionCls,), members)
    return pool


def _import_urllib3() -> ModuleType:
    # Here and not above: it costs more than the rest of headway, and no caller should pay it. A
    # fork waits for it, because a child would find the half-imported module locked for ever.
    with IMPORTING:
        import encodings.idna  # noqa: F401  # what the first look-up of a host imports

        import urllib3

        return urllib3


os.register_at_fork(before=IMPORTING.acquire, after_in_parent=let_go, after_in_child=let_go)
