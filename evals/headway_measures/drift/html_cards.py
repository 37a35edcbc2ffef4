"""A card as one HTML file that holds all it needs: no script, no font, no picture from elsewhere.

It stays below two megabytes whatever calls said: texts are cut, and what there is no room for is
counted. What calls said is escaped, and a policy in the file forbids whatever slipped through.
"""

from collections.abc import Iterator, Sequence
from html import escape
from itertools import accumulate

from headway_measures.drift.amounts import (
    before_and_after,
    change,
    change_between,
    effect_named,
    field_name,
    group_name,
    moment,
    one_line,
    plain_metric,
)
from headway_measures.drift.html_card_parts import (
    PART_STYLE,
    effect_picture,
    evidence_picture,
    marked,
    said,
    terms_picture,
    whole,
)
from headway_measures.drift.results import Card, Evidence, Example, ExamplePair, Finding
from headway_measures.drift.sentences import STATES, evidence_sentence, title_of
from headway_measures.drift.windows import Query
from headway_measures.scores import counted

_FINDING_BYTES, _TEST_BYTES, _ORIGIN_BYTES = 1_200_000, 300_000, 60_000
_MOST_TERMS = 12
_MOST_ROWS = 12
_SENTENCE_LENGTH = 3000
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"

_STYLE = """
:root { color-scheme: light dark; --fine: #666; --line: #8884; --bad: #c4320a; --good: #027a48;
  --unsure: #93610a; --was: #98a2b3; --mark: #fdb02255; }
@media (prefers-color-scheme: dark) { :root { --fine: #aaa; --bad: #ff8a65; --good: #6ce9a6;
  --unsure: #fec84b; --was: #667085; --mark: #fdb02244; } }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 70rem;
  padding: 0 1rem; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
h3 { font-size: 1rem; margin: 1.6rem 0 .3rem; }
table { border-collapse: collapse; display: block; overflow-x: auto; margin: .5rem 0; }
th, td { padding: .25rem .9rem .25rem 0; text-align: left; border-bottom: 1px solid var(--line);
  font-variant-numeric: tabular-nums; vertical-align: top; }
.drift, .failed { color: var(--bad); } .no_drift { color: var(--good); }
.not_enough_data { color: var(--unsure); } .fine { color: var(--fine); }
details { border-bottom: 1px solid var(--line); padding: .3rem 0; } summary { cursor: pointer; }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: 1rem; margin: .6rem 0; }
@media (max-width: 40rem) { .pair { grid-template-columns: 1fr; } }
.pair pre { white-space: pre-wrap; overflow-wrap: anywhere; margin: .2rem 0; font-size: 13px;
  border-left: 3px solid var(--line); padding-left: .6rem; }
"""


def html_card(card: Card) -> str:
    """Return the card as a document: verdict, findings with pictures and examples, all tests."""
    return "\n".join(_lines(card)) + "\n"


def _lines(card: Card) -> Iterator[str]:
    state = STATES[card.verdict]
    yield '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">'
    yield f'<meta http-equiv="Content-Security-Policy" content="{escape(_POLICY)}">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>Drift card: {state}</title>"
    yield f"<style>{_STYLE}{PART_STYLE}</style>\n</head>\n<body>"
    yield f'<h1>Drift card: <span class="{card.verdict}">{state}</span></h1>'
    yield f"<p>{said(card.headline, 2000)}</p>"
    yield "<table>\n<tr><th></th><th>calls</th><th>from</th><th>to</th><th>where</th></tr>"
    yield from (
        _window("reference", card.reference, card.n_ref),
        _window("current", card.current, card.n_cur),
        "</table>",
    )
    for note in card.notes[:_MOST_ROWS]:
        yield f'<p class="not_enough_data">Note: {said(note, 500)}</p>'
    yield from _findings(card.findings)
    if card.quality:
        yield "<h2>Whether scores moved with it</h2>\n<ul>"
        yield from _fitting([_sentence(each) for each in card.quality], _TEST_BYTES)
        yield "</ul>"
    picture = evidence_picture(card.tests, card.options.alpha)
    if picture:
        yield "<h2>Evidence of every test</h2>"
        yield '<p class="fine">The further right, the less likely by chance; a filled dot is a '
        yield f"drift. Right of the dashed line and large enough to matter counts.</p>\n{picture}"
    yield from _tests(card.tests)
    yield from _origins(card)
    yield "</body>\n</html>"


def _window(name: str, query: Query, count: int) -> str:
    start, end = ("–" if at is None else moment(at) for at in (query.start_ns, query.end_ns))
    where = "; ".join(
        f"{one_line(key, 60)}: {one_line(', '.join(values[:20]))}"
        for key, values in query.filters[:20]
    )
    return _row(name, f"{count:,}", start, end, where or "all calls")


def _findings(findings: Sequence[Finding]) -> Iterator[str]:
    if findings:
        yield f"<h2>{counted(len(findings), 'finding')}</h2>"
    heads = ["\n".join(_told(each)) for each in findings]
    shown = _count_fitting(heads, _FINDING_BYTES)
    room = _FINDING_BYTES - sum(len(head.encode()) for head in heads[:shown])
    for head, finding in zip(heads[:shown], findings, strict=False):
        yield head
        rest = "\n".join(_explained(finding))
        room -= len(rest.encode())
        yield rest if room >= 0 else '<p class="fine">more is left out, to keep this small</p>'
    if shown < len(heads):
        yield f'<p class="fine">{_left_out(len(heads) - shown)}</p>'


