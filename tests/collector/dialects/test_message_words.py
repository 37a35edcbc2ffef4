"""Every word of a provider or framework for a role, a message or a part of one is known."""

from typing import Any

import pytest

from headway_collector.dialects.messages.chats import read_message
from headway_collector.dialects.messages.conversations import read_messages, recognise
from headway_collector.dialects.messages.parts import read_part

TOOL_CALL = {"type": "tool_call", "id": "c1", "name": "track", "arguments": {"p": 9}}
RESPONSE = {"type": "tool_call_response", "id": "c1", "response": "late"}
# What stands beside the messages in a request to a model.
SETTINGS = (
    "model",
    "stream",
    "stream_options",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "functions",
    "function_call",
    "response_format",
    "temperature",
    "top_p",
    "top_k",
    "n",
    "seed",
    "stop",
    "max_tokens",
    "max_completion_tokens",
    "frequency_penalty",
    "presence_penalty",
    "reasoning_effort",
    "user",
    "metadata",
)


def text(content: str, role: str = "user", **more: Any) -> dict[str, Any]:
    """Return a message of one text, in canonical form."""
    return {"role": role, "parts": [{"type": "text", "content": content}], **more}


@pytest.mark.parametrize(
    ("given", "role"),
    [
        ({"type": "human"}, "user"),
        ({"role": "HumanMessage"}, "user"),
        ({"role": "HumanMessageChunk"}, "user"),
        ({"type": "ai"}, "assistant"),
        ({"role": "AIMessage"}, "assistant"),
        ({"role": "AIMessageChunk"}, "assistant"),
        ({"role": "model"}, "assistant"),
        ({"type": "system"}, "system"),
        ({"role": "SystemMessage"}, "system"),
        ({"kwargs": {}, "id": ["langchain", "AIMessage"]}, "assistant"),
        ({"kwargs": {}, "id": ["langchain", "SystemMessage"]}, "system"),
    ],
)
def test_a_role_of_a_framework_is_one_of_the_conventions(given: dict[str, Any], role: str) -> None:
    message = {**given, "content": "hi"}
    if "kwargs" in given:
        message = {**given, "kwargs": {"content": "hi"}}

    assert read_message(message, "nobody") == text("hi", role)


@pytest.mark.parametrize("role", ["tool", "function", "ToolMessage"])
def test_a_message_of_a_tool_answers_its_call(role: str) -> None:
    message = {"role": role, "tool_call_id": "c1", "content": "late"}

    assert read_message(message, "user") == {"role": "tool", "parts": [RESPONSE]}


@pytest.mark.parametrize(
    "part",
    [
        {"type": "tool_result", "tool_use_id": "c1", "content": "late"},
        {"type": "tool-result", "toolCallId": "c1", "result": "late"},
        {"type": "tool_call_response", "id": "c1", "result": "late"},
        {"toolResult": {"toolUseId": "c1", "content": "late"}},
    ],
)
def test_a_tool_that_answers_in_parts_is_not_wrapped_again(part: dict[str, Any]) -> None:
    assert read_message({"role": "tool", "content": [part]}, "user")["parts"] == [RESPONSE]


@pytest.mark.parametrize("name", ["content", "contents", "parts", "text"])
def test_the_content_of_a_message_has_several_names(name: str) -> None:
    assert read_message({name: [{"text": "hi"}]}, "user") == text("hi")


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ({"content": "so", "stop_reason": "end"}, text("so", "assistant", finish_reason="end")),
        (
            {"message": {"content": "so"}, "generation_info": {"finish_reason": "stop"}},
            text("so", "assistant", finish_reason="stop"),
        ),
        (
            {"reasoning": "hm"},
            {"role": "assistant", "parts": [{"type": "reasoning", "content": "hm"}]},
        ),
        (
            {"type": "reasoning", "content": [{"content": "hm"}]},
            {"role": "assistant", "parts": [{"type": "reasoning", "content": "hm"}]},
        ),
        (
            {"type": "function_call", "id": "c1", "name": "track", "arguments": '{"p": 9}'},
            {"role": "assistant", "parts": [TOOL_CALL]},
        ),
    ],
)
def test_an_answer_has_several_shapes(message: dict[str, Any], expected: dict[str, Any]) -> None:
    assert read_message(message, "assistant") == expected


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_request_is_a_conversation_whatever_settings_stand_beside_it(setting: str) -> None:
    request = {"messages": [{"role": "user", "content": "hi"}], setting: 1}

    assert recognise(request, "user") == [text("hi")]


@pytest.mark.parametrize("name", ["content", "parts", "tool_calls", "function_call", "contents"])
def test_a_role_beside_any_content_is_a_message(name: str) -> None:
    assert recognise([{"role": "assistant", name: []}], "user") is not None


