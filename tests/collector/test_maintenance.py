"""``POST /v1/remap`` and ``/v1/reprice``, and the commands that drive them to the end."""

import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from headway.apis import ApiClient
from headway.errors import ApiError
from headway_collector.dialects.mapping import map_span
from headway_collector.maintenance import Totals, run_chunks
from headway_collector.store.batches import Batch
from headway_collector.store.connections import Store
from headway_collector.store.writes import append_batches
from tests.collector.dialects.examples import make_span

Lines = Callable[..., bytes]
Ingest = Callable[..., Any]
Serve = Callable[..., Any]

COUNTED = {
    "gen_ai.request.model": "support-7b",
    "gen_ai.usage.input_tokens": 1_000_000,
    "gen_ai.usage.output_tokens": 0,
}


def fill(store: Store, count: int, project: str = "p") -> None:
    """Store spans that came by OTLP and that an older mapper made."""
    mapped = [map_span(make_span(COUNTED, span_id=f"{n + 1:016x}")) for n in range(count)]
    for each in mapped:
        each.span.request_model, each.derived.mapper_version = None, 0
    batch = Batch(project, None, [m.span for m in mapped], [m.derived for m in mapped])
    with store.transaction() as connection:
        append_batches(connection, [batch], 7)


def models(store: Store) -> dict[str, str | None]:
    rows = store.read("SELECT DISTINCT project, request_model FROM store.spans")
    return {row["project"]: row["request_model"] for row in rows}


def test_a_chunk_is_answered_with_what_came_of_it(client: TestClient, store: Store) -> None:
    fill(store, 3)
    answer = client.post("/v1/remap")

    assert (answer.status_code, answer.json()) == (200, {"cursor": None, "rows": 3, "changed": 3})
    assert models(store) == {"p": "support-7b"}
    assert client.post("/v1/remap").json() == {"cursor": None, "rows": 0, "changed": 0}


def test_the_cursor_leads_to_the_next_chunk(client: TestClient, store: Store) -> None:
    fill(store, 3)
    params = {"all": True, "limit": 2}
    first = client.post("/v1/remap", params=params).json()
    second = client.post("/v1/remap", params={**params, "cursor": first["cursor"]}).json()

    assert (first["rows"], second) == (2, {"cursor": None, "rows": 1, "changed": 1})


@pytest.mark.parametrize("path", ["/v1/remap", "/v1/reprice"])
def test_filters_narrow_the_rows(client: TestClient, store: Store, path: str) -> None:
    fill(store, 2)
    fill(store, 3, project="other")
    rows = [
        client.post(path, params=params).json()["rows"]
        for params in (
            {"project": "p", "end": "-1h"},
            {"project": "other", "start": "2030-01-01"},
            {"project": ["p", "other"]},
        )
    ]

    assert rows == [0, 0, 5]


@pytest.mark.parametrize("path", ["/v1/remap", "/v1/reprice"])
@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"cursor": "torn"}, "cursor='torn' is not one that this listing gave"),
        ({"start": "soon"}, "start: 'soon' is not a time such as"),
        ({"limit": "0"}, "limit is '0': Input should be greater than or equal to 1"),
        ({"projects": "p"}, "projects is unknown; there are project, start, end, limit, cursor"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    client: TestClient, path: str, params: dict[str, str], message: str
) -> None:
    answer = client.post(path, params=params)

    assert answer.status_code == 422
    assert message in answer.json()["message"]


class Scripted(ApiClient):
    """A collector that answers as it is told."""

    def __init__(self, *answers: dict[str, Any] | ApiError) -> None:
        super().__init__("http://127.0.0.1:9")
        self.answers = list(answers)
        self.paths: list[str] = []

    def post(self, path: str, body: Any, *, project: str | None = None) -> Any:
        self.paths.append(path)
        answer = self.answers.pop(0)
        if isinstance(answer, ApiError):
            raise answer
        return answer


