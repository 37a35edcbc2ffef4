"""The seam between suites and models: requests in, completions out, whatever the model is."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from headway_evals.prompts import Prompt


@dataclass(frozen=True, slots=True)
class Request:
    """What one case asks of a model.

    Args:
        case_id: the case.
        input: the case's input as it stands in the suite.
        prompt: the input in the suite's template.
        max_new_tokens: the longest answer.
        stop: texts that end the answer; they are not part of it.
    """

    case_id: str
    input: Any
    prompt: Prompt
    max_new_tokens: int
    stop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Completion:
    """What a model made of one request.

    Args:
        text: the answer; None where there is none.
        error: why there is none.
        is_missing: nobody was asked: a ``log:`` model holds no answer to this input. Such a
            case counts nowhere, while any other error counts as a failure.
        latency_ms: from the start of the batch that held the request to its last token.
        span_id: the logged span that holds the answer.
        trace_id: that span's trace.
    """

    text: str | None
    error: str | None = None
    is_missing: bool = False
    input_tokens: int | None = None
    output_tokens: int | None = None
    latency_ms: float | None = None
    span_id: str | None = None
    trace_id: str | None = None


OnProgress = Callable[[int, Completion], None]
"""Called as each completion comes, in any order, with the index of its request."""


class Model(Protocol):
    """Answers requests."""

    @property
    def name(self) -> str:
        """Return what people call it, for example ``triage-base+triage-v2``."""

    @property
    def digest(self) -> str:
        """Return a digest of all that its answers depend on; ask after ``generate``."""

    @property
    def settings(self) -> dict[str, Any]:
        """Return what a run should remember: device, dtype, where it came from."""

    def generate(self, requests: Sequence[Request], on_progress: OnProgress) -> list[Completion]:
        """Answer all requests, in their order.

        Raises:
            ModelError: the model as a whole cannot answer; what ails one request is in its
                completion's ``error``.
        """
