"""The drop that still passes, as people write it, and as a part of what the baseline scores.

Where scores are shares, it is a fraction: 0.05 is 5 points. Where nothing bounds them it is a
number in their unit, such as 25 milliseconds, or ``10%`` of the baseline's mean. That mean is an
estimate as well, so that a relative margin is judged by a contrast of its own: whether the
candidate does better than the baseline with each of its scores worsened by so much. Its
t-interval is as good as that of any mean of differences; no ratio is taken.

Perplexities alone are compared by their ratio, so that their margin can only be a part.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from headway_evals.errors import ComparisonError
from headway_evals.suites import Gate
from headway_measures.intervals import Interval
from headway_measures.paired import Change
from headway_measures.scores import Average, shown
from headway_measures.verdicts import Margin

_PERCENT = re.compile(r"\s*([0-9.]+(?:[eE][-+]?[0-9]+)?)\s*%\s*")

BY_RATIO = "and is compared by ratio: give a part of the baseline's mean, such as 10%"
"""What is to be said of a margin in the unit of scores whose ratios count."""


def read_margin(
    given: object, scale: float | None, average: Average = "arithmetic"
) -> tuple[float, bool]:
    """Return a margin, and whether it is relative.

    Args:
        given: a number, or a text such as ``10%`` or ``0.05``.
        scale: the greatest distance of two scores; None where nothing bounds them.
        average: geometric where ratios of the scores are compared.

    Raises:
        ValueError: it is no margin of such scores; the message says why.
    """
    percent = _PERCENT.fullmatch(given) if isinstance(given, str) else None
    value = _number(percent[1] if percent else given, given)
    if percent is not None:
        value /= 100
        if scale is not None:
            raise ValueError(
                f"has margin {given}, which only scores without bounds can have; write "
                f"{value:g} for {value * 100:g} points"
                if scale == 1.0
                else f"has margin {given}, which only scores without bounds can have; write a "
                f"number from 0 to below {scale:g}"
            )
        if not 0 <= value < 1:
            raise ValueError(f"has margin {given}, which must be from 0% to below 100%")
        return value, True
    if average == "geometric":
        raise ValueError(f"has margin {shown(given)}, {BY_RATIO}")
    if not 0 <= value < (math.inf if scale is None else scale):
        unit = "a fraction: 0.05 is 5 points"
        if scale is None:
            unit = "0 or more in the unit of the scores, or a part of the baseline's such as 10%"
        elif scale != 1.0:
            unit = f"from 0 to below {scale:g}"
        raise ValueError(f"has margin {value}, which must be {unit}")
    return value, False


def with_margin(
    gates: Sequence[Gate],
    given: str | None,
    scale: float | None,
    average: Average = "arithmetic",
) -> tuple[Gate, ...]:
    """Return the gates, the first with another margin where one is given, as hard as its own.

    Raises:
        ComparisonError: it is no margin of such scores.
    """
    first, *others = gates
    if given is None:
        return tuple(gates)
    try:
        value, is_relative = read_margin(given, scale, average)
    except ValueError as error:
        raise ComparisonError(f"--margin: gate {first.name or first.scorer!r} {error}") from None
    margin = Margin(value, first.margin.is_hard)
    return replace(first, margin=margin, is_relative=is_relative), *others


@dataclass(frozen=True, slots=True)
class RelativeChange:
    """A change with bounds that a relative margin can be held against, in the scores' unit.

    Args:
        plain: the change.
        worsened: the change from the baseline with its scores worsened by the margin.
        margin: in the unit of the scores.
    """

    plain: Change
    worsened: Change
    margin: Margin

    @property
    def n(self) -> int:
        """Return the number of pairs."""
        return self.plain.n

    @property
    def baseline(self) -> float:
        """Return the baseline's mean score."""
        return self.plain.baseline

    @property
    def candidate(self) -> float:
        """Return the candidate's mean score."""
        return self.plain.candidate

    @property
    def p_value(self) -> float:
        """Return the two-sided p-value of no change."""
        return self.plain.p_value

    @property
    def variance(self) -> float:
        """Return the variance of one pair's gain."""
        return self.plain.variance

    def detectable_effect(self, alpha: float, power: float) -> float:
        """Return the smallest true gain or drop that so many such cases find."""
        return self.plain.detectable_effect(alpha, power)

    def interval(self, alpha: float, *, growth: float = 1.0, power: float = 0.5) -> Interval:
        """Return the interval of the gain, so wide that both questions are answered by it.

        Above the negative margin lies the lower bound only where the contrast's is above 0; a
        hard margin asks the same of the upper one.
        """
        own = self.plain.interval(alpha, growth=growth, power=power)
        contrast = self.worsened.interval(alpha, growth=growth, power=power)
        lower = min(own.lower, contrast.lower - self.margin.value)
        upper = own.upper
        if self.margin.is_hard:
            upper = max(upper, contrast.upper - self.margin.value)
        return Interval(own.estimate, lower, upper)


def _number(written: object, given: object) -> float:
    if isinstance(written, bool) or not isinstance(written, int | float | str):
        raise ValueError(f"has margin {shown(given)}, which is not a number")
    try:
        return float(written)
    except (ValueError, OverflowError):
        raise ValueError(f"has margin {shown(given)}, which is not a number") from None
