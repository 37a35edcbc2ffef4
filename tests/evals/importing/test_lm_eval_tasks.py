"""lm-eval's tasks score here as they score there; what cannot is listed."""

from pathlib import Path
from typing import Any

import pytest

from headway_evals.errors import ImportingError
from headway_measures.likelihood_scorers import GreedyMatch, Perplexity
from headway_measures.scores import Answered, LikelihoodValue
from tests.evals.importing.imported_files import import_files, values_of

_DOCS = [
    {"q": "2 + 2", "answer": "4"},
    {"q": "3 + 3", "answer": "6"},
    {"q": "1,000 + 1", "answer": "1,001"},
]
_ANSWERS = {
    "2 + 2": "2 and 2: #### 4 (not 5)",
    "3 + 3": "I say 6",
    "1,000 + 1": "so #### 1,001",
}
_TASK = """
    task: sums
    task_alias: Sums
    tag: [maths]
    dataset_path: json
    dataset_kwargs: {data_files: {test: sums.jsonl}}
    test_split: test
    output_type: generate_until
    doc_to_text: "{{q}}"
    doc_to_target: "{{answer}}"
    generation_kwargs: {until: ["\\n"], max_gen_toks: 32, do_sample: false, top_k: 5}
    filter_list:
      - name: strict
        filter: [{function: regex, regex_pattern: "#### (\\\\-?[0-9,]+)"}, {function: take_first}]
      - name: flexible
        filter:
          - {function: regex, group_select: -1, regex_pattern: "(-?[0-9,]*[0-9])"}
          - {function: remove_whitespace}
      - name: maj
        filter: [{function: majority_vote}, {function: take_first}]
    metric_list:
      - {metric: exact_match, aggregation: mean, higher_is_better: true, regexes_to_ignore: [","]}
      - {metric: ter}
    metadata: {version: 2.0}
"""


def _answer(prompt: str) -> str:
    return _ANSWERS[prompt]


def test_each_filter_scores_as_lm_evals_does(tmp_path: Path) -> None:
    found = import_files(tmp_path, "lm-eval", {"sums.yaml": _TASK, "sums.jsonl": _DOCS})

    record = found.run(_answer)

    assert values_of(record, "exact_match,strict") == [1, 0, 1]
    assert values_of(record, "exact_match,flexible") == [0, 1, 1]
    generation = found.suite.generation
    assert (generation.max_new_tokens, generation.stop) == (32, ("\n",))
    assert found.suite.gate.scorer == "exact_match,strict"


def test_every_key_is_taken_over_or_listed_with_its_count(tmp_path: Path) -> None:
    found = import_files(tmp_path, "lm-eval", {"sums.yaml": _TASK, "sums.jsonl": _DOCS})

    assert found.report.counts() == {
        "filter majority_vote": 1,
        "generation_kwargs top_k": 1,
        "key tag": 1,
        "metric ter": 1,
    }
    assert found.suite.description == "lm-eval task sums (Sums), version 2.0"


@pytest.mark.parametrize(
    ("function", "answer", "left"),
    [
        ("{function: lowercase}", "AbC", "abc"),
        ("{function: uppercase}", "AbC", "ABC"),
        ("{function: map, mapping_dict: {AbC: x}, default_value: y}", "AbC", "x"),
        ("{function: map, mapping_dict: {a: x}, default_value: y}", "AbC", "y"),
        ("{function: regex, regex_pattern: '(z)|(b)', fallback: none}", "AbC", "b"),
        ("{function: regex, regex_pattern: z, fallback: none}", "AbC", "none"),
        ("{function: regex, regex_pattern: '[A-C]', group_select: 1}", "AbC", "C"),
    ],
)
def test_a_filter_leaves_what_lm_evals_leaves(
    tmp_path: Path, function: str, answer: str, left: str
) -> None:
    task = f"""
    task: one
    dataset_path: json
    dataset_kwargs: {{data_files: {{test: one.jsonl}}}}
    test_split: test
    doc_to_text: q
    doc_to_target: want
    filter_list: [{{name: f, filter: [{function}, {{function: take_first}}]}}]
    """
    docs = [{"q": "?", "want": left}, {"q": "??", "want": answer}]

    found = import_files(tmp_path, "lm-eval", {"one.yaml": task, "one.jsonl": docs})

    assert values_of(found.run(lambda prompt: answer), "exact_match,f") == [1, 0]


