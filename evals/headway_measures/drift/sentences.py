"""Findings as plain English: what changed, since when, for whom, why, and in which words.

Where nothing was found the sentence says what would have been, and where there is too little data
how much it takes. Coincidence is never called a cause.
"""

from math import isfinite
from types import MappingProxyType

from headway_measures.descriptors.metrics import Metric
from headway_measures.drift.amounts import (
    before_and_after,
    centre_of,
    change_between,
    digits,
    direction_of,
    effect_named,
    one_line,
    percent,
    plain_metric,
    points,
)
from headway_measures.drift.clauses import (
    Chosen,
    coincidence_clause,
    mix_clause,
    segment_clauses,
    since_clause,
    term_clauses,
)
from headway_measures.drift.decisions import matters
from headway_measures.drift.results import Evidence, Finding, State
from headway_measures.scores import counted

STATES: dict[State, str] = {
    "drift": "drift",
    "no_drift": "no drift",
    "not_enough_data": "not enough data",
    "identical": "nothing to compare",
    "failed": "failed",
}
"""How states read."""

TEXTS = ("text", "embedding")
"""Kinds that compare whole texts, of which no figure says how they were."""

_MOST_TOLD = 3
_STILL = 0.05
NOTHING_CHOSEN: Chosen = MappingProxyType({})
"""Windows that no value of a column tells apart."""


def finding_sentence(metric: Metric, finding: Finding, chosen: Chosen = NOTHING_CHOSEN) -> str:
    """Return all that is known of a drift, in a few sentences.

    Args:
        metric: what drifted.
        finding: of it.
        chosen: the columns by whose value the windows were chosen, with both values.
    """
    # Words are the finding where texts were compared, and elsewhere a hint of it.
    is_of_texts = finding.evidence.kind in TEXTS
    parts = [
        _what(metric, finding.evidence),
        *since_clause(finding.since),
        *segment_clauses(metric, finding.evidence, finding.segments),
        *mix_clause(metric, finding.evidence, finding.mixes),
        *coincidence_clause(metric, finding.evidence, finding.coincidences, finding.since, chosen),
        *term_clauses(finding.terms, _MOST_TOLD if is_of_texts else 1),
    ]
    return " ".join(f"{_capital(part)}." for part in parts)


def evidence_sentence(metric: Metric, evidence: Evidence) -> str:
    """Return what one test says, also where it found nothing or could not be run."""
    if evidence.state == "drift":
        return f"{_capital(_what(metric, evidence))}."
    label = _capital(label_of(metric))
    if evidence.state == "no_drift":
        return f"{label}: no drift{_why_none(metric, evidence)}.{_could_have(evidence)}"
    if evidence.state == "not_enough_data":
        return f"{label}: not enough data {needed_of(evidence)}."
    note = f": {one_line(evidence.note)}" if evidence.note else ""
    if evidence.state == "identical":
        return f"{label}: nothing to compare{note or ': the same in both windows'}."
    return f"{label}: could not be compared{note}."


def title_of(evidence: Evidence) -> str:
    """Return what stands above a finding, or beside a test in a table."""
    return _capital(label_of(plain_metric(evidence)))


def _what(metric: Metric, evidence: Evidence) -> str:
    paired = on_the_same(evidence)
    if evidence.kind == "text" and evidence.effects:
        told = _changes(metric)
        share = percent(round(evidence.effects[0].value, 2))
        side = metric.side if metric.side in ("prompt", "answer") else "text"
        return (
            f"{told}: the words alone tell {_a(side)} of before from one of now in {share} of "
            f"pairs, where chance gives 50 %{paired}"
        )
    if evidence.kind == "embedding":
        words = " → ".join(one_line(each) for each in (evidence.before, evidence.after) if each)
        words = words.replace("→ average likeness ", "→ ")
        return f"{_changes(metric)}{f': {words}' if words else ''}{paired}"
    told, words = moved(metric, evidence), figures_of(metric, evidence)
    told = f"{told}: {words}" if words else told
    return f"{told}{_by_how_much(evidence, metric)}{paired}"


def figures_of(metric: Metric, evidence: Evidence, most: int = 3) -> str:
    """Return what was and what is, but for a middle that stood still while the rest moved."""
    old, new = centre_of(evidence.before), centre_of(evidence.after)
    if evidence.kind == "number" and old and new and not direction_of(evidence):
        is_still = abs(new.value - old.value) < _STILL * abs(old.value)
        if old.name == "median" and is_still:
            return ""
    return before_and_after(metric, evidence, most)


