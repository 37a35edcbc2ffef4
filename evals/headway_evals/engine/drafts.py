"""Answers of earlier models as drafts: verified in one pass, not decoded token by token.

Models that share weights answer most prompts alike. So the answer of an earlier one goes through
the model behind its prompt, and each of its tokens counts as long as it is the one that the model
takes itself; where the two part, the model's own token counts and decoding goes on from there.
What comes out is what greedy decoding gives, but for rounding, which also another batch changes.
See Leviathan, Kalman, Matias (2023), "Fast inference from transformers via speculative decoding",
of which this is the greedy case with a draft that costs nothing.
"""

import inspect
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Self

import torch

from headway_evals.engine.sampling import NAN_TOKEN, Draws
from headway_evals.engine.token_rows import TokenRow

_MOST_BYTES = 64 << 20
# Of the logits of one pass, in the widest numbers that a model may give.
_CPU_LOGITS_BYTES = 64 << 20
_GPU_LOGITS_BYTES = 256 << 20
_LOGIT_BYTES = 4
# Of one pass, padding included: a CPU is busy with so few, and fewer need less padding.
_CPU_PASS_TOKENS = 1_024
_GPU_PASS_TOKENS = 32_768


class Drafts:
    """What models that share weights answered greedily, the newest answer to each prompt.

    Args:
        most_bytes: of tokens; once there are so many, no more are kept.
    """

    def __init__(self, most_bytes: int = _MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self._answers: dict[bytes, array[int]] = {}

    def keep(self, ids: Sequence[int], tokens: Sequence[int]) -> None:
        """Keep the tokens of an answer under those of its prompt, if there is room."""
        answer, key = array("i", tokens), _key(ids)
        before = self._answers.get(key)
        more = _size(answer) - (0 if before is None else _size(before))
        if self._bytes + more <= self._most_bytes:
            self._answers[key] = answer
            self._bytes += more

    def find(self, ids: Sequence[int]) -> Sequence[int]:
        """Return the tokens that were answered to a prompt; none where it was never asked."""
        return self._answers.get(_key(ids), ())


@dataclass(frozen=True, slots=True)
class DraftedGroup:
    """Rows that go through the model together with what is left of their drafts.

    Args:
        rows: at least one.
        drafts: of each row, at least one token each.
    """

    rows: Sequence[TokenRow]
    drafts: Sequence[Sequence[int]]

    @classmethod
    def of(cls, rows: Sequence[TokenRow], vocabulary: int, device: torch.device) -> Iterator[Self]:
        """Yield drafted rows, in their order, in groups that are not too large for a pass.

        A draft whose logits alone are too many is cut.

        Args:
            rows: the shortest first.
            vocabulary: how many logits a token has.
            device: the model's.
        """
        is_cpu = device.type == "cpu"
        limit = _CPU_LOGITS_BYTES if is_cpu else _GPU_LOGITS_BYTES
        most_tokens = _CPU_PASS_TOKENS if is_cpu else _GPU_PASS_TOKENS
        most_places = max(1, limit // (vocabulary * _LOGIT_BYTES))
        group: list[TokenRow] = []
        drafts: list[Sequence[int]] = []
        longest = 0
        for row in rows:
            draft = row.draft[:most_places]
            size, widest = len(group) + 1, max(longest, row.length + len(draft))
            start = group[0].length if group else row.length
            if group and (size * widest > most_tokens or size * (widest - start) > most_places):
                yield cls(group, drafts)
                group, drafts, widest = [], [], row.length + len(draft)
            group.append(row)
            drafts.append(draft)
            longest = widest
        if group:
            yield cls(group, drafts)

    @property
    def sequences(self) -> list[list[int]]:
        """Return each row's tokens, with those of its draft behind them."""
        return [
            [*row.prompt.ids, *row.tokens, *draft]
            for row, draft in zip(self.rows, self.drafts, strict=True)
        ]

    @property
    def places(self) -> range:
        """Return where the tokens stand that predict a drafted one, of any of the rows."""
        ends = [row.length + len(each) for row, each in zip(self.rows, self.drafts, strict=True)]
        return range(min(row.length for row in self.rows) - 1, max(ends) - 1)

    def agreed(self, logits: torch.Tensor) -> list[list[int]]:
        """Return each row's next tokens, and count those that are its draft's.

        They are its draft's as long as these are the model's own, and then the model's; none
        where there is a NaN among what they are chosen from. That may be the draft's fault: NaN
        of one token may reach those before it, though these do not attend to it.

        Args:
            logits: (rows, places, vocabulary).
        """
        chosen = Draws([], [], 0, logits.device).choose(logits, 0).tolist()
        first = self.places.start
        found = []
        for row, draft, predicted in zip(self.rows, self.drafts, chosen, strict=True):
            own = predicted[row.length - 1 - first :][: len(draft)]
            pairs = zip(own, draft, strict=True)
            shared = next((count for count, (one, other) in enumerate(pairs) if one != other), None)
            tokens = own if shared is None else own[: shared + 1]
            if NAN_TOKEN in tokens:
                tokens = []
            else:
                row.drafted = len(row.tokens) + (len(own) if shared is None else shared)
            found.append(tokens)
        return found


def takes_places(model: Any) -> bool:
    """Return whether a model gives the logits of chosen places, and not only of the last ones."""
    parameter = inspect.signature(model.forward).parameters.get("logits_to_keep")
    return parameter is not None and "Tensor" in str(parameter.annotation)


def _key(ids: Sequence[int]) -> bytes:
    return blake2b(array("i", ids).tobytes(), digest_size=16).digest()


def _size(answer: "array[int]") -> int:
    return len(answer) * answer.itemsize
