"""The query parameters of every GET. An unknown parameter is refused, never ignored."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from headway.records import Kind, Source, Status
from headway_collector.callers import Caller
from headway_collector.errors import InvalidRequestError
from headway_collector.store.filters import Conditions, SpanFilters
from headway_collector.store.losses import LossFilters
from headway_collector.store.metrics import MAX_DIMENSIONS, MAX_MEASURES, Bucket
from headway_collector.store.paging import Page
from headway_collector.store.scores import ScoreFilters
from headway_collector.store.spans import Content
from headway_collector.store.texts import MAX_EXACT_CHARS, MAX_FOLDED_CHARS, Match
from headway_collector.times import parse_time

MAX_COMPARISONS = 32
MAX_VALUES = 100
"""Of one filter."""

MAX_FACETS = 32

Texts = Annotated[list[str], Field(default_factory=list, max_length=MAX_VALUES)]
Time = Annotated[
    str | None,
    Field(
        description="RFC 3339, or counted back from now: `-90m`, `-24h`, `-7d`",
        examples=["2026-11-22T10:00:00Z", "-24h"],
    ),
]


def _drop_repeats(said: Any) -> Any:
    return list(dict.fromkeys(said)) if isinstance(said, list) else said


class ProjectQuery(BaseModel):
    """Which projects; none means all."""

    model_config = ConfigDict(extra="forbid")

    project: Texts

    @model_validator(mode="before")
    @classmethod
    def _name_the_known(cls, data: Any) -> Any:
        for name in data:
            if name not in cls.model_fields:
                raise ValueError(f"{name} is unknown; there are {', '.join(cls.model_fields)}")
        return data


class PageQuery(ProjectQuery):
    """A page of a listing."""

    limit: int = Field(50, ge=1, le=1000)
    cursor: str | None = Field(None, description="the `next_cursor` of the page before")

    def to_page(self) -> Page:
        """Return the page that is asked for, newest first."""
        return Page(limit=self.limit, cursor=self.cursor)


class SpanQuery(ProjectQuery):
    """The span filters: values of one field are alternatives, fields add up."""

    kind: list[Kind] = Field(default_factory=list, max_length=MAX_VALUES)
    name: Texts
    status: list[Status] = Field(default_factory=list, max_length=MAX_VALUES)
    status_message: Texts
    request_model: Texts
    response_model: Texts
    response_id: Texts
    provider: Texts
    price_version: Texts
    user_id: Texts
    session_id: Texts
    trace_id: Texts
    span_id: Texts
    parent_span_id: Texts
    prompt_name: Texts
    prompt_version: Texts
    environment: Texts
    release: Texts
    error_type: Texts
    error_stack: Texts
    finish_reason: Texts
    tag: Texts
    start: Time = None
    end: Time = None
    min_duration_ms: float | None = Field(None, ge=0, le=1e12, allow_inf_nan=False)
    is_root: bool | None = Field(None, description="true: spans without a parent")
    where: list[str] = Field(
        default_factory=list,
        max_length=MAX_COMPARISONS,
        description="comparisons of numbers, flags, texts, `score:NAME`, `attribute:KEY`, "
        "`param:NAME` and `variable:NAME`; all must hold",
        examples=[["cost_usd>0.01", "score:helpful<0.5", "param:temperature>=0.5"]],
    )
    attribute: Texts = Field(
        description='`key=value`; all must hold. A key with a `=` is written `"a=b"=value`'
    )
    q: str | None = Field(
        None,
        description="what people wrote in name, input or output (no keys and escapes of JSON), in "
        "any case, with or without accents; at most "
        f"{MAX_FOLDED_CHARS} characters, or {MAX_EXACT_CHARS} with `match=exact`",
    )
    match: Match = Field("folded", description="`exact`: `q` as it is written")

    def to_filters(self, now_ns: int, caller: Caller) -> SpanFilters:
        """Return the filters with times resolved, within the caller's projects."""
        plain: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value
            for name, value in self
            if name in SpanFilters.__slots__
        }
        return SpanFilters(
            **(plain | {"project": caller.narrow(self.project)}),
            start_ns=resolve_time("start", self.start, now_ns),
            end_ns=resolve_time("end", self.end, now_ns),
        )


