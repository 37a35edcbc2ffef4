"""The next token of each row: the likeliest, or one that is drawn.

A draw depends on the row alone: on its seed and on how many tokens it has. So a sampled answer is
the same in any batch and any slot, after running out of memory and when a run resumes.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import torch

NAN_TOKEN = -1
"""What is chosen where the model gave NaN."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How a row draws its tokens.

    Args:
        temperature: above 0; small is close to the likeliest token.
        top_p: the share of the probability, from the likeliest token on, that is drawn from.
        seed: the row's own, see ``seed_of``.
    """

    temperature: float
    top_p: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.temperature > 0:
            raise ValueError(f"a temperature of {self.temperature} draws nothing: leave it out")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"top_p is {self.top_p}, it must be above 0 and at most 1")

    def uniform(self, index: int) -> float:
        """Return the number from 0 to 1, below 1, that decides the row's token of this index."""
        digest = hashlib.blake2b(f"{self.seed}:{index}".encode(), digest_size=8).digest()
        return (int.from_bytes(digest) >> 11) / 2**53


def seed_of(seed: int, case_id: str, sample: int) -> int:
    """Return the seed of one answer: another one for each case and each repeat."""
    digest = hashlib.blake2b(f"{seed}:{sample}:{case_id}".encode(), digest_size=8).digest()
    return int.from_bytes(digest)


class Draws:
    """What the sampled rows of a batch need for their next tokens, on the device beforehand.

    Args:
        samplings: of each row, None where it takes the likeliest.
        counts: how many tokens each row has.
        steps: for how many steps.
        device: the model's.
    """

    def __init__(
        self,
        samplings: Sequence[Sampling | None],
        counts: Sequence[int],
        steps: int,
        device: torch.device,
    ) -> None:
        drawing = [
            (place, sampling, counts[place])
            for place, sampling in enumerate(samplings)
            if sampling is not None
        ]
        self._is_empty = not drawing
        if self._is_empty:
            return
        # places: (drawing,). knobs: (drawing, 2). uniforms: (drawing, steps).
        self._places = torch.tensor([place for place, _, _ in drawing], device=device)
        self._knobs = torch.tensor([[each.temperature, each.top_p] for _, each, _ in drawing]).to(
            device
        )
        self._uniforms = torch.tensor(
            [[each.uniform(count + step) for step in range(steps)] for _, each, count in drawing]
        ).to(device)

    def choose(self, logits: torch.Tensor, step: int) -> torch.Tensor:
        """Return each row's next token, (rows,), from its logits, (rows, vocabulary)."""
        best, tokens = logits.max(dim=-1)  # (rows,) both; a NaN is the maximum
        if not self._is_empty:
            tokens[self._places] = _draw(
                logits[self._places].float(),
                self._knobs[:, :1],
                self._knobs[:, 1:],
                self._uniforms[:, step : step + 1],
            )
        return torch.where(best.isnan(), NAN_TOKEN, tokens)


def _draw(
    logits: torch.Tensor, temperature: torch.Tensor, top_p: torch.Tensor, uniform: torch.Tensor
) -> torch.Tensor:
    """Return a token a row, (rows,); the other arguments are (rows, 1)."""
    # Less the maximum first, or a small temperature makes infinities.
    scaled = (logits - logits.amax(dim=-1, keepdim=True)) / temperature
    shares, order = scaled.softmax(dim=-1).sort(dim=-1, descending=True, stable=True)
    ends = shares.cumsum(
        dim=-1
    )  # (rows, vocabulary): where on the way to 1 each token's share ends
    # The nucleus: tokens that begin before top_p, the likeliest always.
    kept = (ends - shares < top_p).sum(dim=-1, keepdim=True).clamp(min=1)
    mass = ends.gather(-1, kept - 1)
    chosen = (ends <= uniform * mass).sum(dim=-1, keepdim=True)
    return order.gather(-1, torch.minimum(chosen, kept - 1))[:, 0]
