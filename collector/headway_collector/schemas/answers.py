"""What the API answers.

These models describe; the answers are encoded from rows without them, because the JSON in a row
is JSON already.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from headway.records import Kind, Source, Status


class Fault(BaseModel):
    """Every answer that is no."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "code": "unknown_path",
                "message": "there is no /v1/span: did you mean /v1/spans?",
            }
        }
    )

    code: str = Field(description="a word for programs")
    message: str = Field(description="a sentence for people: what, which value, what to do")


class Ignored(BaseModel):
    """What came by OTLP since the start and is not what this collector keeps."""

    log_records: int = Field(description="that are no GenAI events")
    data_points: int = Field(description="of metrics")


class Health(BaseModel):
    """That the process lives."""

    status: Literal["ok"]
    version: str
    label: str = Field(description="a word that the dashboard shows", examples=["demo traffic"])
    uptime_s: float
    ignored: Ignored | None = Field(
        default=None, description="left out once there are keys, since it is of all projects"
    )


class Ready(BaseModel):
    """That the collector takes work."""

    status: Literal["ready"]


class RejectedLine(BaseModel):
    """Why one line was refused."""

    line: int
    reason: str


class Ingested(BaseModel):
    """What is on disk now."""

    accepted: int = Field(examples=[499])
    duplicates: int = Field(examples=[0])
    rejected: int = Field(examples=[1])
    is_replay: bool = Field(description="the batch was known: the counts are those of then")
    errors: list[RejectedLine] = Field(description="the first twenty")


class Project(BaseModel):
    """How much there is of a project."""

    project: str
    span_count: int
    first_time: str
    last_time: str


class Projects(BaseModel):
    """Every project."""

    projects: list[Project]


class Span(BaseModel):
    """One timed step; null where it was not reported."""

    project: str
    trace_id: str = Field(examples=["4bf92f3577b34da6a3ce929d0e0e4736"])
    span_id: str = Field(examples=["00f067aa0ba902b7"])
    parent_span_id: str | None
    name: str
    kind: Kind
    status: Status
    status_message: str | None
    error_type: str | None
    error_stack: str | None
    start_time: str = Field(examples=["2026-11-22T10:00:00.123456789Z"])
    end_time: str
    duration_ms: float
    input: JsonValue = Field(None, description="text with content=preview; absent with none")
    output: JsonValue = None
    provider: str | None
    request_model: str | None
    response_model: str | None
    response_id: str | None
    finish_reasons: list[str]
    params: JsonValue
    input_tokens: int | None
    output_tokens: int | None
    cache_read_tokens: int | None
    cache_write_tokens: int | None
    reasoning_tokens: int | None
    audio_input_tokens: int | None
    audio_output_tokens: int | None
    is_usage_inconsistent: bool | None = Field(description="the token counts contradict each other")
    cost_usd: float | None
    price_version: str | None = Field(description="null where the client reported the cost")
    ttft_ms: float | None
    chunk_count: int | None
    chunk_p50_ms: float | None
    chunk_p95_ms: float | None
    is_abandoned: bool | None
    user_id: str | None
    session_id: str | None
    tags: list[str]
    environment: str | None
    release: str | None
    prompt_name: str | None
    prompt_version: str | None
    prompt_variables: JsonValue
    attributes: JsonValue = Field(
        description="as they came; with content=preview or none, a long text that stands elsewhere "
        'in the span may be `{"$ref": …}`'
    )
    mapper_version: int | None = Field(description="null for a span in our own words")
    otel: JsonValue = Field(
        None, description="what an OTLP span says beyond these fields; only with content=full"
    )


class SpanPage(BaseModel):
    """A page of spans."""

    spans: list[Span]
    next_cursor: str | None
    is_partial: bool = Field(
        description="the time for one page was over; the next page goes on from there"
    )
    searched_until: str | None = Field(description="how far it came, where it is partial")


class Session(BaseModel):
    """The traces of one conversation, summed up; times are starts of spans."""

    project: str
    session_id: str
    user_ids: list[str] = Field(description="the first ten")
    first_time: str
    last_time: str
    trace_count: int
    span_count: int
    error_count: int
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: float | None


