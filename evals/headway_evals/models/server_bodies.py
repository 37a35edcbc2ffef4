"""What is sent to an OpenAI-compatible server, and how its answers are read.

    {"choices": [{"message": {"content": "a refund"}, "finish_reason": "stop"}],
     "usage": {"prompt_tokens": 12, "completion_tokens": 3}}
    {"choices": [{"text": "a refund", "finish_reason": "stop"}], "usage": {…}}

Servers differ in all but these fields, so whatever else is missing or odd is passed over.
"""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from headway_evals.models.requests import Completion, Generate
from headway_evals.models.server_calls import CallFault, Reply
from headway_evals.prompts import Prompt
from headway_measures.scores import LikelihoodValue, shortened, shown

Api = Literal["chat", "completions"]

PATHS: dict[Api, str] = {"chat": "/chat/completions", "completions": "/completions"}
# OpenAI takes no more; the answer is cut at the rest here.
_MOST_STOPS = 4


def generate_body(
    model: str, prompt: Prompt, case_id: str, ask: Generate, *, api: Api, limit_name: str
) -> dict[str, Any]:
    """Return the body of a request for an answer.

    Args:
        model: the server's name for it.
        prompt: a text goes to a chat as the one message of a user.
        case_id: decides the draws, with the seed and the sample.
        ask: what is asked.
        api: where it goes.
        limit_name: the server's name for the most tokens of an answer.
    """
    body: dict[str, Any] = {"model": model, limit_name: ask.max_new_tokens}
    if api == "completions":
        body["prompt"] = prompt
    elif isinstance(prompt, str):
        body["messages"] = [{"role": "user", "content": prompt}]
    else:
        body["messages"] = [{"role": each.role, "content": each.content} for each in prompt]
    body["temperature"] = ask.temperature
    body["seed"] = ask.seed
    if ask.temperature > 0:
        body["top_p"] = ask.top_p
        body["seed"] = _seed(ask, case_id)
    if ask.stop:
        body["stop"] = list(ask.stop[:_MOST_STOPS])
    return body


def read_answer(reply: Reply, ask: Generate) -> Completion:
    """Return the answer of a chat or a completion.

    Raises:
        CallFault: there is none in it; the message says what the model did instead.
    """
    choice = _choice(reply.data)
    message = choice.get("message", choice)
    if not isinstance(message, Mapping):
        raise CallFault(f"the server's answer has {shown(message)} as its message")
    content = message.get("content", message.get("text"))
    reason = choice.get("finish_reason")
    text = "" if content is None else _text(content)
    fault = None if text else _silence(message, reason, is_null=content is None)
    if fault is not None:
        raise CallFault(fault)
    usage = Usage.of(reply.data)
    spent = usage.output_tokens
    return Completion(
        _cut(text, ask.stop),
        input_tokens=usage.input_tokens,
        output_tokens=spent,
        latency_ms=reply.latency_ms,
        # With all its tokens used up it came to its own limit, and not to the context's.
        is_cut=reason == "length" and (spent is None or spent < ask.max_new_tokens),
        cost_usd=usage.cost_usd,
    )


def echo_body(model: str, text: str) -> dict[str, Any]:
    """Return the body of a request for the likelihood of a text's tokens."""
    # Not every server takes 0 for the most tokens; the one that comes behind is passed over.
    return {
        "model": model,
        "prompt": text,
        "max_tokens": 1,
        "temperature": 0.0,
        "echo": True,
        "logprobs": 1,
    }


