"""What a person reads after a run: the verdict in a sentence, what flipped, slices, averages.

Flips come before averages, because an answer that was right and is wrong now says what to fix.
"""

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from headway_evals.averages import Report, averages_of, unanswered
from headway_evals.outcomes import Flip, SliceOutcome, parted_slices
from headway_evals.wordings import (
    DIRECTIONS,
    bounds,
    change,
    gate_sentence,
    note,
    one_line,
    value,
)
from headway_measures.scores import counted
from headway_measures.verdicts import Verdict

_STYLES: dict[Verdict, str] = {
    "improved": "bold green",
    "passed": "green",
    "regressed": "bold red",
    "inconclusive": "yellow",
}
_MOST_FLIPS = 10
_SENTENCE_LENGTH = 2000


def write_report(console: Console, report: Report) -> None:
    """Write the report of a comparison, or of a run alone."""
    sentence = Text(one_line(report.sentence, _SENTENCE_LENGTH))
    if report.comparison is not None:
        comparison = report.comparison
        sentence.stylize(_STYLES[comparison.verdict], 0, sentence.plain.index(":"))
        console.print(sentence)
        if report.outlook:
            console.print(Text(report.outlook, style="dim"))
        for gate in comparison.overall.gates:
            console.print(Text(f"  {one_line(gate_sentence(gate), 500)}", _STYLES[gate.verdict]))
        for warning in comparison.overall.warnings:
            console.print(Text(f"warning: {one_line(warning, 500)}", style="yellow"))
        _write_flips(console, comparison.flips)
        for title, slices in comparison.slices_by_gate:
            _write_slices(console, title, slices)
    else:
        console.print(sentence)
    _write_averages(console, report)


def _write_flips(console: Console, flips: Sequence[Flip]) -> None:
    for direction, title in DIRECTIONS.items():
        chosen = [flip for flip in flips if flip.direction == direction]
        if not chosen:
            continue
        console.print(Text(f"\n{len(chosen)} {title}", style="bold"))
        for flip in chosen[:_MOST_FLIPS]:
            console.print(Text(f"  {one_line(flip.case_id)}  {one_line(' '.join(flip.tags))}"))
            for label, text in (
                ("input", flip.input),
                ("expected", flip.expected),
                ("baseline", flip.baseline_output),
                ("candidate", flip.candidate_output),
            ):
                console.print(Text(f"    {label:<10}{one_line(text)}", style="dim"))
        if len(chosen) > _MOST_FLIPS:
            console.print(Text(f"  and {len(chosen) - _MOST_FLIPS} more", style="dim"))


def _write_slices(console: Console, title: str, slices: Sequence[SliceOutcome]) -> None:
    told, passed = parted_slices(slices)
    console.print(Text(f"\n{one_line(title)}", style="bold"))
    if told:
        table = Table("slice", box=None, header_style="bold", pad_edge=False)
        for column in ("cases", "baseline", "candidate", "difference", "interval", "q"):
            table.add_column(column, justify="right")
        table.add_column("verdict")
        for each in told:
            table.add_row(
                Text(one_line(each.slice)),
                str(each.n),
                value(each.baseline, each.scale),
                value(each.candidate, each.scale),
                change(each),
                bounds(each),
                f"{each.q_value:.2g}",
                Text(f"{each.verdict}{note(each)}", style=_STYLES[each.verdict]),
            )
        console.print(table)
    if passed:
        more = "more slice" if told else "slice"
        console.print(Text(f"{counted(len(passed), more)} passed"))
    few = len(slices) - len(told) - len(passed)
    if few:
        console.print(Text(f"{counted(few, 'more slice')} with too few cases"))


def _write_averages(console: Console, report: Report) -> None:
    table = Table("scorer", box=None, header_style="bold", pad_edge=False)
    for record in report.records:
        table.add_column(Text(one_line(record.run.model)), justify="right")
    for average in averages_of(report):
        table.add_row(Text(one_line(average.name)), *average.told())
    console.print()
    console.print(table)
    for record in report.records:
        for line in unanswered(record):
            console.print(Text(line, style="yellow"))
