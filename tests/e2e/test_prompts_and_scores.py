"""Prompts and scores through the real processes: templates told once, judgements from elsewhere."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

import headway
from headway import Prompt
from headway.client_settings import ClientSettings
from headway.clients import Client
from headway.lifecycle import install
from tests.e2e.processes import CollectorProcess, clean_environment

SHOP = {"project": "shop"}
TRIAGE = Prompt("support/triage", [{"role": "user", "content": "Sort {message}"}])


@pytest.fixture
def collector(shared_collector: CollectorProcess) -> CollectorProcess:
    """The one of all tests, in which the project is this file's own."""
    return shared_collector


@pytest.fixture
def shop(collector: CollectorProcess, tmp_path: Path) -> Iterator[Client]:
    """A client of the collector in this process."""
    settings = ClientSettings(
        project="shop", url=collector.url, journal_dir=tmp_path / "journal", is_raising=True
    )
    client = Client(settings)
    previous = install(client)
    yield client
    install(previous)
    client.close(0.0)


@pytest.fixture
def elsewhere(collector: CollectorProcess, tmp_path: Path) -> Callable[[str], None]:
    """Run a program in another process that logs to the same collector."""

    def run(body: str) -> None:
        done = subprocess.run(
            [sys.executable, "-c", f"import headway\n{body}\nassert headway.flush(timeout_s=20)"],
            env=clean_environment(
                HEADWAY_URL=collector.url,
                HEADWAY_PROJECT="shop",
                HEADWAY_JOURNAL_DIR=str(tmp_path / "elsewhere"),
            ),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr

    return run


@headway.observe(kind="llm", prompt=TRIAGE)
def triage(message: str) -> str:
    return str(TRIAGE.format(message=message)[0]["content"])


async def answer(request: Request) -> PlainTextResponse:
    """A web page that tells its reader what to give a thumb to."""
    with headway.span("chat", kind="chain") as span:
        text = triage(request.query_params["message"])
    return PlainTextResponse(text, headers={"Trace-Id": span.trace_id, "Span-Id": span.span_id})


def test_a_thumb_from_a_web_page_a_judge_and_a_session_meet_in_one_trace(
    collector: CollectorProcess, shop: Client, elsewhere: Callable[[str], None]
) -> None:
    with headway.context(session="s-1"):
        page = TestClient(Starlette(routes=[Route("/", answer)])).get("/?message=hello")
    trace_id, span_id = page.headers["Trace-Id"], page.headers["Span-Id"]
    # The thumb comes, and is stored, before the span that it is about.
    collector.api.post(
        "/v1/scores",
        {"name": "thumb", "value": True, "span_id": span_id, "source": "human"},
        project="shop",
    )
    assert headway.flush(20)
    elsewhere(
        f"headway.score('polite', 0.9, trace_id={trace_id!r}, source='judge', author='judge-7b')\n"
        "headway.score('solved', 'yes', session_id='s-1', score_id='case-17')\n"
        "headway.score('solved', 'yes', session_id='s-1', score_id='case-17')"
    )
    headway.score("late", 3, span_id=span_id)
    assert headway.flush(20)

    trace = collector.api.get(f"/v1/traces/{trace_id}")
    scores = {score["name"]: score for score in trace["scores"]}
    assert {name: each["value"] for name, each in scores.items()} == {
        "thumb": True,
        "polite": 0.9,
        "late": 3,
    }
    assert (scores["thumb"]["source"], scores["polite"]["author"]) == ("human", "judge-7b")
    (solved,) = collector.api.get("/v1/scores", {"session_id": "s-1", **SHOP})["scores"]
    assert (solved["value"], solved["score_id"]) == ("yes", "case-17")
    found = collector.api.get("/v1/spans", {"where": "score:late>2", **SHOP})["spans"]
    assert [span["name"] for span in found] == ["chat"]


def test_a_template_is_told_by_every_process_and_kept_once(
    collector: CollectorProcess, shop: Client, elsewhere: Callable[[str], None]
) -> None:
    before = sum(each["count"] for each in collector.api.get("/v1/prompts", SHOP)["prompts"])
    triage("one")
    triage("two")
    assert headway.flush(20)
    elsewhere(
        "messages = [{'content': 'Sort {message}', 'role': 'user'}]\n"
        "with headway.span('call', prompt=headway.Prompt('support/triage', messages)): pass"
    )

    (version,) = headway.Client(collector.url, project="shop").prompt("support/triage")["versions"]
    (listed,) = collector.api.get("/v1/prompts", SHOP)["prompts"]
    assert (version["prompt_version"], version["count"]) == (TRIAGE.version, before + 3)
    assert version["template"] == listed["template"] == TRIAGE.template
    span = collector.api.get("/v1/spans", {"name": "triage", **SHOP, "content": "full"})
    assert span["spans"][0]["prompt_variables"] == {"message": "two"}
