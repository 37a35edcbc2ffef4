"""The plain path: one prompt at a time, nothing packed, nothing shared.

Slow, and short enough to be seen to be right: what the fast engines are checked against, in the
tests and, on a sample of items, before the results of a run count.
"""

from collections.abc import Collection, Sequence
from typing import Any

import torch

from headway_evals.engine.passages import Encoded, Measured, Passage, PassageScore


def plain_likelihood(model: Any, encoded: Encoded) -> Measured:
    """Measure one item, each passage in a forward pass of its own."""
    return encoded.measured([_score(model, passage) for passage in encoded.passages])


@torch.inference_mode()
def plain_generate(
    model: Any, ids: Sequence[int], *, max_new_tokens: int, end_tokens: Collection[int]
) -> list[int]:
    """Return the likeliest tokens one after the other, the ending one included."""
    tokens: list[int] = []
    row = torch.tensor([list(ids)], device=model.device)
    cache = None
    while len(tokens) < max_new_tokens:
        output = model(input_ids=row, past_key_values=cache, use_cache=True, logits_to_keep=1)
        tokens.append(int(output.logits[0, -1].float().argmax()))
        if tokens[-1] in end_tokens:
            break
        cache = output.past_key_values
        row = torch.tensor([tokens[-1:]], device=model.device)
    return tokens


@torch.inference_mode()
def _score(model: Any, passage: Passage) -> PassageScore:
    ids = torch.tensor(passage.ids.tolist(), device=model.device)
    logits = model(input_ids=ids[None, :-1], use_cache=False).logits[0, -passage.measured :]
    logprobs = logits.float().log_softmax(dim=-1)  # (measured, vocabulary)
    wanted = ids[-passage.measured :]
    return PassageScore(
        logprob=float(logprobs.gather(1, wanted[:, None]).double().sum()),
        is_greedy=bool((logprobs.argmax(dim=-1) == wanted).all()),
    )
