"""Prompts in tokens, their answers, and the rows that are on the way from one to the other."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from headway_evals.engine.sampling import Sampling


@dataclass(frozen=True, slots=True)
class TokenPrompt:
    """A prompt in tokens, at least one, and what may end its answer.

    Args:
        sampling: how tokens are drawn; the likeliest is taken where not given.
        draft: tokens that the answer may begin with, which only makes it come sooner.
    """

    ids: Sequence[int]
    max_new_tokens: int
    stop: tuple[str, ...] = ()
    sampling: Sampling | None = None
    draft: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """What was generated.

    Args:
        text: without special tokens, and without the stop text and what follows it.
        tokens: all that were generated, the ending one included.
        latency_ms: from when the prompt was taken up to the last token.
        is_nan: the model gave NaN where the next token should be, and the answer ends there.
        is_full: the answer ended at ``max_new_tokens``, not by itself.
        drafted: how many of the tokens are the draft's, found right in it.
    """

    text: str
    tokens: tuple[int, ...]
    latency_ms: float
    is_nan: bool = False
    is_full: bool = False
    drafted: int = 0

    @property
    def token_count(self) -> int:
        """Return how many tokens were generated."""
        return len(self.tokens)


@dataclass(slots=True, eq=False)
class TokenRow:
    """A prompt that is being answered.

    ``drafted`` counts the first of its tokens, ended or not, that were right in the draft.
    """

    index: int
    prompt: TokenPrompt
    tokens: list[int] = field(default_factory=list)
    started: float = math.nan
    has_ended: bool = False
    drafted: int = 0

    @property
    def length(self) -> int:
        """Return how many tokens it has, the prompt's included."""
        return len(self.prompt.ids) + len(self.tokens)

    @property
    def longest(self) -> int:
        """Return how many tokens it may come to."""
        return len(self.prompt.ids) + self.prompt.max_new_tokens

    @property
    def last(self) -> int:
        """Return its newest token."""
        return self.tokens[-1] if self.tokens else self.prompt.ids[-1]

    @property
    def draft(self) -> Sequence[int]:
        """Return what may come next; nothing where its own tokens, or draws, are no draft's."""
        prompt, count = self.prompt, len(self.tokens)
        if prompt.sampling is not None or list(prompt.draft[:count]) != self.tokens:
            return ()
        return prompt.draft[count : prompt.max_new_tokens]

    def drop_draft(self) -> None:
        """Go on without the draft."""
        self.prompt = replace(self.prompt, draft=())

    def start(self, now: float) -> None:
        """Count its latency from now, unless it was taken up before."""
        self.started = now if math.isnan(self.started) else self.started
