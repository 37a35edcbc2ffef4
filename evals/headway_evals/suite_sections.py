"""The parts of a suite file that stand on their own: generation, gates, few-shot."""

import math
from collections.abc import Mapping, Sequence
from typing import get_args

from headway_evals.documents import MarkedDict, MarkedList
from headway_evals.examples import DEFAULT_SEPARATOR, Example, FewShot, Style, drawn
from headway_evals.judges.budgets import Budget
from headway_evals.margins import read_margin
from headway_evals.repeated_cases import MEAN, read_estimate
from headway_evals.sections import Section
from headway_evals.suites import (
    ALL_SCORERS,
    DEFAULT_GATE,
    DEFAULT_GENERATION,
    Gate,
    Generation,
    Slices,
    named,
)
from headway_measures.scores import Scorer, average_of, shown
from headway_measures.verdicts import Margin

_USUAL_EXAMPLES = 5


def read_generation(section: Section) -> Generation:
    """Return how answers are to be generated."""
    section.check_keys(("max_new_tokens", "stop", "temperature", "top_p", "seed"))
    most = section.get("max_new_tokens", int, DEFAULT_GENERATION.max_new_tokens)
    if most < 1:
        section.fault("max_new_tokens", f"has max_new_tokens {most}, which must be at least 1")
    stop = section.texts("stop")
    if "" in stop:
        section.fault("stop", "has an empty stop text, which would end every answer at once")
    temperature = section.number("temperature", DEFAULT_GENERATION.temperature)
    if not 0 <= temperature < math.inf:
        section.fault("temperature", f"has temperature {temperature}, which must be 0 or more")
    top_p = section.number("top_p", DEFAULT_GENERATION.top_p)
    if not 0 < top_p <= 1:
        section.fault("top_p", f"has top_p {top_p}, which must be above 0 and at most 1")
    seed = section.get("seed", int, DEFAULT_GENERATION.seed)
    return Generation(most, stop, temperature, top_p, seed)


def read_gates(
    document: Section, scorers: Mapping[str, Scorer], repeats: int = 1
) -> tuple[Gate, ...]:
    """Return the gates, of which there is at least one.

    Args:
        document: the suite, with ``gate`` or ``gates``.
        scorers: those of all cases by name; a gate's is one of them, or ``all``.
        repeats: how often each case is asked.
    """
    entries = document.get("gates", MarkedList, MarkedList())
    if "gates" not in document.values:
        return (_read_gate(document.section("gate", "gate"), scorers, repeats),)
    if "gate" in document.values:
        document.fault("gates", "has both gate and gates: keep one")
    gates: list[Gate] = []
    for place, (line, values) in enumerate(zip(entries.lines, entries, strict=True), start=1):
        if not isinstance(values, MarkedDict):
            document.faults.add(document.path, line, f"gate {place} is {shown(values)}, no mapping")
            continue
        title = f"gate {str(values.get('name') or values.get('scorer') or place)!r}"
        gate = _read_gate(Section(values, document.path, title, document.faults), scorers, repeats)
        if gate.name and gate.name in [each.name for each in gates]:
            document.faults.add(document.path, line, f"{title} stands twice; give one a name: …")
        gates.append(gate)
    if not gates:
        document.fault("gates", "has no gates")
        return (DEFAULT_GATE,)
    return named(gates)


def read_few_shot(
    section: Section, examples: Sequence[Example], style: Style, *, is_own: bool
) -> FewShot:
    """Return the examples that stand before each case.

    Args:
        section: the options.
        examples: all there are to choose from.
        style: whether they are text or turns.
        is_own: whether they are the suite's own cases, of which one is always left out.
    """
    most = max(len(examples) - is_own, 0)
    count = section.get("count", int, max(1, min(_USUAL_EXAMPLES, most)))
    if count < 1:
        section.fault("count", f"has count {count}, which must be at least 1")
    elif count > most:
        section.fault("count", f"has count {count}, and there are {most} to choose from")
    seed = None if section.values.get("seed") is None else section.get("seed", int, 0)
    return FewShot(
        tuple(examples if seed is None else drawn(examples, seed)),
        count,
        style,
        section.get("separator", str, DEFAULT_SEPARATOR),
    )


