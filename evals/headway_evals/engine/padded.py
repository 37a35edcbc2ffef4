"""Decoding in padded batches, for models whose rows cannot lie in slots.

Such a model keeps recurrent states, or only a window of the tokens, and only its own cache knows
how. Prompts of a batch are padded on the left, so that the last column is the last token of every
row; the mask hides the padding and positions count from the first real token, so that a row
computes what it would compute alone. Rows that have ended leave the batch, cache and all, but
none come in.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from transformers import DynamicCache

from headway_evals.engine.budgets import Budget, OutOfMemory, within_memory
from headway_evals.engine.sampling import Draws
from headway_evals.engine.stops import Endings
from headway_evals.engine.token_rows import Answer, TokenRow
from headway_evals.packing import pack

# Taking ended rows out copies the cache of the others, so it waits until it saves a quarter.
_LEAVE_AT = 0.75


class PaddedDecoder:
    """Generates with one model in batches that last as long as their longest row.

    Args:
        model: a causal language model of transformers, in eval mode.
        endings: what ends a row.
        budget: of tokens in a batch, padding and answers included.
        clock: seconds, for latencies.
    """

    def __init__(
        self, model: Any, endings: Endings, budget: Budget, clock: Callable[[], float]
    ) -> None:
        self._model = model
        self._endings = endings
        self._budget = budget
        self._clock = clock

    def answer(self, rows: Sequence[TokenRow], on_answer: Callable[[int, Answer], None]) -> None:
        """Answer all rows.

        Raises:
            OutOfMemory: a single row does not fit.
        """
        going = list(rows)
        while going:
            first = pack([row.longest for row in going], self._budget.tokens)[0]
            batch = [going[place] for place in first]
            try:
                within_memory(partial(self._run, batch, on_answer))
            except OutOfMemory:
                if len(batch) == 1:
                    raise
                size = len(batch) * batch[0].longest
                while self._budget.tokens >= size:
                    self._budget.halve()
            going = [row for row in going if not row.has_ended]

    @torch.inference_mode()
    def _run(self, batch: Sequence[TokenRow], on_answer: Callable[[int, Answer], None]) -> None:
        rows, device = list(batch), self._model.device
        for row in rows:
            row.start(self._clock())
        longest = max(row.length for row in rows)
        most = longest + max(row.longest - row.length for row in rows)

        # ids: (rows, longest). mask and positions: (rows, most), made once for all columns.
        ids = torch.zeros((len(rows), longest), dtype=torch.long)
        mask = torch.ones((len(rows), most), dtype=torch.long)
        for place, row in enumerate(rows):
            padding = longest - row.length
            ids[place, padding:] = torch.tensor([*row.prompt.ids, *row.tokens])
            mask[place, :padding] = 0
        positions = (mask.cumsum(dim=-1) - 1).clamp(min=0)
        ids, mask, positions = ids.to(device), mask.to(device), positions.to(device)

        cache = DynamicCache(config=self._model.config)
        can_leave = all(hasattr(layer, "batch_select_indices") for layer in cache.layers)
        start, end = 0, longest
        while True:
            logits = self._model(
                input_ids=ids,
                attention_mask=mask[:, :end],
                position_ids=positions[:, start:end],
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            ).logits[:, -1]  # (rows, vocabulary)
            draws = Draws(
                [row.prompt.sampling for row in rows], [len(row.tokens) for row in rows], 1, device
            )
            tokens = draws.choose(logits, 0)
            now = self._clock()
            for row, token in zip(rows, tokens.tolist(), strict=True):
                if not row.has_ended:
                    answer = self._endings.take(row, token, now)
                    if answer is not None:
                        on_answer(row.index, answer)

            going = [place for place, row in enumerate(rows) if not row.has_ended]
            if not going:
                return
            if can_leave and len(going) <= _LEAVE_AT * len(rows):
                keep = torch.tensor(going, device=device)
                cache.batch_select_indices(keep)
                rows = [rows[place] for place in going]
                mask, positions, tokens = mask[keep], positions[keep], tokens[keep]
            ids = tokens.clamp(min=0)[:, None]  # (rows, 1)
            start, end = end, end + 1
