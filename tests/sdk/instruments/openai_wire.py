"""What OpenAI's interfaces answer, shortened: the same answer whole and in pieces."""

from typing import Any

USAGE = {
    "prompt_tokens": 1200,
    "completion_tokens": 60,
    "total_tokens": 1260,
    "prompt_tokens_details": {"cached_tokens": 1024, "audio_tokens": 8},
    "completion_tokens_details": {"reasoning_tokens": 40, "audio_tokens": 4},
}
TOOL_CALL = {
    "id": "call_1",
    "type": "function",
    "function": {"name": "track", "arguments": '{"parcel": "P-9"}'},
}


def completion(*messages: dict[str, Any], reason: str = "stop") -> dict[str, Any]:
    given = messages or ({"content": "On its way."},)
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "gpt-4o-2024-08-06",
        "system_fingerprint": "fp_1",
        "service_tier": "default",
        "choices": [
            {
                "index": index,
                "finish_reason": reason,
                "message": {"role": "assistant", "content": None, **message},
            }
            for index, message in enumerate(given)
        ],
        "usage": USAGE,
    }


def chunk(**fields: Any) -> dict[str, Any]:
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "gpt-4o-2024-08-06",
        "system_fingerprint": "fp_1",
        "choices": [],
        **fields,
    }


def delta(index: int = 0, reason: str | None = None, **fields: Any) -> dict[str, Any]:
    return chunk(choices=[{"index": index, "delta": fields, "finish_reason": reason}])


def chunks(*pieces: str, usage: bool = True) -> list[dict[str, Any]]:
    said = [delta(content=piece) for piece in pieces or ("On ", "its ", "way.")]
    end = [chunk(usage=USAGE)] if usage else []
    return [delta(role="assistant", content=""), *said, delta(reason="stop"), *end]


def tool_chunks() -> list[dict[str, Any]]:
    def call(**function: str) -> dict[str, Any]:
        return delta(tool_calls=[{"index": 0, "function": function}])

    first = {"index": 0, **TOOL_CALL, "function": {"name": "track", "arguments": ""}}
    return [
        delta(role="assistant", content=None),
        delta(tool_calls=[first]),
        call(arguments='{"parcel": '),
        call(arguments='"P-9"}'),
        delta(reason="tool_calls"),
    ]


def text_completion(text: str | None, **fields: Any) -> dict[str, Any]:
    """An answer of the legacy completions, or a piece of one."""
    choice = {"index": 0, "text": text, "finish_reason": "stop", "logprobs": None}
    return {
        "id": "cmpl-1",
        "object": "text_completion",
        "created": 1,
        "model": "gpt-3.5-turbo-instruct",
        "choices": [choice],
        "usage": USAGE,
        **fields,
    }


def text_chunks(*pieces: str) -> list[dict[str, Any]]:
    ends = [None] * (len(pieces) - 1) + ["stop"]
    return [
        text_completion(
            None, usage=None, choices=[{"index": 0, "text": piece, "finish_reason": end}]
        )
        for piece, end in zip(pieces, ends, strict=True)
    ]


def response(*output: dict[str, Any], status: str = "completed", **fields: Any) -> dict[str, Any]:
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "model": "gpt-5-2025-08-07",
        "status": status,
        "service_tier": "default",
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "output": list(output) or [REASONING, MESSAGE],
        "usage": {
            "input_tokens": 1200,
            "output_tokens": 60,
            "total_tokens": 1260,
            "input_tokens_details": {"cached_tokens": 1024, "cache_write_tokens": 0},
            "output_tokens_details": {"reasoning_tokens": 40},
        },
        **fields,
    }


REASONING = {
    "type": "reasoning",
    "id": "rs_1",
    "summary": [{"type": "summary_text", "text": "A parcel."}],
}
MESSAGE = {
    "type": "message",
    "id": "msg_1",
    "role": "assistant",
    "status": "completed",
    "content": [{"type": "output_text", "text": "On its way.", "annotations": []}],
}
FUNCTION_CALL = {
    "type": "function_call",
    "id": "fc_1",
    "call_id": "call_1",
    "name": "track",
    "arguments": '{"parcel": "P-9"}',
    "status": "completed",
}


def events(*pieces: str) -> list[dict[str, Any]]:
    pieces = pieces or ("On ", "its ", "way.")
    content = {"type": "output_text", "text": "".join(pieces), "annotations": []}
    message = {**MESSAGE, "content": [content]}
    begun = response(status="in_progress", output=[], usage=None)
    where = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    empty = {**MESSAGE, "content": [], "status": "in_progress"}
    part = {"type": "output_text", "text": "", "annotations": []}
    said: list[dict[str, Any]] = [
        {"type": "response.output_text.delta", **where, "delta": piece, "logprobs": []}
        for piece in pieces
    ]
    told: list[dict[str, Any]] = [
        {"type": "response.created", "response": begun},
        {"type": "response.output_item.added", "output_index": 0, "item": empty},
        {"type": "response.content_part.added", **where, "part": part},
        *said,
        {"type": "response.output_item.done", "output_index": 0, "item": message},
        {"type": "response.completed", "response": response(message)},
    ]
    return [{**event, "sequence_number": number} for number, event in enumerate(told)]


EMBEDDINGS = {
    "object": "list",
    "model": "text-embedding-3-small",
    "data": [
        {"object": "embedding", "index": index, "embedding": [0.1, 0.2, 0.3]} for index in (0, 1)
    ],
    "usage": {"prompt_tokens": 7, "total_tokens": 7},
}
