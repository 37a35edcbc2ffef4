"""Plain tables: columns guessed or said, types kept, nothing lost in silence."""

from pathlib import Path

import pytest

from headway_evals.errors import ImportingError
from tests.evals.importing.imported_files import import_files, values_of


def test_columns_are_guessed_by_name_and_the_guess_is_shown(tmp_path: Path) -> None:
    table = "Question,Answer,topic,ID,notes\nWho?,Ann,people,q1,hm\nWhere?,Rome,places,q2,\n"

    found = import_files(tmp_path, "csv", {"facts.csv": table})

    first = found.suite.cases[0]
    assert (first.case_id, first.input, first.expected) == ("q1", "Who?", "Ann")
    assert first.tags == ("topic:people",)
    assert "input=Question, expected=Answer, id=ID, tags=topic" in found.report.notes[0]
    assert found.report.counts() == {"column notes": 1}
    assert values_of(found.run(lambda prompt: "Ann"), "exact") == [1, 0]


def test_columns_that_are_said_come_before_guesses(tmp_path: Path) -> None:
    table = "question,answer,label\nWho?,Ann,A\n"
    fields = {"expected": "label", "tags": "answer"}

    found = import_files(tmp_path, "csv", {"t.csv": table}, fields=fields)

    case = found.suite.cases[0]
    assert (case.expected, case.tags) == ("A", ("answer:Ann",))


def test_several_columns_make_one_input(tmp_path: Path) -> None:
    table = "passage,question,answer\nIt rains.,Dry?,no\n"

    found = import_files(tmp_path, "csv", {"t.csv": table}, fields={"input": "passage,question"})

    assert found.suite.cases[0].input == {"passage": "It rains.", "question": "Dry?"}


def test_cells_of_csv_stay_text_and_values_of_jsonl_keep_their_types(tmp_path: Path) -> None:
    rows = [
        {"prompt": "a", "expected": 7, "tags": ["x", "y"], "cluster": 3},
        {"prompt": {"b": 1}, "expected": {"c": [True, None]}},
        {"prompt": [{"role": "user", "content": "hi"}], "expected": "1e5"},
    ]

    cells = import_files(tmp_path, "csv", {"c.csv": "input,expected\n1,007\n2,yes\n3,1e5\n"})
    lines = import_files(tmp_path, "jsonl", {"l.jsonl": rows})

    assert [case.expected for case in cells.suite.cases] == ["007", "yes", "1e5"]
    assert [case.expected for case in lines.suite.cases] == [7, {"c": [True, None]}, "1e5"]
    assert (lines.suite.cases[0].tags, lines.suite.cases[0].cluster) == (("x", "y"), "3")
    assert lines.suite.cases[2].input == [{"role": "user", "content": "hi"}]


def test_rows_that_cannot_be_read_are_listed_with_their_lines(tmp_path: Path) -> None:
    table = 'input,expected\na,"b\nb"\nc\n,d\ne,f\n'
    whole = '{"input": "a", "expected": "b"}', '{"id": 1, "input": "c", "expected": "d"}'
    lines = f'{whole[0]}\n[1]\n{{"input": \n{whole[1]}\n'

    cells = import_files(tmp_path, "csv", {"t.csv": table})
    rows = import_files(tmp_path, "jsonl", {"t.jsonl": lines})

    assert [case.expected for case in cells.suite.cases] == ["b\nb", "f"]
    assert [(o.feature, o.line) for o in cells.report.omissions] == [
        ("row of another length", 4),
        ("row without an input", 5),
    ]
    assert [(o.feature, o.line) for o in rows.report.omissions] == [
        ("line that is no object", 2),
        ("line that is not JSON", 3),
    ]
    assert [case.case_id for case in rows.suite.cases] == ["t-1", "1"]


def test_a_table_without_a_column_of_inputs_asks_for_one(tmp_path: Path) -> None:
    with pytest.raises(ImportingError, match="columns a, b: say --map input=COLUMN"):
        import_files(tmp_path, "csv", {"t.csv": "a,b\n1,2\n"})
    with pytest.raises(ImportingError, match="no column 'z'"):
        import_files(tmp_path, "csv", {"t.csv": "a,b\n1,2\n"}, fields={"input": "z"})


def test_rows_with_choices_are_a_choice(tmp_path: Path) -> None:
    rows = [{"question": "Capital?", "choices": ["Rome", "Bonn"], "answer": 0}]

    found = import_files(tmp_path, "jsonl", {"c.jsonl": rows})

    assert (found.suite.ask, found.suite.cases[0].choices) == ("choice", ("Rome", "Bonn"))
