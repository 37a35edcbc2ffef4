"""Cases whose scorers only measure, and cases whose scorers cannot say."""

from typing import Any

import pytest

from headway_evals.case_results import score_case
from headway_evals.models.requests import Completion
from headway_evals.suites import Case
from headway_measures.scorers import make_scorer
from headway_measures.scores import LikelihoodValue

LIKELIHOODS = (LikelihoodValue(-2.0, token_count=2, byte_count=5, is_greedy=True),)


@pytest.mark.parametrize(
    ("name", "options", "completion", "passed"),
    [
        ("latency", {}, Completion("a", latency_ms=3.0), True),
        ("latency", {"at_most": 2}, Completion("a", latency_ms=3.0), False),
        ("latency", {}, Completion("a"), False),
        ("latency", {}, Completion(None, error="no memory"), False),
        ("perplexity", {}, Completion("", likelihoods=LIKELIHOODS), True),
        ("perplexity", {"at_most": 2}, Completion("", likelihoods=LIKELIHOODS), False),
    ],
)
def test_a_measured_case_passes_unless_a_limit_or_a_fault_says_otherwise(
    name: str, options: dict[str, Any], completion: Completion, passed: bool
) -> None:
    case = Case("c", "x", scorers={name: make_scorer(name, options)})

    assert score_case(case, completion).passed is passed
