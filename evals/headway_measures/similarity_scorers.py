"""How near an answer is to an expected text where nothing may be downloaded.

The texts become vectors of their character n-grams, hashed, so that no vocabulary is fitted and
none goes stale. It tells the same words in another order, or with another ending, from other
words; it does not know synonyms.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

from headway_measures.limits import check_limit, judged
from headway_measures.references import fault_of_references, references_of
from headway_measures.scores import Answered, Direction, ScoreValue

REPRESENTATION = "char_wb 3-5, 2^18, l2"
"""What the vectors are made of; values of two representations are not to be compared."""


@dataclass(frozen=True, slots=True)
class Similarity:
    """The cosine of the two texts' vectors, from 0 to 1; the nearest of several texts counts."""

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
        """Compare the vectors."""
        references = references_of(answered.expected)
        if answered.output in references:
            return judged(1.0, at_least=self.at_least)
        rows = _vectorizer().transform([answered.output, *references])
        cosines = (rows[1:] @ rows[0].T).toarray()
        return judged(min(float(cosines.max()), 1.0), at_least=self.at_least)


@cache
def _vectorizer() -> Any:
    # Heavy only for those who use it.
    from sklearn.feature_extraction.text import HashingVectorizer

    return HashingVectorizer(
        analyzer="char_wb", ngram_range=(3, 5), n_features=2**18, alternate_sign=False, norm="l2"
    )
