"""Runs that are made again by their manifests: from what they had, or from nothing."""

import json
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

from headway.errors import HeadwayError
from tests.evals.paid_projects import CACHED, SUITE, Shell


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
