"""One call's way through the real processes: SDK, wire, collector, DuckDB, API."""

import subprocess
import sys
from pathlib import Path

from tests.e2e.processes import CollectorProcess, clean_environment

APPLICATION = """
import asyncio
import headway

headway.init(project="shop", environment="test")

@headway.observe(kind="retriever")
def search(question):
    return ["parcels take three days"]

@headway.observe(kind="llm", model="support-7b")
async def answer(question, passages):
    headway.current_span().input_tokens = 12
    return "three days"

@headway.observe(kind="llm", model="support-7b")
def stream(question):
    yield "three "
    yield "days"

@headway.observe(kind="guardrail")
def check(text):
    raise ValueError("too short")

with headway.context(user="ada", session="s-1", tags=["beta"]):
    with headway.span("support", kind="chain") as span:
        question = "where is my parcel?"
        text = asyncio.run(answer(question, search(question)))
        assert "".join(stream(question)) == text
        try:
            check(text)
        except ValueError:
            pass
        span.output = text
    headway.score("helpful", True, trace_id=span.trace_id, source="human", comment="quick")
assert headway.flush(timeout_s=20)
print(span.trace_id)
"""


def test_a_decorated_chain_is_one_trace_with_its_scores_in_the_api(
    collector: CollectorProcess, tmp_path: Path
) -> None:
    trace_id = run_application(collector, tmp_path)

    trace = collector.api.get(f"/v1/traces/{trace_id}")
    spans = {span["name"]: span for span in trace["spans"]}
    root = spans["support"]

    assert set(spans) == {"support", "search", "answer", "stream", "check"}
    assert {span["parent_span_id"] for span in spans.values()} == {None, root["span_id"]}
    assert root["output"] == "three days"
    assert spans["answer"]["input"]["question"] == "where is my parcel?"
    assert spans["answer"]["input_tokens"] == 12
    assert spans["answer"]["request_model"] == "support-7b"
    assert spans["stream"]["output"] == "three days"
    assert spans["stream"]["chunk_count"] == 2
    assert (spans["check"]["status"], spans["check"]["error_type"]) == ("error", "ValueError")
    assert {span["user_id"] for span in spans.values()} == {"ada"}
    assert {tuple(span["tags"]) for span in spans.values()} == {("beta",)}
    assert [(score["name"], score["value"]) for score in trace["scores"]] == [("helpful", True)]


def test_metrics_count_what_was_logged(collector: CollectorProcess, tmp_path: Path) -> None:
    run_application(collector, tmp_path)

    answer = collector.api.get(
        "/v1/metrics", {"project": "shop", "measure": ["count", "errors"], "by": ["kind"]}
    )
    counts = {row["kind"]: (row["count"], row["errors"]) for row in answer["rows"]}

    assert counts == {"chain": (1, 0), "retriever": (1, 0), "llm": (2, 0), "guardrail": (1, 1)}


def test_a_restarted_collector_still_has_everything(
    collector: CollectorProcess, tmp_path: Path
) -> None:
    trace_id = run_application(collector, tmp_path)

    assert collector.stop() == 0
    collector.start()

    assert len(collector.api.get(f"/v1/traces/{trace_id}")["spans"]) == 5


def test_calls_made_while_no_collector_runs_arrive_with_the_next_process(tmp_path: Path) -> None:
    collector = CollectorProcess(tmp_path / "headway.duckdb")
    with collector:
        pass
    log_once(collector, tmp_path, "first")
    with collector:
        log_once(collector, tmp_path, "second")

        names = {span["name"] for span in collector.api.get("/v1/spans")["spans"]}

        assert names == {"first", "second"}


def run_application(collector: CollectorProcess, folder: Path) -> str:
    return run_python(collector, folder, APPLICATION)


def log_once(collector: CollectorProcess, folder: Path, name: str) -> None:
    code = f"import headway\nwith headway.span({name!r}): pass\nheadway.flush(timeout_s=5)"
    run_python(collector, folder, code)


def run_python(collector: CollectorProcess, folder: Path, code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=clean_environment(
            HEADWAY_URL=collector.url,
            HEADWAY_JOURNAL_DIR=str(folder / "journal"),
            HEADWAY_RAISE="1",
        ),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
