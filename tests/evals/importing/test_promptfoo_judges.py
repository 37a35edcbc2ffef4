"""promptfoo's assertions that a model judges, judged here by scripted judges.

The expectations follow
https://www.promptfoo.dev/docs/configuration/expected-outputs/model-graded/.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from headway_evals.errors import ImportingError
from headway_evals.run_exports import as_promptfoo
from tests.evals.importing.imported_files import Imported, import_files, values_of

JUDGE = "python:judges:it"


def imported(
    folder: Path,
    *assertions: dict[str, Any],
    options: dict[str, Any] | None = None,
    judge: str | None = JUDGE,
    words: tuple[str, ...] = ("a", "b", "c"),
) -> Imported:
    """Import a config whose tests have these assertions, one test a word."""
    config = {
        "prompts": ["Say {{word}}"],
        "defaultTest": {"assert": assertions, "options": options or {}},
        "tests": [{"vars": {"word": each}} for each in words],
    }
    return import_files(folder, "promptfoo", {"config.yaml": json.dumps(config)}, judge=judge)


def scripted(*answers: str) -> tuple[Callable[[list[str]], list[str]], list[str]]:
    """Return a judge that gives these answers in turn, and what it was asked."""
    asked: list[str] = []

    def judge(prompts: list[str]) -> list[str]:
        asked.extend(prompts)
        return list(answers[: len(prompts)])

    return judge, asked


def score(value: Any) -> str:
    return json.dumps({"score": value})


def own(found: Imported) -> list[str]:
    return [each.feature for each in found.report.omissions]


def test_a_rubric_is_a_yes_or_a_no_with_the_variables_of_its_case(tmp_path: Path) -> None:
    found = imported(tmp_path, {"type": "llm-rubric", "value": "Says {{word}} kindly"})
    judge, asked = scripted(score("yes"), score("no"), "Yes, it does say so")

    record = found.run(lambda prompt: f"{prompt}!", it=judge)

    assert values_of(record, "llm-rubric") == [1.0, 0.0, 0.0]
    assert [each.passed for each in record.results] == [True, False, False]
    # Nonsense is the last, whose first line holds more than the value.
    faults = [each.scores["llm-rubric"].error for each in record.results]
    assert [each is None for each in faults] == [True, True, False]
    assert "Rubric: Says b kindly\n" in asked[1]
    assert "<answer>\nSay b!\n</answer>" in asked[1]
    assert own(found) == ["promptfoo's own llm-rubric"]


def test_a_rubrics_threshold_holds_a_grade_of_ten(tmp_path: Path) -> None:
    found = imported(tmp_path, {"type": "llm-rubric", "value": "Is kind", "threshold": 0.8})
    judge, _ = scripted(score(8), score(7), score(0))

    record = found.run(str, it=judge)

    assert values_of(record, "llm-rubric") == [0.8, 0.7, 0.0]
    assert [each.passed for each in record.results] == [True, False, False]


def test_g_eval_passes_seven_of_ten_and_takes_the_mean_of_several_criteria(
    tmp_path: Path,
) -> None:
    one = {"type": "g-eval", "value": "Is clear"}
    several = {"type": "g-eval", "value": ["Is short", "Is kind"], "threshold": 0.8}
    found = imported(tmp_path, one, several, words=("a",))
    grades = {"Is clear": 7, "Is short": 10, "Is kind": 5}

    def judge(prompts: list[str]) -> list[str]:
        return [score(next(g for c, g in grades.items() if c in each)) for each in prompts]

    (result,) = found.run(str, it=judge).results

    assert {name: each.value for name, each in result.scores.items()} == {
        "g-eval": 0.7,
        "g-eval 2": 0.75,
    }
    assert [each.passed for each in result.scores.values()] == [True, False]


def test_a_rubric_turned_round_passes_what_the_judge_refuses(tmp_path: Path) -> None:
    found = imported(tmp_path, {"type": "not-llm-rubric", "value": "Is rude", "weight": 2})
    judge, _ = scripted(score("no"), score("yes"), "what?")

    record = found.run(str, it=judge)

    # What the judge did not understand is no pass either.
    assert values_of(record, "not-llm-rubric") == [1.0, 0.0, 0.0]
    assert [each.passed for each in record.results] == [True, False, False]


@pytest.mark.parametrize("kind", ["factuality", "model-graded-factuality"])
def test_facts_fail_where_they_disagree_and_the_reference_is_shown(
    tmp_path: Path, kind: str
) -> None:
    assertion = {"type": kind, "value": "It is {{word}}"}
    found = imported(tmp_path, assertion, words=("a", "b", "c", "d", "e"))
    judge, asked = scripted(*(json.dumps({"label": each}) for each in "ABCDE"))

    record = found.run(str, it=judge)

    assert values_of(record, kind) == [1, 1, 1, 0, 1]
    assert [each.passed for each in record.results] == [True, True, True, False, True]
    assert "<reference>\nIt is d\n</reference>" in asked[3]
    assert own(found) == [f"promptfoo's own {kind}"]


def test_facts_are_worth_what_the_tests_option_says(tmp_path: Path) -> None:
    options = {"factuality": {"superset": 0.5, "differButFactual": 0}}
    assertion = {"type": "factuality", "value": "It is {{word}}"}
    found = imported(tmp_path, assertion, options=options)
    judge, _ = scripted("B", "E", "C")

    record = found.run(str, it=judge)

    assert values_of(record, "factuality") == [0.5, 0.0, 1.0]
    assert [each.passed for each in record.results] == [True, False, True]


def test_a_criterion_of_closed_qa_is_a_yes_or_a_no(tmp_path: Path) -> None:
    found = imported(tmp_path, {"type": "model-graded-closedqa", "value": "Names no price"})
    judge, _ = scripted("yes", "no", "yes")

    assert values_of(found.run(str, it=judge), "model-graded-closedqa") == [1.0, 0.0, 1.0]
    assert own(found) == ["promptfoo's own model-graded-closedqa"]


def test_judged_scores_are_weighed_with_the_others(tmp_path: Path) -> None:
    graded = {"type": "llm-rubric", "value": "Is kind", "threshold": 0.5, "weight": 3}
    found = imported(tmp_path, graded, {"type": "contains", "value": "Say"}, words=("a",))
    judge, _ = scripted(score(6))

    (result,) = found.run(str, it=judge).results

    # (3 · 0.6 + 1 · 1) / 4
    assert result.weighing is not None
    assert result.weighing.score == pytest.approx(0.7)


def judges_of(found: Imported) -> list[dict[str, Any]]:
    """Return the options of each judge in the suite that was made."""
    document = found.made[0].document
    entries = [*document.get("scorers", []), *document["cases"][0].get("scorers", [])]
    return [each["rubric"] for each in entries if "rubric" in each]


def test_who_judges_is_the_assertions_provider_before_the_tests(tmp_path: Path) -> None:
    config = {"temperature": 0, "max_tokens": 90, "apiBaseUrl": "http://127.0.0.1:9/v1"}
    given = {"id": "openai:chat:big", "config": config}
    own_one = {"type": "llm-rubric", "value": "x", "provider": given}
    found = imported(
        tmp_path,
        own_one,
        {"type": "llm-rubric", "value": "y"},
        options={"provider": {"text": "ollama:chat:small"}},
        judge=None,
    )

    first, second = judges_of(found)
    assert first["judge"] == "openai:big@http://127.0.0.1:9/v1"
    assert (first["chat"], first["max_new_tokens"]) == (True, 90)
    assert second["judge"] == "openai:small@http://localhost:11434/v1"
    assert own(found) == ["promptfoo's own llm-rubric"]
    assert "The judge ollama:chat:small is openai:small@" in found.report.notes[-1]


def test_the_commands_judge_stands_over_every_provider(tmp_path: Path) -> None:
    assertion = {"type": "llm-rubric", "value": "x", "provider": "anthropic:messages:m"}
    found = imported(tmp_path, assertion)

    assert [each["judge"] for each in judges_of(found)] == [JUDGE]
    assert f"The judge anthropic:messages:m is {JUDGE} here, by --judge." in found.report.notes


@pytest.mark.parametrize(
    ("assertion", "options", "feature", "reason"),
    [
        ({}, {}, "assertion type llm-rubric", "no judge is named: give --judge SPEC"),
        ({"provider": "file://j.py"}, {}, "assertion type llm-rubric", "j.py is no model of ours"),
        (
            {},
            {"provider": {"id": "openai:m", "config": {"apiBaseUrl": "{{env.URL}}"}}},
            "assertion type llm-rubric",
            "give --judge SPEC",
        ),
        ({"rubricPrompt": "{{output}}?"}, {}, "assertion llm-rubric as", "has a rubricPrompt"),
        ({}, {"rubricPrompt": "{{output}}?"}, "assertion llm-rubric as", "has a rubricPrompt"),
        ({"threshold": 1.5}, {}, "assertion llm-rubric as", "threshold is 1.5"),
        ({"value": ""}, {}, "assertion llm-rubric as", "no text"),
        ({"transform": "output.x"}, {}, "assertion transform", "changes what is judged"),
        ({"type": "g-eval", "value": []}, {}, "assertion g-eval as", "empty list"),
        (
            {"type": "factuality"},
            {"factuality": {"subset": 2}},
            "assertion factuality as",
            "not from 0 to 1",
        ),
        ({"type": "context-recall"}, {}, "assertion type context-recall", "about a context"),
        ({"type": "select-best"}, {}, "assertion type select-best", "pairwise"),
        ({"type": "answer-relevance"}, {}, "assertion type answer-relevance", "embeddings"),
        ({"type": "is-xml"}, {}, "assertion type is-xml", "parser of markup"),
    ],
)
def test_what_our_judges_cannot_say_is_left_out_with_what_to_do(
    tmp_path: Path,
    assertion: dict[str, Any],
    options: dict[str, Any],
    feature: str,
    reason: str,
) -> None:
    judged = {"type": "llm-rubric", "value": "x", **assertion}
    kept = {"type": "contains", "value": "y"}
    is_named = "llm-rubric" not in feature or "as" in feature.split()
    found = imported(tmp_path, kept, judged, options=options, judge=JUDGE if is_named else None)

    told = [each for each in found.report.omissions if each.feature.startswith(feature)]
    assert len(told) == 1  # one line of the file, whatever the number of its cases
    assert reason in told[0].reason
    assert [list(case.scorers) for case in found.suite.cases] == [["contains"]] * 3


def test_options_that_say_how_to_judge_are_told_where_nothing_is_judged(tmp_path: Path) -> None:
    kept = {"type": "contains", "value": "y"}
    found = imported(tmp_path, kept, options={"provider": "openai:m"})

    assert own(found) == ["test option provider"]


def test_a_config_that_only_a_judge_could_score_is_no_suite_without_one(tmp_path: Path) -> None:
    with pytest.raises(ImportingError, match="give --judge SPEC"):
        imported(tmp_path, {"type": "llm-rubric", "value": "x"}, judge=None)


def test_a_judged_run_goes_back_to_promptfoo_with_its_judge_and_reasons(tmp_path: Path) -> None:
    found = imported(tmp_path, {"type": "llm-rubric", "value": "Is kind", "metric": "tone"})
    judge, _ = scripted(score("yes"), "what?", score("no"))

    record = found.run(str, it=judge)
    record.run.settings["judges"]["models"][JUDGE] |= {"input_tokens": 90, "output_tokens": 6}

    results = json.loads(as_promptfoo(record))["results"]

    parts = [each["gradingResult"]["componentResults"][0] for each in results["results"]]
    assert [each["pass"] for each in parts] == [True, False, False]
    assert [each["score"] for each in parts] == [1.0, 0.0, 0.0]
    assert [each["reason"] for each in parts] == [
        "the judge says yes",
        "nonsense: the judge says 'what?'",
        "the judge says no",
    ]
    assert parts[0]["assertion"] == {
        "type": "llm-rubric",
        "provider": JUDGE,
        "metric": "tone",
    }
    assert [each["namedScores"]["tone"] for each in results["results"]] == [1.0, 0.0, 0.0]
    assert results["stats"]["failures"] == 2
    spent = results["prompts"][0]["metrics"]["tokenUsage"]["assertions"]
    assert spent == {"prompt": 90, "completion": 6, "total": 96}


def test_a_case_that_was_not_judged_is_an_error_there(tmp_path: Path) -> None:
    found = imported(tmp_path, {"type": "llm-rubric", "value": "Is kind"})

    def judge(prompt: str) -> Any:
        return None if '"b"' in prompt else "yes"

    results = json.loads(as_promptfoo(found.run(str, it=judge)))["results"]

    assert [each["failureReason"] for each in results["results"]] == [0, 2, 0]
    assert "not judged" in results["results"][1]["error"]
    assert results["stats"]["errors"] == 1
