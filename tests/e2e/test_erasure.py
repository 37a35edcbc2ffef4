"""A person erased from a real collector: from every read, and from the bytes of the file."""

import json
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import urllib3

from tests.e2e.processes import CollectorProcess, run_headway

BEGIN_NS = 1_763_800_000_000_000_000
USERS = ("anna", "berta")
PROJECT = "shop"


@pytest.mark.timeout(300)
def test_no_byte_of_an_erased_user_is_left_and_others_are_as_they_were(
    collector: CollectorProcess, tmp_path: Path
) -> None:
    erased = f"user-{secrets.token_hex(16)}"
    marks = [erased, *(secrets.token_hex(16) for _ in range(5))]
    send(collector, list(make_lines(erased, marks)))
    collector.api.post("/v1/runs", make_run(marks[4]), project=PROJECT)
    collector.api.post("/v1/comparisons", make_comparison(marks[4]), project=PROJECT)
    # At its end a collector moves its log into the file.
    collector.stop()
    assert find_marks(collector.db, marks)
    collector.start()
    before = read_others(collector)

    said = run_headway(
        *("erase", "--user", erased, "--project", PROJECT, "--now", "--wait"),
        cwd=tmp_path,
        HEADWAY_URL=collector.url,
    )

    assert said.returncode == 0, said.stderr
    assert "from the file's bytes" in said.stdout
    assert find_marks(collector.db, marks) == []
    assert read_others(collector) == before
    (receipt,) = collector.api.get("/v1/erasures")["erasures"]
    assert receipt["stage"] == "removed"
    assert receipt["counts"]["spans"] == 61
    assert receipt["counts"]["scores"] == 31
    assert receipt["counts"]["results"] == 1
    assert receipt["counts"]["comparisons"] == 1
    assert receipt["counts"]["rejects"] == 1
    assert erased not in json.dumps(receipt) + said.stdout
    # And after a restart nothing has come back, neither in the file nor through the door.
    collector.stop()
    assert find_marks(collector.db, marks) == []
    collector.start()
    answer = send(collector, list(make_lines(erased, marks)))
    assert answer["accepted"] == 0
    collector.stop()
    assert find_marks(collector.db, marks) == []


def make_lines(erased: str, marks: list[str]) -> Iterator[bytes]:
    number = 0
    for user in (erased, *USERS):
        for _ in range(60):
            number += 1
            is_erased = user == erased
            yield make_span(
                number,
                user_id=user,
                session_id=marks[1] if is_erased else f"session of {user}",
                input={"text": f"what {marks[2] if is_erased else user} asked, number {number}"},
                output=f"what {marks[3] if is_erased else user} was answered",
                attributes={"mail": f"{user}@example.org"},
            )
            if number % 2:
                yield json.dumps(
                    {
                        "type": "score",
                        "score_id": f"score-{number}",
                        "name": "helpful",
                        "value": True,
                        "time_ns": BEGIN_NS + number,
                        "span_id": f"{number:016x}",
                        "comment": f"says {marks[5] if is_erased else user}",
                    }
                ).encode()
    # Of nobody, in a trace of the erased user.
    yield make_span(1000, trace_id=f"{1:032x}", output=f"found {marks[3]}", kind="tool")
    yield json.dumps(
        {
            "type": "score",
            "score_id": "of the session",
            "name": "csat",
            "value": 1,
            "time_ns": BEGIN_NS,
            "session_id": marks[1],
        }
    ).encode()
    # Of somebody else, in one too.
    yield make_span(1001, trace_id=f"{2:032x}", user_id=USERS[0], session_id="shared")
    yield json.dumps({"type": "span", "user_id": erased, "name": "no ids"}).encode()


def make_span(number: int, **fields: Any) -> bytes:
    start_ns = BEGIN_NS + number * 10**9
    span = {
        "type": "span",
        "trace_id": f"{number:032x}",
        "span_id": f"{number:016x}",
        "name": "triage",
        "kind": "llm",
        "request_model": "support-7b",
        "start_ns": start_ns,
        "end_ns": start_ns + 250_000_000,
        "input_tokens": number,
    }
    return json.dumps(span | fields).encode()


def make_run(mark: str) -> dict[str, Any]:
    result = {
        "case_id": "first",
        "input": f"asked {mark}",
        "output": f"answered {mark}",
        "expected": f"wanted {mark}",
        "passed": False,
        "error": f"failed on {mark}",
        "scores": {"exact": {"value": 0, "passed": False, "detail": f"not {mark}"}},
    }
    run = {
        "run_id": "r1",
        "suite": "support",
        "suite_version": "1",
        "model": "support-7b",
        "started_at": "2025-11-22T08:26:40Z",
        "ended_at": None,
        "case_count": 2,
        "passed_count": 0,
        "pass_rate": 0.0,
    }
    span = {"span_id": f"{1:016x}", "trace_id": f"{1:032x}"}
    return {"run": run, "results": [result | span, {"case_id": "second", "input": "kept"}]}


def make_comparison(mark: str) -> dict[str, Any]:
    flip = {"direction": "to_fail", "tags": [], "input": mark, "candidate_output": mark}
    kept = {"case_id": "second", "direction": "to_fail", "tags": [], "input": "kept"}
    return {
        "comparison_id": "c1",
        "suite": "support",
        "suite_version": "1",
        "baseline_run_id": "r0",
        "candidate_run_id": "r1",
        "baseline_model": "support-6b",
        "candidate_model": "support-7b",
        "created_at": "2025-11-22T08:26:40Z",
        "verdict": "regressed",
        "exit_code": 1,
        "margin": 0.0,
        "alpha": 0.05,
        "overall": {"verdict": "regressed", "n": 2},
        "slices": [],
        "flips": [{"case_id": "first", **flip}, kept],
    }


def send(collector: CollectorProcess, lines: list[bytes]) -> Any:
    response = urllib3.request(
        "POST",
        f"{collector.url}/v1/ingest",
        body=b"\n".join(lines),
        headers={"Headway-Project": PROJECT},
        retries=False,
    )
    assert response.status == 200, response.data
    return response.json()


def read_others(collector: CollectorProcess) -> list[bytes]:
    """Return what is said of everybody else, as bytes."""
    users = "&".join(f"user_id={user}" for user in USERS)
    measures = "&".join(
        f"measure={name}"
        for name in ("count", "latency_p95_ms", "input_tokens", "score:helpful", "traces")
    )
    paths = (
        f"/v1/spans?{users}&content=full&limit=1000",
        f"/v1/metrics?{users}&{measures}&by=user_id&bucket=minute",
        f"/v1/facets?{users}&field=session_id&field=user_id",
        f"/v1/sessions?{users}",
        f"/v1/traces/{61:032x}",
        "/v1/runs",
    )
    return [collector.api.download(path) for path in paths]


def find_marks(database: Path, marks: list[str]) -> list[tuple[str, str]]:
    """Return which marks stand as bytes in the database's file, or in any beside it."""
    files = [path for path in database.parent.rglob("*") if path.is_file()]
    assert database in files
    return [
        (path.name, mark)
        for path in files
        for content in (path.read_bytes(),)
        for mark in marks
        if mark.encode() in content or bytes.fromhex(mark[-32:]) in content
    ]
