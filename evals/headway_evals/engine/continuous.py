"""Generation through transformers' continuous batching, where its fast attention is installed.

transformers then keeps the rows busy itself, over pages of keys and values that flash attention
reads in place. It gives the likeliest tokens and knows no stop texts, so those are looked for
here while an answer grows, and what draws its tokens stays with our decoder. What comes back
failed, not at all or with NaN is asked again there: no prompt is dropped, and an error of this
path costs time only.
"""

import logging
import math
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import fields
from typing import Any

import transformers
from transformers import DynamicCache, GenerationConfig
from transformers.cache_utils import DynamicLayer

from headway_evals.engine.budgets import Budget
from headway_evals.engine.decoding import Decoder
from headway_evals.engine.stops import Endings, end_tokens_of
from headway_evals.engine.token_rows import Answer, TokenPrompt, TokenRow

# Before this version its requests, settings and clean-up differ.
_LEAST_VERSION = 5, 17
# What flash attention computes in.
_DTYPES = "bfloat16", "float16"
_MOST_ROWS = 256
# In one step, prompts that come in included; left to itself it may fill all memory with masks.
_MOST_STEP_TOKENS = 8_192
# Flash attention's own: its pages hold a multiple of this many tokens.
_PAGE_TOKENS = 256
# So many seconds without a step mean that none will come; a first step may record graphs.
_PATIENCE = 300.0
_LOGGER = logging.getLogger(__name__)
# It tells each fault with a traceback; ours is told in a line.
_THEIR_LOGGER = logging.getLogger("ContinuousBatchingLogger")


