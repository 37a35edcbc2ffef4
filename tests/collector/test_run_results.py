"""Results page by page, pass rates by scorer and tag, flips between two runs, suites over time."""

from typing import Any

import pytest
from starlette.testclient import TestClient

from headway_measures.intervals import pass_rate_interval, wilson


def post_run(client: TestClient, run_id: str, results: list[dict[str, Any]], **fields: Any) -> None:
    run = {"run_id": run_id, "suite": "triage", "model": "m", "started_at": "2026-11-20T00:00:00Z"}
    body = {"run": run | fields, "results": results}
    response = client.post("/v1/runs", json=body, headers={"Headway-Project": "p"})
    assert response.status_code == 200, response.text


def result(number: int, *, passed: bool | None = True, **fields: Any) -> dict[str, Any]:
    scores = {"exact": {"value": float(bool(passed)), "passed": passed}}
    return {"case_id": f"c{number}", "passed": passed, "scores": scores} | fields


def get(client: TestClient, path: str, **query: Any) -> Any:
    response = client.get(path, params=query)
    assert response.status_code == 200, response.text
    return response.json()


def ids(answer: dict[str, Any]) -> list[str]:
    return [each["case_id"] for each in answer["results"]]


def test_results_come_page_by_page_in_the_order_of_the_run(client: TestClient) -> None:
    post_run(client, "r", [result(number) for number in (3, 1, 2, 5, 4)])

    first = get(client, "/v1/runs/r/results", limit=3)
    rest = get(client, "/v1/runs/r/results", limit=3, cursor=first["next_cursor"])

    assert (ids(first), ids(rest)) == (["c3", "c1", "c2"], ["c5", "c4"])
    assert (first["total"], rest["total"], rest["next_cursor"]) == (5, 5, None)


def test_a_cursor_of_another_run_is_refused(client: TestClient) -> None:
    for run_id in ("r", "other"):
        post_run(client, run_id, [result(number) for number in range(3)])
    cursor = get(client, "/v1/runs/other/results", limit=1)["next_cursor"]

    assert client.get("/v1/runs/r/results", params={"cursor": cursor}).status_code == 422


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"passed": "false"}, ["c1"]),
        ({"tag": ["de", "fr"]}, ["c0", "c1"]),
        ({"scorer": "a/b~c"}, ["c2"]),
        ({"scorer": "a/b~c", "passed": "true"}, ["c2"]),
        ({"scorer": "a/b~c", "passed": "false"}, []),
        ({"scorer": "exact", "passed": "false"}, ["c1"]),
        ({"case_id": "c2"}, ["c2"]),
        ({"q": 'SAID "Grüße"'}, ["c1"]),
        ({"q": "c0"}, ["c0"]),
        ({"q": "out of memory"}, ["c3"]),
        ({"q": "100%"}, []),
    ],
)
def test_results_are_narrowed(client: TestClient, query: dict[str, Any], found: list[str]) -> None:
    slashed = {"a/b~c": {"value": 1.0, "passed": True}}
    results = [
        result(0, tags=["de"]),
        result(1, tags=["fr", "short"], passed=False, output='he said "Grüße"'),
        result(2, scores=slashed),
        result(3, passed=None, scores={}, error="Out of memory"),
    ]
    post_run(client, "r", results)

    answer = get(client, "/v1/runs/r/results", **query)

    assert ids(answer) == found
    assert answer["total"] == len(found)


def test_rates_have_wilsons_interval_by_scorer_and_by_tag(client: TestClient) -> None:
    results = [result(n, passed=n % 4 > 0, tags=["even"] * (n % 2 == 0)) for n in range(20)]
    lost = result(21, passed=None, scores={}, error="missing: not asked: it was certain before")
    post_run(client, "r", [*results, lost, result(22, passed=False, error="too long", scores={})])

    answer = get(client, "/v1/runs/r/summary")
    rates = {(each["part"], each["name"]): each for each in answer["rates"]}

    assert answer["outcomes"] == {"results": 22, "missing": 0, "not_asked": 1, "errors": 1}
    assert set(rates) == {("all", ""), ("scorer", "exact"), ("tag", "even")}
    for key, passed, n in ((("all", ""), 15, 21), (("tag", "even"), 5, 10)):
        expected = wilson(passed, n)
        told = rates[key]
        assert (told["passed"], told["n"], told["rate"]) == (passed, n, expected.estimate)
        assert (told["lower"], told["upper"]) == (expected.lower, expected.upper)


def test_repeats_of_a_case_count_together(client: TestClient) -> None:
    results = [
        result(0, passed=case < 6, case_id=f"c{case}{repeat}")
        for case in range(10)
        for repeat in ("", "#2", "#3")
    ]
    post_run(client, "r", results)

    told = get(client, "/v1/runs/r/summary")["rates"][0]
    expected = pass_rate_interval(
        [case < 6 for case in range(10) for _ in range(3)],
        [case for case in range(10) for _ in range(3)],
    )

    assert (told["n"], told["cases"], told["passed"]) == (30, 10, 18)
    assert (told["lower"], told["upper"]) == pytest.approx((expected.lower, expected.upper))
    assert told["upper"] - told["lower"] > wilson(18, 30).upper - wilson(18, 30).lower


