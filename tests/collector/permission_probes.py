"""Every route with the scope that it needs, and a request to each, as the tests of keys ask it.

A new route needs its line in ``ROUTES``; where it takes a body, that in ``BODIES``; where its path
has an id, that of both projects in ``IDS``.
"""

import re
from dataclasses import dataclass, field
from typing import Any

from tests.collector.permission_worlds import (
    FOREIGN,
    OWN,
    World,
    make_comparison,
    make_run,
    span_of,
    trace_of,
)

ROUTES = {
    "GET /healthz": "public",
    "HEAD /healthz": "public",
    "GET /readyz": "public",
    "HEAD /readyz": "public",
    "GET /docs": "public",
    "GET /openapi.json": "public",
    "HEAD /openapi.json": "public",
    "POST /v1/ingest": "ingest",
    "POST /v1/traces": "ingest",
    "POST /v1/logs": "ingest",
    "POST /v1/metrics": "ingest",
    "POST /v1/scores": "ingest",
    "POST /v1/runs": "ingest",
    "POST /v1/comparisons": "ingest",
    "GET /v1/projects": "read",
    "GET /v1/spans": "read",
    "GET /v1/traces/{trace_id}": "read",
    "GET /v1/sessions": "read",
    "GET /v1/prompts": "read",
    "GET /v1/prompts/{name:any_text}": "read",
    "GET /v1/metrics": "read",
    "GET /v1/facets": "read",
    "GET /v1/scores": "read",
    "GET /v1/quality": "read",
    "POST /v1/quality/cohorts": "read",
    "GET /v1/quality/agreement": "read",
    "GET /v1/losses": "read",
    "GET /v1/runs": "read",
    "GET /v1/runs/{run_id}": "read",
    "GET /v1/runs/{run_id}/results": "read",
    "GET /v1/runs/{run_id}/summary": "read",
    "GET /v1/runs/{run_id}/flips": "read",
    "GET /v1/suites": "read",
    "GET /v1/suites/history": "read",
    "GET /v1/comparisons": "read",
    "GET /v1/comparisons/{comparison_id}": "read",
    "GET /v1/descriptors": "read",
    "POST /v1/drift": "read",
    "POST /v1/drift/heatmap": "read",
    "GET /v1/drift": "read",
    "GET /v1/drift/metrics": "read",
    "GET /v1/drift/{card_id}": "read",
    "POST /v1/drift/{card_id}/replay": "read",
    "GET /v1/jobs": "read",
    "GET /v1/jobs/{job_id}": "read",
    "DELETE /v1/jobs/{job_id}": "read",
    "GET /v1/rejects": "read",
    "GET /v1/rejects/{reject_id}": "read",
    "POST /v1/sql": "read",
    "GET /v1/export": "read",
    "POST /v1/import": "admin",
    "POST /v1/remap": "admin",
    "POST /v1/reprice": "admin",
    "POST /v1/describe": "admin",
    "POST /v1/rejects/replay": "admin",
    "POST /v1/erasures": "admin",
    "GET /v1/erasures": "admin",
    "GET /v1/erasures/{receipt_id}": "admin",
    "GET /v1/retention": "admin",
    "PUT /v1/retention": "admin",
    "DELETE /v1/retention": "admin",
    "GET /v1/retention/due": "admin",
    "POST /v1/retention/apply": "admin",
    "POST /v1/keys": "admin",
    "GET /v1/keys": "admin",
    "DELETE /v1/keys/{key_id}": "admin",
    "GET /v1/audit": "admin",
    "GET /v1/backup": "operator",
    "GET /metrics": "operator",
}
"""The scope that each route asks for; an operator is an administrator of all projects."""

IDS = {
    "trace_id": trace_of("{}"),
    "name:any_text": "{}-prompt_name",
    "run_id": "{}-run",
    "comparison_id": "{}-comparison",
    "card_id": "{}-card",
    "job_id": "{}-job",
    "reject_id": "{}-reject",
    "receipt_id": "{}-receipt",
    "key_id": "{}-key",
}
"""What stands in a path; ``{}`` is the project."""

