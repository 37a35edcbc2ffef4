"""``headway suite check`` as processes see it: what is wrong with a file, and what it can tell."""

import argparse
import json
from pathlib import Path
from textwrap import dedent

import pytest

from headway.errors import HeadwayError
from headway_evals.commands import SUITE

SUITE_FILE = """
    suite: letters
    scorers: [exact]
    gate: {margin: 0.1}
    cases: cases.jsonl
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "suite.yaml").write_text(dedent(SUITE_FILE))
    cases = ({"id": f"c{i}", "input": f"q{i}", "expected": f"Q{i}"} for i in range(100))
    (tmp_path / "cases.jsonl").write_text("\n".join(map(json.dumps, cases)))
    return tmp_path


def check(path: str) -> int:
    parser = argparse.ArgumentParser()
    SUITE.configure(parser)
    return SUITE.run(parser.parse_args(["check", path]))


def test_a_good_suite_is_said_to_be_good_with_what_it_can_tell(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = check("suite.yaml")

    output = capsys.readouterr().out
    assert code == 0
    assert output.startswith("suite.yaml is good: suite letters, version ")
    assert "100 cases, 0 tags, scored by exact" in output
    assert "it finds a change of 8.9 points four times in five" in output


def test_cases_that_all_ask_the_same_are_told(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "suite.yaml").write_text(dedent(SUITE_FILE) + 'prompt: "Upper: {input"\n')

    code = check("suite.yaml")

    assert code == 0
    assert "But the prompt has no place for a case's input" in capsys.readouterr().out


def test_one_case_is_enough_to_see_that_a_prompt_has_no_input(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "suite.yaml").write_text(dedent(SUITE_FILE) + 'prompt: "Upper:"\n')
    (place / "cases.jsonl").write_text('{"id": "a", "input": "q", "expected": "Q"}\n')

    check("suite.yaml")

    assert "so that all ask the same: write {input}" in capsys.readouterr().out


def test_cases_of_one_input_are_told_as_such_and_repeats_are_not(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    line = '{"id": "%s", "input": "q", "expected": "Q"}'
    (place / "twice.jsonl").write_text(
        "\r\n".join(['{"suite": "s", "scorers": ["exact"]}', line % "a", line % "b"])
    )
    repeated = {"suite": "s", "scorers": ["exact"], "repeats": 5, "generation": {"temperature": 1}}
    (place / "once.jsonl").write_text("\n".join([json.dumps(repeated), line % "a"]))

    check("twice.jsonl")
    check("once.jsonl")

    twice, once = capsys.readouterr().out.split("once.jsonl is good")
    assert "But all 2 cases ask the same: their inputs do not differ" in twice
    assert "ask the same" not in once


def test_a_tag_cannot_break_a_line(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    case = {"id": "c", "input": "q", "expected": "Q", "tags": ["a\nb"]}
    (place / "cases.jsonl").write_text(json.dumps(case))

    check("suite.yaml")

    assert "for fewer than 10 cases: a\\nb\n" in capsys.readouterr().out


def test_a_bad_suite_is_told_with_its_lines(place: Path) -> None:
    (place / "suite.yaml").write_text("suite: s\ncases:\n  - {id: a}\n")

    with pytest.raises(HeadwayError, match=r"suite.yaml:3: case 'a' has no input"):
        check("suite.yaml")
