"""The scorers by name: from a line of a suite to a judgement on an output.

    exact         the output is the expected text, or JSON of the expected value
    includes      the output holds the expected text, or every one of several
    regex         the output matches; with ``group``, the group is the expected text
    numeric       a number of the output is the expected one, within a tolerance
    json_schema   the output is JSON and keeps a schema

To add one: a frozen dataclass whose fields are its options, listed in ``SCORERS``.
"""

import dataclasses
import difflib
from collections.abc import Mapping
from typing import Any

import msgspec

from headway_measures.errors import ScorerError
from headway_measures.json_scorers import JsonSchema
from headway_measures.scores import Scorer, ScoreValue, failed
from headway_measures.text_scorers import Exact, Includes, Numeric, Regex

SCORERS: Mapping[str, type[Any]] = {
    "exact": Exact,
    "includes": Includes,
    "regex": Regex,
    "numeric": Numeric,
    "json_schema": JsonSchema,
}


def make_scorer(name: str, options: Mapping[str, Any]) -> Scorer:
    """Return the scorer of that name with these options.

    Raises:
        ScorerError: there is no such scorer, or an option is unknown or has the wrong type.
    """
    if name not in SCORERS:
        raise ScorerError(f"there is no scorer {name!r}{_hint(name, SCORERS)}")
    kind = SCORERS[name]
    known = [field.name for field in dataclasses.fields(kind)]
    for option in options:
        if option not in known:
            raise ScorerError(f"{name} has no option {option!r}{_hint(option, known)}")
    try:
        scorer: Scorer = msgspec.convert(dict(options), kind)
    except msgspec.ValidationError as error:
        raise ScorerError(f"{name}: {_plain(str(error))}") from error
    except ScorerError as error:
        raise ScorerError(f"{name}: {error}") from error
    return scorer


def score_output(
    scorers: Mapping[str, Scorer], output: str, expected: Any
) -> dict[str, ScoreValue]:
    """Apply each scorer; one that raises fails this output and says so, and no more."""
    return {name: _score(scorer, output, expected) for name, scorer in scorers.items()}


def _score(scorer: Scorer, output: str, expected: Any) -> ScoreValue:
    try:
        return scorer.score(output, expected)
    except Exception as error:  # a scorer meets any output there is; its fault marks one case
        return failed(f"the scorer raised {type(error).__name__}: {error}")


def _hint(word: str, known: Mapping[str, Any] | list[str]) -> str:
    near = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean {near[0]!r}?" if near else f"; known: {', '.join(known)}"


def _plain(message: str) -> str:
    """Return msgspec's message with its path as a suite's writer knows it."""
    message = message.replace("Expected", "expected").replace("Object ", "")
    return message.replace("$.", "").replace("`", "'")
