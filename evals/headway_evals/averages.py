"""What a report says of all cases together: averages with their intervals, and what is missing.

Intervals are honest about cases that belong together: those of one cluster count as one piece of
evidence as far as they move together.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from headway_evals.early_stops import NOT_ASKED, early_stop_of, is_stopped, looked_at, unit_of
from headway_evals.judges.notes import is_unjudged, judge_lines
from headway_evals.outcomes import Comparison
from headway_evals.repeated_cases import Estimate, by_case, repeats_of
from headway_evals.runs import Result, RunRecord
from headway_evals.wordings import one_line, spread, verdict_sentence
from headway_measures.intervals import (
    Interval,
    geometric_mean_interval,
    mean_interval,
    pass_rate_interval,
)
from headway_measures.repeats import intraclass_correlation, repeats_interval
from headway_measures.scores import Average as Kind
from headway_measures.scores import counted
from headway_measures.sequential import sequential_change

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
    rates = tuple(_pass_rate(record, alpha) for record in report.records)
    names = dict.fromkeys(name for record in report.records for name in record.run.scores)
    return [
        Average(ALL_PASS, 1.0, rates),
        *_of_repeats(report.records, alpha),
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
    missing = [
        each
        for each in results
        if each.is_missing and each.error != NOT_ASKED and not is_unjudged(each.error)
    ]
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
    lines += [f"{model}: {one_line(line, 500)}" for line in judge_lines(record)]
    if advice := repeats_advice(record):
        lines.append(advice)
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


def _of_repeats(records: Sequence[RunRecord], alpha: float) -> list[Average]:
    """Return pass^k and pass@k of runs that asked each case k times, nothing of all others."""
    k = min(map(repeats_of, records))
    if k < 2:
        return []
    estimates = (Estimate(k, is_all=True), Estimate(k, is_all=False))
    return [
        Average(str(each), 1.0, tuple(_repeated(record, each, alpha) for record in records))
        for each in estimates
    ]


def _repeated(record: RunRecord, estimate: Estimate, alpha: float) -> Interval | None:
    if is_stopped(record.run):
        return None  # an interval for a fixed number of cases would not hold
    answered = [each for each in record.results if not each.is_missing]
    cases = [answers for answers in by_case(answered).values() if len(answers) >= estimate.k]
    if not cases:
        return None
    passes = [[each.passed for each in answers] for answers in cases]
    clusters = [unit_of(answers[0]) for answers in cases]
    return repeats_interval(estimate.chance, passes, estimate.k, clusters, alpha)


def repeats_advice(record: RunRecord) -> str:
    """Return whether more cases or more repeats would tell more, "" of a run without repeats.

    By the design effect 1 + (k - 1)·ICC of k answers a case.
    """
    k = repeats_of(record)
    if k < 2:
        return ""
    answered = [each for each in record.results if not each.is_missing]
    cases = [[each.passed for each in answers] for answers in by_case(answered).values()]
    alike = intraclass_correlation(cases)
    if math.isnan(alike):
        return ""
    answers = sum(map(len, cases))
    worth = answers / (1 + (k - 1) * alike)
    shorter = 1 - math.sqrt((1 + (2 * k - 1) * alike) / (2 * (1 + (k - 1) * alike)))
    better = "more repeats tell nearly as much as more cases" if alike < 0.1 else "more cases tell"
    told = better if alike < 0.1 else f"{better} more than more repeats"
    return (
        f"{one_line(record.run.model)}: the answers to one case agree with an ICC of {alike:.2f}, "
        f"so that {answers:,} answers are worth {worth:,.0f} cases asked once; {told}: twice the "
        f"repeats would make intervals {shorter * 100:.0f} % shorter, twice the cases 29 %"
    )


def _average(name: str, records: Sequence[RunRecord], alpha: float) -> Average:
    summaries = [record.run.scores[name] for record in records if name in record.run.scores]
    scale = summaries[-1].scale
    average = summaries[-1].average
    intervals = tuple(_mean(record, name, scale, average, alpha) for record in records)
    title = f"{name}, geometric mean" if average == "geometric" else name
    return Average(title, scale, intervals)


def _pass_rate(record: RunRecord, alpha: float) -> Interval:
    stop = early_stop_of(record.run)
    if stop is None or not stop.is_stopped:
        return pass_rate(record.results, alpha)
    seen = [each for each in looked_at(record.results, stop) if not each.is_missing]
    return _at_all_times([float(each.passed) for each in seen], seen, 1.0, record, alpha)


def _at_all_times(
    values: Sequence[float],
    results: Sequence[Result],
    scale: float,
    record: RunRecord,
    alpha: float,
) -> Interval:
    """Return the interval of a mean that holds although the run was stopped where it suited."""
    largest = max(Counter(map(unit_of, record.results)).values())
    none = [0.0] * len(values)
    clusters = [unit_of(each) for each in results]
    found = sequential_change(none, values, clusters, scale=scale, largest=largest).interval(alpha)
    return Interval(found.estimate, max(found.lower, 0.0), found.upper)


def _mean(
    record: RunRecord, name: str, scale: float | None, average: Kind, alpha: float
) -> Interval | None:
    stop = early_stop_of(record.run)
    is_cut = stop is not None and stop.is_stopped
    results = looked_at(record.results, stop) if stop is not None and is_cut else record.results
    # Without a bound nothing can stand for a score that could not be given.
    scored = [
        result
        for result in results
        if name in result.scores and not (scale is None and result.scores[name].error)
    ]
    values = [result.scores[name].value for result in scored]
    if not values:
        return None
    if is_cut:
        # Without bounds no interval holds whenever one stops.
        if scale is None or not 0 <= min(values) <= max(values) <= scale:
            return Interval(fmean(values), math.nan, math.nan)
        return _at_all_times(values, scored, scale, record, alpha)
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
