"""Cases that are asked several times: what their answers come to, in gates and in reports."""

import pytest

from headway_evals.averages import Report, averages_of, repeats_advice
from headway_evals.comparisons import compare
from headway_evals.errors import ComparisonError
from headway_evals.repeated_cases import Estimate, by_case, read_estimate
from headway_evals.runs import RunRecord
from headway_evals.suites import Gate
from tests.evals.made_runs import record, result


def repeated(name: str, passes: list[list[bool]]) -> RunRecord:
    results = [
        result(f"c{i:03}" + (f"#{k + 1}" if k else ""), passed, input=f"in {i}", cluster=f"c{i:03}")
        for i, answers in enumerate(passes)
        for k, passed in enumerate(answers)
    ]
    return record(name, results, settings={"repeats": 3})


def test_the_answers_to_a_case_are_found_by_their_number() -> None:
    own = result("a#2", True, input="of another")
    results = [result("b#2", True, input="b"), result("b", True, input="b"), own]

    found = by_case([*results, result("a", True)])

    assert {case_id: len(answers) for case_id, answers in found.items()} == {
        "b": 2,
        "a#2": 1,
        "a": 1,
    }
    assert found["b"][0].case_id == "b"


def test_an_estimate_is_read_or_refused() -> None:
    assert read_estimate("mean") is None
    assert read_estimate("pass^3") == Estimate(3, is_all=True)
    assert str(read_estimate("pass@2")) == "pass@2"
    with pytest.raises(ValueError, match="has estimate 'pass3'; known: mean, pass"):
        read_estimate("pass3")


def test_a_gate_can_ask_that_every_answer_of_a_case_passes() -> None:
    steady = repeated("steady", [[True] * 3] * 60 + [[False] * 3] * 40)
    # As many answers pass, and never all three of a case.
    shaky = repeated("shaky", [[True, True, False]] * 90 + [[False] * 3] * 10)

    mean = compare(steady, shaky, Gate())
    always = compare(steady, shaky, Gate(estimate="pass^3"))
    once = compare(steady, shaky, Gate(estimate="pass@3"))

    assert mean.overall.difference == pytest.approx(0.0)
    assert (always.verdict, always.overall.n) == ("regressed", 100)
    assert always.overall.difference == pytest.approx(-0.6)
    assert once.verdict == "improved"
    assert "by pass^3, each case once" in always.overall.note
    assert {flip.case_id for flip in always.flips} == {f"c{i:03}" for i in range(60)}


def test_too_few_answers_for_an_estimate_are_told() -> None:
    run = repeated("a", [[True, False]] * 5)

    with pytest.raises(ComparisonError, match="no case has 3 answers from both"):
        compare(run, run, Gate(estimate="pass^3"))


def test_reports_show_both_chances_and_what_further_answers_are_worth() -> None:
    run = repeated("a", [[True] * 3] * 30 + [[False] * 3] * 10 + [[True, False, True]] * 10)

    told = {each.name: each.intervals[0] for each in averages_of(Report((run,)))}

    always, once = told["pass^3"], told["pass@3"]
    assert always is not None
    assert once is not None
    assert always.estimate == pytest.approx(0.6)
    assert once.estimate == pytest.approx(0.8)
    assert always.lower < 0.6 < always.upper < once.upper
    advice = repeats_advice(run)
    assert "more cases tell more than more repeats" in advice
    assert "150 answers are worth" in advice
