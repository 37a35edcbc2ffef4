"""Reading back what was logged: spans, traces, sessions, scores, prompts and runs.

    client = headway.Client()
    for span in client.spans(kind="llm", since="-24h"):
        check(span["input"], span["output"])

    frame = client.spans(since="-7d", model="support-7b").to_polars()

Every listing is a ``Listing``: it asks page by page, as far as one reads. A row is a dict with the
fields of the collector's HTTP API; times are datetimes in UTC.
"""

import io
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal, Unpack
from urllib.parse import quote

from headway.apis import ApiClient
from headway.errors import ApiError, HeadwayError, SettingsError, UnreachableError
from headway.frames import load_polars
from headway.listings import Listing, Row
from headway.queries import (
    SpanFilters,
    Time,
    as_query,
    as_time,
    asks_for_nothing,
    in_own_words,
    with_datetimes,
)
from headway.records import DEFAULT_URL, Source
from headway.settings import load_sources
from headway.transports import address_of

if TYPE_CHECKING:
    import polars

Content = Literal["full", "preview", "none"]

_LARGEST_PAGE = 500
_TOO_LONG = (400, 414, 431)
_IS_TOO_LONG = "its URL or headers are too long"


class Client:
    """A collector to read from. Safe to share between threads.

    What is not given comes from HEADWAY_URL, HEADWAY_API_KEY and HEADWAY_PROJECT, or headway.toml.

    Args:
        url: the collector's address; by default the one on this machine.
        api_key: sent as a bearer token.
        project: one or several to read; all where nobody names one, or where the sequence is empty.
        timeout_s: the longest wait for an answer.

    Raises:
        SettingsError: a setting or an argument cannot be used.
    """

    def __init__(
        self,
        url: str | None = None,
        api_key: str | None = None,
        project: str | Sequence[str] | None = None,
        *,
        timeout_s: float = 30.0,
    ) -> None:
        sources = load_sources()
        _check_projects(project)
        _check_timeout(timeout_s)
        if project is None or isinstance(project, str):
            project = sources.get("project", project, "")
        self._project: Sequence[str] | str | None = project or None
        address = sources.get("url", url, DEFAULT_URL)
        address_of(address)  # raises for what is none
        self._api = ApiClient(
            address,
            api_key=sources.get("api_key", api_key, "") or None,
            timeout_s=timeout_s,
        )

    def spans(
        self,
        *,
        content: Content = "full",
        limit: int | None = None,
        **filters: Unpack[SpanFilters],
    ) -> Listing:
        """List the spans that pass all filters, the newest first.

        Args:
            content: ``preview`` cuts inputs and outputs to texts of 300 characters, ``none`` leaves
                them out; both are much faster.
            limit: the most rows; None means all.
            **filters: what the spans have to be.
        """
        query = {**as_query(filters), "content": content}
        return self._list("spans", query, limit)

    def span(self, span_id: str) -> Row:
        """Return one span with its contents.

        Raises:
            ApiError: there is none of that id; its ``status`` is 404.
        """
        for span in self.spans(span=_as_identity("span", span_id), limit=1):
            return span
        raise ApiError(f"there is no span {span_id!r}", status=404, code="unknown_path")

    def traces(self, *, limit: int | None = None, **filters: Unpack[SpanFilters]) -> Listing:
        """List the traces that have a span that passes all filters, the latest such span first.

        Each is whole, as ``trace`` gives it, and takes one request.
        """
        _check_limit(limit)

        def read() -> Iterator[Row]:
            seen: set[str] = set()
            for span in self.spans(content="none", **filters):
                trace_id = span["trace_id"]
                if trace_id not in seen:
                    seen.add(trace_id)
                    yield self.trace(trace_id)

        return Listing("traces", read, limit)

    def trace(self, trace_id: str) -> Row:
        """Return one trace with all its ``spans`` and ``scores``.

        Raises:
            ApiError: there is none of that id; its ``status`` is 404.
        """
        trace = self._get("trace", trace_id, "spans", "scores")
        spans, scores = (list(map(with_datetimes, trace[key])) for key in ("spans", "scores"))
        return {**trace, "spans": spans, "scores": scores}

    def sessions(self, *, limit: int | None = None, **filters: Unpack[SpanFilters]) -> Listing:
        """List the sessions of the spans that pass all filters, the latest active first."""
        return self._list("sessions", as_query(filters), limit)

    def prompts(self, *, limit: int | None = None, **filters: Unpack[SpanFilters]) -> Listing:
        """List every version of every prompt of those spans, the latest used first."""
        return self._list("prompts", as_query(filters), limit)

    def prompt(self, name: str) -> Row:
        """Return what one prompt's latest ``versions`` say, and how their calls went.

        Raises:
            ApiError: there is none of that name; its ``status`` is 404.
        """
        prompt = self._get("prompt", name, "versions")
        return {**prompt, "versions": list(map(with_datetimes, prompt["versions"]))}

    def scores(
        self,
        *,
        name: str | Sequence[str] | None = None,
        source: Source | Sequence[Source] | None = None,
        span: str | Sequence[str] | None = None,
        trace: str | Sequence[str] | None = None,
        session: str | Sequence[str] | None = None,
        since: Time | None = None,
        until: Time | None = None,
        limit: int | None = None,
    ) -> Listing:
        """List the scores of that name and source, on those spans, traces and sessions."""
        query = {
            "name": name,
            "source": source,
            "span_id": span,
            "trace_id": trace,
            "session_id": session,
            "start": as_time("since", since),
            "end": as_time("until", until),
        }
        return self._list("scores", query, limit)

    def runs(
        self,
        *,
        suite: str | Sequence[str] | None = None,
        model: str | Sequence[str] | None = None,
        limit: int | None = None,
    ) -> Listing:
        """List the runs of those suites and models without their results, the newest first."""
        return self._list("runs", {"suite": suite, "model": model}, limit)

    def run(self, run_id: str) -> Row:
        """Return one run: ``run`` is as in ``runs``, ``results`` has one dict a case.

        Raises:
            ApiError: there is none of that id; its ``status`` is 404.
        """
        answer = self._get("run", run_id, "run", "results")
        return {**answer, "run": with_datetimes(answer["run"])}

    def sql(
        self, sql: str, *, limit: int | None = None, text_chars: int | None = None
    ) -> "polars.DataFrame":
        """Return what one SELECT over the collector's views gives, as a frame.

        Args:
            sql: see docs/sql.md for the views and functions.
            limit: the most rows; where None is given and there are more than the collector gives
                by itself, a ``RuntimeWarning`` says so.
            text_chars: where longer texts are cut to; without, a text that is too long for what
                the query makes of texts is an error.

        Raises:
            ApiError: the collector said no, for example to something that is not one SELECT.
            HeadwayError: polars is not installed.
        """
        _check_limit(limit)
        read = load_polars().read_ipc_stream
        projects = [self._project] if isinstance(self._project, str) else [*(self._project or ())]
        bounds = {"limit": limit, "text_chars": text_chars}
        body = {
            "sql": sql,
            "format": "arrow",
            "project": projects,
            **{name: value for name, value in bounds.items() if value is not None},
        }
        answer = self._api.ask("/v1/sql", body)
        frame: polars.DataFrame = read(io.BytesIO(answer.data))
        cut_by = answer.headers.get("Headway-Truncated-By")
        if cut_by == "bytes" or (cut_by and limit is None):
            warnings.warn(
                f"these are the first {frame.height} rows of more: "
                + ("give a limit" if cut_by == "limit" else "select less of each"),
                RuntimeWarning,
                stacklevel=2,
            )
        return frame

    def _get(self, what: str, identity: str, *keys: str) -> Any:
        path = f"/v1/{what}s/{quote(_as_identity(what, identity), safe='')}"
        with _in_own_words():
            answer = self._api.get(path, {"project": self._project})
        return self._api.expect(answer, path, *keys)

    def _list(self, items: str, query: dict[str, Any], limit: int | None) -> Listing:
        _check_limit(limit)
        if asks_for_nothing(query):
            return Listing(items, lambda: iter(()), limit)
        query = {"project": self._project, **query}
        if limit is not None:
            query["limit"] = max(1, min(limit, _LARGEST_PAGE))

        def read() -> Iterator[Row]:
            with _in_own_words():
                yield from map(with_datetimes, self._api.pages(f"/v1/{items}", items, query))

        return Listing(items, read, limit)


