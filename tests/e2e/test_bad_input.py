"""Users' mistakes: one clear message that says what, where and what to do; nothing else is lost."""

import http.client
from pathlib import Path

import duckdb
import pytest

from tests.e2e.processes import CollectorProcess, run_headway

SPAN = (
    b'{"type":"span","trace_id":"%032x","span_id":"%016x","name":"ok",'
    b'"start_ns":1763800000000000000,"end_ns":1763800000000001000}'
)
GOOD_SUITE = "suite: s\nscorers: [{exact: {}}]\ncases: [{id: a, input: x, expected: x}]\n"
BAD_SUITE = "suite: s\nscorers: [{exact: {}}]\ncases:\n  - {id: a, expected: x}\n"


@pytest.mark.parametrize(
    ("arguments", "variables", "files", "words"),
    [
        pytest.param(
            ["serve"],
            {"HEADWAY_COLLECTOR_PORT": "many"},
            {},
            ["HEADWAY_COLLECTOR_PORT", "'many'"],
            id="a bad setting in the environment",
        ),
        pytest.param(
            ["serve"],
            {},
            {"headway.toml": "[collector\nport = 1"},
            ["headway.toml", "TOML"],
            id="a settings file that is not TOML",
        ),
        pytest.param(
            ["eval", "run", "suite.yaml", "--model", "hf:no/such/model"],
            {},
            {"suite.yaml": GOOD_SUITE},
            ["no/such/model"],
            id="an unknown model path",
        ),
        pytest.param(
            ["eval", "run", "suite.yaml", "--model", "python:os:getcwd"],
            {},
            {"suite.yaml": BAD_SUITE},
            ["suite.yaml:4", "input"],
            id="a malformed suite",
        ),
        pytest.param(
            ["eval", "run", "missing.yaml", "--model", "python:os:getcwd"],
            {},
            {},
            ["missing.yaml"],
            id="a suite that is not there",
        ),
        pytest.param(
            ["serve", "--db", "notes.txt", "--port", "0"],
            {},
            {"notes.txt": "this is not a database, but it is long enough to be read as one" * 99},
            ["notes.txt"],
            id="a file that is no database",
        ),
        pytest.param(
            ["import", "missing.csv", "--map", "input=question", "--map", "timestamp=time"],
            {},
            {},
            ["missing.csv"],
            id="a file to import that is not there",
        ),
        pytest.param(
            ["import", "rows.csv", "--map", "input=question", "--map", "timestamp=answer"],
            {},
            {"rows.csv": "prompt,answer\na,b\n"},
            ["question", "prompt, answer"],
            id="a column that is not there",
        ),
    ],
)
def test_a_command_explains_a_mistake_in_one_message(
    arguments: list[str],
    variables: dict[str, str],
    files: dict[str, str],
    words: list[str],
    tmp_path: Path,
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)

    done = run_headway(*arguments, cwd=tmp_path, timeout_s=60, **variables)

    assert done.returncode == 2
    assert [word for word in words if word not in done.stderr] == []
    assert "Traceback" not in done.stderr
    for name, text in files.items():
        assert (tmp_path / name).read_text() == text


def test_a_port_in_use_is_explained(shared_collector: CollectorProcess, tmp_path: Path) -> None:
    done = run_headway(
        "serve",
        "--db",
        "other.duckdb",
        "--port",
        str(shared_collector.port),
        cwd=tmp_path,
        timeout_s=60,
    )

    assert done.returncode == 2
    assert str(shared_collector.port) in done.stderr
    assert "--port" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_database_in_use_by_another_collector_is_explained(
    shared_collector: CollectorProcess, tmp_path: Path
) -> None:
    done = run_headway("serve", "--db", str(shared_collector.db), "--port", "0", cwd=tmp_path)

    assert done.returncode == 2
    assert str(shared_collector.db) in done.stderr
    assert "Traceback" not in done.stderr


def test_a_database_of_a_newer_schema_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    database = tmp_path / "headway.duckdb"
    with CollectorProcess(database):
        pass
    with duckdb.connect(str(database)) as connection:
        connection.execute("INSERT INTO schema_versions (version) VALUES (999)")

    done = run_headway("serve", "--db", str(database), "--port", "0", cwd=tmp_path)

    assert done.returncode == 2
    assert "999" in done.stderr
    assert "Traceback" not in done.stderr
    with duckdb.connect(str(database)) as connection:
        assert connection.execute("SELECT max(version) FROM schema_versions").fetchone() == (999,)


def test_one_bad_record_is_refused_alone_and_named(collector: CollectorProcess) -> None:
    lines = [SPAN % (1, 1), b'{"type":"span","trace_id":"zz"}', SPAN % (2, 2)]

    answer = collector.api.ingest(lines, project="p", batch_id="b")

    assert (answer.accepted, answer.rejected) == (2, 1)
    assert answer.errors[0].line == 2
    assert len(collector.api.get("/v1/spans")["spans"]) == 2


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "words"),
    [
        ("GET", "/v1/span", b"", 404, [b"unknown_path", b"/v1/spans"]),
        ("GET", "/nonsense", b"", 404, [b"unknown_path"]),
        ("PUT", "/v1/ingest", b"", 405, [b"POST"]),
        ("POST", "/v1/ingest", b"\x89PNG garbage", 400, [b"not_ndjson"]),
        ("POST", "/v1/ingest", b"<html>\n</html>", 400, [b"not_ndjson"]),
        ("GET", "/v1/spans?limit=-1", b"", 422, [b"limit"]),
        ("GET", "/v1/spans?start=yesterday", b"", 422, [b"yesterday"]),
        ("GET", "/v1/spans?cursor=zzz", b"", 422, [b"cursor"]),
        ("GET", "/v1/metrics?measure=beauty", b"", 422, [b"beauty", b"latency_p95_ms"]),
        ("GET", "/v1/traces/none", b"", 404, [b"none"]),
    ],
)
def test_a_bad_request_gets_a_json_answer_that_says_what_to_do(
    shared_collector: CollectorProcess,
    method: str,
    path: str,
    body: bytes,
    status: int,
    words: list[bytes],
) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", shared_collector.port, timeout=10)
    connection.request(method, path, body)
    response = connection.getresponse()
    answer = response.read()
    connection.close()

    assert response.status == status
    assert response.headers["Content-Type"] == "application/json"
    assert [word for word in words if word not in answer] == []
    assert b'"message"' in answer
