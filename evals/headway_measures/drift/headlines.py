"""The verdict of a card in a sentence or two, which a person would say.

Where there is a drift: since when, with what new, the two weightiest changes, how many more.
"""

from collections.abc import Mapping, Sequence
from math import inf

from headway_measures.descriptors.metrics import Metric
from headway_measures.drift.amounts import group_name, moment, quoted
from headway_measures.drift.changes_in_time import is_between
from headway_measures.drift.clauses import Chosen, named_terms
from headway_measures.drift.coincidences import coincides
from headway_measures.drift.results import Evidence, Finding, State
from headway_measures.drift.sentences import (
    NOTHING_CHOSEN,
    TEXTS,
    figures_of,
    label_of,
    moved,
    needed_of,
    on_the_same,
    size_of,
)
from headway_measures.scores import counted

_LONGEST = 200
# How many changes are told, and of which the figures, as long as it gets too long.
_FORMS = ((True, True), (True, False), (False, False), (True,), (False,))


def headline(
    verdict: State,
    findings: Sequence[Finding],
    tests: Sequence[Evidence],
    labels: Mapping[str, Metric],
    chosen: Chosen = NOTHING_CHOSEN,
) -> str:
    """Return the verdict of a card in a sentence or two.

    Args:
        verdict: of all tests together.
        findings: the weightiest first.
        tests: all of the card, with those that could not be run.
        labels: metrics by name; what is not among them goes by its name.
        chosen: the columns by whose value the windows were chosen, with both values.
    """
    run = [each for each in tests if each.state in ("drift", "no_drift")]
    if verdict == "drift":
        return _drift_in_short(findings, labels, chosen)
    if verdict == "no_drift" and run:
        return f"No drift in {counted(len(run), 'comparison')}.{_best_shown(run, labels)}"
    if verdict in ("no_drift", "identical"):
        return "No drift: nothing that was compared differs at all between the windows."
    if verdict == "failed":
        return "No answer: the comparisons that decide could not be made."
    waiting = [each for each in tests if each.state == "not_enough_data"]
    answers = [each for each in waiting if each.side == "answer"] or waiting
    if not answers:
        return "Not enough data: there was nothing to compare."
    # What no call has is never the nearest, however few calls it would take.
    some = [each for each in answers if min(each.units_ref, each.units_cur)] or answers
    nearest = min(some, key=_missing_units)
    label = label_of(_metric(nearest, labels))
    told = "Not enough data to call the windows alike. The nearest to an answer:"
    return f"{told} {label}, {needed_of(nearest)}."


def _drift_in_short(
    findings: Sequence[Finding], labels: Mapping[str, Metric], chosen: Chosen
) -> str:
    """Return the weightiest changes, with as many figures as there is room for."""
    told = ""
    for with_figures in _FORMS:
        first = findings[: len(with_figures)]
        changes = [
            _in_short(_metric(each.evidence, labels), each, has_figures=has_figures)
            for each, has_figures in zip(first, with_figures, strict=False)
        ]
        more = len(findings) - len(first)
        others = f"; and {counted(more, 'more change')}" if more > 0 else ""
        told = f"Drift{_circumstances(first, chosen)}: {'; '.join(changes)}{others}."
        if len(told) <= _LONGEST:
            break
    return told


def _circumstances(findings: Sequence[Finding], chosen: Chosen) -> str:
    """Return since when, with what new, and on which prompts: what is told once for all."""
    if not findings:
        return ""
    told = []
    since, new = findings[0].since, findings[0].coincidences[:1]
    if since is not None and is_between(since):
        since = None  # the windows themselves say it
    if since is not None:
        told.append(f" since about {moment(since.start_ns)}")
    for field, (old, now) in list(chosen.items())[:1]:
        told.append(f", with {group_name(field, now)} instead of {quoted(old)}")
    for each in () if chosen else new:
        name = group_name(each.field, each.value)
        if since is None:
            told.append(f", with {'more of' if each.share_ref else 'the new'} {name}")
        elif coincides(each, since):
            told.append(f", when {name} {'became common' if each.share_ref else 'came'}")
    paired = {on_the_same(each.evidence) for each in findings}
    told += paired if len(paired) == 1 else set()
    return "".join(told)


def _in_short(metric: Metric, finding: Finding, *, has_figures: bool) -> str:
    """Return a change as a headline has it: ``more answers refuse (5 % → 10 %)``."""
    evidence = finding.evidence
    if not has_figures:
        return moved(metric, evidence)
    words = "" if evidence.kind in TEXTS else figures_of(metric, evidence, most=1)
    if evidence.kind == "text":
        words = next(iter(named_terms(finding.terms, 1)), "")
    told = moved(metric, evidence)
    return f"{told} ({words})" if words else told


def _best_shown(run: Sequence[Evidence], labels: Mapping[str, Metric]) -> str:
    """Tell what would have been found of the answers, by the test that sees most."""
    seen = [each for each in run if each.detectable is not None and each.effects]
    seen = [each for each in seen if each.side == "answer"] or seen
    if not seen:
        return ""
    best = min(seen, key=_times_floor)
    label = label_of(_metric(best, labels))
    return (
        f" Of {label}, {size_of(best, best.detectable)} would have been found four times in five."
    )


def _times_floor(evidence: Evidence) -> float:
    """Return how many times the least effect that matters a test could have shown."""
    first, size = evidence.effects[0], evidence.detectable or 0.0
    null = 0.5 if first.name == "auc" else 0.0
    return (size - null) / ((first.floor - null) or 1.0)


def _missing_units(evidence: Evidence) -> float:
    """Return how many more units would answer, without end where more would not help."""
    missing = (evidence.needs_n or 0) - min(evidence.units_ref, evidence.units_cur)
    return missing if missing > 0 else inf


def _metric(evidence: Evidence, labels: Mapping[str, Metric]) -> Metric:
    name = evidence.metric
    return labels.get(name) or Metric(name, evidence.kind, evidence.side, "", name, "", "")
