"""The reports that ``headway eval`` writes where it is asked to, and what history tells it."""

import argparse
import io
import json
import os
import re
import resource
from pathlib import Path
from textwrap import dedent
from xml.etree import ElementTree

import pytest

from headway.commands import Command
from headway.errors import HeadwayError
from headway_evals.averages import Report
from headway_evals.commands import EVAL, SUITE
from headway_evals.history import past_changes
from headway_evals.pairings import question_of
from headway_evals.report_files import ReportFiles
from headway_evals.runs import load_run
from headway_evals.suite_files import load_suite

SUITE_FILE = """
    suite: letters
    scorers: [exact]
    gate: {margin: 0.1}
    cases: cases.jsonl
"""
MODULE = """
    def good(prompt): return prompt.upper()
    def halves(prompt): return "fine" if prompt == "q0" else "\\ud83d"
    def half_a_reason(output: str): raise ValueError("\\ud83d")
    def better(prompts: list[str]): return [each.upper() for each in prompts]
    def worse(prompt): return prompt.upper() if prompt[-1] in "01234567" else "?"
"""

GOOD, BETTER, WORSE = (f"python:report_models:{name}" for name in ("good", "better", "worse"))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    (tmp_path / "suite.yaml").write_text(dedent(SUITE_FILE))
    (tmp_path / "report_models.py").write_text(dedent(MODULE))
    cases = ({"id": f"c{i}", "input": f"q{i}", "expected": f"Q{i}"} for i in range(100))
    (tmp_path / "cases.jsonl").write_text("\n".join(map(json.dumps, cases)))
    return tmp_path


def invoke(command: Command, *words: str) -> int:
    parser = argparse.ArgumentParser()
    command.configure(parser)
    return command.run(parser.parse_args(words))


def run(*words: str) -> int:
    return invoke(EVAL, "run", "suite.yaml", "--no-publish", *words)


def asked(place: Path) -> dict[str, bytes]:
    return {case.case_id: question_of(case) for case in load_suite(place / "suite.yaml").cases}


FILES = ("--markdown", "out/r.md", "--junit", "out/r.xml", "--html", "out/r.html")


def test_a_verdict_is_written_in_every_form(place: Path) -> None:
    code = run("--model", WORSE, "--baseline", GOOD, *FILES)

    assert code == 1
    assert "🔴 letters: regressed" in (place / "out/r.md").read_text()
    assert len(list(ElementTree.parse(place / "out/r.xml").iter("testcase"))) == 101
    assert "20 passed before, fail now" in (place / "out/r.html").read_text()


def test_two_runs_that_are_compared_later_give_the_same_reports(place: Path) -> None:
    run("--model", GOOD, "--out", "good")
    run("--model", WORSE, "--out", "worse")
    (good,), (worse,) = (place / "good").iterdir(), (place / "worse").iterdir()

    code = invoke(EVAL, "compare", str(good), str(worse), "--no-publish", *FILES)

    assert code == 1
    assert "🔴 letters: regressed" in (place / "out/r.md").read_text()


def test_a_run_alone_is_written_too(place: Path) -> None:
    assert run("--model", WORSE, *FILES) == 0

    assert "passes 80 of 100 cases" in (place / "out/r.html").read_text()


def test_annotations_are_printed_and_the_summary_of_the_job_is_added_to(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    summary = place / "summary.md"
    summary.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))

    quiet = run("--model", WORSE, "--baseline", GOOD)
    assert (quiet, summary.read_text()) == (1, "before\n")
    assert "::error" not in capsys.readouterr().out
    run("--model", WORSE, "--baseline", GOOD, "--annotations")

    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.startswith("::error file=suite.yaml,")]
    assert summary.read_text().startswith("before\n## 🔴 letters: regressed\n")


def test_a_report_that_cannot_be_written_is_told_before_anything_is_run(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place / "taken").write_text("")

    with pytest.raises(HeadwayError, match=r"no report can be written to taken/r\.xml"):
        run("--model", GOOD, "--junit", "taken/r.xml")
    with pytest.raises(HeadwayError, match=r"\. is a folder: give the name of a file"):
        run("--model", GOOD, "--html", ".")
    with pytest.raises(HeadwayError, match=r"no report can be written to /proc/r\.html: No such"):
        run("--model", GOOD, "--html", "/proc/r.html")
    with pytest.raises(HeadwayError, match="--html has no value"):
        run("--model", GOOD, "--html", "")
    with pytest.raises(HeadwayError, match="taken is a file: --out wants the folder of the runs"):
        run("--model", GOOD, "--out", "taken")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", "gone/summary.md")
    with pytest.raises(
        HeadwayError, match=r"GITHUB_STEP_SUMMARY is gone/summary\.md, which cannot"
    ):
        run("--model", GOOD, "--annotations")

    assert not (place / ".headway").exists()


