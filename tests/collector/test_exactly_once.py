"""Exactly once: whatever is sent again, in whichever order, by whomever, through every crash."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import urllib3
from starlette.testclient import TestClient

from headway_collector.apps import create_app
from headway_collector.store.connections import Store
from tests.collector.otlp_requests import (
    JSON,
    PROTOBUF,
    START_NS,
    encode,
    export_logs,
    export_spans,
    make_log,
    make_span,
    make_value,
)

Serve = Callable[..., Any]

MODEL = {"gen_ai.request.model": "gpt-4o", "gen_ai.usage.input_tokens": 31}
SPANS = export_spans(make_span(1, MODEL), make_span(2, MODEL))
CHOICE = {"index": 0, "finish_reason": "stop", "message": {"content": "on its way"}}
LOGS = export_logs(
    make_log(1, body=make_value({"content": "where is my parcel?"})),
    make_log(1, event_name="gen_ai.choice", body=make_value(CHOICE)),
)
# The same span by our own client, beside the application's OpenTelemetry exporter.
NATIVE = json.dumps(
    {
        "type": "span",
        "trace_id": f"{1:032x}",
        "span_id": f"{1:016x}",
        "name": "triage",
        "kind": "llm",
        "start_ns": START_NS,
        "end_ns": START_NS + 1,
        "input": "as we logged it",
    }
).encode()

# What is sent, to where, in which encoding; our own client's batches have an id.
Sending = tuple[str, bytes, str]
TRACES: Sending = ("/v1/traces", encode(SPANS, PROTOBUF), PROTOBUF)
TRACES_IN_JSON: Sending = ("/v1/traces", encode(SPANS, JSON), JSON)
LATE: Sending = ("/v1/logs", encode(LOGS, PROTOBUF), PROTOBUF)
LATE_IN_JSON: Sending = ("/v1/logs", encode(LOGS, JSON), JSON)
OURS: Sending = ("/v1/ingest", NATIVE, "application/x-ndjson")


def dump(store: Store) -> list[dict[str, Any]]:
    return store.read(
        "SELECT * EXCLUDE (start_time, received_ns) FROM store.spans ORDER BY span_id"
    )


def sent(*sendings: Sending) -> list[dict[str, Any]]:
    """Send to a new collector, and return what stands in its table of spans then."""
    store = Store()
    with TestClient(create_app(store, clock_ns=lambda: START_NS)) as client:
        for sending in sendings:
            path, body, media_type = sending
            headers = {
                "Content-Type": media_type,
                "Headway-Project": "shop",
                "Headway-Batch-Id": path,
            }
            assert client.post(path, content=body, headers=headers).status_code == 200
    rows = dump(store)
    store.close()
    return rows


@pytest.mark.parametrize(
    "sendings",
    [
        [TRACES, TRACES, LATE],
        [TRACES, TRACES_IN_JSON, LATE],
        [TRACES, LATE, LATE],
        [TRACES, LATE, LATE_IN_JSON],
        [LATE, TRACES],
        [LATE, LATE_IN_JSON, TRACES],
        [LATE, TRACES, LATE, TRACES],
        [LATE_IN_JSON, TRACES_IN_JSON, TRACES, LATE],
        [TRACES, LATE, OURS],
        [LATE, TRACES, OURS, TRACES, LATE],
    ],
)
def test_repetitions_and_second_exporters_leave_the_same_rows(sendings: list[Sending]) -> None:
    rows = sent(*sendings)

    assert rows == sent(TRACES, LATE)
    assert [row["span_id"] for row in rows] == [f"{n:016x}" for n in (1, 2)]
    assert "where is my parcel?" in rows[0]["input"]
    assert "on its way" in rows[0]["output"]
    assert rows[1]["input"] is None


@pytest.mark.parametrize(
    "sendings",
    [
        [OURS, TRACES],
        [OURS, OURS, TRACES, TRACES_IN_JSON],
        [OURS, LATE, TRACES, LATE_IN_JSON],
    ],
)
def test_what_our_own_client_sent_first_stands(sendings: list[Sending]) -> None:
    first, second = sent(*sendings)

    assert (first["name"], first["input"]) == ("triage", '"as we logged it"')
    assert (first["output"], first["mapper_version"]) == (None, None)
    assert second["name"] == "chat 2"


@pytest.mark.parametrize("apart_ns", [-256, 111, 999_999, 999_999_999])
def test_a_start_that_another_exporter_has_rounded_makes_no_second_span(apart_ns: int) -> None:
    rounded = export_spans(
        make_span(1, MODEL, start_time_unix_nano=START_NS + apart_ns),
        make_span(2, MODEL, start_time_unix_nano=START_NS + apart_ns),
    )

    assert sent(TRACES, ("/v1/traces", encode(rounded, PROTOBUF), PROTOBUF)) == sent(TRACES)


def test_an_id_that_was_used_again_much_later_disturbs_nobody() -> None:
    later = export_spans(
        make_span(
            1,
            MODEL,
            start_time_unix_nano=START_NS + 60 * 10**9,
            end_time_unix_nano=START_NS + 61 * 10**9,
        )
    )
    others = export_logs(make_log(1), make_log(2))

    rows = sent(
        TRACES,
        ("/v1/traces", encode(later, PROTOBUF), PROTOBUF),
        ("/v1/logs", encode(others, PROTOBUF), PROTOBUF),
    )

    assert [row["span_id"][-1] for row in rows] == ["1", "1", "2"]
    assert ["where is my parcel?" in row["input"] for row in rows] == [True, True, True]


# A collector that dies right after a commit, before anybody is told of it.
DYING = """
import os, signal, socket, sys
from contextlib import contextmanager
import uvicorn
from headway_collector.apps import create_app
from headway_collector.describing import Rhythm
from headway_collector.store.connections import Store