class SessionPage(BaseModel):
    """A page of sessions, the latest active first."""

    sessions: list[Session]
    next_cursor: str | None


class Prompt(BaseModel):
    """One version of a prompt, and how its calls went; times are starts of spans."""

    project: str
    prompt_name: str
    prompt_version: str | None
    count: int
    error_rate: float
    latency_p50_ms: float
    latency_p95_ms: float
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: float | None
    first_time: str
    last_time: str
    template: JsonValue = Field(
        description="a text or messages; null where no client told it, or it is over 16 KiB"
    )


class PromptPage(BaseModel):
    """A page of versions of prompts, the latest used first."""

    prompts: list[Prompt]
    next_cursor: str | None


class PromptVersion(BaseModel):
    """One version of a prompt with what it says; null is what no call has shown yet."""

    project: str
    prompt_name: str
    prompt_version: str | None
    template: JsonValue = Field(description="null where no client told it")
    registered_time: str | None = Field(description="when a process first used it")
    count: int
    error_rate: float | None
    latency_p50_ms: float | None
    latency_p95_ms: float | None
    input_tokens: int | None
    output_tokens: int | None
    cost_usd: float | None
    first_time: str | None
    last_time: str | None


class PromptVersions(BaseModel):
    """The latest hundred versions of a prompt, the latest used or told first."""

    prompt_name: str
    versions: list[PromptVersion]


class Score(BaseModel):
    """A judgement on a span, a trace or a session."""

    score_id: str
    project: str
    name: str
    value: bool | int | float | str
    is_text: bool
    source: Source
    time: str
    trace_id: str | None
    span_id: str | None
    session_id: str | None
    comment: str | None
    author: str | None


class ScorePage(BaseModel):
    """A page of scores, the newest first."""

    scores: list[Score]
    next_cursor: str | None


class ScoreSaved(BaseModel):
    """The id of the score, made up where none was given."""

    score_id: str


class Loss(BaseModel):
    """How many records one process has lost for one reason, as it says itself."""

    project: str
    client_id: str = Field(
        description="another for every process", examples=["9c1185a5c5e9fc54612808977ee8f548"]
    )
    host: str
    pid: int
    reason: str = Field(examples=["journal_full"])
    count: int
    time: str = Field(description="when the latest of them was lost")


class LossPage(BaseModel):
    """A page of losses, the latest first, and the sums of all that match."""

    total: int
    reasons: dict[str, int] = Field(
        description="the total by reason, the 100 largest", examples=[{"journal_full": 1200}]
    )
    losses: list[Loss]
    next_cursor: str | None


class Trace(BaseModel):
    """A trace whole, or as much of it as fits in an answer."""

    trace_id: str
    project: str
    is_partial: bool = Field(
        description="over 10000 spans or 32 MiB of contents; /v1/spans with trace_id has all"
    )
    cut_span_ids: list[str] = Field(description="spans with a preview in place of their contents")
    spans: list[Span]
    scores: list[Score]


class Metrics(BaseModel):
    """A row for each group: its time, its dimensions, its measures."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "bucket": "hour",
                "by": ["request_model"],
                "measures": ["count"],
                "is_partial": False,
                "totals": {"count": 412},
                "rows": [
                    {
                        "time": "2026-11-22T10:00:00.000000000Z",
                        "request_model": "support-7b",
                        "count": 412,
                    }
                ],
            }
        }
    )

    bucket: str
    by: list[str]
    measures: list[str]
    is_partial: bool = Field(description="there are more groups; these are the largest")
    totals: dict[str, int | float | None] = Field(
        description="each measure over all spans that pass the filters"
    )
    rows: list[dict[str, str | int | float | None]]


class FacetValue(BaseModel):
    """A value and its number of spans."""

    value: str
    count: int


class Facets(BaseModel):
    """The commonest values of each dimension."""

    facets: dict[str, list[FacetValue]]