NOTHING = "nothing"
JSON = {"Content-Type": "application/json"}
BODIES: dict[str, dict[str, Any]] = {
    "POST /v1/ingest": {"content": b'{"type":"span"}'},
    "POST /v1/traces": {"content": b"{}", "headers": JSON},
    "POST /v1/logs": {"content": b"{}", "headers": JSON},
    "POST /v1/metrics": {"content": b"{}", "headers": JSON},
    "POST /v1/scores": {"json": {"name": "n", "value": 1, "session_id": NOTHING}},
    "POST /v1/runs": {"json": make_run(NOTHING)},
    "POST /v1/comparisons": {"json": make_comparison(NOTHING)},
    "POST /v1/quality/cohorts": {"json": {"score": "n", "reference": {}, "current": {}}},
    # The same window twice is refused, so no job is started.
    "POST /v1/drift": {"json": {"reference": {}, "current": {}}},
    "POST /v1/drift/heatmap": {"json": {"filters": {}, "bucket": "no"}},
    "POST /v1/sql": {"json": {"sql": "SELECT 1"}},
    "POST /v1/import": {"content": b""},
    "POST /v1/erasures": {"json": {"kind": "user", "id": NOTHING}},
    "PUT /v1/retention": {"json": {"project": OWN, "days": 36_500}},
    "DELETE /v1/retention": {"params": {"project": OWN}},
    "POST /v1/keys": {"json": {"scopes": ["read"], "projects": [OWN]}},
}
"""What each route is asked with; what is left out is asked without anything."""

VALUES: dict[str, list[str]] = {
    "trace_id": [trace_of(FOREIGN)],
    "span_id": [span_of(FOREIGN)],
    "parent_span_id": [span_of(FOREIGN)],
    "session_id": [f"{FOREIGN}-s"],
    "where": [f"score:{FOREIGN}-helpful=true", f"attribute:{FOREIGN}.key={FOREIGN}"],
    "attribute": [f"{FOREIGN}.key={FOREIGN}"],
    "by": ["project", "user_id", "session_id", f"attribute:{FOREIGN}.key", "tag"],
    "field": ["project", "user_id", "tag", "request_model", f"attribute:{FOREIGN}.key"],
    "measure": ["count", "users", "traces", "score_count:" + f"{FOREIGN}-helpful"],
    "q": [FOREIGN],
    "start": ["-30d"],
    "end": ["-30d"],
    "score": [f"{FOREIGN}-helpful"],
    "name": [f"{FOREIGN}-name", f"{FOREIGN}-helpful"],
    "tag": [f"{FOREIGN}-tag"],
}
"""What is asked for by each parameter; of others their name with that of the foreign project."""

NEEDED: dict[str, dict[str, str]] = {
    "GET /v1/facets": {"field": "user_id"},
    "GET /v1/quality": {"score": f"{OWN}-helpful"},
    "GET /v1/quality/agreement": {"first": f"{OWN}-helpful", "second": f"{OWN}-thumb"},
    "GET /v1/export": {"format": "jsonl"},
    "GET /v1/runs/{run_id}/flips": {"baseline": f"{OWN}-run"},
    "GET /v1/suites/history": {"suite": f"{FOREIGN}-suite"},
}
"""Parameters without which a route answers nothing."""

# What is drawn by chance, and so differs between two collectors alike.
_CHANCE = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_REJECT = re.compile(r'"reject_id":"[0-9a-f]{32}"')
_MADE_KEY = re.compile(r'hw_[0-9a-f]+_[0-9a-f]+|"(?:made_)?key_id": ?"[0-9a-f]{12}"')


@dataclass(frozen=True)
class Probe:
    """One request."""

    method: str
    path: str
    said: dict[str, Any] = field(default_factory=dict)

    def send(self, world: World, who: str | None) -> Any:
        return world.ask(who, self.method, self.path, **self.said)

    def tell(self, world: World, who: str) -> str:
        """Return all that an answer tells, but for what chance made of it."""
        answer = self.send(world, who)
        kept = {name: answer.headers.get(name) for name in ("content-type", "retry-after")}
        said = f"{answer.status_code} {kept} {answer.content.decode('utf-8', 'replace')}"
        return _MADE_KEY.sub("KEY", _REJECT.sub("REJECT", _CHANCE.sub("ID", said)))


def make_probe(route: str, project: str, **extra: Any) -> Probe:
    """Return a request to a route about what a project holds."""
    method, path = route.split(" ")
    for name, value in IDS.items():
        filled = trace_of(project) if name == "trace_id" else value.format(project)
        path = path.replace(f"{{{name}}}", filled)
    assert "{" not in path, f"{route}: name its id in IDS"
    said = {**BODIES.get(route, {}), **extra}
    said["params"] = {**NEEDED.get(route, {}), **said.get("params", {})}
    return Probe(method, path, said)
