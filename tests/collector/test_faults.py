"""Every answer that is no has our shape, and the routes describe themselves."""

import http.client
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from starlette.testclient import TestClient

from headway_collector.apps import create_app
from headway_collector.routes import direct, run_results
from headway_collector.store.connections import Store

Lines = Callable[..., bytes]


@pytest.mark.parametrize(
    ("path", "suggestion"),
    [
        ("/v1/span", "/v1/spans"),
        ("/v1/metric", "/v1/metrics"),
        ("/v1", "/v1/ingest"),
        ("/health", "/healthz"),
        ("/v1/spans/", "/v1/spans"),
    ],
)
def test_an_unknown_path_is_answered_with_the_nearest_known(
    client: TestClient, path: str, suggestion: str
) -> None:
    response = client.get(path, follow_redirects=False)

    assert (response.status_code, response.json()["code"]) == (404, "unknown_path")
    assert response.json()["message"] == f"there is no {path}: did you mean {suggestion}?"


@pytest.mark.parametrize("path", ["/healthz", "/v1/losses", "/nowhere"])
def test_every_answer_says_that_it_is_a_collectors(client: TestClient, path: str) -> None:
    assert client.get(path).headers["Headway-Collector"]


def test_a_wrong_method_is_answered_with_the_right_ones(client: TestClient) -> None:
    response = client.delete("/v1/metrics")

    assert (response.status_code, response.json()["code"]) == (405, "method_not_allowed")
    assert "allowed are GET" in response.json()["message"]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/v1/spans?model=x", "model is unknown; there are project, limit, cursor, kind"),
        ("/v1/projects?limit=1", "limit is unknown; there are project"),
        ("/v1/spans?limit=1001", "limit is '1001'"),
        ("/v1/spans?limit=many", "limit is 'many'"),
        ("/v1/spans?order=up", "'desc' or 'asc'"),
        ("/v1/spans?content=all", "'preview', 'full' or 'none'"),
        ("/v1/spans?kind=model", "'llm', 'embedding'"),
        ("/v1/spans?is_root=perhaps", "boolean"),
        ("/v1/spans?min_duration_ms=nan", "finite"),
        ("/v1/spans?attribute=plain", "attribute='plain' is not of the form key=value"),
        ("/v1/spans?start=soon", "start: 'soon' is not a time such as 2026-11-22T10:00:00Z"),
        ("/v1/spans?end=9999-01-01", "outside the years 1970 to 2200"),
        ("/v1/spans?start=2026-13-01", "start: '2026-13-01' is not a time: month must be"),
        ("/v1/metrics?" + "measure=count&" * 33, "at most 32 items"),
        ("/v1/spans?cursor=%00", "leave it out to begin anew"),
        ("/v1/spans?cursor=WzFd", "leave it out to begin anew"),
        ("/v1/facets", "field is missing"),
        ("/v1/facets?" + "&".join(f"field=attribute:{n}" for n in range(33)), "at most 32 items"),
        ("/v1/spans?" + "tag=x&" * 101, "at most 100 items"),
        ("/v1/spans?" + "attribute=a%3Db&" * 101, "at most 100 items"),
        ("/v1/spans?" + "status=ok&" * 101, "at most 100 items"),
        ("/v1/facets?field=colour", "'colour' is not a dimension"),
    ],
)
def test_a_parameter_that_cannot_be_used_says_what_can(
    client: TestClient, path: str, message: str
) -> None:
    response = client.get(path)

    assert (response.status_code, response.json()["code"]) == (422, "invalid_request")
    assert message in response.json()["message"]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff", b'{"a":' * 5000])
def test_a_body_that_is_no_object_is_refused(client: TestClient, body: bytes) -> None:
    for path in ("/v1/scores", "/v1/runs", "/v1/comparisons"):
        response = client.post(path, content=body)

        assert response.status_code in (400, 422)
        assert response.json().keys() == {"code", "message"}


def test_a_fault_of_ours_is_no_traceback(
    client: TestClient, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    with store.transaction() as connection:
        connection.execute("DROP TABLE store.scores")

    response = client.get("/v1/scores")

    assert (response.status_code, response.json()["code"]) == (500, "internal_error")
    assert "Traceback" not in response.text
    assert "scores" in caplog.text


def test_a_field_that_is_asked_for_again_counts_once(client: TestClient) -> None:
    answer = client.get("/v1/facets?" + "field=name&" * 3000)

    assert (answer.status_code, answer.json()) == (200, {"facets": {"name": []}})


def test_a_fault_is_logged_once_by_its_template_and_leaves_the_connection(
    listen: Callable[..., str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("a word of somebody")

    monkeypatch.setattr(run_results, "count_outcomes", fail)
    address = urlsplit(listen())
    run = {"run_id": "his-id", "suite": "s", "model": "m", "started_at": "2025-11-22T08:00:00Z"}
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=60)
    headers = {"Content-Type": "application/json"}
    connection.request("POST", "/v1/runs", json.dumps({"run": run}), headers)
    assert connection.getresponse().read()
    opened = connection.sock
    connection.request("GET", "/v1/runs/his-id/summary")
    answer = connection.getresponse()
    assert (answer.status, json.loads(answer.read())["code"]) == (500, "internal_error")
    connection.request("GET", "/healthz")

    assert connection.getresponse().status == 200
    assert connection.sock is opened
    connection.close()
    faults = [each for each in caplog.records if each.exc_info]
    assert [each.getMessage() for each in faults] == ["GET /v1/runs/{run_id}/summary failed"]


def test_a_fault_of_a_route_that_reads_for_itself_is_logged_by_its_template(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("a word of somebody")

    monkeypatch.setattr(direct, "choose_project", fail)

    assert client.post("/v1/ingest", content=b"{}").status_code == 500
    assert [each.getMessage() for each in caplog.records] == ["POST /v1/ingest failed"]


def test_health_tells_the_version_and_the_label(client: TestClient) -> None:
    assert [client.head(path).status_code for path in ("/healthz", "/readyz")] == [200, 200]
    answer = client.get("/healthz").json()

    assert answer.keys() == {"status", "version", "label", "uptime_s", "ignored"}
    assert (answer["status"], answer["label"]) == ("ok", "tests")


def test_readiness_ends_with_the_writer(store: Store) -> None:
    with TestClient(create_app(store)) as client:
        before = client.get("/readyz")
        client.app.state.collector.writer.close()  # type: ignore[attr-defined]
        after = client.get("/readyz")

    assert (before.status_code, before.json()) == (200, {"status": "ready"})
    assert (after.status_code, after.json()["code"]) == (503, "store_unavailable")
    assert after.headers["Retry-After"] == "5"


def test_every_path_is_described_with_its_parameters_and_answers(client: TestClient) -> None:
    schema = client.get("/openapi.json").json()
    page = client.get("/docs")

    operations: list[dict[str, Any]] = [
        operation for path in schema["paths"].values() for operation in path.values()
    ]
    assert all(each["description"] for each in operations)
    successes = [
        said["content"]
        for each in operations
        for status, said in each["responses"].items()
        if status.startswith("2")
    ]
    assert len(successes) >= len(operations)
    # What is no JSON says what it is; all else has a shape.
    assert all("schema" in each.get("application/json", {"schema": 1}) for each in successes)
    assert all(each for each in successes)
    names = {each["name"] for each in schema["paths"]["/v1/metrics"]["get"]["parameters"]}
    assert names >= {"measure", "by", "bucket", "project", "start", "attribute"}
    assert all(path in page.text for path in schema["paths"])
    assert "http" not in page.text
