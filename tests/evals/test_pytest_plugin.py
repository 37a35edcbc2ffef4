"""Suites as items: what is collected, what is selected, and what is asked."""

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.evals.suite_projects import (
    ANSWERS,
    BOTH,
    CASES,
    COUNT,
    PLACE,
    SUITE,
    TEST,
    Project,
    lines_with,
)


def test_the_plugin_alone_imports_nothing_of_ours_and_nothing_heavy() -> None:
    code = "import headway_evals.pytest_plugin, sys; print(*sys.modules)"
    seen = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    modules = seen.stdout.split()
    packages = {name.partition(".")[0] for name in modules}
    assert not packages & {"torch", "yaml", "numpy", "msgspec", "headway_measures"}
    assert [name for name in modules if name.startswith("headway_evals")] == [
        "headway_evals",
        "headway_evals.pytest_plugin",
    ]


def test_a_run_without_suites_loads_no_more_and_shows_nothing(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import sys

        class Moody:
            def __getattr__(self, name):
                raise RuntimeError(name)

        moody = Moody()

        def test_nothing_is_loaded():
            assert "headway_evals.pytest_items" not in sys.modules
            assert "numpy" not in sys.modules

        def test_result(result):
            pass
        """
    )

    result = pytester.runpytest_subprocess("--strict-markers")

    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*fixture 'result' not found*"])
    result.stdout.no_fnmatch_line("*headway suites*")


def test_a_marker_of_that_name_for_other_ends_is_left_alone(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import sys
        import pytest

        @pytest.mark.suite("smoke")
        def test_smoke():
            assert "headway_evals.pytest_items" not in sys.modules
        """
    )

    pytester.runpytest_subprocess("-m", "suite").assert_outcomes(passed=1)


def test_each_case_is_an_item_and_the_gate_is_the_last(pytester: pytest.Pytester) -> None:
    project = Project(pytester)

    result = project.run("--collect-only", "-q", "--strict-markers")

    assert lines_with(result, "::") == [
        f"test_it.py::test_letters[{name}]" for name in (*CASES, "gate")
    ]
    assert project.asked() == []


def test_a_gate_runs_after_its_cases_whatever_the_order(pytester: pytest.Pytester) -> None:
    project = Project(pytester)
    pytester.makeconftest("def pytest_collection_modifyitems(items): items.reverse()")

    result = project.run("-v")

    order = [line.split()[0] for line in lines_with(result, "PASSED")]
    assert order == [f"test_it.py::test_letters[{name}]" for name in (*CASES[::-1], "gate")]


def test_all_prompts_are_asked_at_once_and_before_the_first_case(
    pytester: pytest.Pytester,
) -> None:
    body = """
    lines = Path(__file__).with_name("asked.txt").read_text().splitlines()
    assert sum(int(line.split()[1]) for line in lines) == 80
"""
    project = Project(pytester, body=body)

    result = pytester.runpytest_subprocess("-v")

    result.assert_outcomes(passed=COUNT + 1)
    assert project.asked() == ["baseline 40", "candidate 40"]
    announced = lines_with(result, "headway: ")
    assert announced == [
        "headway: 40 prompts to python:test_it:candidate …",
        "headway: 40 prompts to python:test_it:baseline …",
    ]
    assert result.outlines.index(announced[1]) < result.outlines.index(
        lines_with(result, "PASSED")[0]
    )


def test_the_case_and_its_result_are_what_the_models_saw_and_said(
    pytester: pytest.Pytester,
) -> None:
    body = """\
assert (case.input, case.expected) == (result.input, result.expected)
    assert result.output == case.input.upper() and result.scores["exact"].passed
"""
    Project(pytester, body=body).run().assert_outcomes(passed=COUNT + 1)


@pytest.mark.parametrize(
    "test",
    [
        '@pytest.mark.suite("letters.yaml", MARK)\ndef test_it(): pass',
        '@pytest.mark.suite("letters.yaml", MARK)\ndef test_it(result): assert result.passed',
        'class TestIt:\n @pytest.mark.suite("letters.yaml", MARK)\n def test_it(self, case): pass',
        'pytestmark = pytest.mark.suite("letters.yaml", MARK)\ndef test_it(case): pass',
        '@pytest.mark.suite("letters.yaml", MARK)\nclass TestIt:\n    def test_it(self): pass',
        "@pytest.fixture\ndef text(case, result): return case.input + result.output\n"
        '@pytest.mark.suite("letters.yaml", MARK)\ndef test_it(text): assert "CASE" in text',
    ],
    ids=["no arguments", "result alone", "method", "module", "class", "fixture"],
)
def test_a_suite_may_stand_on_any_test(pytester: pytest.Pytester, test: str) -> None:
    project = Project(pytester, test=test)

    project.run("--strict-markers").assert_outcomes(passed=COUNT + 1)


def test_a_case_with_other_parameters_beside_it_counts_once(pytester: pytest.Pytester) -> None:
    test = f"@pytest.mark.parametrize('twice', [1, 2])\n{TEST}".replace("(case", "(twice, case")
    project = Project(pytester, test=test)

    result = project.run()

    result.assert_outcomes(passed=2 * COUNT + 1)
    assert project.asked() == ["baseline 40", "candidate 40"]


