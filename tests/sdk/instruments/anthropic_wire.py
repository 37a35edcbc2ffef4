"""What Anthropic's servers send: messages whole and in events."""

from collections.abc import Iterator
from typing import Any

USAGE = {
    "input_tokens": 10,
    "cache_read_input_tokens": 100,
    "cache_creation_input_tokens": 25,
    "cache_creation": {"ephemeral_5m_input_tokens": 5, "ephemeral_1h_input_tokens": 20},
    "output_tokens": 42,
    "output_tokens_details": {"thinking_tokens": 30},
    "service_tier": "standard",
}
TEXT = {"type": "text", "text": "On its way."}
THOUGHT = {"type": "thinking", "thinking": "Look it up.", "signature": "c2lnbmF0dXJl"}
CALL = {"type": "tool_use", "id": "toolu_1", "name": "track", "input": {"parcel": "P-9"}}


def message(*content: dict[str, Any], stop_reason: str | None = "end_turn") -> dict[str, Any]:
    """Return an answer."""
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-test-20261101",
        "content": list(content or (TEXT,)),
        "stop_reason": stop_reason,
        "stop_sequence": None,
        "usage": USAGE,
    }


def events(
    *content: dict[str, Any], stop_reason: str = "end_turn", is_whole: bool = True
) -> Iterator[dict[str, Any]]:
    """Yield an answer as events, each text in two pieces; its tokens are counted at the end."""
    begun = message(stop_reason=None)
    usage = {**USAGE, "output_tokens": 1, "output_tokens_details": None}
    yield {"type": "message_start", "message": {**begun, "content": [], "usage": usage}}
    yield {"type": "ping"}
    for index, block in enumerate(content or (TEXT,)):
        yield from _block(index, block)
    if not is_whole:
        return
    counted = {"output_tokens": 42, "output_tokens_details": {"thinking_tokens": 30}}
    stop = {"stop_reason": stop_reason, "stop_sequence": None}
    yield {"type": "message_delta", "delta": stop, "usage": counted}
    yield {"type": "message_stop"}


def _block(index: int, block: dict[str, Any]) -> Iterator[dict[str, Any]]:
    start = {name: "" if isinstance(each, str) else each for name, each in block.items()}
    start |= {name: block[name] for name in ("type", "id", "name") if name in block}
    if block["type"] == "tool_use":
        start["input"] = {}
        pieces = [
            {"type": "input_json_delta", "partial_json": each} for each in ('{"parcel": ', '"P-9"}')
        ]
    else:
        name = "text" if block["type"] == "text" else "thinking"
        text = block[name]
        pieces = [{"type": f"{name}_delta", name: each} for each in (text[:5], text[5:])]
        if "signature" in block:
            pieces.append({"type": "signature_delta", "signature": block["signature"]})
    yield {"type": "content_block_start", "index": index, "content_block": start}
    for piece in pieces:
        yield {"type": "content_block_delta", "index": index, "delta": piece}
    yield {"type": "content_block_stop", "index": index}
