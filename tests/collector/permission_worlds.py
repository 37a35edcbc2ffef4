"""Two collectors that differ in one thing: whether there is a second project beside the first.

Whoever may see the first alone must not be able to tell them apart by anything it asks.
"""

import itertools
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import duckdb
import msgspec
from starlette.testclient import TestClient

from headway_collector.apps import create_app
from headway_collector.callers import EVERYONE, Scope
from headway_collector.describing import Rhythm
from headway_collector.granting import Wish, grant, revoke
from headway_collector.store.connections import Store
from headway_collector.store.drift_cards import save_card
from headway_collector.store.jobs import Job, save_job
from tests.collector.otlp_requests import as_json, export_logs, export_spans, make_log, make_span

NOW_NS = 1_763_800_000_000_000_000
_HOUR_NS = 3_600 * 10**9

OWN, FOREIGN = "apple", "zebra"
"""The two projects; every text and id of the data of one has its name in it."""

SCOPES: tuple[Scope, ...] = ("ingest", "read", "admin")


def trace_of(project: str, number: int = 1) -> str:
    """Return the id of a trace of a project."""
    return f"{ord(project[0]):02x}{number:030x}"


def span_of(project: str, number: int = 1) -> str:
    """Return the id of a span of a project."""
    return f"{ord(project[0]):02x}{number:014x}"


@dataclass
class World:
    """One collector, its keys by name, and whoever asks it.

    Args:
        headers: of each key: ``apple-read``, ``zebra-admin``, ``all-admin``, ``expired`` and so on.
    """

    client: TestClient
    store: Store
    headers: dict[str, dict[str, str]] = field(default_factory=dict)

    def ask(self, who: str | None, method: str, path: str, **request: Any) -> Any:
        """Send a request with the key of that name."""
        headers = {**request.pop("headers", {}), **(self.headers[who] if who else {})}
        return self.client.request(method, path, headers=headers, **request)


@contextmanager
def open_world(*projects: str) -> Iterator[World]:
    """Serve a database with data of these projects, and keys that are the same in each world."""
    store = Store()
    headers = _make_keys(store)
    with store.transaction() as connection:
        for project in projects:
            save_card(connection, project, _make_card(project), NOW_NS)
            save_job(connection, _make_job(project))
    numbers = {"names": itertools.count()}
    app = create_app(
        store,
        clock_ns=lambda: NOW_NS,
        make_id=lambda: f"made-{next(numbers['names'])}",
        # Calls are described when they are asked for, so that both worlds are as far.
        rhythm=Rhythm(first_s=3_600.0),
    )
    with TestClient(app, raise_server_exceptions=False) as client:
        world = World(client, store, headers)
        for project in projects:
            fill(world, project)
        app.state.collector.writer.perform(_name_rejects).result(60)
        numbers["names"] = itertools.count()
        yield world
    store.close()


def _name_rejects(connection: duckdb.DuckDBPyConnection) -> None:
    # Their ids are drawn by chance, and they are listed in the order of these.
    connection.execute("UPDATE store.rejects SET reject_id = project || '-reject'")


def _make_keys(store: Store) -> dict[str, dict[str, str]]:
    wishes: dict[str, Wish] = {}
    for place, projects in ((OWN, (OWN,)), (FOREIGN, (FOREIGN,)), ("all", None)):
        for scope in SCOPES:
            wishes[f"{place}-{scope}"] = Wish(f"{place} {scope}", projects, (scope,))
    wishes["revoked"] = Wish("", None, ("admin",))
    wishes["expired"] = Wish("", None, ("admin",), expires_ns=NOW_NS - 1)
    secrets = map("{:08x}".format, itertools.count())
    headers = {}
    with store.transaction() as connection:
        for made_ns, (name, wish) in enumerate(wishes.items(), start=1):
            made = grant(
                connection, wish, EVERYONE, made_ns, is_offline=True, draw=lambda _: next(secrets)
            )
            headers[name] = {"Authorization": f"Bearer {made.text}"}
            if name == "revoked":
                revoke(connection, made.key.key_id, EVERYONE, 1_000, is_offline=True)
    headers["wrong"] = {"Authorization": "Bearer hw_00000000_ffffffff"}
    return headers


