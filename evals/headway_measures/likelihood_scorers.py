"""What a model finds likely: one of several options, or a text.

A long option is less likely than a short one only because it has more tokens, so a choice can be
made by likelihood per token, per byte or per character, or by how much the prompt adds to it.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from headway_measures.limits import check_limit, judged
from headway_measures.scores import (
    PASSED,
    Answered,
    Average,
    Direction,
    LikelihoodValue,
    ScoreValue,
    failed,
    shown,
)

Normalisation = Literal["none", "tokens", "bytes", "chars", "unconditional"]


@dataclass(frozen=True, slots=True)
class Choice:
    """The likeliest option is the expected one, which is named by its text or its place from 0.

    ``none`` compares log-likelihoods as they are (lm-eval's acc); ``chars`` (acc_norm), ``bytes``
    (acc_bytes) and ``tokens`` over the option's length; ``unconditional`` (acc_mutual_info) less
    that of the option without the prompt. As with lm-eval, characters and bytes are those of the
    option as the case has it, and what parts it from the prompt counts among its tokens alone:
    where the options themselves begin with it, ``led_by`` says so.
    """

    normalise: Normalisation = "none"
    led_by: str = ""
    needs_expected: ClassVar[bool] = True
    direction: ClassVar[Direction] = "up"
    scale: ClassVar[float | None] = 1.0

    @property
    def needs_unconditional(self) -> bool:
        """Return whether the options' likelihoods without the prompt are wanted, too."""
        return self.normalise == "unconditional"

    def fault_of(self, expected: Any) -> str | None:
        """Return why an expected value cannot name an option."""
        is_place = isinstance(expected, int) and not isinstance(expected, bool) and expected >= 0
        if is_place or isinstance(expected, str):
            return None
        return f"is {shown(expected)}, neither an option's text nor its place from 0"

    def score(self, answered: Answered) -> ScoreValue:
        """Weigh the options."""
        weights = self._weights(answered)
        wanted = self._place(answered)
        likeliest = max(range(len(weights)), key=weights.__getitem__)
        if likeliest == wanted:
            return PASSED
        ahead = weights[likeliest] - weights[wanted]
        options = answered.options
        return failed(f"{shown(options[likeliest])} before {shown(options[wanted])} by {ahead:.4g}")

    def _place(self, answered: Answered) -> int:
        fault = self.fault_of(answered.expected)
        if fault is not None:
            raise TypeError(f"expected {fault}")
        if isinstance(answered.expected, int):
            places = [answered.expected] if answered.expected < len(answered.options) else []
        else:
            wanted = answered.expected.strip()
            places = [i for i, each in enumerate(answered.options) if each.strip() == wanted]
        if not places:
            raise ValueError(f"expected is {shown(answered.expected)}, which is no option")
        return places[0]

    def _weights(self, answered: Answered) -> list[float]:
        options, values = answered.options, answered.likelihoods
        sets = 2 if self.needs_unconditional else 1
        if not options or len(values) < sets * len(options):
            raise ValueError(
                f"the model gave {len(values)} likelihoods of {len(options)} options, where "
                f"normalise: {self.normalise} needs {sets} of each"
            )
        weights = [self._weight(answered, place) for place in range(len(options))]
        if any(map(math.isnan, weights)):
            raise ValueError("an option's likelihood is not a number")
        return weights

    def _weight(self, answered: Answered, place: int) -> float:
        option, value = answered.options[place], answered.likelihoods[place]
        option = option.removeprefix(self.led_by)
        if self.normalise == "unconditional":
            return value.logprob - answered.likelihoods[len(answered.options) + place].logprob
        return value.logprob / max(_LENGTHS[self.normalise](option, value), 1)


_LENGTHS: Mapping[str, Callable[[str, LikelihoodValue], int]] = {
    "none": lambda option, value: 1,
    "tokens": lambda option, value: value.token_count,
    "bytes": lambda option, value: len(option.encode()),
    "chars": lambda option, value: len(option),
}


@dataclass(frozen=True, slots=True)
class Perplexity:
    """e to the negative log-likelihood a token, byte or word, or of the whole text, at least 1.

    One text can have thousands of times another's: means are geometric, and changes are ratios.
    Per token two models compare only where they share a tokenizer. Words are those of the
    expected text, or where there is none of the input.
    """

    per: Literal["token", "byte", "word", "text"] = "token"
    at_most: float | None = None
    needs_expected: ClassVar[bool] = False
    direction: ClassVar[Direction] = "down"
    scale: ClassVar[float | None] = None
    average: ClassVar[Average] = "geometric"

    def __post_init__(self) -> None:
        check_limit("at_most", self.at_most)

    def fault_of(self, expected: Any) -> str | None:
        """Return why an expected value is no text to be found likely."""
        if expected is None or isinstance(expected, str):
            return None
        return f"is {shown(expected)}, not text"

    def score(self, answered: Answered) -> ScoreValue:
        """Take the mean over the text."""
        if not answered.likelihoods:
            raise ValueError("the model gave no likelihood of the text")
        value = answered.likelihoods[0]
        length = self._length(answered, value)
        if not length:
            raise ValueError(f"the text has no {self.per}")
        # Rounding may find a text a little likelier than certain.
        surprise = max(-value.logprob / length, 0.0)
        return judged(math.exp(surprise), at_most=self.at_most)

    def _length(self, answered: Answered, value: LikelihoodValue) -> int:
        if self.per == "token":
            return value.token_count
        if self.per == "byte":
            return value.byte_count
        if self.per == "text":
            return 1
        text = answered.input if answered.expected is None else answered.expected
        if not isinstance(text, str):
            raise TypeError(f"words are counted in text, and the input is {shown(text)}")
        return len(text.split())


@dataclass(frozen=True, slots=True)
class GreedyMatch:
    """Each token of the expected text is the model's likeliest: it would have written the text.

    lm-eval's ``acc`` of a ``loglikelihood``.
    """

    needs_expected: ClassVar[bool] = True
    direction: ClassVar[Direction] = "up"
    scale: ClassVar[float | None] = 1.0

    def fault_of(self, expected: Any) -> str | None:
        """Return why an expected value is no text to be found likely."""
        return None if isinstance(expected, str) else f"is {shown(expected)}, not text"

    def score(self, answered: Answered) -> ScoreValue:
        """Ask the model's likelihood of the text."""
        if not answered.likelihoods:
            raise ValueError("the model gave no likelihood of the text")
        if answered.likelihoods[0].is_greedy:
            return PASSED
        return failed(f"{shown(answered.expected)} is not what the model finds likeliest")
