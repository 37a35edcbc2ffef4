"""Every operation of the OpenAPI, sent what it allows and what it does not, keeps its promises.

Schemathesis makes the requests and checks the answers: no fault of ours, a documented status, the
documented content type, and a body of the documented shape.
"""

import json
import time
from typing import Any
from urllib.request import urlopen

import pytest
import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import Status, events, from_schema
from schemathesis.engine.recorder import ScenarioRecorder

from tests.collector.fuzz.fuzzed import ANSWER_S, FuzzedCollector, Fuzzing, Tally, budget_s, fuzzing

pytestmark = pytest.mark.timeout(300 + (budget_s() or 0))

SHARE = 0.3
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "response_headers_conformance",
)
EXAMPLES = 4
"""Of chance, for each operation, beside those that the schema alone gives."""

REVOKE = "DELETE /v1/keys/{key_id}"
_OFF = {"enabled": False}

WIDE = 8
"""Operations with more parameters share the filters of ``/v1/spans``."""


@schemathesis.serializer("application/x-ndjson", "application/vnd.apache.arrow.stream")
def write_lines(context: Any, value: Any) -> bytes:
    """Return what Schemathesis thought of as it stands."""
    return value if isinstance(value, bytes) else str(value).encode(errors="surrogatepass")


def test_every_operation_answers_as_the_openapi_says(fuzzed: FuzzedCollector) -> None:
    schema = _load(fuzzed)
    fuzzed.key = fuzzed.make_key("admin")  # or the first key that is made by chance shuts us out

    with fuzzing(fuzzed, "openapi", SHARE) as run:
        for _ in run.rounds(1):
            asked = _execute(run, schema, _configure(schema, run, budget_s()), fuzzed.key)

    # Who gives little time on a busy machine does not come through all of them.
    is_cut = run.left_s is not None and run.left_s <= 0
    assert asked == _list_operations(schema) or is_cut
    assert run.tally.statuses[401] == run.tally.statuses[403] == 0


@pytest.mark.parametrize("scopes", [(), ("ingest",), ("read",)], ids="+".join)
def test_whoever_may_not_ask_is_told_so_as_the_openapi_says(
    fuzzed: FuzzedCollector, scopes: tuple[str, ...]
) -> None:
    schema = _load(fuzzed)
    if fuzzed.key is None:
        fuzzed.key = fuzzed.make_key("admin")
    key = fuzzed.make_key(*scopes) if scopes else None

    with fuzzing(fuzzed, f"openapi-{'+'.join(scopes) or 'nobody'}", 0) as run:
        configuration = _configure(schema, run, None)
        configuration["phases"]["coverage"] = _OFF
        configuration["generation"]["max-examples"] = 1
        asked = _execute(run, schema, configuration, key)

    assert asked == _list_operations(schema)
    assert run.tally.statuses[403 if scopes else 401] > 0
    assert (run.tally.statuses[401] == 0) == bool(scopes)


def _load(fuzzed: FuzzedCollector) -> dict[str, Any]:
    with urlopen(f"{fuzzed.url}/openapi.json") as response:
        said: dict[str, Any] = json.load(response)
    return said


def _list_operations(schema: dict[str, Any]) -> set[str]:
    return {
        f"{method.upper()} {path}"
        for path, operations in schema["paths"].items()
        for method in operations
    }


def _execute(
    run: Fuzzing, schema: dict[str, Any], configuration: dict[str, Any], key: str | None
) -> set[str]:
    """Have Schemathesis ask, fail where a promise is broken, and return what was asked."""
    if key is not None:
        configuration["headers"] = {"Authorization": f"Bearer {key}"}
    config = SchemathesisConfig.from_dict(configuration)
    if run.left_s is not None and run.left_s > 0:
        config.max_time = int(run.left_s) + 1
    loaded = schemathesis.openapi.from_url(f"{run.collector.url}/openapi.json", config=config)
    faults: dict[str, str] = {}
    asked: set[str] = set()
    began_s, whole_s = time.monotonic(), run.left_s
    for event in from_schema(loaded).execute():
        if isinstance(event, events.ScenarioFinished):
            asked.add(str(event.label))
            if whole_s is not None and whole_s > 0:
                run.look(min(1.0, (time.monotonic() - began_s) / whole_s))
            _count(event.recorder, run.tally)
            faults |= _find_faults(str(event.label), event.recorder)
        elif isinstance(event, events.NonFatalError):
            faults[event.label] = repr(event.value)
        assert not isinstance(event, events.FatalError), event
    assert faults == {}, f"HEADWAY_FUZZ_SEED={run.seed} " + "\n".join(
        f"{label}: {said}" for label, said in faults.items()
    )
    return asked & _list_operations(schema)


def _configure(schema: dict[str, Any], run: Fuzzing, time_s: float | None) -> dict[str, Any]:
    """Return how Schemathesis goes about it: all of its phases where there is time for them."""
    is_long = time_s is not None
    spared = [
        {"include-path": path, "phases": {"coverage": _OFF}}
        for path, operations in schema["paths"].items()
        if not is_long and path != "/v1/spans" and _is_wide(operations)
    ]
    return {
        "seed": run.random.getrandbits(32),
        "checks": _OFF | {name: {"enabled": True} for name in CHECKS},
        "generation": {
            "max-examples": 15 * EXAMPLES if is_long else EXAMPLES,
            "no-shrink": True,
            "database": "none",
        },
        "phases": {"stateful": {"enabled": is_long}},
        # Its own ten seconds are too few on a busy machine for who asks first for statistics.
        "request-timeout": ANSWER_S,
        # It would revoke the key that it comes with.
        "operations": [*spared, {"include-name": REVOKE, "phases": {"stateful": _OFF}}],
    }


def _is_wide(operations: dict[str, Any]) -> bool:
    return any(
        len(operation.get("parameters", ())) > WIDE or "Cohorts" in str(operation)
        for operation in operations.values()
    )


def _count(recorder: ScenarioRecorder, tally: Tally) -> None:
    for interaction in recorder.interactions.values():
        if interaction.response is not None:
            tally.add(interaction.response.status_code, interaction.response.elapsed)


def _find_faults(label: str, recorder: ScenarioRecorder) -> dict[str, str]:
    """Return what broke its promise, by operation and check, with a command that shows it."""
    return {
        f"{label}: {check.name}: {check.failure_info.failure.title}": (
            f"{check.failure_info.failure.message}\n{check.failure_info.code_sample}"
        )
        for checks in recorder.checks.values()
        for check in checks
        if check.status == Status.FAILURE and check.failure_info is not None
    }