@dataclass(frozen=True, slots=True)
class Echo:
    """A text's tokens as the server gave them back.

    Args:
        tokens: each as text.
        logprobs: of each; the first has none.
        greatest: the logprob of the likeliest token at each place.
    """

    tokens: list[str]
    logprobs: list[float | None]
    greatest: list[float | None]

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> "Echo | None":
        """Return what an answer holds, or None where the server gives no such thing."""
        found = _choice(data).get("logprobs")
        if not isinstance(found, Mapping):
            return None
        tokens, logprobs = found.get("tokens"), found.get("token_logprobs")
        if not isinstance(tokens, list) or not isinstance(logprobs, list):
            return None
        # Without a count, one token was generated behind the text.
        count = Usage.of(data).input_tokens or len(tokens) - 1
        if count < 1 or not len(tokens) == len(logprobs) >= count:
            return None
        tops = found.get("top_logprobs")
        tops = tops if isinstance(tops, list) and len(tops) == len(tokens) else [None] * len(tokens)
        return cls(
            [str(token) for token in tokens[:count]],
            [_number(value) for value in logprobs[:count]],
            [_greatest(top) for top in tops[:count]],
        )

    def likelihood(self, continuation: str) -> LikelihoodValue | None:
        """Return how likely the end of the text is, or None where one of its tokens has no number.

        That is the first token of all, where the server puts none before it. A token across the
        border counts as part of the end.

        Raises:
            CallFault: the tokens do not spell the end.
        """
        start = _start(self.tokens, continuation)
        if start is None:
            # SentencePiece's tokens lose their spaces where each is decoded alone.
            start = _start([_bare(token) for token in self.tokens], _bare(continuation))
        if start is None:
            end = shown("".join(self.tokens)[-len(continuation) :])
            raise CallFault(f"the server's tokens spell {end} and not {shown(continuation)}")
        logprobs = [value for value in self.logprobs[start:] if value is not None]
        if len(logprobs) < len(self.tokens) - start:
            return None
        pairs = zip(logprobs, self.greatest[start:], strict=True)
        return LikelihoodValue(
            logprob=math.fsum(logprobs),
            token_count=len(logprobs),
            byte_count=len(continuation.encode()),
            is_greedy=all(top is not None and logprob >= top for logprob, top in pairs),
        )


@dataclass(frozen=True, slots=True)
class Usage:
    """What an answer took, where the server says."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: float | None = None

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> "Usage":
        """Return what an answer says of it."""
        found = data.get("usage")
        if not isinstance(found, Mapping):
            return cls()
        cost = _number(found.get("cost"))
        return cls(
            _count(found.get("prompt_tokens")),
            _count(found.get("completion_tokens")),
            cost if cost is not None and cost >= 0 else None,
        )


def _choice(data: Mapping[str, Any]) -> Mapping[str, Any]:
    choices = data.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], Mapping):
        raise CallFault(f"the server's answer has no choices, but {shown(dict(data))}")
    return choices[0]


def _text(content: Any) -> str:
    """Return a message's text, of which some servers make a list of parts."""
    if isinstance(content, str):
        return content
    parts = content if isinstance(content, list) else []
    texts = [part.get("text", "") for part in parts if isinstance(part, Mapping)]
    if not texts or not all(isinstance(text, str) for text in texts):
        raise CallFault(f"the server's answer is {shown(content)}, which is not text")
    return "".join(texts)


def _silence(message: Mapping[str, Any], reason: Any, *, is_null: bool) -> str | None:
    """Return what a model did that wrote nothing; None where that is its answer."""
    refusal = message.get("refusal")
    if isinstance(refusal, str) and refusal.strip():
        return f"refused: {shortened(' '.join(refusal.split()), 300)}"
    if reason == "content_filter":
        return "the server's content filter held the answer back"
    if message.get("tool_calls") or message.get("function_call"):
        return "the model called tools and wrote no text"
    ending = f" (finish_reason {reason})" if isinstance(reason, str) else ""
    # Each server has its own name for it.
    if message.get("reasoning_content") or message.get("reasoning"):
        return f"the model reasoned and wrote no text{ending}"
    return f"the model wrote no text{ending}" if is_null else None


def _cut(text: str, stops: tuple[str, ...]) -> str:
    places = [place for stop in stops if stop and (place := text.find(stop)) >= 0]
    return text[: min(places)] if places else text


def _seed(ask: Generate, case_id: str) -> int:
    """Return a seed of its own for each case and each repeat; some servers take 32 bits."""
    name = f"{ask.seed}:{ask.sample}:{case_id}".encode()
    return int.from_bytes(hashlib.blake2b(name, digest_size=4).digest()) >> 1


def _start(tokens: list[str], end: str) -> int | None:
    """Return where the tokens begin that end as the text does, or None."""
    start, spelled = len(tokens), ""
    while start and len(spelled) < len(end):
        start -= 1
        spelled = tokens[start] + spelled
    return start if end and spelled.endswith(end) else None


def _bare(text: str) -> str:
    return "".join(text.split())


def _greatest(top: Any) -> float | None:
    numbers = [_number(value) for value in top.values()] if isinstance(top, Mapping) else []
    return max((value for value in numbers if value is not None), default=None)


def _number(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and math.isfinite(value) else None


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
