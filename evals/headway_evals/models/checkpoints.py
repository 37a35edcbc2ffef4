"""``hf:`` models: a transformers checkpoint from disk, with or without a LoRA adapter.

This module imports torch and transformers, which takes seconds; ``specs`` imports it only when
such a model is asked for. The weights are loaded with the first request.
"""

import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import peft
import torch
import transformers

from headway_evals.errors import ModelError
from headway_evals.generation import Answer, Generator, TokenPrompt
from headway_evals.models.cache_keys import model_key
from headway_evals.models.folders import digest_folders
from headway_evals.models.requests import Completion, OnProgress, Request

DTYPES = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
}
# No download, and no code that comes with a checkpoint.
_FROM_DISK = {"local_files_only": True, "trust_remote_code": False}
_CPU_BATCH_TOKENS = 8_192
_GPU_BATCH_TOKENS = 65_536


class Checkpoint:
    """A causal language model in a folder, and the adapter that is merged into it.

    Args:
        base: the checkpoint's folder.
        adapter: the adapter's folder.
        device: ``cpu``, ``cuda`` or ``cuda:N``; the GPU where there is one.
        dtype: a key of ``DTYPES``; float32 on a CPU, bfloat16 on a GPU.
        batch_tokens: the most tokens of a batch.
        clock: seconds, for latencies.

    Raises:
        ModelError: there is no such device or dtype.
    """

    def __init__(
        self,
        base: Path,
        adapter: Path | None = None,
        *,
        device: str | None = None,
        dtype: str | None = None,
        batch_tokens: int | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._base = base
        self._adapter = adapter
        self._device = _device(device)
        is_cpu = self._device.type == "cpu"
        self._dtype = dtype or ("float32" if is_cpu else "bfloat16")
        if self._dtype not in DTYPES:
            raise ModelError(f"there is no dtype {dtype!r}; known: {', '.join(DTYPES)}")
        self._batch_tokens = batch_tokens or (_CPU_BATCH_TOKENS if is_cpu else _GPU_BATCH_TOKENS)
        self._clock = clock

    @property
    def name(self) -> str:
        """Return the folder's name, with the adapter's where there is one."""
        return "+".join(folder.name for folder in self._folders)

    @cached_property
    def digest(self) -> str:
        """Return a digest of weights, adapter, configuration and tokenizer."""
        return digest_folders(self._folders)

    @cached_property
    def cache_key(self) -> str:
        """Return the key that its answers are kept under: weights, tokenizer and numerics."""
        on_gpu = self._device.type == "cuda"
        return model_key(
            self.digest,
            {
                "dtype": self._dtype,
                "device": torch.cuda.get_device_name(self._device) if on_gpu else "cpu",
                "torch": _minor(torch.__version__),
                "transformers": _minor(transformers.__version__),
            },
        )

    @property
    def settings(self) -> dict[str, Any]:
        """Return what else its answers depend on."""
        return {
            "device": str(self._device),
            "dtype": self._dtype,
            "batch_tokens": self._batch_tokens,
            "torch": str(torch.__version__),
            "transformers": transformers.__version__,
        }

    def generate(self, requests: Sequence[Request], on_progress: OnProgress) -> list[Completion]:
        """Answer all requests in batches.

        Raises:
            ModelError: the weights cannot be loaded, the tokenizer has no chat template for
                prompts that are chats, or a single prompt does not fit in memory.
        """
        completions: dict[int, Completion] = {}
        prompts: dict[int, TokenPrompt] = {}

        def finish(index: int, completion: Completion) -> None:
            completions[index] = completion
            on_progress(index, completion)

        context = self._context
        for index, request in enumerate(requests):
            ids = self._encode(request)
            room = context - len(ids)
            if not ids:
                finish(index, Completion(None, error="the prompt has no tokens"))
            elif room < 1:
                finish(index, Completion(None, error=_too_long(len(ids), context)))
            else:
                ask = request.ask
                prompts[index] = TokenPrompt(ids, min(ask.max_new_tokens, room), ask.stop)

        indices = list(prompts)

        def on_answer(place: int, answer: Answer) -> None:
            index = indices[place]
            finish(index, _completion(prompts[index], answer))

        try:
            self._generator.generate(list(prompts.values()), on_answer)
        except torch.OutOfMemoryError as error:
            raise ModelError(
                f"{self.name} runs out of memory on {self._device} with a single prompt: "
                "take a smaller --dtype or another --device"
            ) from error
        return [completions[index] for index in range(len(requests))]

    @property
    def _folders(self) -> list[Path]:
        return [self._base] if self._adapter is None else [self._base, self._adapter]

    @cached_property
    def _tokenizer(self) -> Any:
        try:
            return transformers.AutoTokenizer.from_pretrained(self._base, **_FROM_DISK)
        except (OSError, ValueError, KeyError) as error:
            raise ModelError(f"the tokenizer in {self._base} cannot be loaded: {error}") from error

    @cached_property
    def _generator(self) -> Generator:
        model = _load(self._base, DTYPES[self._dtype])
        if self._adapter is not None:
            model = _merge(model, self._adapter)
        model = model.to(self._device).eval()
        return Generator(model, self._tokenizer, batch_tokens=self._batch_tokens, clock=self._clock)

    @cached_property
    def _context(self) -> int:
        try:
            config = transformers.AutoConfig.from_pretrained(self._base, **_FROM_DISK)
        except (OSError, ValueError, KeyError) as error:
            raise ModelError(f"{self._base} cannot be loaded: {error}") from error
        return int(getattr(config.get_text_config(), "max_position_embeddings", None) or 2**31)

    def _encode(self, request: Request) -> list[int]:
        prompt, tokenizer = request.prompt, self._tokenizer
        if isinstance(prompt, str):
            return list(tokenizer(prompt)["input_ids"])
        if tokenizer.chat_template is None:
            raise ModelError(
                f"the tokenizer in {self._base} has no chat template, and case "
                f"{request.case_id!r} is a chat: give the suite a prompt that is text"
            )
        messages = [{"role": each.role, "content": each.content} for each in prompt]
        text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        return list(tokenizer(text, add_special_tokens=False)["input_ids"])


def _too_long(count: int, context: int) -> str:
    return f"the prompt has {count} tokens, the model's context is {context}"


def _completion(prompt: TokenPrompt, answer: Answer) -> Completion:
    return Completion(
        text=None if answer.is_nan else answer.text,
        error="the model gave NaN instead of a next token" if answer.is_nan else None,
        input_tokens=len(prompt.ids),
        output_tokens=answer.token_count,
        latency_ms=round(answer.latency_ms, 3),
    )


def _minor(version: object) -> str:
    """Return a version without its last number, which changes no answers."""
    return ".".join(str(version).split(".")[:2])


def _device(name: str | None) -> torch.device:
    if name is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ModelError(f"there is no device {name!r}; give cpu, cuda or cuda:N") from error
    if device.type == "cuda" and not (device.index or 0) < torch.cuda.device_count():
        raise ModelError(
            f"there is no device {name!r} here: torch sees {torch.cuda.device_count()} GPUs"
        )
    return device


def _load(folder: Path, dtype: torch.dtype) -> Any:
    transformers.utils.logging.disable_progress_bar()
    try:
        with _silence():
            model, report = transformers.AutoModelForCausalLM.from_pretrained(
                folder,
                dtype=dtype,
                **_FROM_DISK,
                use_safetensors=True,
                output_loading_info=True,
                # They are told below, in a line and not in a table.
                ignore_mismatched_sizes=True,
            )
    except (OSError, ValueError, RuntimeError, KeyError, ImportError) as error:
        raise ModelError(f"{folder} cannot be loaded: {error}") from error
    # transformers fills what is missing with random numbers and goes on.
    lacking = sorted(report["missing_keys"])
    if lacking:
        raise ModelError(
            f"the weights in {folder} are not those of a {type(model).__name__}: "
            f"{len(lacking)} tensors are missing, {lacking[0]} for one"
        )
    # Each with its two shapes behind it.
    misfits = sorted(name for name, *_ in report["mismatched_keys"])
    if misfits:
        raise ModelError(
            f"the weights in {folder} do not fit its config.json: {len(misfits)} tensors have "
            f"another shape, {misfits[0]} for one"
        )
    return model


@contextmanager
def _silence() -> Iterator[None]:
    """Let transformers keep its tables to itself; what they say is in our one line."""
    logging = transformers.utils.logging
    earlier = logging.get_verbosity()
    logging.set_verbosity(logging.CRITICAL)
    try:
        yield
    finally:
        logging.set_verbosity(earlier)


def _merge(model: Any, adapter: Path) -> Any:
    try:
        with warnings.catch_warnings():
            # peft asks for an attribute by the name it had before transformers renamed it.
            warnings.simplefilter("ignore", FutureWarning)
            # An adapter that lacks tensors would be merged as if it had learnt nothing there.
            warnings.filterwarnings("error", message="Found missing adapter keys")
            tuned = peft.PeftModel.from_pretrained(model, adapter, local_files_only=True)
            return tuned.merge_and_unload()
    except (OSError, ValueError, RuntimeError, KeyError, TypeError, UserWarning) as error:
        raise ModelError(f"the adapter {adapter} does not fit its base: {error}") from error
