"""Scores, runs and comparisons: the bodies that are posted, and what is answered about them.

Nested parts (``overall``, a slice, a flip) may hold more than is named here; it is kept.
"""

import json
import unicodedata
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    FiniteFloat,
    JsonValue,
    model_validator,
)

from headway.records import Source
from headway_collector.errors import InvalidRequestError
from headway_collector.limits import MAX_INT
from headway_collector.times import format_time, parse_absolute


def _check_time(text: str) -> str:
    return format_time(parse_absolute(text))


def _check_in_path(text: str) -> str:
    """Refuse an id with which no path could be written: it would never be read again."""
    if (
        text in (".", "..")
        or "/" in text
        or any(unicodedata.category(each) == "Cc" for each in text)
    ):
        raise ValueError(
            "an id stands in paths: it holds no / and no control character, and is not . or .."
        )
    return text


Id = Annotated[str, Field(min_length=1, max_length=200)]
PathId = Annotated[Id, AfterValidator(_check_in_path)]
Time = Annotated[
    str, AfterValidator(_check_time), Field(examples=["2026-11-22T10:00:00.123456789Z"])
]
Count = Annotated[int, Field(ge=0, le=MAX_INT)]
Number = Annotated[int, Field(ge=-MAX_INT, le=MAX_INT)] | FiniteFloat


class Posted(BaseModel):
    """A body whose own fields are all known."""

    model_config = ConfigDict(extra="forbid")


class Writable(Posted):
    """A body whose text the database can take: what is kept, and what is looked for there."""

    @model_validator(mode="before")
    @classmethod
    def _refuse_half_characters(cls, data: Any) -> Any:
        if isinstance(data, bytes):  # of a type that nobody reads; said where that is looked at
            return data
        try:
            # Parts that are models already have been looked at.
            json.dumps(data, ensure_ascii=False, default=lambda _: None).encode()
        except UnicodeEncodeError as error:
            half = error.object[error.start].encode("unicode_escape").decode()
            raise InvalidRequestError(f"the body holds {half}, half a character") from error
        except RecursionError as error:
            raise InvalidRequestError("the body is nested too deeply") from error
        return data


class Nested(BaseModel):
    """A part of a body that may hold more than is described."""

    model_config = ConfigDict(extra="allow")


class ScoreBody(Writable):
    """A judgement on a span, a trace or a session."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "name": "helpful",
                "value": True,
                "span_id": "00f067aa0ba902b7",
                "source": "human",
            }
        }
    )

    name: Annotated[str, Field(min_length=1)]
    value: bool | Number | str
    score_id: Id | None = Field(None, description="a replay of the same id changes nothing")
    time: Time | None = None
    source: Source = "code"
    trace_id: str | None = None
    span_id: str | None = None
    session_id: str | None = None
    comment: str | None = None
    author: str | None = None
    is_text: bool = False


class RunScore(Nested):
    """The mean of a scorer over a run."""

    mean: FiniteFloat | None = None
    count: Count = 0


class Run(Writable):
    """One model on one suite at one time."""

    run_id: PathId
    suite: str
    model: str
    started_at: Time
    suite_version: str | None = None
    model_digest: str | None = None
    ended_at: Time | None = None
    case_count: Count | None = None
    passed_count: Count | None = None
    pass_rate: FiniteFloat | None = None
    scores: dict[str, RunScore] = Field(default_factory=dict)
    settings: dict[str, JsonValue] = Field(default_factory=dict)
    environment: dict[str, JsonValue] = Field(default_factory=dict)


class Result(Writable):
    """What one case came to in a run."""

    case_id: Id
    input: JsonValue = None
    output: JsonValue = None
    expected: JsonValue = None
    tags: list[str] = Field(default_factory=list)
    passed: bool | None = None
    scores: dict[str, JsonValue] = Field(
        default_factory=dict, examples=[{"exact": {"value": 1, "passed": True, "detail": None}}]
    )
    error: str | None = None
    latency_ms: FiniteFloat | None = None
    input_tokens: Count | None = None
    output_tokens: Count | None = None
    span_id: str | None = None
    trace_id: str | None = None


class RunBody(Posted):
    """A run and its results."""

    run: Run
    results: list[Result] = Field(default_factory=list)


class Outcome(Nested):
    """A paired comparison over all cases, or over a slice; rates and differences are fractions."""

    verdict: str
    n: Count
    baseline: FiniteFloat | None = None
    candidate: FiniteFloat | None = None
    difference: FiniteFloat | None = None
    lower: FiniteFloat | None = None
    upper: FiniteFloat | None = None
    flips_to_fail: Count | None = None
    flips_to_pass: Count | None = None
    needs_n: Count | None = None
    note: str | None = None


class Slice(Outcome):
    """The outcome among the cases of one tag."""

    slice: str
    p_value: FiniteFloat | None = None
    q_value: FiniteFloat | None = None


class Flip(Nested):
    """A case whose result changed."""

    case_id: str
    direction: str
    tags: list[str] = Field(default_factory=list)


class Comparison(Writable):
    """A published verdict."""

    comparison_id: PathId
    suite: str
    baseline_run_id: str
    candidate_run_id: str
    created_at: Time
    verdict: str = Field(examples=["regressed"])
    exit_code: int = Field(ge=0, le=255)
    suite_version: str | None = None
    baseline_model: str | None = None
    candidate_model: str | None = None
    margin: FiniteFloat | None = None
    alpha: FiniteFloat | None = None
    overall: Outcome
    slices: list[Slice] = Field(default_factory=list)
    flips: list[Flip] = Field(default_factory=list)


class StoredRun(Run):
    """A run and the project it belongs to."""

    project: str


class RunSaved(BaseModel):
    """The id of the run."""

    run_id: str


class RunPage(BaseModel):
    """A page of runs without results, the newest first."""

    runs: list[StoredRun]
    next_cursor: str | None


class RunWithResults(BaseModel):
    """A run and its results."""

    run: StoredRun
    results: list[Result]


class StoredComparison(Comparison):
    """A comparison and the project it belongs to."""

    project: str


class ComparisonSaved(BaseModel):
    """The id of the comparison."""

    comparison_id: str


class ComparisonPage(BaseModel):
    """A page of comparisons, the newest first."""

    comparisons: list[StoredComparison]
    next_cursor: str | None
