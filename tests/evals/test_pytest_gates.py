"""Cases and gate agree: the build is red exactly when the gate, or a test's own assertion, is."""

from typing import Any

import pytest

from headway_evals.executions import execute
from headway_evals.models.functions import Function
from headway_evals.suite_files import load_suite
from tests.evals.suite_projects import BOTH, CASES, COUNT, PLACE, SUITE, TEST, Project, lines_with

EVEN, ODD = CASES[::2], CASES[1::2]


def test_a_candidate_as_good_as_the_baseline_passes(pytester: pytest.Pytester) -> None:
    result = Project(pytester).run()

    assert result.ret == pytest.ExitCode.OK
    result.assert_outcomes(passed=COUNT + 1)
    result.stdout.fnmatch_lines(
        [
            "*= headway suites =*",
            "test_it.py::test_letters?gate?: passed: +0.0 points (−8.8 to +8.8) on 40 cases, "
            "0 flipped to fail and 0 to pass",
        ]
    )


def test_a_better_candidate_passes_and_the_gate_says_so(pytester: pytest.Pytester) -> None:
    result = Project(pytester, baseline_fails=CASES[:20]).run()

    result.assert_outcomes(passed=COUNT + 1)
    assert lines_with(result, "[gate]: improved: +50.0 points")


def test_failures_that_the_gate_lets_pass_are_expected(pytester: pytest.Pytester) -> None:
    project = Project(pytester, candidate_fails=CASES[:2], baseline_fails=CASES[1:3])

    result = project.run("-rx")

    assert result.ret == pytest.ExitCode.OK
    result.assert_outcomes(passed=COUNT - 2 + 1, xfailed=2)
    assert lines_with(result, "XFAIL test_it.py::test_letters[case-00] - flipped, but the gate ")
    assert lines_with(result, "XFAIL test_it.py::test_letters[case-01] - the baseline fails it too")


def test_in_a_regression_the_flips_are_the_evidence(pytester: pytest.Pytester) -> None:
    project = Project(pytester, candidate_fails=CASES[:20], baseline_fails=CASES[:2])

    result = project.run("-rxf")

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.assert_outcomes(failed=18 + 1, xfailed=2, passed=20)
    result.stdout.fnmatch_lines(
        [
            "_* test_letters?case-02? _*",
            "exact fails, passes on the baseline; the suite regressed",
            "  input     case-02",
            "  expected  CASE-02",
            "  output    wrong",
            "  baseline  CASE-02",
            "  exact     0 *",
            "_* test_letters?gate? _*",
            "REGRESSED*: python:test_it:candidate scores 50.0 % on 40 cases, *",
            "18 passed before, fail now",
            "  and 8 more",
            "slice *",
            "FAILED test_it.py::test_letters?gate? - *REGRESSED*",
        ]
    )
    result.stdout.no_fnmatch_line("*Traceback*")
    result.stdout.no_fnmatch_line("> *")


def test_last_failed_runs_the_evidence_again(pytester: pytest.Pytester) -> None:
    project = Project(pytester, candidate_fails=CASES[:20], baseline_fails=CASES[:2])
    project.run()

    result = project.run("--lf", "-rs")

    result.assert_outcomes(failed=18, skipped=1)
    assert lines_with(result, f"{PLACE}18 of 40 cases, no verdict")
    assert lines_with(result, "exact fails, passes on the baseline")


def test_a_regressed_slice_fails_its_own_flips_alone(pytester: pytest.Pytester) -> None:
    suite = SUITE.replace("margin: 0.2", "margin: 0.45")
    project = Project(pytester, suite=suite, candidate_fails=[*EVEN[:9], ODD[0]])

    result = project.run("-rx")

    result.assert_outcomes(failed=9 + 1, xfailed=1, passed=30)
    assert lines_with(result, "exact fails, passes on the baseline; even regressed")
    assert lines_with(result, "[case-01] - flipped, but only even regressed")
    assert lines_with(result, "REGRESSED in even, although passed overall")


def test_a_gate_that_cannot_tell_fails_and_says_what_would(pytester: pytest.Pytester) -> None:
    suite = SUITE.replace("margin: 0.2", "margin: 0.05")
    project = Project(pytester, suite=suite, candidate_fails=CASES[:2])

    result = project.run("-rx")

    result.assert_outcomes(passed=38, xfailed=2, failed=1)
    assert lines_with(result, "flipped, but the verdict is inconclusive")
    assert " cases would tell" in lines_with(result, "INCONCLUSIVE: ")[0]


