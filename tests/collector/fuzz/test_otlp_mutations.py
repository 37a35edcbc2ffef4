"""OTLP exports with faults in them: no fault of ours, an answer in time, and the others land."""

import json
from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from tests.collector.dialects.examples import FOLDER, NAMES
from tests.collector.fuzz.fuzzed import FuzzedCollector, budget_s, fuzzing
from tests.collector.fuzz.mutations import (
    FOREIGN,
    VALUES,
    change_bytes,
    change_message,
    change_value,
    spell,
    write_field,
)
from tests.collector.otlp_requests import (
    JSON,
    PROTOBUF,
    START_NS,
    as_json,
    export_logs,
    export_points,
    export_spans,
    make_log,
    make_span,
)

pytestmark = pytest.mark.timeout(300 + (budget_s() or 0))

ROUNDS = 60
BESIDE = 6
"""Bad spans between two good ones: a commit takes longer than the spans do."""

SHARE = 0.1
ATTRIBUTES = {
    "gen_ai.request.model": "support-7b",
    "gen_ai.usage.input_tokens": 12,
    "gen_ai.request.temperature": 0.5,
    "gen_ai.input.messages": '[{"role":"user","parts":[{"type":"text","content":"where?"}]}]',
    "gen_ai.response.finish_reasons": ["stop", "length"],
    "tree": {"a": [1, {"b": b"\x00\xff"}]},
    "nothing": None,
}
_WHOLES: dict[str, Any] = {
    "/v1/traces": export_spans(make_span(1, ATTRIBUTES), make_span(2, ATTRIBUTES)),
    "/v1/logs": export_logs(make_log(1), make_log(2, event_name="gen_ai.choice")),
    "/v1/metrics": export_points(3),
}
_PREFIXES = (b"", b"\xef\xbb\xbf", b"\xff\xfe", b"\0", b" ", b"\x1e")
_ENCODINGS = ("utf-8", "utf-16", "utf-32-be", "utf-7")
_FIXTURES = [json.loads((FOLDER / f"{name}.json").read_text()) for name in NAMES]
_SPANS = [
    span
    for said in _FIXTURES
    for span in said["traces"]["resourceSpans"][0]["scopeSpans"][0]["spans"]
]


def make_pair(random: Random) -> tuple[list[Any], list[str]]:
    """Return two good spans with ids of their own, and those as hex."""
    spans = [
        make_span(1, trace_id=random.randbytes(16), span_id=random.randbytes(8), name="good")
        for _ in range(2)
    ]
    return spans, [each.span_id.hex() for each in spans]


def find_good(collector: FuzzedCollector, project: str) -> set[str]:
    """Return the ids of the good spans of a project."""
    found: set[str] = set()
    path = f"/v1/spans?name=good&content=none&limit=1000&project={project}"
    page: Any = collector.read(path)
    while True:
        found |= {each["span_id"] for each in page["spans"]}
        if page["next_cursor"] is None:
            return found
        page = collector.read(f"{path}&cursor={page['next_cursor']}")


def check_lands(
    fuzzed: FuzzedCollector,
    name: str,
    media_type: str,
    make: Callable[[Random, list[Any]], bytes],
) -> None:
    """Send good spans beside a bad one, again and again, and look for all of the good ones."""
    expected: set[str] = set()
    with fuzzing(fuzzed, name, SHARE) as run:
        for _ in run.rounds(ROUNDS):
            spans, ids = make_pair(run.random)
            body = make(run.random, spans)
            headers = {"Content-Type": media_type, "Headway-Project": name}
            answer = run.send("/v1/traces", body, headers)
            assert answer.status == 200, f"HEADWAY_FUZZ_SEED={run.seed} {body!r}: {answer.body!r}"
            expected.update(ids)

        assert expected
        assert expected - find_good(fuzzed, name) == set()


def test_a_message_changed_in_protobuf_costs_no_span_beside_it(fuzzed: FuzzedCollector) -> None:
    bad = make_span(3, ATTRIBUTES, parent_span_id=b"p" * 8, trace_state="a=b")
    bad.events.add(name="said", time_unix_nano=START_NS).attributes.extend(bad.attributes[:2])
    bad.links.add(trace_id=b"t" * 16, span_id=b"s" * 8)

    def make(random: Random, spans: list[Any]) -> bytes:
        changed = [change_message(random, bad.SerializeToString()) for _ in range(BESIDE)]
        first, last = (each.SerializeToString() for each in spans)
        part = b"".join(write_field(2, each) for each in (first, *changed, last))
        return write_field(1, write_field(2, part))

    check_lands(fuzzed, "protobuf-span", PROTOBUF, make)


def test_a_value_changed_in_json_costs_no_span_beside_it(fuzzed: FuzzedCollector) -> None:
    def make(random: Random, spans: list[Any]) -> bytes:
        changed = [spell(change_value(random, random.choice(_SPANS))) for _ in range(BESIDE)]
        first, last = map(json.dumps, _list_spans(json.loads(as_json(export_spans(*spans)))))
        listed = ",".join([first, *changed, last])
        return f'{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{listed}]}}]}}]}}'.encode()

    check_lands(fuzzed, "json-span", JSON, make)


def _list_spans(request: dict[str, Any]) -> list[Any]:
    return [
        span
        for group in request["resourceSpans"]
        for part in group["scopeSpans"]
        for span in part["spans"]
    ]


@pytest.mark.parametrize("media_type", [PROTOBUF, JSON])
def test_requests_with_faults_anywhere_are_answered_and_keep_no_memory(
    fuzzed: FuzzedCollector, media_type: str
) -> None:
    make = _change_json if media_type == JSON else _change_protobuf
    with fuzzing(fuzzed, f"{make.__name__[8:]}-bytes", SHARE) as run:
        for _ in run.rounds(8 * ROUNDS):
            path = run.random.choice(list(_WHOLES))
            body = make(run.random, path)
            run.send(path, body, {"Content-Type": media_type, "Headway-Project": "loose"})

    # Not all is refused, and not all is taken.
    assert run.tally.statuses[200] > 0
    assert run.tally.statuses[400] > 0


def _change_protobuf(random: Random, path: str) -> bytes:
    change = random.choice((change_bytes, change_message))
    return change(random, _WHOLES[path].SerializeToString())


def _change_json(random: Random, path: str) -> bytes:
    said = random.choice(_FIXTURES)
    part = said.get(path.rpartition("/")[2]) or json.loads(as_json(_WHOLES[path]))
    match random.randrange(4):
        case 0:
            return change_bytes(random, json.dumps(part).encode())
        case 1:
            return random.choice(_PREFIXES) + json.dumps(part).encode(random.choice(_ENCODINGS))
        case _:
            return spell(change_value(random, part, VALUES + FOREIGN)).encode()
