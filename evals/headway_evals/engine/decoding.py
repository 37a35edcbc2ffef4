"""Generation that keeps its rows busy, with the answers that each prompt would get alone.

A prompt gets a slot as soon as others have left theirs, so no row is carried on after its end.
Prompts come in without their last token, padded on the right, which a causal model does not see;
the last token is then the row's first step like any other. What all prompts begin with, a system
prompt or examples, is computed once and copied into each slot. A prompt with a draft of its answer
brings that along, and needs steps only for what the model says otherwise.
"""

import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from transformers import DynamicCache

from headway_evals.engine.budgets import Budget, OutOfMemory, within_memory
from headway_evals.engine.drafts import DraftedGroup, takes_places
from headway_evals.engine.graphs import GraphedSteps, Steps
from headway_evals.engine.padded import PaddedDecoder
from headway_evals.engine.sampling import NAN_TOKEN, Draws
from headway_evals.engine.slots import SlotCache, fits_slots, step
from headway_evals.engine.stops import Endings, end_tokens_of
from headway_evals.engine.token_rows import Answer, TokenPrompt, TokenRow

# More rows make a step cheaper for each row until arithmetic, not memory, is the limit.
_CPU_SLOTS = 64
_GPU_SLOTS = 256
# Prompts come in together, once this part of the slots is free: a GPU is kept waiting longer by
# one more pass than by slots without a row.
_CPU_REFILL_AT = 1 / 8
_GPU_REFILL_AT = 1 / 4
# A prefix shorter than this is not worth its copies.
_LEAST_PREFIX = 16
# On a GPU tokens are read after so many steps, since each reading waits for the device.
_GPU_STEPS = 8
# Spans come in few lengths there, each of which is recorded, and in lengths its kernels like.
_GPU_SPAN = 128
_GPU_ALIGNMENT = 16


