"""Results of evals and comparisons, of calls that were erased before or after."""

import pytest
from starlette.testclient import TestClient

from tests.collector.erasure_worlds import MARK, Erase, Ingest, make_erase, span_of, trace_of


@pytest.fixture
def erase(client: TestClient) -> Erase:
    return make_erase(client)


def test_a_run_that_is_published_later_says_nothing_of_erased_calls(
    client: TestClient, ingest: Ingest, span_line: Ingest, erase: Erase
) -> None:
    ingest(
        span_line(trace_id=trace_of(1), span_id=span_of(1), user_id=MARK),
        span_line(trace_id=trace_of(2), span_id=span_of(2), user_id="b"),
    )
    erase("user", MARK)
    said = {"input": MARK, "output": MARK, "expected": MARK, "error": MARK, "passed": False}
    said["scores"] = {"exact": {"value": 0, "passed": False, "detail": MARK}}
    run = {
        **dict.fromkeys(("run_id", "suite", "suite_version", "model"), "r"),
        **{"started_at": "2025-11-22T08:26:40Z", "ended_at": None, "pass_rate": 0.0},
        **{"case_count": 3, "passed_count": 0},
    }
    places = ({"span_id": span_of(1)}, {"trace_id": trace_of(1)})
    results = [{"case_id": f"gone {n}", **said, **place} for n, place in enumerate(places)]
    results.append({"case_id": "kept", "input": "asked", "span_id": span_of(2)})

    answer = client.post(
        "/v1/runs", json={"run": run, "results": results}, headers={"Headway-Project": "p"}
    )

    assert answer.status_code == 200, answer.text
    read = client.get("/v1/runs/r")
    assert MARK not in read.text
    kept = read.json()["results"][2]
    assert (kept["input"], kept["span_id"]) == ("asked", span_of(2))
    assert [each["passed"] for each in read.json()["results"]] == [False, False, None]
