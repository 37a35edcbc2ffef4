"""A suite as a value: its cases, what a model is asked in them, and when a candidate passes.

``headway_evals.suite_files`` reads suites from disk and checks them there, so that whoever holds
a ``Suite`` can rely on it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from headway_evals.prompts import Prompt, render_prompt
from headway_measures.scores import Scorer
from headway_measures.verdicts import Margin

ALL_SCORERS = "all"
"""The gate's scorer for which a case passes when each of its own scorers does."""

DEFAULT_MARGIN = Margin(0.05)

Slices = Literal["tags", "none"]


@dataclass(frozen=True, slots=True)
class Generation:
    """How long an answer may be, and what ends it. Decoding is greedy."""

    max_new_tokens: int = 256
    stop: tuple[str, ...] = ()


DEFAULT_GENERATION = Generation()


@dataclass(frozen=True, slots=True)
class Gate:
    """When a candidate passes against a baseline.

    Args:
        scorer: ``all``, or the name of the scorer whose values are compared.
        margin: the drop that still passes.
        alpha: intervals miss with this probability; slices count below this q-value.
        min_n: slices of fewer cases get no verdict.
        slices: whether each tag is a slice of its own.
    """

    scorer: str = ALL_SCORERS
    margin: Margin = DEFAULT_MARGIN
    alpha: float = 0.05
    min_n: int = 10
    slices: Slices = "tags"


DEFAULT_GATE = Gate()


@dataclass(frozen=True, slots=True)
class Case:
    """One input, what is expected of it, and its scorers by name.

    ``cluster`` names what it shares with other cases (a document, a conversation): such cases
    count as one piece of evidence as far as they move together.
    """

    case_id: str
    input: Any
    expected: Any = None
    tags: tuple[str, ...] = ()
    cluster: str | None = None
    scorers: Mapping[str, Scorer] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Suite:
    """A set of cases under a version, which is a digest of all that results depend on."""

    name: str
    version: str
    cases: tuple[Case, ...]
    description: str = ""
    template: Prompt = "{input}"
    generation: Generation = DEFAULT_GENERATION
    gate: Gate = DEFAULT_GATE

    def prompt(self, case: Case) -> Prompt:
        """Return what a model is asked in a case."""
        return render_prompt(self.template, case.input)