def test_a_gate_that_cannot_tell_may_be_let_pass(pytester: pytest.Pytester) -> None:
    mark = "model=candidate, baseline=baseline, margin=0.05, inconclusive='pass'"

    result = Project(pytester, mark=mark).run("-rs")

    assert result.ret == pytest.ExitCode.OK
    result.assert_outcomes(passed=40, skipped=1)
    assert lines_with(result, f"{PLACE}inconclusive: +0.0 points")


def test_the_marker_can_set_the_margin(pytester: pytest.Pytester) -> None:
    mark = "model=candidate, baseline=baseline, margin=0.01"

    Project(pytester, mark=mark).run().assert_outcomes(passed=40, failed=1)


def test_an_assertion_of_the_test_counts_in_the_verdict(pytester: pytest.Pytester) -> None:
    body = 'assert int(case.case_id[-2:]) >= 16, "says sorry"'

    result = Project(pytester, body=body).run()

    result.assert_outcomes(failed=16 + 1, passed=24)
    assert lines_with(result, "E       AssertionError: says sorry")
    assert "40.0 points" in lines_with(result, "[gate]: regressed")[0]


def test_it_counts_for_a_gate_of_one_scorer_too(pytester: pytest.Pytester) -> None:
    suite = SUITE.replace("gate: {", "gate: {scorer: exact, ")
    body = "assert int(case.case_id[-2:]) >= 16"

    result = Project(pytester, suite=suite, body=body).run()

    assert "40.0 points" in lines_with(result, "[gate]: regressed")[0]


def test_what_fails_by_another_scorer_than_the_gates_does_not_count_for_it(
    pytester: pytest.Pytester,
) -> None:
    suite = SUITE.replace("[exact]", "[exact: {ignore_case: true}, exact: {name: loud}]")
    quiet = (
        "def quiet(prompts: list[str]) -> list[str]:\n"
        "    return ['wrong' if prompt < 'case-16' else prompt for prompt in prompts]\n"
    )
    project = Project(
        pytester,
        suite=suite.replace("gate: {", "gate: {scorer: exact, "),
        test=quiet + TEST,
        mark="model=quiet, baseline=baseline",
    )

    result = project.run()

    result.assert_outcomes(failed=COUNT + 1)
    assert "−40.0 points" in lines_with(result, "[gate]: regressed")[0]


def test_an_assertion_runs_and_fails_where_the_scorers_fail_expectedly(
    pytester: pytest.Pytester,
) -> None:
    project = Project(
        pytester,
        candidate_fails=CASES[:2],
        baseline_fails=CASES[:2],
        body='assert case.case_id != "case-00"',
    )

    project.run().assert_outcomes(failed=1, xfailed=1, passed=39)


def test_an_error_in_a_fixture_counts_like_an_assertion(pytester: pytest.Pytester) -> None:
    broken = "@pytest.fixture\ndef broken(case): assert int(case.case_id[-2:]) >= 16\n"
    project = Project(pytester, test=broken + TEST.replace("(case,", "(broken, case,"))

    result = project.run()

    result.assert_outcomes(errors=16, failed=1, passed=24)
    assert "40.0 points" in lines_with(result, "[gate]: regressed")[0]


def test_a_skip_in_the_test_is_no_failure(pytester: pytest.Pytester) -> None:
    body = 'pytest.skip("not today") if case.case_id < "case-10" else None'

    result = Project(pytester, body=body).run()

    result.assert_outcomes(skipped=10, passed=31)


def test_a_case_that_never_ran_leaves_the_gate_without_a_verdict(
    pytester: pytest.Pytester,
) -> None:
    pytester.makeconftest(
        """
        def pytest_runtest_protocol(item):
            return True if "case-05" in item.name else None
        """
    )

    result = Project(pytester).run()

    result.assert_outcomes(passed=39, failed=1)
    assert lines_with(result, "[gate]: no verdict: 1 of 40 cases did not run to the end")


def test_over_a_selection_a_flip_fails_plainly(pytester: pytest.Pytester) -> None:
    project = Project(pytester, candidate_fails=CASES[:2], baseline_fails=CASES[1:2])

    result = project.run("-k", "case-00 or case-01 or case-02")

    result.assert_outcomes(failed=1, xfailed=1, passed=1, deselected=38)
    assert lines_with(result, "exact fails, passes on the baseline")


def test_without_a_baseline_failures_are_plain_and_the_gate_gives_the_rate(
    pytester: pytest.Pytester,
) -> None:
    project = Project(pytester, candidate_fails=CASES[:4], mark="model=candidate")

    result = project.run("-rs")

    result.assert_outcomes(failed=4, passed=36, skipped=1)
    rate = "90.0 % of 40 cases pass, 95 % interval 76.9 % to 96.0 %; a baseline= gives a verdict"
    assert lines_with(result, PLACE) == [f"SKIPPED [1] {PLACE}{rate}"]


