"""Which of many tests found a drift, and what that says of the windows as a whole.

A difference is called a drift where it is neither chance nor small: where the q-value over all
tests of the card, the p-value and the effect each say so. Tests share the false discoveries by
family, so that a text test is not drowned by fifty columns and three scores are not by either;
the families are those of the metrics, so that the shares are known before any p-value is.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal, TypeGuard

from headway_measures.descriptors.metrics import Metric
from headway_measures.drift.columns import LEAST_UNITS
from headway_measures.drift.results import Evidence, State
from headway_measures.multiplicity import weighted_benjamini_hochberg

Family = Literal["score", "text", "embedding", "cluster", "column"]

SHARES: dict[Family, float] = {
    "score": 1 / 4,
    "text": 1 / 8,
    "embedding": 1 / 16,
    "cluster": 1 / 16,
    "column": 1 / 2,
}
"""Of the false discoveries, where all families were tested."""


def decide(tests: Sequence[Evidence], alpha: float) -> list[Evidence]:
    """Return the tests with weight, q-value and state, in the order given.

    Weights average 1 over what was tested. What was not, because windows are too small or hold
    one value only, is left as it is: it is no hypothesis and makes no other test harder. Where
    every null hypothesis holds, the chance of any drift is at most alpha (of independent tests,
    and of those that depend on each other positively: Benjamini and Yekutieli 2001, Annals of
    Statistics 29).

    Args:
        tests: all of one card.
        alpha: of its false alarms.
    """
    tested = [each for each in tests if _is_tested(each)]
    weights = _weights([family_of(each) for each in tested])
    p_values = [float(each.p_value or 0.0) for each in tested]
    q_values = weighted_benjamini_hochberg(p_values, weights)
    decided = iter(
        replace(each, weight=weight, q_value=q, state=_state(each, p, q, alpha))
        for each, weight, p, q in zip(tested, weights, p_values, q_values, strict=True)
    )
    return [next(decided) if _is_tested(each) else each for each in tests]


def levels_of(metrics: Sequence[Metric], alpha: float) -> dict[Family, float]:
    """Return the p-value by which a test of each family is a drift where no other is.

    Sizes are told for it, so that what they promise holds on the card: at most, since what cannot
    be tested makes it easier for the rest.

    Args:
        metrics: all that may be tested, with those of missing values.
        alpha: of the card's false alarms.
    """
    counts = Counter(map(family_of, metrics))
    present = sum(SHARES[family] for family in counts)
    return {family: alpha * SHARES[family] / present / count for family, count in counts.items()}


def verdict_of(tests: Sequence[Evidence]) -> State:
    """Return what decided tests say of the windows.

    Without a drift it is the answers that decide, since they are what may go bad unseen: where no
    test of them could be run the windows are too small to be called alike, and so they are where
    all values are equal, of fewer units than a test takes. Where none was asked for, all tests
    decide.
    """
    if any(each.state == "drift" for each in tests):
        return "drift"
    decisive = [each for each in tests if each.side == "answer"] or tests
    states = {each.state for each in decisive}
    if "no_drift" in states:
        return "no_drift"
    if "not_enough_data" in states or not states:
        return "not_enough_data"
    if "failed" in states:
        return "failed"
    units = max(min(each.units_ref, each.units_cur) for each in decisive)
    return "no_drift" if units >= LEAST_UNITS else "not_enough_data"


def family_of(test: Evidence | Metric) -> Family:
    """Return the family whose share of the false discoveries a test or metric has part in."""
    if test.side == "score":
        return "score"
    return test.kind if _is_family(test.kind) else "column"


def matters(test: Evidence) -> bool:
    """Return whether a difference is large enough to be spoken of: whether its first effect is."""
    return any(abs(effect.value) >= effect.floor for effect in test.effects[:1])


def _is_tested(test: Evidence) -> bool:
    return test.p_value is not None and test.state in ("no_drift", "drift")


def _state(test: Evidence, p_value: float, q_value: float, alpha: float) -> State:
    return "drift" if max(p_value, q_value) <= alpha and matters(test) else "no_drift"


def _weights(families: list[Family]) -> list[float]:
    """Return the weight of each test; the share of absent families goes to those there are."""
    counts = Counter(families)
    present = sum(SHARES[family] for family in counts)
    return [len(families) * SHARES[each] / present / counts[each] for each in families]


def _is_family(kind: str) -> TypeGuard[Family]:
    return kind in ("text", "embedding", "cluster")