def fill(world: World, project: str) -> None:
    """Store something of a project in every table."""
    who = f"{project}-admin"

    def post(path: str, **request: Any) -> Any:
        answer = world.ask(who, "POST", path, **request)
        assert answer.status_code in (200, 201, 202), f"{path}: {answer.text}"
        return answer

    lines = [*(_make_span_line(project, number) for number in range(1, 4))]
    lines += [_make_score_line(project), _make_prompt_line(project), _make_loss_line(project)]
    body = "\n".join(map(json.dumps, lines)).encode()
    post("/v1/ingest", content=body, headers={"Headway-Batch-Id": f"{project}-batch"})
    post("/v1/ingest", content=f'{{"type":"span","name":"{project}-reject"}}'.encode())
    json_type = {"Content-Type": "application/json"}
    number = int(span_of(project, 9), 16)
    attributes = {"gen_ai.request.model": f"{project}-model", "user.id": f"{project}-user"}
    span = make_span(number, attributes, name=f"{project}-foreign")
    post("/v1/traces", content=as_json(export_spans(span)), headers=json_type)
    log = make_log(int(span_of(project, 10), 16))
    post("/v1/logs", content=as_json(export_logs(log)), headers=json_type)
    post("/v1/scores", json={"name": f"{project}-thumb", "value": 1, "session_id": f"{project}-s"})
    post("/v1/runs", json=make_run(project))
    post("/v1/comparisons", json=make_comparison(project))
    post("/v1/describe")


def _make_span_line(project: str, number: int) -> dict[str, Any]:
    start_ns = NOW_NS - number * _HOUR_NS
    texts = ("name", "request_model", "response_model", "provider", "prompt_name", "prompt_version")
    return {
        "type": "span",
        "trace_id": trace_of(project, number),
        "span_id": span_of(project, number),
        "kind": "llm",
        "start_ns": start_ns,
        "end_ns": start_ns + 10**9,
        "user_id": f"{project}-user",
        "session_id": f"{project}-s",
        "environment": f"{project}-env",
        "release": f"{project}-release",
        "response_id": f"{project}-response",
        "finish_reasons": [f"{project}-stop"],
        "tags": [f"{project}-tag"],
        "input": f"what of {project} number {number}?",
        "output": f"all of {project}",
        "attributes": {f"{project}.key": project},
        "input_tokens": 7,
        "output_tokens": 5,
        "error_type": f"{project}-error" if number == 3 else None,
        "status": "error" if number == 3 else "ok",
        **{name: f"{project}-{name}" for name in texts},
    }


def _make_score_line(project: str) -> dict[str, Any]:
    return {
        "type": "score",
        "score_id": f"{project}-score",
        "name": f"{project}-helpful",
        "value": True,
        "time_ns": NOW_NS - 1,
        "span_id": span_of(project),
        "comment": f"{project} is fine",
    }


def _make_prompt_line(project: str) -> dict[str, Any]:
    return {
        "type": "prompt",
        "name": f"{project}-prompt_name",
        "version": f"{project}-prompt_version",
        "template": f"You are {project}.",
        "time_ns": NOW_NS - 5,
    }


def _make_loss_line(project: str) -> dict[str, Any]:
    return {
        "type": "loss",
        "client_id": f"{ord(project[0]):02x}" * 16,
        "reason": "journal_full",
        "count": 7,
        "time_ns": NOW_NS - 1,
        "host": f"{project}-host",
        "pid": 1,
    }


def make_run(project: str) -> dict[str, Any]:
    """Return the body of a run."""
    run = {
        "run_id": f"{project}-run",
        "suite": f"{project}-suite",
        "model": f"{project}-model",
        "started_at": "2025-11-22T08:00:00Z",
    }
    return {"run": run, "results": [{"case_id": f"{project}-case", "output": f"of {project}"}]}


def make_comparison(project: str) -> dict[str, Any]:
    """Return the body of a comparison."""
    return {
        "comparison_id": f"{project}-comparison",
        "suite": f"{project}-suite",
        "baseline_run_id": f"{project}-run",
        "candidate_run_id": f"{project}-run",
        "created_at": "2025-11-22T08:00:00Z",
        "verdict": "passed",
        "exit_code": 0,
        "margin": 0.05,
        "alpha": 0.05,
        "overall": {"verdict": "passed", "n": 3},
    }


def _make_card(project: str) -> bytes:
    window = {"filters": [["name", [f"{project}-name"]]], "start_ns": 0, "end_ns": 1}
    return msgspec.json.encode(
        {
            "card_id": f"{project}-card",
            "verdict": "no_drift",
            "headline": f"{project} is as it was",
            "findings": [],
            "reference": window,
            "current": window,
            "options": {},
            "fingerprint": project,
            "versions": [],
            "n_ref": 3,
            "n_cur": 3,
        }
    )


def _make_job(project: str) -> Job:
    return Job(
        project=project,
        job_id=f"{project}-job",
        kind="drift",
        created_ns=NOW_NS - 1,
        request=json.dumps({"of": project}),
        state="done",
        started_ns=NOW_NS - 1,
        ended_ns=NOW_NS,
        result=json.dumps({"card_id": f"{project}-card"}),
    )
