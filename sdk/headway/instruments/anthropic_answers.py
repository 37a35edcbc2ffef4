"""What Anthropic's interface answers, whole or in pieces, as fields of a span.

Anthropic counts what was read from a cache or written into one beside ``input_tokens``; here, as
OpenTelemetry defines it, the input holds all three.
"""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import msgspec

from headway.instruments.anthropic_messages import answer_message
from headway.instruments.model_calls import Fields
from headway.instruments.streams import Texts

Answer = Mapping[str, Any]


def read_answer(answer: Answer) -> Fields:
    """Return what an answer says."""
    reason = answer.get("stop_reason")
    return {
        "output": [answer_message(answer)],
        "finish_reasons": [reason] if reason else [],
        "response_model": answer.get("model"),
        "response_id": answer.get("id"),
        **read_usage(answer.get("usage")),
    }


def read_usage(usage: Any) -> Fields:
    """Return the tokens that were counted."""
    if not isinstance(usage, Mapping):
        return {}
    read, written = usage.get("cache_read_input_tokens"), usage.get("cache_creation_input_tokens")
    uncached = usage.get("input_tokens")
    made, split = usage.get("output_tokens_details"), usage.get("cache_creation")
    server = usage.get("server_tool_use")
    return {
        "input_tokens": None if uncached is None else uncached + (read or 0) + (written or 0),
        "output_tokens": usage.get("output_tokens"),
        "cache_read_tokens": read,
        "cache_write_tokens": written,
        "reasoning_tokens": made.get("thinking_tokens") if isinstance(made, Mapping) else None,
        "attributes": {
            "anthropic.response.service_tier": usage.get("service_tier"),
            **_prefixed("anthropic.usage.cache_creation.", split),
            **_prefixed("anthropic.usage.server_tool_use.", server),
        },
    }


class AnswerReader:
    """Puts together the events of a message.

    Args:
        room: how many characters of a text are kept.
    """

    def __init__(self, room: int) -> None:
        self._room = room
        self._message: dict[str, Any] = {}
        self._usage: dict[str, Any] = {}
        self._blocks: dict[int, _Block] = {}

    def add(self, event: Answer) -> bool:
        """Take one event; whether it says something."""
        kind = event.get("type")
        if kind == "message_start":
            self._message = dict(event["message"])
            self._count(self._message.get("usage"))
        elif kind == "content_block_start":
            self._blocks[event["index"]] = _Block(event["content_block"], self._room)
        elif kind == "content_block_delta" and event["index"] in self._blocks:
            return self._blocks[event["index"]].add(event["delta"])
        elif kind == "message_delta":
            self._message["stop_reason"] = event["delta"].get("stop_reason")
            self._count(event.get("usage"))
        return False

    def fields(self) -> Fields:
        """Return what the events so far say."""
        if not self._message:
            return {}
        content = [self._blocks[index].whole() for index in sorted(self._blocks)]
        return read_answer({**self._message, "content": content, "usage": self._usage})

    def _count(self, usage: Any) -> None:
        # Later counts are sums and stand for the earlier ones; those that are not said stay.
        if isinstance(usage, Mapping):
            self._usage.update({name: each for name, each in usage.items() if each is not None})


_TEXTS = {"text_delta": "text", "thinking_delta": "thinking", "input_json_delta": "partial_json"}


class _Block:
    """One block of a message, whose text or input comes in pieces."""

    def __init__(self, start: Answer, room: int) -> None:
        self._start = start
        self._text = Texts(room)
        self._kind: str | None = None
        self._citations: list[Any] = []

    def add(self, delta: Answer) -> bool:
        """Take the next piece; whether it says something."""
        kind = str(delta.get("type"))
        if kind == "citations_delta":
            self._citations.append(delta.get("citation"))
        piece = delta.get(_TEXTS.get(kind, ""))
        if not isinstance(piece, str) or not piece:
            return False
        self._kind = kind
        self._text.add(piece)
        return True

    def whole(self) -> Answer:
        """Return the block as an answer has it that is not a stream."""
        block = dict(self._start)
        if self._citations:
            block["citations"] = self._citations
        if self._kind == "input_json_delta":
            block["input"] = str(self._text)
            with suppress(ValueError):  # it was left inside, or cut
                block["input"] = msgspec.json.decode(str(self._text))
        elif self._kind is not None:
            name = _TEXTS[self._kind]
            block[name] = f"{block.get(name) or ''}{self._text}"
        return block


def _prefixed(prefix: str, values: Any) -> dict[str, Any]:
    if not isinstance(values, Mapping):
        return {}
    return {prefix + name: each for name, each in values.items() if each}
