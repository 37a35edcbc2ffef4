"""``vllm:`` models: a checkpoint from disk, answered by vLLM where that is installed.

    vllm:PATH
    vllm:PATH+ADAPTER?max_model_len=4096&gpu_memory_utilization=0.8

Prompts are made as for ``hf:``, chat templates and all, and vLLM gets their tokens. Likelihoods
are read from the log-probabilities that it gives of a prompt. Nothing is downloaded: a path or a
name in sight, as for ``hf:``.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import torch

from headway_evals.engine.passages import Encoded, Item, Passage, PassageEncoder, PassageScore
from headway_evals.engine.token_rows import TokenPrompt
from headway_evals.errors import ModelError
from headway_evals.models.cache_keys import model_key
from headway_evals.models.digests import Digests
from headway_evals.models.encoding import Refusal, RequestEncoder
from headway_evals.models.loading import load_context, load_tokenizer
from headway_evals.models.requests import Choices, Completion, Generate, OnProgress, Request
from headway_evals.models.vllm_engines import Asked, find_engine, version

# Answers are kept after so many requests, though vLLM would take all of them at once.
_REQUESTS = 1_024
_KINDS: dict[str, type] = {
    "max_model_len": int,
    "tensor_parallel_size": int,
    "gpu_memory_utilization": float,
    "max_num_seqs": int,
    "max_num_batched_tokens": int,
    "quantization": str,
    "enforce_eager": bool,
}
_NO_CONTEXT = 2**31


class VllmModel:
    """A causal language model in a folder, run by vLLM, with an adapter or none.

    Models of one folder share the engine; all should be made before any is asked, so that the
    engine has room for their adapters.

    Args:
        base: the checkpoint's folder.
        adapter: the adapter's folder.
        dtype: as vLLM names it; None takes the checkpoint's.
        options: what ``vllm.LLM`` is given besides, see ``parse_options``.
        digests: knows files by their content.

    Raises:
        ModelError: the checkpoint's context is not known.
    """

    def __init__(
        self,
        base: Path,
        adapter: Path | None = None,
        *,
        dtype: str | None = None,
        options: Mapping[str, Any] | None = None,
        digests: Digests | None = None,
    ) -> None:
        self._folder = base
        self._adapter = adapter
        self._dtype = dtype
        self._digests = digests or Digests()
        given = dict(options or {})
        self._context: int = given.setdefault("max_model_len", load_context(base))
        if self._context >= _NO_CONTEXT:
            raise ModelError(
                f"{base} does not say how many tokens it sees: write vllm:{base}?max_model_len=4096"
            )
        self._options = {"dtype": dtype or "auto", "seed": 0, "trust_remote_code": False, **given}
        self._engine = find_engine(base, self._options)
        if adapter is not None:
            self._engine.expect(adapter)

    @property
    def name(self) -> str:
        """Return the folder's name, with the adapter's where there is one."""
        return "+".join(folder.name for folder in self._folders)

    @cached_property
    def digest(self) -> str:
        """Return a digest of weights, adapter, configuration and tokenizer."""
        return self._digests.of_folders(self._folders)

    @property
    def cache_key(self) -> str:
        """Return the key that its answers are kept under."""
        return model_key(self.digest, self.settings)

    @property
    def settings(self) -> dict[str, Any]:
        """Return what else its answers depend on."""
        return {
            "vllm": version(),
            "gpu": _gpu(),
            # None, and not what stands for it, so that a rerun is given what this was given.
            "dtype": self._dtype,
            "engine": {**self._options, **self._engine.adapter_settings},
        }

    def generate(self, requests: Sequence[Request], on_progress: OnProgress) -> list[Completion]:
        """Answer all requests.

        Raises:
            ModelError: vLLM cannot load the checkpoint or fails, or prompts are chats and the
                tokenizer has no template.
        """
        completions: dict[int, Completion] = {}
        # The last token of a passage is only looked up, and one more is always generated.
        encoder = RequestEncoder(self._folder, self._tokenizer, self._context)
        passages = PassageEncoder(self._tokenizer, self._context - 2)
        for start in range(0, len(requests), _REQUESTS):
            some = requests[start : start + _REQUESTS]
            for place, completion in self._answer(some, encoder, passages).items():
                completions[start + place] = completion
                on_progress(start + place, completion)
        return [completions[index] for index in range(len(requests))]

    def _answer(
        self, requests: Sequence[Request], encoder: RequestEncoder, passages: PassageEncoder
    ) -> dict[int, Completion]:
        found: dict[int, Completion] = {}
        prompts: dict[int, TokenPrompt] = {}
        items: dict[int, Item] = {}
        for place, encoded in enumerate(encoder.encode(requests)):
            match encoded:
                case Refusal(reason):
                    found[place] = Completion(None, error=reason)
                case TokenPrompt():
                    prompts[place] = encoded
                case Item():
                    items[place] = encoded
        measured = dict(zip(items, passages.encode(list(items.values())), strict=True))
        asked = [Asked(each.ids, self._sampling(each)) for each in prompts.values()]
        asked += [_look_up(each) for row in measured.values() for each in row.passages]
        outputs = iter(self._engine.generate(asked, self._adapter) if asked else [])
        for place, prompt in prompts.items():
            found[place] = _completion(requests[place], prompt, next(outputs))
        for place, row in measured.items():
            scores = [_score(each, next(outputs)) for each in row.passages]
            found[place] = _measured(requests[place], row, scores)
        return dict(sorted(found.items()))

    def _sampling(self, prompt: TokenPrompt) -> dict[str, Any]:
        """Return the arguments of ``SamplingParams``; greedy without a seed."""
        # A stop text that is one token of its own, say <|im_end|>, does not show in vLLM's text.
        added = self._tokenizer.get_added_vocab()
        given: dict[str, Any] = {
            "max_tokens": prompt.max_new_tokens,
            "temperature": 0.0,
            "stop": list(prompt.stop) or None,
            "stop_token_ids": [added[each] for each in prompt.stop if each in added] or None,
        }
        if prompt.sampling is not None:
            drawn = prompt.sampling
            given |= {"temperature": drawn.temperature, "top_p": drawn.top_p, "seed": drawn.seed}
        return given

    @property
    def _folders(self) -> list[Path]:
        return [self._folder] if self._adapter is None else [self._folder, self._adapter]

    @cached_property
    def _tokenizer(self) -> Any:
        return load_tokenizer(self._folder)


def parse_options(spec: str, query: str) -> dict[str, Any]:
    """Return what ``?name=value&…`` gives to ``vllm.LLM``.

    Raises:
        ModelError: there is no such option, or its value is of another kind.
    """
    options: dict[str, Any] = {}
    for name, text in parse_qsl(query, keep_blank_values=True):
        kind = _KINDS.get(name)
        if kind is None:
            raise ModelError(f"{spec} has the unknown option {name!r}; known: {', '.join(_KINDS)}")
        try:
            options[name] = {"true": True, "false": False}[text] if kind is bool else kind(text)
        except (ValueError, KeyError) as error:
            wanted = "true or false" if kind is bool else f"of type {kind.__name__}"
            raise ModelError(f"{spec} has {name}={text!r}, which must be {wanted}") from error
    return options


def _gpu() -> str | None:
    return torch.cuda.get_device_name() if torch.cuda.is_available() else None


def _look_up(passage: Passage) -> Asked:
    """Return what makes vLLM tell the likelihoods of a passage; the one new token is dropped."""
    ids = passage.ids.tolist()
    return Asked(ids, {"max_tokens": 1, "temperature": 0.0, "prompt_logprobs": 1})


def _completion(request: Request, prompt: TokenPrompt, output: Any) -> Completion:
    answer = output.outputs[0]
    wanted = request.ask.max_new_tokens if isinstance(request.ask, Generate) else 0
    return Completion(
        text=answer.text,
        input_tokens=len(prompt.ids),
        output_tokens=len(answer.token_ids),
        is_cut=answer.finish_reason == "length" and prompt.max_new_tokens < wanted,
    )


def _score(passage: Passage, output: Any) -> PassageScore:
    """Read the measured tokens at a passage's end: a table a token, with it and the likeliest."""
    ids = passage.ids.tolist()[-passage.measured :]
    tables = output.prompt_logprobs[-passage.measured :]
    logprobs = [table[token].logprob for token, table in zip(ids, tables, strict=True)]
    best = [max(each.logprob for each in table.values()) for table in tables]
    return PassageScore(
        logprob=sum(logprobs),
        is_greedy=all(own >= most for own, most in zip(logprobs, best, strict=True)),
    )


def _measured(request: Request, row: Encoded, scores: Sequence[PassageScore]) -> Completion:
    found = row.measured(scores)
    if found.error is not None:
        return Completion(None, error=found.error)
    text = ""
    if isinstance(request.ask, Choices):
        options = request.ask.options
        logprobs = [value.logprob for value in found.likelihoods[: len(options)]]
        text = options[logprobs.index(max(logprobs))]
    return Completion(text, input_tokens=found.input_tokens, likelihoods=found.likelihoods)
