"""How much of an answer is the batch that it was made in: the noise floor of a model on a device.

A sum of floating-point numbers depends on its order, and its order on what shares the batch. So
the same weights may answer the same prompt otherwise in other company, most of all in sixteen
bits. What is asked is asked a second time, packed otherwise: a difference between two models that
is no larger than the one found here says nothing about the models.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from headway_evals.engine.budgets import Budget
from headway_evals.engine.decoding import Decoder
from headway_evals.engine.likelihoods import Likelihoods
from headway_evals.engine.passages import Item, Measured
from headway_evals.engine.token_rows import Answer, TokenPrompt

# Few enough that other rows come together, and a number that divides no usual batch.
_SLOTS = 13
# The part of the budget that the second time has.
_BUDGET_PART = 3


@dataclass(frozen=True, slots=True)
class Noise:
    """What came out otherwise the second time.

    Args:
        items: how many were asked twice.
        changed: how many then had other tokens, or another option as the likeliest.
        difference: the largest between two log-likelihoods of the same text.
    """

    items: int
    changed: int
    difference: float = 0.0


def noise_of_answers(
    model: Any,
    tokenizer: Any,
    budget: Budget,
    prompts: Sequence[TokenPrompt],
    answers: Mapping[int, Answer],
) -> Noise:
    """Answer prompts a second time, in other slots, and compare.

    Args:
        model: a causal language model of transformers, in eval mode.
        tokenizer: its tokenizer.
        budget: of tokens in slots.
        prompts: what was answered.
        answers: by the index of the prompt.

    Raises:
        OutOfMemory: a single prompt does not fit.
    """
    again: dict[int, Answer] = {}
    slots = max(1, min(_SLOTS, len(prompts) // 2))
    Decoder(model, tokenizer, budget=budget, slots=slots).generate(prompts, again.__setitem__)
    changed = sum(again[index].tokens != answer.tokens for index, answer in answers.items())
    return Noise(len(answers), changed)


def noise_of_likelihoods(
    model: Any,
    tokenizer: Any,
    budget: Budget,
    items: Sequence[Item],
    measured: Mapping[int, Measured],
    *,
    context: int,
) -> Noise:
    """Measure items a second time, in smaller batches, and compare.

    Args:
        model: a causal language model of transformers, in eval mode.
        tokenizer: its tokenizer.
        budget: the first time's.
        items: what was measured.
        measured: by the index of the item.
        context: how many tokens the model sees at once.

    Raises:
        OutOfMemory: not even the least of it fits.
    """
    again: dict[int, Measured] = {}
    smaller = Budget(max(1, budget.tokens // _BUDGET_PART))
    Likelihoods(model, tokenizer, smaller, context=context).measure(items, again.__setitem__)
    changed, largest = 0, 0.0
    for index, first in measured.items():
        option_count = len(items[index].continuations or ())
        changed += _likeliest(first, option_count) != _likeliest(again[index], option_count)
        pairs = zip(first.likelihoods, again[index].likelihoods, strict=False)
        largest = max([largest, *(abs(own.logprob - other.logprob) for own, other in pairs)])
    return Noise(len(measured), changed, largest)


def _likeliest(measured: Measured, option_count: int) -> int | None:
    """Return which option is the likeliest; None where none could be measured."""
    logprobs = [value.logprob for value in measured.likelihoods[:option_count]]
    return logprobs.index(max(logprobs)) if logprobs else None
