"""Prompts: versions from the text, formatting, and what a span says of the prompt it used."""

import json
import logging
import pickle
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, assert_type

import pytest

import headway
from headway import Prompt
from headway.clients import Client
from headway.contexts import CURRENT, Remote
from headway.errors import PromptError
from headway.instruments.model_calls import open_call
from headway.records import PromptVersion, Span
from headway.testing import Captured, capture
from headway_evals.prompts import render_prompt
from tests.sdk.conftest import Answer, Request, StandIn
from tests.sdk.programs import run

TRIAGE = Prompt("triage", "Sort this: {message}")
CHAT = Prompt(
    "answer",
    [
        {"role": "system", "content": "You are {who}."},
        {"role": "user", "content": [{"type": "text", "text": "{question}"}]},
    ],
)


@pytest.fixture
def captured() -> Iterator[Captured]:
    with capture() as captured:
        yield captured


def told_in(captured: Captured) -> list[PromptVersion]:
    return [record for record in captured.records if isinstance(record, PromptVersion)]


def shown(span: Span) -> tuple[str | None, str | None, Any]:
    variables = bytes(span.prompt_variables)
    return span.prompt_name, span.prompt_version, json.loads(variables) if variables else None


def test_the_version_follows_from_the_template_alone() -> None:
    again = Prompt("another name", "Sort this: {message}")
    edited = Prompt("triage", "Sort that: {message}")

    assert TRIAGE.version == again.version == "aeafddc4ee1e"
    assert edited.version != TRIAGE.version
    assert len(edited.version) == 12


def test_the_version_of_a_chat_does_not_depend_on_the_order_of_keys() -> None:
    turned = Prompt("answer", [{"content": "a", "role": "user"}])
    straight = Prompt("answer", [{"role": "user", "content": "a"}])

    assert turned == straight
    assert hash(turned) == hash(straight)
    assert turned != Prompt("answer", [{"role": "system", "content": "a"}])


def test_variables_are_filled_in_and_every_other_brace_stays() -> None:
    prompt = Prompt("p", 'As {"kind": {kind}, "n": {}}, not {{kind}}: {text} {text}')

    assert prompt.variables == ("kind", "text")
    assert (
        prompt.format(kind=1, text="{kind}") == 'As {"kind": 1, "n": {}}, not {kind}: {kind} {kind}'
    )


def test_messages_are_filled_in_wherever_they_have_text() -> None:
    messages = CHAT.format(who="Ada", question="why?")

    assert CHAT.variables == ("who", "question")
    assert messages == [
        {"role": "system", "content": "You are Ada."},
        {"role": "user", "content": [{"type": "text", "text": "why?"}]},
    ]


def test_what_format_gives_has_the_type_of_the_template() -> None:
    assert_type(TRIAGE.format(message="m"), str)
    assert_type(CHAT.format(who="w", question="q"), list[dict[str, Any]])


@pytest.mark.parametrize("text", ["{a}", "{{a}}", '{"a": {a}}', r"\d{3}", "{a b}", "{", "{{{a}}}"])
def test_a_template_means_the_same_in_a_suite(text: str) -> None:
    values = {"a": "x", "3": "y"}

    assert Prompt("p", text).format(**values) == render_prompt(text, values)


def test_a_missing_variable_raises_and_says_which() -> None:
    with pytest.raises(PromptError, match=r"'answer' needs question: format\(who=…, question=…\)"):
        CHAT.format(who="Ada")


@pytest.mark.parametrize(
    ("name", "template", "message"),
    [
        ("", "text", "a prompt's name is ''"),
        (None, "text", "give 1 to 256 characters"),
        ("n", 3, "is of type int: give a text or a list of messages"),
        ("n", ["text"], "give a text or a list of messages"),
        ("n", {"role": "user"}, "is of type dict"),
        ("n", [{"role": object()}], "are not JSON"),
    ],
)
def test_what_is_no_prompt_is_refused_where_it_is_made(
    name: Any, template: Any, message: str
) -> None:
    with pytest.raises(PromptError, match=message):
        Prompt(name, template)


def test_a_prompt_does_not_change_with_the_list_it_was_made_of() -> None:
    messages = [{"role": "user", "content": "a"}]
    prompt = Prompt("p", messages)
    messages[0]["content"] = prompt.template[0]["content"] = "b"

    assert prompt.format() == [{"role": "user", "content": "a"}]


def test_a_prompt_can_be_sent_to_another_process() -> None:
    copy = pickle.loads(pickle.dumps(CHAT))

    assert copy == CHAT
    assert copy.format(who="w", question="q") == CHAT.format(who="w", question="q")


def test_a_call_says_its_prompt_and_the_variables_it_was_formatted_with(captured: Captured) -> None:
    @headway.observe(kind="llm", prompt=TRIAGE)
    def triage(message: str) -> str:
        return TRIAGE.format(message=message)

    triage("hello")

    assert shown(captured.span("triage")) == ("triage", TRIAGE.version, {"message": "hello"})


def test_formatting_inside_a_span_names_its_prompt(captured: Captured) -> None:
    with headway.span("outer"), headway.span("inner"):
        CHAT.format(who="Ada", question="why?", unused=1)
    variables = {"who": "Ada", "question": "why?", "unused": 1}

    assert shown(captured.span("inner")) == ("answer", CHAT.version, variables)
    assert shown(captured.span("outer")) == (None, None, None)


def test_a_span_keeps_the_prompt_that_it_has(captured: Captured) -> None:
    with headway.span("call", prompt=TRIAGE):
        CHAT.format(who="Ada", question="why?")

    assert shown(captured.span("call")) == ("triage", TRIAGE.version, None)


