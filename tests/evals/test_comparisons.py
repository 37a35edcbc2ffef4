from collections.abc import Sequence
from dataclasses import replace
from io import StringIO

import msgspec
import pytest
from rich.console import Console

from headway_evals.averages import Report
from headway_evals.comparisons import compare
from headway_evals.errors import ComparisonError
from headway_evals.reports import write_report
from headway_evals.runs import Result
from headway_evals.suites import Gate
from headway_evals.wordings import one_line, verdict_sentence
from headway_measures.scores import ScoreValue
from headway_measures.verdicts import Margin
from tests.evals.made_runs import judged, record, result, results


def sliced(slices: dict[str, list[bool]]) -> list[Result]:
    return [
        result(f"{tag}-{i}", passed, ["everything", tag])
        for tag, passes in slices.items()
        for i, passed in enumerate(passes)
    ]


@pytest.mark.parametrize(
    ("old", "new", "verdict", "exit_code"),
    [
        ([True] * 100, [True] * 100, "passed", 0),
        ([False] * 30 + [True] * 70, [True] * 100, "improved", 0),
        ([True] * 100, [False] * 30 + [True] * 70, "regressed", 1),
        ([True] * 5, [True] * 5, "inconclusive", 3),
    ],
)
def test_the_verdict_decides_the_exit_code(
    old: list[bool], new: list[bool], verdict: str, exit_code: int
) -> None:
    comparison = judged(results(old), results(new))

    assert comparison.overall.verdict == comparison.verdict == verdict
    assert comparison.exit_code == exit_code


def test_a_comparison_has_the_shape_of_the_contract() -> None:
    old = results([True, True, False] * 10, ["kind:x"])
    new = [*results([True, False, True] * 10, ["kind:x"])[:-1], result("c029", True, [])]

    content = msgspec.to_builtins(judged(old, new))

    assert list(content) == [
        *("comparison_id", "suite", "suite_version", "baseline_run_id", "candidate_run_id"),
        *("baseline_model", "candidate_model", "created_at", "verdict", "exit_code", "margin"),
        *("alpha", "overall", "slices", "flips"),
    ]
    numbers = {"verdict", "n", "baseline", "candidate", "difference", "lower", "upper"}
    numbers |= {"flips_to_fail", "flips_to_pass", "needs_n", "note", "missing_n"}
    numbers |= {"minimum_detectable_effect", "direction", "scale", "margin", "margin_share"}
    assert set(content["overall"]) == numbers | {"gates", "must_pass", "warnings"}
    assert set(content["slices"][0]) == numbers | {"slice", "p_value", "q_value"}
    assert content["flips"][0] == {
        "case_id": "c001",
        "direction": "to_fail",
        "tags": ("kind:x",),
        "input": "in c001",
        "expected": "right",
        "baseline_output": "right",
        "candidate_output": "wrong",
    }
    assert (content["overall"]["flips_to_fail"], content["overall"]["flips_to_pass"]) == (10, 10)


def test_a_bad_slice_fails_a_gate_that_passes_overall() -> None:
    old = sliced({"kind:a": [True] * 200, "kind:b": [True] * 200, "kind:r": [True] * 20})
    new = sliced(
        {"kind:a": [True] * 200, "kind:b": [True] * 200, "kind:r": [False] * 12 + [True] * 8}
    )

    comparison = judged(old, new)

    assert comparison.overall.verdict == "passed"
    assert {each.slice: each.verdict for each in comparison.slices} == {
        "kind:a": "passed",
        "kind:b": "passed",
        "kind:r": "regressed",
    }
    assert (comparison.verdict, comparison.exit_code) == ("regressed", 1)
    assert verdict_sentence(comparison).startswith("REGRESSED in kind:r, although passed overall:")


def test_one_odd_slice_among_many_is_chance_and_not_a_regression() -> None:
    kinds = {f"kind:{i:02}": [True] * 20 for i in range(20)}
    odd = {**kinds, "kind:07": [False] * 5 + [True] * 15}

    alone = judged(results([True] * 20), results(odd["kind:07"]))
    comparison = judged(sliced(kinds), sliced(odd))
    slice_ = next(each for each in comparison.slices if each.slice == "kind:07")

    assert alone.verdict == "regressed"
    assert slice_.q_value is not None
    assert slice_.p_value is not None
    assert slice_.p_value < 0.05 < slice_.q_value
    assert slice_.verdict == "inconclusive"
    assert slice_.note.startswith("regressed if it stood alone")