@pytest.mark.parametrize(
    "kind", ["text", "image_url", "image", "input_text", "input_image", "file"]
)
def test_parts_alone_are_one_message_of_the_user(kind: str) -> None:
    (message,) = read_messages([{"type": kind, "text": "hi"}, {"type": kind}], "user")

    assert (message["role"], len(message["parts"])) == ("user", 2)


@pytest.mark.parametrize(
    "part",
    [
        {"type": "blob", "modality": "image", "content": "iVBO", "text": "no text"},
        {"type": "uri", "modality": "image", "uri": "x:y"},
        {"type": "file", "modality": "image", "file_id": "f1", "mime_type": "image/png"},
        {"type": "reasoning", "content": "hm", "text": "kept"},
        {"type": "server_tool_call", "name": "search", "server_tool_call": {"q": "a"}},
        {"type": "server_tool_call_response", "id": "c1", "server_tool_call_response": ["a"]},
        {"type": "tool_call_response", "id": "c1", "response": "late", "result": "kept"},
    ],
)
def test_every_part_of_the_conventions_is_left_as_it_is(part: dict[str, Any]) -> None:
    assert read_part(part) == part


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ({"type": "input_text", "text": "hi"}, {"type": "text", "content": "hi"}),
        ({"type": "summary_text", "text": "hi"}, {"type": "text", "content": "hi"}),
        ({"type": "reasoning", "text": "hm"}, {"type": "reasoning", "content": "hm"}),
        (
            {"type": "server_tool_use", "id": "c1", "name": "search", "input": {"q": "a"}},
            {
                "type": "server_tool_call",
                "id": "c1",
                "name": "search",
                "server_tool_call": {"q": "a"},
            },
        ),
        (
            {"type": "tool-result", "toolCallId": "c1", "toolName": "track", "result": "late"},
            {"type": "tool_call_response", "id": "c1", "name": "track", "response": "late"},
        ),
        (
            {"type": "tool-call", "toolCallId": "c1", "toolName": "track", "input": {"p": 9}},
            TOOL_CALL,
        ),
        ({"type": "tool_call", "id": "c1", "name": "track", "args": {"p": 9}}, TOOL_CALL),
        ({"function_call": {"id": "c1", "name": "track", "args": {"p": 9}}}, TOOL_CALL),
        ({"function_response": {"id": "c1", "response": "late"}}, RESPONSE),
        ({"toolResult": {"toolUseId": "c1", "content": "late"}}, RESPONSE),
    ],
)
def test_a_part_of_a_provider_becomes_one_of_the_conventions(
    part: dict[str, Any], expected: dict[str, Any]
) -> None:
    assert read_part(part) == expected


@pytest.mark.parametrize(
    ("kind", "modality"),
    [
        ("image", "image"),
        ("image_url", "image"),
        ("image-url", "image"),
        ("input_image", "image"),
        ("audio", "audio"),
        ("audio-url", "audio"),
        ("input_audio", "audio"),
        ("video", "video"),
        ("video_url", "video"),
        ("video-url", "video"),
        ("document", "document"),
        ("document-url", "document"),
        ("input_file", "document"),
        ("file", "document"),
        ("binary", "document"),
        ("media", "document"),
    ],
)
@pytest.mark.parametrize("address", ["uri", "url", "image_url", "file_uri", "fileUri"])
def test_whatever_has_an_address_is_a_uri_of_its_modality(
    kind: str, modality: str, address: str
) -> None:
    expected = {"type": "uri", "modality": modality, "uri": "x:y"}

    assert read_part({"type": kind, address: "x:y"}) == expected


@pytest.mark.parametrize("mime_type", ["mime_type", "mimeType", "media_type", "mediaType"])
@pytest.mark.parametrize(
    "content", ["data", "content", "file_data", "base64", "bytes", "image", "audio"]
)
def test_whatever_has_bytes_is_a_blob_of_its_type(mime_type: str, content: str) -> None:
    part = {"type": "file", mime_type: "audio/wav", content: "UklG"}

    assert read_part(part) == {
        "type": "blob",
        "mime_type": "audio/wav",
        "modality": "audio",
        "content": "UklG",
    }


@pytest.mark.parametrize("name", ["file_id", "fileId"])
def test_whatever_has_an_id_is_a_file(name: str) -> None:
    assert read_part({"type": "input_image", name: "f1"}) == {
        "type": "file",
        "modality": "image",
        "file_id": "f1",
    }


@pytest.mark.parametrize("name", ["inline_data", "inlineData", "file_data", "fileData"])
def test_data_of_gemini_is_a_blob(name: str) -> None:
    assert read_part({name: {"mimeType": "video/mp4", "data": "AAAA"}}) == {
        "type": "blob",
        "mime_type": "video/mp4",
        "modality": "video",
        "content": "AAAA",
    }


@pytest.mark.parametrize("name", ["image", "video", "document", "audio"])
def test_data_of_bedrock_is_a_blob(name: str) -> None:
    assert read_part({name: {"source": {"bytes": "AAAA"}}}) == {
        "type": "blob",
        "modality": name,
        "content": "AAAA",
    }
