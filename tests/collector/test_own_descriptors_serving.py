"""The user's own functions, from headway.toml to a measure and to the finding of a drift card."""

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from headway.apis import ApiClient
from headway_collector.times import format_time
from tests.collector.test_serving import run_serve

Serve = Callable[..., Any]

NOW_NS = 1_763_800_000_000_000_000
DEADLINE_S = 60.0
_HOUR_NS = 3_600 * 10**9
TONES = """
def tone(prompt, answer):
    print("a line that nobody asked for")
    return 0.9 if "sunny" in answer else 0.1

def mood(prompt, answer):
    return "warm" if "sunny" in answer else "cold"

def is_sunny(prompt, answer):
    return "sunny" in answer

def fails(prompt, answer):
    raise KeyError(prompt)
"""
SETTINGS = """
[descriptors.own]
tone = "tones:tone"
mood = {function = "tones:mood", version = 1}
is_sunny = "tones:is_sunny"
fails = "tones:fails"

[descriptors.model.costly]
function = "tones:tone"
sample = 0.5
"""


def make_call(number: int) -> bytes:
    start_ns = NOW_NS - number * _HOUR_NS
    word = "rainy" if number <= 120 else "sunny"
    return json.dumps(
        {
            "type": "span",
            "trace_id": f"{number:032x}",
            "span_id": f"{number:016x}",
            "name": "triage",
            "kind": "llm",
            "start_ns": start_ns,
            "end_ns": start_ns + 10**9,
            "request_model": "old" if number > 120 else "new",
            "input": {"message": f"How is day {number}?"},
            "output": f"It is {word}.",
        }
    ).encode()


def wait_for(what: Callable[[], Any]) -> Any:
    pause = threading.Event()
    for _ in range(int(DEADLINE_S / 0.05)):
        if found := what():
            return found
        pause.wait(0.05)
    raise AssertionError("it took too long")


def find_described(client: ApiClient) -> Any:
    told = client.get("/v1/descriptors")
    return None if told["due"] else told


def has_ended(process: Path) -> bool:
    """Return whether a process is gone, or only waits to be noticed by who started it."""
    try:
        return "State:\tZ" in (process / "status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True


def write_settings(folder: Path, settings: str = SETTINGS, tones: str = TONES) -> None:
    (folder / "tones.py").write_text(tones)
    (folder / "headway.toml").write_text(settings)


def test_an_own_function_is_measured_grouped_and_found_to_drift(
    serve: Serve, tmp_path: Path
) -> None:
    write_settings(tmp_path)
    client = ApiClient(serve(tmp_path / "a.duckdb").url)
    client.ingest([make_call(number) for number in range(1, 241)], project="shop", batch_id="b")
    told = wait_for(lambda: find_described(client))

    names = "descriptor:own:tone&measure=descriptor:own:is_sunny&measure=descriptor:own:mood"
    rows = client.get(f"/v1/metrics?measure={names}&by=request_model")["rows"]
    by_mood = client.get("/v1/metrics?measure=count&by=descriptor:own:mood")["rows"]
    then, edge, now = (format_time(NOW_NS - hours * _HOUR_NS - 1) for hours in (1000, 120, 0))
    metrics = ["own:tone", "own:mood", "own:is_sunny", "own:fails"]
    asked = client.post(
        "/v1/drift",
        {
            "reference": {"start": then, "end": edge},
            "current": {"start": edge, "end": now},
            "filters": {"project": ["shop"]},
            "options": {"metrics": metrics},
        },
    )
    wait_for(lambda: client.get(f"/v1/jobs/{asked['job_id']}")["state"] in ("done", "failed"))
    card = client.get(f"/v1/drift/{asked['card_id']}")

    assert {row["request_model"]: row["descriptor:own:tone"] for row in rows} == {
        "old": pytest.approx(0.9),
        "new": pytest.approx(0.1),
    }
    assert [row["descriptor:own:is_sunny"] for row in rows] == [1.0, 0.0]
    assert {row["descriptor:own:mood"] for row in rows} == {None}
    assert {row["descriptor:own:mood"]: row["count"] for row in by_mood} == {
        "warm": 120,
        "cold": 120,
    }
    assert card["verdict"] == "drift"
    found = {each["evidence"]["metric"]: each["evidence"] for each in card["findings"]}
    assert {name: found[name]["kind"] for name in metrics[:3]} == {
        "own:tone": "number",
        "own:mood": "category",
        "own:is_sunny": "rate",
    }
    own = {each["name"]: each for each in told["own"]}
    assert (own["tone"]["calls"], own["tone"]["faults"]) == (240, 0)
    assert (own["fails"]["faults"], own["fails"]["left_out"]) == (240, 0)
    assert own["fails"]["last_fault"].startswith("KeyError: 'How is day ")
    assert 80 < own["costly"]["calls"] < 160


def test_a_collector_without_a_function_that_is_named_does_not_start(tmp_path: Path) -> None:
    write_settings(tmp_path, '[descriptors.own]\ntone = "tones:nothing"\n')
    done = run_serve("--db", tmp_path / "a.duckdb", "--port", "0", cwd=tmp_path)

    assert done.returncode == 2
    assert done.stderr == (
        "headway: the descriptor 'tone' cannot be imported from 'tones:nothing': the module "
        "'tones' has no 'nothing'; correct descriptors.own.tone in headway.toml (modules are "
        f"looked for in {tmp_path} first), or take it out\n"
    )


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGKILL, -9)])
def test_a_collector_takes_a_function_that_hangs_with_it(
    serve: Serve, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    tones = "import os, pathlib, time\ndef tone(prompt, answer):\n"
    tones += "    os.symlink(f'/proc/{os.getpid()}', 'asked')\n    time.sleep(600)\n"
    settings = '[descriptors.own]\ntone = {function = "tones:tone", timeout_s = 600}\n'
    write_settings(tmp_path, settings, tones)
    served = serve(tmp_path / "a.duckdb")
    ApiClient(served.url).ingest([make_call(1)], project="shop", batch_id="b")
    wait_for((tmp_path / "asked").exists)

    assert served.stop(number) == code
    assert wait_for(lambda: has_ended(tmp_path / "asked"))


# What a function's process imports before the function's own module.
IMPORTING = """
import sys
import headway_collector.own_calls
print([name for name in ("polars", "duckdb", "pyarrow", "fastapi") if name in sys.modules])
"""


def test_the_process_of_a_function_imports_little() -> None:
    done = subprocess.run(
        [sys.executable, "-c", IMPORTING], capture_output=True, text=True, check=True, timeout=60
    )

    assert done.stdout == "[]\n"
