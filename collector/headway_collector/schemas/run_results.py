"""What is asked and answered of a run's results, of pairs of runs, and of suites over time."""

from typing import Any, Literal

from pydantic import BaseModel, Field, FiniteFloat

from headway_collector.schemas.evaluations import Count, Flip, Result, StoredRun
from headway_collector.schemas.queries import PageQuery, ProjectQuery, Texts
from headway_collector.store.paging import Page
from headway_collector.store.results import ResultFilters

MAX_HISTORY = 200


class ResultListQuery(PageQuery):
    """A page of a run's results."""

    passed: bool | None = Field(None, description="the outcome; of `scorer`, where it is given")
    tag: Texts
    scorer: str | None = Field(None, description="only what this scorer judged")
    case_id: Texts
    q: str | None = Field(
        None,
        max_length=1000,
        description="a text in id, input, output, expected or error, in any case",
    )

    def to_filters(self) -> ResultFilters:
        """Return what narrows the results."""
        return ResultFilters(self.passed, tuple(self.tag), self.scorer, tuple(self.case_id), self.q)

    def to_page(self) -> Page:
        """Return the page that is asked for, in the order of the run."""
        return Page(self.limit, self.cursor, is_descending=False)


class FlipsQuery(ProjectQuery):
    """Two runs."""

    baseline: str = Field(description="the run that the other is held against")


class HistoryQuery(ProjectQuery):
    """The runs of a suite."""

    suite: str
    model: Texts
    limit: int = Field(50, ge=1, le=MAX_HISTORY)


class Rate(BaseModel):
    """How many cases of a part of a run passed, with a 95 % interval of the rate.

    Repeats of a case count together as far as they pass and fail together.
    """

    part: Literal["all", "tag", "scorer"]
    name: str
    n: Count
    cases: Count = Field(description="without repeats")
    passed: Count
    rate: FiniteFloat
    lower: FiniteFloat
    upper: FiniteFloat


class ResultPage(BaseModel):
    """A page of results; ``total`` counts all that the filters let through."""

    total: Count
    results: list[Result]
    next_cursor: str | None


class Outcomes(BaseModel):
    """How many results there are, and how many of them are in no count or ended with an error."""

    results: Count
    missing: Count
    not_asked: Count
    errors: Count


class RunSummary(BaseModel):
    """A run with its rates."""

    run: StoredRun
    outcomes: Outcomes
    rates: list[Rate]


class RunFlips(BaseModel):
    """The cases that passed in one of two runs only, at most a thousand."""

    n: Count = Field(description="the cases that both judged")
    flips_to_fail: Count
    flips_to_pass: Count
    flips: list[Flip]


class SuiteEntry(BaseModel):
    """A suite that has runs."""

    project: str
    suite: str
    run_count: Count
    version_count: Count
    model_count: Count
    last_started_at: str
    last_run_id: str
    last_model: str | None
    case_count: Count | None
    pass_rate: FiniteFloat | None


class SuiteList(BaseModel):
    """The suites, the latest run first."""

    suites: list[SuiteEntry]


class RatedRun(StoredRun):
    """A run with its rates: of all, and by scorer."""

    rates: list[Rate]


class SuiteHistory(BaseModel):
    """The latest runs of a suite, the oldest first, and the cases that flip most between them."""

    suite: str
    project: str | None
    runs: list[RatedRun]
    flipping: list[dict[str, Any]]
