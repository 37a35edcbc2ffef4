"""Every operation of the OpenAPI, sent what it allows and what it does not, keeps its promises.

Schemathesis makes the requests and checks the answers: no fault of ours, a documented status, the
documented content type, and a body of the documented shape.
"""

import json
from typing import Any
from urllib.request import urlopen

import pytest
import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.engine import Status, events, from_schema
from schemathesis.engine.recorder import ScenarioRecorder
from schemathesis.engine.run import PhaseName

from tests.collector.fuzz.fuzzed import FuzzedCollector, Tally, budget_s, fuzzing

pytestmark = pytest.mark.timeout(300 + (budget_s() or 0))

SHARE = 0.3
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "response_headers_conformance",
)
EXAMPLES = 6
"""Of chance, for each operation, beside those that the schema alone gives."""

WIDE = 20
"""Operations with more parameters share the filters of ``/v1/spans``."""


@schemathesis.serializer("application/x-ndjson", "application/vnd.apache.arrow.stream")
def write_lines(context: Any, value: Any) -> bytes:
    """Return what Schemathesis thought of as it stands."""
    return value if isinstance(value, bytes) else str(value).encode(errors="surrogatepass")


def test_every_operation_answers_as_the_openapi_says(fuzzed: FuzzedCollector) -> None:
    with urlopen(f"{fuzzed.url}/openapi.json") as response:
        said = json.load(response)
    faults: dict[str, str] = {}
    asked: set[str] = set()

    with fuzzing(fuzzed, "openapi", SHARE) as run:
        for _ in run.rounds(1):
            config = SchemathesisConfig.from_dict(_configure(said, run.random.getrandbits(32)))
            if run.left_s is not None:
                config.max_time = int(run.left_s) + 1
            schema = schemathesis.openapi.from_url(f"{fuzzed.url}/openapi.json", config=config)
            for event in from_schema(schema).execute():
                if isinstance(event, events.ScenarioFinished):
                    if event.phase is PhaseName.FUZZING and run.tally.warm_bytes == 0:
                        run.tally.warm_bytes = fuzzed.rss_bytes  # all has been asked for by then
                    asked.add(str(event.label))
                    _count(event.recorder, run.tally)
                    faults |= _find_faults(str(event.label), event.recorder)
                elif isinstance(event, events.NonFatalError):
                    faults[event.label] = repr(event.value)
                assert not isinstance(event, events.FatalError), event
            assert faults == {}, f"HEADWAY_FUZZ_SEED={run.seed}"

    assert asked >= {
        f"{method.upper()} {path}"
        for path, operations in said["paths"].items()
        for method in operations
    }


def _configure(schema: dict[str, Any], seed: int) -> dict[str, Any]:
    """Return how Schemathesis goes about it: all of its phases where there is time for them."""
    is_long = budget_s() is not None
    spared = [
        {"include-path": path, "phases": {"coverage": {"enabled": False}}}
        for path, operations in schema["paths"].items()
        if not is_long and path != "/v1/spans" and _is_wide(operations)
    ]
    return {
        "seed": seed,
        "checks": {"enabled": False} | {name: {"enabled": True} for name in CHECKS},
        "generation": {
            "max-examples": 10 * EXAMPLES if is_long else EXAMPLES,
            "no-shrink": True,
            "database": "none",
        },
        "phases": {"stateful": {"enabled": is_long}},
        "operations": spared,
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