def test_runxfail_shows_what_the_gate_excuses(pytester: pytest.Pytester) -> None:
    result = Project(pytester, candidate_fails=CASES[:1]).run("--runxfail")

    result.assert_outcomes(failed=1, passed=40)


def test_an_xfail_marker_on_the_test_holds_for_its_cases_and_its_gate(
    pytester: pytest.Pytester,
) -> None:
    project = Project(
        pytester, candidate_fails=CASES[:20], test=f"@pytest.mark.xfail(strict=False)\n{TEST}"
    )

    project.run().assert_outcomes(xfailed=21, xpassed=20)


@pytest.mark.parametrize("reference", ["'old/run-1'", "Path('old') / 'run-1'", "'run-1'"])
def test_an_earlier_run_can_be_the_baseline(pytester: pytest.Pytester, reference: str) -> None:
    project = Project(
        pytester, candidate_fails=CASES[:20], mark=f"model=candidate, baseline={reference}"
    )
    suite = load_suite(project.folder / "letters.yaml")
    runs_dir = project.folder / (".headway/runs" if reference == "'run-1'" else "old")
    execute(suite, Function(str.upper, folder=project.folder), runs_dir / "run-1")

    result = project.run()

    result.assert_outcomes(failed=21, passed=20)
    assert project.asked() == ["candidate 40"]


def test_cases_that_the_baseline_never_saw_are_not_held_against_the_candidate(
    pytester: pytest.Pytester,
) -> None:
    project = Project(pytester, candidate_fails=CASES[30:], mark="model=candidate, baseline='old'")
    suite = load_suite(project.folder / "letters.yaml")
    function = Function(str.upper, folder=project.folder)
    execute(suite, function, project.folder / "old", cases=suite.cases[:30])

    result = project.run("-rx")

    result.assert_outcomes(passed=31, xfailed=10)
    assert (
        len(lines_with(result, "- the baseline has no answer to it, so the gate leaves it")) == 10
    )


def test_runs_with_nothing_in_common_give_no_verdict(pytester: pytest.Pytester) -> None:
    project = Project(pytester, mark="model=candidate, baseline='old'")
    (project.folder / "other.yaml").write_text(
        "suite: letters\nscorers: [exact]\ncases: [{id: x, input: x, expected: X}]\n"
    )
    function = Function(str.upper, folder=project.folder)
    execute(load_suite(project.folder / "other.yaml"), function, project.folder / "old")

    result = project.run()

    result.assert_outcomes(passed=40, failed=1)
    assert "cannot be compared" in lines_with(result, "[gate]: no verdict: ")[0]


def test_cases_without_a_logged_answer_are_skipped(
    pytester: pytest.Pytester, collector: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADWAY_URL", collector.url)
    collector.spans = [
        {"span_id": f"{n:016x}", "trace_id": f"{n:032x}", "request_model": "m", "status": "ok"}
        | {"input": case_id, "output": case_id.upper()}
        for n, case_id in enumerate(CASES[5:])
    ]
    project = Project(pytester, mark="model='log:request_model=m', baseline=baseline")

    result = project.run("-rs")

    result.assert_outcomes(skipped=5, passed=36)
    assert lines_with(result, "no logged call has this input")
    assert "on 35 cases" in lines_with(result, "[gate]: passed")[0]


def test_a_further_gate_that_regresses_fails_the_test_and_its_evidence(
    pytester: pytest.Pytester,
) -> None:
    gates = "gates: [{name: wide, margin: 0.9}, {name: tight, scorer: exact, margin: 0.01}]"
    suite = SUITE.replace("gate: {margin: 0.2}", gates)
    project = Project(pytester, candidate_fails=CASES[:9], mark=BOTH + ", margin=0.9", suite=suite)

    run = project.run("-rf")

    run.assert_outcomes(passed=31, failed=10)
    assert len(lines_with(run, "by gate tight the suite regressed")) >= 9
    assert lines_with(run, "regressed in gate tight")


def test_a_case_that_must_pass_fails_the_gate_alone(pytester: pytest.Pytester) -> None:
    project = Project(pytester, candidate_fails=CASES[:2], mark=BOTH + ", margin=0.9")
    path = project.folder / "letters.jsonl"
    first, *others = path.read_text().splitlines()
    path.write_text("\n".join([first.replace('"id"', '"must_pass": true, "id"'), *others]))

    run = project.run("-rf")

    run.assert_outcomes(passed=38, failed=2, xfailed=1)
    assert lines_with(run, "it must pass")
