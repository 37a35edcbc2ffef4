"""Runs that are killed with ``kill -9`` and resumed: the same results, and no answer paid twice.

Three kills here; ``make soak`` runs the same code with ``HEADWAY_EVAL_KILLS`` at 10.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from headway.errors import HeadwayError
from headway_evals.caching import AnswerCache
from headway_evals.commands import EVAL
from headway_evals.executions import execute
from headway_evals.models.specs import ModelOptions, make_model
from headway_evals.runs import Result, RunRecord, list_runs, load_run
from headway_evals.suite_files import load_suite

KILLS = int(os.environ.get("HEADWAY_EVAL_KILLS", "3"))
CASES = 1_000

SUITE = """
    suite: letters
    scorers: [exact]
    generation: {max_new_tokens: 4}
    cases: cases.jsonl
"""
# A prompt is written down when it is paid for; the pause is that of a model.
PAID = """
    import os, threading

    def answer(prompt: str) -> str:
        if prompt == os.environ.get("BREAK_AT"):
            raise KeyboardInterrupt
        os.write(int(os.environ["PAID"]), (prompt + "\\n").encode())
        threading.Event().wait(0.0005)
        return prompt.upper() if prompt[-1] != "7" else "?"
"""


class Project:
    """A folder with a suite, and a model that says what it was paid for.

    Args:
        folder: a new one.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        # A name of its own, for a module is imported once.
        self.module = folder / f"paid_{abs(hash(folder))}.py"
        self.spec = f"python:{self.module.stem}:answer"
        self.module.write_text(dedent(PAID))
        (folder / "suite.yaml").write_text(dedent(SUITE))
        cases = ({"id": f"c{i}", "input": f"q{i}", "expected": f"Q{i}"} for i in range(CASES))
        (folder / "cases.jsonl").write_text("\n".join(map(json.dumps, cases)))

    @property
    def runs(self) -> Path:
        """Return the folder of its runs."""
        return self.folder / ".headway" / "runs"

    @property
    def latest(self) -> RunRecord:
        """Return the run that was finished last."""
        return load_run(list_runs(self.runs)[0].run_id, self.runs)

    def run_and_kill(self, *words: str, after: int) -> list[str]:
        """Run in a process that is killed when that much is paid for; return what was."""
        reader, writer = os.pipe()
        main = "from headway.cli import main; raise SystemExit(main())"
        command = ["eval", "run", "suite.yaml", "--model", self.spec, "--no-publish", *words]
        process = subprocess.Popen(
            [sys.executable, "-c", main, *command],
            cwd=self.folder,
            env={**os.environ, "PAID": str(writer)},
            pass_fds=[writer],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(writer)
        paid = []
        with os.fdopen(reader, "rb") as prompts:
            for line in prompts:
                paid.append(line.decode().strip())
                if len(paid) == after:
                    process.send_signal(signal.SIGKILL)
        assert process.wait(timeout=60) == -signal.SIGKILL
        return paid


class Shell:
    """``headway eval`` in this process.

    Args:
        project: where it is typed.
        paid: where prompts are written down.
        capsys: what it says.
    """

    def __init__(self, project: Project, paid: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.project = project
        self._paid = paid
        self._capsys = capsys
        self.said = ""
        self.code: int | None = None

    def type(self, *words: str) -> list[str]:
        """Run a command; return the prompts that were paid for."""
        earlier = len(self._paid.read_text().splitlines())
        parser = argparse.ArgumentParser()
        EVAL.configure(parser)
        try:
            self.code = EVAL.run(parser.parse_args(words))
        finally:
            said = self._capsys.readouterr()
            self.said = said.err + said.out
        return self._paid.read_text().splitlines()[earlier:]

    def run(self, *words: str) -> list[str]:
        """Run the suite; return the prompts that were paid for."""
        return self.type(
            *("run", "suite.yaml", "--model", self.project.spec, "--no-publish", *words)
        )


@pytest.fixture
def shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Shell]:
    paid = tmp_path / "paid"
    descriptor = os.open(paid, os.O_CREAT | os.O_APPEND | os.O_WRONLY)
    monkeypatch.setenv("PAID", str(descriptor))
    project = Project(tmp_path / "project")
    monkeypatch.chdir(project.folder)
    yield Shell(project, paid, capsys)
    os.close(descriptor)


CACHED = "--cache-functions"


def comparable(record: RunRecord) -> tuple[Any, ...]:
    """Return all of a run but its name, its model's and its times."""
    results = sorted(record.results, key=lambda each: each.case_id)
    shown = [(each.case_id, each.output, each.passed, each.scores, each.error) for each in results]
    run = record.run
    return (run.case_count, run.passed_count, run.scores, run.suite_version, shown)


def test_a_run_killed_at_random_moments_comes_out_as_one_that_was_not(
    shell: Shell, tmp_path: Path
) -> None:
    chance = random.Random(7)
    assert len(shell.run()) == CASES
    unbroken = shell.project.latest
    killed: list[list[str]] = []
    done = 0

    for left in range(KILLS, 0, -1):
        # Some way into what is left, so that there is something to kill each time.
        after = chance.randint(1, (CASES - done) // (left + 1))
        killed.append(shell.project.run_and_kill(CACHED, after=after))
        done = len({prompt for paid in killed for prompt in paid})
    rest = shell.run(CACHED)

    assert comparable(shell.project.latest) == comparable(unbroken)
    prompts = [prompt for paid in (*killed, rest) for prompt in paid]
    twice = {prompt for prompt, count in Counter(prompts).items() if count > 1}
    # One was asked at each kill, and the process did not live to have the answer.
    assert twice <= {paid[-1] for paid in killed}
    assert len(set(prompts)) == CASES
    assert shell.project.latest.run.settings["kept_count"] == CASES - len(rest)


def test_a_checkpoint_goes_on_where_it_was_broken_off(shell: Shell, checkpoint: Path) -> None:
    suite = load_suite(Path("suite.yaml"))
    cases = suite.cases[:40]
    seen: list[Result] = []

    def run(name: str, cache: AnswerCache | None, break_after: int | None = None) -> RunRecord:
        def on_result(result: Result, *, is_kept: bool) -> None:
            seen.append(result)
            if len(seen) == break_after:
                raise KeyboardInterrupt

        model = make_model("hf:tiny", ModelOptions(folder=checkpoint.parent, batch_tokens=64))
        return execute(suite, model, Path(name), cases=cases, cache=cache, on_result=on_result)

    with AnswerCache(Path("cache"), "m" * 64) as cache:
        with pytest.raises(KeyboardInterrupt):
            run("broken", cache, break_after=15)
        resumed = run("resumed", cache)

    assert comparable(resumed) == comparable(run("unbroken", None))
    assert resumed.run.settings["kept_count"] == 15


def test_without_the_word_for_it_a_function_is_asked_each_time(shell: Shell) -> None:
    assert [len(shell.run("--limit", "5")) for _ in range(2)] == [5, 5]
    assert not Path(".headway/cache").exists()


def test_a_baseline_is_paid_once(shell: Shell) -> None:
    words = (CACHED, "--limit", "30")
    shell.run(*words)

    paid = shell.run(*words, "--baseline", shell.project.spec)

    assert paid == []
    assert " has all its answers" in shell.said
    assert "30 of 30 cases were answered earlier" in shell.said
    # The earlier run is the baseline's, so there is one more for the candidate alone.
    assert len(list(shell.project.runs.iterdir())) == 2


def test_a_finished_run_stands_for_answers_that_were_cleared(shell: Shell) -> None:
    words = (CACHED, "--limit", "5")
    shell.run(*words)

    shell.type("cache", "clear")
    told = shell.said
    paid = shell.run(*words, "--baseline", shell.project.spec)

    assert told.endswith("bytes of kept answers deleted from .headway/cache\n")
    # The candidate's.
    assert len(paid) == 5
    assert " has all its answers" in shell.said


@pytest.mark.parametrize("change", ["other_limit", "other_suite", "failed_case"])
def test_a_run_that_is_not_equal_stands_for_nothing(shell: Shell, change: str) -> None:
    shell.run(CACHED, "--limit", "5")
    shell.type("cache", "clear")
    limit = "6" if change == "other_limit" else "5"
    if change == "other_suite":
        Path("suite.yaml").write_text(dedent(SUITE) + 'prompt: "Now: {input}"\n')
    if change == "failed_case":
        (run,) = shell.project.runs.iterdir()
        lines = (run / "results.jsonl").read_text()
        (run / "results.jsonl").write_text(
            lines.replace('"error":null,"lat', '"error":"x","lat', 1)
        )

    shell.run(CACHED, "--limit", limit, "--baseline", shell.project.spec)

    assert " has all its answers" not in shell.said


@pytest.mark.parametrize("option", ["--no-cache", "--refresh"])
def test_answers_are_asked_anew_where_that_is_wanted(shell: Shell, option: str) -> None:
    words = (CACHED, "--limit", "5")
    shell.run(*words)

    assert len(shell.run(*words, option, "--baseline", shell.project.spec)) == 10


def test_a_broken_run_is_made_again_by_its_id_from_what_it_had(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BREAK_AT", "q40")
    with pytest.raises(KeyboardInterrupt):
        shell.run(CACHED, "--limit", "60")
    (broken,) = shell.project.runs.iterdir()
    monkeypatch.delenv("BREAK_AT")

    paid = shell.type("rerun", broken.name, "--no-publish")

    assert shell.code == 0
    assert paid == [f"q{number}" for number in range(40, 60)]
    assert len(shell.project.latest.results) == 60


def test_a_finished_run_is_made_again_from_anywhere_and_compared(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell.run("--limit", "8", CACHED)
    earlier = shell.project.latest.folder.absolute()
    monkeypatch.chdir(earlier.parent)

    paid = shell.type("rerun", str(earlier), "--no-publish")

    assert (shell.code, len(paid)) == (0, 8)
    assert f"All 8 outputs are those of {earlier.name}." in shell.said


def test_a_run_that_comes_out_otherwise_is_told(shell: Shell) -> None:
    shell.run("--limit", "8")
    (folder,) = shell.project.runs.iterdir()
    results = (folder / "results.jsonl").read_text()
    (folder / "results.jsonl").write_text(results.replace('"Q3","exp', '"Q9","exp'))
    source = shell.project.module.read_text()
    shell.project.module.write_text(f"{source}\n# changed\n")

    shell.type("rerun", folder.name, "--no-publish")

    assert shell.code == 1
    assert f"1 of 8 outputs are not those of {folder.name}, c3 for one." in shell.said
    assert "The model is another than it was." in shell.said


def test_a_suite_that_changed_since_cannot_be_run_again(shell: Shell) -> None:
    shell.run("--limit", "2")
    earlier = shell.project.latest.run
    Path("suite.yaml").write_text(dedent(SUITE) + 'prompt: "Now: {input}"\n')

    with pytest.raises(
        HeadwayError, match=f"was made with version {earlier.suite_version} of suite.yaml, which is"
    ):
        shell.type("rerun", earlier.run_id)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.unlink(), "manifest.json cannot be read, and without it nothing tells"),
        (lambda path: path.write_text("{}"), "manifest.json is damaged: Object missing required"),
    ],
)
def test_a_run_without_its_manifest_says_so(
    shell: Shell, damage: Callable[[Path], object], message: str
) -> None:
    shell.run("--limit", "2")
    (folder,) = shell.project.runs.iterdir()
    damage(folder / "manifest.json")

    with pytest.raises(HeadwayError, match=message):
        shell.type("rerun", folder.name)


def test_a_manifest_says_what_the_model_chose_for_itself(shell: Shell, checkpoint: Path) -> None:
    model = f"hf:{checkpoint}"
    shell.type("run", "suite.yaml", "--model", model, "--limit", "2", "--no-publish")
    (folder,) = shell.project.runs.iterdir()

    manifest = json.loads((folder / "manifest.json").read_text())

    chosen = shell.project.latest.run.settings["model"]
    assert None not in (chosen["device"], chosen["dtype"])
    assert (manifest["device"], manifest["dtype"]) == (chosen["device"], chosen["dtype"])
    assert manifest["batch_tokens"] == chosen["batch_tokens"]


def test_a_manifest_says_what_was_run(shell: Shell) -> None:
    shell.run("--limit", "2", CACHED)
    (folder,) = shell.project.runs.iterdir()

    manifest = json.loads((folder / "manifest.json").read_text())

    assert (manifest["suite"], manifest["spec"]) == ("suite.yaml", shell.project.spec)
    assert (manifest["limit"], manifest["cache_functions"]) == (2, True)
    assert manifest["suite_version"] == shell.project.latest.run.suite_version
    assert manifest["working_folder"] == str(shell.project.folder)
    assert manifest["environment"] == shell.project.latest.run.environment
    # This folder is part of no repository.
    assert manifest["commit"] is None