def test_two_tests_with_one_baseline_pay_for_it_once(pytester: pytest.Pytester) -> None:
    stable = "def stable(prompts: list[str]) -> list[str]: return answer('stable', (), prompts)"
    (pytester.path / "models.py").write_text(f"{ANSWERS}{stable}")
    test = TEST + TEST.replace("test_letters", "test_again")
    project = Project(pytester, test=test, mark="model=candidate, baseline='python:models:stable'")

    project.run().assert_outcomes(passed=2 * COUNT + 2)

    assert project.asked() == ["candidate 80", "stable 40"]


def test_lambdas_of_one_test_are_two_models(pytester: pytest.Pytester) -> None:
    mark = "model=lambda prompt: prompt.upper(), baseline=lambda prompt: ''"
    project = Project(pytester, mark=mark)

    result = project.run()

    assert "improved: +100.0 points" in lines_with(result, "improved")[0]


@pytest.mark.parametrize(
    ("selection", "asked"),
    [
        (["-k", "case-0 or gate"], 10),
        (["test_it.py::test_letters[case-03]", "test_it.py::test_letters[gate]"], 1),
        (["-m", "suite", "--deselect", "test_it.py::test_letters[case-03]"], 39),
    ],
)
def test_over_a_selection_the_gate_gives_no_verdict(
    pytester: pytest.Pytester, selection: list[str], asked: int
) -> None:
    project = Project(pytester)

    result = project.run("-rs", *selection)

    result.assert_outcomes(
        passed=asked, skipped=1, deselected=result.parseoutcomes().get("deselected", 0)
    )
    assert lines_with(result, f"{PLACE}{asked} of 40 cases, no verdict")
    assert project.asked() == [f"baseline {asked}", f"candidate {asked}"]


def test_a_gate_selected_alone_judges_the_answers(pytester: pytest.Pytester) -> None:
    project = Project(pytester, candidate_fails=CASES, body="raise AssertionError")

    result = project.run("-k", "gate")

    result.assert_outcomes(failed=1, deselected=COUNT)
    assert "the test itself was not run" in lines_with(result, "test_letters[gate]: regressed")[0]


def test_a_limit_makes_a_smaller_suite(pytester: pytest.Pytester) -> None:
    project = Project(pytester, mark=f"{BOTH}, limit=25")

    project.run().assert_outcomes(passed=26)

    assert project.asked() == ["baseline 25", "candidate 25"]


@pytest.mark.parametrize(
    "how",
    [
        "skip",
        "skipif('True', reason='no GPU')",
        "usefixtures('gpu')",
    ],
)
def test_a_suite_that_is_skipped_asks_no_model(pytester: pytest.Pytester, how: str) -> None:
    pytester.makeconftest("import pytest\n@pytest.fixture\ndef gpu(): pytest.skip('no GPU')")
    project = Project(pytester, test=f"@pytest.mark.{how}\n{TEST}")

    project.run().assert_outcomes(skipped=COUNT + 1)

    assert project.asked() == []


def test_junit_xml_shows_cases_and_gate(pytester: pytest.Pytester) -> None:
    project = Project(pytester, candidate_fails=CASES[:1])

    project.run("--junit-xml=report.xml")

    tests = ElementTree.parse(project.folder / "report.xml").findall(".//testcase")
    assert [test.get("name") for test in tests] == [
        f"test_letters[{name}]" for name in (*CASES, "gate")
    ]
    skipped = tests[0].find("skipped")
    assert skipped is not None
    assert "within the margin" in str(skipped.get("message"))
    verdict = tests[-1].find("properties/property[@name='headway']")
    assert verdict is not None
    assert str(verdict.get("value")).startswith("passed: −2.5 points")


def test_a_model_that_cannot_answer_is_said_once_and_asked_once(pytester: pytest.Pytester) -> None:
    broken = "def broken(prompts: list[str]) -> list[str]: return answer('x', (), prompts)[1:]"
    project = Project(pytester, test=f"{broken}\n{TEST}", mark="model=broken, baseline=baseline")

    result = project.run()

    result.assert_outcomes(skipped=COUNT, failed=1)
    assert project.asked() == ["x 40"]
    assert "no verdict: python:test_it:broken got 40 prompts" in lines_with(result, "[gate]: ")[0]
    result.stdout.no_fnmatch_line("*Traceback*")


def test_a_case_whose_model_raises_fails_with_what_was_raised(pytester: pytest.Pytester) -> None:
    test = f"def moody(prompt): return 1 / (int(prompt[-2:]) - 7) and prompt.upper()\n{TEST}"
    project = Project(pytester, test=test, mark="model=moody", body="assert result.output.upper()")

    result = project.run()

    result.assert_outcomes(passed=COUNT - 1, failed=1, skipped=1)
    assert lines_with(result, "no answer (python:test_it:moody raised ZeroDivisionError")


def test_the_answers_of_a_checkpoint_are_asked_for(
    pytester: pytest.Pytester, checkpoint: Path
) -> None:
    suite = f"{SUITE}generation: {{max_new_tokens: 2}}\n"
    mark = f"model='hf:{checkpoint}', baseline='hf:{checkpoint.name}', limit=2, margin=0.9"
    project = Project(pytester, suite=suite, mark=mark)
    (project.folder / checkpoint.name).symlink_to(checkpoint)

    result = project.run("--runxfail")

    assert lines_with(result, f"headway: 2 prompts to hf:{checkpoint} …")
    result.assert_outcomes(failed=2, passed=1)
