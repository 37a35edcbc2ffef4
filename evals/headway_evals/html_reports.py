"""A report as one HTML file that holds all it needs: no script, no font, no picture from elsewhere.

It stays below two megabytes however much flipped: texts are cut, and what there is no room for is
counted. What models said is escaped, and a policy in the file forbids whatever slipped through.
"""

from collections.abc import Iterator, Sequence
from html import escape

from headway_evals.averages import Report, averages_of, unanswered
from headway_evals.html_charts import CHART_STYLE, forest
from headway_evals.outcomes import Comparison, Flip, Outcome, SliceOutcome, judged_slices
from headway_evals.wordings import (
    DIRECTIONS,
    bounds,
    change,
    gate_sentence,
    margin_of,
    note,
    one_line,
    percent,
    value,
)
from headway_measures.scores import counted, shortened

_MOST_FLIP_BYTES = 1_200_000
_MOST_ROWS = 100
_MOST_LINES = 20
_MOST_CHARACTERS = 2000
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"

_STYLE = """
:root { color-scheme: light dark; --fine: #666; --line: #8884; --bad: #c4320a; --good: #027a48;
  --unsure: #93610a; }
@media (prefers-color-scheme: dark) { :root { --fine: #aaa; --bad: #ff8a65; --good: #6ce9a6;
  --unsure: #fec84b; } }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem;
  padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
table { border-collapse: collapse; display: block; overflow-x: auto; }
th, td { padding: .25rem .9rem .25rem 0; text-align: right; border-bottom: 1px solid var(--line);
  font-variant-numeric: tabular-nums; }
th:first-child, td:first-child, td:last-child { text-align: left; }
.regressed, .to_fail { color: var(--bad); } .improved, .passed, .to_pass { color: var(--good); }
.inconclusive { color: var(--unsure); } .fine { color: var(--fine); }
details { border-bottom: 1px solid var(--line); padding: .3rem 0; } summary { cursor: pointer; }
dl { display: grid; grid-template-columns: 7rem 1fr; margin: .4rem 0 .8rem 1rem; }
dt { color: var(--fine); }
dd { margin: 0; white-space: pre-wrap; overflow-wrap: anywhere; font-family: monospace; }
"""


