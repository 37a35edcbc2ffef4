"""What is asked about drift: two windows by their filters, and how to compare them."""

import math
from itertools import permutations
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from headway_collector.callers import EVERYONE, Caller
from headway_collector.errors import InvalidRequestError
from headway_collector.limits import MAX_INT
from headway_collector.schemas.evaluations import Posted, Writable
from headway_collector.schemas.queries import PageQuery, ProjectQuery, SpanQuery, resolve_time
from headway_collector.store.described import PREFIX
from headway_collector.store.drift_cards import StoredQuery
from headway_collector.store.filters import SpanFilters, select_spans
from headway_collector.store.frames import parse_extra

Bucket = Literal["hour", "day", "week"]

_LLM = ["llm"]
_SINGLE = ("start", "end", "min_duration_ms", "is_root", "q", "match")

Filters = Annotated[
    dict[str, list[str] | str],
    Field(examples=[{"start": ["-14d"], "end": ["-7d"], "request_model": ["support-7b"]}]),
]

# Each is a test on the card that is kept, also where no call has it.
Metrics = Annotated[tuple[str, ...], Field(min_length=1, max_length=1_000)]


class DriftOptions(Posted):
    """How windows are compared."""

    seed: Annotated[int, Field(ge=0, le=MAX_INT, description="of all that is drawn")] = 0
    alpha: Annotated[float, Field(gt=0, lt=1, description="the rate of false alarms")] = 0.05
    pair: Literal["auto", "never", "prompt"] = "auto"
    unit: Literal["session", "trace", "user", "row"] = "session"
    text_rows: Annotated[int, Field(ge=50, le=20_000, description="texts of a side")] = 4_000
    permutations: Annotated[int, Field(ge=99, le=9_999)] = 999
    segment_by: Annotated[
        tuple[str, ...],
        Field(max_length=8, description="for whom it holds: columns, or `attribute:KEY`"),
    ] = ()
    metrics: Annotated[Metrics | None, Field(description="only these")] = None
    examples: Annotated[int, Field(ge=0, le=50)] = 6

    def check(self) -> dict[str, Any]:
        """Return them as plain data.

        Raises:
            InvalidRequestError: there is no such column to segment by.
        """
        for name in self.segment_by:
            if name.startswith(PREFIX):
                raise InvalidRequestError(
                    f"segment_by={name!r}: descriptors are no segments; name what calls come "
                    "with, such as request_model or attribute:KEY"
                )
        for name in {each for each in self.segment_by if self.segment_by.count(each) > 1}:
            raise InvalidRequestError(f"segment_by={name!r} stands twice: say it once")
        parse_extra(self.segment_by)
        return self.model_dump()


class DriftBody(Writable):
    """Two windows, and the filters that hold for both."""

    reference: Filters
    current: Filters
    filters: Filters = Field(default_factory=dict)
    options: DriftOptions = DriftOptions()


class Baseline(Posted):
    """What each bucket is compared with."""

    start: str
    end: str


class HeatBody(Writable):
    """A window whose buckets are compared with its beginning."""

    filters: Filters = Field(default_factory=dict)
    bucket: Bucket = "day"
    metrics: Metrics | None = None
    baseline: Baseline | None = Field(None, description="by default the first third")
    options: DriftOptions = DriftOptions()

    def resolve_baseline(self, now_ns: int) -> tuple[int, int] | None:
        """Return its first moment, and the first that no longer counts.

        Raises:
            InvalidRequestError: it is no stretch of time.
        """
        if self.baseline is None:
            return None
        start_ns = resolve_time("baseline.start", self.baseline.start, now_ns)
        end_ns = resolve_time("baseline.end", self.baseline.end, now_ns)
        if start_ns is None or end_ns is None or start_ns >= end_ns:
            raise InvalidRequestError("baseline: its start is not before its end")
        return start_ns, end_ns


class CardListQuery(PageQuery):
    """A page of cards."""


class CardQuery(ProjectQuery):
    """One card, in one of its forms."""

    format: Literal["json", "markdown", "html"] = "json"


class DriftAsked(BaseModel):
    """Where the card will be, and the job that makes it; none where it is there."""

    job_id: str | None
    card_id: str


class HeatAsked(BaseModel):
    """The job that makes the map, which is its result."""

    job_id: str


class MetricName(BaseModel):
    """A metric, and what people call it."""

    name: str
    label: str
    side: str
    kind: str


class MetricNames(BaseModel):
    """Metrics in the order in which a reader looks."""

    metrics: list[MetricName]


class CardListed(BaseModel):
    """A card without its body."""

    card_id: str
    project: str
    created_at: str
    verdict: str
    headline: str
    finding_count: int
    reference: dict[str, list[str]] = Field(description="filters, with absolute times")
    current: dict[str, list[str]]


class CardPage(BaseModel):
    """Cards, the latest computed first."""

    cards: list[CardListed]
    next_cursor: str | None


