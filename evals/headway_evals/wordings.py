"""How numbers and verdicts read, in every form of a report.

Shares are told in per cent and their differences in points; scores of another scale, such as
milliseconds, as plain numbers.
"""

import math

from headway_evals.outcomes import Comparison, GateOutcome, Outcome
from headway_measures.intervals import Interval
from headway_measures.scores import counted, shortened

_LINE_LENGTH = 200

DIRECTIONS = {"to_fail": "passed before, fail now", "to_pass": "failed before, pass now"}
"""What a flip's direction means, in the order in which people read of flips."""


def verdict_sentence(comparison: Comparison) -> str:
    """Return the verdict and its numbers in one plain sentence."""
    overall = comparison.overall
    regressions = comparison.regressions
    said = overall.verdict.upper()
    if regressions:
        said = f"REGRESSED in {listed(regressions)}, although {overall.verdict} overall"
        if overall.verdict == "regressed":
            said = f"REGRESSED overall and in {listed(regressions)}"
    elif comparison.verdict != overall.verdict:
        unsure = [each.gate for each in overall.gates if each.verdict == comparison.verdict]
        said = f"{comparison.verdict.upper()} by gate {listed(unsure)}"
    scale = overall.scale
    numbers = (
        f"{comparison.candidate_model} scores {value(overall.candidate, scale)} on "
        f"{counted(overall.n, 'case')}, {comparison.baseline_model} "
        f"{value(overall.baseline, scale)}: {change(overall)}, "
        f"{percent(1 - comparison.alpha, 0)} interval {bounds(overall)}, "
        f"margin {margin_of(overall)}"
    )
    return f"{said}: {numbers}{needs(overall)}{power(overall)}{note(overall)}."


def gate_sentence(gate: GateOutcome) -> str:
    """Return what one of several gates says."""
    return (
        f"gate {gate.gate}, by {gate.scorer}: {gate.verdict}, {value(gate.baseline, gate.scale)} → "
        f"{value(gate.candidate, gate.scale)}: {change(gate)} ({bounds(gate)}), margin "
        f"{margin_of(gate)}, p after Holm {gate.q_value:.2g}"
        f"{needs(gate)}{power(gate)}{note(gate)}"
    )


def power(outcome: Outcome) -> str:
    """Return what so many cases can show, "" where it is not known."""
    effect = outcome.minimum_detectable_effect
    if effect is None:
        return ""
    size = margin(effect, outcome.scale)
    return f"; so many cases find a change of {size} four times in five"


def value(number: float, scale: float | None = 1.0) -> str:
    """Return a score, or a mean of scores."""
    return percent(number) if scale == 1.0 else f"{number:,.4g}"


def change(outcome: Outcome) -> str:
    """Return the gain with its sign, and which way is better where that is not plain."""
    if outcome.scale == 1.0:
        told = points(outcome.difference)
    else:
        told = f"{outcome.difference:+,.4g}".replace("-", "−")
    if outcome.direction == "up":
        return told
    return f"{told} gained, less is better"


def bounds(outcome: Outcome) -> str:
    """Return the interval of a gain, in points where scores are shares."""
    ends = (outcome.lower, outcome.upper)
    if outcome.scale == 1.0:
        told = [f"{end * 100:+.1f}" for end in ends]
    else:
        told = [f"{end:+,.4g}" for end in ends]
    return " to ".join(told).replace("-", "−")


def margin(number: float, scale: float | None = 1.0) -> str:
    """Return the size of a margin, or of a change."""
    return f"{abs(number) * 100:.1f} points" if scale == 1.0 else f"{abs(number):,.4g}"


def margin_of(outcome: Outcome) -> str:
    """Return a verdict's margin, and what part of the baseline's mean it is by its definition."""
    told = margin(outcome.margin, outcome.scale)
    share = outcome.margin_share
    return told if share is None else f"{told}, {share * 100:g} % of the baseline's"


def spread(interval: Interval, scale: float | None = 1.0) -> str:
    """Return an average with its interval, "–" where so few scores have none."""
    if not (math.isfinite(interval.lower) and math.isfinite(interval.upper)):
        return f"{value(interval.estimate, scale)} (–)"
    if scale == 1.0:
        lower, upper = f"{interval.lower * 100:.1f}", f"{interval.upper * 100:.1f}"
    else:
        lower, upper = f"{interval.lower:,.4g}", f"{interval.upper:,.4g}"
    return f"{value(interval.estimate, scale)} ({lower} to {upper})".replace("-", "−")


def percent(number: float, digits: int = 1) -> str:
    """Return a fraction as per cent."""
    return f"{number * 100:.{digits}f} %"


def dollars(cost: float | None) -> str:
    """Return what calls cost, "–" where it is not known."""
    return "–" if cost is None else f"{cost:.4f} dollars"


def points(number: float) -> str:
    """Return a difference of fractions as signed percentage points."""
    return f"{number * 100:+.1f} points".replace("-", "−")


def needs(outcome: Outcome) -> str:
    """Return how many cases would tell, "" where it can be told or no number would do."""
    if not outcome.needs_n:
        return ""
    more = f", {outcome.missing_n:,} more" if outcome.missing_n else ""
    return f"; about {counted(outcome.needs_n, 'case')} would tell{more}"


def note(outcome: Outcome) -> str:
    """Return what the verdict does not say, in brackets."""
    return f" ({outcome.note})" if outcome.note else ""


def listed(names: list[str], most: int = 5) -> str:
    """Return names in a row, the first of them where they are many."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return one_line(", ".join(names[:most]) + more)


def one_line(value: object, length: int = _LINE_LENGTH) -> str:
    """Return any value as one short line that cannot steer a terminal."""
    text = "(no output)" if value is None else value if isinstance(value, str) else repr(value)
    # What is cut off anyway is not looked at: answers may be long.
    text = "".join(each if each.isprintable() else repr(each)[1:-1] for each in text[: length + 1])
    return shortened(text, length)
