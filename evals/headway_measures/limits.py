"""When a measured value is good enough: a limit that a suite gives to a scorer, if it gives one."""

import math

from headway_measures.errors import ScorerError
from headway_measures.scores import ScoreValue


def judged(
    value: float, *, at_least: float | None = None, at_most: float | None = None
) -> ScoreValue:
    """Return a score that passes inside its limits; without a limit it only measures."""
    if at_least is None and at_most is None:
        return ScoreValue(value, None)
    if at_least is not None and value < at_least:
        return ScoreValue(value, False, f"{value:.4g} is less than {at_least:g}")
    if at_most is not None and value > at_most:
        return ScoreValue(value, False, f"{value:.4g} is more than {at_most:g}")
    return ScoreValue(value, True)


def check_limit(option: str, limit: float | None, most: float = math.inf) -> None:
    """Check a limit.

    Raises:
        ScorerError: it is no number from 0 to ``most``.
    """
    if limit is not None and not 0 <= limit <= most:
        reach = "0 or more" if math.isinf(most) else f"from 0 to {most:g}"
        raise ScorerError(f"{option} is {limit}, which must be {reach}")
