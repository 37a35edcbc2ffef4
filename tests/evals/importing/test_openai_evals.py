"""OpenAI evals' classes score here as they score there."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from headway_evals.errors import ImportingError
from tests.evals.importing.imported_files import Imported, import_files, values_of


def _import(
    folder: Path, kind: str, samples: list[Any], arguments: str = "", **more: Any
) -> Imported:
    registry = f"""
    one:
      id: one.dev.v0
      metrics: [accuracy]
    one.dev.v0:
      class: evals.elsuite.basic:{kind}
      args: {{samples_jsonl: one/samples.jsonl{arguments}}}
    """
    files = {"evals/one.yaml": registry, "data/one/samples.jsonl": samples}
    return import_files(folder, "openai-evals", {**files, **more})


def _samples(*ideals: Any) -> list[dict[str, Any]]:
    return [{"input": str(place), "ideal": ideal} for place, ideal in enumerate(ideals)]


def _answering(*answers: str) -> Callable[[str], str]:
    return lambda prompt: answers[int(prompt)]


def test_match_wants_an_ideal_at_the_beginning(tmp_path: Path) -> None:
    found = _import(tmp_path, "Match", _samples("Yes", ["no", "No"], "Yes", "yes"))

    record = found.run(_answering("Yes, it is", "No.", " Yes", "Yes"))

    assert found.suite.name == "one"
    assert found.suite.generation.max_new_tokens == 500
    assert values_of(record, "starts_with") == [1, 1, 0, 0]


@pytest.mark.parametrize(
    ("arguments", "values"), [("", [1, 0, 0]), (", ignore_case: true", [1, 1, 0])]
)
def test_includes_wants_any_ideal_anywhere(
    tmp_path: Path, arguments: str, values: list[float]
) -> None:
    found = _import(tmp_path, "Includes", _samples(["Rome", "Bonn"], "Rome", "Rome"), arguments)

    record = found.run(_answering("In Rome?", "in rome", "Paris"))

    assert values_of(record, "includes") == values


def test_fuzzy_match_takes_either_within_the_other_and_measures_f1(tmp_path: Path) -> None:
    ideals = ["the Old Man", "a man, old", ["x", "Man!"], "man"]
    found = _import(tmp_path, "FuzzyMatch", _samples(*ideals))

    record = found.run(_answering("old", "old man", "an old man of the sea", ""))

    # Normalised: "old" in "old man"; "old man" and "man old"; "man" in "old man of sea"; nothing.
    assert values_of(record, "fuzzy_match") == [1, 0, 1, 0]
    assert values_of(record, "f1") == pytest.approx([2 / 3, 1, 2 / 5, 0])


def test_json_match_compares_values_and_never_takes_a_null(tmp_path: Path) -> None:
    ideals = ['{"a": [1, 2]}', ['{"a": 2}', '{"a": 1}'], '{"a": null}', '"x"']
    found = _import(tmp_path, "JsonMatch", _samples(*ideals))

    record = found.run(_answering('{"a":[1,2.0]}', ' {"a": 1}', '{"a": null}', "x"))

    assert values_of(record, "json_match") == [1, 1, 0, 0]


def test_multiple_choice_asks_for_a_letter_of_shuffled_answers(tmp_path: Path) -> None:
    rows = [
        {"question": f"{n}?", "answers": ["wrong", "right", "bad"], "label": 1} for n in range(9)
    ]
    registry = (
        "one.v0: {class: evals.elsuite.multiple_choice:MultipleChoice, args: {dataset: 'hf://x'}}"
    )
    files = {"evals/one.yaml": registry, "mine.jsonl": rows}

    with pytest.raises(ImportingError, match="give --data FILE"):
        import_files(tmp_path, "openai-evals", files)
    found = import_files(tmp_path, "openai-evals", files, data=tmp_path / "mine.jsonl")

    def letter(prompt: str) -> str:
        return next(line[0] for line in prompt.splitlines() if line.endswith(") right"))

    assert values_of(found.run(letter), "starts_with") == [1] * 9
    assert {case.expected for case in found.suite.cases} == {"A", "B", "C"}
    assert found.prompts[0].startswith(
        "\nPlease answer with the letter of the correct answer.\n\n0?\n"
    )


def test_examples_stand_before_the_last_message(tmp_path: Path) -> None:
    turn = {"role": "user", "content": "q"}
    shots = [
        {"sample": [{"role": "system", "content": f"shot {n}", "name": "example_user"}]}
        for n in range(3)
    ]
    samples = [{"input": [{"role": "system", "content": "s"}, turn], "ideal": "a"}]

    found = _import(
        tmp_path,
        "Match",
        samples,
        ", num_few_shot: 2, few_shot_jsonl: one/shots.jsonl",
        **{"data/one/shots.jsonl": shots},
    )

    assert [each.content for each in found.prompts[0]] == ["s", "shot 0", "shot 1", "q"]
    assert found.report.counts() == {"message's name": 1}


def test_what_is_not_supported_is_listed_by_name(tmp_path: Path) -> None:
    registry = """
    one.v0: {class: "evals.elsuite.basic.match:Match", args: {samples_jsonl: s.jsonl, seed: 3}}
    two.v0: {class: "evals.elsuite.modelgraded.classify:ModelBasedClassify", args: {}}
    six.v0: {class: "evals.elsuite.translate:Translate", args: {}}
    lost: {id: lost.v0, metrics: [accuracy]}
    """
    samples = [{"input": "a", "ideal": "b", "note": "n"}, {"input": 5, "ideal": "b"}]
    samples.append({"input": [1, None], "ideal": "b"})

    found = import_files(
        tmp_path, "openai-evals", {"evals/r.yaml": registry, "data/s.jsonl": samples}
    )

    assert [case.expected for case in found.suite.cases] == ["b"]
    assert found.report.counts() == {
        "argument seed": 1,
        "class ModelBasedClassify": 1,
        "class Translate": 1,
        "eval of another file": 1,
        "sample's input": 2,
        "sample's note": 1,
    }


def test_samples_outside_the_registry_are_not_read(tmp_path: Path) -> None:
    (tmp_path / "secret.jsonl").write_text('{"input": "a", "ideal": "b"}\n')
    registry = "one.v0: {class: a:Match, args: {samples_jsonl: ../secret.jsonl}}"

    with pytest.raises(ImportingError, match=r"outside|no file"):
        import_files(tmp_path / "registry", "openai-evals", {"evals/one.yaml": registry})
