"""``headway eval`` and ``headway suite`` as processes see them: arguments in, exit code out."""

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from headway.commands import Command
from headway.errors import HeadwayError
from headway_evals.commands import DEMO, EVAL
from headway_evals.errors import ComparisonError

Invoke = Callable[..., int]

SUITE_FILE = """
    suite: letters
    scorers: [exact]
    gate: {margin: 0.1}
    cases: cases.jsonl
"""
MODULE = """
    def good(prompt): return prompt.upper()
    def better(prompts: list[str]): return [each.upper() for each in prompts]
    def worse(prompt): return prompt.upper() if prompt[-1] in "01234567" else "?"
    def mute(prompt): raise TimeoutError("nobody home")
    def leave(prompt): raise SystemExit(0)
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HEADWAY_URL", "http://127.0.0.1:1")
    (tmp_path / "suite.yaml").write_text(dedent(SUITE_FILE))
    (tmp_path / "letter_models.py").write_text(dedent(MODULE))
    cases = ({"id": f"c{i}", "input": f"q{i}", "expected": f"Q{i}"} for i in range(100))
    (tmp_path / "cases.jsonl").write_text("\n".join(map(json.dumps, cases)))
    return tmp_path


def invoke(command: Command, *words: str) -> int:
    parser = argparse.ArgumentParser()
    command.configure(parser)
    return command.run(parser.parse_args(words))


def run(*words: str) -> int:
    return invoke(EVAL, "run", "suite.yaml", *words)


GOOD, BETTER, WORSE, MUTE, LEAVE = (
    f"python:letter_models:{name}" for name in ("good", "better", "worse", "mute", "leave")
)


def test_a_run_alone_reports_its_rate(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = run("--model", WORSE)

    output = capsys.readouterr()
    assert code == 0
    assert output.out.startswith(f"{WORSE} passes 80 of 100 cases of letters: 80.0 %")
    assert "letters: 100 cases" in output.err
    assert "not published: no collector answers at http://127.0.0.1:1: " in output.err
    assert len(list(place.glob(".headway/runs/*/run.json"))) == 1


@pytest.mark.parametrize(
    ("model", "baseline", "options", "code", "word"),
    [
        (BETTER, GOOD, [], 0, "PASSED"),
        (BETTER, WORSE, [], 0, "IMPROVED"),
        (WORSE, GOOD, [], 1, "REGRESSED"),
        (BETTER, GOOD, ["--margin", "0.01"], 3, "INCONCLUSIVE"),
        (BETTER, GOOD, ["--limit", "7"], 3, "INCONCLUSIVE"),
    ],
)
def test_a_candidate_is_judged_against_a_baseline(
    place: Path,
    capsys: pytest.CaptureFixture[str],
    model: str,
    baseline: str,
    options: list[str],
    code: int,
    word: str,
) -> None:
    found = run("--model", model, "--baseline", baseline, "--no-publish", *options)

    assert found == code
    assert capsys.readouterr().out.startswith(f"{word}: {model} scores")


def test_an_earlier_run_can_be_the_baseline(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("--model", GOOD, "--no-publish", "--out", "kept")
    (folder,) = (place / "kept").iterdir()

    by_id = run("--model", WORSE, "--baseline", folder.name, "--no-publish", "--out", "kept")
    by_folder = run("--model", WORSE, "--baseline", f"kept/{folder.name}", "--no-publish")

    assert (by_id, by_folder) == (1, 1)


def test_two_runs_are_compared_by_the_gate_they_were_made_under(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("--model", GOOD, "--no-publish")
    (good,) = (place / ".headway" / "runs").iterdir()
    run("--model", WORSE, "--no-publish")
    (worse,) = set((place / ".headway" / "runs").iterdir()) - {good}
    capsys.readouterr()

    code = invoke(EVAL, "compare", good.name, str(worse), "--no-publish")
    wide = invoke(EVAL, "compare", good.name, worse.name, "--no-publish", "--margin", "0.4")

    assert (code, wide) == (1, 0)
    assert "margin 10.0 points" in capsys.readouterr().out


def test_a_run_without_its_gate_is_not_judged(place: Path) -> None:
    run("--model", GOOD, "--no-publish")
    (folder,) = (place / ".headway" / "runs").iterdir()
    content = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps({**content, "settings": {}}))

    with pytest.raises(HeadwayError, match="holds no usable gate"):
        invoke(EVAL, "compare", folder.name, folder.name, "--no-publish")


def test_runs_are_listed(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    empty = invoke(EVAL, "runs")
    assert "No runs in .headway/runs" in capsys.readouterr().out
    run("--model", WORSE, "--no-publish")
    capsys.readouterr()

    code = invoke(EVAL, "runs")

    assert (empty, code) == (0, 0)
    assert re.search(
        r"letters \w+ +python:letter_models:worse .* 100 +80.0 %", (capsys.readouterr().out)
    )


def test_a_reader_that_leaves_does_not_change_the_exit_code(place: Path) -> None:
    command = ["eval", "run", "suite.yaml", "--model", BETTER, "--baseline", WORSE, "--no-publish"]
    main = "from headway.cli import main; raise SystemExit(main())"
    process = subprocess.Popen(
        [sys.executable, "-c", main, *command], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdout is not None

    process.stdout.close()

    assert process.wait(timeout=60) == 0


def test_runs_and_verdict_are_published(place: Path, collector: Any) -> None:
    code = run(
        *("--model", WORSE, "--baseline", GOOD, "--url", collector.url),
        *("--project", "shop", "--publish"),
    )

    assert code == 1
    assert [(path, project) for path, project, _ in collector.posts] == [
        ("/v1/runs", "shop"),
        ("/v1/runs", "shop"),
        ("/v1/comparisons", "shop"),
    ]
    old, new, comparison = (body for _, _, body in collector.posts)
    assert (old["run"]["model"], len(old["results"])) == (GOOD, 100)
    assert comparison["candidate_run_id"] == new["run"]["run_id"]
    assert comparison["exit_code"] == 1


def test_publishing_that_was_asked_for_must_work(place: Path, collector: Any) -> None:
    with pytest.raises(HeadwayError, match="no collector answers"):
        run("--model", GOOD, "--publish")
    collector.refusal = {"code": "bad_run", "message": "the run is odd"}
    with pytest.raises(HeadwayError, match="POST /v1/runs: the run is odd"):
        run("--model", GOOD, "--publish", "--url", collector.url)


def test_a_refusal_is_a_warning_where_publishing_was_not_asked_for(
    place: Path, collector: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    collector.refusal = {"code": "bad_run", "message": "the run is odd"}

    code = run("--model", GOOD, "--url", collector.url)

    assert code == 0
    assert "not published: POST /v1/runs: the run is odd" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--model", "letter_models:good"], "its scheme must be one of hf:PATH"),
        (["--model", MUTE], "answered none of 100 cases; the first: .*nobody home"),
        (["--model", LEAVE], "answered none of 100 cases; the first: .*SystemExit: 0"),
        (["--model", GOOD, "--baseline", "gone"], "there is no run 'gone'"),
        (["--model", GOOD, "--baseline", "hf:gone"], "no model folder 'gone'"),
        (
            ["--model", GOOD, "--margin", "5"],
            "--margin: gate 'all' has margin 5.0, which must be a f",
        ),
        (["--model", GOOD, "--margin", "5%"], "has margin 5%, .* write 0.05 for 5 points"),
        (["--model", "log:kind=llm"], "no collector answers at http://127.0.0.1:1"),
    ],
)
def test_what_cannot_be_done_is_one_message(place: Path, words: list[str], message: str) -> None:
    with pytest.raises(HeadwayError, match=message):
        run(*words)


def test_nothing_is_run_where_the_candidate_is_not_there(place: Path) -> None:
    with pytest.raises(HeadwayError):
        run("--model", "hf:gone", "--baseline", GOOD)

    assert not (place / ".headway").exists()


@pytest.mark.parametrize(
    ("option", "value", "wanted"),
    [
        ("--margin", "-5", "a margin: give a fraction, such as 0.05"),
        ("--margin", "%", "a margin: give a fraction, such as 0.05"),
        ("--margin", "inf%", "a margin: give a fraction, such as 0.05"),
        ("--margin", "nan", "a margin: give a fraction, such as 0.05"),
        ("--limit", "0", "a count: give 1 or more"),
        ("--limit", "abc", "a count: give 1 or more"),
        ("--batch-tokens", "²", "a count: give 1 or more"),
    ],
)
def test_arguments_out_of_range_are_refused(
    place: Path, option: str, value: str, wanted: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        run("--model", GOOD, option, value)

    assert caught.value.code == 2
    assert f"argument {option}: {value!r} is not {wanted}" in capsys.readouterr().err


def test_two_runs_of_other_suites_are_not_compared(place: Path) -> None:
    run("--model", GOOD, "--no-publish")
    (good,) = (place / ".headway" / "runs").iterdir()
    text = (place / "suite.yaml").read_text()
    (place / "suite.yaml").write_text(text.replace("suite: letters", "suite: other"))
    run("--model", WORSE, "--no-publish", "--out", "kept")
    (worse,) = (place / "kept").iterdir()
    told = "is a run of the suite 'letters' and not of 'other'"

    with pytest.raises(ComparisonError, match=told):
        invoke(EVAL, "compare", str(good), str(worse), "--no-publish")
    with pytest.raises(ComparisonError, match=told):
        run("--model", WORSE, "--baseline", str(good), "--no-publish", "--out", "unused")

    assert not (place / "unused").exists()


def test_a_working_folder_that_is_gone_is_one_message(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place / "gone").mkdir()
    monkeypatch.chdir(place / "gone")
    (place / "gone").rmdir()

    with pytest.raises(HeadwayError, match="the working folder is gone"):
        run("--model", GOOD)
    assert invoke(EVAL, "runs") == 0


def test_a_model_on_disk_is_run_from_the_command(
    place: Path, checkpoint: Path, adapter: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = run(
        *("--model", f"hf:{checkpoint}+tuned", "--baseline", f"hf:{checkpoint}"),
        *("--limit", "5", "--device", "cpu", "--dtype", "float32", "--no-publish"),
    )

    assert code == 3
    assert "tiny+tuned scores 0.0 % on 5 cases, tiny 0.0 %" in capsys.readouterr().out


def test_the_commands_load_nothing_heavy() -> None:
    heavy = {"torch", "numpy", "yaml", "rich", "headway_measures"}
    code = f"import sys, headway_evals.commands; sys.exit(sorted({heavy} & set(sys.modules)) or 0)"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr


def test_the_demos_arguments_have_their_defaults() -> None:
    parser = argparse.ArgumentParser()
    DEMO.configure(parser)

    assert vars(parser.parse_args([])) == {
        "once": False,
        "collector_port": 4318,
        "ui_port": 8501,
        "calls": 2400,
        "seed": 7,
    }
