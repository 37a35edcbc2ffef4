"""A suite as a value: its cases, what a model is asked in them, and when a candidate passes.

``headway_evals.suite_files`` reads suites from disk and checks them there, so that whoever holds
a ``Suite`` can rely on it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from headway_evals.examples import Framing
from headway_evals.judges.budgets import Budget
from headway_evals.prompts import Prompt
from headway_evals.quarantines import Quarantine
from headway_measures.scores import Average, Scorer, average_of
from headway_measures.verdicts import Margin

ALL_SCORERS = "all"
"""The gate's scorer for which a case passes when each of its own scorers does."""

DEFAULT_MARGIN = Margin(0.05)

Slices = Literal["tags", "none"]

Asking = Literal["generate", "choice", "likelihood", "perplexity"]
"""What a model does in each case: answer, weigh the case's choices, weigh the expected text after
the prompt, or weigh the prompt itself."""


@dataclass(frozen=True, slots=True)
class Generation:
    """How long an answer may be, what ends it, and what is drawn; see ``requests.Generate``."""

    max_new_tokens: int = 256
    stop: tuple[str, ...] = ()
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0


DEFAULT_GENERATION = Generation()
DEFAULT_FRAMING = Framing()
NO_BUDGET = Budget()


@dataclass(frozen=True, slots=True)
class Gate:
    """When a candidate passes against a baseline.

    Args:
        scorer: ``all``, or the name of the scorer whose values are compared.
        margin: the drop that still passes, in the unit of the scores.
        alpha: intervals miss with this probability; slices count below this q-value.
        min_n: slices of fewer cases get no verdict.
        slices: whether each tag is a slice of its own.
        name: what tells a suite's gates apart; "" where nobody gave one.
        is_relative: whether the margin is a share of what the baseline scores in the mean.
        estimate: what several answers to one case come to; see ``repeated_cases``.
    """

    scorer: str = ALL_SCORERS
    margin: Margin = DEFAULT_MARGIN
    alpha: float = 0.05
    min_n: int = 10
    slices: Slices = "tags"
    name: str = ""
    is_relative: bool = False
    estimate: str = "mean"


DEFAULT_GATE = Gate()


def named(gates: Sequence[Gate]) -> tuple[Gate, ...]:
    """Return the gates, each under a name of its own: that of its scorer, where it has none.

    The second unnamed gate of a scorer is ``exact 2``.
    """
    given = {gate.name for gate in gates if gate.name}
    taken: set[str] = set()
    return tuple(_named(gate, given, taken) for gate in gates)


def _named(gate: Gate, given: set[str], taken: set[str]) -> Gate:
    name, number = gate.name or gate.scorer, 1
    while name in taken or (not gate.name and name in given):
        number += 1
        name = f"{gate.name or gate.scorer} {number}"
    taken.add(name)
    return replace(gate, name=name)


@dataclass(frozen=True, slots=True)
class Case:
    """One input, what is expected of it, and its scorers by name.

    ``cluster`` names what it shares with other cases (a document, a conversation): such cases
    count as one piece of evidence as far as they move together. ``choices`` are the options of a
    multiple choice. A case that ``must_pass`` fails the gate alone, once it failed for the
    candidate only. ``sample`` counts the answers to one question that is asked several times.
    ``threshold`` is what the mean of its scores has to reach; without it every scorer has to pass.
    A case in ``quarantine`` is in no gate until its day.
    """

    case_id: str
    input: Any
    expected: Any = None
    tags: tuple[str, ...] = ()
    cluster: str | None = None
    scorers: Mapping[str, Scorer] = field(default_factory=dict)
    choices: tuple[str, ...] = ()
    must_pass: bool = False
    quarantine: Quarantine | None = None
    sample: int = 0
    threshold: float | None = None


@dataclass(frozen=True, slots=True)
class Suite:
    """A set of cases under a version, which is a digest of all that results depend on.

    ``judging`` bounds what its judges may cost in a run; ``labels`` is the file of what people say
    of answers.
    """

    name: str
    version: str
    cases: tuple[Case, ...]
    description: str = ""
    framing: Framing = DEFAULT_FRAMING
    generation: Generation = DEFAULT_GENERATION
    gates: tuple[Gate, ...] = (DEFAULT_GATE,)
    ask: Asking = "generate"
    judging: Budget = NO_BUDGET
    labels: Path | None = None

    @property
    def gate(self) -> Gate:
        """Return the first gate."""
        return self.gates[0]

    @property
    def scale(self) -> float | None:
        """Return the greatest distance of two scores of the first gate, None without a bound."""
        scorer = self._gates_scorer
        return 1.0 if scorer is None else scorer.scale

    @property
    def average(self) -> Average:
        """Return which mean of the first gate's scores says something."""
        return average_of(self._gates_scorer)

    @property
    def _gates_scorer(self) -> Scorer | None:
        scorers = (case.scorers.get(self.gate.scorer) for case in self.cases)
        return next((each for each in scorers if each is not None), None)

    def prompt(self, case: Case) -> Prompt:
        """Return what a model is asked in a case."""
        return self.framing.prompt(case.input)
