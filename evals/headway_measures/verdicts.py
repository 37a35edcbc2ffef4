"""The verdict on a paired comparison.

With L and U the bounds of the gain (candidate minus baseline, or the reverse where less is
better) and m the margin, the drop that the suite's owner will bear:

    improved       L > 0
    passed         L > -m      (noted "certainly worse, inside the margin" where U < 0)
    regressed      U < 0       (a hard margin: U < -m)
    inconclusive   otherwise, with the number of cases that would tell

The first line that holds decides. A gate that cannot tell says so.
"""

from dataclasses import dataclass
from typing import Literal

from headway_measures.intervals import Interval
from headway_measures.paired import Change

Verdict = Literal["improved", "passed", "regressed", "inconclusive"]

INSIDE_THE_MARGIN = "certainly worse, inside the margin"

# A planned sample should settle the matter four times in five, as is usual for power.
_POWER = 0.8
_MOST_CASES = 10_000_000


@dataclass(frozen=True, slots=True)
class Margin:
    """The drop that still passes, as a fraction; a hard one alone can call a regression."""

    value: float
    is_hard: bool = False


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict with the numbers it rests on.

    Args:
        verdict: see the module.
        interval: of the gain.
        n: the number of pairs.
        minimum_detectable_effect: the smallest true gain or drop that so many such cases find
            four times in five.
        needs_n: how many cases in all would tell, four times in five, if the further ones are
            like these; None where the verdict is clear or no number of cases would tell.
        note: what the verdict alone does not say; "" where nothing.
    """

    verdict: Verdict
    interval: Interval
    n: int
    minimum_detectable_effect: float
    needs_n: int | None = None
    note: str = ""

    @property
    def missing_n(self) -> int | None:
        """Return how many more cases would tell."""
        return None if self.needs_n is None else max(self.needs_n - self.n, 0)


def judge(change: Change, margin: Margin, alpha: float = 0.05) -> Judgement:
    """Apply the rule to a comparison; its interval covers with probability 1 - alpha."""
    interval = change.interval(alpha)
    verdict = decide(interval, margin)
    is_certainly_worse = verdict == "passed" and interval.upper < 0
    return Judgement(
        verdict,
        interval,
        n=change.n,
        minimum_detectable_effect=change.detectable_effect(alpha, _POWER),
        needs_n=_needed_cases(change, margin, alpha) if verdict == "inconclusive" else None,
        note=INSIDE_THE_MARGIN if is_certainly_worse else "",
    )


def decide(interval: Interval, margin: Margin) -> Verdict:
    """Apply the rule to an interval."""
    if interval.lower > 0:
        return "improved"
    if interval.lower > -margin.value:
        return "passed"
    if interval.upper < (-margin.value if margin.is_hard else 0):
        return "regressed"
    return "inconclusive"


def _needed_cases(change: Change, margin: Margin, alpha: float) -> int | None:
    def is_enough(n: int) -> bool:
        grown = change.interval(alpha, growth=n / change.n, power=_POWER)
        return decide(grown, margin) != "inconclusive"

    most = change.n
    while not is_enough(most):
        most *= 2
        if most > _MOST_CASES:
            return None
    too_few = most // 2
    while most - too_few > 1:
        middle = (most + too_few) // 2
        most, too_few = (middle, too_few) if is_enough(middle) else (most, middle)
    return most
