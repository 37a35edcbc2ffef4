"""A card as Markdown, as pull requests and GitHub's step summaries show it.

Findings stand in the open, one sentence after another; what explains them is folded. What calls
said may hold anything, so every sign that means something to Markdown is escaped, and examples
stand in fences that no text can close. It stays below what a comment may hold.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import accumulate

from headway_measures.drift.amounts import (
    before_and_after,
    change,
    effect_named,
    field_name,
    group_name,
    moment,
    one_line,
    percent,
    plain_metric,
    printable,
)
from headway_measures.drift.clauses import term_name
from headway_measures.drift.results import Card, Evidence, Example, Finding, State
from headway_measures.drift.sentences import STATES, evidence_sentence, title_of
from headway_measures.drift.windows import Query
from headway_measures.scores import counted, shortened

_ICONS: dict[State, str] = {
    "drift": "🔴",
    "no_drift": "🟢",
    "not_enough_data": "🟡",
    "identical": "⚪",
    "failed": "🔴",
}
# A comment on GitHub holds 65,536 characters.
_FINDING_ROOM, _QUALITY_ROOM, _TEST_ROOM, _ORIGIN_ROOM = 38_000, 5_000, 12_000, 3_000
_SENTENCE_LENGTH = 2_000
_TEXT_LENGTH = 600
_MOST_ROWS = 12
_MOST_EXAMPLES = 3

# What means something to Markdown, or to the HTML within it.
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~!&$])")
_LINK = re.compile(r"(?i)(https?|ftp)(:)(?=//)|(www)(\.)")
_TICKS = re.compile("`+")
_WORD_JOINER = "\u2060"


def markdown_card(card: Card) -> str:
    """Return the card: verdict, findings with what explains them folded, all tests folded."""
    return "\n".join([*_lines(card), ""])


def _lines(card: Card) -> Iterator[str]:
    yield f"## {_ICONS[card.verdict]} Drift card: {STATES[card.verdict]}"
    yield from ("", _plain(card.headline, 1000), "")
    yield f"- reference: {_window(card.reference, card.n_ref)}"
    yield f"- current: {_window(card.current, card.n_cur)}"
    for note in card.notes[:_MOST_ROWS]:
        yield from ("", f"> ⚠️ {_plain(note)}")
    if card.findings:
        yield from ("", f"### {counted(len(card.findings), 'finding')}")
    yield from _findings(card.findings)
    if card.quality:
        yield from ("", "### Whether scores moved with it", "")
        yield from _fitting([f"- {_test(each)}" for each in card.quality], _QUALITY_ROOM)
    if card.tests:
        tests = _fitting([f"- {_test(each)}" for each in card.tests], _TEST_ROOM)
        yield from _folded(f"All {counted(len(card.tests), 'comparison')}", tests)
    yield from _folded("Made from", _fitting(list(_origins(card)), _ORIGIN_ROOM))


def _window(query: Query, count: int) -> str:
    told = [counted(count, "call")]
    if query.start_ns is not None:
        told.append(f"from {moment(query.start_ns)}")
    if query.end_ns is not None:
        told.append(f"to {moment(query.end_ns)}")
    told += [f"{name}: {', '.join(values[:5])}" for name, values in query.filters[:10]]
    return _plain(", ".join(told), 400)


def _findings(findings: Sequence[Finding]) -> Iterator[str]:
    """Tell each finding, and fold what explains it below as long as there is room."""
    told = [_told(each) for each in findings]
    shown = _count_fitting(told, _FINDING_ROOM)
    room = _FINDING_ROOM - sum(map(len, told[:shown]))
    for sentence, finding in zip(told[:shown], findings, strict=False):
        yield sentence
        lines = list(_explained(finding))
        size = sum(len(line) + 1 for line in lines)
        if size <= room:
            room -= size
            yield from lines
    if shown < len(told):
        yield _left_out(len(told) - shown)


def _told(finding: Finding) -> str:
    q_value = finding.evidence.q_value
    sure = "" if q_value is None else f" (q = {q_value:.2g})"
    title, note = title_of(finding.evidence), finding.evidence.note
    told = f"\n**{_plain(title)}**{sure}: {_plain(finding.sentence, _SENTENCE_LENGTH)}"
    return f"{told} {_plain(_sentence_of(note), 400)}" if note else told


def _explained(finding: Finding) -> Iterator[str]:
    details = [*_terms(finding), *_groups(finding), *_mixes(finding), *_examples(finding)]
    if details:
        yield from _folded("words, groups, mix and examples", details)


def _sentence_of(note: str) -> str:
    return f"{note[:1].upper()}{note[1:]}."


def _terms(finding: Finding) -> Iterator[str]:
    if finding.terms:
        yield from _head("in the texts", "before", "now")
        for term in finding.terms[:_MOST_ROWS]:
            yield _row(term_name(term), percent(term.share_ref), percent(term.share_cur))


def _groups(finding: Finding) -> Iterator[str]:
    metric = plain_metric(finding.evidence)
    if finding.segments or finding.coincidences:
        yield from _head("which calls", "before and now")
    for segment in finding.segments[:_MOST_ROWS]:
        name = group_name(segment.field, segment.value)
        yield _row(name, before_and_after(metric, segment.evidence))
    for each in finding.coincidences[:_MOST_ROWS]:
        shares = f"{percent(each.share_ref)} → {percent(each.share_cur)} of calls"
        name = group_name(each.field, each.value)
        yield _row(name, f"{shares}, first seen {moment(each.first_ns)}")


def _mixes(finding: Finding) -> Iterator[str]:
    if not finding.mixes:
        return
    metric = plain_metric(finding.evidence)
    is_share = effect_named(finding.evidence, "risk_difference") is not None
    yield from _head("mean changed, by", "in all", "other mix", "new or gone", "inside the same")
    for mix in finding.mixes[:_MOST_ROWS]:
        parts = (mix.total, mix.mix, mix.new_or_gone, mix.within)
        told = [change(each, metric, is_share=is_share) for each in parts]
        yield _row(field_name(mix.by), *told)


def _examples(finding: Finding) -> Iterator[str]:
    for pair in finding.examples[:_MOST_EXAMPLES]:
        for name, example in (("before", pair.before), ("now", pair.after)):
            if example is not None:
                yield from _example(name, example)


def _example(name: str, example: Example) -> Iterator[str]:
    why = f", {example.why}" if example.why else ""
    yield from ("", _plain(f"{name}, {moment(example.start_ns)}{why}"), "")
    texts = f"asked: {shortened(example.prompt, _TEXT_LENGTH)}\n"
    texts = printable(f"{texts}answered: {shortened(example.answer, _TEXT_LENGTH)}")
    ticks = max(map(len, _TICKS.findall(texts)), default=0)
    fence = "`" * max(3, ticks + 1)
    yield from (f"{fence}text", texts, fence)


def _test(test: Evidence) -> str:
    q_value = "" if test.q_value is None else f" (q = {test.q_value:.2g})"
    told = _plain(evidence_sentence(plain_metric(test), test), 500)
    return f"{_ICONS[test.state]} {told}{q_value}"


def _origins(card: Card) -> Iterator[str]:
    options = card.options
    yield f"- card {_plain(card.card_id)}, rows {_plain(card.fingerprint)}"
    told = f"seed {options.seed}, alpha {options.alpha:g}, pairs {options.pair}, units by"
    yield f"- {told} {options.unit}, {options.text_rows:,} texts a side"
    yield from (f"- {_plain(f'{name} {version}')}" for name, version in card.versions)


def _folded(title: str, lines: Sequence[str] | Iterator[str]) -> Iterator[str]:
    # Markdown within HTML needs empty lines around it.
    yield from ("", f"<details><summary>{title}</summary>", "", *lines, "", "</details>")


def _fitting(items: Sequence[str], most: int) -> Iterator[str]:
    """Yield the first items that there is room for, and how many are left out."""
    shown = _count_fitting(items, most)
    yield from items[:shown]
    if shown < len(items):
        yield _left_out(len(items) - shown)


def _count_fitting(items: Sequence[str], most: int) -> int:
    ends = accumulate(len(item) + 1 for item in items)
    return sum(end <= most for end in ends)


def _left_out(count: int) -> str:
    return f"\n{count:,} more left out, to fit a comment"


def _head(*columns: str) -> Iterator[str]:
    yield from ("", f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}")


def _row(*cells: str) -> str:
    return f"| {' | '.join(_plain(each) for each in cells)} |"


def _plain(text: str, length: int = 200) -> str:
    """Return any text on one line, with nothing in it that Markdown or GitHub would act on."""
    line = _SPECIAL.sub(r"\\\1", one_line(text, length))
    line = _LINK.sub(lambda found: f"{found[1] or found[3]}\\{found[2] or found[4]}", line)
    # GitHub looks for people to notify after it read the Markdown, so that no escape helps.
    return line.replace("@", f"@{_WORD_JOINER}")