def _as_identity(what: str, identity: object) -> str:
    # None would be no filter at all, and the answer somebody else's.
    if not isinstance(identity, str) or not identity:
        raise HeadwayError(f"the {what} asked for is {identity!r}: give its id or name as a text")
    return identity


def _check_limit(limit: object) -> None:
    if limit is not None and (not isinstance(limit, int) or isinstance(limit, bool)):
        raise HeadwayError(f"the limit is {limit!r}: give a whole number, or None for all")


def _check_projects(given: object) -> None:
    if given is None:
        return
    for name in given if isinstance(given, (list, tuple, set, frozenset)) else (given,):
        if not isinstance(name, str):
            raise SettingsError(f"the project is {name!r}: give a text, or a list of them")


def _check_timeout(timeout_s: Any) -> None:
    if isinstance(timeout_s, bool) or not isinstance(timeout_s, (int, float)) or not timeout_s > 0:
        raise SettingsError(f"timeout_s is {timeout_s!r}: give a number of seconds above zero")


@contextmanager
def _in_own_words() -> Iterator[None]:
    try:
        yield
    except UnreachableError:
        raise
    except ApiError as error:
        said = in_own_words(str(error))
        if error.status in _TOO_LONG and (not error.code or _IS_TOO_LONG in said):
            # The server does not read such an address to its end.
            said += ": the filters are too long for one request, give shorter or fewer values"
        raise ApiError(said, status=error.status, code=error.code) from error
