"""Drifts that only say what another says: a longer answer has more words, too, and costs more.

All of them stay among the tests; one of each group is explained, and names the others. What a
group is told by is what a person would say of it, not what happens to have the least p-value.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from headway_measures.descriptors.languages import UNDETERMINED
from headway_measures.descriptors.metrics import Metric
from headway_measures.descriptors.own import OWN
from headway_measures.drift.amounts import direction_of, effect_named, listed, shares_of
from headway_measures.drift.columns import MISSING
from headway_measures.drift.metrics_found import TAG, TEXT_METRICS
from headway_measures.drift.results import Evidence

_GROUPS = {
    "prompt length": ("prompt_chars", "prompt_words", "prompt_lines"),
    "prompt wording": ("prompt_hash", "prompt_text", "prompt_clusters", "prompt_embedding"),
    "answer length": ("answer_chars", "answer_words", "answer_lines"),
    "answer wording": (
        "answer_hash",
        "opener",
        "template_hash",
        "answer_text",
        "answer_clusters",
        "answer_embedding",
    ),
    "repetition": ("max_repeat", "distinct_3", "distinct_2", "zlib_ratio"),
    "code": ("fence_count", "fence_language", "markdown_share"),
    "json": ("is_json", "is_json_broken"),
    "truncation": ("is_truncated", "truncation", "finish_reason"),
}
"""What says the same, what says it best first."""

_GROUP_OF = {name: group for group, names in _GROUPS.items() for name in names}

# Of whole answers or their beginnings, where so many calls moved that it is what happened.
_REPEATED = ("prompt_hash", "answer_hash", "opener", "template_hash")
_MANY_CALLS = 0.2

# What follows from another number: told with it where it went the same way, and not much further.
_FOLLOWERS = {
    "input_tokens": ("prompt length",),
    "output_tokens": ("answer length",),
    "cost_usd": ("answer length", "prompt length"),
    "ttft_ms": ("duration_ms",),
}
_FURTHER = 0.15

# How texts look, which other texts and other lengths change by themselves.
_STYLES = {
    "prompt_digit_share": ("prompt wording", "prompt length"),
    **dict.fromkeys(
        (
            "digit_share",
            "punctuation_share",
            "upper_share",
            "non_ascii_share",
            "prompt_copy_share",
            *_GROUPS["repetition"],
        ),
        ("answer wording", "answer length"),
    ),
}
_MOSTLY = 0.7
_LANGUAGES = {
    "prompt_language": ("prompt wording", "prompt length"),
    "answer_language": ("answer wording", "answer length"),
}

# In which order a reader wants to know: what got worse, what answers do, what texts are, what
# calls take, the rest.
_CONDUCT = ("json", "truncation", "is_refusal", "status", "prompt_pii", "answer_pii")
_COSTS = ("duration_ms", "ttft_ms", "cost_usd", "input_tokens", "output_tokens")
_FINE = (*_STYLES, "repetition")

_MOST_NAMED = 6

_WHOLE_TEXTS = {metric.name for metric in TEXT_METRICS}


@dataclass(frozen=True, slots=True)
class Group:
    """Drifts that say the same.

    Args:
        head: what says it best.
        others: the rest, what says it well first.
    """

    head: Evidence
    others: tuple[Evidence, ...]

    @property
    def is_of_words(self) -> bool:
        """Return whether texts themselves were compared and differ."""
        return any(each.kind == "text" for each in (self.head, *self.others))

    def note(self, metrics: Mapping[str, Metric]) -> str:
        """Return what is to be known of the head, the others named."""
        named = [
            metrics[each.metric].label for each in self.others if not each.metric.endswith(MISSING)
        ]
        notes = [self.head.note, f"the same shows in {listed(named, _MOST_NAMED)}" if named else ""]
        return "; ".join(note for note in notes if note)


def group_drifts(tests: Sequence[Evidence]) -> tuple[Group, ...]:
    """Return the drifts among decided tests in groups, the weightiest first.

    Scores come first, since they say what got worse; then what answers do, such as refusals; then
    texts, what calls take, and how texts look; last, that something is missing.
    """
    drifts = sorted((test for test in tests if test.state == "drift"), key=_strength)
    leaders: dict[str, list[Evidence]] = {}
    for each in drifts:
        if each.metric in _GROUP_OF or each.metric == "duration_ms":
            leaders.setdefault(_GROUP_OF.get(each.metric, each.metric), []).append(each)
    members: dict[str, list[Evidence]] = {}
    for each in drifts:
        members.setdefault(_group_of(each, leaders), []).append(each)
    groups = [_headed(name, each) for name, each in members.items()]
    return tuple(sorted(groups, key=lambda group: (_rank(group.head), _strength(group.head))))


def is_of_text(metric: Metric) -> bool:
    """Return whether a metric is of whole texts."""
    return metric.name in _WHOLE_TEXTS


def _group_of(test: Evidence, leaders: Mapping[str, Sequence[Evidence]]) -> str:
    """Return what metrics that say the same have in common.

    What is not measured of short answers is missing because they are short.
    """
    base = test.metric.removesuffix(MISSING)
    own = _GROUP_OF.get(base, base)
    for group in _FOLLOWERS.get(test.metric, ()):
        if any(_follows(test, leader) for leader in leaders.get(group, ())):
            return group
    causes = _STYLES.get(base, ())
    if base in _LANGUAGES and _names_no_language(test):
        causes = _LANGUAGES[base]
    return next((group for group in causes if group in leaders), own)


def _headed(name: str, members: Sequence[Evidence]) -> Group:
    order = _GROUPS.get(name, (name,))

    def clumsiness(test: Evidence) -> tuple[bool, bool, int]:
        place = order.index(test.metric) if test.metric in order else len(order)
        is_spread = test.kind == "number" and not direction_of(test)
        return place == len(order), is_spread or _is_rare(test), place

    head, *others = sorted(members, key=clumsiness)
    return Group(head, tuple(others))


def _follows(test: Evidence, leader: Evidence) -> bool:
    """Return whether a number went where another went, and not much further."""
    if direction_of(test) != direction_of(leader):
        return False
    moved, led = (effect_named(each, "cliffs_delta") for each in (test, leader))
    return moved is None or led is None or abs(moved.value) <= abs(led.value) + _FURTHER


def _is_rare(test: Evidence) -> bool:
    """Return whether too few calls moved for it to be what happened to the texts."""
    sizes = [abs(effect.value) for effect in test.effects[:1]]
    return test.metric in _REPEATED and sum(sizes) < _MANY_CALLS


def _names_no_language(test: Evidence) -> bool:
    """Return whether texts mostly have a language more often, or less: prose, code, a word."""
    moved = sum(abs(new - old) for name, old, new in shares_of(test) if name == UNDETERMINED)
    return moved > 0 and moved >= _MOSTLY * sum(abs(each.value) for each in test.effects[:1])


def _rank(test: Evidence) -> int:
    name = test.metric.removesuffix(MISSING)
    ranks: Sequence[tuple[bool, int]] = (
        (test.side == "score", 0),
        (test.metric.endswith(MISSING), 6),
        (test.kind == "number" and not direction_of(test), 5),
        (_is_one_of(name, _CONDUCT) or name.startswith(OWN), 1),
        (name in _LANGUAGES, 2),
        (_is_one_of(name, _COSTS), 4),
        (_is_one_of(name, _FINE) or name.startswith(TAG), 5),
    )
    return next((rank for holds, rank in ranks if holds), 3)


def _is_one_of(name: str, names: Collection[str]) -> bool:
    return name in names or _GROUP_OF.get(name) in names


def _strength(test: Evidence) -> tuple[float, float, float, str]:
    """Return by what drifts are sorted, the surest first, and of those the largest."""
    q_value = 1.0 if test.q_value is None else test.q_value
    p_value = 1.0 if test.p_value is None else test.p_value
    sizes = [abs(effect.value) / effect.floor for effect in test.effects[:1] if effect.floor]
    return q_value, p_value, -sum(sizes), test.metric