def test_a_letter_is_found_by_pattern_then_by_the_choices_text_then_behind_a_colon(
    tmp_path: Path,
) -> None:
    task = """
    task: letters
    dataset_path: json
    dataset_kwargs: {data_files: {test: letters.jsonl}}
    test_split: test
    doc_to_text: q
    doc_to_target: want
    filter_list:
      - name: letter
        filter:
          - {function: multi_choice_regex, regex_pattern: "(\\\\([A-Z]\\\\))", ignore_case: true}
          - {function: take_first}
    """
    answers = ["it is (B)", "GUILTY OF ROMANCE!", "guilty", "Answer: C", "none of them"]
    wanted = ["(B)", "(B)", "(A)", "(C)", "[invalid]"]
    choices = ["Guilty", "Guilty of Romance", "Free"]
    docs = [{"q": f"{n}", "want": each, "choices": choices} for n, each in enumerate(wanted)]

    found = import_files(tmp_path, "lm-eval", {"letters.yaml": task, "letters.jsonl": docs})

    record = found.run(lambda prompt: answers[int(prompt)])
    assert values_of(record, "exact_match,letter") == [1, 1, 1, 1, 1]


def test_several_targets_count_where_one_is_met(tmp_path: Path) -> None:
    task = _TASK.partition("filter_list")[0].rstrip() + "\n"
    docs = [{"q": "2 + 2", "answer": "['5', '4']"}, {"q": "3 + 3", "answer": "['I say 6']"}]

    found = import_files(tmp_path, "lm-eval", {"sums.yaml": task, "sums.jsonl": docs})

    assert [case.expected for case in found.suite.cases] == [["5", "4"], ["I say 6"]]
    assert values_of(found.run(_answer), "exact_match") == [0, 1]


def test_likelihoods_are_scored_by_greediness_and_by_perplexity_of_the_text(tmp_path: Path) -> None:
    task = (
        _TASK.partition("generation_kwargs")[0].rstrip().replace("generate_until", "loglikelihood")
    )

    found = import_files(tmp_path, "lm-eval", {"sums.yaml": task + "\n", "sums.jsonl": _DOCS})

    scorers: Any = found.suite.cases[0].scorers
    assert scorers == {"perplexity": Perplexity(per="text"), "acc": GreedyMatch()}
    answered = Answered("4", "4", likelihoods=(LikelihoodValue(-0.5, 2, 1, is_greedy=False),))
    assert scorers["perplexity"].score(answered).value == pytest.approx(1.6487212707)  # e^0.5
    assert scorers["acc"].score(answered).value == 0


def test_a_group_is_a_suite_for_each_task_and_an_include_lies_below_its_own_keys(
    tmp_path: Path,
) -> None:
    base = _TASK.replace("    task: sums\n", "").replace("    task_alias: Sums\n", "")
    files = {
        "all.yaml": "group: all\ntask: [first, second, elsewhere]\n"
        "aggregate_metric_list: [{metric: acc}]\n",
        "_base.yaml": base,
        "first.yaml": "include: _base.yaml\ntask: first\n",
        "second.yaml": 'include: _base.yaml\ntask: second\ndoc_to_text: "Sum: {{q}}"\n',
        "sums.jsonl": _DOCS,
    }

    found = import_files(tmp_path, "lm-eval", files)

    assert [suite.name for suite in found.suites] == ["first", "second"]
    assert [suite.prompt(suite.cases[0]) for suite in found.suites] == ["2 + 2", "Sum: 2 + 2"]
    counts = found.report.counts()
    assert counts["task of a group"] == counts["key aggregate_metric_list of a group"] == 1


def test_data_of_a_hub_is_asked_for_and_taken_from_a_file(tmp_path: Path) -> None:
    task = _TASK.replace("dataset_path: json", "dataset_path: openai/gsm8k")
    files = {"sums.yaml": task, "mine.jsonl": _DOCS}

    with pytest.raises(ImportingError, match="give --data FILE"):
        import_files(tmp_path, "lm-eval", files)
    found = import_files(tmp_path, "lm-eval", files, data=tmp_path / "mine.jsonl")

    assert found.prompts == ["2 + 2", "3 + 3", "1,000 + 1"]