def test_looking_for_room_leaves_nothing_behind(place: Path) -> None:
    (place / "earlier.html").write_text("earlier")
    (place / "link.html").symlink_to("earlier.html")
    before = sorted(place.iterdir())

    ReportFiles(html=place / "link.html", junit=place / "new.xml").check()

    assert sorted(place.iterdir()) == before
    assert (place / "earlier.html").read_text() == "earlier"


def test_a_report_for_which_the_disk_has_no_room_leaves_the_earlier_one(place: Path) -> None:
    """The limit on the size of files stands for the disk."""
    run("--model", GOOD)
    (folder,) = (place / ".headway/runs").iterdir()
    files = ReportFiles(html=place / "r.html", markdown=place / "r.md")
    (place / "r.html").write_text("earlier")
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limit[1]))
    try:
        with pytest.raises(
            HeadwayError, match=r"the report cannot be written to .*r\.md: File too"
        ):
            files.write(Report((load_run(str(folder), place),)), io.StringIO())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)

    assert [path.name for path in place.glob("*r.*")] == ["r.html"]
    assert (place / "r.html").read_text() == "earlier"


def test_a_report_goes_where_a_link_or_a_pipe_leads(place: Path) -> None:
    (place / "shown").mkdir()
    (place / "shown/r.html").write_text("earlier")
    (place / "shown/r.html").chmod(0o640)
    (place / "r.html").symlink_to("shown/r.html")
    reader, writer = os.pipe()

    run("--model", GOOD, "--html", "r.html", "--markdown", f"/dev/fd/{writer}")

    os.close(writer)
    with os.fdopen(reader) as pipe:
        assert "100 of 100 cases" in pipe.read()
    assert (place / "r.html").is_symlink()
    assert "passes 100 of 100" in (place / "shown/r.html").read_text()
    assert (place / "shown/r.html").stat().st_mode & 0o777 == 0o640


