"""The usual messages are known by one look, and come out as the long way would have them."""

import json
from typing import Any

import pytest

from headway_collector.dialects.messages import genai, usual
from headway_collector.otlp.telemetry import Attributes
from tests.collector.dialects.examples import make_span

TEXT = {"type": "text", "content": "On its way: 1 \\ 2\n"}
USUAL: list[Any] = [
    [{"role": "user", "parts": [TEXT]}],
    [{"role": "system", "parts": [TEXT]}, {"parts": [TEXT, TEXT], "role": "user"}],
    [{"role": "assistant", "parts": [{"type": "reasoning", "content": ""}, TEXT]}],
    [{"role": "tool", "parts": []}],
]
UNUSUAL: list[Any] = [
    [],
    {"role": "user", "parts": [TEXT]},
    [{"role": "human", "parts": [TEXT]}],
    [{"role": "user", "parts": [TEXT], "name": "Ada"}],
    [{"role": "user", "content": "On its way."}],
    [{"role": "user", "parts": ["On its way."]}],
    [{"role": "user", "parts": [{"type": "text", "content": {"deep": []}}]}],
    [{"role": "user", "parts": [{"content": "On its way."}]}],
    [{"role": "user", "parts": [{"type": "uri", "uri": "https://example.org/a.png"}]}],
    [{"role": "user", "parts": [{"type": "text", "content": "Größe"}]}],
]


def ask(messages: Any) -> Attributes:
    return {"gen_ai.input.messages": json.dumps(messages)}


def answer(*reasons: Any) -> Attributes:
    messages = [{"role": "assistant", "parts": [TEXT], "finish_reason": each} for each in reasons]
    return {"gen_ai.output.messages": json.dumps(messages)}


@pytest.mark.parametrize("messages", USUAL, ids=repr)
def test_usual_messages_are_the_text_that_the_long_way_finds(messages: Any) -> None:
    found = usual.find_input(ask(messages))
    long_way = genai.find_input(make_span(ask(messages)))

    assert found is not None
    assert long_way is not None
    assert found.text == long_way.text == json.dumps(messages)


@pytest.mark.parametrize("messages", UNUSUAL, ids=repr)
def test_all_other_messages_go_the_long_way(messages: Any) -> None:
    assert usual.find_input(ask(messages)) is None


@pytest.mark.parametrize("value", ["[{", "Where is it?", 7, [{"role": "user"}], None, '["\ud800"]'])
def test_what_is_no_json_text_of_messages_goes_the_long_way(value: Any) -> None:
    assert usual.find_input({"gen_ai.input.messages": value}) is None


def test_messages_with_instructions_beside_them_go_the_long_way() -> None:
    assert usual.find_input({**ask(USUAL[0]), "gen_ai.system_instructions": "Be kind."}) is None


def test_reasons_are_those_of_the_messages_in_their_order() -> None:
    found = usual.find_output(answer("stop", "", "length"))

    assert found is not None
    assert found.finish_reasons == ["stop", "length"]


def test_an_answer_whose_reason_stands_elsewhere_goes_the_long_way() -> None:
    assert usual.find_output(answer("stop", None)) is None
