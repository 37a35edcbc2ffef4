"""``generate_batch`` of transformers, its continuous batching: one span for all of its requests."""

from collections.abc import Callable
from typing import Any

from headway.instruments.generations import Pace, Request, answer_fields, prompt_messages
from headway.instruments.local_models import (
    PROVIDER,
    describe_model,
    name_of_model,
    tokenizer_of,
)
from headway.instruments.model_calls import Fields, ModelCall, attempt, is_inside_call, open_call
from headway.lifecycle import current_client

_ARGUMENTS = ("inputs", "generation_config")
_MS_OF_S = 1e3


def watch_generate_batch(generate_batch: Callable[..., Any]) -> Callable[..., Any]:
    """Return a ``generate_batch`` that is recorded."""

    def call(model: Any, *args: Any, **kwargs: Any) -> Any:
        batch = attempt("opening a span", lambda: _open(model, args, kwargs))
        if batch is None:
            return generate_batch(model, *args, **kwargs)
        with batch.call.running():
            results = generate_batch(model, *args, **kwargs)
        batch.finish(results)
        return results

    return call


class _Batch:
    """A call that runs here; its tokens are lists, which nobody has to wait for."""

    def __init__(self, call: ModelCall, request: Request) -> None:
        self._request = request
        self.call = call

    def finish(self, results: Any) -> None:
        """Record the span with what came back."""
        span = self.call.span
        span.end_ns = end_ns = span.now_ns
        self.call.finish(lambda: self._answer(list(results.values()), end_ns))

    def _answer(self, outputs: list[Any], end_ns: int) -> Fields:
        span = self.call.span
        rows = [list(output.generated_tokens) for output in outputs]
        errors = [str(output.error) for output in outputs if output.error]
        reasons = [
            "error" if output.error else "stop" if set(row[-1:]) & self._request.ends else "length"
            for output, row in zip(outputs, rows, strict=True)
        ]
        pace = Pace(span.record.start_ns)
        return {
            **answer_fields(self._request.tokenizer, rows, reasons, span.limits),
            **pace.fields(end_ns, sum(map(len, rows)), len(rows), is_streamed=False),
            "ttft_ms": _first_ms(outputs),
            "status": "error" if errors else None,
            "status_message": errors[0] if errors else None,
        }


def _open(model: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> _Batch | None:
    client = current_client()
    if not client.is_recording or is_inside_call():
        return None
    given = {**dict(zip(_ARGUMENTS, args, strict=False)), **kwargs}
    prompts = [list(ids) for ids in given.get("inputs") or ()]
    request = Request(model, given, tokenizer_of(model), None)
    call = open_call(
        operation="text_completion",
        provider=PROVIDER,
        model=name_of_model(model),
        read_input=lambda: prompt_messages(request.tokenizer, prompts, client.limits),
        params=request.params(),
        attributes={**describe_model(model), "transformers.batch_size": len(prompts)},
    )
    if call is None:
        return None
    call.set(lambda: {"input_tokens": sum(map(len, prompts))})
    return _Batch(call, request)


def _first_ms(outputs: list[Any]) -> float | None:
    # Of the first request to speak, where the caller asked for the tokens' times.
    firsts = [output.timestamps[0] for output in outputs if output.timestamps]
    begins = [output.created_time for output in outputs]
    return max(0.0, min(firsts) - min(begins)) * _MS_OF_S if firsts else None