def test_formatting_outside_of_spans_records_nothing(captured: Captured) -> None:
    assert TRIAGE.format(message="m") == "Sort this: m"
    token = CURRENT.set(Remote("a" * 32, "b" * 16))
    TRIAGE.format(message="m")
    CURRENT.reset(token)

    assert captured.records == []


def test_a_template_is_told_once_with_the_first_call(captured: Captured) -> None:
    for _ in range(3):
        with headway.span("call", prompt=TRIAGE):
            TRIAGE.format(message="m")
        with headway.span("call"):
            CHAT.format(who="w", question="q")
    told = told_in(captured)

    assert [(each.name, each.version) for each in told] == [
        ("triage", TRIAGE.version),
        ("answer", CHAT.version),
    ]
    assert json.loads(bytes(told[0].template)) == "Sort this: {message}"
    assert json.loads(bytes(told[1].template)) == CHAT.template


def test_variables_that_cannot_be_read_cost_nothing_but_themselves(captured: Captured) -> None:
    class Odd:
        def __str__(self) -> str:
            return "odd"

    with headway.span("call"):
        assert TRIAGE.format(message=Odd()) == "Sort this: odd"

    assert captured.span("call").prompt_name == "triage"


def test_a_program_that_records_nothing_formats_all_the_same(tmp_path: Path) -> None:
    program = """
import headway
with headway.span("call"):
    print(headway.Prompt("p", "say {word}").format(word="yes"), headway.stats().recorded)
"""
    done = run(program, tmp_path, HEADWAY_DISABLED="1")

    assert done.stdout.split() == ["say", "yes", "0"], done.stderr


def test_a_template_goes_to_the_project_that_is_chosen_later(
    make_client: Callable[..., Client], collector: StandIn
) -> None:
    client = make_client(collector.url, project="one")
    with headway.span("call", prompt=TRIAGE):
        pass
    headway.init(project="two", url=collector.url)
    with headway.span("call", prompt=TRIAGE):
        pass

    assert client.flush()
    told = [each for each in collector.requests if b'"type":"prompt"' in b"".join(each.lines)]
    assert {request.project for request in told} == {"one", "two"}


def test_an_older_collector_refuses_the_template_and_nothing_is_lost_or_said(
    make_client: Callable[..., Client], collector: StandIn, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse_templates(request: Request) -> Answer:
        said = "Invalid value 'prompt' - at `$.type`; allowed are span, score, loss"
        lines = enumerate(request.lines, start=1)
        errors = [{"line": n, "reason": said} for n, each in lines if b'"type":"prompt"' in each]
        kept = len(request.lines) - len(errors)
        answer = {"accepted": kept, "duplicates": 0, "rejected": len(errors), "errors": errors}
        return Answer(200, json.dumps(answer).encode())

    collector.decide = refuse_templates
    client = make_client(collector.url)
    with caplog.at_level(logging.WARNING, "headway"), headway.span("call", prompt=TRIAGE):
        pass

    assert client.flush()
    stats = client.stats()
    assert (stats.shipped, dict(stats.dropped), dict(stats.faults)) == (2, {}, {})
    assert caplog.records == []


def test_a_call_that_is_refused_beside_a_template_is_still_a_loss(
    make_client: Callable[..., Client], collector: StandIn
) -> None:
    def refuse_all(request: Request) -> Answer:
        errors = [{"line": n, "reason": "no"} for n in range(1, len(request.lines) + 1)]
        answer = {"accepted": 0, "duplicates": 0, "rejected": len(errors), "errors": errors}
        return Answer(200, json.dumps(answer).encode())

    collector.decide = refuse_all
    client = make_client(collector.url, is_raising=False)
    with headway.span("call", prompt=TRIAGE):
        pass

    client.flush()
    assert dict(client.stats().dropped) == {"rejected": 1}


def call_model() -> None:
    call = open_call(operation="chat", provider="openai", model="m")
    assert call is not None
    with call.running():
        pass
    call.finish(dict)


def test_an_instrumented_model_call_takes_the_prompt_of_the_function_around_it(
    captured: Captured,
) -> None:
    @headway.observe
    def triage() -> None:
        TRIAGE.format(message="m")
        call_model()
        call_model()

    triage()
    calls = [shown(span) for span in captured.spans if span.kind == "llm"]

    assert calls == [("triage", TRIAGE.version, {"message": "m"})] * 2
    assert shown(captured.span("triage")) == (None, None, None)


def test_a_function_that_is_the_model_call_keeps_its_prompt(captured: Captured) -> None:
    with headway.span("mine", kind="llm", prompt=TRIAGE):
        call_model()

    assert shown(captured.span("mine")) == ("triage", TRIAGE.version, None)
    assert shown(captured.span("chat m")) == (None, None, None)


def test_the_examples_of_the_pages_run(tmp_path: Path) -> None:
    docs = Path(__file__).parents[2] / "docs"
    pages = "".join(
        (docs / name).read_text(encoding="utf-8") for name in ("prompts.md", "logging.md")
    )
    examples = dict(re.findall(r"<!-- test: (\w+) -->\n```python\n(.*?)```", pages, re.DOTALL))
    program = "".join(examples[name] for name in ("prompts", "chat", "score"))
    done = run(
        f"{program}\nprint(headway.stats().recorded, dict(headway.stats().faults))",
        tmp_path,
        HEADWAY_EXIT_TIMEOUT_S="0",
    )

    # Two calls, one template, two scores.
    assert done.stdout.strip() == "5 {}", done.stderr
