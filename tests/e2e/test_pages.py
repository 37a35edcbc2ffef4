"""The code on the pages for people who write programs runs, and does what the page says."""

import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider

import headway
from headway.client_settings import ClientSettings
from headway.clients import Client
from headway.lifecycle import install
from headway.queries import SpanFilters
from headway.testing import Captured, capture
from tests.collector.conftest import listening
from tests.emitters.fake_openai import ANSWER, fake_openai

DOCS = Path(__file__).parents[2] / "docs"


def examples(page: str, name: str) -> str:
    """All code of that name, in the order in which it stands on the page."""
    text = (DOCS / page).read_text(encoding="utf-8")
    found = re.findall(rf"<!-- test: {name} -->\n```python\n(.*?)```", text, re.DOTALL)
    assert found, f"{page} has no example named {name}"
    return "\n".join(found)


def run(page: str, name: str, **given: object) -> dict[str, Any]:
    """Run the code, and return what it defines."""
    defined: dict[str, Any] = {"__name__": "example", **given}
    exec(compile(examples(page, name), f"{page}: {name}", "exec"), defined)
    return defined


@pytest.mark.parametrize("name", ["capture", "clock"])
def test_the_page_on_testing_tells_the_truth(name: str) -> None:
    run("testing.md", name)


def test_its_fixture_works(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(examples("testing.md", "fixture"))

    pytester.runpytest("-q", "-p", "no:cacheprovider").assert_outcomes(passed=1)


@pytest.fixture
def logged(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A collector, and a client that logs there; both are named in the environment."""
    with listening() as url:
        monkeypatch.setenv("HEADWAY_URL", url)
        client = Client(ClientSettings(project="support-bot", url=url, is_raising=True))
        previous = install(client)
        yield url
        install(previous)
        client.close(0)


def test_the_page_on_reading_tells_the_truth(
    logged: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with headway.span("answer", kind="llm", model="support-7b") as span:
        span.input, span.output, span.output_tokens = "where?", "delivery", 201
        span.attributes["shelf"] = "7"
        headway.score("helpful", False, source="human")
    with headway.span("answer", kind="llm") as other:
        other.status, other.status_message = "error", "too busy"
    headway.flush()
    defined = run("reading.md", "reading")
    printed = capsys.readouterr().out

    assert "where? delivery" in printed
    assert "404" in printed
    assert defined["slowest"]["output"].to_list() == ["delivery"]
    assert defined["pairs"] == [("where?", "delivery")]
    assert defined["errors"] == ["too busy"]
    assert defined["share"] == 0


def test_the_page_on_reading_names_every_filter_and_no_other() -> None:
    text = (DOCS / "reading.md").read_text(encoding="utf-8")
    section = text.split("## Filters\n")[1].split(" Several values")[0]

    assert re.findall(r"`(\w+)`", section) == list(SpanFilters.__annotations__)


@dataclass
class Usage:
    input: int = 31
    output: int = 2


class Remembering(SpanProcessor):
    """Keeps the spans of OpenTelemetry that ended."""

    def __init__(self, ended: list[ReadableSpan]) -> None:
        self.ended = ended

    def on_end(self, span: ReadableSpan) -> None:
        self.ended.append(span)


def ask(question: object) -> tuple[str, Usage]:
    """The model of the page on migration."""
    return "delivery", Usage()


@pytest.fixture
def captured() -> Iterator[Captured]:
    with capture() as captured:
        yield captured


def test_a_wrapped_client_becomes_an_instrumented_one(
    captured: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    with fake_openai() as url:
        monkeypatch.setenv("OPENAI_BASE_URL", url)
        try:
            answer = run("migration.md", "clients")["answer"]
        finally:
            headway.uninstrument()
    call = captured.call()

    assert answer.choices[0].message.content == ANSWER
    assert (call.kind, call.request_model, call.input_tokens) == ("llm", "gpt-4o-mini", 120)


def test_the_page_on_migration_names_settings_that_exist() -> None:
    text = (DOCS / "migration.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\|.*\|$", text.split("## Settings\n")[1].split("\n## ")[0], re.MULTILINE)
    named = {name for row in rows[2:] for name in re.findall(r"`(\w+)`", row.split("|")[-2])}

    assert len(named) == 6
    assert named - set(inspect.signature(headway.init).parameters) == set()


def test_what_comes_from_langfuse_arrives_whole(captured: Captured) -> None:
    run("migration.md", "langfuse", ask=ask)
    root, call = captured.call("support"), captured.call(kind="llm")

    assert captured.projects == {"support-bot"}
    assert captured.tree() == "support\n  triage"
    assert (call.user_id, call.session_id, call.tags) == ("u1", "s1", ["beta"])
    assert (root.user_id, root.session_id, root.tags) == ("u1", "s1", ["beta"])
    assert (call.request_model, call.prompt_name) == ("support-7b", "triage")
    assert call.prompt_variables == {"message": "where is my parcel?"}
    assert (call.params, call.input_tokens, call.output_tokens) == ({"temperature": 0.2}, 31, 2)
    assert [(score.trace_id, score.value) for score in captured.scores] == [(root.trace_id, True)]


def test_what_comes_from_langsmith_arrives_whole(captured: Captured) -> None:
    chunks = ["deli", "very"]
    defined = run("migration.md", "langsmith", ask_streaming=lambda question: iter(chunks))
    root, call = captured.call("support"), captured.call(kind="llm")

    assert defined["text"] == call.output == "delivery"
    assert captured.tree() == "support\n  answer"
    assert (root.attributes, root.session_id, root.tags) == ({"shelf": 7}, "s1", ["beta"])
    assert [(score.span_id, score.comment) for score in captured.scores] == [
        (root.span_id, "solved it")
    ]


def test_what_comes_from_phoenix_arrives_whole(logged: str) -> None:
    defined = run("migration.md", "phoenix", ask=ask)
    headway.flush()
    trace = defined["client"].trace(defined["frame"]["trace_id"][0])

    assert [(span["name"], span["kind"]) for span in trace["spans"]] == [
        ("support", "chain"),
        ("answer", "llm"),
    ]
    assert {span["user_id"] for span in trace["spans"]} == {"u1"}
    assert [(score["source"], score["value"]) for score in trace["scores"]] == [("human", True)]


def test_what_comes_from_opentelemetry_arrives_whole(captured: Captured) -> None:
    own: list[ReadableSpan] = []
    tracing = TracerProvider()
    tracer = tracing.get_tracer("shop")
    tracing.add_span_processor(Remembering(own))
    run("migration.md", "opentelemetry", ask=ask, tracer=tracer)
    call, inner = captured.call("chat support-7b"), captured.call("triage")

    assert (call.provider, call.request_model, call.session_id) == ("vllm", "support-7b", "s1")
    assert call.input == [{"role": "user", "content": "Where is my parcel?"}]
    assert (call.params, call.attributes) == ({"temperature": 0.2}, {"shelf": 7})
    assert (call.output, call.input_tokens, call.finish_reasons) == ("delivery", 31, ["stop"])
    assert [inner.trace_id, inner.parent_span_id] == [
        f"{own[0].context.trace_id:032x}",
        f"{own[0].context.span_id:016x}",
    ]
