"""Greedy decoding in batches, with the answers that each prompt would get alone.

Prompts of a batch are padded on the left, so that the last column is the last token of every
row; the mask hides the padding and positions count from the first real token, so that a row
computes what it would compute alone. Each row ends by itself, and rows that have ended leave the
batch, cache and all, instead of being carried to the end of the longest.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from transformers import DynamicCache

from headway_evals.packing import pack

# Taking ended rows out copies the cache of the others, so it waits until it saves a quarter.
_LEAVE_AT = 0.75


@dataclass(frozen=True, slots=True)
class TokenPrompt:
    """A prompt in tokens, at least one, and what may end its answer."""

    ids: Sequence[int]
    max_new_tokens: int
    stop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """What was generated.

    Args:
        text: without special tokens, and without the stop text and what follows it.
        token_count: all tokens that were generated, the ending one included.
        latency_ms: from the start of the batch.
        is_nan: the model gave NaN where the next token should be, and the answer ends there.
    """

    text: str
    token_count: int
    latency_ms: float
    is_nan: bool = False


@dataclass(slots=True)
class _Row:
    index: int
    prompt: TokenPrompt
    tokens: list[int] = field(default_factory=list)
    has_ended: bool = False


class Generator:
    """Decodes with one model.

    Args:
        model: a causal language model of transformers, in eval mode.
        tokenizer: its tokenizer.
        batch_tokens: the most tokens of a batch, padding and answers included.
        clock: seconds, for latencies.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        *,
        batch_tokens: int,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._batch_tokens = batch_tokens
        self._clock = clock
        self._end_tokens = _end_tokens(model, tokenizer)
        self._stop_tokens: dict[tuple[str, ...], frozenset[int]] = {}

    def generate(
        self, prompts: Sequence[TokenPrompt], on_answer: Callable[[int, Answer], None]
    ) -> None:
        """Answer every prompt; ``on_answer`` gets each as it ends, with the prompt's index.

        A batch that does not fit in memory is halved.

        Raises:
            torch.OutOfMemoryError: a single prompt does not fit.
        """
        lengths = [len(prompt.ids) + prompt.max_new_tokens for prompt in prompts]
        batches = pack(lengths, self._batch_tokens)[::-1]
        while batches:
            waiting = {index: prompts[index] for index in batches.pop()}
            try:
                self._run(waiting, on_answer)
            except torch.OutOfMemoryError:
                rest = list(waiting)
                if len(rest) == 1:
                    raise
                middle = len(rest) // 2
                batches += [rest[middle:], rest[:middle]]

    @torch.inference_mode()
    def _run(
        self, waiting: dict[int, TokenPrompt], on_answer: Callable[[int, Answer], None]
    ) -> None:
        """Answer one batch; prompts leave ``waiting`` as they are answered."""
        started = self._clock()
        rows = [_Row(index, prompt) for index, prompt in waiting.items()]
        longest = max(len(row.prompt.ids) for row in rows)
        most_new = max(row.prompt.max_new_tokens for row in rows)

        # ids: (rows, longest). mask and positions: (rows, longest + most_new), made once for all
        # columns that will come.
        ids = torch.zeros((len(rows), longest), dtype=torch.long)
        mask = torch.ones((len(rows), longest + most_new), dtype=torch.long)
        for place, row in enumerate(rows):
            padding = longest - len(row.prompt.ids)
            ids[place, padding:] = torch.tensor(row.prompt.ids)
            mask[place, :padding] = 0
        positions = (mask.cumsum(dim=-1) - 1).clamp(min=0)
        device = self._model.device
        ids, mask, positions = ids.to(device), mask.to(device), positions.to(device)

        cache = DynamicCache(config=self._model.config)
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
            best, tokens = logits.float().max(dim=-1)  # (rows,) both; a NaN is the maximum
            for row, token, is_nan in zip(
                rows, tokens.tolist(), best.isnan().tolist(), strict=True
            ):
                if row.has_ended:
                    continue
                row.tokens.append(token)
                text = "" if is_nan else self._ended_text(row)
                if text is not None:
                    row.has_ended = True
                    del waiting[row.index]
                    latency_ms = (self._clock() - started) * 1000
                    on_answer(row.index, Answer(text, len(row.tokens), latency_ms, is_nan))

            going = [place for place, row in enumerate(rows) if not row.has_ended]
            if not going:
                return
            if len(going) <= _LEAVE_AT * len(rows):
                keep = torch.tensor(going, device=device)
                cache.batch_select_indices(keep)
                rows = [rows[place] for place in going]
                mask, positions, tokens = mask[keep], positions[keep], tokens[keep]
            ids = tokens[:, None]  # (rows, 1)
            start, end = end, end + 1

    def _ended_text(self, row: _Row) -> str | None:
        """Return the text of a row that ends with its newest token, None where it goes on."""
        stops, token = row.prompt.stop, row.tokens[-1]
        if stops and token in self._tokens_ending(stops):
            text = self._decode(row.tokens)
            places = [place for place in map(text.find, stops) if place >= 0]
            if places:
                return text[: min(places)]
        if token in self._end_tokens:
            return self._decode(row.tokens[:-1])
        if len(row.tokens) == row.prompt.max_new_tokens:
            return self._decode(row.tokens)
        return None

    def _tokens_ending(self, stops: tuple[str, ...]) -> frozenset[int]:
        """Return the tokens that can complete a stop text: only after one is it looked for.

        A stop text is complete with its last character, so its last token holds that, or a
        part of it that does not decode alone. White space may vanish where a token is decoded
        alone, so for a stop text that ends in a space every token counts.
        """
        if stops not in self._stop_tokens:
            last = {stop[-1] for stop in stops}
            texts = self._tokenizer.batch_decode([[token] for token in range(len(self._tokenizer))])
            self._stop_tokens[stops] = frozenset(
                token
                for token, text in enumerate(texts)
                if " " in last or "\ufffd" in text or not last.isdisjoint(text)
            )
        return self._stop_tokens[stops]

    def _decode(self, tokens: Sequence[int]) -> str:
        text: str = self._tokenizer.decode(
            tokens, skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        return text


def _end_tokens(model: Any, tokenizer: Any) -> frozenset[int]:
    """Return every token that ends an answer: a chat model may have several."""
    declared = model.generation_config.eos_token_id
    declared = declared if isinstance(declared, list) else [declared]
    return frozenset(token for token in (*declared, tokenizer.eos_token_id) if token is not None)
