"""transformers: ``generate`` of every model as a span, and what else of the library is patched.

One ``generate`` is one span. The first token's time comes from the question that the decoding
loop asks itself before each step, whether a sequence is unfinished: to answer it the loop has
waited for the tokens so far, so nothing has to wait for our sake, and no hook, processor or
streamer is added that could change a result, a compiled model or the pace.
"""

import sys
from collections.abc import Callable
from contextlib import suppress
from contextvars import ContextVar
from typing import Any

from headway.contexts import restore
from headway.instruments.generations import Pace, Request
from headway.instruments.local_models import (
    PROVIDER,
    name_of_model,
    remember_tokenizer,
    tokenizer_of,
)
from headway.instruments.model_calls import Fields, ModelCall, attempt, is_inside_call, open_call
from headway.instruments.patches import Patches
from headway.instruments.transformers_batches import watch_generate_batch
from headway.instruments.transformers_pipelines import PROMPT, watch_call, watch_forward
from headway.lifecycle import current_client

_ARGUMENTS = (
    "inputs",
    "generation_config",
    "logits_processor",
    "stopping_criteria",
    "prefix_allowed_tokens_fn",
    "synced_gpus",
    "assistant_model",
    "streamer",
)
"""Those of ``generate`` that are given by place now and then."""


def install(patches: Patches) -> None:
    """Record what transformers does, as its parts are imported; none is imported for it."""
    patches.later("transformers.tokenization_utils_base", lambda: _install_tokenizers(patches))
    patches.later("transformers.generation.utils", lambda: _install_models(patches))
    patches.later("transformers.pipelines.base", lambda: _install_pipelines(patches))


def _install_tokenizers(patches: Patches) -> None:
    base = sys.modules["transformers.tokenization_utils_base"].PreTrainedTokenizerBase
    patches.wrap(base, "__init__", _watch_tokenizer)


def _install_models(patches: Patches) -> None:
    mixin = sys.modules["transformers.generation.utils"].GenerationMixin
    patches.wrap(mixin, "generate", _watch_generate)
    with suppress(AttributeError):  # without it there is no time to the first token
        patches.wrap(mixin, "_has_unfinished_sequences", _watch_steps)
    with suppress(AttributeError):  # older releases have none
        patches.wrap(mixin, "generate_batch", watch_generate_batch)


def _install_pipelines(patches: Patches) -> None:
    base = sys.modules["transformers.pipelines.base"].Pipeline
    patches.wrap(base, "forward", watch_forward)
    patches.wrap(base, "__call__", watch_call)


class _Generation:
    """A call of ``generate`` that runs here."""

    def __init__(self, call: ModelCall, request: Request) -> None:
        self.call = call
        self.request = request
        self.pace = Pace(call.span.record.start_ns)

    def fail(self) -> None:
        """Tell what it was asked, before the error that ended it ends the span."""
        # After an error of a GPU its tensors cannot be read, and to try would wait for it.
        if self.request.is_on_cpu:
            self.call.set(lambda: self.request.fields(self.call.span.limits))

    def finish(self, result: Any) -> None:
        """Tell what it was asked and what it made; the time for this is not the model's."""
        span = self.call.span
        span.end_ns = end_ns = span.now_ns
        self.call.set(lambda: self.request.fields(span.limits))
        self.call.finish(lambda: self._answer(result, end_ns))

    def _answer(self, result: Any, end_ns: int) -> Fields:
        fields, tokens, rows = self.request.answer(result, self.call.span.limits)
        pace = self.pace.fields(end_ns, tokens, rows, is_streamed=self.request.is_streamed)
        return {**fields, **pace}


_RUNNING: ContextVar[_Generation | None] = ContextVar("headway_generation", default=None)


def _watch_generate(generate: Callable[..., Any]) -> Callable[..., Any]:
    def call(model: Any, *args: Any, **kwargs: Any) -> Any:
        running = attempt("opening a span", lambda: _open(model, args, kwargs))
        if running is None:
            return generate(model, *args, **kwargs)
        token = _RUNNING.set(running)
        try:
            with running.call.running():
                try:
                    result = generate(model, *args, **kwargs)
                except BaseException:
                    running.fail()
                    raise
        finally:
            restore(_RUNNING, token)
        running.finish(result)
        return result

    return call


def _watch_steps(has_unfinished: Callable[..., Any]) -> Callable[..., Any]:
    def call(model: Any, *args: Any, **kwargs: Any) -> Any:
        answer = has_unfinished(model, *args, **kwargs)
        running = _RUNNING.get()
        # The model that assists it has steps of its own.
        if running is not None and running.request.model is model:
            running.pace.step(running.call.span.now_ns)
        return answer

    return call


def _watch_tokenizer(initialise: Callable[..., None]) -> Callable[..., None]:
    def call(tokenizer: Any, *args: Any, **kwargs: Any) -> None:
        initialise(tokenizer, *args, **kwargs)
        attempt("reading a tokenizer", lambda: remember_tokenizer(tokenizer))

    return call


def _open(model: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> _Generation | None:
    if not current_client().is_recording or is_inside_call():
        return None
    given = {**dict(zip(_ARGUMENTS, args, strict=False)), **kwargs}
    prompt = PROMPT.get()
    # Not with ``or``: the length of a tokenizer takes it long to tell.
    known = (
        prompt.tokenizer if prompt else None,
        given.get("tokenizer"),
        getattr(given.get("streamer"), "tokenizer", None),
        tokenizer_of(model),
    )
    tokenizer = next((each for each in known if each is not None), None)
    request = Request(model, given, tokenizer, prompt.messages if prompt else None)
    call = open_call(
        operation="chat" if prompt and prompt.is_chat else "text_completion",
        provider=PROVIDER,
        model=name_of_model(model),
        params=request.params(),
    )
    return None if call is None else _Generation(call, request)
