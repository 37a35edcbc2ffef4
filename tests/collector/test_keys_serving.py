"""Keys as a person uses them: commands, processes, and a collector that others can reach."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from headway.apis import ApiClient
from headway.errors import ApiError
from headway_collector.store.connections import Store
from headway_collector.store.keys import read_keys
from tests.collector.otlp_requests import as_json, export_spans, make_span

Serve = Callable[..., Any]
Lines = Callable[..., bytes]
LOGGING = "import headway\nwith headway.span('shipped'): pass\nassert headway.flush(60)"
ROOT = ("--scope", "admin", "--all-projects")


def run(
    folder: Path, *arguments: str | Path, **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "headway", *arguments],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        check=False,
    )


def make_key(folder: Path, database: Path, *options: str) -> str:
    made = run(folder, "keys", "create", "--db", database, *options)
    assert made.returncode == 0, made.stderr
    return made.stdout.strip()


def test_a_collector_that_others_reach_does_not_start_without_keys(tmp_path: Path) -> None:
    database = tmp_path / "my logs.duckdb"
    refused = run(tmp_path, "serve", "--db", database, "--host", "0.0.0.0", "--port", "0")

    assert refused.returncode != 0
    command = f"headway keys create --db '{database}' --scope admin --all-projects"
    assert command in refused.stderr
    assert "--insecure" in refused.stderr
    assert not database.exists()


def test_a_database_without_keys_is_refused_as_one_that_is_not_there(tmp_path: Path) -> None:
    database = tmp_path / "a.duckdb"
    Store(database).close()
    refused = run(tmp_path, "serve", "--db", database, "--host", "0.0.0.0", "--port", "0")

    assert refused.returncode != 0
    assert "headway keys create" in refused.stderr


@pytest.mark.parametrize("options", [(), ("--insecure",)])
def test_with_a_key_it_starts_and_answers_nobody_without_one(
    serve: Serve, tmp_path: Path, options: tuple[str, ...]
) -> None:
    database = tmp_path / "a.duckdb"
    key = make_key(tmp_path, database, *ROOT)
    served = serve(database, "--host", "0.0.0.0", *options)

    with pytest.raises(ApiError) as refused:
        ApiClient(served.url).get("/v1/spans")
    assert refused.value.status == 401
    assert ApiClient(served.url, api_key=key).get("/v1/spans")["spans"] == []
    assert ApiClient(served.url).get("/readyz") == {"status": "ready"}


def test_a_new_key_stands_alone_on_standard_output_and_nowhere_else(tmp_path: Path) -> None:
    database = tmp_path / "a.duckdb"
    made = run(tmp_path, "keys", "create", "--db", database, *ROOT, "--name", "ops")
    key = made.stdout.strip()
    secret = key.rpartition("_")[2]
    listed = run(tmp_path, "keys", "list", "--db", database)

    assert made.stdout == f"{key}\n"
    assert "not shown again" in made.stderr
    assert f"{key.split('_')[1]} good    'ops' admin for all projects\n" == listed.stdout
    assert secret not in made.stderr + listed.stdout
    for path in tmp_path.iterdir():
        assert secret.encode() not in path.read_bytes()


def test_keys_of_a_stopped_collector_are_revoked_in_its_file(tmp_path: Path) -> None:
    database = tmp_path / "a.duckdb"
    key_id = make_key(
        tmp_path, database, "--scope", "read", "--project", "p", "--requests-per-s", "5"
    ).split("_")[1]
    revoked = run(tmp_path, "keys", "revoke", key_id, "--db", database)
    listed = run(tmp_path, "keys", "list", "--db", database)

    assert revoked.stdout.startswith(f"key {key_id} is revoked since ")
    assert listed.stdout == f"{key_id} revoked read for p, 5 requests/s\n"
    unknown = run(tmp_path, "keys", "revoke", "nothing", "--db", database)
    assert unknown.returncode != 0
    assert "there is no key 'nothing'" in unknown.stderr
    store = Store(database)
    assert [key.revoked_ns is None for key in read_keys(store)] == [False]
    store.close()


@pytest.mark.parametrize("command", [("list",), ("revoke", "some")])
def test_a_file_that_is_not_there_is_not_made_to_look_into_it(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    said = run(tmp_path, "keys", *command, "--db", tmp_path / "none.duckdb")

    assert said.returncode != 0
    assert "none.duckdb" in said.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--scope", "read"), "name projects"),
        (("--scope", "read", "--project", "p", "--expires", "soon"), "expires='soon'"),
        (("--scope", "read", "--project", "p", "--requests-per-s", "0"), "requests_per_s"),
        (("--scope", "write", "--project", "p"), "'write'"),
    ],
)
def test_a_key_that_makes_no_sense_is_refused_in_a_line(
    tmp_path: Path, options: tuple[str, ...], named: str
) -> None:
    refused = run(tmp_path, "keys", "create", "--db", tmp_path / "a.duckdb", *options)

    assert refused.returncode != 0
    assert named in refused.stderr
    assert "Traceback" not in refused.stderr
    assert refused.stdout == ""


def test_a_collector_that_runs_is_asked_itself(serve: Serve, tmp_path: Path) -> None:
    database = tmp_path / "a.duckdb"
    served = serve(database)
    url = {"HEADWAY_URL": served.url}
    locked = run(tmp_path, "keys", "list", "--db", database)
    root = run(tmp_path, "keys", "create", *ROOT, **url).stdout.strip()
    with_root = url | {"HEADWAY_API_KEY": root}
    create = ("keys", "create", "--scope", "ingest", "--project", "p", "--expires", "90d")
    key_id = run(tmp_path, *create, **with_root).stdout.split("_")[1]
    without = run(tmp_path, "keys", "list", **url)
    listed = run(tmp_path, "keys", "list", **with_root)
    revoked = run(tmp_path, "keys", "revoke", key_id, **with_root)
    audited = run(tmp_path, "audit", **with_root)
    as_json_lines = run(tmp_path, "audit", "--json", "--project", "p", **with_root)

    assert locked.returncode != 0
    assert "leave out --db" in locked.stderr
    assert without.returncode != 0
    assert "HEADWAY_API_KEY" in without.stderr
    assert f"{key_id} good    ingest for p, until " in listed.stdout
    assert revoked.returncode == 0
    assert [line.split()[1:5] for line in audited.stdout.splitlines()] == [
        ["key.revoke", "in", "p", "by"],
        ["key.make", "in", "p", "by"],
        ["key.make", "in", "all", "projects"],
    ]
    assert [json.loads(line)["project"] for line in as_json_lines.stdout.splitlines()] == ["p"] * 2
    # What was answered is on disk: a kill takes no key back.
    served.stop(signal.SIGKILL)
    again = serve(database)
    with pytest.raises(ApiError) as refused:
        ApiClient(again.url).get("/v1/spans")
    assert refused.value.status == 401
    assert ApiClient(again.url, api_key=root).get("/v1/spans")["spans"] == []


def test_clients_exporters_and_commands_work_with_a_key_and_stderr_tells_none(
    tmp_path: Path, serve: Serve
) -> None:
    database = tmp_path / "a.duckdb"
    root = make_key(tmp_path, database, *ROOT)
    key = make_key(tmp_path, database, "--scope", "ingest", "--scope", "read", "--project", "mine")
    served = serve(database)
    environment = {
        "HEADWAY_URL": served.url,
        "HEADWAY_API_KEY": key,
        "HEADWAY_PROJECT": "mine",
        "HEADWAY_JOURNAL_DIR": str(tmp_path / "journal"),
    }
    logged = subprocess.run(
        [sys.executable, "-c", LOGGING],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, **environment},
        check=False,
    )
    doctor = run(tmp_path, "doctor", **environment)
    csv = tmp_path / "old.csv"
    csv.write_text("input,output\nwhere?,here\n")
    imported = run(tmp_path, "import", csv, "--time", "2026-11-01", **environment)
    drift = run(
        tmp_path, "drift", "--ref", "start=-9d&end=-8d", "--cur", "start=-1d", **environment
    )
    client = ApiClient(served.url, api_key=key)
    client.post("/v1/scores", {"name": "n", "value": 1, "session_id": "s"})
    found = client.get("/v1/spans")["spans"]

    assert logged.returncode == 0, logged.stderr
    assert "good for the project mine" in doctor.stdout + doctor.stderr
    assert imported.returncode == 0, imported.stderr
    assert "401" not in drift.stderr
    assert "403" not in drift.stderr
    assert {span["name"] for span in found} == {"shipped", "old"}
    assert {span["project"] for span in found} == {"mine"}
    everything = "".join(each.stdout + each.stderr for each in (logged, doctor, imported, drift))
    for secret in (key, root):
        assert secret.rpartition("_")[2] not in everything


def test_an_exporter_with_a_key_of_one_project_need_not_name_it(
    tmp_path: Path, serve: Serve
) -> None:
    import urllib3

    database = tmp_path / "a.duckdb"
    key = make_key(tmp_path, database, "--scope", "ingest", "--scope", "read", "--project", "mine")
    served = serve(database)
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {key}"}
    body = as_json(export_spans(make_span()))
    sent = urllib3.request("POST", f"{served.url}/v1/traces", body=body, headers=headers)

    assert sent.status == 200
    (span,) = ApiClient(served.url, api_key=key).get("/v1/spans")["spans"]
    assert span["project"] == "mine"
