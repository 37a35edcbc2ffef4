"""The engine checked against the plain path, on a sample of the items at hand.

The sample goes through the engine in company, so that rows share batches, slots and prefixes as
they will in the run; then each of its items goes through the plain path alone. Rounding may tell
the two apart, and no more than rounding: an engine that errs on this model, with this torch and
on this device, is found before anything is made of its answers.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
import torch

from headway_evals.engine.budgets import OutOfMemory, within_memory
from headway_evals.engine.continuous import ContinuousDecoder
from headway_evals.engine.decoding import Decoder
from headway_evals.engine.likelihoods import Likelihoods
from headway_evals.engine.passages import (
    Encoded,
    Item,
    Measured,
    Passage,
    PassageEncoder,
    Target,
)
from headway_evals.engine.plain import plain_generate, plain_likelihood
from headway_evals.engine.stops import end_tokens_of
from headway_evals.engine.token_rows import Answer, TokenPrompt
from headway_evals.errors import ModelError

_Content = TypeVar("_Content")

# How far a logarithm of a probability may be off a token; it grows with the root of their number.
# bfloat16 has eight bits: two neighbouring logits between 16 and 32 are 0.125 apart.
_TOLERANCES = {torch.float32: 1e-3, torch.float16: 5e-2, torch.bfloat16: 0.25}
# So many items go with each of the sample.
_COMPANY = 4
# Longer answers would show the same and take the plain path longer.
_LONGEST_ANSWER = 16


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check found.

    Args:
        items: how many were compared; one that only the plain path has no memory for is not.
        difference: the largest of two logarithms of a probability that should be the same.
    """

    items: int
    difference: float


class SelfCheck:
    """Compares the engine with the plain path on one model.

    Args:
        model: a causal language model of transformers, in eval mode.
        tokenizer: its tokenizer.
        context: how many tokens it sees at once.
        count: of items in a sample.
    """

    def __init__(self, model: Any, tokenizer: Any, context: int, count: int) -> None:
        self._model = model
        self._encoder = PassageEncoder(tokenizer, context)
        self._end_tokens = end_tokens_of(model, tokenizer)
        self._count = count
        self._tolerance = _TOLERANCES[model.dtype]

    def check_answers(
        self,
        decoder: Decoder | ContinuousDecoder,
        prompts: Sequence[tuple[str, TokenPrompt]],
    ) -> Checked:
        """Compare the likeliest tokens after some of the prompts, each with its case's name.

        Where the two paths part at tokens that are as good as equally likely, both are right.

        Raises:
            ModelError: they part elsewhere.
            OutOfMemory: a single prompt does not fit.
        """
        chosen = [(name, _short(prompt)) for name, prompt in self._drawn(prompts)]
        answers: dict[int, Answer] = {}
        decoder.generate([prompt for _, prompt in chosen], answers.__setitem__)
        differences = []
        for place, (name, prompt) in enumerate(chosen[: self._count]):
            try:
                differences.append(self._gap(name, prompt, answers[place]))
            except OutOfMemory:
                continue
        return Checked(len(differences), max(differences, default=0.0))

    def check_likelihoods(self, engine: Likelihoods, items: Sequence[tuple[str, Item]]) -> Checked:
        """Compare the likelihoods of some of the items, each with its case's name.

        Raises:
            ModelError: one is off by more than rounding.
            OutOfMemory: not even the least of them fits.
        """
        chosen = self._drawn(items)
        measured: dict[int, Measured] = {}
        engine.measure([item for _, item in chosen], measured.__setitem__)
        sample = chosen[: self._count]
        encoded = self._encoder.encode([item for _, item in sample])
        differences = []
        for place, ((name, _), row) in enumerate(zip(sample, encoded, strict=True)):
            try:
                plain = self._plain(row)
            except OutOfMemory:
                continue
            differences.append(self._distance(name, measured[place], plain))
        return Checked(len(differences), max(differences, default=0.0))

    def _drawn(self, items: Sequence[tuple[str, _Content]]) -> list[tuple[str, _Content]]:
        """Return the sample, and its company behind it."""
        count = min(self._count * _COMPANY, len(items))
        return random.Random(7).sample(items, count)

    def _distance(self, name: str, found: Measured, plain: Measured) -> float:
        if found.error != plain.error:
            raise _failure(name, found.error or "gives likelihoods", plain.error or "gives them")
        largest = 0.0
        for own, other in zip(found.likelihoods, plain.likelihoods, strict=True):
            difference = abs(own.logprob - other.logprob)
            if not difference <= self._tolerance * max(1, other.token_count) ** 0.5:
                raise _failure(
                    name,
                    f"a log-likelihood is {own.logprob:.6g}",
                    f"{other.logprob:.6g}, {difference:.2g} away",
                )
            largest = max(largest, difference)
        return largest

    def _gap(self, name: str, prompt: TokenPrompt, answer: Answer) -> float:
        """Return how much likelier the plain path's token is where the two part; 0 if nowhere."""
        ids, found = list(prompt.ids), list(answer.tokens)
        plain = within_memory(
            lambda: plain_generate(
                self._model,
                ids,
                max_new_tokens=prompt.max_new_tokens,
                end_tokens=self._end_tokens,
            )
        )
        if found == plain and not answer.is_nan:
            return 0.0
        shared = _shared(found, plain)
        own, other = found[shared : shared + 1], plain[shared : shared + 1]
        before = [*ids, *plain[:shared]]
        if answer.is_nan and not own:
            # Among NaNs the plain path took some token all the same.
            if not other or self._logprob(before, other[0]) is None:
                return 0.0
            raise _failure(name, f"token {shared + 1} of its answer is NaN", str(other[0]))
        gap = None
        if own and other:
            logprobs = [self._logprob(before, token) for token in (*other, *own)]
            if logprobs[0] is not None and logprobs[1] is not None:
                gap = logprobs[0] - logprobs[1]
        if gap is None or gap > self._tolerance:
            far = "" if gap is None else f", whose logarithm is {gap:.2g} higher"
            raise _failure(
                name,
                f"token {shared + 1} of its answer is {own[0] if own else 'missing'}",
                f"{other[0] if other else 'missing'}{far}",
            )
        return max(0.0, gap)

    def _logprob(self, before: Sequence[int], token: int) -> float | None:
        """Return a token's logarithm of probability by the plain path; None where it is NaN."""
        passage = Passage(np.asarray([*before, token], np.int32), 1)
        measured = self._plain(Encoded((Target((passage,), 0),)))
        return measured.likelihoods[0].logprob if measured.likelihoods else None

    def _plain(self, encoded: Encoded) -> Measured:
        return within_memory(lambda: plain_likelihood(self._model, encoded))


def _short(prompt: TokenPrompt) -> TokenPrompt:
    """Return a prompt whose answer the plain path can give, and soon."""
    most = min(prompt.max_new_tokens, _LONGEST_ANSWER)
    return replace(prompt, max_new_tokens=most, stop=(), sampling=None)


def _shared(found: Sequence[int], plain: Sequence[int]) -> int:
    """Return how many tokens two answers begin with alike."""
    count = 0
    for own, other in zip(found, plain, strict=False):
        if own != other:
            break
        count += 1
    return count


def _failure(name: str, found: str, plain: str) -> ModelError:
    return ModelError(
        f"the self-check failed at case {name!r}: {found}, on the plain path {plain}; the engine "
        "cannot be trusted with this model here: please report it with the versions of torch and "
        "transformers (--self-check 0 runs it all the same)"
    )