def test_a_slice_of_too_few_cases_gets_no_verdict_and_weighs_on_no_other() -> None:
    old = sliced({"kind:a": [True] * 100, "rare": [True] * 6})
    new = sliced({"kind:a": [True] * 100, "rare": [False] * 6})

    rare = next(each for each in judged(old, new).slices if each.slice == "rare")
    judged_rare = next(
        each for each in judged(old, new, Gate(min_n=6)).slices if each.slice == "rare"
    )

    assert (rare.verdict, rare.q_value) == ("inconclusive", None)
    assert rare.note == "too few: 6 of at least 10 cases"
    assert judged_rare.verdict == "regressed"


def test_slices_can_be_left_out() -> None:
    old = sliced({"kind:a": [True] * 100, "kind:r": [True] * 20})
    new = sliced({"kind:a": [True] * 100, "kind:r": [False] * 12 + [True] * 8})

    assert judged(old, new, Gate(slices="none")).slices == ()


def test_a_hard_margin_needs_a_drop_beyond_it() -> None:
    old, new = results([True] * 100), results([False] * 8 + [True] * 92)

    assert judged(old, new).verdict == "regressed"
    assert judged(old, new, Gate(margin=Margin(0.05, is_hard=True))).verdict == "inconclusive"


def test_cases_are_paired_by_id_whatever_their_order() -> None:
    old = results([True] * 50 + [False] * 50)
    new = list(reversed(old))

    assert judged(old, new).flips == ()


def test_a_changed_suite_is_compared_on_the_cases_that_are_the_same() -> None:
    old = [*results([True] * 100), result("gone", True)]
    new = [*results([True] * 100), result("added", False)]
    new[0] = result("c000", False, input="another question")
    new[1] = result("c001", False, expected="another answer")

    comparison = compare(record("base", old, "v1"), record("new", new, "v2"), Gate())

    assert comparison.overall.n == 98
    assert comparison.flips == ()
    assert comparison.overall.note == (
        "the suite changed from v1 to v2: compared on the 98 cases that both have alike"
    )


def test_a_part_of_a_run_is_compared_and_said_to_be_a_part() -> None:
    comparison = judged(results([True] * 100), results([True] * 80))

    assert comparison.overall.n == 80
    assert comparison.overall.note == "80 cases in both runs, of 100 and 80"


def test_missing_cases_are_left_out_and_failed_ones_are_not() -> None:
    old = results([True] * 100)
    new = results([True] * 100)
    new[0] = result("c000", False, output=None, scores={}, error="missing: no logged call")
    new[1] = result("c001", False, output=None, scores={}, error="it broke")

    comparison = judged(old, new)

    assert comparison.overall.n == 99
    assert [flip.case_id for flip in comparison.flips] == ["c001"]
    assert comparison.overall.note == "left out: 1 case without a logged answer"


def test_runs_without_a_case_in_common_cannot_be_compared() -> None:
    old, new = results([True] * 3), [result("other", True)]

    with pytest.raises(ComparisonError, match="of 3 and 1 cases, 0 have the same id"):
        judged(old, new)


def test_runs_of_two_suites_are_not_compared_whatever_their_ids() -> None:
    new = record("new", results([True] * 100))
    old = replace(new, run=msgspec.structs.replace(new.run, suite="other", run_id="run-old"))

    with pytest.raises(ComparisonError, match="run-old is a run of the suite 'other' and not of"):
        compare(old, new, Gate())


def test_other_gates_of_the_baseline_are_said_not_to_judge() -> None:
    runs = [
        record(name, results([True] * 100), settings={"gates": [{"margin": margin}]})
        for name, margin in (("base", 0.1), ("new", 0.05), ("twin", 0.05))
    ]

    notes = [compare(each, runs[1], Gate()).overall.note for each in (runs[0], runs[2])]

    assert notes == ["by the gates of run-new; run-base has others", ""]


