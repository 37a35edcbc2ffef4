"""What a checkpoint's engine found, as the completions that were asked for."""

from headway_evals.engine.passages import Measured
from headway_evals.engine.token_rows import Answer, TokenPrompt
from headway_evals.models.requests import Choices, Completion, Generate, Request


def answered(request: Request, prompt: TokenPrompt, answer: Answer) -> Completion:
    """Return what became of a request for an answer.

    Args:
        request: it.
        prompt: what the engine was asked.
        answer: what the engine answered.
    """
    wanted = request.ask.max_new_tokens if isinstance(request.ask, Generate) else 0
    return Completion(
        text=None if answer.is_nan else answer.text,
        error="the model gave NaN instead of a next token" if answer.is_nan else None,
        input_tokens=len(prompt.ids),
        output_tokens=answer.token_count,
        latency_ms=round(answer.latency_ms, 3),
        is_cut=answer.is_full and prompt.max_new_tokens < wanted,
    )


def measured(request: Request, found: Measured) -> Completion:
    """Return what became of a request for likelihoods; the text is the likeliest option."""
    if found.error is not None:
        return Completion(None, error=found.error)
    text = ""
    if isinstance(request.ask, Choices):
        options = request.ask.options
        logprobs = [value.logprob for value in found.likelihoods[: len(options)]]
        text = options[logprobs.index(max(logprobs))]
    return Completion(text, input_tokens=found.input_tokens, likelihoods=found.likelihoods)
