"""Quality over time, cohorts and agreement: what is asked, and what is answered."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from headway.records import Source
from headway_collector.schemas.evaluations import Writable
from headway_collector.schemas.queries import SpanQuery
from headway_collector.store.metrics import MAX_DIMENSIONS, Bucket

_SINGLE = ("start", "end", "min_duration_ms", "is_root", "q", "match")


class QualityQuery(SpanQuery):
    """A score by dimensions over time."""

    score: str = Field(min_length=1, examples=["helpful"])
    by: list[str] = Field(
        default_factory=list, max_length=MAX_DIMENSIONS, examples=[["prompt_version"]]
    )
    bucket: Bucket = "none"


class AgreementQuery(SpanQuery):
    """Two scores to compare where both were given."""

    first: str = Field(min_length=1, examples=["thumbs"])
    second: str = Field(min_length=1, examples=["judge"])
    first_source: Source | None = Field(None, description="only those that came from there")
    second_source: Source | None = None


class WindowBody(SpanQuery):
    """The span filters in a body, each a value or a list of them."""

    @model_validator(mode="before")
    @classmethod
    def _take_values_and_lists(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            raise ValueError('filters are an object such as {"request_model": ["m"]}')
        return {name: _as_field(name, value) for name, value in data.items()}


class CohortsBody(Writable):
    """Two cohorts of answers; what ``filters`` says holds for a cohort that does not say it."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "score": "helpful",
                "reference": {"prompt_version": ["v1"]},
                "current": {"prompt_version": ["v2"]},
                "filters": {"start": "-7d"},
            }
        }
    )

    score: str = Field(min_length=1)
    reference: WindowBody
    current: WindowBody
    filters: WindowBody = Field(default_factory=lambda: WindowBody.model_validate({}))
    alpha: float = Field(0.05, gt=0, lt=1)

    def complete(self, window: WindowBody, project: str | None) -> WindowBody:
        """Return a cohort's filters with those that both have, and the project of the header."""
        said = {
            **({"project": [project]} if project else {}),
            **self.filters.model_dump(exclude_unset=True),
            **window.model_dump(exclude_unset=True),
        }
        return WindowBody.model_validate(said)


class Level(BaseModel):
    """A mean, with a band that holds the true one 19 times in 20, clustered by session."""

    n: int = Field(description="scores")
    units: int = Field(description="sessions; a trace without one is its own")
    mean: float | None
    lower: float | None = Field(description="null where nothing bounds it")
    upper: float | None


class Quality(BaseModel):
    """A row for each bucket and group that has scores; the totals are those of whole groups."""

    score: str
    is_rate: bool = Field(description="every score is yes or no, and means are shares")
    bucket: str
    by: list[str]
    share: float = Field(description="of the sessions, where there are too many; else 1")
    totals: list[dict[str, str | int | float | None]]
    rows: list[dict[str, str | int | float | None]]


class CohortChange(BaseModel):
    """How far the current cohort lies above the reference."""

    score: str
    is_rate: bool
    share: float
    overlap: int = Field(description="scores that are in both cohorts, which hides a difference")
    is_paired: bool = Field(description="prompt by prompt: four scores in five have a counterpart")
    pairs: int
    reference: Level
    current: Level
    difference: float | None = Field(description="current minus reference; over the pairs if any")
    lower: float | None
    upper: float | None
    p_value: float | None
    needs_n: int | None = Field(
        description="scores a side, or pairs, that would show such a difference 4 times in 5"
    )


class Agreement(BaseModel):
    """How two scores of the same answers go together."""

    first: str
    second: str
    first_source: str | None
    second_source: str | None
    share: float
    n: int
    units: int
    kind: str = Field(examples=["boolean", "category", "number"])
    agreement: float | None
    kappa: float | None = Field(description="Cohen's; of numbers weighted by squares")
    kappa_lower: float | None
    kappa_upper: float | None
    spearman: float | None
    mean_difference: float | None = Field(description="second minus first")
    labels: list[str]
    table: list[list[int]] = Field(description="rows are the first score, columns the second")


def _as_field(name: str, value: Any) -> Any:
    if name in _SINGLE:
        return value[0] if isinstance(value, list) and len(value) == 1 else value
    return value if isinstance(value, list) else [value]
