"""``headway suite import`` as processes see it."""

import argparse
from pathlib import Path

import pytest

from headway_evals.commands import SUITE
from headway_evals.judges.scorers import judges_of
from headway_evals.suite_files import load_suite

CONFIG = """\
prompts: ['Say {{q}}']
tests:
  - vars: {q: a}
    assert: [{type: equals, value: b}, {type: javascript, value: 'true'}]
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "promptfooconfig.yaml").write_text(CONFIG)
    return tmp_path


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    SUITE.configure(parser)
    return SUITE.run(parser.parse_args(["import", *words, "--from", "promptfoo"]))


def test_a_suite_is_written_and_what_is_missing_is_listed(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = run("promptfooconfig.yaml", "--out", "suites/ours.yaml")

    output = capsys.readouterr().out
    assert code == 0
    assert "suites/ours.yaml: 1 case, version " in output
    assert "Not imported, 1 thing:" in output
    assert "assertion type javascript (1): runs JavaScript" in output
    assert "at promptfooconfig.yaml:4" in output
    assert load_suite(place / "suites" / "ours.yaml").cases[0].input == {"q": "a"}


def test_without_out_the_suite_goes_to_the_terminal_and_the_list_beside_it(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = run("promptfooconfig.yaml")

    told = capsys.readouterr()
    (place / "piped.yaml").write_text(told.out)
    assert code == 0
    assert load_suite(place / "piped.yaml").cases[0].case_id == "test-1"
    assert "assertion type javascript (1)" in told.err


def test_strict_writes_nothing_where_something_is_missing(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = run("promptfooconfig.yaml", "--strict", "--out", "ours.yaml")

    assert code == 1
    assert not (place / "ours.yaml").exists()
    assert "assertion type javascript (1)" in capsys.readouterr().out


def test_strict_is_content_where_all_is_imported(place: Path) -> None:
    (place / "promptfooconfig.yaml").write_text(
        CONFIG.replace(", {type: javascript, value: 'true'}", "")
    )

    assert run("promptfooconfig.yaml", "--strict", "--out", "ours.yaml") == 0
    assert (place / "ours.yaml").exists()


@pytest.mark.parametrize(
    ("config", "told"),
    [("prompts: []", "has no prompt"), ("- a", "no mapping"), (None, "there is no file")],
)
def test_where_nothing_can_be_imported_the_exit_code_is_1(
    place: Path, capsys: pytest.CaptureFixture[str], config: str | None, told: str
) -> None:
    if config is None:
        (place / "promptfooconfig.yaml").unlink()
    else:
        (place / "promptfooconfig.yaml").write_text(config)

    assert run("promptfooconfig.yaml", "--out", "ours.yaml") == 1
    assert told in capsys.readouterr().out


def test_several_prompts_need_a_folder(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "promptfooconfig.yaml").write_text(
        CONFIG.replace("['Say {{q}}']", "['A {{q}}', 'B {{q}}']")
    )

    assert run("promptfooconfig.yaml") == 1
    assert "give --out a folder" in capsys.readouterr().err
    assert run("promptfooconfig.yaml", "--out", "suites") == 0
    assert len(list((place / "suites").glob("*.yaml"))) == 2


def test_python_that_a_suite_calls_is_put_beside_it(place: Path) -> None:
    (place / "import_checks.py").write_text("def get_assert(output, context):\n    return True\n")
    (place / "promptfooconfig.yaml").write_text(
        CONFIG.replace(
            "type: javascript, value: 'true'", "type: python, value: file://import_checks.py"
        )
    )

    assert run("promptfooconfig.yaml", "--allow-code", "--strict", "--out", "s/ours.yaml") == 0
    assert (place / "s" / "import_checks.py").read_text().startswith("def get_assert")


JUDGED = """\
prompts: ['Say {{q}}']
tests:
  - vars: {q: a}
    assert: [{type: llm-rubric, value: Is kind}]
"""


def test_a_judge_is_named_by_the_command(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (place / "promptfooconfig.yaml").write_text(JUDGED)

    assert run("promptfooconfig.yaml", "--out", "ours.yaml") == 1
    told = capsys.readouterr().out
    assert "assertion type llm-rubric (1): no judge is named: give --judge SPEC" in told

    assert run("promptfooconfig.yaml", "--out", "ours.yaml", "--judge", "python:m:judge") == 0
    assert "promptfoo's own llm-rubric (1): is asked in our prompt" in capsys.readouterr().out
    (case,) = load_suite(place / "ours.yaml").cases
    assert judges_of(case.scorers)["llm-rubric"].judge == "python:m:judge"


@pytest.mark.parametrize("spec", ["gpt-4", "http://x", "openai:"])
def test_a_judge_that_is_no_spec_is_refused(
    place: Path, capsys: pytest.CaptureFixture[str], spec: str
) -> None:
    assert run("promptfooconfig.yaml", "--judge", spec, "--out", "ours.yaml") == 1
    assert f"--judge is {spec!r}, which is no model" in capsys.readouterr().out
    assert not (place / "ours.yaml").exists()