class Dying(Store):
    @contextmanager
    def transaction(self):
        with super().transaction() as connection:
            yield connection
        self.commits_left -= 1
        if not self.commits_left:
            os.kill(os.getpid(), signal.SIGKILL)

store = Dying(sys.argv[1])
store.commits_left = int(sys.argv[2])
listener = socket.create_server(("127.0.0.1", 0))
sys.stdout.write(f"{listener.getsockname()[1]}\\n")
sys.stdout.flush()
# What it describes would be commits too.
app = create_app(store, rhythm=Rhythm(first_s=3600))
uvicorn.Server(uvicorn.Config(app, log_level="error")).run(sockets=[listener])
"""


@contextmanager
def dying(database: Path, commits: int) -> Iterator[str]:
    """Run a collector that dies after so many commits, unanswered."""
    process = subprocess.Popen(
        [sys.executable, "-c", DYING, database, str(commits)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
    assert process.wait(60) == -9
    process.stdout.close()


def post(url: str, sending: Sending) -> int:
    path, body, media_type = sending
    headers = {"Content-Type": media_type, "Headway-Project": "shop", "Headway-Batch-Id": path}
    with urllib3.PoolManager(retries=False) as pool:
        return pool.request("POST", url + path, body=body, headers=headers).status


@pytest.mark.parametrize(
    "sendings",
    [[TRACES, LATE], [LATE, TRACES], [OURS, TRACES_IN_JSON]],
    ids=["span, event", "event, span", "ours, theirs"],
)
@pytest.mark.parametrize("commits", [1, 2])
def test_a_retry_after_a_crash_between_commit_and_answer_stores_nothing_twice(
    serve: Serve, tmp_path: Path, sendings: list[Sending], commits: int
) -> None:
    database = tmp_path / "a.duckdb"
    with dying(database, commits) as url:
        for sending in sendings[: commits - 1]:
            assert post(url, sending) == 200
        with pytest.raises(urllib3.exceptions.HTTPError):
            post(url, sendings[commits - 1])
    served = serve(database)
    for sending in sendings[commits - 1 :]:
        assert post(served.url, sending) == 200
    assert served.stop() == 0
    store = Store(database)
    rows = dump(store)
    waiting = store.read("SELECT count(*) AS n FROM store.late_events")
    store.close()

    assert rows == sent(*sendings)
    assert waiting == [{"n": 0}]
