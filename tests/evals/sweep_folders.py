"""A folder with a suite, a checkpoint and adapters of it, and sweeps in it."""

import argparse
import json
import shutil
from pathlib import Path
from textwrap import dedent

import pytest

from headway_evals.commands import EVAL
from headway_evals.runs import RunRecord, load_run
from headway_evals.sweeps import Sweep, read_sweep
from tests.evals.made_adapters import make_adapter

SUITE = """
    suite: tails
    prompt: "{input}"
    generation: {max_new_tokens: 12}
    scorers: [{regex: {pattern: "e"}}]
    gate: {margin: 0.1}
    cases: cases.jsonl
"""
COUNT = 24


class Folder:
    """A folder with a suite, a checkpoint and adapters of it, and ``headway eval`` in it."""

    def __init__(self, path: Path, checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.path = path
        self._capsys = capsys
        self.said = ""
        self.base = Path(shutil.copytree(checkpoint, path / "base"))
        for number in (1, 2, 10):
            make_adapter(checkpoint, path / "adapters" / f"step-{number}", seed=number)
        (path / "suite.yaml").write_text(dedent(SUITE))
        cases = [
            {"id": f"c{i}", "input": f"tell me of {i}", "tags": [f"part:{i % 2}"]}
            for i in range(COUNT)
        ]
        (path / "cases.jsonl").write_text("\n".join(map(json.dumps, cases)))

    @property
    def sweeps(self) -> list[Sweep]:
        # By time and not by name: within a second the name's end is drawn.
        paths = (self.path / ".headway" / "runs").glob("*/sweep.json")
        return sorted(map(read_sweep, paths), key=lambda each: each.started_at)

    def record(self, run_id: str | None) -> RunRecord:
        assert run_id is not None
        return load_run(run_id, self.path / ".headway" / "runs")

    def type(self, *words: str) -> int:
        parser = argparse.ArgumentParser()
        EVAL.configure(parser)
        try:
            return EVAL.run(parser.parse_args(words))
        finally:
            said = self._capsys.readouterr()
            self.said = said.err + said.out

    def sweep(self, *words: str) -> int:
        given = words or ("--adapters", "adapters")
        return self.type("sweep", "suite.yaml", "--base", "base", *given, "--no-publish")
