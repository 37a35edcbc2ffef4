"""Perplexities in reports and gates: means are geometric, margins are ratios."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from headway_evals.averages import Report, averages_of
from headway_evals.comparisons import compare
from headway_evals.errors import ComparisonError, SuiteError
from headway_evals.executions import execute
from headway_evals.margins import with_margin
from headway_evals.models.requests import Completion, OnProgress, Request
from headway_evals.outcomes import Comparison
from headway_evals.runs import RunRecord, ScoreSummary
from headway_evals.suite_files import load_suite
from headway_evals.suites import Gate
from headway_evals.wordings import verdict_sentence
from headway_measures.scores import LikelihoodValue, ScoreValue
from headway_measures.verdicts import Margin
from tests.evals.made_runs import record, result

SUMMARY = {"perplexity": ScoreSummary(0.0, 0, "down", None, average="geometric")}
TENTH = Gate("perplexity", Margin(0.1), is_relative=True)


def run(name: str, values: Sequence[float]) -> RunRecord:
    results = [
        result(f"c{i:03}", True, scores={"perplexity": ScoreValue(value, None)})
        for i, value in enumerate(values)
    ]
    return record(name, results, scores=SUMMARY)


def judged(old: Sequence[float], new: Sequence[float], gate: Gate = TENTH) -> Comparison:
    return compare(run("base", old), run("new", new), gate)


def told(values: Sequence[float]) -> str:
    return averages_of(Report((run("m", values),)))[1].told()[0]


class Silent:
    """A model that finds each text as likely as it is told."""

    name, digest = "silent", "d"

    def __init__(self, logprobs: Sequence[float]) -> None:
        self.logprobs = logprobs
        self.settings: dict[str, object] = {}

    def generate(self, requests: Sequence[Request], on_progress: OnProgress) -> list[Completion]:
        answers = [
            Completion("", likelihoods=(LikelihoodValue(each, 1, 1, False),))
            for each in self.logprobs
        ]
        for index, answer in enumerate(answers):
            on_progress(index, answer)
        return answers


@pytest.fixture
def suite_file(tmp_path: Path) -> Path:
    path = tmp_path / "s.yaml"
    path.write_text(
        "{suite: s, ask: perplexity, scorers: [perplexity], gate: {scorer: perplexity, "
        "margin: 10%}, cases: [{id: a, input: x}, {id: b, input: y}, {id: c, input: z}]}"
    )
    return path


def test_a_run_remembers_the_geometric_mean(tmp_path: Path, suite_file: Path) -> None:
    made = execute(load_suite(suite_file), Silent([-1.0, -2.0, -6.0]), tmp_path / "r").run

    assert made.scores["perplexity"].mean == pytest.approx(2.718281828**3)
    assert made.scores["perplexity"].average == "geometric"


def test_a_text_that_is_likelier_than_certain_by_rounding_has_perplexity_one(
    tmp_path: Path, suite_file: Path
) -> None:
    made = execute(load_suite(suite_file), Silent([1e-7, -0.0, -1.0]), tmp_path / "r")

    assert [each.scores["perplexity"].value for each in made.results][:2] == [1.0, 1.0]


def test_an_average_is_geometric_and_its_interval_possible() -> None:
    lines = averages_of(Report((run("m", [2.0, 8.0, 1e6, 3.0]),)))

    assert lines[1].name == "perplexity, geometric mean"
    assert lines[1].told()[0].startswith("83.24 (1 to ")


@pytest.mark.parametrize("values", [[27.95], [27.95, 27.95]])
def test_an_average_of_one_value_has_no_interval(values: list[float]) -> None:
    assert told(values) == "27.95 (–)"


def test_times_and_prices_are_never_below_nothing() -> None:
    scores = {"latency": ScoreSummary(0.0, 0, "down", None)}
    times = [
        result(f"c{i}", True, scores={"latency": ScoreValue(each, None)})
        for i, each in enumerate([1.0, 2.0, 900.0])
    ]

    _, latency = averages_of(Report((record("m", times, scores=scores),)))

    assert latency.told()[0].startswith("301 (0 to ")


def test_a_margin_is_a_bound_of_the_ratio_and_is_told_as_such() -> None:
    old = [10.0 * 1.5 ** (i % 9) for i in range(60)]

    worse, much_worse = (
        judged(old, [each * factor * (1 + i % 3 / 100) for i, each in enumerate(old)])
        for factor in (1.04, 1.2)
    )

    assert (worse.verdict, much_worse.verdict) == ("passed", "regressed")
    assert "10 % of the baseline's" in verdict_sentence(worse)
    assert "the means are geometric" in verdict_sentence(worse)
    assert worse.margin == pytest.approx(worse.overall.baseline / 10)


def test_a_margin_in_the_scores_own_unit_is_refused_wherever_it_is_given(
    suite_file: Path,
) -> None:
    suite = load_suite(suite_file)
    text = suite_file.read_text()

    suite_file.write_text(text.replace("10%", "0.5"))
    with pytest.raises(SuiteError, match=r"has margin 0\.5, and is compared by ratio: give"):
        load_suite(suite_file)
    suite_file.write_text(text.replace("margin: 10%", "min_n: 3"))
    with pytest.raises(SuiteError, match="no usual one: give it as a part") as caught:
        load_suite(suite_file)
    assert len(str(caught.value).splitlines()) == 1
    with pytest.raises(ComparisonError, match="--margin: gate 'perplexity' has margin '2', and is"):
        with_margin(suite.gates, "2", suite.scale, suite.average)
    with pytest.raises(ComparisonError, match="a margin of its own unit, and is compared by"):
        judged([2.0, 3.0], [2.0, 3.0], Gate("perplexity", Margin(0.5)))
