"""What a report says of all cases together: averages with their intervals, and what is missing.

Intervals are honest about cases that belong together: those of one cluster count as one piece of
evidence as far as they move together.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from headway_evals.outcomes import Comparison
from headway_evals.runs import Result, RunRecord
from headway_evals.wordings import one_line, spread, verdict_sentence
from headway_measures.intervals import (
    Interval,
    geometric_mean_interval,
    mean_interval,
    pass_rate_interval,
)
from headway_measures.scores import Average as Kind
from headway_measures.scores import counted

ALL_PASS = "all pass"
DEFAULT_ALPHA = 0.05


@dataclass(frozen=True, slots=True)
class Report:
    """What every form of a report is made from: a comparison of two runs, or a run alone.

    ``outlook`` says what the suite can find by its earlier runs, "" where there are none.
    """

    records: tuple[RunRecord, ...]
    comparison: Comparison | None = None
    alpha: float = DEFAULT_ALPHA
    outlook: str = ""

    @property
    def candidate(self) -> RunRecord:
        """Return the run that is reported on."""
        return self.records[-1]

    @property
    def sentence(self) -> str:
        """Return all in a sentence."""
        if self.comparison is not None:
            return verdict_sentence(self.comparison)
        run, rate = self.candidate.run, pass_rate(self.candidate.results, self.alpha)
        lower, upper = f"{rate.lower * 100:.1f} %", f"{rate.upper * 100:.1f} %"
        return (
            f"{run.model} passes {run.passed_count} of {counted(run.case_count, 'case')} of "
            f"{run.suite}: {rate.estimate * 100:.1f} %, {(1 - self.alpha) * 100:.0f} % interval "
            f"{lower} to {upper}."
        )


@dataclass(frozen=True, slots=True)
class Average:
    """One scorer's average under each model; None where it judged nothing there."""

    name: str
    scale: float | None
    intervals: tuple[Interval | None, ...]

    def told(self) -> list[str]:
        """Return a cell a model."""
        return [
            "none" if interval is None else spread(interval, self.scale)
            for interval in self.intervals
        ]


def averages_of(report: Report) -> list[Average]:
    """Return the averages, that of cases which pass by all their scorers first."""
    alpha = report.alpha
    rates = tuple(pass_rate(record.results, alpha) for record in report.records)
    names = dict.fromkeys(name for record in report.records for name in record.run.scores)
    return [
        Average(ALL_PASS, 1.0, rates),
        *(_average(name, report.records, alpha) for name in names),
    ]


def pass_rate(results: Sequence[Result], alpha: float) -> Interval:
    """Return the share of cases that pass by all their scorers; missing ones do not count."""
    answered = [each for each in results if not each.is_missing]
    clusters = _clusters(answered)
    return pass_rate_interval([each.passed for each in answered], clusters, alpha)


def unanswered(record: RunRecord) -> list[str]:
    """Return a line each for cases without an answer, and for those that could not be scored."""
    results = record.results
    missing = [each for each in results if each.is_missing]
    failed = [each for each in results if each.error is not None and not each.is_missing]
    model, lines = one_line(record.run.model), []
    if missing:
        count = counted(len(missing), "case")
        lines.append(f"{model}: {count} without a logged answer, not counted")
    if failed:
        lines.append(
            f"{model}: {counted(len(failed), 'case')} failed without an answer; "
            f"{one_line(failed[0].case_id)}: {one_line(failed[0].error)}"
        )
    for name in record.run.scores:
        faults = [
            (each.case_id, score.error)
            for each in results
            if (score := each.scores.get(name)) is not None and score.error is not None
        ]
        if faults:
            case_id, error = faults[0]
            lines.append(
                f"{model}: {counted(len(faults), 'case')} could not be scored by {one_line(name)}; "
                f"{one_line(case_id)}: {one_line(error)}"
            )
    return lines


def _average(name: str, records: Sequence[RunRecord], alpha: float) -> Average:
    summaries = [record.run.scores[name] for record in records if name in record.run.scores]
    scale = summaries[-1].scale
    average = summaries[-1].average
    intervals = tuple(_mean(record.results, name, scale, average, alpha) for record in records)
    title = f"{name}, geometric mean" if average == "geometric" else name
    return Average(title, scale, intervals)


def _mean(
    results: Sequence[Result], name: str, scale: float | None, average: Kind, alpha: float
) -> Interval | None:
    # Without a bound nothing can stand for a score that could not be given.
    scored = [
        result
        for result in results
        if name in result.scores and not (scale is None and result.scores[name].error)
    ]
    values = [result.scores[name].value for result in scored]
    if not values:
        return None
    clusters = _clusters(scored)
    if scale == 1.0 and all(value in (0.0, 1.0) for value in values):
        return pass_rate_interval([bool(value) for value in values], clusters, alpha)
    if average == "geometric":
        return _above(values, 1.0, geometric_mean_interval(values, clusters, alpha))
    interval = mean_interval(values, clusters, alpha, scale=scale)
    return _above(values, 0.0, interval) if scale is None else interval


def _above(values: Sequence[float], least: float, interval: Interval) -> Interval:
    """Cut an interval at the least that such scores can be: no time or price is below 0."""
    if min(values) < least:  # a function's own scores may be anything
        return interval
    return Interval(interval.estimate, max(interval.lower, least), interval.upper)


def _clusters(results: Sequence[Result]) -> list[str | tuple[str]] | None:
    if all(result.cluster is None for result in results):
        return None
    # A case without a cluster stands for itself.
    return [result.cluster or (result.case_id,) for result in results]