def read_budget(section: Section) -> Budget:
    """Return what a run's judges may cost."""
    section.check_keys(("max_calls", "max_cost_usd"))
    calls = section.get("max_calls", int, 0) if "max_calls" in section.values else None
    cost = section.number("max_cost_usd", 0.0) if "max_cost_usd" in section.values else None
    if calls is not None and calls < 1:
        section.fault("max_calls", f"has max_calls {calls}, which must be at least 1")
    if cost is not None and not 0 < cost < math.inf:
        section.fault("max_cost_usd", f"has max_cost_usd {cost}, which must be above 0")
    return Budget(calls, cost)


def read_style(section: Section, default: Style) -> Style:
    """Return whether examples are text or turns."""
    style = section.get("as", str, default)
    if style not in get_args(Style):
        section.fault("as", f"has as {style!r}; known: {', '.join(get_args(Style))}")
    return "turns" if style == "turns" else "text"


def _read_gate(section: Section, scorers: Mapping[str, Scorer], repeats: int) -> Gate:
    """Return a gate; its scorer must be one of ``scorers`` or ``all``."""
    section.check_keys(("name", "scorer", "margin", "alpha", "min_n", "slices", "estimate"))
    scorer = section.get("scorer", str, DEFAULT_GATE.scorer)
    if scorer not in (ALL_SCORERS, *scorers):
        known = ", ".join([ALL_SCORERS, *sorted(scorers)])
        section.fault("scorer", f"has scorer {scorer!r}, which no case has; known: {known}")
    alpha = section.number("alpha", DEFAULT_GATE.alpha)
    if not 0 < alpha < 0.5:
        section.fault("alpha", f"has alpha {alpha}, which must lie between 0 and 0.5")
    min_n = section.get("min_n", int, DEFAULT_GATE.min_n)
    if min_n < 1:
        section.fault("min_n", f"has min_n {min_n}, which must be at least 1")
    slices = section.get("slices", str, DEFAULT_GATE.slices)
    if slices not in get_args(Slices):
        section.fault("slices", f"has slices {slices!r}; known: {', '.join(get_args(Slices))}")
    margin, is_relative = _read_margin(section, scorer, scorers)
    return Gate(
        scorer=scorer,
        margin=margin,
        alpha=alpha,
        min_n=min_n,
        slices="none" if slices == "none" else "tags",
        name=section.get("name", str, ""),
        is_relative=is_relative,
        estimate=_read_estimate(section, scorer, scorers, repeats),
    )


def _read_estimate(
    section: Section, scorer: str, scorers: Mapping[str, Scorer], repeats: int
) -> str:
    """Return what the answers to one case come to; it must fit how often each is asked."""
    text = section.get("estimate", str, MEAN)
    try:
        estimate = read_estimate(text)
    except ValueError as error:
        section.fault("estimate", str(error))
        return MEAN
    if estimate is None:
        return MEAN
    if estimate.k > repeats:
        told = f"has estimate {text}, and each case is asked {repeats} times: raise repeats"
        section.fault("estimate", told)
    if scorer in scorers and scorers[scorer].scale is None:
        section.fault("estimate", f"has estimate {text} of {scorer}, by which no answer passes")
    return text


def _read_margin(
    section: Section, scorer: str, scorers: Mapping[str, Scorer]
) -> tuple[Margin, bool]:
    """Return the margin, and whether it is relative."""
    scale = scorers[scorer].scale if scorer in scorers else 1.0
    average = average_of(scorers.get(scorer))
    given, is_hard = section.values.get("margin"), False
    if isinstance(given, MarkedDict):
        inner = section.section("margin", "margin")
        inner.check_keys(("value", "hard"))
        given, is_hard = inner.values.get("value"), inner.get("hard", bool, False)
    if given is None and scale is None:
        unit = "" if average == "geometric" else "in the unit of the scores, or "
        section.fault(
            "margin",
            f"has no margin, and {scorer} has no usual one: give it {unit}as a part of the "
            "baseline's mean, such as 10%",
        )
        return DEFAULT_GATE.margin, False
    try:
        value, is_relative = read_margin(
            DEFAULT_GATE.margin.value if given is None else given, scale, average
        )
    except ValueError as error:
        section.fault("margin", str(error))
        return DEFAULT_GATE.margin, False
    return Margin(value, is_hard), is_relative