def moved(metric: Metric, evidence: Evidence) -> str:
    """Return which way it went, without figures."""
    if evidence.kind in TEXTS:
        return _changes(metric)
    direction = direction_of(evidence)
    told = _moves(metric, direction)
    old, new = centre_of(evidence.before), centre_of(evidence.after)
    if old and new and evidence.kind == "number":
        rose = new.value - old.value
        if not direction and effect_named(evidence, "cliffs_delta"):
            # Medians stand still where few calls moved; then the rest says which way.
            is_some = old.name != "median" and rose
            told = f"the spread of {label_of(metric)} changed"
            if is_some:
                told = f"{_moves(metric, 1 if rose > 0 else -1)} in some calls"
        elif direction * rose < 0:
            told += f" in most calls, although the {new.name} {'rose' if rose > 0 else 'fell'}"
    return told


def _by_how_much(evidence: Evidence, metric: Metric) -> str:
    effect = effect_named(evidence, "risk_difference")
    if effect is None:
        return ""
    told = f", {points(effect.value)}"
    if effect.lower is None or effect.upper is None:
        return told
    return f"{told} ({change_between(effect.lower, effect.upper, metric, is_share=True)})"


def on_the_same(evidence: Evidence) -> str:
    """Return on how many prompts both windows were compared; "" where they were not paired."""
    if not evidence.is_paired:
        return ""
    count = evidence.units_ref
    return f", on the same {'prompt' if count == 1 else counted(count, 'prompt')}"


def _why_none(metric: Metric, evidence: Evidence) -> str:
    words = "" if evidence.kind in TEXTS else before_and_after(metric, evidence)
    if not words or not evidence.effects:
        return ""
    if evidence.before == evidence.after:
        return f"; {one_line(evidence.after)} in both windows"
    return f"; {words} {'may be chance' if matters(evidence) else 'is too little to matter'}"


def _could_have(evidence: Evidence) -> str:
    shown = size_of(evidence, evidence.detectable)
    return f" With {_have(evidence)}, {shown} would be found four times in five." if shown else ""


def needed_of(evidence: Evidence) -> str:
    """Return how many units there are, and how many it takes."""
    # Windows can be large enough, and yet each value too rare or every prompt linked.
    told = f"with {_have(evidence)}{f' ({one_line(evidence.note)})' if evidence.note else ''}"
    has = min(evidence.units_ref, evidence.units_cur)
    if evidence.needs_n is None or evidence.needs_n <= has:
        return told
    where = "" if evidence.is_paired else " in each window"
    takes = f"it takes about {counted(evidence.needs_n, _unit_noun(evidence))}{where}"
    aim = size_of(evidence, evidence.effects[0].floor) if evidence.effects else ""
    aim = f" to find {aim}, four times in five" if aim else ""
    return f"{told}; {takes}{aim}"


def _have(evidence: Evidence) -> str:
    """Return how many units there are: ``12 calls before and 15 now``, ``100 prompts``."""
    had = counted(evidence.units_ref, _unit_noun(evidence))
    return had if evidence.is_paired else f"{had} before and {evidence.units_cur:,} now"


def size_of(evidence: Evidence, size: float | None) -> str:
    """Return how large an effect is, as people can picture it; "" where it cannot be told."""
    if size is None or not evidence.effects or not isfinite(size):
        return ""
    name = evidence.effects[0].name
    if name == "risk_difference":
        return f"a change of {digits(100 * size)} points"
    if name == "tvd":
        return f"{percent(size)} of calls moving to other values"
    if name == "auc":
        return f"texts told apart in {percent(size)} of pairs instead of 50 %"
    if name in ("cliffs_delta", "wasserstein_sd") and evidence.is_paired:
        return f"{percent(size)} more prompts going one way than the other"
    if name in ("cliffs_delta", "wasserstein_sd"):
        higher = percent(0.5 + size / 2)
        return f"a shift that makes a call of now the higher one in {higher} of pairs"
    return ""


def _moves(metric: Metric, direction: int) -> str:
    told = metric.falls if direction < 0 else metric.rises
    if not told:
        return _changes(metric)
    return f"the score {one_line(told)}" if _is_score(metric, told) else one_line(told)


def _changes(metric: Metric) -> str:
    return one_line(metric.rises) if metric.rises else f"{label_of(metric)} changed"


def label_of(metric: Metric) -> str:
    """Return what a metric is called within a sentence."""
    label = one_line(metric.label or metric.name)
    return f"score {label}" if _is_score(metric, metric.label) else label


def _is_score(metric: Metric, told: str) -> bool:
    """Return whether words begin with the name of a score, which reads like any other word."""
    name = metric.name.removeprefix("score:")
    return metric.side == "score" and told.startswith(name)


def _unit_noun(evidence: Evidence) -> str:
    if evidence.is_paired:
        return "prompt"
    is_calls = (evidence.units_ref, evidence.units_cur) == (evidence.n_ref, evidence.n_cur)
    return "call" if is_calls else "independent unit"


def _a(noun: str) -> str:
    return f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
