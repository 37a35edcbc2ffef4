"""LLMDrift (Chen, Zaharia, Zou 2023): the same 1,000 prompts to two snapshots of two models.

Its figures come from this rule: an answer says yes where the word stands anywhere in it, however
bracketed or cased, and no where only that stands. Taking the first of the two words instead
gives GPT-3.5's March snapshot 51.9 %: 121 of its answers say both.
"""

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from headway_evals.comparisons import compare
from headway_evals.executions import execute
from headway_evals.models.specs import ModelOptions, make_model
from headway_evals.runs import RunRecord
from headway_evals.suite_files import load_suite

SUITE = r"""
suite: primes
scorers:
  - regex: {pattern: '(?s)\A(?:.*?\b(?=yes\b)|.*?\b)(yes|no)\b', group: 1, ignore_case: true}
cases: primes.jsonl
"""
Row = dict[str, str]


@pytest.fixture(scope="module")
def rows(llmdrift_csv: Path) -> list[Row]:
    with llmdrift_csv.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def spans(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return the rows as the collector answers with them, the latest first."""
    return [
        {
            "span_id": f"{number:016x}",
            "trace_id": f"{number:032x}",
            "input": row["query"],
            "output": row["answer"],
            "request_model": row["model"],
            "duration_ms": float(row["latency"]) * 1000,
            "output_tokens": int(row["answer_token"]),
        }
        for number, row in reversed(list(enumerate(rows)))
    ]


def run(rows: Sequence[Row], collector: Any, folder: Path, model: str) -> RunRecord:
    cases = {row["query"]: row["ref_answer"] for row in rows}
    (folder / "primes.jsonl").write_text(
        "\n".join(
            json.dumps({"id": f"p{number:04}", "input": query, "expected": expected})
            for number, (query, expected) in enumerate(cases.items())
        )
    )
    (folder / "primes.yaml").write_text(SUITE)
    collector.spans, collector.page_size = spans(rows), 500
    logged = make_model(f"log:request_model=openaichat/{model}", ModelOptions(url=collector.url))
    return execute(load_suite(folder / "primes.yaml"), logged, folder / model)


@pytest.mark.parametrize(
    ("before", "after", "old_rate", "new_rate", "verdict"),
    [
        ("gpt-4-0314", "gpt-4-0613", 0.840, 0.511, "regressed"),
        ("gpt-3.5-turbo-0301", "gpt-3.5-turbo-0613", 0.496, 0.762, "improved"),
    ],
)
def test_the_published_drift_is_found_in_the_logged_answers(
    rows: list[Row],
    collector: Any,
    tmp_path: Path,
    before: str,
    after: str,
    old_rate: float,
    new_rate: float,
    verdict: str,
) -> None:
    old = run(rows, collector, tmp_path, before)
    new = run(rows, collector, tmp_path, after)

    comparison = compare(old, new, load_suite(tmp_path / "primes.yaml").gate)

    assert (old.run.case_count, new.run.case_count) == (1000, 1000)
    assert (old.run.pass_rate, new.run.pass_rate) == (old_rate, new_rate)
    assert comparison.verdict == verdict