def test_a_gate_can_look_at_the_values_of_one_scorer() -> None:
    def valued(values: Sequence[float]) -> list[Result]:
        return [
            result(f"c{i:03}", True, scores={"f1": ScoreValue(value, value > 0.5)})
            for i, value in enumerate(values)
        ]

    old = valued([0.8 + 0.001 * (i % 7) for i in range(60)])
    new = valued([0.7 + 0.001 * (i % 5) for i in range(60)])

    comparison = judged(old, new, Gate(scorer="f1"))

    assert comparison.verdict == "regressed"
    assert comparison.overall.difference == pytest.approx(-0.101, abs=0.001)
    with pytest.raises(ComparisonError, match="by 'bleu'"):
        judged(old, new, Gate(scorer="bleu"))


def test_cases_of_one_cluster_do_not_make_a_verdict_by_themselves() -> None:
    def clustered(passes: Sequence[bool]) -> list[Result]:
        return [
            result(f"c{i:03}", passed, cluster=f"mail-{i // 25}") for i, passed in enumerate(passes)
        ]

    old, new = [True] * 100, [False] * 25 + [True] * 75

    assert judged(results(old), results(new)).verdict == "regressed"
    assert judged(clustered(old), clustered(new)).verdict == "inconclusive"


def test_the_same_question_has_the_same_id() -> None:
    old, new = results([True] * 10), results([True] * 10)

    assert judged(old, new).comparison_id == judged(old, new).comparison_id
    assert judged(old, new).comparison_id != judged(old, new, Gate(alpha=0.1)).comparison_id


def report(old: Sequence[Result], new: Sequence[Result]) -> str:
    text = StringIO()
    console = Console(file=text, width=160)
    write_report(console, Report((record("base", old), record("new", new)), judged(old, new)))
    return text.getvalue()


def test_a_report_begins_with_the_verdict_then_flips_slices_averages() -> None:
    old = sliced({"kind:a": [True] * 200, "kind:r": [True] * 20, "rare": [True] * 3})
    new = sliced({"kind:a": [True] * 200, "kind:r": [False] * 12 + [True] * 8, "rare": [True] * 3})

    text = report(old, new)
    places = [
        text.index(each)
        for each in ("REGRESSED overall and in kind:r", "12 passed before", "slice ")
    ]

    assert places == sorted(places)
    assert "new scores 94.6 % on 223 cases, base 100.0 %: −5.4 points" in text
    assert "kind:r-1" in text
    assert "and 2 more" in text
    assert "1 more slice with too few cases" in text
    assert "all pass  100.0 % (98.3 to 100.0)  94.6 % (90.8 to 96.9)" in text


def test_slices_that_pass_are_counted_and_those_to_look_at_shown() -> None:
    kinds = {f"kind:{i:02}": [True] * 200 for i in range(12)}
    old = sliced({**kinds, "kind:bad": [True] * 40})
    new = sliced({**kinds, "kind:bad": [False] * 20 + [True] * 20})

    text, green = report(old, new), report(sliced(kinds), sliced(kinds))

    assert "kind:bad " in text
    assert "kind:03" not in text
    assert "12 more slices passed" in text
    assert "\n12 slices passed\n" in green


def test_an_inconclusive_report_says_how_many_cases_would_tell() -> None:
    text = report(results([True] * 5), results([True] * 5))

    assert text.startswith("INCONCLUSIVE: new scores 100.0 % on 5 cases")
    assert "; about 150 cases would tell, 145 more; so many cases find" in " ".join(text.split())


def test_cases_without_an_answer_are_told_with_the_first_reason() -> None:
    broken = [
        result("a", False, output=None, scores={}, error="missing: no logged call"),
        result("b", False, output=None, scores={}, error="it broke"),
        result("c", True),
    ]
    text = StringIO()

    write_report(Console(file=text, width=160), Report((record("m", broken),)))

    assert "m passes 1 of 2 cases of s: 50.0 %" in text.getvalue()
    assert "m: 1 case without a logged answer, not counted" in text.getvalue()
    assert "m: 1 case failed without an answer; b: it broke" in text.getvalue()


@pytest.mark.parametrize(
    ("value", "line"),
    [
        ("two\nlines \x1b[31mred", r"two\nlines \x1b[31mred"),
        ({"a": "[bold]b"}, "{'a': '[bold]b'}"),
        (None, "(no output)"),
        ("x" * 500, "x" * 199 + "…"),
    ],
)
def test_an_answer_cannot_steer_the_terminal(value: object, line: str) -> None:
    assert one_line(value) == line
