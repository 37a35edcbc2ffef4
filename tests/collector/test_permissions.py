"""Which key may ask what: every route by every scope, and nothing of a foreign project.

A route that is not in ``permission_probes.ROUTES`` fails these tests, and so does one whose answer
to a key of one project changes with what another project holds.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI

from tests.collector.otlp_requests import as_json, export_logs, export_spans, make_log, make_span
from tests.collector.permission_probes import (
    BODIES,
    JSON,
    NEEDED,
    NOTHING,
    ROUTES,
    VALUES,
    Probe,
    make_probe,
)
from tests.collector.permission_worlds import (
    FOREIGN,
    OWN,
    SCOPES,
    World,
    make_comparison,
    make_run,
    open_world,
    span_of,
    trace_of,
)

_TOOK = re.compile(r'"(?:elapsed|took|duration)_m?s":[0-9.e-]+')


@pytest.fixture(scope="module")
def alone() -> Iterator[World]:
    """A collector that has our project alone."""
    with open_world(OWN) as world:
        yield world


@pytest.fixture(scope="module")
def both() -> Iterator[World]:
    """A collector that has the foreign project as well."""
    with open_world(OWN, FOREIGN) as world:
        yield world


@pytest.fixture(scope="module")
def changed() -> Iterator[World]:
    """One like it, for requests that leave something behind."""
    with open_world(OWN, FOREIGN) as world:
        yield world


def walk(routes: Any) -> Iterator[str]:
    for route in routes:
        inner = getattr(route, "original_router", None)
        if inner is not None:
            yield from walk(inner.routes)
        else:
            yield from (f"{method} {route.path}" for method in route.methods)


def served(world: World) -> list[str]:
    app = world.client.app
    assert isinstance(app, FastAPI)
    return list(walk(app.routes))


def takes_project(world: World, route: str) -> bool:
    method, path = route.split(" ")
    app = world.client.app
    assert isinstance(app, FastAPI)
    operation = app.openapi()["paths"].get(path.replace(":path", ""), {}).get(method.lower(), {})
    return any(each["name"] == "project" for each in operation.get("parameters", ()))


def test_every_route_is_in_the_table(both: World) -> None:
    assert sorted(set(served(both))) == sorted(ROUTES)


@pytest.mark.parametrize("route", ROUTES)
def test_a_route_answers_whom_its_scope_lets_in_and_nobody_else(changed: World, route: str) -> None:
    scope = ROUTES[route]
    probe = make_probe(route, NOTHING)
    for who in (None, "wrong", "revoked", "expired"):
        assert probe.send(changed, who).status_code == (200 if scope == "public" else 401), who
    for place in (OWN, "all"):
        for has in SCOPES:
            status = probe.send(changed, f"{place}-{has}").status_code
            is_in = scope in ("public", has) or (has == "admin" and scope != "operator")
            is_in |= (scope, place, has) == ("operator", "all", "admin")
            assert status < 500 or scope == "operator", (place, has)
            assert (status not in (401, 403)) == is_in, (place, has, status)


@pytest.mark.parametrize("route", [each for each, scope in ROUTES.items() if scope != "public"])
def test_a_foreign_project_is_refused_by_name_whether_it_is_there_or_not(
    alone: World, both: World, route: str
) -> None:
    probes = []
    if takes_project(both, route):
        mixed = [OWN, FOREIGN]
        probes += [
            make_probe(route, OWN, params={**NEEDED.get(route, {}), "project": each})
            for each in (FOREIGN, mixed)
        ]
    if ROUTES[route] == "ingest":
        headers = {**BODIES[route].get("headers", {}), "Headway-Project": FOREIGN}
        probes.append(make_probe(route, OWN, headers=headers))
    for probe in probes:
        assert probe.send(both, f"{OWN}-admin").status_code == 403, probe
        assert probe.tell(both, f"{OWN}-admin") == probe.tell(alone, f"{OWN}-admin")


def find_probes(world: World, route: str) -> Iterator[Probe]:
    """Every way to ask a route for something foreign."""
    yield make_probe(route, OWN)
    yield make_probe(route, FOREIGN)
    method, path = route.split(" ")
    app = world.client.app
    assert isinstance(app, FastAPI)
    operation = app.openapi()["paths"].get(path.replace(":path", ""), {}).get(method.lower(), {})
    for parameter in operation.get("parameters", ()):
        name, schema = parameter["name"], parameter["schema"]
        kinds = [schema.get("items", schema), *schema.get("anyOf", ())]
        is_text = any(each.get("type") == "string" and "enum" not in each for each in kinds)
        if parameter["in"] == "query" and is_text and name not in ("project", "cursor"):
            for value in VALUES.get(name, [f"{FOREIGN}-{name}"]):
                needed = NEEDED.get(route, {})
                yield make_probe(route, OWN, params={**needed, name: value})
        if name == "cursor" and method == "GET":
            # Ids of the audit are drawn by chance, and its latest row is as old as the latest of
            # ours: behind the second one both worlds have to say the same.
            limit = 2 if route == "GET /v1/audit" else 1
            first = make_probe(route, FOREIGN, params={**NEEDED.get(route, {}), "limit": limit})
            cursor = first.send(world, f"{FOREIGN}-admin").json().get("next_cursor")
            if cursor is not None:
                yield make_probe(route, OWN, params={**NEEDED.get(route, {}), "cursor": cursor})


READ = [
    each for each, scope in ROUTES.items() if each.startswith("GET") and scope in ("read", "admin")
]


@pytest.mark.parametrize("route", READ)
def test_no_answer_changes_with_what_a_foreign_project_holds(
    alone: World, both: World, route: str
) -> None:
    for probe in find_probes(both, route):
        for who in (f"{OWN}-read", f"{OWN}-admin"):
            told = probe.tell(both, who)

            assert told == probe.tell(alone, who), (who, probe)
            if FOREIGN not in f"{probe}":
                assert FOREIGN not in told, (who, probe)


QUESTIONS = (
    "SELECT count(*) FROM spans",
    "SELECT DISTINCT project FROM spans",
    f"SELECT * FROM spans WHERE project = '{FOREIGN}' OR true ORDER BY span_id",
    "SELECT name, count(*) FROM scores GROUP BY ALL ORDER BY ALL",
    f"SELECT s.name FROM scores s JOIN spans USING (project) WHERE spans.name = '{FOREIGN}-name'",
    "SELECT * FROM store.spans",
    "SELECT * FROM store.main.keys",
    "SELECT * FROM keys",
    "SELECT * FROM information_schema.tables",
    "SELECT * FROM duckdb_tables()",
    "SELECT estimated_size FROM duckdb_tables()",
    "SELECT * FROM pragma_storage_info('store.spans')",
    "SELECT query_table('store.spans')",
)


@pytest.mark.parametrize("sql", QUESTIONS)
def test_no_sql_tells_what_a_foreign_project_holds(alone: World, both: World, sql: str) -> None:
    probe = Probe("POST", "/v1/sql", {"json": {"sql": sql}})
    told = probe.tell(both, f"{OWN}-read")

    assert _TOOK.sub("TOOK", told) == _TOOK.sub("TOOK", probe.tell(alone, f"{OWN}-read"))


def test_the_worlds_do_differ_for_who_may_see_both(alone: World, both: World) -> None:
    differing = [
        route
        for route in READ
        if any(
            probe.tell(both, "all-admin") != probe.tell(alone, "all-admin")
            for probe in (make_probe(route, FOREIGN), make_probe(route, OWN))
        )
    ]
    same = {
        # They are about no project's data.
        "GET /v1/drift/metrics",
        "GET /v1/keys",
        "GET /v1/retention",
        # Nothing was erased, and nothing is due.
        "GET /v1/erasures",
        "GET /v1/erasures/{receipt_id}",
        "GET /v1/retention/due",
        # They are asked for scores of ours.
        "GET /v1/quality",
        "GET /v1/quality/agreement",
    }

    assert sorted(set(READ) - set(differing) - same) == []


def list_writes(both: World) -> Iterator[tuple[str, Probe]]:
    """Whatever might change something foreign, or find out by trying whether it is there."""
    line = {
        "type": "span",
        "trace_id": trace_of(FOREIGN),
        "span_id": span_of(FOREIGN),
        "kind": "llm",
        "name": f"{FOREIGN}-name",
        "start_ns": 1_763_800_000_000_000_000,
        "end_ns": 1_763_800_000_000_000_001,
    }
    score = {"name": f"{FOREIGN}-helpful", "value": False, "score_id": f"{FOREIGN}-score"}
    number = int(span_of(FOREIGN, 9), 16)
    evaluation = {
        "gen_ai.evaluation.name": f"{FOREIGN}-helpful",
        "gen_ai.evaluation.score.value": 0.0,
        "gen_ai.response.id": f"{FOREIGN}-response",
    }
    judged = make_log(number, evaluation, event_name="gen_ai.evaluation.result", trace_id=b"")
    batch = {"Headway-Batch-Id": f"{FOREIGN}-batch"}
    narrow = {"filters": {"project": [FOREIGN]}}
    foreign_reject = both.ask(f"{FOREIGN}-read", "GET", "/v1/rejects").json()["rejects"]
    foreign_key = both.headers[f"{FOREIGN}-read"]["Authorization"].split("_")[1]
    ingest, admin = f"{OWN}-ingest", f"{OWN}-admin"

    def post(who: str, path: str, **said: Any) -> tuple[str, Probe]:
        return who, Probe("POST", path, said)

    yield post(ingest, "/v1/ingest", content=json.dumps(line).encode(), headers=batch)
    yield post(ingest, "/v1/ingest", content=json.dumps(line).encode())
    yield post(ingest, "/v1/scores", json={**score, "span_id": span_of(FOREIGN)})
    spans = export_spans(make_span(number), service__name=FOREIGN)
    yield post(ingest, "/v1/traces", content=as_json(spans), headers=JSON)
    for log in (make_log(number), judged):
        content = as_json(export_logs(log, service__name=FOREIGN))
        yield post(ingest, "/v1/logs", content=content, headers=JSON)
    yield post(ingest, "/v1/runs", json=make_run(FOREIGN))
    yield post(ingest, "/v1/comparisons", json=make_comparison(FOREIGN))
    two = {"reference": {"project": [FOREIGN], "end": ["-2h"]}, "current": {"start": ["-2h"]}}
    yield post(admin, "/v1/drift", json=two)
    yield post(admin, "/v1/drift", json={"reference": {}, "current": {"start": ["-1h"]}, **narrow})
    yield post(admin, "/v1/drift", json={**two, "reference": {"project": []}})
    yield post(admin, f"/v1/drift/{FOREIGN}-card/replay")
    yield post(admin, "/v1/drift/heatmap", json={"bucket": "day", **narrow})
    cohorts = {"score": f"{FOREIGN}-helpful", "reference": {}, "current": {"start": "-1h"}}
    yield post(admin, "/v1/quality/cohorts", json=cohorts)
    yield post(admin, "/v1/quality/cohorts", json={**cohorts, **narrow})
    for path in ("/v1/remap", "/v1/reprice", "/v1/describe", "/v1/retention/apply"):
        yield post(admin, path, params={"project": FOREIGN})
        yield post(admin, path, params={"all": True} if path != "/v1/reprice" else {})
    for kind, said in (
        ("user", f"{FOREIGN}-user"),
        ("session", f"{FOREIGN}-s"),
        ("trace", trace_of(FOREIGN)),
    ):
        yield post(admin, "/v1/erasures", json={"kind": kind, "id": said})
        named = {"Headway-Project": FOREIGN}
        yield post(admin, "/v1/erasures", json={"kind": kind, "id": said}, headers=named)
    for project in (FOREIGN, None):
        rule = {"project": project, "days": 1.0}
        yield admin, Probe("PUT", "/v1/retention", {"json": rule})
        asked = {} if project is None else {"project": project}
        yield admin, Probe("DELETE", "/v1/retention", {"params": asked})
    yield post(admin, "/v1/rejects/replay", params={"reject_id": foreign_reject[0]["reject_id"]})
    yield admin, Probe("GET", f"/v1/rejects/{foreign_reject[0]['reject_id']}")
    yield admin, Probe("DELETE", f"/v1/jobs/{FOREIGN}-job")
    yield post(admin, "/v1/keys", json={"scopes": ["read"], "projects": [FOREIGN]})
    yield admin, Probe("DELETE", f"/v1/keys/{foreign_key}")


def test_nothing_that_is_written_reaches_or_tells_of_a_foreign_project() -> None:
    with open_world(OWN) as alone, open_world(OWN, FOREIGN) as both:
        looks = [make_probe(route, FOREIGN) for route in READ]
        before = [look.tell(both, f"{FOREIGN}-admin") for look in looks]
        for who, probe in list_writes(both):
            assert probe.tell(both, who) == probe.tell(alone, who), (who, probe)
        for look, told in zip(looks, before, strict=True):
            assert look.tell(both, f"{FOREIGN}-admin") == told, look
        # And what was written is there, so that the requests above were no empty ones.
        mine = both.ask(f"{OWN}-read", "GET", "/v1/runs").json()["runs"]
        assert {each["run_id"] for each in mine} == {f"{OWN}-run", f"{FOREIGN}-run"}
