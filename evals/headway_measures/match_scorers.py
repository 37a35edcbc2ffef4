"""Answers held against one expected text or several, by the rules of other evaluation tools.

Each takes one expected text or a list of good ones, of which any will do.
"""

import json
import re
import string
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from headway_measures.patterns import compiled, replaced
from headway_measures.references import fault_of_references, references_of
from headway_measures.scores import PASSED, Answered, Direction, ScoreValue, failed, shown

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)
_NO_DIGITS = str.maketrans("", "", string.digits)


@dataclass(frozen=True, slots=True)
class StartsWith:
    """The output begins with any of ``values``, or of the case's expected texts.

    To the character: OpenAI evals' ``Match`` and promptfoo's ``starts-with``.
    """

    values: str | tuple[str, ...] = ()
    ignore_case: bool = False
    direction: ClassVar[Direction] = "up"
    scale: ClassVar[float | None] = 1.0

    @property
    def needs_expected(self) -> bool:
        """Return whether it is the case that says how an answer begins."""
        return not self.values

    def fault_of(self, expected: Any) -> str | None:
        """Return why an expected value is no beginning."""
        return fault_of_references(expected) if self.needs_expected else None

    def score(self, answered: Answered) -> ScoreValue:
        """Compare the beginnings."""
        wanted = references_of(self.values or answered.expected)
        output = answered.output.casefold() if self.ignore_case else answered.output
        for each in wanted:
            if output.startswith(each.casefold() if self.ignore_case else each):
                return PASSED
        return failed(f"{shown(answered.output)} begins with none of {shown(wanted)}")


@dataclass(frozen=True, slots=True)
class ExactMatch:
    """The output is an expected text to the character, white space included.

    What is named is taken out of both before: matches of the patterns of ``ignore``, then the
    difference of case, then ASCII punctuation and digits. As the metric of that name of Hugging
    Face's evaluate and of lm-eval; ``exact`` trims white space and knows JSON.
    """

    ignore: tuple[str, ...] = ()
    ignore_case: bool = False
    ignore_punctuation: bool = False
    ignore_numbers: bool = False
    needs_expected: ClassVar[bool] = True
    direction: ClassVar[Direction] = "up"
    scale: ClassVar[float | None] = 1.0

    def __post_init__(self) -> None:
        for pattern in self.ignore:
            compiled(pattern)

    def fault_of(self, expected: Any) -> str | None:
        """Return why an expected value is no text."""
        return fault_of_references(expected)

    def score(self, answered: Answered) -> ScoreValue:
        """Compare."""
        found = self._reduced(answered.output)
        if any(found == self._reduced(each) for each in references_of(answered.expected)):
            return PASSED
        return failed(f"{shown(found)} is not {shown(answered.expected)}")

    def _reduced(self, text: str) -> str:
        for pattern in self.ignore:
            text = replaced(pattern, "", text)
        if self.ignore_case:
            text = text.lower()
        if self.ignore_punctuation:
            text = text.translate(_NO_PUNCTUATION)
        return text.translate(_NO_DIGITS) if self.ignore_numbers else text


@dataclass(frozen=True, slots=True)
class FuzzyMatch:
    """The output holds an expected text or stands within it: OpenAI evals' ``FuzzyMatch``.

    Case, ASCII punctuation, English articles and runs of white space aside. An empty text is only
    within an empty one.
    """

    needs_expected: ClassVar[bool] = True
    direction: ClassVar[Direction] = "up"
    scale: ClassVar[float | None] = 1.0

    def fault_of(self, expected: Any) -> str | None:
        """Return why an expected value is no text."""
        return fault_of_references(expected)

    def score(self, answered: Answered) -> ScoreValue:
        """Look for one in the other."""
        found = _plain(answered.output)
        for each in references_of(answered.expected):
            wanted = _plain(each)
            if found == wanted or (found and wanted and (found in wanted or wanted in found)):
                return PASSED
        return failed(f"neither of {shown(found)} and {shown(answered.expected)} holds the other")


@dataclass(frozen=True, slots=True)
class JsonMatch:
    """The output is JSON equal to any expected text's JSON: OpenAI evals' ``JsonMatch``.

    A null is never right, and a key whose value is null is as good as missing, which is wrong.
    """

    needs_expected: ClassVar[bool] = True
    direction: ClassVar[Direction] = "up"
    scale: ClassVar[float | None] = 1.0

    def fault_of(self, expected: Any) -> str | None:
        """Return why an expected value is no JSON text."""
        if fault := fault_of_references(expected):
            return fault
        for each in references_of(expected):
            try:
                json.loads(each)
            except (ValueError, RecursionError) as error:
                return f"is {shown(each)}, which is not JSON: {error}"
        return None

    def score(self, answered: Answered) -> ScoreValue:
        """Parse and compare."""
        try:
            found = json.loads(answered.output)
        except (ValueError, RecursionError) as error:
            return failed(f"not JSON: {error}")
        wanted = [json.loads(each) for each in references_of(answered.expected)]
        if any(_is_equal(found, each) for each in wanted):
            return PASSED
        return failed(f"{shown(answered.output)} is not the JSON of {shown(answered.expected)}")


def _is_equal(found: Any, wanted: Any) -> bool:
    if found is None or wanted is None:
        return False
    if isinstance(found, Mapping) and isinstance(wanted, Mapping):
        keys = found.keys() | wanted.keys()
        return all(_is_equal(found.get(key), wanted.get(key)) for key in keys)
    if isinstance(found, list) and isinstance(wanted, list):
        return len(found) == len(wanted) and all(map(_is_equal, found, wanted))
    return bool(found == wanted)


def _plain(text: str) -> str:
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_NO_PUNCTUATION)).split())
