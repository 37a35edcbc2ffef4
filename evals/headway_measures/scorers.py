"""The scorers by name: from a line of a suite to a judgement on an answer.

    exact           the output is the expected text, or JSON of the expected value
    includes        the output holds the expected text, or every one of several
    regex           the output matches; with ``group``, the group is the expected text
    numeric         a number of the output is the expected one, within a tolerance
    json_schema     the output is JSON and keeps a schema
    exact_match     the output is an expected text to the character
    starts_with     the output begins with an expected text
    fuzzy_match     the output holds an expected text, or stands within it
    json_match      the output is JSON equal to that of an expected text
    f1              words shared with the expected text
    rouge           runs of words shared with it, as for summaries
    bleu, chrf      runs of words or of characters shared with it, as for translations
    edit_distance   the share of characters to be changed to get it; less is better
    similarity      the angle to it in the space of character n-grams
    choice          the likeliest option is the expected one
    greedy_match    the expected text is what the model finds likeliest
    perplexity      how much the text surprises the model; less is better
    latency, cost   milliseconds and dollars; less is better
    python          what a function of yours says

To add one: a frozen dataclass whose fields are its options, listed in ``SCORERS``.
"""

import dataclasses
import difflib
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from headway.texts import message_of
from headway_measures.errors import ScorerError
from headway_measures.function_scorers import FunctionCall
from headway_measures.json_scorers import JsonSchema
from headway_measures.likelihood_scorers import Choice, GreedyMatch, Perplexity
from headway_measures.match_scorers import ExactMatch, FuzzyMatch, JsonMatch, StartsWith
from headway_measures.overlap_scorers import Bleu, Chrf, EditDistance, Rouge, TokenF1
from headway_measures.scores import Answered, Scorer, ScoreValue
from headway_measures.similarity_scorers import Similarity
from headway_measures.text_scorers import Exact, Includes, Numeric, Regex
from headway_measures.usage_scorers import Cost, Latency
from headway_measures.weights import Metric, taken_together

SCORERS: Mapping[str, type[Any]] = {
    "exact": Exact,
    "includes": Includes,
    "regex": Regex,
    "numeric": Numeric,
    "json_schema": JsonSchema,
    "exact_match": ExactMatch,
    "starts_with": StartsWith,
    "fuzzy_match": FuzzyMatch,
    "json_match": JsonMatch,
    "f1": TokenF1,
    "rouge": Rouge,
    "bleu": Bleu,
    "chrf": Chrf,
    "edit_distance": EditDistance,
    "similarity": Similarity,
    "choice": Choice,
    "greedy_match": GreedyMatch,
    "perplexity": Perplexity,
    "latency": Latency,
    "cost": Cost,
    "python": FunctionCall,
}

# The value of a scorer that raised, where less is better and nothing bounds it: it must be
# finite, to be written as JSON, and worse than any that is meant.
_WORST_UNBOUNDED = 1e9

# What a scorer may raise. A function's exit is a fault too: as one it would end the gate.
_FAULTS = (Exception, SystemExit)


def make_scorer(name: str, options: Mapping[str, Any], *, folder: Path | None = None) -> Scorer:
    """Return the scorer of that name with these options.

    Args:
        name: one of ``SCORERS``.
        options: the fields of its class.
        folder: where ``python`` looks for modules besides the installed ones.

    Raises:
        ScorerError: there is no such scorer, an option is unknown or has the wrong type, or a
            function cannot be imported.
    """
    if name not in SCORERS:
        raise ScorerError(f"there is no scorer {name!r}{_hint(name, SCORERS)}")
    kind = SCORERS[name]
    known = [field.name for field in dataclasses.fields(kind)]
    for option in options:
        if option not in known:
            raise ScorerError(f"{name} has no option {option!r}{_hint(option, known)}")
    try:
        made = msgspec.convert(dict(options), kind)
        scorer: Scorer = made.load(folder) if isinstance(made, FunctionCall) else made
    except msgspec.ValidationError as error:
        raise ScorerError(f"{name}: {_plain(str(error))}") from error
    except ScorerError as error:
        raise ScorerError(f"{name}: {error}") from error
    return scorer


def score_answered(scorers: Mapping[str, Scorer], answered: Answered) -> dict[str, ScoreValue]:
    """Apply each scorer; one that raises marks this answer and says so, and no more."""
    plain = {name: each for name, each in scorers.items() if not isinstance(each, Metric)}
    scores = {name: _score(scorer, answered) for name, scorer in plain.items()}
    return taken_together(scorers, scores)


def worst_value(scorer: Scorer) -> float:
    """Return what counts where a scorer has no value to give."""
    if scorer.direction == "up":
        return 0.0
    return _WORST_UNBOUNDED if scorer.scale is None else scorer.scale


def _score(scorer: Scorer, answered: Answered) -> ScoreValue:
    try:
        score = scorer.score(answered)
        if math.isfinite(score.value):
            return dataclasses.replace(score, detail=_writable(score.detail))
        fault = f"the scorer gave {score.value}, which is not a finite number"
    except _FAULTS as error:  # a scorer meets any answer there is; its fault marks one case
        fault = f"the scorer raised {type(error).__name__}: {message_of(error)}"
    return ScoreValue(worst_value(scorer), False, error=_writable(fault))


def _writable(text: str) -> str:
    """Return a text that any file takes: half a character, which answers hold, by number."""
    return text.encode(errors="backslashreplace").decode()


def _hint(word: str, known: Mapping[str, Any] | list[str]) -> str:
    near = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean {near[0]!r}?" if near else f"; known: {', '.join(known)}"


def _plain(message: str) -> str:
    """Return msgspec's message with its path as a suite's writer knows it."""
    message = message.replace("Expected", "expected").replace("Object ", "")
    return message.replace("$.", "").replace("`", "'")
