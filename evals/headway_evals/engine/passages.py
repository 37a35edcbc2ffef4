"""From a prompt and what is asked about it to the rows of tokens whose likelihood is measured.

Tokens are cut as lm-eval cuts them, so that figures can be compared: prompt and continuation are
encoded as one text, and the continuation is what follows the prompt's own tokens; spaces that end
the prompt belong to the continuation; an empty prompt is the token that begins a text.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from headway_measures.scores import LikelihoodValue, shown

Tokens = NDArray[np.int32]

# Encoded at a time: enough to keep the tokenizer's threads busy, and few enough to hold as lists.
_ITEMS = 512


@dataclass(frozen=True, slots=True)
class Item:
    """A prompt, and the texts whose likelihood after it is measured.

    Args:
        prompt: the text.
        continuations: each is measured after the prompt; None measures the prompt itself, in
            windows of the context's length.
        is_unconditional: each continuation is measured without the prompt, too, after the rest.
        is_templated: a chat template wrote the prompt, special tokens and all.
    """

    prompt: str
    continuations: tuple[str, ...] | None
    is_unconditional: bool = False
    is_templated: bool = False


@dataclass(frozen=True, slots=True)
class Measured:
    """What came of one item.

    Args:
        likelihoods: one a continuation, then, where asked for, one each without the prompt; of
            the prompt itself one; none with an error.
        input_tokens: of the prompt; of an empty one the token that begins a text.
        error: why there is none.
    """

    likelihoods: tuple[LikelihoodValue, ...] = ()
    input_tokens: int = 0
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Passage:
    """A row of tokens, and how many at its end are measured: at least one, and not all."""

    ids: Tokens
    measured: int


@dataclass(frozen=True, slots=True)
class PassageScore:
    """How likely the measured tokens of a passage are, and whether each is the likeliest."""

    logprob: float
    is_greedy: bool


@dataclass(frozen=True, slots=True)
class Target:
    """A text whose likelihood is measured: one passage, or several where it is long."""

    passages: tuple[Passage, ...]
    byte_count: int


@dataclass(frozen=True, slots=True)
class Encoded:
    """An item in tokens, or why it cannot be measured."""

    targets: tuple[Target, ...] = ()
    input_tokens: int = 0
    error: str | None = None

    @property
    def passages(self) -> tuple[Passage, ...]:
        """Return the passages of all targets."""
        return tuple(passage for target in self.targets for passage in target.passages)

    def measured(self, scores: Sequence[PassageScore]) -> Measured:
        """Return what came of the item, given the score of each of its passages."""
        if self.error is not None:
            return Measured(error=self.error)
        if not all(np.isfinite(score.logprob) for score in scores):
            return Measured(error="the model gave NaN instead of a likelihood")
        waiting = iter(scores)
        values = []
        for target in self.targets:
            own = [next(waiting) for _ in target.passages]
            values.append(
                LikelihoodValue(
                    logprob=sum(score.logprob for score in own),
                    token_count=sum(passage.measured for passage in target.passages),
                    byte_count=target.byte_count,
                    is_greedy=all(score.is_greedy for score in own),
                )
            )
        return Measured(tuple(values), self.input_tokens)


class _Text(NamedTuple):
    text: str
    has_specials: bool  # whether the tokenizer adds its special tokens


class _Unmeasurable(Exception):
    """An item cannot be measured; the message says why."""


class PassageEncoder:
    """Encodes items.

    Args:
        tokenizer: the model's, of transformers.
        context: how many tokens the model sees at once.
    """

    def __init__(self, tokenizer: Any, context: int) -> None:
        self._tokenizer = tokenizer
        self._context = context
        begin = tokenizer.bos_token_id
        self._begin: int | None = tokenizer.eos_token_id if begin is None else begin
        self._begin_text = None if self._begin is None else tokenizer.decode([self._begin])

    def encode(self, items: Sequence[Item]) -> Iterator[Encoded]:
        """Yield every item in tokens, in their order."""
        for start in range(0, len(items), _ITEMS):
            chunk = items[start : start + _ITEMS]
            wanted = {text for item in chunk if _is_text(item) for text in self._texts(item)}
            tokens = self._tokens(sorted(wanted))
            for item in chunk:
                try:
                    yield self._encode(item, tokens)
                except _Unmeasurable as error:
                    yield Encoded(error=str(error))

    def _texts(self, item: Item) -> Iterator[_Text]:
        """Yield every text that has to be encoded for an item."""
        if item.continuations is None:
            yield self._text(item, item.prompt)
            return
        if item.prompt:
            yield self._text(item, item.prompt.rstrip())
            yield from (self._text(item, item.prompt + each) for each in item.continuations)
        if not item.prompt or item.is_unconditional:
            yield from (_Text(each, False) for each in item.continuations)

    def _text(self, item: Item, text: str) -> _Text:
        begins = bool(self._begin_text) and text.startswith(str(self._begin_text))
        return _Text(text, not (item.is_templated or begins))

    def _tokens(self, texts: Sequence[_Text]) -> dict[_Text, Tokens]:
        found: dict[_Text, Tokens] = {}
        for has_specials in (False, True):
            some = [text for text in texts if text.has_specials is has_specials]
            if not some:
                continue
            rows = self._tokenizer(
                [each.text for each in some],
                add_special_tokens=has_specials,
                return_attention_mask=False,
                return_token_type_ids=False,
                verbose=False,
            )["input_ids"]
            found |= {text: np.asarray(row, np.int32) for text, row in zip(some, rows, strict=True)}
        return found

    def _encode(self, item: Item, tokens: dict[_Text, Tokens]) -> Encoded:
        if not _is_text(item):
            raise _Unmeasurable("the text holds half a character (a lone surrogate)")
        if item.continuations is None:
            ids = tokens[self._text(item, item.prompt)]
            return Encoded((self._rolling(ids, item.prompt),), len(ids))
        targets, prompt_tokens = [], 1
        if item.prompt:
            own = tokens[self._text(item, item.prompt.rstrip())]
            prompt = self._beginning(own)
            prompt_tokens = len(prompt)
            for each in item.continuations:
                whole = tokens[self._text(item, item.prompt + each)]
                whole = whole if len(own) else np.concatenate([prompt, whole])
                targets.append(self._target(whole, prompt_tokens, each))
        if not item.prompt or item.is_unconditional:
            for each in item.continuations:
                whole = tokens[_Text(each, False)]
                if whole[:1].tolist() != [self._begin]:
                    whole = np.concatenate([self._beginning(whole[:0]), whole])
                targets.append(self._target(whole, 1, each))
        return Encoded(tuple(targets), prompt_tokens)

    def _beginning(self, ids: Tokens) -> Tokens:
        """Return the tokens of a prompt; the token that begins a text where it has none."""
        if len(ids):
            return ids
        if self._begin is None:
            raise _Unmeasurable(
                "the prompt is empty, and the tokenizer has no token that begins a text"
            )
        return np.asarray([self._begin], np.int32)

    def _target(self, whole: Tokens, prompt_tokens: int, continuation: str) -> Target:
        measured = len(whole) - prompt_tokens
        if measured < 1:
            raise _Unmeasurable(f"{shown(continuation)} adds no token to the prompt")
        if len(whole) - 1 > self._context:  # the last token is only looked up, not read
            raise _Unmeasurable(
                f"prompt and continuation have {len(whole)} tokens, "
                f"the model's context is {self._context}"
            )
        return Target((Passage(whole, measured),), len(continuation.encode()))

    def _rolling(self, ids: Tokens, text: str) -> Target:
        """Return windows that measure each token once, with as much before it as fits."""
        if not text or not len(ids):
            raise _Unmeasurable("the text is empty: it has no tokens to measure")
        # With the beginning token before it, token i of the text stands at place i + 1.
        row = np.concatenate([self._beginning(ids[:0]), ids])
        first = min(self._context, len(ids))
        passages = [Passage(row[: first + 1], first)]
        for done in range(first, len(ids), self._context):
            measured = min(self._context, len(ids) - done)
            end = done + measured + 1
            passages.append(Passage(row[end - self._context - 1 : end], measured))
        return Target(tuple(passages), len(text.encode()))


def _is_text(item: Item) -> bool:
    try:
        "".join((item.prompt, *(item.continuations or ()))).encode()
    except UnicodeEncodeError:
        return False
    return True
