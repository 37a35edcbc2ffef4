"""Suites that pytest cannot use: one failing test each, that says why, and no other is stopped."""

import pytest

from tests.evals.suite_projects import COUNT, PLACE, SUITE, TEST, Project, lines_with


@pytest.mark.parametrize(
    ("mark", "said"),
    [
        ("model=candidate, basline=baseline", "no argument 'basline'; did you mean 'baseline'? It"),
        ("modle=candidate", "no argument 'modle'; did you mean 'model'? It takes path, model, "),
        ("model=candidate, colour=3", "no argument 'colour'; it takes path, model, baseline, "),
        ("model=candidate, path='b.yaml'", "suite(…) has two suite files"),
        ("'hf:nowhere'", "'hf:nowhere' has no name: write model=…, baseline=… and the others"),
        ("baseline=baseline", "suite(…) has no model: give model=, a spec or a function"),
        ("model=candidate)\n@pytest.mark.suite('b.yaml'", "a test has one suite"),
        ("model=3", "3 is no model: give a spec or a function"),
        ("model='hf:nowhere'", "there is no model folder 'nowhere'"),
        ("model='python:nowhere:answer'", "python:nowhere:answer cannot be imported"),
        ("model='gpt-4'", "'gpt-4' is no model: its scheme must be one of"),
        ("model=candidate, baseline='some-run'", "there is no run 'some-run' in"),
        ("model=candidate, limit=0", "limit is 0: give 1 or more cases"),
        ("model=candidate, margin=5", "margin is 5: give a fraction: 0.05 is 5 points"),
        ("model=candidate, inconclusive='ok'", "inconclusive is 'ok': give 'fail' or 'pass'"),
    ],
)
def test_a_faulty_marker_is_one_failing_test_that_says_where(
    pytester: pytest.Pytester, mark: str, said: str
) -> None:
    result = Project(pytester, mark=mark).run()

    result.assert_outcomes(failed=1)
    (told,) = [line for line in lines_with(result, PLACE) if not line.startswith("FAILED")]
    assert said in told
    assert lines_with(result, "test_it.py::test_letters[gate]: no verdict: ")
    result.stdout.no_fnmatch_line("*Traceback*")
    result.stdout.no_fnmatch_line("E  *")


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "workers"])
def test_a_suite_that_cannot_be_used_stops_no_other_test(
    pytester: pytest.Pytester, workers: tuple[str, ...]
) -> None:
    gone = TEST.replace("test_letters", "test_gone").replace("letters.yaml", "gone.jsonl")
    nobody = TEST.replace("test_letters", "test_nobody").replace("MARK", "model='python:no:one'")
    project = Project(pytester, test=f"{gone}\n{nobody}\n{TEST}\ndef test_plain(): pass\n")

    result = project.run(*workers)

    result.assert_outcomes(failed=2, passed=COUNT + 2)
    assert lines_with(result, "test_gone[gate]: no verdict: ")
    assert lines_with(result, "test_nobody[gate]: no verdict: python:no:one cannot be imported")


def test_a_suite_that_cannot_be_used_can_be_skipped(pytester: pytest.Pytester) -> None:
    test = f"@pytest.mark.skip\n{TEST}"

    Project(pytester, test=test, mark="model='hf:nowhere'").run().assert_outcomes(skipped=1)


@pytest.mark.parametrize(
    ("test", "said"),
    [
        ("@pytest.mark.suite('letters.yaml', modle=candidate)", "did you mean 'model'?"),
        ("@pytest.mark.suite(path='letters.jsonl')", "has no model: give model="),
        (
            "@pytest.mark.suite('letters.yaml', MARK)\n@pytest.mark.suite('b.yaml', MARK)",
            "a test has one suite",
        ),
    ],
)
def test_a_faulty_marker_of_a_class_is_told_by_each_of_its_tests(
    pytester: pytest.Pytester, test: str, said: str
) -> None:
    methods = "    def test_a(self, case): pass\n    def test_b(self, result): pass"
    project = Project(pytester, test=f"{test}\nclass TestIt:\n{methods}\n")

    result = project.run()

    result.assert_outcomes(failed=2)
    assert said in lines_with(result, "TestIt::test_a[gate]: no verdict: ")[0]


def test_faults_of_a_suite_are_told_with_their_lines(pytester: pytest.Pytester) -> None:
    suite = f"{SUITE}scorer: [exact]\ngeneration: {{max_new_tokens: 0}}\n"

    result = Project(pytester, suite=suite).run()

    result.assert_outcomes(failed=1)
    assert lines_with(result, "letters.yaml:5: ")
    assert lines_with(result, "letters.yaml:6: ")
    result.stdout.no_fnmatch_line("E  *")


def test_a_missing_extra_is_a_line_that_installs_it(pytester: pytest.Pytester) -> None:
    project = Project(pytester)
    pytester.makeconftest("import sys; sys.modules['yaml'] = None")

    result = project.pytester.runpytest_subprocess()

    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert lines_with(
        result, 'suites need yaml, which is not installed: pip install "headway[evals]"'
    )


def test_a_case_cannot_have_the_name_of_the_gate(pytester: pytest.Pytester) -> None:
    suite = "suite: s\nscorers: [exact]\ncases: [{id: gate, input: a, expected: A}]\n"

    result = Project(pytester, suite=suite).run()

    assert "has a case 'gate', which is the gate's name" in lines_with(result, PLACE)[0]
