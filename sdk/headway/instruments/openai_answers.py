"""What OpenAI's interfaces answer, whole or in pieces, as fields of a span."""

from collections.abc import Mapping
from typing import Any

from headway.instruments.messages import chat_message, response_messages
from headway.instruments.model_calls import Fields
from headway.instruments.streams import Texts

Answer = Mapping[str, Any]


def read_completion(answer: Answer) -> Fields:
    """Return what an answer of chat completions says; one message for each choice."""
    choices = [choice for choice in answer.get("choices") or () if isinstance(choice, Mapping)]
    reasons = [choice.get("finish_reason") for choice in choices]
    return {
        "output": [
            chat_message(choice.get("message") or {}, choice.get("finish_reason"))
            for choice in choices
        ],
        "finish_reasons": [reason for reason in reasons if reason],
        **_identity(answer),
        **read_usage(answer.get("usage")),
    }


def read_texts(answer: Answer) -> Fields:
    """Return what an answer of the legacy completions says, which are texts and no messages."""
    choices = [choice for choice in answer.get("choices") or () if isinstance(choice, Mapping)]
    said = [{**choice, "message": {"content": choice.get("text")}} for choice in choices]
    return read_completion({**answer, "choices": said})


def read_response(answer: Answer) -> Fields:
    """Return what an answer of the Responses interface says, also one that is not over."""
    incomplete = answer.get("incomplete_details") or {}
    reason = incomplete.get("reason") or answer.get("status")
    fields: dict[str, Any] = {
        "output": response_messages(answer.get("output")),
        "finish_reasons": [reason] if reason else [],
        **_identity(answer),
        **read_usage(answer.get("usage")),
    }
    if error := answer.get("error"):
        fields["status"] = "error"
        fields["status_message"] = error.get("message")
        fields["attributes"] = {**fields["attributes"], "error.type": error.get("code")}
    return fields


def read_embeddings(answer: Answer) -> Fields:
    """Return how many vectors came and how long they are; the vectors themselves are left out."""
    vectors = [item.get("embedding") for item in answer.get("data") or ()]
    # In base64 a vector is a text.
    lengths = [len(vector) for vector in vectors if isinstance(vector, (list, tuple))]
    output = {"count": len(vectors), **({"dimensions": lengths[0]} if lengths else {})}
    return {"output": output, **_identity(answer), **read_usage(answer.get("usage"))}


def read_usage(usage: Any) -> Fields:
    """Return the tokens that were counted: the details are parts of the two sums."""
    if not isinstance(usage, Mapping):
        return {}
    given = usage.get("prompt_tokens_details") or usage.get("input_tokens_details") or {}
    made = usage.get("completion_tokens_details") or usage.get("output_tokens_details") or {}
    return {
        "input_tokens": usage.get("prompt_tokens", usage.get("input_tokens")),
        "output_tokens": usage.get("completion_tokens", usage.get("output_tokens")),
        "cache_read_tokens": given.get("cached_tokens"),
        "cache_write_tokens": given.get("cache_write_tokens"),
        "audio_input_tokens": given.get("audio_tokens"),
        "reasoning_tokens": made.get("reasoning_tokens"),
        "audio_output_tokens": made.get("audio_tokens"),
    }


class CompletionReader:
    """Puts together a stream of chat completions.

    Args:
        room: how many characters of a text are kept.
    """

    def __init__(self, room: int) -> None:
        self._room = room
        self._last: dict[str, Any] = {}
        self._choices: dict[int, _Choice] = {}

    def add(self, chunk: Answer) -> bool:
        """Take one chunk; whether it says something."""
        for name in ("id", "model", "usage", "service_tier", "system_fingerprint"):
            # Azure sends what its filters found in chunks of no name, also last.
            if chunk.get(name):
                self._last[name] = chunk[name]
        said = [self._add(choice) for choice in chunk.get("choices") or ()]
        return any(said)

    def fields(self) -> Fields:
        """Return what the chunks so far say."""
        choices = [self._choices[index].choice() for index in sorted(self._choices)]
        return read_completion({**self._last, "choices": choices})

    def _add(self, choice: Answer) -> bool:
        index = choice.get("index") or 0
        if index not in self._choices:
            self._choices[index] = _Choice(self._room)
        return self._choices[index].add(choice)