class ContinuousDecoder:
    """Generates with one model, as a ``Decoder`` does, and through one where it must.

    Args:
        model: a causal language model of transformers, in eval mode.
        tokenizer: its tokenizer.
        budget: of tokens in pages, answers included.
        attention: the implementation to use meanwhile, say ``flash_attention_2``.
        otherwise: answers what this path does not.
        patience: how many seconds may pass without a step.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        *,
        budget: Budget,
        attention: str,
        otherwise: Decoder,
        patience: float = _PATIENCE,
    ) -> None:
        self._model = model
        self._budget = budget
        self._attention = attention
        self._otherwise = otherwise
        self._patience = patience
        self._end_tokens = end_tokens_of(model, tokenizer)
        self._endings = Endings(tokenizer, self._end_tokens)
        self._fault: str | None = None
        self._asked_again = 0

    @property
    def fault(self) -> str | None:
        """Return why this path is no longer taken; None while it is."""
        return self._fault

    @property
    def asked_again(self) -> int:
        """Return how many prompts came back without an answer that counts."""
        return self._asked_again

    def generate(
        self, prompts: Sequence[TokenPrompt], on_answer: Callable[[int, Answer], None]
    ) -> None:
        """Answer every prompt; ``on_answer`` gets each as it ends, with the prompt's index.

        Raises:
            OutOfMemory: a single prompt does not fit.
        """
        left = dict(enumerate(prompts))
        is_tried = self._fault is None and not any(prompt.sampling for prompt in prompts)
        if is_tried:
            with closing(self._answers(prompts)) as answers:
                for index, answer in answers:
                    del left[index]
                    on_answer(index, answer)
            self._asked_again += len(left)
        indices = list(left)
        self._otherwise.generate(
            list(left.values()), lambda place, answer: on_answer(indices[place], answer)
        )

    def give_up(self, reason: str) -> None:
        """Take this path no more, and say so once."""
        if self._fault is None:
            self._fault = reason.partition("\n")[0]
            _LOGGER.warning("generation goes on without continuous batching: %s", self._fault)

    def _answers(self, prompts: Sequence[TokenPrompt]) -> Generator[tuple[int, Answer]]:
        """Yield what can be answered; whatever the caller does with it is no fault of ours."""
        if not prompts:
            return
        rows = [TokenRow(index, prompt) for index, prompt in enumerate(prompts)]
        rows.sort(key=lambda row: -row.longest)
        try:
            with self._managed(rows) as manager:
                # In the queue before the start, which some versions do not survive without any.
                waiting = {self._add(manager, row): row for row in rows}
                manager.start()
                yield from self._collect(manager, waiting)
        except Exception as error:
            self.give_up(f"{type(error).__name__}: {error}")

    @contextmanager
    def _managed(self, rows: Sequence[TokenRow]) -> Iterator[Any]:
        """Have transformers' manager for a while, and then the model as it was."""
        model, before = self._model, self._model.config._attn_implementation
        level = _THEIR_LOGGER.level
        manager: Any = None
        _THEIR_LOGGER.setLevel(logging.CRITICAL)
        try:
            model.set_attn_implementation(self._attention)
            manager = model.init_continuous_batching(
                generation_config=GenerationConfig(
                    do_sample=False, eos_token_id=sorted(self._end_tokens) or -1
                ),
                continuous_batching_config=self._settings(rows),
            )
            manager.warmup()
            yield manager
        finally:
            if manager is not None:
                if manager.is_running():
                    manager.stop(block=True, hard_stop=True)
                manager.destroy()
            if model.config._attn_implementation != before:
                model.set_attn_implementation(before)
            _THEIR_LOGGER.setLevel(level)

    def _settings(self, rows: Sequence[TokenRow]) -> Any:
        """Return pages for as many rows as the budget holds, under this version's names."""
        longest = rows[0].longest
        most = max(1, min(self._budget.tokens // longest, _MOST_ROWS, len(rows)))
        step = min(sum(row.longest for row in rows), self._budget.tokens, _MOST_STEP_TOKENS)
        kind = transformers.ContinuousBatchingConfig
        known = {field.name for field in fields(kind)}
        wanted = {
            "block_size" if "page_size" not in known else "page_size": _PAGE_TOKENS,
            "num_blocks": most * -(-longest // _PAGE_TOKENS),
            "max_batch_tokens": max(step, most),
            "max_requests_per_batch": most,
            "return_logprobs": True,  # they alone show a NaN
            "auto_switch_to_flash": False,  # which might be downloaded; ours is chosen
        }
        return kind(**{name: value for name, value in wanted.items() if name in known})

    def _add(self, manager: Any, row: TokenRow) -> str:
        prompt = row.prompt
        name: str = manager.add_request(
            list(prompt.ids),
            max_new_tokens=prompt.max_new_tokens,
            eos_token_id=sorted(self._end_tokens),
            streaming=bool(prompt.stop),
        )
        return name

    def _collect(self, manager: Any, waiting: dict[str, TokenRow]) -> Generator[tuple[int, Answer]]:
        """Yield answers until none is waited for, or none can come."""
        step, last = 0, time.perf_counter()
        while waiting:
            result = manager.get_result(timeout=1)
            now, steps = time.perf_counter(), getattr(manager, "current_batch", 0)
            if result is not None or steps != step:
                step, last = steps, now
            if result is None:
                if not manager.is_running() or now - last > self._patience:
                    self.give_up(f"{len(waiting)} prompts came back without an answer")
                    return
                continue
            row = waiting.get(result.request_id)
            if row is None:  # steps that were under way when it was cancelled
                continue
            if result.error is not None:
                self.give_up(str(result.error))
                del waiting[result.request_id]
                continue
            answer = self._take(row, result, now) if _is_sound(result) else None
            if answer is not None:
                yield row.index, answer
            if answer is not None or result.is_finished() or not _is_sound(result):
                del waiting[result.request_id]
                if not result.is_finished():
                    manager.cancel_request(result.request_id)

    def _take(self, row: TokenRow, result: Any, now: float) -> Answer | None:
        """Give a row what it has got since; return its answer where that ends it."""
        started, ended = result.lifespan
        row.start(started)
        for token in result.generated_tokens[len(row.tokens) :]:
            answer = self._endings.take(row, token, ended if result.is_finished() else now)
            if answer is not None:
                return answer
        return None


def installed_attention() -> str | None:
    """Return the fast attention that is installed, by transformers' name.

    Only packages count: what the ``kernels`` package offers is downloaded when it is used.
    """
    if transformers.utils.is_flash_attn_3_available():
        return "flash_attention_3"
    return "flash_attention_2" if transformers.utils.is_flash_attn_2_available() else None


def suits_continuous(config: Any, *, device: str, dtype: str, attention: str | None) -> bool:
    """Return whether continuous batching is the fast path for a model.

    Args:
        config: the model's. Each layer must keep every token, and its class must know the
            attention.
        device: its type, such as ``cuda``.
        dtype: what the model computes in.
        attention: the one that is installed, if any.
    """
    version = tuple(map(int, transformers.__version__.split(".")[:2]))
    if attention is None or device != "cuda" or dtype not in _DTYPES or version < _LEAST_VERSION:
        return False
    text = config.get_text_config(decoder=True)
    kind = transformers.MODEL_FOR_CAUSAL_LM_MAPPING.get(type(config), None)
    layers = DynamicCache(config=text).layers
    return (
        getattr(kind, "_supports_flash_attn", False)
        and len(layers) == text.num_hidden_layers
        and all(type(layer) is DynamicLayer for layer in layers)
    )


def _is_sound(result: Any) -> bool:
    """Return whether each token comes with its logarithm of probability, none of them NaN."""
    logprobs = result.logprobs
    return len(logprobs) == len(result.generated_tokens) and all(map(math.isfinite, logprobs))
