"""A fine-tuned model under test, as its team would write it: an item a case, one for the verdict.

pytest examples/test_triage_suite.py                 600 cases, two models, one verdict
pytest examples/test_triage_suite.py -n 2            the same: models are asked once for all workers
pytest examples/test_triage_suite.py -k refund       the refunds alone: no verdict, plain failures
pytest examples/test_triage_suite.py --lf            what failed the last time
"""

from pathlib import Path

import pytest

import headway_evals.demo
from headway_evals.runs import Result
from headway_evals.suites import Case

SUITE = Path(headway_evals.demo.__file__).parent / "suites" / "triage.yaml"


@pytest.mark.suite(SUITE, model="hf:triage-base+triage-v2", baseline="hf:triage-base")
def test_triage(case: Case, result: Result) -> None:
    """The suite's scorers judge each answer; what else must hold stands here."""
    assert case.input not in str(result.output), "the customer's message leaks into the record"
