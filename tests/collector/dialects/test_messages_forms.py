"""A message of any provider or framework becomes one of the GenAI conventions."""

from typing import Any

import pytest

from headway_collector.dialects.messages.chats import read_message
from headway_collector.dialects.messages.conversations import read_messages, recognise
from headway_collector.dialects.messages.flattened import unflatten
from headway_collector.dialects.messages.parts import read_part

CALL = {"type": "tool_call", "id": "c1", "name": "track", "arguments": {"p": 9}}
RESPONSE = {"type": "tool_call_response", "id": "c1", "response": "late"}
PICTURE = {"type": "uri", "modality": "image", "uri": "https://example.org/a.png"}
BYTES = {"type": "blob", "mime_type": "image/png", "modality": "image", "content": "iVBO"}


@pytest.mark.parametrize(
    "part",
    [
        {"type": "text", "content": "hi"},
        {"type": "tool_call", "id": "c1", "name": "track", "arguments": {"p": 9}},
        {"type": "tool_call", "name": "track"},
        {"type": "tool_call_response", "id": "c1", "response": {"ok": True}},
        {"type": "reasoning", "content": "hm"},
        {"type": "blob", "modality": "audio", "content": "UklG"},
        {"type": "uri", "modality": "image", "uri": "gs://b/a.png"},
        {"type": "server_tool_call", "name": "web_search", "server_tool_call": {"query": "p"}},
        {"type": "server_tool_call_response", "server_tool_call_response": {}},
        {"type": "compaction", "id": "k"},
        {"type": "something of tomorrow", "text": "hi"},
    ],
)
def test_a_canonical_or_unknown_part_is_left_as_it_is(part: dict[str, Any]) -> None:
    assert read_part(part) is part


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        ("hi", {"type": "text", "content": "hi"}),
        ({"type": "text", "text": "hi"}, {"type": "text", "content": "hi"}),
        ({"type": "output_text", "text": "hi"}, {"type": "text", "content": "hi"}),
        (
            {"type": "text", "text": "hi", "cache_control": {"type": "ephemeral"}},
            {"type": "text", "content": "hi", "cache_control": {"type": "ephemeral"}},
        ),
        ({"type": "refusal", "refusal": "no"}, {"type": "refusal", "content": "no"}),
        (
            {"type": "thinking", "thinking": "hm", "signature": "s"},
            {"type": "reasoning", "content": "hm", "signature": "s"},
        ),
        ({"type": "tool_use", "id": "c1", "name": "track", "input": {"p": 9}}, CALL),
        ({"type": "tool-call", "toolCallId": "c1", "toolName": "track", "args": {"p": 9}}, CALL),
        ({"type": "tool_call", "id": "c1", "name": "track", "arguments": '{"p": 9}'}, CALL),
        ({"functionCall": {"id": "c1", "name": "track", "args": {"p": 9}}}, CALL),
        ({"toolUse": {"toolUseId": "c1", "name": "track", "input": {"p": 9}}}, CALL),
        (
            {"type": "tool_call", "id": "c1", "name": "track", "arguments": '{"p": 9'},
            CALL | {"arguments": '{"p": 9'},
        ),
        ({"type": "tool_result", "tool_use_id": "c1", "content": "late"}, RESPONSE),
        ({"type": "tool-result", "toolCallId": "c1", "output": "late"}, RESPONSE),
        ({"type": "tool_call_response", "id": "c1", "result": "late"}, RESPONSE),
        ({"functionResponse": {"id": "c1", "response": "late"}}, RESPONSE),
        ({"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}, PICTURE),
        ({"type": "input_image", "image_url": "https://example.org/a.png"}, PICTURE),
        ({"type": "image-url", "url": "https://example.org/a.png"}, PICTURE),
        ({"type": "image", "source": {"type": "url", "url": PICTURE["uri"]}}, PICTURE),
        (
            {"type": "image", "source": {"type": "b64", "media_type": "image/png", "data": "iVBO"}},
            BYTES,
        ),
        ({"inline_data": {"mime_type": "image/png", "data": "iVBO"}}, BYTES),
        ({"type": "binary", "media_type": "image/png", "content": "iVBO"}, BYTES),
        (
            {"type": "input_audio", "input_audio": {"data": "UklG", "format": "wav"}},
            {"type": "blob", "modality": "audio", "content": "UklG"},
        ),
        (
            {"type": "file", "file": {"file_id": "f1"}},
            {"type": "file", "modality": "document", "file_id": "f1"},
        ),
        (
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBO"}},
            {"type": "uri", "modality": "image", "uri": "data:image/png;base64,iVBO"},
        ),
        ({"text": "hm", "thought": True}, {"type": "reasoning", "content": "hm"}),
    ],
)
def test_a_foreign_part_becomes_canonical(part: Any, expected: dict[str, Any]) -> None:
    assert read_part(part) == expected


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("hi", {"role": "user", "parts": [{"type": "text", "content": "hi"}]}),
        (
            {"role": "developer", "content": "be short", "name": "ops"},
            {
                "role": "developer",
                "name": "ops",
                "parts": [{"type": "text", "content": "be short"}],
            },
        ),
        (
            {
                "role": "assistant",
                "content": "",
                "tool_calls": [
                    {"id": "c1", "function": {"name": "track", "arguments": '{"p": 9}'}}
                ],
            },
            {"role": "assistant", "parts": [CALL]},
        ),
        (
            {
                "role": "assistant",
                "content": [{"type": "tool_use", "id": "c1", "name": "track", "input": {"p": 9}}],
                "tool_calls": [{"id": "c1", "name": "track", "args": {"p": 9}}],
            },
            {"role": "assistant", "parts": [CALL]},
        ),
        (
            {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": ""}},
            {"role": "assistant", "parts": [{"type": "tool_call", "name": "f", "arguments": ""}]},
        ),
        (
            {"role": "tool", "tool_call_id": "c1", "content": "late"},
            {"role": "tool", "parts": [RESPONSE]},
        ),
        (
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "c1"}]},
            {"role": "user", "parts": [{"type": "tool_call_response", "id": "c1"}]},
        ),
        (
            {"role": "assistant", "reasoning_content": "hm", "content": "so", "refusal": "no"},
            {
                "role": "assistant",
                "parts": [
                    {"type": "reasoning", "content": "hm"},
                    {"type": "text", "content": "so"},
                    {"type": "refusal", "content": "no"},
                ],
            },
        ),
        (
            {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "a"}},
            {
                "role": "assistant",
                "parts": [{"type": "text", "content": "a"}],
                "finish_reason": "stop",
            },
        ),
        (
            {
                "lc": 1,
                "type": "constructor",
                "id": ["langchain", "schema", "messages", "HumanMessage"],
                "kwargs": {"content": "hi"},
            },
            {"role": "user", "parts": [{"type": "text", "content": "hi"}]},
        ),
        (
            {"type": "function_call", "call_id": "c1", "name": "track", "arguments": '{"p": 9}'},
            {"role": "assistant", "parts": [CALL]},
        ),
        (
            {"type": "function_call_output", "call_id": "c1", "output": "late"},
            {"role": "tool", "parts": [RESPONSE]},
        ),
        (
            {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]},
            {"role": "assistant", "parts": [{"type": "reasoning", "content": "hm"}]},
        ),
        (
            {"role": "model", "parts": [{"text": "hi"}]},
            {"role": "assistant", "parts": [{"type": "text", "content": "hi"}]},
        ),
    ],
)
def test_a_foreign_message_becomes_canonical(message: Any, expected: dict[str, Any]) -> None:
    assert read_message(message, "user") == expected


