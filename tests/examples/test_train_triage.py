"""The training of the shipped model, in miniature: a few steps from nothing to three models."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from headway_evals.models.requests import Generate, Request
from headway_evals.models.specs import ModelOptions, make_model
from headway_evals.suite_files import load_suite

SCRIPT = Path(__file__).parents[2] / "examples" / "train_triage.py"


def train(folder: Path) -> str:
    command = [sys.executable, str(SCRIPT), "--out", str(folder), "--steps", "3", "--cases", "6"]
    # Beside other tests, two threads that wait for each other by spinning take far longer.
    environment = {**os.environ, "OMP_WAIT_POLICY": "PASSIVE"}
    return subprocess.run(
        command, capture_output=True, text=True, check=True, timeout=240, env=environment
    ).stdout


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("triage")
    said = train(folder)
    assert "triage-base  step 3 of 3" in said
    assert "triage-v3" in said
    return folder


@pytest.mark.parametrize("adapter", ["", "+triage-v2", "+triage-v3"])
def test_what_was_trained_loads_and_generates(trained: Path, adapter: str) -> None:
    model = make_model(
        f"hf:{trained / 'models' / 'triage-base'}{adapter}", ModelOptions(device="cpu")
    )
    prompt = "Message:\nWhere is A48213?\n\nTriage:\n"
    request = Request("one", "Where is A48213?", prompt, Generate(8))

    (completion,) = model.generate([request], lambda index, completion: None)

    assert completion.error is None
    assert completion.output_tokens


def test_training_again_gives_the_same_bytes(trained: Path, tmp_path: Path) -> None:
    train(tmp_path)

    for path in filter(Path.is_file, trained.rglob("*")):
        assert path.read_bytes() == (tmp_path / path.relative_to(trained)).read_bytes(), path


def test_the_cases_are_those_of_a_suite(trained: Path) -> None:
    suite = trained / "suites" / "triage.yaml"
    suite.write_text("suite: small\nscorers: [exact: {}]\ncases: triage_cases.jsonl\n")

    cases = load_suite(suite).cases

    assert len(cases) == 6
    assert set(cases[0].expected) == {"kind", "urgency", "order", "language"}
    assert {tag.split(":")[0] for tag in cases[0].tags} == {"kind", "language"}
    assert len({json.dumps(case.input) for case in cases}) == 6
