"""Results of evals and comparisons, of calls that were erased before or after."""

from typing import Any

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


def make_run(results: list[dict[str, Any]], run_id: str = "r") -> dict[str, Any]:
    run = {
        **dict.fromkeys(("suite", "suite_version", "model"), "s"),
        **{"run_id": run_id, "started_at": "2025-11-22T08:26:40Z", "ended_at": None},
        **{"case_count": len(results), "passed_count": 0, "pass_rate": 0.0},
    }
    return {"run": run, "results": results}


def make_comparison(*case_ids: str) -> dict[str, Any]:
    flips = [
        {"case_id": each, "direction": "to_fail", "expected": f"{MARK} {each}"} for each in case_ids
    ]
    return {
        **dict.fromkeys(("comparison_id", "suite", "baseline_run_id"), "s"),
        **{"candidate_run_id": "r", "created_at": "2025-11-22T08:26:40Z", "exit_code": 1},
        **{"verdict": "regressed", "overall": {"verdict": "regressed", "n": 2}, "flips": flips},
    }


@pytest.mark.parametrize("order", [("run", "comparison"), ("comparison", "run")])
def test_a_comparison_quotes_nothing_of_erased_calls_whichever_comes_first(
    client: TestClient, ingest: Ingest, span_line: Ingest, erase: Erase, order: tuple[str, ...]
) -> None:
    ingest(span_line(trace_id=trace_of(1), span_id=span_of(1), user_id=MARK))
    erase("user", MARK)
    results = [
        {"case_id": "gone", "input": MARK, "span_id": span_of(1)},
        {"case_id": "kept", "input": "asked"},
    ]
    posted = {"run": make_run(results), "comparison": make_comparison("gone", "kept")}

    for each in order:
        answer = client.post(f"/v1/{each}s", json=posted[each], headers={"Headway-Project": "p"})
        assert answer.status_code == 200, answer.text

    gone, kept = client.get("/v1/comparisons/s").json()["flips"]
    assert (gone["case_id"], gone["direction"], gone["expected"]) == ("gone", "to_fail", None)
    assert kept["expected"] == f"{MARK} kept"


def test_flips_of_results_without_texts_stay_where_nothing_was_erased(client: TestClient) -> None:
    for path, body in (
        ("/v1/runs", make_run([{"case_id": "gone"}])),
        ("/v1/comparisons", make_comparison("gone")),
    ):
        client.post(path, json=body, headers={"Headway-Project": "p"})

    (flip,) = client.get("/v1/comparisons/s").json()["flips"]
    assert flip["expected"] == f"{MARK} gone"


@pytest.mark.parametrize("is_late", [False, True])
def test_the_tags_of_results_of_erased_calls_go_with_their_texts(
    client: TestClient, ingest: Ingest, span_line: Ingest, erase: Erase, is_late: bool
) -> None:
    ingest(span_line(trace_id=trace_of(1), span_id=span_of(1), user_id=MARK))
    results = [
        {"case_id": "gone", "tags": [MARK], "span_id": span_of(1)},
        {"case_id": "kept", "tags": ["theirs"]},
    ]
    flips = [{"case_id": "gone", "direction": "to_fail", "tags": [MARK]}]

    def publish() -> None:
        for path, body in (
            ("/v1/runs", make_run(results)),
            ("/v1/comparisons", make_comparison() | {"flips": flips}),
        ):
            assert client.post(path, json=body, headers={"Headway-Project": "p"}).status_code == 200

    if not is_late:
        publish()
    erase("user", MARK)
    if is_late:
        publish()

    read = client.get("/v1/runs/r").json()["results"]
    assert [each["tags"] for each in read] == [[], ["theirs"]]
    assert MARK not in client.get("/v1/comparisons/s").text


def test_a_trace_takes_the_texts_of_its_results_along_though_its_calls_went_by_a_rule(
    client: TestClient, ingest: Ingest, span_line: Ingest, erase: Erase
) -> None:
    ingest(
        span_line(trace_id=trace_of(1), span_id=span_of(1), start_ns=1),
        span_line(trace_id=trace_of(2), span_id=span_of(2), start_ns=1),
    )
    said = {"input": MARK, "output": MARK, "expected": MARK}
    results = [
        {"case_id": "gone", **said, "span_id": span_of(1), "trace_id": trace_of(1)},
        {"case_id": "kept", "input": "asked", "span_id": span_of(2), "trace_id": trace_of(2)},
    ]
    client.post("/v1/runs", json=make_run(results), headers={"Headway-Project": "p"})
    client.put("/v1/retention", json={"project": "p", "days": 2})
    client.post("/v1/retention/apply")
    assert client.get("/v1/spans").json()["spans"] == []

    receipt = erase("trace", trace_of(1))

    assert receipt["counts"]["results"] == 1
    read = client.get("/v1/runs/r")
    assert MARK not in read.text
    assert read.json()["results"][1]["input"] == "asked"
