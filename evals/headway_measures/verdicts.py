"""The verdict on a paired comparison.

With L and U the bounds of the difference (candidate minus baseline) and m the margin, the drop
that the suite's owner will bear:

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
        interval: of candidate minus baseline.
        needs_n: how many cases in all would tell, four times in five, if the further ones are
            like these; None where the verdict is clear or no number of cases would tell.
        note: what the verdict alone does not say; "" where nothing.
    """

    verdict: Verdict
    interval: Interval
    needs_n: int | None = None
    note: str = ""


def judge(change: Change, margin: Margin, alpha: float = 0.05) -> Judgement:
    """Apply the rule to a comparison; its interval covers with probability 1 - alpha."""
    interval = change.interval(alpha)
    verdict = decide(interval, margin)
    if verdict == "inconclusive":
        return Judgement(verdict, interval, needs_n=_needed_cases(change, margin, alpha))
    is_certainly_worse = verdict == "passed" and interval.upper < 0
    return Judgement(verdict, interval, note=INSIDE_THE_MARGIN if is_certainly_worse else "")


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
