"""Ids of runs and comparisons: those that paths can hold, and those that two projects share."""

from typing import Any
from urllib.parse import quote

import pytest
from starlette.testclient import TestClient

RUN = {"run_id": "r", "suite": "s", "model": "m", "started_at": "2025-11-22T08:00:00Z"}
VERDICT = {
    "comparison_id": "r",
    "suite": "s",
    "baseline_run_id": "a",
    "candidate_run_id": "b",
    "created_at": "2025-11-22T08:00:00Z",
    "verdict": "same",
    "exit_code": 0,
    "overall": {"verdict": "same", "n": 1},
}


def post(client: TestClient, project: str, **fields: Any) -> list[int]:
    """Publish a run and a comparison, and return the statuses."""
    head = {"Headway-Project": project}
    run: dict[str, Any] = {"run": {**RUN, **fields}}
    if "run_id" in fields:
        fields["comparison_id"] = fields.pop("run_id")
    answers = [
        client.post("/v1/runs", json=run, headers=head),
        client.post("/v1/comparisons", json={**VERDICT, **fields}, headers=head),
    ]
    return [each.status_code for each in answers]


@pytest.mark.parametrize(
    "path",
    ["runs/r", "runs/r/results", "runs/r/summary", "runs/r/flips?baseline=r", "comparisons/r"],
)
def test_an_id_of_several_projects_asks_for_one_of_them(client: TestClient, path: str) -> None:
    assert post(client, "a") == post(client, "b") == [200, 200]
    refused = client.get(f"/v1/{path}")
    joint = "&" if "?" in path else "?"

    assert (refused.status_code, refused.json()["code"]) == (409, "ambiguous")
    assert "'a', 'b'" in refused.json()["message"]
    assert "project=" in refused.json()["message"]
    assert client.get(f"/v1/{path}{joint}project=a").status_code == 200
    assert client.get(f"/v1/{path}{joint}project=c").status_code == 404


@pytest.mark.parametrize("its_id", ["a/b", "a\nb", "a\x7f", ".", ".."])
def test_an_id_that_no_path_could_hold_is_refused(client: TestClient, its_id: str) -> None:
    assert post(client, "a", run_id=its_id) == [422, 422]


@pytest.mark.parametrize("its_id", ["2025-11-22T08:00_s@m+1", "ä b?#", "..."])
def test_an_id_that_is_taken_can_be_read_back(client: TestClient, its_id: str) -> None:
    assert post(client, "a", run_id=its_id) == [200, 200]
    for kind in ("runs", "comparisons"):
        assert client.get(f"/v1/{kind}/{quote(its_id, safe='')}").status_code == 200
