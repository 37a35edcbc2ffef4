"""Real logs with a known change: LLMDrift's four snapshots, imported, scored and judged.

The figures are those of the study's own data (Chen, Zaharia, Zou 2023, arXiv 2307.09009): the
share of right answers to "is N a prime number". Its rule reads an answer as yes where the word yes
stands anywhere in it, and else as no where no stands; the first of the two words would give GPT-3.5
0301 51.9 % instead of 49.6 %.
"""

import csv
import json
from pathlib import Path

import pytest
import yaml

from tests.e2e.processes import CollectorProcess, run_headway

MAPPING = [
    "input=query",
    "output=answer",
    "request_model=model",
    "latency_s=latency",
    "cost_usd=cost",
    "output_tokens=answer_token",
    "timestamp=timestamp",
]
YES_BEFORE_NO = r"(?s)\A(?:.*?\b(?=yes\b)|.*?\b)(yes|no)\b"
SNAPSHOTS = {
    "openaichat/gpt-4-0314": 84.0,
    "openaichat/gpt-4-0613": 51.1,
    "openaichat/gpt-3.5-turbo-0301": 49.6,
    "openaichat/gpt-3.5-turbo-0613": 76.2,
}


@pytest.mark.timeout(300)
def test_the_logs_import_whole_and_the_gate_finds_the_known_changes(
    collector: CollectorProcess, llmdrift_csv: Path, tmp_path: Path
) -> None:
    write_suite(llmdrift_csv, tmp_path / "primes.yaml")

    imported = import_logs(collector, llmdrift_csv, tmp_path)
    again = import_logs(collector, llmdrift_csv, tmp_path)
    counts = collector.api.get(
        "/v1/metrics", {"project": "llmdrift", "measure": "count", "by": "request_model"}
    )
    runs = {model: score_logged_answers(collector, model, tmp_path) for model in SNAPSHOTS}
    gpt4 = compare(runs, "openaichat/gpt-4-0314", "openaichat/gpt-4-0613", tmp_path)
    gpt35 = compare(
        runs, "openaichat/gpt-3.5-turbo-0301", "openaichat/gpt-3.5-turbo-0613", tmp_path
    )

    assert "4000 records stored" in imported
    assert "0 rows bad" in imported
    assert "0 records stored" in again
    assert "4000 there already" in again
    assert {row["request_model"]: row["count"] for row in counts["rows"]} == dict.fromkeys(
        SNAPSHOTS, 1000
    )
    assert {model: percent(run) for model, run in runs.items()} == SNAPSHOTS
    assert gpt4 == 1
    assert gpt35 == 0


def write_suite(logs: Path, suite: Path) -> None:
    """Write the thousand questions as a suite; each was put to all four snapshots."""
    with logs.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    questions = {row["query"]: row["ref_answer"] for row in rows}
    cases = [
        {"id": f"prime-{number:04d}", "input": question, "expected": answer}
        for number, (question, answer) in enumerate(questions.items())
    ]
    document = {
        "suite": "primes",
        "scorers": [{"regex": {"pattern": YES_BEFORE_NO, "group": 1, "ignore_case": True}}],
        "gate": {"margin": 0.05},
        "cases": cases,
    }
    suite.write_text(yaml.safe_dump(document), encoding="utf-8")


def import_logs(collector: CollectorProcess, logs: Path, folder: Path) -> str:
    arguments = [argument for each in MAPPING for argument in ("--map", each)]
    done = run_headway(
        *["import", str(logs), "--project", "llmdrift", "--kind", "llm", "--url", collector.url],
        *["--time-format", "%m/%d/%Y, %H:%M:%S", *arguments],
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def score_logged_answers(collector: CollectorProcess, model: str, folder: Path) -> Path:
    done = run_headway(
        *["eval", "run", "primes.yaml", "--model", f"log:project=llmdrift,request_model={model}"],
        *["--url", collector.url, "--out", f"runs/{model.rsplit('/')[-1]}"],
        cwd=folder,
    )
    assert done.returncode == 0, done.stderr
    (run,) = (folder / "runs" / model.rsplit("/")[-1]).glob("**/run.json")
    return run.parent


def percent(run: Path) -> float:
    return round(100 * float(json.loads((run / "run.json").read_text())["pass_rate"]), 1)


def compare(runs: dict[str, Path], baseline: str, candidate: str, folder: Path) -> int:
    done = run_headway("eval", "compare", str(runs[baseline]), str(runs[candidate]), cwd=folder)
    word = {0: "improved", 1: "regressed"}[done.returncode]
    assert word in (done.stdout + done.stderr).lower()
    return done.returncode
