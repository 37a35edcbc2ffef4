"""lm-eval's tasks ask here what they ask there, to the byte."""

from pathlib import Path
from typing import Any

import pytest

from headway_evals.case_results import make_request
from headway_evals.errors import ImportingError
from headway_evals.importing.lm_eval_prompts import Examples
from headway_evals.models.requests import Choices, Likelihood
from tests.evals.importing.imported_files import import_files

_DOCS = [{"q": f"Is {n} even?", "a": n % 2, "about": "numbers {n} {{n}}"} for n in range(3)]
_TRAIN = [{"q": f"Is {n} even?", "a": n % 2, "about": "t"} for n in range(10, 15)]

_TASK = """
    task: even
    dataset_path: json
    dataset_kwargs: {data_files: {test: test.jsonl, train: train.jsonl}}
    test_split: test
    fewshot_split: train
    output_type: multiple_choice
    doc_to_text: "Q: {{q}}\\nA:"
    doc_to_choice: ["yes", "no"]
    doc_to_target: a
"""


def _files(task: str, **more: Any) -> dict[str, Any]:
    return {"even.yaml": task, "test.jsonl": _DOCS, "train.jsonl": _TRAIN, **more}


def test_description_examples_and_delimiters_stand_where_lm_eval_puts_them(tmp_path: Path) -> None:
    task = (
        _TASK
        + """
    num_fewshot: 2
    fewshot_config: {sampler: first_n}
    description: "About {{about}}.\\n"
    """
    )

    found = import_files(tmp_path, "lm-eval", _files(task))

    assert found.prompts[1] == (
        "About numbers {n} {{n}}.\n"
        "Q: Is 10 even?\nA: yes\n\nQ: Is 11 even?\nA: no\n\nQ: Is 1 even?\nA:"
    )
    ask = make_request(found.suite, found.suite.cases[1]).ask
    assert isinstance(ask, Choices)
    assert ask.options == (" yes", " no")
    assert found.suite.cases[1].expected == 1


def test_what_all_cases_begin_with_stands_once(tmp_path: Path) -> None:
    task = _TASK + "    num_fewshot: 1\n    fewshot_config: {sampler: first_n}\n"

    found = import_files(tmp_path, "lm-eval", _files(task))

    assert found.made[0].document["cases"][0]["input"] == "Q: Is 0 even?\nA:"
    assert found.prompts[0] == "Q: Is 10 even?\nA: yes\n\nQ: Is 0 even?\nA:"


def test_examples_have_their_own_words_and_a_prefix_leads_each_answer(tmp_path: Path) -> None:
    task = (
        _TASK
        + """
    num_fewshot: 1
    gen_prefix: "It is:"
    fewshot_delimiter: "##"
    fewshot_config:
      sampler: first_n
      doc_to_text: "<{{q}}>"
      target_delimiter: "="
      samples: [{q: one, a: 1}]
    """.replace("    fewshot_config", "    fewshot_config")
    )
    task = task.replace("fewshot_split: train\n", "\n")

    found = import_files(tmp_path, "lm-eval", _files(task))

    assert found.prompts[0] == "<one>=It is: no##Q: Is 0 even?\nA: It is:"


def test_a_choice_behind_white_space_keeps_its_delimiter_and_its_length(tmp_path: Path) -> None:
    task = _TASK.replace("\\nA:", "\\nA: ")

    found = import_files(tmp_path, "lm-eval", _files(task))

    ask = make_request(found.suite, found.suite.cases[0]).ask
    assert isinstance(ask, Choices)
    assert ask.options == (" yes", " no")
    scorer: Any = found.suite.cases[0].scorers["acc_norm"]
    assert (scorer.normalise, scorer.led_by) == ("chars", " ")


def test_drawn_examples_are_those_of_pythons_generator_a_document_after_another() -> None:
    pool = [{"n": n} for n in range(10)]
    examples = Examples(pool, 2, is_first=False, is_own=False)

    drawn = [[each["n"] for each in examples.before({"n": n})] for n in range(3)]

    # random.Random(1234).sample(range(10), 2), three times
    assert drawn == [[7, 1], [0, 1], [9, 0]]