class _Choice:
    """One choice of a stream."""

    def __init__(self, room: int) -> None:
        self._room = room
        self._role: str | None = None
        self._reason: str | None = None
        self._texts: dict[str, Texts] = {}
        self._calls: dict[int, _Call] = {}

    def add(self, choice: Answer) -> bool:
        # Those of the legacy completions are texts.
        delta = choice.get("delta") or {"content": choice.get("text")}
        self._role = delta.get("role") or self._role
        self._reason = choice.get("finish_reason") or self._reason
        audio = delta.get("audio")
        said = {
            "content": delta.get("content"),
            "reasoning": delta.get("reasoning_content") or delta.get("reasoning"),
            "refusal": delta.get("refusal"),
            "transcript": audio.get("transcript") if isinstance(audio, Mapping) else None,
        }
        is_heard = False
        for name, piece in said.items():
            if isinstance(piece, str) and piece:
                is_heard = True
                self._texts.setdefault(name, Texts(self._room)).add(piece)
        calls = list(delta.get("tool_calls") or ())
        if delta.get("function_call"):
            calls.append({"function": delta["function_call"]})
        for call in calls:
            self._calls.setdefault(call.get("index") or 0, _Call(self._room)).add(call)
        return is_heard or bool(calls)

    def choice(self) -> dict[str, Any]:
        texts = {name: str(text) for name, text in self._texts.items()}
        calls = [self._calls[index].call() for index in sorted(self._calls)]
        audio = {"transcript": texts.pop("transcript", None)}
        message = {"role": self._role, **texts, "audio": audio, "tool_calls": calls}
        return {"message": message, "finish_reason": self._reason}


class _Call:
    """One tool call of a stream: its name comes first, its arguments in pieces."""

    def __init__(self, room: int) -> None:
        self._id: str | None = None
        self._name: str | None = None
        self._arguments = Texts(room)

    def add(self, call: Answer) -> None:
        function = call.get("function") or call.get("custom") or {}
        self._id = call.get("id") or self._id
        self._name = function.get("name") or self._name
        self._arguments.add(function.get("arguments") or function.get("input") or "")

    def call(self) -> dict[str, Any]:
        return {
            "id": self._id,
            "function": {"name": self._name, "arguments": str(self._arguments)},
        }


class ResponseReader:
    """Puts together the events of a response; the last of them holds it whole.

    Args:
        room: how many characters of a text are kept.
    """

    def __init__(self, room: int) -> None:
        self._room = room
        self._response: Answer = {}
        self._is_whole = False
        self._items: dict[int, Answer] = {}
        self._texts: dict[int, Texts] = {}

    def add(self, event: Answer) -> bool:
        """Take one event; whether it says something."""
        kind = event.get("type") or ""
        if isinstance(event.get("response"), Mapping):
            self._response = event["response"]
            self._is_whole = kind in _LAST_EVENTS
            return False
        if kind == "error":
            error = {"code": event.get("code"), "message": event.get("message")}
            self._response = {**self._response, "status": "failed", "error": error}
            return False
        index = event.get("output_index")
        if not isinstance(index, int):
            return False
        if isinstance(event.get("item"), Mapping):
            self._items[index] = event["item"]
            if kind == "response.output_item.done":
                self._texts.pop(index, None)
            return False
        delta = event.get("delta")
        if not kind.endswith(".delta") or not isinstance(delta, str) or not delta:
            return False
        self._texts.setdefault(index, Texts(self._room)).add(delta)
        return True

    def fields(self) -> Fields:
        """Return what the events so far say."""
        if self._is_whole:
            return read_response(self._response)
        items = [self._item(index) for index in sorted(self._items)]
        return read_response({**self._response, "output": items})

    def _item(self, index: int) -> Answer:
        item, text = self._items[index], self._texts.get(index)
        if text is None:
            return item
        kind = item.get("type")
        if kind in ("function_call", "custom_tool_call"):
            return {**item, "arguments": str(text)}
        said = {"type": "output_text", "text": str(text)}
        return {**item, "summary" if kind == "reasoning" else "content": [said]}


_LAST_EVENTS = frozenset(("response.completed", "response.incomplete", "response.failed"))


def _identity(answer: Answer) -> dict[str, Any]:
    return {
        "response_model": answer.get("model"),
        "response_id": answer.get("id"),
        "attributes": {
            "openai.response.service_tier": answer.get("service_tier"),
            "openai.response.system_fingerprint": answer.get("system_fingerprint"),
        },
    }
