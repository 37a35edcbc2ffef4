"""A small collector that answers what the Drift page asks, in the shapes of the real one."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
from streamlit.testing.v1 import AppTest

from headway_measures.drift import results
from headway_measures.drift.card_json import encode_card
from headway_measures.drift.windows import Options, Query

NOON_NS = 1_795_348_800 * 10**9
DAY_NS = 86_400 * 10**9
EVIDENCE = results.Evidence(
    metric="answer_chars",
    kind="number",
    side="answer",
    method="ks",
    state="drift",
    n_ref=400,
    n_cur=380,
    units_ref=400,
    units_cur=380,
    p_value=1e-9,
    q_value=2e-8,
    effects=(results.Effect("wasserstein_sd", 0.84, 0.7, 0.98, 0.1),),
    before="median 346 chars",
    after="median 48 chars",
)
REFUSALS = replace(
    EVIDENCE,
    metric="is_refusal",
    kind="rate",
    state="not_enough_data",
    p_value=None,
    q_value=None,
    effects=(results.Effect("risk_difference", 0.1, 0.02, 0.18, 0.02),),
    needs_n=642,
)
PROMPT = "Where is my parcel? <script>alert(1)</script>"
BEFORE = results.Example("a1", "t1", NOON_NS, PROMPT, "It is on its way to you.", "typical")
AFTER = results.Example("b1", "t2", NOON_NS + DAY_NS, PROMPT, "It is <b>lost</b> to you.", "")
FINDING = results.Finding(
    EVIDENCE,
    "Answers got shorter: median 346 chars → 48 [chars].",
    terms=(results.Term("sorry *", "word", 0.04, 0.72, 1e-9, 1e-8),),
    since=results.ChangeTime(NOON_NS, NOON_NS - DAY_NS, NOON_NS + DAY_NS, 0.95),
    segments=(results.Segment("kind:*", "refund", EVIDENCE),),
    mixes=(results.Mix("request_model", -300.0, -10.0, -290.0, 0.0, -310.0, -270.0),),
    coincidences=(results.Coincidence("request_model", "v3", NOON_NS, 0.0, 0.6, None),),
    examples=(results.ExamplePair(BEFORE, AFTER, True), results.ExamplePair(None, AFTER, False)),
    rows=(
        ("end_ns", (str(NOON_NS + DAY_NS),)),
        ("model", ("v3",)),
        ("project", ("shop",)),
        ("tag", ("kind:refund",)),
    ),
)
CARD = results.Card(
    card_id="c0ffee",
    verdict="drift",
    headline="Drift: answers got shorter.",
    reference=Query((("request_model", ("v2",)),), None, NOON_NS),
    current=Query((), NOON_NS, NOON_NS + 7 * DAY_NS),
    n_ref=400,
    n_cur=380,
    options=Options(),
    versions=(("descriptors", "1"),),
    fingerprint="f1",
    findings=(FINDING,),
    tests=(EVIDENCE, REFUSALS),
    quality=(),
    notes=("5 calls were not described.",),
)
KEPT = {
    "card_id": "c0ffee",
    "project": "shop",
    "created_at": "2026-11-22T12:00:00Z",
    "verdict": "drift",
    "headline": CARD.headline,
    "reference": {"request_model": ["v2"], "end": ["2026-11-22T12:00:00Z"]},
    "current": {"start": ["2026-11-22T12:00:00Z"]},
    "finding_count": 1,
}
BUCKETS = [f"2026-11-{day}T00:00:00Z" for day in range(10, 16)]
CELL: dict[str, Any] = {
    "effect": 0.5,
    "n": 170,
    "baseline_n": 340,
    "before": "median 10",
    "after": "median 5",
}
HEAT: dict[str, Any] = {
    "buckets": BUCKETS,
    "metrics": [
        {"name": "answer_chars", "label": "length of answers", "side": "answer"},
        {"name": "is_json", "label": "answers that are JSON", "side": "answer"},
    ],
    "cells": [
        {**CELL, "metric": name, "time": time, "state": state, "q_value": 0.01}
        for name, states in (
            ("answer_chars", ("no_drift", "drift", "drift", "not_enough_data")),
            ("is_json", ("no_drift", "identical", "no_drift", "failed")),
        )
        for time, state in zip(BUCKETS[2:], states, strict=True)
    ],
}
FACETS = {"request_model": [{"value": "v2", "count": 9}, {"value": "v3", "count": 5}]}


@dataclass
class Collector:
    """What the small collector answers, and what it was sent."""

    card: results.Card = CARD
    kept: list[dict[str, Any]] = field(default_factory=list)
    is_kept: bool = False
    has_spans: bool = True
    refusal: str = ""
    refused_with: int = 400
    job: dict[str, Any] = field(default_factory=dict)
    jobs: list[dict[str, Any]] = field(default_factory=list)
    own: list[dict[str, Any]] = field(default_factory=list)
    is_away: bool = False
    sent: list[tuple[str, str, str | None, Any]] = field(default_factory=list)

    def get(self, path: str, query: dict[str, list[str]]) -> tuple[int, Any]:
        """Return the status and the body of an answer."""
        time = {"first_time": "2026-11-10T00:00:00Z", "last_time": "2026-11-23T00:00:00Z"}
        if path == "/healthz":
            return 200, {"version": "1", "label": None}
        if path == "/v1/projects":
            return 200, {"projects": [{"project": "shop", **time}] if self.has_spans else []}
        if path == "/v1/facets":
            return 200, {"facets": {name: FACETS.get(name, []) for name in query["field"]}}
        if path == "/v1/descriptors":
            return 200, {"own": self.own}
        if path == "/v1/jobs":
            return 200, {"jobs": self.jobs, "next_cursor": None}
        if path == "/v1/drift/metrics":
            return 200, {"metrics": HEAT["metrics"]}
        if path == "/v1/drift":
            return 200, {"cards": self.kept, "next_cursor": None}
        if path == f"/v1/drift/{self.card.card_id}":
            form = query.get("format", ["json"])[0]
            return 200, encode_card(self.card) if form == "json" else f"a {form} file".encode()
        if path == "/v1/jobs/j1" and self.job:
            return 200, self.job
        return 404, {"code": "not_found", "message": "there is no such thing"}

    def post(self, path: str) -> tuple[int, Any]:
        """Return the status and the body of an answer."""
        if self.refusal:
            return self.refused_with, {"code": "invalid", "message": self.refusal}
        if path in ("/v1/drift/heatmap", f"/v1/drift/{self.card.card_id}/replay"):
            return 202, {"job_id": "j1"}
        job_id = None if self.is_kept else "j1"
        return 200 if self.is_kept else 202, {"job_id": job_id, "card_id": "c0ffee"}


def job(state: str, **more: Any) -> dict[str, Any]:
    """Return a job as the collector tells of it."""
    return {
        "job_id": "j1", "kind": "drift", "state": state, "stage": "", "done": 0, "total": 0,
        "error": None, "result": None, "created_at": "2026-11-22T12:00:00Z", **more,
    }  # fmt: skip


@contextmanager
def serving(answers: Collector) -> Iterator[str]:
    """Answer at an address of loopback, and give it."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            if answers.is_away and parts.path.startswith("/v1/jobs"):
                self.close_connection = True
                return
            self.answer(*answers.get(parts.path, parse_qs(parts.query)))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            project = self.headers["Headway-Project"]
            answers.sent.append(("POST", self.path, project, msgspec.json.decode(body)))
            self.answer(*answers.post(self.path))

        def do_DELETE(self) -> None:
            answers.sent.append(("DELETE", self.path, None, None))
            answers.job |= {"state": "cancelled"}
            self.answer(200, answers.job)

        def answer(self, status: int, body: Any) -> None:
            data = body if isinstance(body, bytes) else msgspec.json.encode(body)
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def words_of(page: AppTest) -> str:
    """Return all that a page says, which drew without a fault."""
    assert not page.exception
    elements = [*page.title, *page.markdown, *page.caption, *page.text, *page.code, *page.warning]
    elements += [*page.error, *page.info]
    tables = [str(table.value.to_dict("records")) for table in page.table]
    return "\n".join([str(each.value) for each in elements] + tables).replace("\\", "")


def click(page: AppTest, label: str) -> AppTest:
    """Press the one button of this label."""
    (button,) = [each for each in page.button if each.label == label]
    return button.click().run()
