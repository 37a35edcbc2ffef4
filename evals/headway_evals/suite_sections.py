"""The parts of a suite file that stand on their own: scorers, generation, gate."""

from collections.abc import Collection, Mapping
from typing import Any, get_args

from headway_evals.documents import MarkedDict, MarkedList
from headway_evals.sections import Section
from headway_evals.suites import (
    ALL_SCORERS,
    DEFAULT_GATE,
    DEFAULT_GENERATION,
    Gate,
    Generation,
    Slices,
)
from headway_measures.errors import ScorerError
from headway_measures.scorers import make_scorer
from headway_measures.scores import Scorer, shown
from headway_measures.verdicts import Margin


def read_scorers(section: Section) -> dict[str, Scorer]:
    """Return the scorers of a suite or a case by name.

    An entry is a scorer's kind, or ``kind: {options}``; the option ``name`` tells two of one
    kind apart.
    """
    scorers: dict[str, Scorer] = {}
    entries = section.get("scorers", MarkedList, MarkedList())
    for line, entry in zip(entries.lines, entries, strict=True):
        try:
            _add_scorer(scorers, entry)
        except ScorerError as error:
            section.faults.add(section.path, line, f"{section.title}: {error}")
    return scorers


def read_generation(section: Section) -> Generation:
    """Return how answers are to be generated."""
    section.check_keys(("max_new_tokens", "stop"))
    most = section.get("max_new_tokens", int, DEFAULT_GENERATION.max_new_tokens)
    if most < 1:
        section.fault("max_new_tokens", f"has max_new_tokens {most}, which must be at least 1")
    stop = section.texts("stop")
    if "" in stop:
        section.fault("stop", "has an empty stop text, which would end every answer at once")
    return Generation(most, stop)


def read_gate(section: Section, scorers: Collection[str]) -> Gate:
    """Return the gate; its scorer must be one of ``scorers`` or ``all``."""
    section.check_keys(("scorer", "margin", "alpha", "min_n", "slices"))
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
    return Gate(
        scorer=scorer,
        margin=_read_margin(section),
        alpha=alpha,
        min_n=min_n,
        slices="none" if slices == "none" else "tags",
    )


def _add_scorer(scorers: dict[str, Scorer], entry: Any) -> None:
    one = {entry: None} if isinstance(entry, str) else entry
    if not isinstance(one, Mapping) or len(one) != 1:
        raise ScorerError(f"scorer {shown(entry)} is neither a name nor one name with its options")
    ((kind, given),) = one.items()
    if not isinstance(given, Mapping | None):
        raise ScorerError(f"{kind} has {shown(given)} where its options belong")
    options = dict(given or {})
    name = str(options.pop("name", kind))
    if name == ALL_SCORERS:
        raise ScorerError(f"a scorer cannot be called {ALL_SCORERS!r}, which means all of them")
    if name in scorers:
        raise ScorerError(f"two scorers are called {name!r}; give one another name: …")
    scorers[name] = make_scorer(kind, options)


def _read_margin(section: Section) -> Margin:
    if isinstance(section.values.get("margin"), MarkedDict):
        inner = section.section("margin", "margin")
        inner.check_keys(("value", "hard"))
        value = inner.number("value", DEFAULT_GATE.margin.value)
        margin = Margin(value, inner.get("hard", bool, False))
    else:
        margin = Margin(section.number("margin", DEFAULT_GATE.margin.value))
    if not 0 <= margin.value < 1:
        section.fault(
            "margin", f"has margin {margin.value}, which must be a fraction: 0.05 is 5 points"
        )
    return margin