def _told(finding: Finding) -> Iterator[str]:
    evidence = finding.evidence
    yield f'<h3 class="drift">{said(title_of(evidence))}</h3>'
    yield f"<p>{said(finding.sentence, _SENTENCE_LENGTH)}</p>"
    if evidence.effects:
        yield effect_picture(evidence.effects[0])
    if evidence.q_value is not None:
        seen = f"{evidence.n_ref:,} and {counted(evidence.n_cur, 'call')}"
        told = f"q = {evidence.q_value:.2g}, by {evidence.method}, {seen}"
        note = f"; {evidence.note}" if evidence.note else ""
        yield f'<p class="fine">{said(f"{told}{note}", 500)}</p>'


def _explained(finding: Finding) -> Iterator[str]:
    yield terms_picture(finding.terms[:_MOST_TERMS])
    yield from _groups(finding)
    yield from _mixes(finding)
    pairs = finding.examples
    if pairs:
        yield f"<details><summary>{counted(len(pairs), 'example')}</summary>"
        yield from map(_pair, pairs[:_MOST_ROWS])
        yield "</details>"


def _groups(finding: Finding) -> Iterator[str]:
    if not (finding.segments or finding.coincidences):
        return
    metric = plain_metric(finding.evidence)
    yield "<table>\n<tr><th>which calls</th><th>before and now</th></tr>"
    for segment in finding.segments[:_MOST_ROWS]:
        words = before_and_after(metric, segment.evidence)
        yield _row(group_name(segment.field, segment.value), words)
    for each in finding.coincidences[:_MOST_ROWS]:
        shares = f"{100 * each.share_ref:.3g} % → {100 * each.share_cur:.3g} % of calls"
        seen = f"{shares}, first seen {moment(each.first_ns)}"
        yield _row(group_name(each.field, each.value), seen)
    yield "</table>"


def _mixes(finding: Finding) -> Iterator[str]:
    if not finding.mixes:
        return
    metric = plain_metric(finding.evidence)
    is_share = effect_named(finding.evidence, "risk_difference") is not None
    yield "<table>\n<tr><th>mean changed, by</th><th>in all</th><th>other mix</th>"
    yield "<th>new or gone</th><th>inside the same</th><th>that is</th></tr>"
    for mix in finding.mixes[:_MOST_ROWS]:
        parts = (mix.total, mix.mix, mix.new_or_gone, mix.within)
        told = [change(each, metric, is_share=is_share) for each in parts]
        ends = change_between(mix.within_lower, mix.within_upper, metric, is_share=is_share)
        yield _row(field_name(mix.by), *told, ends)
    yield "</table>"


def _pair(pair: ExamplePair) -> str:
    before, after = pair.before, pair.after
    answers = ("", "")
    if before is not None and after is not None:
        answers = marked(before.answer, after.answer)
    elif before is not None:
        answers = whole(before.answer), ""
    elif after is not None:
        answers = "", whole(after.answer)
    sides = _example("before", before, answers[0]) + _example("now", after, answers[1])
    return f'<div class="pair">{sides}</div>'


def _example(name: str, example: Example | None, answer: str) -> str:
    if example is None:
        return f'<div><p class="fine">{name}: no such call</p></div>'
    why = f", {said(example.why, 120)}" if example.why else ""
    told = f"{name}, {moment(example.start_ns)}, span {said(example.span_id, 40)}{why}"
    return (
        f'<div><p class="fine">{told}</p><p class="fine">asked</p><pre>{whole(example.prompt)}'
        f'</pre><p class="fine">answered</p><pre>{answer}</pre></div>'
    )


def _tests(tests: Sequence[Evidence]) -> Iterator[str]:
    if not tests:
        return
    yield f"<details><summary>All {counted(len(tests), 'comparison')} in words</summary>\n<ul>"
    yield from _fitting([_sentence(each) for each in tests], _TEST_BYTES)
    yield "</ul></details>"


def _sentence(test: Evidence) -> str:
    told = said(evidence_sentence(plain_metric(test), test), 600)
    q_value = "" if test.q_value is None else f' <span class="fine">q = {test.q_value:.2g}</span>'
    return f'<li><span class="{test.state}">{STATES[test.state]}</span>: {told}{q_value}</li>'


def _origins(card: Card) -> Iterator[str]:
    """Tell what the card was made from, and by what."""
    options = card.options
    told = [
        f"card {one_line(card.card_id)}",
        f"rows {one_line(card.fingerprint)}",
        f"seed {options.seed}, alpha {options.alpha:g}, pairs {options.pair}, units by "
        f"{options.unit}, {options.text_rows:,} texts a side",
        *(f"{one_line(name)} {one_line(version)}" for name, version in card.versions),
    ]
    yield '<h2>Made from</h2>\n<ul class="fine">'
    yield from _fitting([f"<li>{said(each)}</li>" for each in told], _ORIGIN_BYTES)
    yield "</ul>"


def _fitting(items: Sequence[str], most_bytes: int) -> Iterator[str]:
    """Yield the first items that there is room for, and how many are left out."""
    shown = _count_fitting(items, most_bytes)
    yield from items[:shown]
    if shown < len(items):
        yield f'<li class="fine">{_left_out(len(items) - shown)}</li>'


def _count_fitting(items: Sequence[str], most_bytes: int) -> int:
    ends = accumulate(len(item.encode()) for item in items)
    return sum(end <= most_bytes for end in ends)


def _left_out(count: int) -> str:
    return f"{count:,} more left out, to keep this small"


def _row(*cells: str) -> str:
    return f"<tr>{''.join(f'<td>{said(each, 300)}</td>' for each in cells)}</tr>"
