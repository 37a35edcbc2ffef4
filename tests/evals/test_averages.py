"""What is said of all cases together: averages, and the scores that could not be given."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from headway_evals.averages import Report, averages_of, unanswered
from headway_evals.executions import execute
from headway_evals.models.requests import Completion, OnProgress, Request
from headway_evals.runs import Result, RunRecord, ScoreSummary, load_run
from headway_evals.suites import Case, Suite
from headway_measures.scorers import make_scorer
from headway_measures.scores import ScoreValue
from tests.evals.made_runs import record, result, results


class Priced:
    """A model whose answers cost what it is told, or nobody knows how much."""

    name, digest = "priced", "d"

    def __init__(self, costs: Sequence[float | None]) -> None:
        self.costs = costs
        self.settings: dict[str, Any] = {}

    def generate(self, requests: Sequence[Request], on_progress: OnProgress) -> list[Completion]:
        answers = [Completion("x", cost_usd=cost) for cost in self.costs]
        for index, answer in enumerate(answers):
            on_progress(index, answer)
        return answers


def priced(folder: Path, costs: Sequence[float | None]) -> RunRecord:
    scorers = {
        "cost": make_scorer("cost", {}),
        "json": make_scorer("json_schema", {"schema": {"type": "object"}}),
    }
    cases = tuple(Case(f"c{i}", "q", "x", scorers=scorers) for i in range(len(costs)))
    return execute(Suite("s", "v", cases), Priced(costs), folder)


def test_a_score_without_bounds_that_was_not_given_is_in_no_mean(tmp_path: Path) -> None:
    priced(tmp_path / "r", [0.25, None, 0.75, None])

    cost = load_run("r", tmp_path).run.scores["cost"]

    assert cost == ScoreSummary(0.5, 2, "down", None, failed_count=2)


def test_a_scorer_that_never_could_say_has_no_mean(tmp_path: Path) -> None:
    run = priced(tmp_path / "r", [None, None])

    assert load_run("r", tmp_path).run.scores["cost"] == ScoreSummary(None, 0, "down", None, 2)
    assert averages_of(Report((run,)))[1].told() == ["none"]
    assert unanswered(run)[0].startswith("priced: 2 cases could not be scored by cost; c0: ")


def test_a_score_with_bounds_that_could_not_be_given_counts_as_the_worst(tmp_path: Path) -> None:
    (tmp_path / "broken_scorers.py").write_text(
        "def score(output, input):\n    if input == 'q0':\n        raise ValueError('no')\n"
        "    return 1.0\n"
    )
    scorers = {"own": make_scorer("python", {"call": "broken_scorers:score"}, folder=tmp_path)}
    cases = tuple(Case(f"c{i}", f"q{i}", scorers=scorers) for i in range(4))

    run = execute(Suite("s", "v", cases), Priced([None] * 4), tmp_path / "r").run

    assert run.scores["own"] == ScoreSummary(0.75, 4, "up", 1.0, 1)


def test_averages_are_less_sure_where_cases_belong_together() -> None:
    apart = results([i % 10 > 2 for i in range(100)])
    together = [result(f"c{i:03}", i // 10 > 2, cluster=f"document-{i // 10}") for i in range(100)]

    def width(each: Sequence[Result]) -> list[float]:
        averages = averages_of(Report((record("m", each),)))
        intervals = [average.intervals[0] for average in averages]
        return [interval.upper - interval.lower for interval in intervals if interval is not None]

    assert [average.name for average in averages_of(Report((record("m", apart),)))] == [
        "all pass",
        "exact",
    ]
    assert all(b > 2 * a for a, b in zip(width(apart), width(together), strict=True))


def test_averages_of_other_scales_are_told_as_they_are() -> None:
    measured = [
        result(f"c{i}", True, scores={"latency": ScoreValue(100.0 + i, None)}) for i in range(9)
    ]
    failed = result("c9", True, scores={"latency": ScoreValue(1e9, False, error="no clock")})
    run = record("m", [*measured, failed], scores={"latency": ScoreSummary(0.0, 0, "down", None)})

    _, latency = averages_of(Report((run,)))

    assert latency.told()[0].startswith("104 (")
    assert unanswered(run) == ["m: 1 case could not be scored by latency; c9: no clock"]
