"""Any Python function as a scorer.

    scorers:
      - python: {call: my_checks:is_polite, at_least: 0.5}

    # my_checks.py
    def is_polite(output: str, expected: str) -> float: ...

Its arguments are picked by name from what is known of an answer: ``output``, ``expected``,
``input``, ``options``, ``likelihoods``, ``latency_ms``, ``cost_usd``, ``input_tokens``,
``output_tokens``. It returns True or False, a number, or a ``ScoreValue``.

With ``style: promptfoo`` it is called as promptfoo calls ``get_assert(output, context)``, with
``{"vars": …}`` as the context, and may return a mapping of ``pass``, ``score`` and ``reason``; a
number passes above 0, or from ``at_least`` on.
"""

import dataclasses
import importlib
import inspect
import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from headway.texts import message_of
from headway_measures.errors import ScorerError
from headway_measures.limits import check_limit, judged
from headway_measures.scores import Answered, Direction, ScoreValue, shown

_KNOWN = tuple(field.name for field in dataclasses.fields(Answered))
# What the user's module may raise. An exit is a fault too: as one it would end the run.
_FAULTS = (Exception, SystemExit)


@dataclass(frozen=True, slots=True)
class FunctionCall:
    """The options: which function, and what its numbers mean.

    Args:
        call: ``module:function``.
        needs_expected: whether each case must say what it expects.
        direction: which way its numbers get better.
        scale: the greatest number, the least being 0; None where there is no bound.
        at_least: a number below fails the case.
        at_most: a number above fails the case.
        style: who calls, and reads what comes back, like whom.
    """

    call: str
    needs_expected: bool = False
    direction: Direction = "up"
    scale: float | None = 1.0
    at_least: float | None = None
    at_most: float | None = None
    style: Literal["headway", "promptfoo"] = "headway"

    def __post_init__(self) -> None:
        if self.scale is not None and not 0 < self.scale < math.inf:
            raise ScorerError(f"scale is {self.scale}, which must be above 0; null is no bound")
        most = math.inf if self.scale is None else self.scale
        check_limit("at_least", self.at_least, most)
        check_limit("at_most", self.at_most, most)

    def load(self, folder: Path | None) -> "FunctionScorer":
        """Import the function, from the folder or of an installed module.

        Raises:
            ScorerError: it cannot be imported, or takes an argument that nobody knows.
        """
        function = _import(self.call, folder)
        if self.style == "promptfoo":
            return FunctionScorer(self, function, ())
        return FunctionScorer(self, function, _arguments_of(self.call, function))


@dataclass(frozen=True, slots=True)
class FunctionScorer:
    """A function, and the names of its arguments."""

    options: FunctionCall
    function: Callable[..., Any]
    arguments: tuple[str, ...]

    @property
    def needs_expected(self) -> bool:
        """Return what the suite says."""
        return self.options.needs_expected

    @property
    def direction(self) -> Direction:
        """Return what the suite says."""
        return self.options.direction

    @property
    def scale(self) -> float | None:
        """Return what the suite says."""
        return self.options.scale

    def fault_of(self, expected: Any) -> str | None:
        """Return None: what the function can compare with is its own matter."""

    def score(self, answered: Answered) -> ScoreValue:
        """Call the function; what it raises marks the case."""
        if self.options.style == "promptfoo":
            variables = answered.input if isinstance(answered.input, Mapping) else {}
            found = self.function(answered.output, {"vars": dict(variables)})
            return self._graded(found)
        found = self.function(**{name: getattr(answered, name) for name in self.arguments})
        if isinstance(found, ScoreValue):
            self._check(found.value)
            return found
        if isinstance(found, bool | np.bool_):
            is_high = bool(found) == (self.direction == "up")
            value = (self.scale or 1.0) if is_high else 0.0
            return ScoreValue(value, bool(found), "" if found else f"{self.options.call} says no")
        # numpy's and torch's numbers are none of Python's, and say so by __float__.
        if isinstance(found, str) or not hasattr(found, "__float__"):
            raise TypeError(
                f"{self.options.call} returned {shown(found)}, which is no number, truth value "
                "or ScoreValue"
            )
        self._check(float(found))
        return judged(float(found), at_least=self.options.at_least, at_most=self.options.at_most)

    def _graded(self, found: Any) -> ScoreValue:
        """Return what a function of promptfoo's says."""
        if isinstance(found, bool | np.bool_):
            told = "" if found else f"{self.options.call} says no"
            return ScoreValue(float(found), bool(found), told)
        if isinstance(found, Mapping):
            passed, score = found.get("pass", found.get("pass_")), found.get("score")
            if not isinstance(passed, bool) or not isinstance(score, int | float):
                raise TypeError(
                    f"{self.options.call} returned {shown(found)}, without pass or score"
                )
            least = self.options.at_least
            is_enough = least is None or score >= least
            self._check(float(score))
            return ScoreValue(float(score), passed and is_enough, str(found.get("reason", "")))
        if isinstance(found, str) or not hasattr(found, "__float__"):
            raise TypeError(f"{self.options.call} returned {shown(found)}, which is no judgement")
        value, least = float(found), self.options.at_least
        self._check(value)
        passed = value > 0 if least is None else value >= least
        return ScoreValue(value, passed, "" if passed else f"{self.options.call} says {value:.4g}")

    def _check(self, value: float) -> None:
        if self.scale is not None and not 0 <= value <= self.scale:
            raise ValueError(
                f"{self.options.call} returned {value:g}, which is not from 0 to {self.scale:g}; "
                "give its scale"
            )


def _import(call: str, folder: Path | None) -> Callable[..., Any]:
    module_name, _, path = call.partition(":")
    if not module_name or not path:
        raise ScorerError(f"call is {call!r}, which names no function: write module:function")
    # As with `python -m`: the folder comes first, now and for the function's own later imports.
    if folder is not None and str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    try:
        found: Any = importlib.import_module(module_name)
        for part in path.split("."):
            found = getattr(found, part)
    except _FAULTS as error:
        raise ScorerError(
            f"{call} cannot be imported: {type(error).__name__}: {message_of(error)}"
        ) from error
    if not callable(found):
        raise ScorerError(f"{call} is {shown(found)}, which cannot be called")
    function: Callable[..., Any] = found
    return function


def _arguments_of(call: str, function: Callable[..., Any]) -> tuple[str, ...]:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError) as error:
        raise ScorerError(f"{call} does not say what arguments it takes: {error}") from error
    starred = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    named = [each for each in parameters if each.kind not in starred]
    unknown = [each.name for each in named if not _is_given(each)]
    if unknown:
        raise ScorerError(f"{call} takes {unknown[0]!r}; known arguments: {', '.join(_KNOWN)}")
    return tuple(each.name for each in named if each.name in _KNOWN)


def _is_given(parameter: inspect.Parameter) -> bool:
    """Return whether a parameter can be passed by name, or need not be passed."""
    if parameter.name in _KNOWN:
        return parameter.kind is not parameter.POSITIONAL_ONLY
    return parameter.default is not parameter.empty
