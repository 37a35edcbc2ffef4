import math
from typing import Any, Literal

import pytest

from headway_measures.likelihood_scorers import Choice
from headway_measures.scorers import make_scorer, score_answered
from headway_measures.scores import Answered, LikelihoodValue, ScoreValue

OPTIONS = (" yes", " no, not at all", " né")
# Each of the three wins by another measure of length.
WITH_PROMPT = (
    LikelihoodValue(-2.0, token_count=1, byte_count=4, is_greedy=True),
    LikelihoodValue(-6.0, token_count=5, byte_count=15, is_greedy=False),
    LikelihoodValue(-3.0, token_count=2, byte_count=9, is_greedy=False),
)
WITHOUT_PROMPT = (
    LikelihoodValue(-1.0, token_count=1, byte_count=4, is_greedy=True),
    LikelihoodValue(-6.5, token_count=5, byte_count=15, is_greedy=False),
    LikelihoodValue(-9.0, token_count=2, byte_count=9, is_greedy=False),
)


def score(
    name: str,
    expected: Any = None,
    likelihoods: tuple[LikelihoodValue, ...] = WITH_PROMPT,
    *,
    input: Any = "",
    **options: Any,
) -> ScoreValue:
    answered = Answered(
        "", expected, input, options=OPTIONS if name == "choice" else (), likelihoods=likelihoods
    )
    return score_answered({name: make_scorer(name, options)}, answered)[name]


@pytest.mark.parametrize(
    ("normalise", "likeliest"),
    [("none", 0), ("tokens", 1), ("bytes", 1), ("chars", 1), ("unconditional", 2)],
)
def test_a_choice_is_made_by_the_length_that_it_is_told(normalise: str, likeliest: int) -> None:
    likelihoods = WITH_PROMPT + WITHOUT_PROMPT

    values = [score("choice", place, likelihoods, normalise=normalise).value for place in range(3)]

    assert values == [float(place == likeliest) for place in range(3)]


@pytest.mark.parametrize(
    ("normalise", "logprobs", "likeliest"),
    [
        # -2.9/3 is above -2/2; with the space before each, -2.9/4 would not be above -2/3.
        ("bytes", (-2.0, -2.9), 1),
        ("bytes", (-2.0, -3.1), 0),
        # "né" has 2 characters and 3 bytes.
        ("chars", (-2.0, -2.9), 1),
        ("chars", (-2.0, -3.1), 0),
    ],
)
def test_the_delimiter_before_an_option_has_no_part_in_its_length(
    normalise: Literal["bytes", "chars"], logprobs: tuple[float, float], likeliest: int
) -> None:
    options = ("no", "yes") if normalise == "bytes" else ("né", "yes")
    values = tuple(
        LikelihoodValue(logprob, 1, len(f" {option}".encode()), is_greedy=False)
        for option, logprob in zip(options, logprobs, strict=True)
    )

    found = Choice(normalise).score(Answered("", likeliest, options=options, likelihoods=values))

    assert found.passed


def test_an_option_is_named_by_its_text_or_its_place() -> None:
    assert score("choice", "yes").passed
    assert score("choice", 0).passed
    assert score("choice", "né").detail == "' yes' before ' né' by 1"


@pytest.mark.parametrize(
    ("expected", "normalise", "fault"),
    [
        (3, "none", "expected is 3, which is no option"),
        ("maybe", "none", "expected is 'maybe', which is no option"),
        (0, "unconditional", "3 likelihoods of 3 options, where normalise: unconditional needs 2"),
    ],
)
def test_a_choice_that_cannot_be_judged_marks_its_case(
    expected: Any, normalise: str, fault: str
) -> None:
    value = score("choice", expected, normalise=normalise)

    assert not value.passed
    assert fault in str(value.error)


def test_only_the_unconditional_choice_asks_without_the_prompt() -> None:
    assert Choice("unconditional").needs_unconditional
    assert not Choice("bytes").needs_unconditional


@pytest.mark.parametrize(
    ("per", "value"),
    [("token", math.exp(6 / 5)), ("byte", math.exp(6 / 15)), ("word", math.exp(6 / 4))],
)
def test_perplexity_is_taken_per_token_byte_or_word(per: str, value: float) -> None:
    likelihoods = WITH_PROMPT[1:2]

    assert score("perplexity", " no, not at all", likelihoods, per=per).value == pytest.approx(
        value
    )
    assert score("perplexity", None, likelihoods, input="no, not at all", per=per).value == (
        pytest.approx(value)
    )


def test_perplexity_passes_below_its_limit_and_only_measures_without_one() -> None:
    assert score("perplexity").passed is None
    assert score("perplexity", at_most=8).passed is True
    assert score("perplexity", at_most=7).detail == "7.389 is more than 7"


@pytest.mark.parametrize(
    ("likelihoods", "options", "fault"),
    [
        ((), {}, "no likelihood"),
        ((LikelihoodValue(0.0, 0, 0, True),), {}, "the text has no token"),
        ((LikelihoodValue(-1e6, 2, 9, False),), {}, "OverflowError"),
        ((LikelihoodValue(math.nan, 2, 9, False),), {}, "not a finite number"),
        (WITH_PROMPT, {"per": "word", "input": [{"role": "user"}]}, "words are counted in text"),
    ],
)
def test_a_perplexity_that_is_none_marks_its_case(
    likelihoods: tuple[LikelihoodValue, ...], options: dict[str, Any], fault: str
) -> None:
    value = score("perplexity", None, likelihoods, **options)

    assert fault in str(value.error)
    assert math.isfinite(value.value)
