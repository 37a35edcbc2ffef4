"""What a person reads after a sweep: the candidates, the best first, and who flips what."""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from headway_evals.outcomes import Comparison
from headway_evals.pairings import Pair
from headway_evals.sweep_verdicts import Contender
from headway_evals.sweeps import Flips, Judging, Row, Spent, Sweep
from headway_evals.wordings import bounds, change, dollars, one_line, value
from headway_measures.scores import counted

STYLES = {
    "improved": "bold green",
    "passed": "green",
    "regressed": "bold red",
    "inconclusive": "yellow",
}
# Wider matrices are read from sweep.json, or on the dashboard.
_MOST_IN_MATRIX = 13
_MOST_FLIPS = 20


def write_sweep_report(
    console: Console, sweep: Sweep, contenders: Sequence[Contender], baseline: str
) -> None:
    """Write the table of a sweep.

    Args:
        console: where to.
        sweep: at its end.
        contenders: the candidates that were judged.
        baseline: the baseline model's name.
    """
    console.print(Text(one_line(headline(sweep, baseline), 500)))
    by_position = {each.position: each for each in contenders}
    has_cost = any(row.cost_usd is not None for row in sweep.rows)
    has_judges = any(row.judging is not None for row in sweep.rows)
    table = Table("candidate", box=None, header_style="bold", pad_edge=False)
    for column in ("cases", "mean", "difference", "interval", "p (Holm)"):
        table.add_column(column, justify="right")
    table.add_column("verdict")
    for column in ("− / +", "took", "tokens out"):
        table.add_column(column, justify="right")
    for column in ["cost"] * has_cost + ["judge"] * has_judges:
        table.add_column(column, justify="right")
    for row in ranked(sweep.rows):
        overall = by_position[row.position].comparison.overall
        table.add_row(
            Text(one_line(row.model, 60)),
            f"{row.n:,}",
            value(row.mean, row.scale),
            change(overall),
            bounds(overall),
            f"{row.p_adjusted:.2g}",
            Text(row.verdict, style=STYLES[row.verdict]),
            f"{overall.flips_to_fail} / {overall.flips_to_pass}",
            _took(row),
            f"{row.output_tokens:,}",
            *([dollars(row.cost_usd)] if has_cost else []),
            *([_judged(row.judging)] if has_judges else []),
        )
    if sweep.rows:
        console.print(table)
    for row in ranked(sweep.rows):
        contender = by_position[row.position]
        told_of = (row.note, *_regressions(contender.comparison), *contender.notes)
        for told in filter(None, told_of):
            console.print(Text(f"  {one_line(row.model, 60)}: {one_line(told, 500)}", "dim"))
        for warning in contender.comparison.overall.warnings:
            told = f"warning: {one_line(row.model, 60)}: {one_line(warning, 500)}"
            console.print(Text(told, style="yellow"))
    if sweep.spent is not None:
        console.print(Text(f"  {_spent(sweep.spent)}", "dim"))
    for failure in sweep.failed:
        told = f"{failure['candidate']}: no run: {failure['error']}"
        console.print(Text(one_line(told, 600), style="red"))
    if sweep.flips is not None:
        _write_matrix(console, sweep.flips, [baseline, *(row.model for row in sweep.rows)])
    for row in ranked(sweep.rows):
        console.print(Text(f"  {one_line(row.model, 60)}: run {row.run_id}", "dim"))


def headline(sweep: Sweep, baseline: str) -> str:
    """Return in a sentence what a sweep came to."""
    counts = {
        verdict: sum(row.verdict == verdict for row in sweep.rows)
        for verdict in ("improved", "passed", "inconclusive", "regressed")
    }
    told = [f"{count} {verdict}" for verdict, count in counts.items() if count]
    if sweep.failed:
        told.append(f"{len(sweep.failed)} without a run")
    many = counted(len(sweep.entries), "candidate")
    return f"{many} on {sweep.suite} against {baseline}: {', '.join(told)}"


def ranked(rows: Sequence[Row]) -> list[Row]:
    """Return the rows by how much better they are than the baseline, the best first."""
    return sorted(rows, key=lambda row: (-row.difference, row.position))


def write_flips(console: Console, names: tuple[str, str], pairs: Sequence[Pair]) -> None:
    """Write the cases that pass under one of two runs only.

    Args:
        console: where to.
        names: of the two models.
        pairs: all cases that both have.
    """
    flips = [pair for pair in pairs if pair.is_flip]
    console.print(
        Text(f"{len(flips):,} of {counted(len(pairs), 'case')} flip between {' and '.join(names)}")
    )
    for is_first, title in ((True, names[0]), (False, names[1])):
        chosen = [pair for pair in flips if pair.before.passed is is_first]
        if not chosen:
            continue
        console.print(Text(f"\n{len(chosen):,} pass only under {title}", style="bold"))
        for pair in chosen[:_MOST_FLIPS]:
            console.print(
                Text(f"  {one_line(pair.new.case_id)}  {one_line(' '.join(pair.new.tags))}")
            )
            for label, text in (
                ("input", pair.new.input),
                ("expected", pair.new.expected),
                ("first", pair.old.output),
                ("second", pair.new.output),
            ):
                console.print(Text(f"    {label:<10}{one_line(text)}", style="dim"))
        if len(chosen) > _MOST_FLIPS:
            console.print(Text(f"  and {len(chosen) - _MOST_FLIPS:,} more", style="dim"))


def _write_matrix(console: Console, flips: Flips, names: Sequence[str]) -> None:
    size = len(names)
    if not 2 < size <= _MOST_IN_MATRIX:
        return
    console.print(Text("\nPass under the row, fail under the column", style="bold"))
    table = Table("", "", box=None, header_style="bold", pad_edge=False)
    for number in range(size):
        table.add_column(str(number), justify="right")
    for number, (name, counts) in enumerate(zip(names, flips.counts, strict=True)):
        cells = [
            "·" if place == number else "?" if count is None else str(count)
            for place, count in enumerate(counts)
        ]
        table.add_row(str(number), Text(one_line(name, 60)), *cells)
    console.print(table)


def _took(row: Row) -> str:
    told = f"{row.took_s:,.1f} s"
    return f"{told}, {row.kept_count:,} kept" if row.kept_count else told


def _judged(judging: Judging | None) -> str:
    if judging is None:
        return "none"
    told = counted(judging.calls, "call")
    return told if judging.cost_usd is None else f"{told}, {dollars(judging.cost_usd)}"


def _spent(spent: Spent) -> str:
    told = f"judges of all runs of the sweep: {counted(spent.calls, 'call')}"
    return told if spent.cost_usd is None else f"{told}, {dollars(spent.cost_usd)}"


def _regressions(comparison: Comparison) -> list[str]:
    regressions = comparison.regressions
    return [f"regressed in {', '.join(regressions[:5])}"] if regressions else []
