"""How much of an answer is in an expected text: for answers that may be worded in many ways.

Each takes one expected text or several good ones, and the nearest counts. With ``at_least`` (or
``at_most``) a case passes or fails; without, it is only measured.
"""

import math
import re
import string
import unicodedata
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any, ClassVar, Literal

from headway_measures.limits import check_limit, judged
from headway_measures.references import fault_of_references, references_of
from headway_measures.scores import Answered, Direction, ScoreValue

_ARTICLES = frozenset({"a", "an", "the"})
_WORD = re.compile(r"[^\W_]+")


@dataclass(frozen=True, slots=True)
class TokenF1:
    """The harmonic mean of precision and recall of words, as SQuAD has it.

    Case, punctuation and English articles aside (Rajpurkar et al. 2016, arXiv 1606.05250).
    """

    at_least: float | None = None
    needs_expected: ClassVar[bool] = True
    direction: ClassVar[Direction] = "up"
    scale: ClassVar[float | None] = 1.0

    def __post_init__(self) -> None:
        check_limit("at_least", self.at_least, 1.0)

    def fault_of(self, expected: Any) -> str | None:
        """Return why an expected value is no text."""
        return fault_of_references(expected)

    def score(self, answered: Answered) -> ScoreValue:
        """Compare the words."""
        found = _plain_words(answered.output)
        wanted = [_plain_words(each) for each in references_of(answered.expected)]
        # Where no words are wanted, none is the right answer.
        shares = [_shared(found, each) if found or each else 1.0 for each in wanted]
        return judged(max(shares), at_least=self.at_least)


@dataclass(frozen=True, slots=True)
class Rouge:
    """The F-measure of shared words, of pairs of words, or of the longest common sequence.

    On ASCII text what the package rouge-score gives without stemming. Letters of other alphabets,
    which that package drops, count here (Lin 2004).
    """

    variant: Literal["rouge1", "rouge2", "rougeL"] = "rougeL"
    at_least: float | None = None
    needs_expected: ClassVar[bool] = True
    direction: ClassVar[Direction] = "up"
    scale: ClassVar[float | None] = 1.0

    def __post_init__(self) -> None:
        check_limit("at_least", self.at_least, 1.0)

    def fault_of(self, expected: Any) -> str | None:
        """Return why an expected value is no text."""
        return fault_of_references(expected)

    def score(self, answered: Answered) -> ScoreValue:
        """Compare the words."""
        found = _WORD.findall(answered.output.lower())
        wanted = [_WORD.findall(each.lower()) for each in references_of(answered.expected)]
        return judged(max(self._f_measure(found, each) for each in wanted), at_least=self.at_least)

    def _f_measure(self, found: list[str], wanted: list[str]) -> float:
        if self.variant == "rougeL":
            return _f_measure(_common_length(found, wanted), len(found), len(wanted))
        if self.variant == "rouge2":
            return _shared(list(pairwise(found)), list(pairwise(wanted)))
        return _shared(found, wanted)


@dataclass(frozen=True, slots=True)
class Bleu:
    """Sentence BLEU by sacrebleu, from 0 to 1: effective order, exponential smoothing.

    The mean over cases is not corpus BLEU, which ``headway_measures.bootstrap`` can compare.
    """

    tokenize: Literal["13a", "intl", "zh", "char", "none"] = "13a"
    ignore_case: bool = False
    at_least: float | None = None
    needs_expected: ClassVar[bool] = True
    direction: ClassVar[Direction] = "up"
    scale: ClassVar[float | None] = 1.0

    def __post_init__(self) -> None:
        check_limit("at_least", self.at_least, 1.0)

    def fault_of(self, expected: Any) -> str | None:
        """Return why an expected value is no text."""
        return fault_of_references(expected)

    def score(self, answered: Answered) -> ScoreValue:
        """Compare the runs of up to four words."""
        metric = _bleu(self.tokenize, self.ignore_case)
        found = metric.sentence_score(answered.output, references_of(answered.expected))
        return judged(min(found.score / 100, 1.0), at_least=self.at_least)