def test_chunks_are_asked_for_until_the_last() -> None:
    client = Scripted(
        {"cursor": "c1", "rows": 5, "changed": 1}, {"cursor": None, "rows": 2, "changed": 2}
    )
    totals, shown = Totals(), []
    filters = [("project", "a&b"), ("all", "true")]
    run_chunks(client, "/v1/remap", filters, totals, on_progress=lambda: shown.append(str(totals)))

    assert client.paths == [
        "/v1/remap?project=a%26b&all=true",
        "/v1/remap?project=a%26b&all=true&cursor=c1",
    ]
    assert shown == ["5 rows looked at, 1 changed", "7 rows looked at, 3 changed"]


def test_a_busy_collector_is_asked_again_and_a_refusal_is_not() -> None:
    busy, gone = ApiError("busy", status=429), ApiError("gone", status=422)
    client = Scripted(busy, {"cursor": "c1", "rows": 5, "changed": 1}, busy, gone)
    totals, slept = Totals(), list[float]()
    with pytest.raises(ApiError, match="gone"):
        run_chunks(client, "/v1/remap", [], totals, sleep=slept.append)

    assert slept == [0.5, 0.5]
    assert (totals.rows, totals.cursor) == (5, "c1")


def run_headway(
    *arguments: str, cwd: Path, **environment: str
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "headway", *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        env=environment,
        timeout=60,
    )


def test_the_commands_work_through_a_database(serve: Serve, tmp_path: Path) -> None:
    database = tmp_path / "a.duckdb"
    store = Store(database)
    fill(store, 4)
    fill(store, 2, project="other")
    store.close()
    (tmp_path / "prices.toml").write_text(
        '[[price]]\nmodel = "support-7b"\ninput = 2\noutput = 0\n'
    )
    served = serve(database, "--prices", "prices.toml")
    said = [
        run_headway(*line.split(), cwd=tmp_path, HEADWAY_URL=served.url)
        for line in ("remap --project p", "remap", "remap --all", "reprice", "reprice")
    ]
    served.stop()
    store = Store(database)
    costs = store.read("SELECT sum(cost_usd) AS cost FROM store.spans")
    store.close()

    assert [(done.returncode, done.stdout, done.stderr) for done in said] == [
        (0, "4 rows looked at, 4 changed\n", ""),
        (0, "2 rows looked at, 2 changed\n", ""),
        (0, "6 rows looked at, 0 changed\n", ""),
        (0, "6 rows looked at, 0 changed\n", ""),
        (0, "6 rows looked at, 0 changed\n", ""),
    ]
    assert costs == [{"cost": 12.0}]


@pytest.mark.parametrize("command", ["remap", "reprice"])
def test_what_is_no_url_is_told_in_one_line(tmp_path: Path, command: str) -> None:
    done = run_headway(command, "--url", "notaurl", cwd=tmp_path)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "headway: the collector's URL is 'notaurl': give one such as http://127.0.0.1:4318\n"
    )


def test_an_interrupted_command_says_where_it_goes_on(tmp_path: Path) -> None:
    is_asked_again, may_end = threading.Event(), threading.Event()

    class Slow(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            if "cursor" in self.path:
                is_asked_again.set()
                may_end.wait(60)
            body = b'{"cursor": "c1", "rows": 5, "changed": 1}'
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Slow) as server:
        threading.Thread(target=server.serve_forever).start()
        process = subprocess.Popen(
            [sys.executable, "-m", "headway", "remap"],
            stderr=subprocess.PIPE,
            text=True,
            cwd=tmp_path,
            env={"HEADWAY_URL": f"http://127.0.0.1:{server.server_port}"},
        )
        assert is_asked_again.wait(60)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
        may_end.set()
        server.shutdown()

    assert process.returncode == 130
    assert said == (
        "stopped: 5 rows looked at, 1 changed; "
        "the same command with --cursor c1 goes on from here\n"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["remap", "--url", "http://127.0.0.1:9"], "no collector answers at http://127.0.0.1:9"),
        (["reprice", "--cursor", "torn"], "cursor='torn' is not one that this listing gave"),
        (["remap", "--start", "soon"], "start: 'soon' is not a time"),
    ],
)
def test_what_stops_a_command_is_one_line(
    listen: Callable[[], str], tmp_path: Path, arguments: list[str], message: str
) -> None:
    done = run_headway(*arguments, cwd=tmp_path, HEADWAY_URL=listen())

    assert done.returncode == 2
    assert re.search(message, done.stderr)
    assert done.stderr.count("\n") == 1
