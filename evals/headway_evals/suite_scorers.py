"""The scorers of a suite file: what they are, and how each counts.

    scorers:
      - exact
      - includes: {name: apology, values: sorry, not: true, weight: 0.5, metric: tone}
      - group: {name: shape, threshold: 0.5, scorers: [{regex: {pattern: "^[a-z]+$"}}, f1]}

Every scorer takes ``name``, ``not``, ``weight``, ``metric``, ``expected`` and ``extract`` beside
its own.
"""

import hashlib
import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from headway_evals.documents import MarkedList
from headway_evals.judges.scorers import JUDGES, Pairwise, make_judge
from headway_evals.sections import Section
from headway_evals.suites import ALL_SCORERS
from headway_measures.errors import ScorerError
from headway_measures.extraction import Extracted, read_steps
from headway_measures.function_scorers import FunctionScorer
from headway_measures.scorers import make_scorer
from headway_measures.scores import Scorer, shown
from headway_measures.weights import Group, Weighed

GROUP = "group"
"""The kind that takes several scorers together."""

_GROUP_KEYS = ("scorers", "threshold")


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
        weighed = _weighed_options(kind, options)
        scorer = self._group(options) if kind == GROUP else self._make(kind, options)
        if isinstance(scorer, Pairwise) and weighed:
            raise ScorerError(f"{kind} compares two models: it has no not, weight or metric")
        scorers[name] = Weighed(scorer, **weighed) if weighed else scorer

    def _make(self, kind: str, options: Mapping[str, Any]) -> Scorer:
        options = dict(options)
        steps = options.pop("extract", None)
        if kind in JUDGES:
            if steps is not None:
                raise ScorerError(f"{kind} has extract, and a judge sees the whole answer")
            return make_judge(kind, options)
        scorer = make_scorer(kind, options, folder=self.folder)
        if isinstance(scorer, FunctionScorer):
            self.sources[scorer.options.call] = _source_digest(scorer)
        return scorer if steps is None else Extracted(scorer, read_steps(steps))

    def _group(self, options: Mapping[str, Any]) -> Group:
        for option in options:
            if option not in _GROUP_KEYS:
                raise ScorerError(
                    f"group has no option {option!r}; known: {', '.join(_GROUP_KEYS)}"
                )
        entries = options.get("scorers")
        if not isinstance(entries, Sequence) or isinstance(entries, str):
            raise ScorerError(f"group has scorers {shown(entries)}, which is not a list")
        scorers: dict[str, Scorer] = {}
        for entry in entries:
            self._add(scorers, entry)
        if any(isinstance(each, Pairwise) for each in scorers.values()):
            raise ScorerError("group has pairwise, which compares two models and no answer alone")
        return Group(scorers, options.get("threshold"))


def _weighed_options(kind: str, options: dict[str, Any]) -> dict[str, Any]:
    """Take off the options that every scorer has; return those that were given."""
    found: dict[str, Any] = {}
    is_negated, weight = options.pop("not", None), options.pop("weight", None)
    metric, expected = options.pop("metric", None), options.pop("expected", None)
    if not isinstance(is_negated, bool | None):
        raise ScorerError(f"{kind} has not: {shown(is_negated)}, which is not true or false")
    if isinstance(weight, bool) or not isinstance(weight, int | float | None):
        raise ScorerError(f"{kind} has weight {shown(weight)}, which is not a number")
    if not isinstance(metric, str | None) or metric in ("", ALL_SCORERS):
        raise ScorerError(f"{kind} has metric {shown(metric)}, which is no name")
    if is_negated:
        found["is_negated"] = True
    if weight is not None:
        found["weight"] = float(weight)
    if metric is not None:
        found["metric"] = metric
    if expected is not None:
        found["expected"] = expected
    return found


def _source_digest(scorer: FunctionScorer) -> str:
    """Return a digest of the module that a function stands in; "" where it is not written there."""
    try:
        path = inspect.getsourcefile(inspect.unwrap(scorer.function))
        return hashlib.sha256(Path(path or "").read_bytes()).hexdigest()
    except (TypeError, OSError):  # built in, compiled, or made on the fly
        return ""
