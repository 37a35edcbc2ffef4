"""Runs, results and comparisons are kept as they were posted."""

import json
from typing import Any

import pytest
from starlette.testclient import TestClient

RUN = {
    "run_id": "run-1",
    "suite": "triage",
    "suite_version": "v1",
    "model": "support-7b",
    "model_digest": "abc",
    "started_at": "2026-11-22T10:00:00.000000001Z",
    "ended_at": "2026-11-22T10:01:00.000000000Z",
    "case_count": 2,
    "passed_count": 1,
    "pass_rate": 0.5,
    "scores": {"exact": {"mean": 0.5, "count": 2}},
    "settings": {"temperature": 0, "stop": ["\n"]},
    "environment": {"python": "3.11"},
}
RESULTS = [
    {
        "case_id": "b",
        "input": {"message": "wo?"},
        "output": "text",
        "expected": ["any", None, 1.5],
        "tags": ["de", "short"],
        "passed": True,
        "scores": {"exact": {"value": 1, "passed": True, "detail": None}},
        "error": None,
        "latency_ms": 12.5,
        "input_tokens": 3,
        "output_tokens": 4,
        "span_id": "a" * 16,
        "trace_id": "b" * 32,
    },
    {
        "case_id": "a",
        "input": None,
        "output": None,
        "expected": None,
        "tags": [],
        "passed": None,
        "scores": {},
        "error": "out of memory",
        "latency_ms": None,
        "input_tokens": None,
        "output_tokens": None,
        "span_id": None,
        "trace_id": None,
    },
]
OVERALL = {
    "verdict": "regressed",
    "n": 200,
    "baseline": 0.9,
    "candidate": 0.8,
    "difference": -0.1,
    "lower": -0.15,
    "upper": -0.05,
    "flips_to_fail": 25,
    "flips_to_pass": 5,
    "needs_n": None,
    "note": "",
}
COMPARISON = {
    "comparison_id": "cmp-1",
    "suite": "triage",
    "suite_version": "v1",
    "baseline_run_id": "run-1",
    "candidate_run_id": "run-2",
    "baseline_model": "support-7b",
    "candidate_model": "support-7b-next",
    "created_at": "2026-11-22T10:00:00.000000000Z",
    "verdict": "regressed",
    "exit_code": 1,
    "margin": 0.02,
    "alpha": 0.05,
    "overall": OVERALL,
    "slices": [{**OVERALL, "slice": "de", "p_value": 0.01, "q_value": 0.02}],
    "flips": [
        {
            "case_id": "a",
            "direction": "to_fail",
            "tags": ["de"],
            "input": "wo?",
            "expected": "delivery",
            "baseline_output": "delivery",
            "candidate_output": "refund",
        }
    ],
}


def post(client: TestClient, path: str, body: Any, project: str = "p") -> Any:
    response = client.post(path, json=body, headers={"Headway-Project": project})
    assert response.status_code == 200, response.text
    return response.json()


def test_a_run_comes_back_as_it_was_posted(client: TestClient) -> None:
    assert post(client, "/v1/runs", {"run": RUN, "results": RESULTS}) == {"run_id": "run-1"}

    answer = client.get("/v1/runs/run-1").json()

    assert answer == {"run": {**RUN, "project": "p"}, "results": RESULTS}


def test_a_run_posted_again_replaces_itself_and_nothing_else(client: TestClient) -> None:
    post(client, "/v1/runs", {"run": RUN, "results": RESULTS})
    post(client, "/v1/runs", {"run": RUN, "results": RESULTS}, project="q")

    post(client, "/v1/runs", {"run": {**RUN, "model": "other"}, "results": RESULTS[:1]})

    mine = client.get("/v1/runs/run-1", params={"project": "p"}).json()
    theirs = client.get("/v1/runs/run-1", params={"project": "q"}).json()
    assert (mine["run"]["model"], len(mine["results"])) == ("other", 1)
    assert (theirs["run"]["model"], len(theirs["results"])) == ("support-7b", 2)


def test_runs_are_listed_newest_first_without_results(client: TestClient) -> None:
    for number in range(3):
        run = {**RUN, "run_id": f"r{number}", "started_at": f"2026-11-2{number}T00:00:00Z"}
        post(client, "/v1/runs", {"run": run, "results": RESULTS})

    first = client.get("/v1/runs", params={"limit": 2, "suite": "triage"}).json()
    rest = client.get("/v1/runs", params={"cursor": first["next_cursor"]}).json()

    assert [run["run_id"] for run in first["runs"] + rest["runs"]] == ["r2", "r1", "r0"]
    assert "results" not in first["runs"][0]
    assert client.get("/v1/runs", params={"model": "another"}).json()["runs"] == []


def test_a_comparison_comes_back_as_it_was_posted(client: TestClient) -> None:
    assert post(client, "/v1/comparisons", COMPARISON) == {"comparison_id": "cmp-1"}
    post(client, "/v1/comparisons", COMPARISON)

    listed = client.get("/v1/comparisons", params={"suite": "triage"}).json()
    one = client.get("/v1/comparisons/cmp-1").json()

    assert one == {**COMPARISON, "project": "p"}
    assert listed == {"comparisons": [one], "next_cursor": None}
    assert client.get("/v1/comparisons", params={"verdict": "passed"}).json()["comparisons"] == []


@pytest.mark.parametrize("path", ["/v1/runs/none", "/v1/comparisons/none"])
def test_what_is_not_there_is_404(client: TestClient, path: str) -> None:
    response = client.get(path)

    assert (response.status_code, response.json()["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"run_id": ""}, "run.run_id"),
        ({"started_at": "now"}, "'now' is not a time such as"),
        ({"case_count": -1}, "run.case_count"),
        ({"sweet": 1}, "run.sweet"),
    ],
)
def test_a_run_that_cannot_be_kept_is_refused(
    client: TestClient, change: dict[str, Any], message: str
) -> None:
    response = client.post("/v1/runs", json={"run": {**RUN, **change}, "results": []})

    assert response.status_code == 422
    assert message in response.json()["message"]
    assert client.get("/v1/runs").json()["runs"] == []


def test_half_a_character_is_refused_and_stores_nothing(client: TestClient) -> None:
    body = json.dumps({"run": RUN, "results": RESULTS}).replace('"text"', '"\\ud800"')

    response = client.post("/v1/runs", content=body)

    assert (response.status_code, response.json()["code"]) == (422, "invalid_request")
    assert client.get("/v1/runs").json()["runs"] == []
