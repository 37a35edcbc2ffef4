"""Batches and bodies of our own with faults in them: no fault of ours, and the others land."""

import json
from random import Random
from typing import Any

import pytest

from tests.collector.fuzz.fuzzed import FuzzedCollector, budget_s, fuzzing
from tests.collector.fuzz.mutations import FOREIGN, VALUES, change_bytes, change_value, spell
from tests.collector.test_evaluations import COMPARISON, RESULTS, RUN

pytestmark = pytest.mark.timeout(300 + (budget_s() or 0))

ROUNDS = 60
BESIDE = 8
"""Bad lines between two good ones: a commit takes longer than the lines do."""

SHARE = 0.1
START_NS = 1_763_800_000_000_000_000
SPAN = {
    "type": "span",
    "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
    "span_id": "00f067aa0ba902b7",
    "name": "triage",
    "kind": "llm",
    "start_ns": START_NS,
    "end_ns": START_NS + 1000,
    "input": [{"role": "user", "parts": [{"type": "text", "content": "wo ist é?"}]}],
    "output": "delivery",
    "tags": ["beta"],
    "attributes": {"shop": {"region": ["eu", 1, 1.5, None]}},
    "params": {"temperature": 0.5},
    "input_tokens": 12,
    "cost_usd": 0.01,
}
SCORE = {
    "type": "score",
    "score_id": "s-1",
    "name": "helpful",
    "value": 0.5,
    "time_ns": START_NS,
    "span_id": "00f067aa0ba902b7",
}
PROMPT = {
    "type": "prompt",
    "name": "triage",
    "version": "v1",
    "template": "Sort {{message}}",
    "first_seen_ns": START_NS,
}
LOSS = {
    "type": "loss",
    "client_id": "c" * 32,
    "reason": "journal_full",
    "count": 7,
    "time_ns": START_NS,
    "host": "web-1",
    "pid": 4711,
}
RECORDS = (SPAN, SPAN, SCORE, PROMPT, LOSS)
SELECTION = {"filters": {"start": ["-7d"]}, "options": {"seed": 0, "permutations": 9}}
COHORTS = {
    "reference": {"prompt_version": ["v1"]},
    "current": {"prompt_version": ["v2"]},
    "filters": {"start": "-7d"},
    "score": "helpful",
}
BODIES: dict[str, Any] = {
    "/v1/scores": {"name": "helpful", "value": True, "span_id": "00f067aa0ba902b7"},
    "/v1/runs": {"run": RUN, "results": RESULTS},
    "/v1/comparisons": COMPARISON,
    "/v1/quality/cohorts": COHORTS,
    "/v1/drift/heatmap": SELECTION,
}


def test_a_line_with_faults_costs_no_line_beside_it(fuzzed: FuzzedCollector) -> None:
    with fuzzing(fuzzed, "ingest", SHARE) as run:
        for _ in run.rounds(ROUNDS):
            good = [
                json.dumps(
                    SPAN | {"span_id": f"{run.random.getrandbits(63) + 1:016x}", "name": "good"}
                ).encode()
                for _ in range(2)
            ]
            bad = [_change(run.random, run.random.choice(RECORDS)) for _ in range(BESIDE)]
            body = b"\n".join([good[0], *bad, good[1]])
            answer = run.send("/v1/ingest", body, {"Headway-Project": "lines"})
            said = json.loads(answer.body)

            assert answer.status == 200, f"HEADWAY_FUZZ_SEED={run.seed} {body!r}: {answer.body!r}"
            assert said["accepted"] >= 2, f"HEADWAY_FUZZ_SEED={run.seed} {body!r}: {answer.body!r}"


def test_batches_with_faults_anywhere_are_answered(fuzzed: FuzzedCollector) -> None:
    lines = b"\n".join(json.dumps(each).encode() for each in RECORDS)
    with fuzzing(fuzzed, "ingest-bytes", SHARE) as run:
        for _ in run.rounds(3 * ROUNDS):
            body = change_bytes(run.random, lines)
            run.send("/v1/ingest", body, {"Headway-Project": "loose"})

    assert run.tally.statuses.keys() <= {200, 400}


def test_bodies_with_faults_are_taken_or_refused_with_a_reason(fuzzed: FuzzedCollector) -> None:
    with fuzzing(fuzzed, "bodies", SHARE) as run:
        for _ in run.rounds(7 * ROUNDS):
            path = run.random.choice(list(BODIES))
            body = _change(run.random, BODIES[path])
            media_type = run.random.choice(("application/json", "application/json", "text/plain"))
            headers = {"Content-Type": media_type, "Headway-Project": "loose"}
            answer = run.send(path, body, headers)
            said = json.loads(answer.body)

            if answer.status >= 400:
                assert said.keys() == {"code", "message"}
                assert said["message"]

    assert run.tally.statuses.keys() <= {200, 202, 400, 404, 413, 415, 422, 429}
    assert run.tally.statuses[200] > 0


def _change(random: Random, record: dict[str, Any]) -> bytes:
    if random.random() < 0.3:
        return change_bytes(random, json.dumps(record).encode())
    return spell(change_value(random, record, VALUES + FOREIGN)).encode()
