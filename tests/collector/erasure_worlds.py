"""Whom tests of erasures erase, with what, and what is left."""

import json
from collections.abc import Callable
from typing import Any

from starlette.testclient import TestClient

BEFORE_NS = 1_763_700_000_000_000_000
"""A day before the time that the collector of the tests shows."""

MARK = "mark-4711"
"""Stands in all that is to go."""

Ingest = Callable[..., Any]
Erase = Callable[..., Any]


def make_erase(client: TestClient) -> Erase:
    """Return what erases somebody, by default of project p, and returns the receipt."""

    def erase(kind: str, name: str, project: str = "p") -> Any:
        response = client.post(
            "/v1/erasures", json={"kind": kind, "id": name}, headers={"Headway-Project": project}
        )
        assert response.status_code == 200, response.text
        return response.json()

    return erase


def trace_of(number: int) -> str:
    """Return the id of a trace."""
    return f"{number:032x}"


def span_of(number: int) -> str:
    """Return the id of a span."""
    return f"{number:016x}"


def list_names(client: TestClient) -> set[str]:
    """Return the names of the spans that are left."""
    spans = client.get("/v1/spans", params={"limit": 1000}).json()["spans"]
    return {span["name"] for span in spans}


def make_card(card_id: str, example: str) -> bytes:
    """Return a drift card that shows a span as its example."""
    query = {"filters": [], "start_ns": 1, "end_ns": 2}
    card = {
        "card_id": card_id,
        "verdict": "drift",
        "headline": "longer",
        "reference": query,
        "current": query,
        "options": {},
        "fingerprint": "f",
        "versions": [],
        "n_ref": 1,
        "n_cur": 1,
        "findings": [{"examples": [{"span_id": example}]}],
    }
    return json.dumps(card).encode()
