"""Pipelines of transformers: what they hand to ``generate``, and the calls that do not use it.

A pipeline that generates adds nothing to one prompt: the span is that of ``generate``, which
learns here the messages that the tokens were made of. Several prompts at once are a ``chain``
around the spans of their batches. A pipeline that reads (a classifier, a recogniser) is one span
a call, and one that makes vectors is an embedding. Where a dataset or a generator is given, the
work is done later, as the application reads: then only what generates has spans.
"""

from collections.abc import Callable, Mapping
from contextvars import ContextVar
from types import GeneratorType
from typing import Any, NamedTuple

from headway.contexts import restore
from headway.instruments.local_models import PROVIDER, describe_model, name_of_model
from headway.instruments.messages import Message, chat_message
from headway.instruments.model_calls import Fields, ModelCall, attempt, is_inside_call, open_call
from headway.lifecycle import current_client
from headway.tracing import ActiveSpan, span

_EMBEDDING_TASKS = frozenset(("feature-extraction", "image-feature-extraction"))


class Prompt(NamedTuple):
    """What a pipeline made tokens of."""

    tokenizer: Any
    messages: list[Message] | None
    """None where the tokens alone tell."""
    is_chat: bool


PROMPT: ContextVar[Prompt | None] = ContextVar("headway_pipeline_prompt", default=None)
"""Of the pipeline whose model runs here."""


def watch_forward(forward: Callable[..., Any]) -> Callable[..., Any]:
    """Return a ``forward`` that tells ``generate`` what its tokens were made of."""

    def call(pipeline: Any, model_inputs: Any, *args: Any, **kwargs: Any) -> Any:
        prompt = None
        if current_client().is_recording:
            prompt = attempt("reading a prompt", lambda: _prompt_of(pipeline, model_inputs))
        token = PROMPT.set(prompt)
        try:
            return forward(pipeline, model_inputs, *args, **kwargs)
        finally:
            restore(PROMPT, token)

    return call


def watch_call(ask: Callable[..., Any]) -> Callable[..., Any]:
    """Return a ``__call__`` of pipelines that is recorded, where it is more than ``generate``."""

    def call(pipeline: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        opened = attempt("opening a span", lambda: _open(pipeline, inputs))
        if opened is None:
            return ask(pipeline, inputs, *args, **kwargs)
        if isinstance(opened, ModelCall):
            with opened.running():
                vectors = ask(pipeline, inputs, *args, **kwargs)
            opened.finish(lambda: _vector_fields(vectors))
            return vectors
        with opened:
            result = ask(pipeline, inputs, *args, **kwargs)
            opened.output = result
        return result

    return call


def _prompt_of(pipeline: Any, model_inputs: Any) -> Prompt | None:
    if not pipeline._pipeline_calls_generate:
        return None
    # Asked in this way, since the tokenizer's own kind of dict is no Mapping.
    given: Any = model_inputs.get("prompt_text") if hasattr(model_inputs, "get") else None
    messages: list[Message] | None = None
    if isinstance(given, str):
        messages = [chat_message({"role": "user", "content": given})]
    elif isinstance(given, list) and all(isinstance(text, str) for text in given):
        messages = [chat_message({"role": "user", "content": text}) for text in given]
    elif hasattr(given, "messages"):
        messages = [chat_message(each) for each in given.messages]
    return Prompt(pipeline.tokenizer, messages, is_chat=hasattr(given, "messages"))


def _open(pipeline: Any, inputs: Any) -> ActiveSpan | ModelCall | None:
    if not current_client().is_recording or is_inside_call() or _is_lazy(inputs):
        return None
    model = pipeline.model
    task = pipeline.task or type(pipeline).__name__
    if pipeline._pipeline_calls_generate and model.can_generate():
        is_batch = isinstance(inputs, list) and len(inputs) > 1 and not _is_message(inputs[0])
        return span(task, kind="chain", input=inputs) if is_batch else None
    attributes = {
        **{name: value for name, value in describe_model(model).items() if value is not None},
        "transformers.task": task,
        "transformers.batch_size": len(inputs) if isinstance(inputs, list) else 1,
    }
    name = name_of_model(model)
    if task in _EMBEDDING_TASKS:
        return open_call(
            operation="embeddings",
            provider=PROVIDER,
            model=name,
            read_input=lambda: inputs,
            attributes=attributes,
        )
    return span(task, model=name, provider=PROVIDER, input=inputs, attributes=attributes)


def _is_lazy(inputs: Any) -> bool:
    # A dataset of torch, which this must not import to ask.
    return isinstance(inputs, GeneratorType) or any(
        base.__module__.startswith("torch.utils.data") for base in type(inputs).__mro__
    )


def _is_message(value: Any) -> bool:
    return isinstance(value, Mapping) and "role" in value


def _vector_fields(vectors: Any) -> Fields:
    # Of nested lists the innermost, or of a tensor the last axis; the numbers are not logged.
    size = getattr(vectors, "shape", None)
    while size is None and isinstance(vectors, list) and vectors and not _is_number(vectors[0]):
        vectors = vectors[0]
        size = getattr(vectors, "shape", None)
    if size is None:
        size = [len(vectors)] if isinstance(vectors, list) else [0]
    return {"attributes": {"gen_ai.embeddings.dimension.count": int(size[-1]) or None}}


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float))