def test_a_case_is_no_example_of_itself(tmp_path: Path) -> None:
    task = _TASK.replace("fewshot_split: train", "fewshot_split: test")
    task += "    num_fewshot: 2\n    fewshot_config: {sampler: first_n}\n"

    found = import_files(tmp_path, "lm-eval", _files(task))

    assert [prompt.count(f"Is {n} even?") for n, prompt in enumerate(found.prompts)] == [1, 1, 1]


def test_a_likelihood_has_no_delimiter_and_a_rolling_text_no_prompt(tmp_path: Path) -> None:
    task = _TASK.replace("multiple_choice", "loglikelihood").replace(
        "target: a", "target: '{{about}}'"
    )
    task = task.replace('doc_to_choice: ["yes", "no"]', "num_fewshot: 0")

    found = import_files(tmp_path / "one", "lm-eval", _files(task))
    rolling = task.replace("loglikelihood", "loglikelihood_rolling")
    other = import_files(tmp_path / "two", "lm-eval", _files(rolling))

    ask = make_request(found.suite, found.suite.cases[0]).ask
    assert ask == Likelihood("numbers {n} {{n}}")
    assert other.prompts[0] == "numbers {n} {{n}}"


def test_cells_of_csv_have_the_types_that_pandas_gives_them(tmp_path: Path) -> None:
    task = """
    task: cells
    dataset_path: csv
    dataset_kwargs: {data_files: cells.csv}
    test_split: train
    output_type: generate_until
    doc_to_text: "{{whole + 1}} {{gaps}} {{ok}} {{name}}"
    doc_to_target: whole
    """
    cells = "whole,gaps,ok,name\n1,2,True,007 b\n3,,False,None\n"

    found = import_files(tmp_path, "lm-eval", {"cells.yaml": task, "cells.csv": cells})

    assert found.prompts == ["2 2.0 True 007 b", "4 None False None"]
    assert [case.expected for case in found.suite.cases] == ["1", "3"]


@pytest.mark.parametrize(
    ("template", "told"),
    [
        ("{{ ''.__class__.__mro__ }}", "unsafe"),
        (
            "{% for a in range(99999) %}{% for b in range(99999) %}x{% endfor %}{% endfor %}",
            "more than",
        ),
        ("{{ 'x' * 999999999 }}", "more than"),
        ("{{ q | regex_replace('(I|I)*$(?!e)(s+s+)+t', '') }}{{ nothing }}", "nothing"),
    ],
)
def test_a_template_cannot_leave_its_sandbox_or_its_bounds(
    tmp_path: Path, template: str, told: str
) -> None:
    task = _TASK.replace('"Q: {{q}}\\nA:"', f'"{template}"')

    with pytest.raises(ImportingError, match=told):
        import_files(tmp_path, "lm-eval", _files(task))


def test_files_outside_the_tasks_folder_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "secret.jsonl").write_text('{"q": "secret", "a": 0}\n')
    task = _TASK.replace("test: test.jsonl", "test: ../secret.jsonl")

    with pytest.raises(ImportingError, match="outside"):
        import_files(tmp_path / "task", "lm-eval", _files(task))


def test_functions_are_run_only_where_code_is_allowed(tmp_path: Path) -> None:
    task = _TASK.replace('"Q: {{q}}\\nA:"', "!function words.asked")
    task += "    process_docs: !function words.first_two\n"
    module = """
        def asked(doc):
            return "Please: " + doc["q"]

        def first_two(docs):
            return docs.filter(lambda doc: doc["q"] != "Is 2 even?")
    """

    with pytest.raises(ImportingError, match="--allow-code"):
        import_files(tmp_path, "lm-eval", _files(task, **{"words.py": module}))
    found = import_files(tmp_path, "lm-eval", _files(task, **{"words.py": module}), allow_code=True)

    assert found.prompts == ["Please: Is 0 even?", "Please: Is 1 even?"]
