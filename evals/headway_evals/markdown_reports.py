"""A report as Markdown, as pull requests and GitHub's step summaries show it.

What models said may hold anything, so it stands in code spans, and nowhere else.
"""

import re
from collections.abc import Iterator, Sequence

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

_ICONS = {"improved": "🟢", "passed": "🟢", "regressed": "🔴", "inconclusive": "🟡"}
_MOST_FLIPS = 50
_MOST_SLICES = 100
_CELL_LENGTH = 160

# What means something to Markdown, or to the HTML within it.
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~!&@$])")


def markdown(report: Report) -> str:
    """Return the report: the verdict, flips, slices, averages."""
    return "\n".join([*_lines(report), ""])


def _lines(report: Report) -> Iterator[str]:
    comparison = report.comparison
    suite = _plain(report.candidate.run.suite)
    if comparison is None:
        yield f"## {suite}"
        yield from ("", _plain(report.sentence))
    else:
        yield f"## {_ICONS[comparison.verdict]} {suite}: {comparison.verdict}"
        yield from ("", _plain(report.sentence))
        for gate in comparison.overall.gates:
            yield f"- {_ICONS[gate.verdict]} {_plain(gate_sentence(gate))}"
        if report.outlook:
            yield from ("", _plain(report.outlook))
        for warning in comparison.overall.warnings:
            yield from ("", f"> ⚠️ {_plain(warning)}")
        for direction, title in DIRECTIONS.items():
            yield from _flips([f for f in comparison.flips if f.direction == direction], title)
        for title, slices in comparison.slices_by_gate:
            yield from _slices(title, slices)
    yield from _averages(report)


def _flips(flips: Sequence[Flip], title: str) -> Iterator[str]:
    if not flips:
        return
    yield from ("", f"### {len(flips)} {title}", "")
    yield from _table(["case", "tags", "input", "expected", "baseline", "candidate"])
    for flip in flips[:_MOST_FLIPS]:
        told = (flip.input, flip.expected, flip.baseline_output, flip.candidate_output)
        cells = [_code(flip.case_id), _code(" ".join(flip.tags)), *map(_code, told)]
        yield f"| {' | '.join(cells)} |"
    if len(flips) > _MOST_FLIPS:
        yield from ("", f"and {len(flips) - _MOST_FLIPS:,} more")


def _slices(title: str, slices: Sequence[SliceOutcome]) -> Iterator[str]:
    told, passed = parted_slices(slices)
    if told or passed:
        yield from ("", f"### {_plain(title)}", "")
    if told:
        yield from _slice_table(told)
    if passed:
        more = "more slice" if told else "slice"
        # Markdown within HTML needs empty lines around it.
        yield from ("", f"<details><summary>{counted(len(passed), more)} passed</summary>", "")
        yield from _slice_table(passed)
        yield from ("", "</details>")
    few = len(slices) - len(told) - len(passed)
    if few:
        yield from ("", f"{counted(few, 'more slice')} with too few cases")


def _slice_table(slices: Sequence[SliceOutcome]) -> Iterator[str]:
    columns = ("cases", "baseline", "candidate", "difference", "interval", "q", "verdict")
    yield from _table(["slice", *columns])
    for each in slices[:_MOST_SLICES]:
        cells = [
            *(_code(each.slice), str(each.n)),
            *(value(each.baseline, each.scale), value(each.candidate, each.scale)),
            *(change(each), bounds(each), f"{each.q_value:.2g}"),
            _plain(f"{each.verdict}{note(each)}"),
        ]
        yield f"| {' | '.join(cells)} |"
    if len(slices) > _MOST_SLICES:
        yield from ("", f"and {len(slices) - _MOST_SLICES:,} more")


def _averages(report: Report) -> Iterator[str]:
    yield from ("", "### Averages", "")
    yield from _table(["scorer", *(_code(record.run.model) for record in report.records)])
    for average in averages_of(report):
        yield f"| {_plain(average.name)} | {' | '.join(average.told())} |"
    for record in report.records:
        for line in unanswered(record):
            yield from ("", _plain(line))


def _table(columns: Sequence[str]) -> tuple[str, str]:
    return f"| {' | '.join(columns)} |", "|---" * len(columns) + "|"


def _plain(text: str) -> str:
    return _SPECIAL.sub(r"\\\1", one_line(text, 2000))


def _code(content: object) -> str:
    """Return any value as a code span in a cell of a table, whatever ticks and bars it holds."""
    text = one_line(content, _CELL_LENGTH).strip()
    if not text:
        return ""
    longest = max((len(ticks) for ticks in re.findall("`+", text)), default=0)
    fence = "`" * (longest + 1)
    # A bar ends a cell even within a code span, unless it is escaped.
    padded = f" {text} " if longest else text
    return f"{fence}{padded}{fence}".replace("|", "\\|")