def test_several_gates_judge_a_run_and_are_kept_with_it(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gates = "gates: [{name: letters, margin: 0.5}, {name: tight, scorer: exact, margin: 0.01}]"
    text = dedent(SUITE_FILE).replace("gate: {margin: 0.1}", gates)
    (place / "suite.yaml").write_text(text)

    first = run("--model", WORSE, "--baseline", GOOD)
    told = capsys.readouterr().out
    runs = sorted(
        (place / ".headway/runs").iterdir(),
        key=lambda folder: load_run(str(folder), place).run.model == WORSE,
    )
    again = invoke(EVAL, "compare", *map(str, runs), "--no-publish")

    assert (first, again) == (1, 1)
    assert "REGRESSED in gate tight, although passed overall:" in told
    assert "gate letters, by all: passed" in capsys.readouterr().out


def test_regressions_overall_and_by_another_gate_are_told_apart(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gates = "gates: [{name: letters, margin: 0.02}, {name: tight, scorer: exact, margin: 0.01}]"
    text = dedent(SUITE_FILE).replace("gate: {margin: 0.1}", gates)
    (place / "suite.yaml").write_text(text)

    run("--model", WORSE, "--baseline", GOOD)

    told = capsys.readouterr().out
    assert "REGRESSED overall and in gate tight: python:report_models:worse scores" in told
    assert ", p after Holm " in told


def test_one_case_is_one_case(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    case = {"id": "c", "input": "q0", "expected": "Q0", "tags": ["a"]}
    (place / "cases.jsonl").write_text(json.dumps(case))

    invoke(SUITE, "check", "suite.yaml")
    run("--model", WORSE, "--baseline", GOOD)

    said = capsys.readouterr()
    assert "1 case, 1 tag, scored by exact" in said.out
    assert "scores 100.0 % on 1 case, python" in said.out
    assert "letters: 1 case\n" in said.err
    assert not re.search(r"\b1 (cases|tags)", said.out + said.err)


def test_a_case_that_must_pass_is_known_from_the_suite(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cases = [json.loads(line) for line in (place / "cases.jsonl").read_text().splitlines()]
    cases[8]["must_pass"] = True
    (place / "cases.jsonl").write_text("\n".join(map(json.dumps, cases)))

    code = run("--model", WORSE, "--baseline", GOOD, "--margin", "0.9")

    assert code == 1
    assert "REGRESSED in case c8, although passed overall:" in capsys.readouterr().out


def test_what_a_suite_can_tell_goes_by_its_earlier_runs(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    invoke(SUITE, "check", "suite.yaml")
    before = capsys.readouterr().out
    for model in (GOOD, WORSE, BETTER):
        run("--model", model)
    capsys.readouterr()

    invoke(SUITE, "check", "suite.yaml")

    assert "models that differ on 10 % of the cases it finds a change of 8.9 points" in before
    after = capsys.readouterr().out
    assert "models that differ as those of 2 earlier pairs of runs did, it finds a change" in after


def test_half_a_character_marks_its_case_and_breaks_no_report(place: Path) -> None:
    text = dedent(SUITE_FILE).replace("[exact]", "[exact, {python: {call: XX}}]")
    text = text.replace("{margin", "{scorer: exact, margin")
    (place / "suite.yaml").write_text(text.replace("XX", '"report_models:half_a_reason"'))
    odd = {"id": "]]>-->|\n::error::<script>", "input": "q0", "tags": ["a|\nb"], "expected": "Q"}
    with (place / "cases.jsonl").open("a") as file:
        file.write(f"\n{json.dumps(odd)}")
    model = "python:report_models:halves"

    code = run("--model", model, "--baseline", GOOD, *FILES, "--annotations", "--cache-functions")

    runs = [load_run(str(path), place) for path in (place / ".headway/runs").iterdir()]
    (halves,) = [each for each in runs if each.run.model == model]
    assert code == 1
    unsaid = [str(each.error) for each in halves.results if each.output is None]
    assert len(unsaid) == 99
    assert all("which is not text" in each for each in unsaid)
    assert len(ElementTree.parse(place / "out/r.xml").findall("testsuite/testcase")) == 102
    assert (place / "out/r.md").read_text(encoding="utf-8")
    assert (place / "out/r.html").read_text(encoding="utf-8")


def test_a_verdict_says_what_the_suite_found_before(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for model in (GOOD, WORSE):
        run("--model", model)
    capsys.readouterr()

    run("--model", BETTER, "--baseline", GOOD)

    told = " ".join(capsys.readouterr().out.split())
    assert "models that differ as those of 1 earlier pair of runs did, 100 cases find" in told


def test_history_is_of_other_models_on_the_same_suite(place: Path) -> None:
    runs_dir = place / ".headway/runs"
    for model in (GOOD, WORSE):
        run("--model", model)

    questions = asked(place)

    (change,) = past_changes(runs_dir, "letters", questions, "all")

    assert change.n == 100
    assert change.variance == pytest.approx(0.2)
    assert past_changes(runs_dir, "other", questions, "all") == []
    assert past_changes(runs_dir, "letters", questions, "bleu") == []


def test_history_is_of_the_cases_that_a_version_still_has(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs_dir = place / ".headway/runs"
    for model in (GOOD, WORSE):
        run("--model", model)
    questions = asked(place)
    most = dict(list(questions.items())[:60]) | {f"new-{i}": b"" for i in range(40)}
    few = dict(list(questions.items())[:40]) | {f"new-{i}": b"" for i in range(60)}
    others = dict.fromkeys(questions, b"another question")

    kept = [past_changes(runs_dir, "letters", each, "all") for each in (most, few, others)]

    assert [[change.n for change in changes] for changes in kept] == [[60], [], []]
    lines = (place / "cases.jsonl").read_text()
    (place / "cases.jsonl").write_text(lines.replace("q", "question "))
    capsys.readouterr()
    invoke(SUITE, "check", "suite.yaml")
    assert "earlier pair" not in capsys.readouterr().out


def test_a_model_that_is_run_twice_is_no_history(place: Path) -> None:
    for _ in range(2):
        run("--model", GOOD)

    assert past_changes(place / ".headway/runs", "letters", asked(place), "all") == []
