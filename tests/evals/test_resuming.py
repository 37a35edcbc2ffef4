"""Runs that are killed with ``kill -9`` and resumed: the same results, and no answer paid twice.

Three kills here; ``make soak`` runs the same code with ``HEADWAY_EVAL_KILLS`` at 10.
"""

import os
import random
from collections import Counter
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from headway_evals.caching import AnswerCache
from headway_evals.executions import execute
from headway_evals.models.specs import ModelOptions, make_model
from headway_evals.runs import Result, RunRecord
from headway_evals.suite_files import load_suite
from tests.evals.paid_projects import CACHED, CASES, SUITE, Shell

KILLS = int(os.environ.get("HEADWAY_EVAL_KILLS", "3"))


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
