"""What a run's manifest holds, and what a rerun does with it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from headway.errors import HeadwayError
from tests.evals.paid_projects import CACHED, Shell

OPTIONS = {
    "--self-check": ("self_check", "2", 2),
    "--concurrency": ("concurrency", "3", 3),
    "--retries": ("retries", "1", 1),
    "--rate": ("rate", "600/min", "600/min"),
    "--timeout": ("timeout_s", "9", 9.0),
    "--project": ("project", "letters", "letters"),
    "--url": ("url", "http://127.0.0.1:1", "http://127.0.0.1:1"),
}
# Answers until it is told to leave, which ends the process at once.
LEAVING = """
    import os

    def answer(prompt: str) -> str:
        if prompt == os.environ.get("LEAVE_AT"):
            os._exit(0)
        os.write(int(os.environ["PAID"]), (prompt + "\\n").encode())
        return prompt.upper()
"""


def manifest_of(shell: Shell, *known: str) -> tuple[str, dict[str, Any]]:
    """Return the one run that is not known yet, and its manifest."""
    (folder,) = (each for each in shell.project.runs.iterdir() if each.name not in known)
    return folder.name, json.loads((folder / "manifest.json").read_text())


def test_a_rerun_has_the_options_of_its_run_but_for_those_that_are_given(shell: Shell) -> None:
    words = [word for option, (_, value, _) in OPTIONS.items() for word in (option, value)]
    shell.run("--limit", "2", *words, "--noise-floor", "--allow-pickle", CACHED)
    first, manifest = manifest_of(shell)

    shell.type("rerun", first, "--no-publish")
    second, same = manifest_of(shell, first)
    shell.type("rerun", first, "--no-publish", "--rate", "5/s", "--self-check", "0")
    _, other = manifest_of(shell, first, second)

    told = {name: manifest[name] for name, _, _ in OPTIONS.values()}
    assert told == {name: value for name, _, value in OPTIONS.values()}
    assert (manifest["noise_floor"], manifest["allow_pickle"]) == (True, True)
    assert same == manifest
    assert other == {**manifest, "rate": "5/s", "self_check": 0}


def test_a_rerun_is_quantised_as_its_run_was(shell: Shell, checkpoint: Path) -> None:
    model = f"hf:{checkpoint}"
    shell.type("run", "suite.yaml", "--model", model, "--limit", "2", "--no-publish")
    name, manifest = manifest_of(shell)
    path = shell.project.runs / name / "manifest.json"
    path.write_text(json.dumps({**manifest, "quantise": "int2"}))

    with pytest.raises(HeadwayError, match="there is no quantisation 'int2'"):
        shell.type("rerun", name, "--no-publish")

    assert manifest["quantise"] is None


def test_a_run_of_an_earlier_version_is_made_again_with_the_usual_options(shell: Shell) -> None:
    shell.run("--limit", "2")
    name, manifest = manifest_of(shell)
    path = shell.project.runs / name / "manifest.json"
    new = {"quantise", "allow_pickle", "noise_floor", *(each for each, _, _ in OPTIONS.values())}
    path.write_text(json.dumps({key: value for key, value in manifest.items() if key not in new}))

    shell.type("rerun", name, "--no-publish")

    assert shell.code == 0
    assert manifest_of(shell, name)[1] == manifest


def test_a_model_that_ends_the_process_leaves_a_run_that_nothing_compares(shell: Shell) -> None:
    shell.project.module.write_text(dedent(LEAVING))
    words = ["run", "suite.yaml", "--model", shell.project.spec, CACHED, "--limit", "60"]
    main = "from headway.cli import main; raise SystemExit(main())"
    done = subprocess.run(
        [sys.executable, "-c", main, "eval", *words, "--no-publish"],
        env={**os.environ, "LEAVE_AT": "q40"},
        pass_fds=[int(os.environ["PAID"])],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=False,
    )
    (broken,) = shell.project.runs.iterdir()

    with pytest.raises(HeadwayError, match=r"holds no run\.json: the run was broken off"):
        shell.type("compare", broken.name, broken.name, "--no-publish")
    paid = shell.type(*words, "--no-publish")

    # The process was gone before anyone could say otherwise.
    assert done.returncode == 0
    assert paid == [f"q{number}" for number in range(40, 60)]
