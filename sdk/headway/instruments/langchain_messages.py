"""Messages, documents and answers of LangChain as plain data and as fields of a span.

The messages of all providers come in one class here, but their content is still the provider's
own, or LangChain's "standard" blocks. It becomes the form of the GenAI conventions.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from langchain_core.documents import Document
from langchain_core.messages import AIMessage, BaseMessage, ToolMessage
from langchain_core.outputs import LLMResult
from langchain_core.prompt_values import PromptValue

from headway.instruments.anthropic_messages import block_part
from headway.instruments.media import Part, media_part
from headway.instruments.messages import (
    Message,
    call_part,
    content_parts,
    reasoning_part,
    response_part,
    text_part,
)
from headway.instruments.model_calls import Fields
from headway.instruments.openai_answers import read_usage

_ROLES = {"human": "user", "HumanMessageChunk": "user", "SystemMessageChunk": "system"}
_CALLS = frozenset(
    ("tool_use", "tool_call", "tool_call_chunk", "function_call", "input_json_delta")
)
"""Blocks that say once more what stands in the message's ``tool_calls``."""
_MODALITIES = {"image": "image", "audio": "audio", "video": "video", "file": "document"}
_DEEPEST = 4
"""Messages deeper inside of what a chain is given are encoded like any object."""


def message_of(message: BaseMessage) -> Message:
    """Return a message."""
    if isinstance(message, ToolMessage):
        response = response_part(message.tool_call_id, message.content)
        return {"role": "tool", "name": message.name, "parts": [response]}
    is_answer = isinstance(message, AIMessage)
    role = "assistant" if is_answer else _ROLES.get(message.type, message.type)
    read: Message = {"role": getattr(message, "role", None) or role}
    if message.name:
        read["name"] = message.name
    read["parts"] = _parts(message)
    if isinstance(message, AIMessage):
        read["parts"] += [
            call_part(call.get("id"), call.get("name"), call.get("args"))
            for call in (*message.tool_calls, *message.invalid_tool_calls)
        ]
        if reason := _finish_reason(message.response_metadata):
            read["finish_reason"] = reason
    return read


def document_of(document: Document) -> dict[str, Any]:
    """Return a document that was found."""
    found = {"id": document.id, "content": document.page_content, "metadata": document.metadata}
    return {name: each for name, each in found.items() if each}


def plain_value(value: Any, depth: int = 0) -> Any:
    """Return what a chain is given or gives, with the messages and documents in it made plain."""
    if isinstance(value, BaseMessage):
        return message_of(value)
    if isinstance(value, Document):
        return document_of(value)
    if isinstance(value, PromptValue):
        return [message_of(message) for message in value.to_messages()]
    if depth < _DEEPEST:
        if isinstance(value, dict):
            return {key: plain_value(each, depth + 1) for key, each in value.items()}
        if isinstance(value, (list, tuple)) and not isinstance(next(iter(value), None), float):
            return [plain_value(each, depth + 1) for each in value]
    return value


def read_result(result: LLMResult | None) -> Fields:
    """Return what a model gave for one prompt; each candidate is a message."""
    if result is None or not result.generations:
        return {}
    candidates, said = result.generations[0], result.llm_output or {}
    messages = [each.message for each in candidates if hasattr(each, "message")]
    about: Mapping[str, Any] = messages[0].response_metadata if messages else {}
    output, reasons = [], []
    for each in candidates:
        info = each.generation_info or {}
        message: Message = (
            message_of(each.message)
            if hasattr(each, "message")
            else {"role": "assistant", "parts": [text_part(each.text)]}
        )
        reason = message.get("finish_reason") or _finish_reason(info)
        if reason:
            message["finish_reason"] = reason
            reasons.append(reason)
        output.append(message)
    response_id = about.get("id") or (messages[0].id if messages else None)
    return {
        # A call that failed has an empty message, to hold what is known of the failure.
        "output": output if any(each["parts"] for each in output) else None,
        "finish_reasons": reasons,
        "response_model": about.get("model_name") or about.get("model") or said.get("model_name"),
        # One that the provider did not give is made of the run's.
        "response_id": None if str(response_id).startswith(("run-", "lc_")) else response_id,
        **_usage(messages, said),
    }


def _usage(messages: Sequence[Any], said: Mapping[str, Any]) -> Fields:
    # Of several candidates each says the tokens of all.
    usage = next((each.usage_metadata for each in messages if _is_counted(each)), None)
    if usage is None:
        return read_usage(said.get("token_usage") or said.get("usage"))
    given, made = usage.get("input_token_details", {}), usage.get("output_token_details", {})
    # Anthropic's integration counts by how long the cache lives, and then not as a whole.
    split = sum(each for name, each in given.items() if name.startswith("ephemeral_") and each)
    return {
        "input_tokens": usage.get("input_tokens"),
        "output_tokens": usage.get("output_tokens"),
        "cache_read_tokens": given.get("cache_read"),
        "cache_write_tokens": given.get("cache_creation") or split or None,
        "audio_input_tokens": given.get("audio"),
        "reasoning_tokens": made.get("reasoning"),
        "audio_output_tokens": made.get("audio"),
    }


def _is_counted(message: Any) -> bool:
    return bool(getattr(message, "usage_metadata", None))


def _finish_reason(about: Mapping[str, Any]) -> str | None:
    return about.get("finish_reason") or about.get("stop_reason") or about.get("done_reason")


def _parts(message: BaseMessage) -> list[Part]:
    content = message.content
    thought = message.additional_kwargs.get("reasoning_content")
    parts = [reasoning_part(thought)] if isinstance(thought, str) and thought else []
    if isinstance(content, str):
        return parts + content_parts(content)
    return parts + list(_block_parts(content))


def _block_parts(blocks: Iterable[Any]) -> Iterable[Part]:
    for block in blocks:
        if not isinstance(block, Mapping):
            yield text_part(block)
            continue
        kind = block.get("type")
        if kind in _CALLS:
            continue
        if kind == "reasoning":
            summary = block.get("summary") or block.get("content") or ()
            said = block.get("reasoning") or "".join(str(each.get("text", "")) for each in summary)
            yield reasoning_part(said)
        elif kind == "thinking" or isinstance(block.get("source"), Mapping):
            yield block_part(block)
        else:
            yield _media(block) or content_parts([block])[0]


def _media(block: Mapping[str, Any]) -> Part | None:
    modality = _MODALITIES.get(str(block.get("type")))
    if modality is None:
        return None
    return media_part(
        modality,
        uri=block.get("url"),
        file_id=block.get("file_id"),
        content=block.get("base64"),
        mime_type=block.get("mime_type"),
    )
