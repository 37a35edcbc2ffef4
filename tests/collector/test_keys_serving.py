"""Keys as a person uses them: commands, processes, and a collector that others can reach."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import urllib3

from headway.apis import ApiClient
from headway.cli import main
from headway.errors import ApiError, CommandError
from headway_collector.callers import EVERYONE, Scope
from headway_collector.granting import Wish, grant
from headway_collector.serving import Address, serve
from headway_collector.store.connections import Store
from headway_collector.store.keys import read_keys
from tests.collector.conftest import Served, serving_processes
from tests.collector.otlp_requests import as_json, export_spans, make_span

Serve = Callable[..., Served]
LOGGING = "import headway\nwith headway.span('shipped'): pass\nassert headway.flush(60)"
ROOT = ("--scope", "admin", "--all-projects")


@dataclass(frozen=True, slots=True)
class Said:
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str


Run = Callable[..., Said]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run ``headway`` in a folder of its own, with some variables."""

    def run(*words: str | Path, **environment: str) -> Said:
        capsys.readouterr()
        with monkeypatch.context() as during:
            during.chdir(tmp_path)
            for name, value in environment.items():
                during.setenv(name, value)
            try:
                code = main([str(word) for word in words])
            except SystemExit as error:  # of argparse
                code = int(error.code or 0)
        captured = capsys.readouterr()
        return Said(code, captured.out, captured.err)

    return run


@dataclass(frozen=True, slots=True)
class Guarded:
    """A collector on all addresses, and keys of it: of everything, and of the project ``mine``."""

    url: str
    root: str
    mine: str


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    folder = tmp_path_factory.mktemp("guarded")
    database = folder / "a.duckdb"
    root = make_key(database, "admin")
    mine = make_key(database, "ingest", "read", projects=("mine",))
    with serving_processes(folder) as start:
        yield Guarded(start(database, "--host", "0.0.0.0").url, root, mine)


def make_key(database: Path, *scopes: Scope, projects: tuple[str, ...] | None = None) -> str:
    store = Store(database)
    with store.transaction() as connection:
        made = grant(connection, Wish("", projects, scopes), EVERYONE, 1, is_offline=True)
    store.close()
    return made.text


def read_refusal(api: ApiClient) -> int:
    """Return the status of a read that is refused."""
    with pytest.raises(ApiError) as refused:
        api.get("/v1/spans")
    status = refused.value.status
    assert status is not None
    return status


def test_a_collector_that_others_reach_does_not_start_without_keys(tmp_path: Path) -> None:
    database = tmp_path / "my logs.duckdb"
    refused = subprocess.run(
        [
            *(sys.executable, "-m", "headway", "serve", "--db", database),
            *("--host", "0.0.0.0", "--port", "0"),
        ],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=False,
    )

    assert refused.returncode != 0
    command = f"headway keys create --db '{database}' --scope admin --all-projects"
    assert command in refused.stderr
    assert "--insecure" in refused.stderr
    assert not database.exists()


def test_a_database_without_keys_is_refused_as_one_that_is_not_there(tmp_path: Path) -> None:
    database = tmp_path / "a.duckdb"
    Store(database).close()

    with pytest.raises(CommandError, match="headway keys create"):
        serve(database, Address("0.0.0.0", 0))


def test_with_a_key_it_starts_and_answers_nobody_without_one(guarded: Guarded) -> None:
    assert read_refusal(ApiClient(guarded.url)) == 401
    narrow = {"project": "none"}
    assert ApiClient(guarded.url, api_key=guarded.root).get("/v1/spans", narrow)["spans"] == []
    assert ApiClient(guarded.url).get("/readyz") == {"status": "ready"}


def test_a_new_key_stands_alone_on_standard_output_and_nowhere_else(
    run: Run, tmp_path: Path
) -> None:
    database = tmp_path / "a.duckdb"
    made = run("keys", "create", "--db", database, *ROOT, "--name", "ops")
    key = made.out.strip()
    secret = key.rpartition("_")[2]
    listed = run("keys", "list", "--db", database)

    assert made.out == f"{key}\n"
    assert "not shown again" in made.err
    assert f"{key.split('_')[1]} good    'ops' admin for all projects\n" == listed.out
    assert secret not in made.err + listed.out
    for path in tmp_path.iterdir():
        assert secret.encode() not in path.read_bytes()


def test_keys_of_a_stopped_collector_are_revoked_in_its_file(run: Run, tmp_path: Path) -> None:
    database = tmp_path / "a.duckdb"
    create = ("keys", "create", "--scope", "read", "--project", "p", "--requests-per-s", "5")
    key_id = run(*create, "--db", database).out.split("_")[1]
    revoked = run("keys", "revoke", key_id, "--db", database)
    listed = run("keys", "list", "--db", database)

    assert revoked.out.startswith(f"key {key_id} is revoked since ")
    assert listed.out == f"{key_id} revoked read for p, 5 requests/s\n"
    unknown = run("keys", "revoke", "nothing", "--db", database)
    assert unknown.code != 0
    assert "there is no key 'nothing'" in unknown.err
    store = Store(database)
    assert [key.revoked_ns is None for key in read_keys(store)] == [False]
    store.close()


