"""Reading from a collector, and the few things that are written to it one by one.

The dashboard, the evals and the importer speak to the collector through this client alone.
Application code that logs calls does not: it writes to the journal, and the shipper sends.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
import urllib3
from urllib3.util import Retry, Timeout

from headway._version import __version__
from headway.errors import ApiError, UnreachableError
from headway.records import BATCH_HEADER, PROJECT_HEADER, IngestAnswer
from headway.transports import bearer

Params = Mapping[str, str | int | float | bool | Sequence[str] | None]

_PAGE_LIMIT = 500
_PIECE_BYTES = 256 * 1024
# Reads are idempotent, so a reset connection is simply tried again; POSTs carry their own ids.
# What the collector answers is for the caller to hear, a 429 with its Retry-After too.
_RETRIES = Retry(
    total=2, backoff_factor=0.1, status=0, allowed_methods=None, respect_retry_after_header=False
)


class ApiClient:
    """A collector's HTTP API, as plain JSON data. Safe to share between threads.

    Args:
        url: the collector's address, for example ``http://127.0.0.1:4318``.
        api_key: sent as a bearer token where given.
        timeout_s: the longest wait for an answer.

    Raises:
        SettingsError: the key cannot stand in a header.
    """

    def __init__(self, url: str, *, api_key: str | None = None, timeout_s: float = 30.0) -> None:
        self.url = url.rstrip("/")
        headers = {"User-Agent": f"headway/{__version__}"}
        if api_key:
            headers["Authorization"] = bearer(api_key)
        self._pool = urllib3.PoolManager(
            maxsize=4,
            headers=headers,
            retries=_RETRIES,
            timeout=Timeout(connect=min(timeout_s, 5.0), read=timeout_s),
        )

    def get(self, path: str, params: Params | None = None) -> Any:
        """Return the JSON of ``GET path``.

        Args:
            path: for example ``/v1/spans``.
            params: query parameters; None values are left out, sequences are repeated.

        Raises:
            UnreachableError: nobody answered.
            ApiError: the collector said no.
        """
        return self._request("GET", path, fields=_flatten(params or {}))

    def post(self, path: str, body: Any, *, project: str | None = None) -> Any:
        """Send ``body`` as JSON to ``path`` and return the JSON of the answer.

        Raises:
            UnreachableError: nobody answered.
            ApiError: the collector said no.
        """
        headers = {"Content-Type": "application/json"}
        if project is not None:
            headers[PROJECT_HEADER] = project
        return self._request("POST", path, body=msgspec.json.encode(body), headers=headers)

    def put(self, path: str, body: Any) -> Any:
        """Send ``body`` as JSON in place of what is at ``path``, and return the JSON of the answer.

        Raises:
            UnreachableError: nobody answered.
            ApiError: the collector said no.
        """
        return self._request(
            "PUT",
            path,
            body=msgspec.json.encode(body),
            headers={"Content-Type": "application/json"},
        )

    def ask(self, path: str, body: Any) -> urllib3.BaseHTTPResponse:
        """Send ``body`` as JSON to ``path`` and return the answer with its headers, unread.

        Raises:
            UnreachableError: nobody answered.
            ApiError: the collector said no.
        """
        headers = {"Content-Type": "application/json"}
        return self._send("POST", path, body=msgspec.json.encode(body), headers=headers)

    def delete(self, path: str) -> Any:
        """Send ``DELETE path`` and return the JSON of the answer.

        Raises:
            UnreachableError: nobody answered.
            ApiError: the collector said no.
        """
        return self._request("DELETE", path)

    def download(self, path: str, params: Params | None = None) -> bytes:
        """Return the body of ``GET path`` as it is, for what is no JSON.

        Raises:
            UnreachableError: nobody answered.
            ApiError: the collector said no.
        """
        return self._send("GET", path, fields=_flatten(params or {})).data

    def stream(self, path: str, params: Params | None = None) -> Iterator[bytes]:
        """Yield the body of ``GET path`` piece by piece, as it comes.

        Raises:
            UnreachableError: nobody answered, or the body broke off.
            ApiError: the collector said no.
        """
        fields = _flatten(params or {})
        response = self._send("GET", path, fields=fields, preload_content=False)
        try:
            yield from response.stream(_PIECE_BYTES)
        except urllib3.exceptions.HTTPError as error:
            raise UnreachableError(
                f"{self.url} broke off in the middle of GET {path}: its log says why"
            ) from error
        finally:
            response.close()

    def import_rows(
        self, lines: Sequence[bytes], *, what: str, project: str | None, batch_id: str
    ) -> IngestAnswer:
        """Send lines of an export in JSONL back; returns once the collector has committed them.

        Args:
            lines: without their ends.
            what: they are, ``spans`` or ``scores``.
            project: that of all; None leaves to each its own.
            batch_id: a second batch of the same id is answered as the first was.

        Raises:
            UnreachableError: nobody answered.
            ApiError: the batch was refused as a whole.
        """
        headers = {"Content-Type": "application/x-ndjson", BATCH_HEADER: batch_id}
        if project is not None:
            headers[PROJECT_HEADER] = project
        path = f"/v1/import?what={what}"
        answer = self._request("POST", path, body=b"\n".join(lines), headers=headers)
        return msgspec.convert(answer, IngestAnswer)

    def ingest(self, lines: Sequence[bytes], *, project: str, batch_id: str) -> IngestAnswer:
        """Send encoded records as one batch; returns once the collector has committed them.

        Raises:
            UnreachableError: nobody answered.
            ApiError: the batch was refused as a whole.
        """
        headers = {
            "Content-Type": "application/x-ndjson",
            PROJECT_HEADER: project,
            BATCH_HEADER: batch_id,
        }
        answer = self._request("POST", "/v1/ingest", body=b"\n".join(lines), headers=headers)
        return msgspec.convert(answer, IngestAnswer)

    def pages(self, path: str, items: str, params: Params | None = None) -> Iterator[Any]:
        """Yield every item of a paged listing, following ``next_cursor``.

        Args:
            path: for example ``/v1/spans``.
            items: the key of the answer that holds the page, for example ``spans``.
            params: query parameters; ``limit`` is the page size, not the total.
        """
        query: dict[str, Any] = {"limit": _PAGE_LIMIT, **(params or {})}
        while True:
            page = self.expect(self.get(path, query), path, items, "next_cursor")
            yield from page[items]
            if page["next_cursor"] is None:
                return
            query["cursor"] = page["next_cursor"]

    def expect(self, answer: Any, path: str, *keys: str) -> Any:
        """Return the answer of ``GET path`` if it is an object with these keys.

        Raises:
            ApiError: it is something else.
        """
        if not isinstance(answer, dict) or not answer.keys() >= {*keys}:
            raise ApiError(
                f"{self.url} answered GET {path} without {' and '.join(keys)}: "
                "is that a Headway collector, and not an older one?",
                status=200,
            )
        return answer

    def _request(self, method: str, path: str, **options: Any) -> Any:
        response = self._send(method, path, **options)
        try:
            return msgspec.json.decode(response.data)
        except msgspec.DecodeError as error:
            raise ApiError(
                f"{self.url} answered {method} {path} with something that is not JSON: "
                "is that a Headway collector?",
                status=response.status,
            ) from error

    def _send(self, method: str, path: str, **options: Any) -> urllib3.BaseHTTPResponse:
        try:
            response = self._pool.request(method, self.url + path, **_with_headers(self, options))
        except urllib3.exceptions.HTTPError as error:
            if isinstance(getattr(error, "reason", error), urllib3.exceptions.ReadTimeoutError):
                raise UnreachableError(
                    f"{self.url} did not answer {method} {path} in time: ask for less, or wait "
                    "longer (timeout_s)"
                ) from error
            raise UnreachableError(
                f"no collector answers at {self.url}: start one with `headway up`, or "
                "set HEADWAY_URL"
            ) from error
        except ValueError as error:
            # What http.client cannot put into a header: a line break, or another script.
            raise ApiError(f"{method} {path} cannot be sent: {error}") from error
        if response.status >= 400:
            raise _refusal(method, path, response.status, response.data)
        return response


def _with_headers(client: ApiClient, options: dict[str, Any]) -> dict[str, Any]:
    # urllib3 replaces the pool's headers by the request's instead of merging them.
    if "headers" not in options:
        return options
    return {**options, "headers": {**client._pool.headers, **options["headers"]}}


def _refusal(method: str, path: str, status: int, body: bytes) -> ApiError:
    try:
        answer = msgspec.json.decode(body)
        message, code = str(answer["message"]), str(answer.get("code", ""))
    except (msgspec.DecodeError, KeyError, TypeError, AttributeError):
        message, code = f"HTTP {status}", ""
    return ApiError(f"{method} {path}: {message}", status=status, code=code)


def _flatten(params: Params) -> list[tuple[str, str]]:
    flat: list[tuple[str, str]] = []
    for key, value in params.items():
        if value is None:
            continue
        if isinstance(value, str) or not isinstance(value, Sequence):
            flat.append((key, _as_query(value)))
        else:
            flat.extend((key, each) for each in value)
    return flat


def _as_query(value: str | int | float | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