def test_flips_between_any_two_runs_are_listed_those_that_fail_first(client: TestClient) -> None:
    post_run(client, "old", [result(n, passed=n != 1, output="old") for n in range(5)])
    gone = result(4, passed=None, error="missing: no logged answer")
    new = [result(n, passed=n not in (2, 3), output="new", tags=["t"]) for n in range(4)]
    post_run(client, "new", [*new, gone])

    answer = get(client, "/v1/runs/new/flips", baseline="old")

    assert (answer["n"], answer["flips_to_fail"], answer["flips_to_pass"]) == (4, 2, 1)
    told = [(each["case_id"], each["direction"]) for each in answer["flips"]]
    assert told == [("c2", "to_fail"), ("c3", "to_fail"), ("c1", "to_pass")]
    assert answer["flips"][0]["baseline_output"] == "old"
    assert answer["flips"][0]["candidate_output"] == "new"


def test_runs_of_two_suites_are_not_compared(client: TestClient) -> None:
    post_run(client, "old", [result(1)])
    post_run(client, "new", [result(1)], suite="another")

    response = client.get("/v1/runs/new/flips", params={"baseline": "old"})

    assert response.status_code == 422
    assert "runs of one suite are compared" in response.json()["message"]


def test_a_run_that_is_not_there_is_404(client: TestClient) -> None:
    for what in ("results", "summary", "flips"):
        response = client.get(
            f"/v1/runs/none/{what}", params={"baseline": "x"} if what == "flips" else {}
        )
        assert response.status_code == 404


def test_suites_are_listed_by_their_latest_run(client: TestClient) -> None:
    for day in (1, 2, 3):
        fields = {"started_at": f"2026-11-0{day}T00:00:00Z", "suite_version": f"v{day}"}
        post_run(client, f"r{day}", [], pass_rate=day / 10, case_count=day, **fields)
    post_run(client, "s", [], suite="sums", started_at="2026-11-02T12:00:00Z")

    triage, sums = get(client, "/v1/suites")["suites"]

    assert (triage["suite"], triage["run_count"], triage["version_count"]) == ("triage", 3, 3)
    assert (triage["last_run_id"], triage["pass_rate"], triage["case_count"]) == ("r3", 0.3, 3)
    assert (sums["suite"], sums["run_count"]) == ("sums", 1)


def test_a_suites_history_has_rates_of_each_run_and_what_flips_most(client: TestClient) -> None:
    for day in (1, 2, 3, 4):
        results = [result(0, passed=day % 2 == 0, tags=["t"]), result(1, passed=day < 3), result(2)]
        post_run(client, f"r{day}", results, started_at=f"2026-11-0{day}T00:00:00Z")

    answer = get(client, "/v1/suites/history", suite="triage")
    latest = get(client, "/v1/suites/history", suite="triage", limit=2)

    assert [run["run_id"] for run in answer["runs"]] == ["r1", "r2", "r3", "r4"]
    (rate,) = [each for each in answer["runs"][2]["rates"] if each["part"] == "all"]
    assert (rate["passed"], rate["n"], rate["lower"]) == (1, 3, wilson(1, 3).lower)
    told = [(each["case_id"], each["flip_count"], each["run_count"]) for each in answer["flipping"]]
    assert told == [("c0", 3, 4), ("c1", 1, 4)]
    assert answer["flipping"][0]["tags"] == ["t"]
    assert [run["run_id"] for run in latest["runs"]] == ["r3", "r4"]
    assert get(client, "/v1/suites/history", suite="none")["runs"] == []


def test_runs_are_found_by_sweep_and_comparisons_by_run(client: TestClient) -> None:
    post_run(client, "alone", [])
    post_run(client, "swept", [], settings={"sweep_id": "s1", "sweep": {"position": 0}})
    comparison = {
        "suite": "triage",
        "baseline_run_id": "alone",
        "created_at": "2026-11-20T00:00:00Z",
        "verdict": "passed",
        "exit_code": 0,
        "overall": {"verdict": "passed", "n": 1},
    }
    for name in ("swept", "another"):
        body = comparison | {"comparison_id": f"of-{name}", "candidate_run_id": name}
        assert client.post("/v1/comparisons", json=body).status_code == 200

    swept = get(client, "/v1/runs", sweep_id="s1")["runs"]
    judged = get(client, "/v1/comparisons", candidate_run_id="swept", baseline_run_id="alone")

    assert [run["run_id"] for run in swept] == ["swept"]
    assert [each["comparison_id"] for each in judged["comparisons"]] == ["of-swept"]
