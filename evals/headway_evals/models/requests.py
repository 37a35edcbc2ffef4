"""The seam between suites and models: requests in, completions out, whatever the model is."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from headway_evals.prompts import Prompt
from headway_measures.scores import LikelihoodValue


@dataclass(frozen=True, slots=True)
class Generate:
    """Ask for an answer.

    Args:
        max_new_tokens: the longest answer.
        stop: texts that end the answer; they are not part of it.
        temperature: 0 takes the likeliest token each time.
        top_p: with a temperature, the share of the probability that is drawn from.
        seed: of the draws; with the case and ``sample`` it decides them, whatever the batch.
        sample: which of several answers to the same prompt this is.
    """

    max_new_tokens: int
    stop: tuple[str, ...] = ()
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int = 0
    sample: int = 0


@dataclass(frozen=True, slots=True)
class Likelihood:
    """Ask how likely one text is after the prompt."""

    continuation: str


@dataclass(frozen=True, slots=True)
class Choices:
    """Ask how likely each option is after the prompt; ``unconditional`` asks it without, too."""

    options: tuple[str, ...]
    unconditional: bool = False


@dataclass(frozen=True, slots=True)
class Rolling:
    """Ask how likely the prompt itself is, token by token, in windows of the context's length."""


Ask = Generate | Likelihood | Choices | Rolling


@dataclass(frozen=True, slots=True)
class Request:
    """What one case asks of a model.

    Args:
        case_id: the case.
        input: the case's input as it stands in the suite.
        prompt: the input in the suite's template.
        ask: what is to be done with the prompt.
    """

    case_id: str
    input: Any
    prompt: Prompt
    ask: Ask


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
        likelihoods: what was asked for by ``Likelihood`` and ``Rolling`` (one), or by ``Choices``
            (one an option, then, where asked for, one an option without the prompt). ``text`` is
            then the likeliest option, or "".
        is_cut: the answer ended where the model's context did, before the request's own limit.
        cost_usd: what the answer cost, where the model says.
    """

    text: str | None
    error: str | None = None
    is_missing: bool = False
    input_tokens: int | None = None
    output_tokens: int | None = None
    latency_ms: float | None = None
    span_id: str | None = None
    trace_id: str | None = None
    likelihoods: tuple[LikelihoodValue, ...] = ()
    is_cut: bool = False
    cost_usd: float | None = None


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
