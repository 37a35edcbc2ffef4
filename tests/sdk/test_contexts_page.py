"""The code on docs/contexts.md runs, and does what its comments say."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import headway
from headway.testing import Captured, capture

PAGE = Path(__file__).parents[2] / "docs" / "contexts.md"


@pytest.fixture
def captured() -> Iterator[Captured]:
    with capture() as captured:
        yield captured
    headway.uninstrument()


def run(name: str) -> dict[str, Any]:
    text = PAGE.read_text(encoding="utf-8")
    (code,) = re.findall(rf"<!-- test: {name} -->\n```python\n(.*?)```", text, re.DOTALL)
    defined: dict[str, Any] = {"__name__": "example"}
    exec(compile(code, f"{PAGE.name}: {name}", "exec"), defined)
    return defined


def test_the_example_of_threads_tells_the_truth(captured: Captured) -> None:
    defined = run("threads")
    answer, by_hand = captured.span("answer"), captured.span("by hand")
    heirs = [(s.parent_span_id, s.user_id) for s in captured.spans if s.name == "look_up"]

    assert defined["found"] == ["WHERE?", "WHEN?"]
    assert heirs == [(answer.span_id, "u1")] * 2 + [(by_hand.span_id, None)]


def test_the_example_of_headers_tells_the_truth(captured: Captured) -> None:
    run("headers")
    work = captured.span("work")

    assert work.parent_span_id == captured.span("enqueue").span_id
    assert work.user_id == "u1"


def test_the_example_of_opentelemetry_runs(captured: Captured) -> None:
    run("otel")

    assert captured.span("agent").status == "ok"
