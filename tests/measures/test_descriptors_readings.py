"""What is read of a call's stored JSON as the text asked and the text answered."""

import json
from typing import Any

import polars as pl
import pytest

from headway_measures.descriptors.describing import describe
from headway_measures.descriptors.readings import read_answer, read_prompt


def text(content: str) -> dict[str, Any]:
    return {"type": "text", "content": content}


@pytest.mark.parametrize(
    ("value", "prompt"),
    [
        ("Where is my parcel?", "Where is my parcel?"),
        ({"message": "Where?"}, "Where?"),
        ({"z": "last", "a": "first", "n": 3, "none": None, "flag": True}, "first\n\n3\n\nlast"),
        ({"a": {"deep": ["x", "y"]}}, "x\n\ny"),
        ([{"role": "user", "parts": [text("a"), text("b")]}], "a\n\nb"),
        (
            [
                {"role": "system", "parts": [text("be brief")]},
                {"role": "user", "parts": [text("a")]},
                {"role": "assistant", "parts": [text("b")]},
                {"role": "user", "parts": [text("c")]},
            ],
            "a\n\nc",
        ),
        ({"messages": [{"role": "user", "content": "raw"}]}, "raw"),
        ([{"role": "user", "content": [{"type": "text", "text": "seen"}]}], "seen"),
        ([{"role": "user", "parts": [{"type": "uri", "uri": "https://x.org/a.png"}]}], ""),
        ([{"role": "system", "content": "alone"}], "alone"),
        (
            [{"role": "system", "content": "s"}, {"role": "tool", "content": "result"}],
            "result",
        ),
        ({"text": "seen", "messages": [{"role": "user", "content": "raw"}]}, "raw"),
        ({"chat": {"messages": [{"role": "user", "content": "deep"}]}}, "deep"),
        (
            {
                "history": [
                    {"role": "system", "content": "brief"},
                    {"role": "user", "content": "before"},
                    {"role": "assistant", "content": "said"},
                ],
                "question": "now",
            },
            "before\n\nnow",
        ),
        ([1, "two"], '[1,"two"]'),
        (42, "42"),
    ],
)
def test_prompts(value: Any, prompt: str) -> None:
    assert read_prompt(json.dumps(value)) == prompt
    assert read_prompt(json.dumps(value).encode()) == prompt


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("Tomorrow.", "Tomorrow."),
        ({"kind": "delivery", "n": 1}, '{"kind":"delivery","n":1}'),
        ([{"role": "assistant", "parts": [text("a")]}], "a"),
        ({"role": "assistant", "content": "one message"}, "one message"),
        (
            [{"role": "assistant", "parts": [{"type": "reasoning", "content": "hm"}, text("a")]}],
            "a",
        ),
        (
            [
                {
                    "role": "assistant",
                    "parts": [{"type": "tool_call", "name": "track", "arguments": {"p": "9"}}],
                }
            ],
            '{"name":"track","arguments":{"p":"9"}}',
        ),
        (
            [
                {
                    "role": "assistant",
                    "content": None,
                    "tool_calls": [{"function": {"name": "track", "arguments": '{"p":"9"}'}}],
                }
            ],
            '{"name":"track","arguments":{"p":"9"}}',
        ),
        ([{"role": "assistant", "parts": [{"type": "refusal", "content": "no"}]}], "no"),
        (["a", "b"], '["a","b"]'),
        (True, "true"),
    ],
)
def test_answers(value: Any, said: str) -> None:
    assert read_answer(json.dumps(value)) == said


@pytest.mark.parametrize("raw", [None, "", b"", "null", b"null"])
def test_nothing_stored_is_nothing_said(raw: bytes | str | None) -> None:
    assert read_prompt(raw) is None
    assert read_answer(raw) is None


def test_lone_surrogates_become_replacement_characters() -> None:
    assert read_answer('"a\\ud800b"') == "a\ufffdb"
    assert read_answer('"\\ud83d\\ude00"') == "😀"
    assert read_prompt('{"m": ["\\udfff"]}') == "\ufffd"
    assert read_answer("a\ud800b") == "a\ufffdb"


@pytest.mark.parametrize(
    "raw",
    [
        "{broken",
        b"\xff\xfe",
        "[" * 100_000,
        '[{"role": "user"}]',
        '[{"role": "user", "parts": null}]',
        '[{"role": "user", "parts": [null, 1, {}, []]}]',
        '[{"role": "user", "content": {"deep": [1]}}]',
        '[{"role": "assistant", "tool_calls": "odd"}]',
        '[{"role": "assistant", "tool_calls": 3}]',
        '[{"role": "assistant", "tool_calls": [{"function": 3}, 4, null]}]',
        '{"messages": []}',
        '{"role": "user", "content": 5}',
        '{"a": NaN}',
        '"\x00"',
        "[{}]",
        '{"a":' * 700 + "1" + "}" * 700,
        "[" * 700 + "]" * 700,
        '{"a": ' + "9" * 400 + "}",
        "[" + "9" * 9_000 + "]",
        '["\\ud800", ' + "9" * 400 + "]",
    ],
)
def test_what_can_be_stored_can_be_read_and_described(raw: bytes | str) -> None:
    prompt, answer = read_prompt(raw), read_answer(raw)

    frame = pl.DataFrame({"prompt": [prompt], "answer": [answer], "finish_reason": [None]})
    assert describe(frame).height == 1
