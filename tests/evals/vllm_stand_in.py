"""A stand-in for vLLM: its names and shapes, with answers by transformers, a prompt at a time.

``LLM``, ``SamplingParams``, ``LoRARequest``, ``RequestOutput``, ``CompletionOutput`` and
``Logprob`` have the fields that vLLM documents and Headway uses, and refuse what vLLM refuses.
"""

import sys
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

import peft
import pytest
import torch
import transformers

VERSION = "0.11.0"


@dataclass
class SamplingParams:
    """How one prompt is answered."""

    temperature: float = 1.0
    top_p: float = 1.0
    seed: int | None = None
    max_tokens: int | None = 16
    stop: list[str] | None = None
    stop_token_ids: list[int] | None = None
    prompt_logprobs: int | None = None

    def __post_init__(self) -> None:
        if self.max_tokens is not None and self.max_tokens < 1:
            raise ValueError(f"max_tokens must be at least 1, got {self.max_tokens}.")


@dataclass
class Logprob:
    """A token's log-probability."""

    logprob: float
    rank: int | None = None
    decoded_token: str | None = None


@dataclass
class LoRARequest:
    """An adapter."""

    lora_name: str
    lora_int_id: int
    lora_path: str


@dataclass
class CompletionOutput:
    """One answer."""

    index: int
    text: str
    token_ids: list[int]
    finish_reason: str | None = None
    stop_reason: int | str | None = None


@dataclass
class RequestOutput:
    """What came of one prompt."""

    request_id: str
    prompt_token_ids: list[int]
    prompt_logprobs: list[dict[int, Logprob] | None] | None
    outputs: list[CompletionOutput] = field(default_factory=list)
    finished: bool = True


class LLM:
    """An engine; ``made`` lists what each was given."""

    made: list[dict[str, Any]] = []  # noqa: RUF012

    def __init__(self, model: str, **given: Any) -> None:
        LLM.made.append({"model": model, **given})
        self._model_path = model
        self._given = given
        self._tokenizer = transformers.AutoTokenizer.from_pretrained(model)
        self._models: dict[str | None, Any] = {None: self._load(None)}

    def generate(
        self,
        prompts: Sequence[dict[str, list[int]]],
        sampling_params: Sequence[SamplingParams],
        *,
        use_tqdm: bool = True,
        lora_request: LoRARequest | None = None,
    ) -> list[RequestOutput]:
        """Answer prompts of token ids, in their order."""
        if lora_request is not None and not self._given.get("enable_lora"):
            raise ValueError("LoRA is not enabled. Please use --enable-lora.")
        path = None if lora_request is None else lora_request.lora_path
        if path not in self._models:
            self._models[path] = self._load(path)
        return [
            self._answer(self._models[path], str(number), prompt["prompt_token_ids"], params)
            for number, (prompt, params) in enumerate(zip(prompts, sampling_params, strict=True))
        ]

    def _load(self, adapter: str | None) -> Any:
        model = transformers.AutoModelForCausalLM.from_pretrained(self._model_path)
        if adapter is not None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", FutureWarning)
                model = peft.PeftModel.from_pretrained(model, adapter).merge_and_unload()
        return model.eval()

    @torch.inference_mode()
    def _answer(
        self, model: Any, request_id: str, ids: list[int], params: SamplingParams
    ) -> RequestOutput:
        limit = self._given["max_model_len"]
        if len(ids) >= limit:
            raise ValueError(f"The prompt (length {len(ids)}) is as long as the model ({limit}).")
        tokens: list[int] = []
        text, reason = "", "length"
        generator = torch.Generator().manual_seed(params.seed or 0)
        while len(tokens) < min(params.max_tokens or limit, limit - len(ids)):
            logits = model(torch.tensor([[*ids, *tokens]])).logits[0, -1].float()
            if params.temperature:
                chances = (logits / params.temperature).softmax(dim=-1)
                token = int(torch.multinomial(chances, 1, generator=generator))
            else:
                token = int(logits.argmax())
            tokens.append(token)
            if token == self._tokenizer.eos_token_id or token in (params.stop_token_ids or ()):
                reason = "stop"
                break
            text = self._tokenizer.decode(tokens, skip_special_tokens=True)
            places = [text.find(each) for each in params.stop or () if each in text]
            if places:
                text, reason = text[: min(places)], "stop"
                break
        logprobs = None if params.prompt_logprobs is None else self._logprobs(model, ids, params)
        answer = CompletionOutput(0, text, tokens, reason)
        return RequestOutput(request_id, ids, logprobs, [answer])

    def _logprobs(
        self, model: Any, ids: list[int], params: SamplingParams
    ) -> list[dict[int, Logprob] | None]:
        """Return for each token but the first the likeliest ones and its own."""
        assert params.prompt_logprobs is not None
        table = model(torch.tensor([ids])).logits[0].float().log_softmax(dim=-1)
        found: list[dict[int, Logprob] | None] = [None]
        for row, token in zip(table[:-1], ids[1:], strict=True):
            best = row.topk(params.prompt_logprobs).indices.tolist()
            rank = int((row > row[token]).sum()) + 1
            wanted = {int(each): place + 1 for place, each in enumerate(best)} | {token: rank}
            found.append({each: Logprob(float(row[each]), place) for each, place in wanted.items()})
        return found


def install(patch: pytest.MonkeyPatch) -> type[LLM]:
    """Have ``import vllm`` find the stand-in, until the test's end."""
    package, lora, request = (
        ModuleType(name) for name in ("vllm", "vllm.lora", "vllm.lora.request")
    )
    LLM.made = []
    package.__dict__.update(LLM=LLM, SamplingParams=SamplingParams, __version__=VERSION)
    request.__dict__["LoRARequest"] = LoRARequest
    for module in (package, lora, request):
        module.__spec__ = ModuleSpec(module.__name__, None, origin=str(Path(__file__)))
        patch.setitem(sys.modules, module.__name__, module)
    return LLM