class CardShown(BaseModel):
    """A card as it was computed; docs/drift.md says what stands in it."""

    model_config = ConfigDict(extra="allow")

    card_id: str
    verdict: str
    headline: str


class JobShown(BaseModel):
    """A job, and how far it is."""

    job_id: str
    project: str
    kind: str
    state: Literal["queued", "running", "done", "failed", "cancelled"]
    stage: str = Field(description="what it does at the moment")
    done: int = Field(description="of `total`, within the stage")
    total: int = Field(description="0 where nobody knows")
    created_at: str
    started_at: str | None
    ended_at: str | None
    error: str | None = Field(description="why it failed")
    result: JsonValue


class JobShownPage(BaseModel):
    """Jobs, the newest first."""

    jobs: list[JobShown]
    next_cursor: str | None


def resolve_query(
    side: str, filters: Filters, both: Filters, project: str, now_ns: int, caller: Caller
) -> StoredQuery:
    """Return a window's query with its times resolved.

    Args:
        side: what to call it in a refusal.
        filters: of the window.
        both: of both windows.
        project: whose calls they are where the filters do not say.
        now_ns: what ``-7d`` counts back from.
        caller: who asks.

    Raises:
        ForbiddenError: a project is not the caller's.
        InvalidRequestError: a filter is unknown, has a value that cannot be used, or stands twice.
    """
    for name in sorted(set(filters) & set(both)):
        raise InvalidRequestError(f"{name} stands in {side} and in filters: say it in one of them")
    said = {"project": [project], "kind": _LLM, **both, **filters}
    query = _validate(side, said)
    said["project"] = list(caller.narrow(query.project))
    found = query.to_filters(now_ns, caller)
    select_spans(found)  # refuses comparisons and attributes that cannot be read
    # A window without an end would hold other calls tomorrow, and its card would be of the past.
    end_ns = now_ns if found.end_ns is None else found.end_ns
    if found.end_ns is None and found.start_ns is not None and found.start_ns >= now_ns:
        raise InvalidRequestError(
            f"{side}: its start is not before now, where it ends for want of an end"
        )
    if found.start_ns is not None and found.start_ns >= end_ns:
        raise InvalidRequestError(f"{side}: its start is not before its end")
    named = {
        name: sorted({values} if isinstance(values, str) else set(values))
        for name, values in said.items()
        if name not in ("start", "end")
    }
    kept = [(name, values) for name, values in sorted(named.items()) if values]
    return StoredQuery(kept, found.start_ns, end_ns)


def check_apart(reference: StoredQuery, current: StoredQuery) -> None:
    """Refuse windows of the same filters of which one lies within the other.

    A part that is compared with the whole that it is in shows no change, whatever changed.

    Raises:
        InvalidRequestError: they are the same window, or one holds the other.
    """
    if reference == current:
        raise InvalidRequestError("reference and current are the same window: choose two apart")
    if reference.filters != current.filters:
        return
    sides = {"reference": reference, "current": current}
    for (inner, part), (outer, whole) in permutations(sides.items()):
        (start, end), (first, last) = _find_ends(part), _find_ends(whole)
        if first <= start and end <= last:
            raise InvalidRequestError(
                f"{inner} lies within {outer}, which hides what changed: choose two apart, "
                "such as start=-14d&end=-7d and start=-7d"
            )


def _find_ends(query: StoredQuery) -> tuple[float, float]:
    start = -math.inf if query.start_ns is None else query.start_ns
    return start, math.inf if query.end_ns is None else query.end_ns


def read_filters(query: StoredQuery) -> SpanFilters:
    """Return the span filters of a query that was resolved."""
    return read_kept(query.to_filters())


def read_kept(said: dict[str, list[str]]) -> SpanFilters:
    """Return the span filters of a query as it stands beside a card.

    Raises:
        InvalidRequestError: a filter is not known any more.
    """
    return _validate("a query", dict(said)).to_filters(0, EVERYONE)


def _validate(side: str, said: dict[str, Any]) -> SpanQuery:
    values = {name: _unwrap(side, name, value) for name, value in said.items()}
    try:
        return SpanQuery.model_validate(values)
    except ValidationError as error:
        fault = error.errors()[0]
        place = ".".join(map(str, (side, *fault["loc"])))
        message = str(fault["msg"]).removeprefix("Value error, ")
        raise InvalidRequestError(f"{place}: {message}") from error


def _unwrap(side: str, name: str, value: list[str] | str) -> list[str] | str | None:
    """Return the one value of a filter that takes one, and a list of any other's."""
    if name not in _SINGLE:
        return [value] if isinstance(value, str) else value
    values = [value] if isinstance(value, str) else value
    if len(values) > 1:
        raise InvalidRequestError(f"{side}: {name} has {len(values)} values; it takes one")
    return values[0] if values else None
