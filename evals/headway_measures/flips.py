"""How often the same weights answer a case otherwise than the time before.

A case that passes today and fails tomorrow, under weights that did not change, says nothing of a
candidate that fails it. Its rate of flips is estimated by Jeffreys' prior, so that three answers
without a flip do not promise that there will be none: Beta(1/2 + flips, 1/2 + n - flips).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from scipy import stats

from headway_measures.errors import MeasureError


@dataclass(frozen=True, slots=True)
class FlipRate:
    """The flips of one case.

    Args:
        answers: how many answers there are.
        passed: how many of them passed.
        steps: how many times one answer followed another by the same weights.
        flips: in how many of these one passed and the other failed.
    """

    answers: int
    passed: int
    steps: int
    flips: int

    def __post_init__(self) -> None:
        if not 0 <= self.flips <= self.steps:
            raise MeasureError(f"{self.flips} flips in {self.steps} steps cannot be")

    @property
    def mean(self) -> float:
        """Return the expected rate."""
        return (0.5 + self.flips) / (1 + self.steps)

    def quantile(self, share: float) -> float:
        """Return the rate below which the true one lies with this probability."""
        return float(stats.beta.ppf(share, 0.5 + self.flips, 0.5 + self.steps - self.flips))


def flip_rate(series: Iterable[Sequence[bool]]) -> FlipRate:
    """Return the flips of a case.

    Args:
        series: whether its answers passed, in their order; one series for each set of weights,
            since an answer of other weights is no flip.
    """
    known = [list(each) for each in series]
    steps = [pair for each in known for pair in pairwise(each)]
    return FlipRate(
        answers=sum(map(len, known)),
        passed=sum(map(sum, known)),
        steps=len(steps),
        flips=sum(before != after for before, after in steps),
    )