class SpanListQuery(SpanQuery, PageQuery):
    """A page of spans."""

    order: Literal["desc", "asc"] = "desc"
    content: Content = "preview"

    def to_page(self) -> Page:
        """Return the page that is asked for, in the order that is asked for."""
        return Page(self.limit, self.cursor, self.order == "desc")


class GroupListQuery(SpanQuery, PageQuery):
    """A page of what spans are grouped into: sessions, or versions of prompts."""


class MetricsQuery(SpanQuery):
    """Measures by dimensions over time."""

    measure: list[str] = Field(
        default_factory=lambda: ["count"],
        min_length=1,
        max_length=MAX_MEASURES,
        examples=[["count", "latency_p95_ms"]],
    )
    by: list[str] = Field(
        default_factory=list, max_length=MAX_DIMENSIONS, examples=[["request_model"]]
    )
    bucket: Bucket = "none"


class FacetsQuery(SpanQuery):
    """The dimensions whose values are asked for."""

    field: Annotated[list[str], BeforeValidator(_drop_repeats)] = Field(
        min_length=1,
        max_length=MAX_FACETS,
        description="one that is named twice counts once",
        examples=[["request_model", "environment"]],
    )


class ScoreListQuery(PageQuery):
    """A page of scores."""

    name: Texts
    source: list[Source] = Field(default_factory=list, max_length=MAX_VALUES)
    trace_id: Texts
    span_id: Texts
    session_id: Texts
    start: Time = None
    end: Time = None

    def to_filters(self, now_ns: int, caller: Caller) -> ScoreFilters:
        """Return the filters with times resolved, within the caller's projects."""
        plain = {name: tuple(value) for name, value in self if name in ScoreFilters.__slots__}
        return ScoreFilters(
            **(plain | {"project": caller.narrow(self.project)}),
            start_ns=resolve_time("start", self.start, now_ns),
            end_ns=resolve_time("end", self.end, now_ns),
        )


class LossListQuery(PageQuery):
    """A page of losses; the times are those of the latest loss of each."""

    reason: Texts
    start: Time = None
    end: Time = None

    def to_filters(self, now_ns: int, caller: Caller) -> LossFilters:
        """Return the filters with times resolved, within the caller's projects."""
        return LossFilters(
            project=caller.narrow(self.project),
            reason=tuple(self.reason),
            start_ns=resolve_time("start", self.start, now_ns),
            end_ns=resolve_time("end", self.end, now_ns),
        )


class RunListQuery(PageQuery):
    """A page of runs."""

    suite: Texts
    model: Texts
    sweep_id: Texts

    def to_conditions(self, caller: Caller) -> Conditions:
        """Return the conditions on table ``runs``, within the caller's projects."""
        return _any_of(project=caller.narrow(self.project), suite=self.suite, model=self.model)


class ComparisonListQuery(PageQuery):
    """A page of comparisons."""

    suite: Texts
    verdict: Texts
    baseline_run_id: Texts
    candidate_run_id: Texts

    def to_conditions(self, caller: Caller) -> Conditions:
        """Return the conditions on table ``comparisons``, within the caller's projects."""
        return _any_of(
            project=caller.narrow(self.project),
            suite=self.suite,
            verdict=self.verdict,
            baseline_run_id=self.baseline_run_id,
            candidate_run_id=self.candidate_run_id,
        )


def resolve_time(name: str, text: str | None, now_ns: int) -> int | None:
    """Return the instant in nanoseconds.

    Raises:
        InvalidRequestError: the text is no time.
    """
    if text is None:
        return None
    try:
        return parse_time(text, now_ns)
    except ValueError as error:
        raise InvalidRequestError(
            f"{name}: {error} (or count back from now, such as -24h)"
        ) from error


def _any_of(**fields: Sequence[str]) -> Conditions:
    conditions = Conditions()
    for column, values in fields.items():
        conditions.add_any_of(column, values)
    return conditions