@dataclass(frozen=True, slots=True)
class Chrf:
    """Sentence chrF by sacrebleu, from 0 to 1; ``word_order: 2`` makes it chrF++."""

    word_order: int = 0
    ignore_case: bool = False
    at_least: float | None = None
    needs_expected: ClassVar[bool] = True
    direction: ClassVar[Direction] = "up"
    scale: ClassVar[float | None] = 1.0

    def __post_init__(self) -> None:
        check_limit("word_order", self.word_order, 4)
        check_limit("at_least", self.at_least, 1.0)

    def fault_of(self, expected: Any) -> str | None:
        """Return why an expected value is no text."""
        return fault_of_references(expected)

    def score(self, answered: Answered) -> ScoreValue:
        """Compare the runs of up to six characters."""
        metric = _chrf(self.word_order, self.ignore_case)
        found = metric.sentence_score(answered.output, references_of(answered.expected))
        return judged(min(found.score / 100, 1.0), at_least=self.at_least)


@dataclass(frozen=True, slots=True)
class EditDistance:
    """The characters to insert, delete or replace (Levenshtein).

    As a share of the longer text's length, or with ``unit: characters`` their number.
    """

    at_most: float | None = None
    ignore_case: bool = False
    unit: Literal["share", "characters"] = "share"
    strip: bool = True
    needs_expected: ClassVar[bool] = True
    direction: ClassVar[Direction] = "down"

    def __post_init__(self) -> None:
        check_limit("at_most", self.at_most, 1.0 if self.unit == "share" else math.inf)

    @property
    def scale(self) -> float | None:
        """Return 1 for shares; nothing bounds a number of characters."""
        return 1.0 if self.unit == "share" else None

    def fault_of(self, expected: Any) -> str | None:
        """Return why an expected value is no text."""
        return fault_of_references(expected)

    def score(self, answered: Answered) -> ScoreValue:
        """Count the edits, white space around the texts aside where it is stripped."""
        # Heavy only for those who use it.
        from rapidfuzz.distance import Levenshtein

        found = self._folded(answered.output)
        wanted = [self._folded(each) for each in references_of(answered.expected)]
        is_share = self.unit == "share"
        count = Levenshtein.normalized_distance if is_share else Levenshtein.distance
        nearest = min(count(found, each) for each in wanted)
        return judged(float(nearest), at_most=self.at_most)

    def _folded(self, text: str) -> str:
        text = text.strip() if self.strip else text
        return text.casefold() if self.ignore_case else text


def _plain_words(text: str) -> list[str]:
    letters = [character for character in text.lower() if not _is_punctuation(character)]
    return [word for word in "".join(letters).split() if word not in _ARTICLES]


def _is_punctuation(character: str) -> bool:
    return character in string.punctuation or unicodedata.category(character).startswith("P")


def _shared(found: Sequence[Hashable], wanted: Sequence[Hashable]) -> float:
    common = (Counter(found) & Counter(wanted)).total()
    return _f_measure(common, len(found), len(wanted))


def _f_measure(common: int, found: int, wanted: int) -> float:
    """Return 2·common / (found + wanted), which is 2PR / (P + R); nothing shares nothing."""
    return 2 * common / (found + wanted) if found + wanted else 0.0


def _common_length(found: list[str], wanted: list[str]) -> int:
    # Heavy only for those who use it.
    from rapidfuzz.distance import LCSseq

    return int(LCSseq.similarity(found, wanted))


@cache
def _bleu(tokenize: str, ignore_case: bool) -> Any:
    # Heavy only for those who use it.
    from sacrebleu.metrics.bleu import BLEU

    return BLEU(tokenize=tokenize, lowercase=ignore_case, effective_order=True)


@cache
def _chrf(word_order: int, ignore_case: bool) -> Any:
    # Heavy only for those who use it.
    from sacrebleu.metrics.chrf import CHRF

    return CHRF(word_order=word_order, lowercase=ignore_case)