def html(report: Report) -> str:
    """Return the report as a document: the verdict, flips, slices, averages."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: Report) -> Iterator[str]:
    run, comparison = report.candidate.run, report.comparison
    title = run.suite if comparison is None else f"{run.suite}: {comparison.verdict}"
    yield '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">'
    yield f'<meta http-equiv="Content-Security-Policy" content="{escape(_POLICY)}">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>{_said(title)}</title>\n<style>{_STYLE}{CHART_STYLE}</style>\n</head>\n<body>"
    if comparison is None:
        yield f"<h1>{_said(run.suite)}</h1>"
        yield f"<p>{_said(report.sentence, 2000)}</p>"
    else:
        yield from _verdict(report, comparison)
        yield from _flips(comparison.flips)
        groups = comparison.slices_by_gate[:_MOST_LINES]
        for heading, slices in groups:
            yield from _slices(heading, slices, _MOST_ROWS // len(groups))
    yield from _averages(report)
    yield from _origins(report)
    yield "</body>\n</html>"


def _verdict(report: Report, comparison: Comparison) -> Iterator[str]:
    word = comparison.verdict
    yield f'<h1>{_said(comparison.suite)}: <span class="{word}">{word}</span></h1>'
    yield f"<p>{_said(report.sentence, 2000)}</p>"
    if report.outlook:
        yield f'<p class="fine">{_said(report.outlook)}</p>'
    gates = comparison.overall.gates
    if gates:
        yield "<ul>"
        for gate in gates[:_MOST_LINES]:
            yield f'<li class="{gate.verdict}">{_said(gate_sentence(gate), 500)}</li>'
        yield "</ul>"
    if len(gates) > _MOST_LINES:
        yield f'<p class="fine">and {len(gates) - _MOST_LINES:,} more</p>'
    for warning in comparison.overall.warnings[:_MOST_LINES]:
        yield f'<p class="inconclusive">Warning: {_said(warning, 500)}</p>'
    yield forest([("all cases", comparison.overall)])


def _flips(flips: Sequence[Flip]) -> Iterator[str]:
    room = _MOST_FLIP_BYTES
    for direction, title in DIRECTIONS.items():
        chosen = [flip for flip in flips if flip.direction == direction]
        if not chosen:
            continue
        yield f'<h2 class="{direction}">{len(chosen):,} {title}</h2>'
        shown = 0
        for flip in chosen:
            told = _flip(flip)
            room -= len(told.encode())
            if room < 0:
                break
            shown += 1
            yield told
        if shown < len(chosen):
            yield f'<p class="fine">and {len(chosen) - shown:,} more</p>'


def _flip(flip: Flip) -> str:
    told = {
        "input": flip.input,
        "expected": flip.expected,
        "baseline": flip.baseline_output,
        "candidate": flip.candidate_output,
    }
    items = "".join(f"<dt>{name}</dt><dd>{_whole(each)}</dd>" for name, each in told.items())
    tags = f' <span class="fine">{_said(" ".join(flip.tags))}</span>' if flip.tags else ""
    summary = f"<summary>{_said(flip.case_id)}{tags}</summary>"
    return f"<details>{summary}<dl>{items}</dl></details>"


def _slices(heading: str, slices: Sequence[SliceOutcome], most: int) -> Iterator[str]:
    judged = judged_slices(slices)
    yield f"<h2>{_said(heading)}</h2>"
    if judged:
        shown = judged[:most]
        yield forest([(each.slice, each) for each in shown])
        columns = ("cases", "baseline", "candidate", "difference", "interval", "q", "verdict")
        yield _head("slice", *columns)
        for each in shown:
            cells = (
                *(one_line(each.slice), str(each.n)),
                *(value(each.baseline, each.scale), value(each.candidate, each.scale)),
                *(change(each), bounds(each), f"{each.q_value:.2g}"),
            )
            yield f"<tr>{_cells(cells)}{_verdict_cell(each)}</tr>"
        yield "</table>"
    if len(judged) > most:
        yield f'<p class="fine">and {len(judged) - most:,} more</p>'
    if len(judged) < len(slices):
        few = counted(len(slices) - len(judged), "more slice")
        yield f'<p class="fine">{few} with too few cases</p>'


def _averages(report: Report) -> Iterator[str]:
    averages = averages_of(report)
    yield "<h2>Averages</h2>"
    yield _head("scorer", *(one_line(record.run.model) for record in report.records))
    for average in averages[:_MOST_ROWS]:
        yield f"<tr>{_cells([one_line(average.name), *average.told()])}</tr>"
    yield "</table>"
    if len(averages) > _MOST_ROWS:
        yield f'<p class="fine">and {len(averages) - _MOST_ROWS:,} more</p>'
    for record in report.records:
        for line in unanswered(record)[:_MOST_LINES]:
            yield f'<p class="inconclusive">{_said(line, 500)}</p>'


def _origins(report: Report) -> Iterator[str]:
    """Tell what the report was made from."""
    yield '<h2>Runs</h2>\n<ul class="fine">'
    for record in report.records:
        run = record.run
        told = f"{run.model}, version {run.suite_version} of {run.suite}, {run.started_at[:19]}"
        yield f"<li>{_said(run.run_id)}: {_said(told, 500)}</li>"
    yield "</ul>"
    if report.comparison is not None:
        told = f"margin {margin_of(report.comparison.overall)}"
        told += f", intervals of {percent(1 - report.alpha, 0)}"
        yield f'<p class="fine">{told}</p>'


def _verdict_cell(outcome: Outcome) -> str:
    told = _said(f"{outcome.verdict}{note(outcome)}")
    return f'<td class="{outcome.verdict}">{told}</td>'


def _head(*columns: str) -> str:
    return f"<table>\n<tr>{''.join(f'<th>{escape(each)}</th>' for each in columns)}</tr>"


def _cells(cells: Sequence[str]) -> str:
    return "".join(f"<td>{escape(each)}</td>" for each in cells)


def _said(text: object, length: int = 200) -> str:
    return escape(one_line(text, length))


def _whole(content: object) -> str:
    """Return any value with its lines, cut where it is long."""
    text = "(no output)" if content is None else content
    text = shortened(text if isinstance(text, str) else repr(text), _MOST_CHARACTERS)
    shown = (each if each.isprintable() or each == "\n" else repr(each)[1:-1] for each in text)
    return escape("".join(shown))