def test_a_canonical_message_is_the_same_object_and_keeps_what_nobody_here_knows() -> None:
    message = {"role": "user", "parts": [{"type": "text", "content": "hi"}], "of tomorrow": 1}

    assert read_message(message, "user") is message


@pytest.mark.parametrize(
    "wrapped",
    [
        [{"role": "user", "content": "hi"}],
        {"role": "user", "content": "hi"},
        {"messages": [{"role": "user", "content": "hi"}], "model": "m", "tools": []},
        {"messages": [[{"role": "user", "content": "hi"}]]},
        {"choices": [{"message": {"role": "user", "content": "hi"}}], "id": "x"},
    ],
)
def test_a_conversation_is_recognised_in_its_wrapping(wrapped: Any) -> None:
    assert recognise(wrapped, "user") == [
        {"role": "user", "parts": [{"type": "text", "content": "hi"}]}
    ]


@pytest.mark.parametrize(
    "value",
    [
        {"messages": [{"role": "user", "content": "hi"}], "customer": "c1"},
        {"content": "hi"},
        {"role": "admin", "name": "Ann"},
        [{"role": "user", "content": "hi"}, 5],
        [],
        "hi",
    ],
)
def test_what_is_more_or_less_than_a_conversation_is_not_taken_for_one(value: Any) -> None:
    assert recognise(value, "user") is None


def test_parts_without_a_message_around_them_are_one_message() -> None:
    parts = [{"type": "text", "text": "what is this?"}, {"type": "image_url", "image_url": "x:y"}]

    assert [message["role"] for message in read_messages(parts, "user")] == ["user"]


def test_flattened_lists_are_ordered_by_number_and_gaps_are_closed() -> None:
    attributes = {"p.10.role": "c", "p.2.role": "b", "p.0.role": "a", "p.0.parts.3.x": 1, "q.0": 2}

    assert unflatten(attributes, "p.") == [
        {"role": "a", "parts": [{"x": 1}]},
        {"role": "b"},
        {"role": "c"},
    ]


def test_a_bare_value_gives_way_to_its_parts_in_either_order() -> None:
    assert unflatten({"p.0": "bare", "p.0.role": "a"}, "p.") == [{"role": "a"}]
    assert unflatten({"p.0.role": "a", "p.0": "bare"}, "p.") == [{"role": "a"}]


def test_a_key_of_ten_thousand_dots_is_no_tree_of_ten_thousand_levels() -> None:
    assert len(repr(unflatten({"p.0" + ".0" * 10_000: 1}, "p."))) < 30_000


def test_a_map_that_was_sent_stays_as_it_came_where_further_keys_lead_into_it() -> None:
    inner = {"text": "a"}
    attributes = {"m.0.message": {"inner": inner}, "m.0.message.inner.role": "user"}

    assert unflatten(attributes, "m.") == [{"message": {"inner": {"text": "a", "role": "user"}}}]
    assert inner == {"text": "a"}