class Decoder:
    """Generates with one model.

    Args:
        model: a causal language model of transformers, in eval mode.
        tokenizer: its tokenizer.
        budget: of tokens in slots, answers included.
        slots: the most rows at once; what suits the device where not given.
        clock: seconds, for latencies.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        *,
        budget: Budget,
        slots: int | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._model = model
        self._budget = budget
        is_cpu = model.device.type == "cpu"
        self._most_slots = slots or (_CPU_SLOTS if is_cpu else _GPU_SLOTS)
        self._clock = clock
        self._endings = Endings(tokenizer, end_tokens_of(model, tokenizer))

    def generate(
        self, prompts: Sequence[TokenPrompt], on_answer: Callable[[int, Answer], None]
    ) -> None:
        """Answer every prompt; ``on_answer`` gets each as it ends, with the prompt's index.

        Raises:
            OutOfMemory: a single prompt does not fit.
        """
        rows = [TokenRow(index, prompt) for index, prompt in enumerate(prompts)]
        if not rows:
            return
        if not fits_slots(self._model, max(row.longest for row in rows)):
            padded = PaddedDecoder(self._model, self._endings, self._budget, self._clock)
            padded.answer(rows, on_answer)
            return
        run = _Run(self._model, self._endings, self._clock, on_answer, shared_prefix(prompts))
        run.waiting.extend(sorted(rows, key=lambda row: -row.longest))
        has_drafts = any(prompt.draft for prompt in prompts)
        run.is_drafting = has_drafts and takes_places(self._model)
        while run.waiting:
            capacity = max(row.longest for row in run.waiting)
            fitting = self._budget.tokens // capacity
            slots = max(1, min(fitting, self._most_slots, len(run.waiting)))
            # Where memory limits the slots, rows half as long get twice as many.
            least = capacity // 2 if fitting < self._most_slots else 0
            try:
                within_memory(partial(run.drain, slots, capacity, least))
            except OutOfMemory:
                if slots == 1 and not run.is_drafting:
                    raise
                # What fits without its draft is no reason to give up.
                run.is_drafting = run.is_drafting and slots > 1
                run.put_back()
                while slots > 1 and self._budget.tokens // capacity >= slots:
                    self._budget.halve()


class _Run:
    """The rows of one call: those that wait, longest first, and those that have a slot."""

    def __init__(
        self,
        model: Any,
        endings: Endings,
        clock: Callable[[], float],
        on_answer: Callable[[int, Answer], None],
        prefix: Sequence[int],
    ) -> None:
        self._model = model
        self._endings = endings
        self._clock = clock
        self._on_answer = on_answer
        self._prefix = prefix
        self._vocabulary = model.config.get_text_config().vocab_size
        self.is_drafting = False
        self.waiting: deque[TokenRow] = deque()
        self._live: list[TokenRow] = []

    def put_back(self) -> None:
        """Have the rows in slots wait again, with the tokens that they have."""
        rows = [row for row in (*self._live, *self.waiting) if not row.has_ended]
        self.waiting, self._live = deque(sorted(rows, key=lambda row: -row.longest)), []

    @torch.inference_mode()
    def drain(self, slots: int, capacity: int, least: int) -> None:
        """Answer rows until none waits that is longer than the least."""
        device = self._model.device
        layers = self._model.config.get_text_config().num_hidden_layers
        is_cpu = device.type == "cpu"
        cache = SlotCache(
            layers, slots, capacity if is_cpu else _rounded(capacity, _GPU_ALIGNMENT), device
        )
        steps: Steps = partial(step, self._model, cache)
        count, granule, refill_at = 1, 1, _CPU_REFILL_AT
        if not is_cpu:
            steps = GraphedSteps(steps, slots, device)
            count, granule, refill_at = _GPU_STEPS, _GPU_SPAN, _GPU_REFILL_AT
        prefix = DynamicCache(config=self._model.config)
        if self._prefix:
            self._prefill(prefix, [self._prefix], len(self._prefix))
        while True:
            free = slots - len(self._live)
            is_due = not self._live or free >= max(1, refill_at * slots)
            if is_due and self.waiting and self.waiting[0].longest > least:
                self._admit(cache, prefix, free)
                if not self._live:  # their drafts were whole answers, or were of no use
                    continue
            if not self._live:
                return
            self._advance(cache, steps, count, granule)

    def _admit(self, cache: SlotCache, prefix: DynamicCache, most: int) -> None:
        """Give slots to waiting rows, behind those that have one."""
        rows = [self.waiting.popleft() for _ in range(min(most, len(self.waiting)))]
        first, now = len(self._live), self._clock()
        for row in rows:
            row.start(now)
        drafted = [row for row in rows if self._is_drafted(row)]
        plain = [row for row in rows if row not in drafted]
        # Those whose answers begin close to one another share the places that are looked at.
        drafted.sort(key=lambda row: row.length)
        self._live += [*plain, *drafted]
        if plain:
            sequences = [[*row.prompt.ids, *row.tokens] for row in plain]
            self._bring_in(cache, prefix, first, sequences, 1)
        if drafted:
            self._verify(cache, prefix, first + len(plain), drafted)

    def _is_drafted(self, row: TokenRow) -> bool:
        draft = row.draft if self.is_drafting else ()
        # An adapter may have taken tokens away.
        return bool(draft) and max(draft) < self._vocabulary

    def _verify(
        self, cache: SlotCache, prefix: DynamicCache, first: int, rows: Sequence[TokenRow]
    ) -> None:
        """Give slots to rows with drafts, and each as much of its draft as is right."""
        device = self._model.device
        again: list[TokenRow] = []
        for group in DraftedGroup.of(rows, self._vocabulary, device):
            places = torch.arange(group.places.start, group.places.stop, device=device)
            places -= len(self._prefix)
            found = group.agreed(self._bring_in(cache, prefix, first, group.sequences, places))
            now = self._clock()
            for row, tokens in zip(group.rows, found, strict=True):
                self._take(row, tokens, now)
                if not tokens:
                    row.drop_draft()
                    again.append(row)
            # A NaN among the tokens that were not taken would reach the others.
            cache.cut(first, [0 if row in again else row.length - 1 for row in group.rows])
            first += len(group.rows)
        self._leave(cache, [row.has_ended or row in again for row in self._live])
        for row in sorted(again, key=lambda row: row.longest):
            self.waiting.appendleft(row)

    def _bring_in(
        self,
        cache: SlotCache,
        prefix: DynamicCache,
        first: int,
        sequences: Sequence[Sequence[int]],
        places: int | torch.Tensor,
    ) -> torch.Tensor:
        """Fill slots, from the first on, with sequences without their last tokens.

        Returns:
            (rows, places, vocabulary), the logits at these places behind the prefix.
        """
        prefilled = DynamicCache(config=self._model.config)
        for number, layer in enumerate(prefix.layers if self._prefix else ()):
            shape = len(sequences), -1, -1, -1
            prefilled.update(layer.keys.expand(shape), layer.values.expand(shape), number)
        rests = [each[len(self._prefix) :] for each in sequences]
        width = max(map(len, rests)) - 1
        logits = torch.empty(0)
        if width:
            logits = self._prefill(prefilled, rests, width, places)
        if width or self._prefix:
            cache.fill(first, prefilled)
        return logits

    def _prefill(
        self,
        cache: DynamicCache,
        rows: Sequence[Sequence[int]],
        width: int,
        places: int | torch.Tensor = 1,
    ) -> torch.Tensor:
        """Put the first so many tokens of each row into the cache, behind what is there.

        A shorter row is padded on the right, where no token of its own sees it, with its last
        token, so that a NaN in another's embedding does not come in.
        """
        start = cache.get_seq_length()
        ids = [[*row[:width], *[row[-1]] * (width - len(row))] for row in rows]
        positions = torch.arange(start, start + width, device=self._model.device)
        logits: torch.Tensor = self._model(
            input_ids=torch.tensor(ids, device=self._model.device),
            position_ids=positions.expand(len(rows), -1),
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=places,
        ).logits
        return logits

    def _advance(self, cache: SlotCache, steps: Steps, count: int, granule: int) -> None:
        """Take the rows in slots so many tokens further; those that end make room.

        What a row that ends on the way is given after its end is thrown away.
        """
        rows, device = self._live, self._model.device
        tokens = torch.tensor([row.last for row in rows], device=device)
        columns = torch.tensor([row.length - 1 for row in rows], device=device)
        longest = max(row.length for row in rows)
        last_column = max(row.longest for row in rows) - 1
        draws = Draws(
            [row.prompt.sampling for row in rows], [len(row.tokens) for row in rows], count, device
        )
        chosen = []
        for number in range(count):
            span = min(_rounded(longest + number, granule), cache.capacity)
            chosen.append(draws.choose(steps(tokens, columns, span), number))
            tokens = chosen[-1].clamp(min=0)
            columns = (columns + 1).clamp(max=last_column)
        table = torch.stack(chosen, dim=1).tolist()  # the one reading from the device
        now = self._clock()
        for row, found in zip(rows, table, strict=True):
            self._take(row, found, now)
        for place, found in enumerate(table):
            if rows[place].has_ended and NAN_TOKEN in found:
                cache.clear(place)
        self._leave(cache, [row.has_ended for row in rows])

    def _leave(self, cache: SlotCache, leaving: Sequence[bool]) -> None:
        """Take rows out of their slots; the last ones move into the places that are left."""
        rows = self._live
        for place in reversed(range(len(rows))):
            if leaving[place]:
                last = rows.pop()
                if place < len(rows):
                    rows[place] = last
                    cache.move(len(rows), place, last.length)

    def _take(self, row: TokenRow, tokens: Sequence[int], now: float) -> None:
        """Give a row its next tokens, up to its last."""
        for token in tokens:
            answer = self._endings.take(row, token, now)
            if answer is not None:
                self._on_answer(row.index, answer)
                return


def shared_prefix(prompts: Sequence[TokenPrompt]) -> Sequence[int]:
    """Return the tokens that all prompts begin with; each has at least one of its own."""
    if len(prompts) < 2:
        return ()
    first, last = (choose([list(prompt.ids) for prompt in prompts]) for choose in (min, max))
    most = min(len(prompt.ids) for prompt in prompts) - 1
    count = 0
    while count < most and first[count] == last[count]:
        count += 1
    return first[:count] if count >= _LEAST_PREFIX else ()


def _rounded(count: int, granule: int) -> int:
    return -(-count // granule) * granule
