"""``hf:`` models: a transformers checkpoint from disk, with or without a LoRA adapter.

This module imports torch and transformers, which takes seconds; ``specs`` imports it only when
such a model is asked for. The weights are loaded with the first request.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
import transformers

from headway_evals.engine.budgets import Budget, OutOfMemory
from headway_evals.engine.continuous import (
    ContinuousDecoder,
    installed_attention,
    suits_continuous,
)
from headway_evals.engine.decoding import Decoder
from headway_evals.engine.likelihoods import Likelihoods
from headway_evals.engine.noise import Noise, noise_of_answers, noise_of_likelihoods
from headway_evals.engine.passages import Item, Measured
from headway_evals.engine.self_checks import Checked, SelfCheck
from headway_evals.engine.token_rows import Answer, TokenPrompt
from headway_evals.errors import ModelError
from headway_evals.models.bases import find_base
from headway_evals.models.cache_keys import model_key
from headway_evals.models.completions import answered, measured
from headway_evals.models.digests import Digests
from headway_evals.models.encoding import Refusal, RequestEncoder
from headway_evals.models.loading import (
    DTYPES,
    find_device,
    load_config,
    load_context,
    load_tokenizer,
)
from headway_evals.models.quantising import find_quantisation, told
from headway_evals.models.requests import Completion, OnProgress, Request

_CPU_BATCH_TOKENS = 8_192
_GPU_BATCH_TOKENS = 65_536
# Larger batches of likelihoods fall out of a CPU's caches.
_CPU_LIKELIHOOD_TOKENS = 1_536


class Checkpoint:
    """A causal language model in a folder, and the adapter that is merged into it.

    Those of one folder share the weights in memory, and what they answer in turn is what each
    would answer alone.

    Args:
        base: the checkpoint's folder.
        adapter: the adapter's folder.
        device: ``cpu``, ``cuda`` or ``cuda:N``; the GPU where there is one.
        dtype: a key of ``DTYPES``; float32 on a CPU, bfloat16 on a GPU.
        quantise: ``int8``, ``int4`` or ``nf4``; not with an adapter, which is merged into weights.
        allow_pickle: whether weights may be pickled, where there are no safetensors.
        batch_tokens: the most tokens of a batch.
        self_check: on how many of the requests the engine is checked; 0 checks none.
        noise_floor: whether all is asked a second time, packed otherwise, and compared.
        drafts: whether what models on this base answered earlier is tried as the beginning of an
            answer, and what this one answers is kept for others: equal answers come sooner, and
            latencies are no longer those of the model alone. Not with continuous batching.
        paged_attention: what transformers' continuous batching attends with, which is then used
            on any device; the installed one where not given, if it suits model and device.
        digests: knows files by their content.
        clock: seconds, for latencies.

    Raises:
        ModelError: there is no such device, dtype or quantisation.
    """

    def __init__(
        self,
        base: Path,
        adapter: Path | None = None,
        *,
        device: str | None = None,
        dtype: str | None = None,
        quantise: str | None = None,
        allow_pickle: bool = False,
        batch_tokens: int | None = None,
        self_check: int = 0,
        noise_floor: bool = False,
        drafts: bool = False,
        paged_attention: str | None = None,
        digests: Digests | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._folder = base
        self._adapter = adapter
        self._device = find_device(device)
        is_cpu = self._device.type == "cpu"
        self._dtype = dtype or ("float32" if is_cpu else "bfloat16")
        if self._dtype not in DTYPES:
            raise ModelError(f"there is no dtype {dtype!r}; known: {', '.join(DTYPES)}")
        self._batch_tokens = batch_tokens or (_CPU_BATCH_TOKENS if is_cpu else _GPU_BATCH_TOKENS)
        likelihood_tokens = _CPU_LIKELIHOOD_TOKENS if is_cpu else self._batch_tokens
        self._budget = Budget(self._batch_tokens)
        self._likelihood_budget = Budget(min(self._batch_tokens, likelihood_tokens))
        self._self_check = self_check
        self._checked: Checked | None = None
        self._is_asking_twice = noise_floor
        self._noise: Noise | None = None
        self._is_drafting = drafts
        self._drafted = {"tokens": 0, "taken": 0}
        self._given_attention = paged_attention
        self._fault: str | None = None
        self._asked_again = 0
        self._digests = digests or Digests()
        self._clock = clock
        self._quantisation = find_quantisation(quantise, DTYPES[self._dtype], adapter)
        form: dict[str, Any] = {"quantisation": self._quantisation, "allow_pickle": allow_pickle}
        self._base = find_base(base, self._device, self._dtype, **form)

    @property
    def name(self) -> str:
        """Return the folder's name, with the adapter's where there is one."""
        return "+".join(folder.name for folder in self._folders)

    @cached_property
    def digest(self) -> str:
        """Return a digest of weights, adapter, configuration and tokenizer."""
        return self._digests.of_folders(self._folders)

    @cached_property
    def cache_key(self) -> str:
        """Return the key that its answers are kept under: weights, tokenizer and numerics."""
        on_gpu = self._device.type == "cuda"
        # Also where it then fails: that is told in the settings, and rounding is all it changes.
        batching = {"continuous_batching": self._paged_attention} if self._paged_attention else {}
        return model_key(
            self.digest,
            {
                "dtype": self._dtype,
                "device": torch.cuda.get_device_name(self._device) if on_gpu else "cpu",
                "torch": _minor(torch.__version__),
                "transformers": _minor(transformers.__version__),
                **batching,
                **told(self._quantisation),
            },
        )

    @property
    def settings(self) -> dict[str, Any]:
        """Return what else its answers depend on, and what was found of how far they hold."""
        return {
            "device": str(self._device),
            "dtype": self._dtype,
            **told(self._quantisation),
            "batch_tokens": self._batch_tokens,
            "self_check": None if self._checked is None else asdict(self._checked),
            "noise_floor": None if self._noise is None else asdict(self._noise),
            "drafts": dict(self._drafted) if self._drafted["tokens"] else None,
            "continuous_batching": self._paged_attention
            and {
                "attention": self._paged_attention,
                "fault": self._fault,
                "asked_again": self._asked_again,
            },
            "torch": str(torch.__version__),
            "transformers": transformers.__version__,
        }

    def generate(self, requests: Sequence[Request], on_progress: OnProgress) -> list[Completion]:
        """Answer all requests in batches.

        Raises:
            ModelError: the weights cannot be loaded, the tokenizer has no chat template for
                prompts that are chats, the engine fails its self-check, or a single prompt does
                not fit in memory.
        """
        completions: dict[int, Completion] = {}
        prompts: dict[int, TokenPrompt] = {}
        items: dict[int, Item] = {}

        def finish(index: int, completion: Completion) -> None:
            completions[index] = completion
            on_progress(index, completion)

        encoder = RequestEncoder(self._folder, self._tokenizer, self._context)
        for index, encoded in enumerate(encoder.encode(requests)):
            match encoded:
                case Refusal(reason):
                    finish(index, Completion(None, error=reason))
                case TokenPrompt():
                    prompts[index] = encoded
                case Item():
                    items[index] = encoded
        try:
            self._answer(requests, prompts, finish)
            self._measure(requests, items, finish)
        except OutOfMemory as error:
            raise ModelError(
                f"{self.name} runs out of memory on {self._device} with a single prompt: "
                "take a smaller --dtype or another --device"
            ) from error
        return [completions[index] for index in range(len(requests))]

    def _answer(
        self, requests: Sequence[Request], prompts: dict[int, TokenPrompt], finish: OnProgress
    ) -> None:
        if not prompts:
            return
        indices = list(prompts)
        slots = Decoder(self._model, self._tokenizer, budget=self._budget, clock=self._clock)
        continuous = self._continuous(slots, prompts.values())
        is_drafting = self._is_drafting and continuous is None
        asked = [self._with_draft(each) if is_drafting else each for each in prompts.values()]
        if self._self_check:
            named = [
                (requests[index].case_id, each) for index, each in zip(indices, asked, strict=True)
            ]
            self._checked = self._check.check_answers(slots, named)
            if continuous is not None:
                self._check_too(continuous, named)

        answers: dict[int, Answer] = {}

        def on_answer(place: int, answer: Answer) -> None:
            index, answers[place] = indices[place], answer
            if is_drafting:
                self._note(asked[place], answer)
            finish(index, answered(requests[index], prompts[index], answer))

        (continuous or slots).generate(asked, on_answer)
        if continuous is not None:
            self._fault = continuous.fault
            self._asked_again += continuous.asked_again
        if self._is_asking_twice:
            plain = list(prompts.values())  # the second time every token is decoded
            self._noise = noise_of_answers(
                self._model, self._tokenizer, self._budget, plain, answers
            )

    def _with_draft(self, prompt: TokenPrompt) -> TokenPrompt:
        if prompt.sampling is not None:
            return prompt
        return replace(prompt, draft=self._base.drafts.find(prompt.ids))

    def _note(self, prompt: TokenPrompt, answer: Answer) -> None:
        """Remember how far a draft went, and keep the answer as one for others."""
        self._drafted["tokens"] += min(len(prompt.draft), prompt.max_new_tokens)
        self._drafted["taken"] += answer.drafted
        if prompt.sampling is None and not answer.is_nan:
            self._base.drafts.keep(prompt.ids, answer.tokens)

    def _continuous(
        self, slots: Decoder, prompts: Iterable[TokenPrompt]
    ) -> ContinuousDecoder | None:
        """Return what else can answer the prompts and is faster, if anything."""
        attention = self._paged_attention
        if attention is None or self._fault or any(prompt.sampling for prompt in prompts):
            return None
        return ContinuousDecoder(
            self._model,
            self._tokenizer,
            budget=self._budget,
            attention=attention,
            otherwise=slots,
        )

    def _check_too(
        self, continuous: ContinuousDecoder, named: Sequence[tuple[str, TokenPrompt]]
    ) -> None:
        """Check a path that the run can do without: where it errs it is left."""
        try:
            checked = self._check.check_answers(continuous, named)
        except ModelError as error:
            continuous.give_up(str(error))
            return
        if self._checked is None or checked.difference > self._checked.difference:
            self._checked = checked

    def _measure(
        self, requests: Sequence[Request], items: dict[int, Item], finish: OnProgress
    ) -> None:
        if not items:
            return
        indices = list(items)
        engine = Likelihoods(
            self._model, self._tokenizer, self._likelihood_budget, context=self._context
        )
        if self._self_check:
            named = [(requests[index].case_id, item) for index, item in items.items()]
            self._checked = self._check.check_likelihoods(engine, named)

        found: dict[int, Measured] = {}

        def on_measured(place: int, value: Measured) -> None:
            index, found[place] = indices[place], value
            finish(index, measured(requests[index], value))

        asked = list(items.values())
        engine.measure(asked, on_measured)
        if self._is_asking_twice:
            self._noise = noise_of_likelihoods(
                self._model,
                self._tokenizer,
                self._likelihood_budget,
                asked,
                found,
                context=self._context,
            )

    @property
    def _folders(self) -> list[Path]:
        return [self._folder] if self._adapter is None else [self._folder, self._adapter]

    @property
    def _model(self) -> Any:
        return self._base.wearing(self._adapter)

    @cached_property
    def _paged_attention(self) -> str | None:
        """Return what continuous batching attends with; None where it is not the fast path."""
        if self._given_attention is not None or self._device.type != "cuda":
            return self._given_attention
        attention = installed_attention()
        suits = suits_continuous(
            load_config(self._folder),
            device=self._device.type,
            dtype=self._dtype,
            attention=attention,
        )
        return attention if suits else None

    @property
    def _check(self) -> SelfCheck:
        return SelfCheck(self._model, self._tokenizer, self._context, self._self_check)

    @cached_property
    def _tokenizer(self) -> Any:
        return load_tokenizer(self._folder)

    @cached_property
    def _context(self) -> int:
        return load_context(self._folder)


def _minor(version: object) -> str:
    """Return a version without its last number, which changes no answers."""
    return ".".join(str(version).split(".")[:2])
