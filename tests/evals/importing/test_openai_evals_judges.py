"""OpenAI evals' ModelBasedClassify, judged here by scripted judges.

The specs are written anew after https://github.com/openai/evals/blob/main/docs/eval-templates.md.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from headway_evals.errors import ImportingError
from tests.evals.importing.imported_files import Imported, import_files, values_of

JUDGE = "python:judges:it"
SAMPLES = [{"input": f"q{n}", "ideal": f"i{n}"} for n in range(3)]
HUMOUR = """
prompt: |-
  How funny is this for a {reader}?

  {completion}
choice_strings: "123"
choice_scores: from_strings
input_outputs: {input: completion}
"""
TONE = """
tone:
  prompt: "Asked: {input} Wanted: {ideal} Said: {completion} {{sic}} Is it warm?"
  choice_strings: [Warm, Plain, Cold]
  choice_scores: {Warm: 1, Plain: 0.5, Cold: 0}
  input_outputs: {input: completion}
"""


def imported(
    folder: Path,
    spec: str,
    arguments: str = "",
    *,
    samples: list[Any] | None = None,
    judge: str | None = JUDGE,
    **files: str,
) -> Imported:
    registry = f"""
    one.v0:
      class: evals.elsuite.modelgraded.classify:ModelBasedClassify
      args: {{samples_jsonl: one.jsonl, modelgraded_spec: {spec}{arguments}}}
    """
    written: dict[str, Any] = {"evals/one.yaml": registry, "data/one.jsonl": samples or SAMPLES}
    written |= {f"modelgraded/{name}.yaml": text for name, text in files.items()}
    return import_files(folder, "openai-evals", written, judge=judge)


def scripted(*labels: str) -> tuple[Callable[[list[str]], list[str]], list[str]]:
    """Return a judge that gives these labels in turn, and what it was asked."""
    asked: list[str] = []

    def judge(prompts: list[str]) -> list[str]:
        asked.extend(prompts)
        return [json.dumps({"label": each}) for each in labels[: len(prompts)]]

    return judge, asked


def test_a_specs_choices_are_labels_and_its_scores_their_values(tmp_path: Path) -> None:
    found = imported(tmp_path, "tone", ", eval_type: cot_classify, max_tokens: 64", tones=TONE)
    judge, asked = scripted("warm", "Plain", "Cold")

    record = found.run(lambda prompt: f"{prompt}!", it=judge)

    assert values_of(record, "classify") == [1.0, 0.5, 0.0]
    assert [each.passed for each in record.results] == [True, False, False]
    assert found.suite.gate.scorer == "classify"
    assert found.suite.generation.max_new_tokens == 64
    assert asked[0].startswith("Asked: q0 Wanted: <reference>\ni0\n</reference>\n Said: q0! {sic}")
    assert asked[0].endswith('no other text: {"label": "Warm", "reason": "…"}\n')
    assert found.report.counts() == {"OpenAI evals' own tone": 1, "pass of tone": 1}


def test_a_prompt_that_says_itself_how_to_answer_stands_alone(tmp_path: Path) -> None:
    spec = TONE.replace("Is it warm?", "First the choice, then why.")
    found = imported(tmp_path, "tone", tone=f"{spec}  eval_type: classify_cot\n")

    def judge(prompt: str) -> str:
        assert prompt.endswith("{sic} First the choice, then why.")
        return "Plain\nfor it says no more than it must" if "q1" in prompt else "Why, warm!"

    record = found.run(str, it=judge)

    faults = [each.scores["classify"].error for each in record.results]
    assert values_of(record, "classify") == [0.0, 0.5, 0.0]
    assert [each is None for each in faults] == [False, True, False]


def test_scores_of_any_range_become_shares_of_it_and_arguments_fill_the_prompt(
    tmp_path: Path,
) -> None:
    arguments = ", modelgraded_spec_args: {reader: child}"
    found = imported(tmp_path, "humour", arguments, humour=HUMOUR)
    judge, asked = scripted("3", "2", "1")

    record = found.run(str, it=judge)

    assert values_of(record, "classify") == [1.0, 0.5, 0.0]
    assert asked[1].startswith("How funny is this for a child?\n\nq1\n")
    assert "choice_scores of humour" in found.report.counts()


def test_columns_of_a_sample_stand_in_its_own_prompt(tmp_path: Path) -> None:
    samples = [
        {"input": "a", "reader": "child", "note": 1},
        {"input": "b", "reader": "judge"},
        {"input": "c"},
        {"input": "d", "reader": "{answer}"},
    ]
    found = imported(tmp_path, "humour", samples=samples, humour=HUMOUR)
    judge, asked = scripted("1", "3")

    record = found.run(str, it=judge)

    assert [each.splitlines()[0] for each in asked] == [
        "How funny is this for a child?",
        "How funny is this for a judge?",
    ]
    assert values_of(record, "classify") == [0.0, 1.0]
    told = [e.reason for e in found.report.omissions if e.feature == "sample without a judge"]
    assert told == [
        "humour puts reader into its prompt, and it is None",
        "humour has {answer} in a text, which is a field of our prompts",
    ]
    assert found.report.counts()["sample's note"] == 1


def test_fact_fails_where_facts_contradict_each_other_without_a_file_of_it(
    tmp_path: Path,
) -> None:
    found = imported(tmp_path, "fact", ", eval_type: cot_classify")
    judge, asked = scripted("A", "D", "E")

    assert values_of(found.run(str, it=judge), "classify") == [1.0, 0.0, 1.0]
    assert "<reference>\ni1\n</reference>" in asked[1]
    assert found.report.counts() == {"OpenAI evals' own fact": 1}


def test_a_fact_of_the_registry_keeps_its_words(tmp_path: Path) -> None:
    text = """
    prompt: "Expert: {ideal} Answer: {completion} Which of A to E?"
    choice_strings: ABCDE
    input_outputs: {input: completion}
    """
    found = imported(tmp_path, "fact", fact=text)
    judge, asked = scripted("A", "D", "E")

    assert values_of(found.run(str, it=judge), "classify") == [1.0, 0.0, 1.0]
    assert asked[0].startswith("Expert: <reference>\ni0\n")
    assert set(found.report.counts()) == {"OpenAI evals' own fact", "fact without choice_scores"}


@pytest.mark.parametrize("where", ["arguments", "samples"])
def test_closed_qa_asks_its_criterion(tmp_path: Path, where: str) -> None:
    criterion = "It names no price."
    arguments, samples = "", [{**each, "criteria": criterion} for each in SAMPLES]
    if where == "arguments":
        arguments, samples = f', modelgraded_spec_args: {{criteria: "{criterion}"}}', SAMPLES
    found = imported(tmp_path, "closedqa", arguments, samples=samples)
    judge, asked = scripted("Y", "N", "y")

    assert values_of(found.run(str, it=judge), "classify") == [1.0, 0.0, 1.0]
    assert f"criterion? {criterion}\n" in asked[0]
    assert found.report.counts() == {"OpenAI evals' own closedqa": 1}


def test_renamed_columns_are_read_by_their_new_names(tmp_path: Path) -> None:
    samples = [{"question": "q0", "answer": "i0"}]
    arguments = ", samples_renamings: {question: input, answer: ideal}"
    found = imported(tmp_path, "fact", arguments, samples=samples)

    (case,) = found.suite.cases
    assert (case.input, case.expected) == ("q0", "i0")


@pytest.mark.parametrize(
    ("spec", "arguments", "text", "told"),
    [
        ("none", "", "", "there is no modelgraded/none.yaml"),
        ("x", ", multicomp_n: 3", TONE, "has multicomp_n"),
        ("x", ", metaeval: true", TONE, "has metaeval"),
        ("x", "", "{prompt: p, choice_strings: from_n}", "from_n, which compares"),
        ("x", "", "{prompt: p, choice_strings: AB}", "has no choice_scores"),
        ("x", "", "{prompt: p, choice_strings: A, choice_scores: {A: 1}}", "tell no choices"),
        ("x", "", "{prompt: p, choice_strings: AB, choice_scores: {A: 1}}", "no number for each"),
        (
            "x",
            "",
            "{prompt: p, choice_strings: '12', choice_scores: from_strings, "
            "eval_type: cot_classify}",
            "reasoning before the label",
        ),
        (
            "x",
            "",
            "{prompt: [{role: a, content: b}, {role: c, content: d}], choice_strings: '12', "
            "choice_scores: from_strings}",
            "several messages",
        ),
        (
            "x",
            "",
            "{prompt: p, choice_strings: '12', choice_scores: from_strings, "
            "input_outputs: {input1: a, input2: b}}",
            "several answers",
        ),
    ],
)
def test_specs_that_no_judge_of_ours_can_say_are_told_by_name(
    tmp_path: Path, spec: str, arguments: str, text: str, told: str
) -> None:
    with pytest.raises(ImportingError, match=told):
        imported(tmp_path, spec, arguments, x=text)


def test_without_a_judge_an_eval_says_how_to_name_one(tmp_path: Path) -> None:
    with pytest.raises(ImportingError, match="asks a judge: give --judge SPEC"):
        imported(tmp_path, "fact", judge=None)
