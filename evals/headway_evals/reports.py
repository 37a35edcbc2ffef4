"""What a person reads after a run: the verdict in a sentence, what flipped, slices, averages.

Flips come before averages, because an answer that was right and is wrong now says what to fix.
"""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from headway_evals.comparisons import Comparison, Flip, Outcome, SliceOutcome
from headway_evals.runs import Result, RunRecord
from headway_measures.intervals import Interval, mean_interval, wilson
from headway_measures.scores import shortened
from headway_measures.verdicts import Verdict

_STYLES: dict[Verdict, str] = {
    "improved": "bold green",
    "passed": "green",
    "regressed": "bold red",
    "inconclusive": "yellow",
}
_MOST_FLIPS = 10
_LINE_LENGTH = 200


def verdict_sentence(comparison: Comparison) -> str:
    """Return the verdict and its numbers in one plain sentence."""
    overall = comparison.overall
    regressed = [each.slice for each in comparison.slices if each.verdict == "regressed"]
    said = overall.verdict.upper()
    if regressed:
        joint = "too" if overall.verdict == "regressed" else f"although {overall.verdict} overall"
        said = f"REGRESSED in {', '.join(regressed)}, {joint}"
    numbers = (
        f"{comparison.candidate_model} scores {percent(overall.candidate)} on {overall.n} cases, "
        f"{comparison.baseline_model} {percent(overall.baseline)}: {points(overall.difference)}, "
        f"{percent(1 - comparison.alpha, 0)} interval {bounds(overall)}, "
        f"margin {abs(comparison.margin) * 100:.1f} points"
    )
    return f"{said}: {numbers}{_needs(overall)}{_note(overall)}."


def write_comparison(
    console: Console, comparison: Comparison, baseline: RunRecord, candidate: RunRecord
) -> None:
    """Write the report of a comparison."""
    sentence = Text(verdict_sentence(comparison))
    sentence.stylize(_STYLES[comparison.verdict], 0, sentence.plain.index(":"))
    console.print(sentence)
    write_flips(console, comparison.flips)
    write_slices(console, comparison.slices)
    _write_averages(console, [baseline, candidate], comparison.alpha)


def write_run(console: Console, record: RunRecord, alpha: float = 0.05) -> None:
    """Write the report of a run alone."""
    run = record.run
    interval = wilson(run.passed_count, run.case_count, alpha)
    console.print(
        Text(
            f"{run.model} passes {run.passed_count} of {run.case_count} cases of {run.suite}: "
            f"{percent(run.pass_rate)}, {percent(1 - alpha, 0)} interval "
            f"{percent(interval.lower)} to {percent(interval.upper)}."
        )
    )
    _write_averages(console, [record], alpha)


def write_flips(console: Console, flips: Sequence[Flip], most: int = _MOST_FLIPS) -> None:
    """Write the cases that flipped, those to fail first."""
    titles = {"to_fail": "passed before, fail now", "to_pass": "failed before, pass now"}
    for direction, title in titles.items():
        chosen = [flip for flip in flips if flip.direction == direction]
        if not chosen:
            continue
        console.print(Text(f"\n{len(chosen)} {title}", style="bold"))
        for flip in chosen[:most]:
            console.print(Text(f"  {one_line(flip.case_id)}  {one_line(' '.join(flip.tags))}"))
            for label, value in (
                ("input", flip.input),
                ("expected", flip.expected),
                ("baseline", flip.baseline_output),
                ("candidate", flip.candidate_output),
            ):
                console.print(Text(f"    {label:<10}{one_line(value)}", style="dim"))
        if len(chosen) > most:
            console.print(Text(f"  and {len(chosen) - most} more", style="dim"))


def write_slices(console: Console, slices: Sequence[SliceOutcome]) -> None:
    """Write the slices that were judged, the worst first, and how many were too small."""
    judged = [each for each in slices if each.q_value is not None]
    if not slices:
        return
    console.print()
    if judged:
        table = Table("slice", box=None, header_style="bold", pad_edge=False)
        for column in ("cases", "baseline", "candidate", "difference", "interval", "q"):
            table.add_column(column, justify="right")
        table.add_column("verdict")
        for each in sorted(judged, key=lambda each: (each.verdict != "regressed", each.difference)):
            table.add_row(
                Text(one_line(each.slice)),
                str(each.n),
                percent(each.baseline),
                percent(each.candidate),
                points(each.difference),
                bounds(each),
                f"{each.q_value:.2g}",
                Text(f"{each.verdict}{_note(each)}", style=_STYLES[each.verdict]),
            )
        console.print(table)
    if len(judged) < len(slices):
        console.print(Text(f"{len(slices) - len(judged)} more slices have too few cases"))


def percent(value: float, digits: int = 1) -> str:
    """Return a fraction as per cent."""
    return f"{value * 100:.{digits}f} %"


def points(value: float) -> str:
    """Return a difference of fractions as signed percentage points."""
    return f"{value * 100:+.1f} points".replace("-", "−")


def bounds(outcome: Outcome) -> str:
    """Return the interval of a difference in points."""
    return f"{outcome.lower * 100:+.1f} to {outcome.upper * 100:+.1f}".replace("-", "−")


def one_line(value: object) -> str:
    """Return any value as one short line that cannot steer a terminal."""
    text = "(no output)" if value is None else value if isinstance(value, str) else repr(value)
    text = "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)
    return shortened(text, _LINE_LENGTH)


def _write_averages(console: Console, records: Sequence[RunRecord], alpha: float) -> None:
    table = Table("scorer", box=None, header_style="bold", pad_edge=False)
    for record in records:
        table.add_column(Text(one_line(record.run.model)), justify="right")
    names = dict.fromkeys(name for record in records for name in record.run.scores)
    table.add_row("all pass", *(_pass_rate(record, alpha) for record in records))
    for name in names:
        means = (_mean(record.results, name, alpha) for record in records)
        table.add_row(Text(one_line(name)), *means)
    console.print()
    console.print(table)
    for record in records:
        _write_unanswered(console, record)


def _pass_rate(record: RunRecord, alpha: float) -> str:
    run = record.run
    return _spread(wilson(run.passed_count, run.case_count, alpha))


def _mean(results: Sequence[Result], name: str, alpha: float) -> str:
    scored = [result for result in results if name in result.scores]
    values = [result.scores[name].value for result in scored]
    if not values:
        return "none"
    if all(value in (0.0, 1.0) for value in values):
        return _spread(wilson(int(sum(values)), len(values), alpha))
    clusters = [result.cluster or (result.case_id,) for result in scored]
    return _spread(mean_interval(values, clusters, alpha))


def _spread(interval: Interval) -> str:
    lower, upper = max(interval.lower, 0.0), min(interval.upper, 1.0)
    return f"{percent(interval.estimate)} ({lower * 100:.1f} to {upper * 100:.1f})"


def _write_unanswered(console: Console, record: RunRecord) -> None:
    missing = [each for each in record.results if each.is_missing]
    failed = [each for each in record.results if each.error is not None and not each.is_missing]
    model = one_line(record.run.model)
    if missing:
        line = f"{model}: {len(missing)} cases have no logged answer and are not counted"
        console.print(Text(line, style="yellow"))
    if failed:
        line = f"{model}: {len(failed)} cases failed without an answer; {failed[0].case_id}: "
        console.print(Text(line + one_line(failed[0].error), style="yellow"))


def _needs(overall: Outcome) -> str:
    return f"; about {overall.needs_n:,} cases would tell" if overall.needs_n else ""


def _note(outcome: Outcome) -> str:
    return f" ({outcome.note})" if outcome.note else ""
