"""Suites as files arrive: from other systems and hands, and meant to do harm."""

import json
from pathlib import Path

import pytest

from headway_evals.errors import SuiteError
from headway_evals.executions import execute
from headway_evals.models.functions import Function
from headway_evals.runs import load_run
from headway_evals.suite_files import load_suite

HEAD = "suite: s\nscorers: [exact]\ncases:\n"
ROW = '{"id": "a", "input": "x", "expected": "y", "scorers": ["exact"]}'
CLUSTERS = {"a": "", "b": None, "c": 7, "d": "mail"}
BOMB = "".join(
    f"k{depth}: &k{depth} [{', '.join([f'*k{depth - 1}'] * 10)}]\n" for depth in range(1, 10)
)


def case(text: str) -> str:
    return f"{HEAD}- {{id: a, input: x, expected: y}}\n- {text}\n"


def fault(folder: Path, text: str | bytes, name: str = "s.yaml") -> str:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(SuiteError) as told:
        load_suite(path)
    return str(told.value).replace(f"{folder}/", "")


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("{id: a, input: x, expected: z}", "s.yaml:5: case 'a' stands twice, first at s.yaml:4"),
        ("{id: ' ', input: x, expected: y}", "s.yaml:5: case ' ' has id ' '"),
        ("{id: 3.5, input: x, expected: y}", "s.yaml:5: case '3.5' has id 3.5"),
        (
            "{id: b, input: x, expected: y, cluster: [c]}",
            "case 'b' has cluster ['c']",
        ),
        (
            "{id: b, input: x, expected: y, cluster: true}",
            "case 'b' has cluster True",
        ),
        (
            "{id: b, input: x, expected: y, must_pass: 'no'}",
            "case 'b' has must_pass 'no'",
        ),
        ("{id: b, input: x, input: z, expected: y}", "s.yaml:5: 'input' stands twice"),
        ("{id: b, input: {? [a] : x}, expected: y}", "s.yaml:5: a key must be text"),
        ("&q {id: b, input: x, expected: *q}", "s.yaml:5: an alias stands inside what it names"),
        ('{id: b, input: "\\ud800", expected: y}', "s.yaml:5: not YAML: found invalid Unicode"),
        ("\t{id: b}", "s.yaml:5: not YAML: found character that cannot start any token"),
        ("{id: b}\n---\nsuite: t", "s.yaml:6: not YAML: but found another document"),
        (f"{{id: b, input: x, expected: {'[' * 3000}{']' * 3000}}}", "nested more than 100 deep"),
    ],
)
def test_an_odd_row_is_told_with_its_line(tmp_path: Path, row: str, told: str) -> None:
    assert told in fault(tmp_path, case(row))


def test_a_bomb_of_aliases_is_no_bomb(tmp_path: Path) -> None:
    text = f"k0: &k0 [x]\n{BOMB}{case('{id: b, input: x, expected: *k9}')}"

    assert "aliases stand for more than 1,000,000 values" in fault(tmp_path, text)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('{"id": "b", "input": "x", "expected": NaN}', "s.jsonl:2: not JSON"),
        ('{"id": "b", "input": "x", "expected": 1e999}', "s.jsonl:2: not JSON: Number out of"),
        ('{"id": "\\ud800", "input": "x"}', "s.jsonl:2: not JSON"),
        ('{"id": "b", "expected": ' + "[" * 3000 + "]" * 3000 + "}", "s.jsonl:2: not JSON: max"),
        ("[1]", "s.jsonl:2: case 2 is [1], not a mapping"),
    ],
)
def test_an_odd_line_is_told_with_its_number(tmp_path: Path, line: str, told: str) -> None:
    assert told in fault(tmp_path, f"{ROW}\n{line}\n", "s.jsonl")


def test_bytes_that_are_no_text_are_told_with_their_line(tmp_path: Path) -> None:
    text = case("{id: b, input: é, expected: y}").encode("latin-1")

    assert fault(tmp_path, text) == "s.yaml:5: not UTF-8 text: invalid continuation byte"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("s.yaml", HEAD + "- {id: a, input: x, expected: y}\n"),
        ("s.jsonl", ROW + "\n\n" + ROW.replace('"a"', "7") + "\n"),
    ],
)
def test_a_mark_of_byte_order_and_the_line_ends_of_windows_change_nothing(
    tmp_path: Path, name: str, text: str
) -> None:
    (tmp_path / name).write_bytes(text.encode())
    plain = load_suite(tmp_path / name)

    (tmp_path / name).write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())

    assert load_suite(tmp_path / name) == plain


def test_an_empty_cluster_is_none_and_a_number_is_its_text(tmp_path: Path) -> None:
    rows = [{"id": id_, "input": "x", "expected": "y", "cluster": c} for id_, c in CLUSTERS.items()]
    (tmp_path / "s.yaml").write_text(f"suite: s\nscorers: [exact]\ncases: {json.dumps(rows)}\n")

    cases = load_suite(tmp_path / "s.yaml").cases

    assert [each.cluster for each in cases] == [None, None, "7", "mail"]


def test_an_answer_with_half_a_character_in_it_does_not_end_the_run(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(HEAD + "- {id: ../a/b, input: x, expected: {k: 1}}\n")
    model = Function(lambda prompt: '{"k": "\\ud800"}', folder=tmp_path)

    record = execute(load_suite(tmp_path / "s.yaml"), model, tmp_path / "run")

    (result,) = load_run(str(tmp_path / "run"), tmp_path).results
    assert record.results == (result,)
    assert result.scores["exact"].detail == '$.k is "\\ud800", not 1'
