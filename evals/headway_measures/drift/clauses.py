"""What explains a drift, each in a clause: since when, for whom, mix, coincidence, words.

Coincidence is never called a cause, and a change of the mix of calls never one of answers.
"""

from collections.abc import Iterator, Mapping, Sequence
from math import isfinite

from headway_measures.descriptors.metrics import Metric
from headway_measures.drift.amounts import (
    before_and_after,
    change,
    change_between,
    direction_of,
    effect_named,
    field_name,
    group_name,
    joined,
    listed,
    moment,
    one_line,
    percent,
    quoted,
)
from headway_measures.drift.changes_in_time import is_between
from headway_measures.drift.coincidences import coincides
from headway_measures.drift.decompositions import is_mostly_mix
from headway_measures.drift.results import ChangeTime, Coincidence, Evidence, Mix, Segment, Term

Chosen = Mapping[str, tuple[str, str]]
"""Columns by whose one value each window was chosen, with the value before and now."""

_MOST_TOLD = 3
# Other calls that make up less of a change explain hardly any of it; or none, to speak of.
_HARDLY = 1 / 3
_NOTHING = 1 / 50


def since_clause(since: ChangeTime | None) -> Iterator[str]:
    """Tell the moment of a change, with its interval and what may have come besides."""
    if since is None:
        return
    if is_between(since):
        last, first = moment(since.lower_ns), moment(since.upper_ns)
        yield f"most likely between the windows: after {last} and before {first}"
        return
    told = f"since about {moment(since.start_ns)}"
    sure = f"{100 * since.confidence:.0f} %"
    if since.lower_ns < since.upper_ns:
        told += f" ({sure} interval: {moment(since.lower_ns)} to {moment(since.upper_ns)})"
    yield f"{told}, {one_line(since.note)}" if since.note else told


def segment_clauses(metric: Metric, whole: Evidence, segments: Sequence[Segment]) -> Iterator[str]:
    """Tell the groups in which a change is larger, smaller, or the other way."""
    groups: dict[str, list[str]] = {"most": [], "less": [], "the other way": []}
    for segment in segments:
        words = before_and_after(metric, segment.evidence)
        name = group_name(segment.field, segment.value)
        groups[_how(whole, segment.evidence)].append(f"{name} ({words})" if words else name)
    for how, names in groups.items():
        if names:
            yield f"{how} for {listed(names, _MOST_TOLD)}"


def _how(whole: Evidence, part: Evidence) -> str:
    if direction_of(whole) * direction_of(part) < 0:
        return "the other way"
    name = whole.effects[0].name if whole.effects else ""
    ours, theirs = effect_named(whole, name), effect_named(part, name)
    is_less = ours is not None and theirs is not None and abs(theirs.value) < abs(ours.value)
    return "less" if is_less else "most"


def mix_clause(metric: Metric, evidence: Evidence, mixes: Sequence[Mix]) -> Iterator[str]:
    """Tell whether other calls make up the change, by the column that explains most of it."""
    usable = [each for each in mixes if each.total and isfinite(_other_share(each))]
    if not usable:
        return
    is_share = effect_named(evidence, "risk_difference") is not None
    mostly = [each for each in usable if is_mostly_mix(each)]
    told = max(mostly or usable, key=lambda each: abs(_other_share(each)))
    by = field_name(told.by)
    total, other, within = (
        change(each, metric, is_share=is_share)
        for each in (told.total, told.mix + told.new_or_gone, told.within)
    )
    between = change_between(told.within_lower, told.within_upper, metric, is_share=is_share)
    share = abs(_other_share(told))
    average = "" if is_share else " on average"
    if mostly or share >= _HARDLY:
        yield (
            f"{'mostly' if mostly else 'partly'} mix: by {by}, other calls than before make up "
            f"{joined(other, 'of', total)}{average}; calls of the same {by} changed by {within} "
            f"({between})"
        )
    elif share >= _NOTHING:
        made = joined(within, "of", total)
        yield f"not mix: calls of the same {by} changed by {made}{average} ({between})"


def _other_share(mix: Mix) -> float:
    return (mix.mix + mix.new_or_gone) / mix.total


def coincidence_clause(
    metric: Metric,
    evidence: Evidence,
    coincidences: Sequence[Coincidence],
    since: ChangeTime | None,
    chosen: Chosen,
) -> Iterator[str]:
    """Tell what came when the change did, or between the windows where that has no date.

    What the windows were chosen by is told first, and as that.
    """
    if not coincidences:
        return
    first, *others = sorted(coincidences, key=lambda each: not _is_chosen(each, chosen))
    name = group_name(first.field, first.value)
    shares = f"{percent(first.share_ref)} → {percent(first.share_cur)} of calls"
    seen = f"{'common since' if first.share_ref else 'first seen'} {moment(first.first_ns)}"
    if _is_chosen(first, chosen):
        old, new = map(quoted, chosen[first.field])
        told = f"the windows were chosen by {field_name(first.field)}: {old} before, {new} now"
    elif since is None or is_between(since):
        told = f"between the windows came {name} ({shares})"
    elif coincides(first, since):
        told = f"it coincides with {name}, {seen} ({shares})"
    else:
        told = f"before it came {name}, {seen} ({shares})"
    if first.within_without is not None and isfinite(first.within_without):
        is_share = effect_named(evidence, "risk_difference") is not None
        left = change(first.within_without, metric, is_share=is_share)
        told += f"; calls without it changed by {left}{'' if is_share else ' on average'}"
    names = [group_name(each.field, each.value) for each in others]
    yield f"{told}; likewise {listed(names, _MOST_TOLD)}" if names else told


def _is_chosen(coincidence: Coincidence, chosen: Chosen) -> bool:
    return chosen.get(coincidence.field, ("", ""))[1] == coincidence.value


def term_clauses(terms: Sequence[Term], most: int = _MOST_TOLD) -> Iterator[str]:
    """Tell what in the texts became commoner, and what rarer."""
    for told, sign in (("commoner now", 1), ("rarer now", -1)):
        moved = [each for each in terms if sign * (each.share_cur - each.share_ref) > 0]
        if moved:
            yield f"{told}: {', '.join(named_terms(moved, most))}"


def named_terms(terms: Sequence[Term], most: int) -> list[str]:
    """Return terms with their shares before and now."""
    return [
        f"{term_name(each)} {percent(each.share_ref)} → {percent(each.share_cur)}"
        for each in terms[:most]
    ]


def term_name(term: Term) -> str:
    """Return what a term is: ``opening “Sorry, but I”``, ``numbered list``."""
    if term.kind == "format":
        return one_line(term.text, 60)
    kinds = {"word": "", "chars": "signs ", "opener": "opening ", "answer": "whole text "}
    return f"{kinds[term.kind]}{quoted(term.text)}"