@pytest.mark.parametrize("command", [("list",), ("revoke", "some")])
def test_a_file_that_is_not_there_is_not_made_to_look_into_it(
    run: Run, tmp_path: Path, command: tuple[str, ...]
) -> None:
    said = run("keys", *command, "--db", tmp_path / "none.duckdb")

    assert said.code != 0
    assert "none.duckdb" in said.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--scope", "read"), "say --project NAME"),
        (("--scope", "read", "--project", "p", "--expires", "soon"), "expires='soon'"),
        (("--scope", "read", "--project", "p", "--requests-per-s", "0"), "requests_per_s"),
        (("--scope", "write", "--project", "p"), "'write'"),
    ],
)
def test_a_key_that_makes_no_sense_is_refused_in_a_line(
    run: Run, options: tuple[str, ...], named: str
) -> None:
    refused = run("keys", "create", "--db", "a.duckdb", *options)

    assert refused.code != 0
    assert named in refused.err
    assert "Traceback" not in refused.err
    assert refused.out == ""


def test_a_collector_that_runs_is_asked_itself(run: Run, serve: Serve, tmp_path: Path) -> None:
    database = tmp_path / "a.duckdb"
    served = serve(database)
    url = {"HEADWAY_URL": served.url}
    locked = run("keys", "list", "--db", database)
    root = run("keys", "create", *ROOT, **url).out.strip()
    with_root = url | {"HEADWAY_API_KEY": root}
    create = ("keys", "create", "--scope", "ingest", "--project", "p", "--expires", "90d")
    key_id = run(*create, **with_root).out.split("_")[1]
    without = run("keys", "list", **url)
    listed = run("keys", "list", **with_root)
    revoked = run("keys", "revoke", key_id, **with_root)
    audited = run("audit", **with_root)
    as_json_lines = run("audit", "--json", "--project", "p", **with_root)

    assert locked.code != 0
    assert "leave out --db" in locked.err
    assert without.code != 0
    assert "HEADWAY_API_KEY" in without.err
    assert f"{key_id} good    ingest for p, until " in listed.out
    assert revoked.code == 0
    assert [line.split()[1:5] for line in audited.out.splitlines()] == [
        ["key.revoke", "in", "p", "by"],
        ["key.make", "in", "p", "by"],
        ["key.make", "in", "all", "projects"],
    ]
    assert [json.loads(line)["project"] for line in as_json_lines.out.splitlines()] == ["p"] * 2
    # What was answered is on disk: a kill takes no key back, nor does the word of who starts it.
    served.stop(signal.SIGKILL)
    again = serve(database, "--host", "0.0.0.0", "--insecure")
    assert read_refusal(ApiClient(again.url)) == 401
    assert ApiClient(again.url, api_key=root).get("/v1/spans")["spans"] == []


def test_clients_exporters_and_commands_work_with_a_key_and_stderr_tells_none(
    run: Run, guarded: Guarded, tmp_path: Path
) -> None:
    environment = {
        "HEADWAY_URL": guarded.url,
        "HEADWAY_API_KEY": guarded.mine,
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
    doctor = run("doctor", **environment)
    csv = tmp_path / "old.csv"
    csv.write_text("input,output\nwhere?,here\n")
    imported = run("import", csv, "--time", "2026-11-01", **environment)
    drift = run("drift", "--ref", "start=-9d&end=-8d", "--cur", "start=-1d", **environment)
    client = ApiClient(guarded.url, api_key=guarded.mine)
    client.post("/v1/scores", {"name": "n", "value": 1, "session_id": "s"})
    # An exporter need not name the one project that its key is for.
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {guarded.mine}"}
    body = as_json(export_spans(make_span(name="exported")))
    sent = urllib3.request("POST", f"{guarded.url}/v1/traces", body=body, headers=headers)
    found: list[dict[str, Any]] = client.get("/v1/spans")["spans"]

    assert logged.returncode == 0, logged.stderr
    assert "good for the project mine" in doctor.out + doctor.err
    assert imported.code == 0, imported.err
    assert "401" not in drift.err
    assert "403" not in drift.err
    assert sent.status == 200
    assert {span["name"] for span in found} == {"shipped", "old", "exported"}
    assert {span["project"] for span in found} == {"mine"}
    everything = logged.stdout + logged.stderr
    everything += "".join(each.out + each.err for each in (doctor, imported, drift))
    for secret in (guarded.mine, guarded.root):
        assert secret.rpartition("_")[2] not in everything
