"""The parts of a suite file that stand on their own: scorers, generation, gates, few-shot."""

import hashlib
import inspect
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

from headway_evals.documents import MarkedDict, MarkedList
from headway_evals.examples import DEFAULT_SEPARATOR, Example, FewShot, Style, drawn
from headway_evals.margins import read_margin
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
from headway_measures.errors import ScorerError
from headway_measures.function_scorers import FunctionScorer
from headway_measures.scorers import make_scorer
from headway_measures.scores import Scorer, average_of, shown
from headway_measures.verdicts import Margin

_USUAL_EXAMPLES = 5


@dataclass(frozen=True, slots=True)
class ScorerReader:
    """Reads the scorers of a suite and of its cases.

    Args:
        folder: where ``python`` looks for modules besides the installed ones.

    Attributes:
        sources: a digest of the module of each function that scores.
    """

    folder: Path
    sources: dict[str, str] = field(default_factory=dict)

    def read(self, section: Section) -> dict[str, Scorer]:
        """Return scorers by name.

        An entry is a scorer's kind, or ``kind: {options}``; the option ``name`` tells two of one
        kind apart.
        """
        scorers: dict[str, Scorer] = {}
        entries = section.get("scorers", MarkedList, MarkedList())
        for line, entry in zip(entries.lines, entries, strict=True):
            try:
                self._add(scorers, entry)
            except ScorerError as error:
                section.faults.add(section.path, line, f"{section.title}: {error}")
        return scorers

    def _add(self, scorers: dict[str, Scorer], entry: Any) -> None:
        one = {entry: None} if isinstance(entry, str) else entry
        if not isinstance(one, Mapping) or len(one) != 1:
            told = "is neither a name nor one name with its options"
            raise ScorerError(f"scorer {shown(entry)} {told}")
        ((kind, given),) = one.items()
        if not isinstance(given, Mapping | None):
            raise ScorerError(f"{kind} has {shown(given)} where its options belong")
        options = dict(given or {})
        name = str(options.pop("name", kind))
        if name == ALL_SCORERS:
            raise ScorerError(f"a scorer cannot be called {ALL_SCORERS!r}, which means all of them")
        if name in scorers:
            raise ScorerError(f"two scorers are called {name!r}; give one another name: …")
        scorer = scorers[name] = make_scorer(kind, options, folder=self.folder)
        if isinstance(scorer, FunctionScorer):
            self.sources[scorer.options.call] = _source_digest(scorer)


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


def read_gates(document: Section, scorers: Mapping[str, Scorer]) -> tuple[Gate, ...]:
    """Return the gates, of which there is at least one.

    Args:
        document: the suite, with ``gate`` or ``gates``.
        scorers: those of all cases by name; a gate's is one of them, or ``all``.
    """
    entries = document.get("gates", MarkedList, MarkedList())
    if "gates" not in document.values:
        return (_read_gate(document.section("gate", "gate"), scorers),)
    if "gate" in document.values:
        document.fault("gates", "has both gate and gates: keep one")
    gates: list[Gate] = []
    for place, (line, values) in enumerate(zip(entries.lines, entries, strict=True), start=1):
        if not isinstance(values, MarkedDict):
            document.faults.add(document.path, line, f"gate {place} is {shown(values)}, no mapping")
            continue
        title = f"gate {str(values.get('name') or values.get('scorer') or place)!r}"
        gate = _read_gate(Section(values, document.path, title, document.faults), scorers)
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


def read_style(section: Section, default: Style) -> Style:
    """Return whether examples are text or turns."""
    style = section.get("as", str, default)
    if style not in get_args(Style):
        section.fault("as", f"has as {style!r}; known: {', '.join(get_args(Style))}")
    return "turns" if style == "turns" else "text"


def _read_gate(section: Section, scorers: Mapping[str, Scorer]) -> Gate:
    """Return a gate; its scorer must be one of ``scorers`` or ``all``."""
    section.check_keys(("name", "scorer", "margin", "alpha", "min_n", "slices"))
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
    )


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


def _source_digest(scorer: FunctionScorer) -> str:
    """Return a digest of the module that a function stands in; "" where it is not written there."""
    try:
        path = inspect.getsourcefile(inspect.unwrap(scorer.function))
        return hashlib.sha256(Path(path or "").read_bytes()).hexdigest()
    except (TypeError, OSError):  # built in, compiled, or made on the fly
        return ""
