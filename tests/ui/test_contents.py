"""What a logged value is taken for."""

import pytest

from headway_ui.contents import Chat, Fields, Message, Structure, Text, preview, read


def test_a_list_of_messages_is_a_chat() -> None:
    messages = [{"role": "System", "content": "Be kind."}, {"role": "user", "content": "Hi"}]

    assert read(messages) == Chat([Message("system", "Be kind."), Message("user", "Hi")])
    assert read({"messages": messages}) == read(messages)
    assert read(messages[1]) == Chat([Message("user", "Hi")])


def test_the_parts_of_a_message_are_read_in_both_dialects() -> None:
    openai = {"role": "user", "content": [{"type": "text", "text": "What is this?"}]}
    telemetry = {"role": "user", "parts": [{"type": "text", "content": "What is this?"}]}

    assert read([openai]) == read([telemetry]) == Chat([Message("user", "What is this?")])


def test_a_message_that_only_calls_a_tool_shows_the_call() -> None:
    content = read([{"role": "assistant", "content": None, "tool_calls": [{"name": "search"}]}])

    assert isinstance(content, Chat)
    assert '"name": "search"' in content.messages[0].text


def test_arguments_are_shown_by_name() -> None:
    content = read({"question": "Why?", "limit": 3})

    assert content == Fields({"question": Text("Why?"), "limit": Structure("3")})


def test_an_answer_in_json_is_laid_out_and_a_broken_one_stays_text() -> None:
    assert read('{"kind": "refund"}') == Structure('{\n  "kind": "refund"\n}')
    assert read('{"kind": "refund"') == Text('{"kind": "refund"')


@pytest.mark.parametrize("value", [None, 3, True, [], {}, [1, "a"], {"a": 1}, [{"role": 3}]])
def test_anything_else_is_shown_as_json(value: object) -> None:
    assert isinstance(read(value), Structure)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (None, ""),
        ("plain  words\nhere", "plain words here"),
        ('{"message": "Where is it?"}', "Where is it?"),
        ('[{"role": "system", "content": "s"}, {"role": "user", "content": "u"}]', "u"),
        ('{"a": "x", "b": 2}', '{"a": "x", "b": 2}'),
        ('{"message": "cut off he', '{"message": "cut off he'),
        ("[]", "[]"),
        ("3", "3"),
    ],
)
def test_a_table_shows_the_one_argument_or_the_last_message(text: str | None, line: str) -> None:
    assert preview(text) == line
