"""Drifts that only say what another says: a longer answer has more words, too.

All of them stay among the tests; one of each group is explained, and names the others.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from headway_measures.descriptors.metrics import Metric
from headway_measures.drift.columns import MISSING
from headway_measures.drift.metrics_found import TEXT_METRICS
from headway_measures.drift.results import Evidence

_GROUPS = (
    ("prompt_chars", "prompt_words", "prompt_lines", "input_tokens"),
    ("prompt_text", "prompt_embedding", "prompt_clusters", "prompt_hash"),
    ("answer_chars", "answer_words", "answer_lines", "output_tokens"),
    ("opener", "template_hash", "answer_hash"),
    ("distinct_2", "distinct_3", "max_repeat", "zlib_ratio"),
    ("fence_count", "fence_language", "markdown_share"),
    ("is_json", "is_json_broken"),
    ("is_truncated", "truncation", "finish_reason"),
    ("answer_text", "answer_embedding", "answer_clusters"),
)
_GROUP_OF = {name: place for place, names in enumerate(_GROUPS) for name in names}
_OF_LONG_ANSWERS = ("distinct_2", "distinct_3", "zlib_ratio")
_WHOLE_TEXTS = {metric.name for metric in TEXT_METRICS}


@dataclass(frozen=True, slots=True)
class Group:
    """Drifts that say the same.

    Args:
        head: the strongest.
        others: the rest, the stronger first.
    """

    head: Evidence
    others: tuple[Evidence, ...]

    def note(self, metrics: Mapping[str, Metric]) -> str:
        """Return what is to be known of the head, the others named."""
        named = ", ".join(metrics[each.metric].label for each in self.others)
        notes = [self.head.note, f"the same shows in {named}" if named else ""]
        return "; ".join(note for note in notes if note)


def group_drifts(tests: Sequence[Evidence]) -> tuple[Group, ...]:
    """Return the drifts among decided tests in groups, the weightiest first.

    Scores come first, since they say what got worse; then what is least likely chance; last,
    that something is missing.
    """
    groups: dict[object, list[Evidence]] = {}
    for each in sorted((test for test in tests if test.state == "drift"), key=_weight):
        groups.setdefault(_group_of(each.metric), []).append(each)
    return tuple(Group(members[0], tuple(members[1:])) for members in groups.values())


def is_of_text(metric: Metric) -> bool:
    """Return whether a metric is of whole texts."""
    return metric.name in _WHOLE_TEXTS


def _group_of(name: str) -> object:
    """Return what metrics that say the same have in common.

    What is not measured of short answers is missing because they are short.
    """
    base = name.removesuffix(MISSING)
    if base != name and base in _OF_LONG_ANSWERS:
        base = "answer_chars"
    return _GROUP_OF.get(base, base)


def _weight(test: Evidence) -> tuple[bool, bool, float, float, float, str]:
    q_value = 1.0 if test.q_value is None else test.q_value
    p_value = 1.0 if test.p_value is None else test.p_value
    sizes = [abs(effect.value) / effect.floor for effect in test.effects[:1] if effect.floor]
    is_missing = test.metric.endswith(MISSING)
    return test.side != "score", is_missing, q_value, p_value, -sum(sizes), test.metric
