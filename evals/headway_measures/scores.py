"""What every scorer gives and takes: the seam between one answer and the numbers over many."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

Direction = Literal["up", "down"]
"""Which way a score gets better."""

Average = Literal["arithmetic", "geometric"]
"""What mean of scores says something: of ratios, such as perplexities, the geometric one."""


@dataclass(frozen=True, slots=True)
class LikelihoodValue:
    """How likely a model finds a text.

    Args:
        logprob: the natural logarithm of its probability, the sum over its tokens.
        token_count: how many tokens it has.
        byte_count: how many bytes it has in UTF-8.
        is_greedy: whether each of its tokens is the model's likeliest.
    """

    logprob: float
    token_count: int
    byte_count: int
    is_greedy: bool


@dataclass(frozen=True, slots=True)
class Answered:
    """What is known of one answer.

    Args:
        output: the answer; of a choice the likeliest option.
        expected: the case's expected JSON value, None where it has none.
        input: the case's input.
        options: the texts a choice was made from.
        likelihoods: see ``headway_evals.models.requests.Completion``.
        cost_usd: what the answer cost, where that is known.
        hear: gives what a judge says of a question, see ``headway_evals.judges.scorers``.
    """

    output: str
    expected: Any = None
    input: Any = None
    options: tuple[str, ...] = ()
    likelihoods: tuple[LikelihoodValue, ...] = ()
    latency_ms: float | None = None
    cost_usd: float | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    hear: Callable[[Any], Any] | None = None


@dataclass(frozen=True, slots=True)
class ScoreValue:
    """What a scorer says of one answer.

    Args:
        value: finite; from 0 to 1 unless the scorer names another scale.
        passed: whether the answer is good enough; None where the scorer only measures.
        detail: why not.
        error: why the scorer could not say; the value is then the worst, and it does not pass.
    """

    value: float
    passed: bool | None
    detail: str = ""
    error: str | None = None


class Scorer(Protocol):
    """Judges one answer."""

    @property
    def needs_expected(self) -> bool:
        """Return whether a case must say what it expects."""

    @property
    def direction(self) -> Direction:
        """Return which way its values get better."""

    @property
    def scale(self) -> float | None:
        """Return the greatest distance of two values, 1 for most; None where there is no bound."""

    def fault_of(self, expected: Any) -> str | None:
        """Return why a case cannot expect this value, or None."""

    def score(self, answered: Answered) -> ScoreValue:
        """Judge an answer."""


def average_of(scorer: Scorer | None) -> Average:
    """Return what mean of a scorer's values says something; few scorers say another than usual."""
    average: Average = getattr(scorer, "average", "arithmetic")
    return average


PASSED = ScoreValue(1.0, True)


def failed(detail: str) -> ScoreValue:
    """Return a failure with its reason."""
    return ScoreValue(0.0, False, detail)


def shown(value: object) -> str:
    """Return a value as it stands in a detail: quoted, and short enough to read."""
    try:
        return shortened(repr(value))
    except Exception as error:  # the value may be the user's own, and its repr too
        return f"<{type(value).__name__} whose repr raised {type(error).__name__}>"


def counted(count: int, noun: str) -> str:
    """Return a count with its noun: "1 case", "2,000 cases"."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def shortened(text: str, limit: int = 120) -> str:
    """Return the text, or its beginning and an ellipsis."""
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
