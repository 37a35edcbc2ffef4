"""A project whose suite is judged by a Python function, and sweeps in it."""

import argparse
from pathlib import Path

import pytest

from headway_evals.commands import EVAL
from headway_evals.runs import RunRecord, load_run
from headway_evals.sweeps import Sweep, read_sweep
from tests.evals.judges.judge_projects import SUITE, make

# Sixty cases: "rude" says please to the odd ones, "kind" to those that three does not divide, and
# "polite" to all. New to the judge after "rude" are 30 answers of "polite" and 10 of "kind".
MODELS = """
def kind(prompts: list[str]) -> list[str]:
    return [f"{p} please" if int(p[1:]) % 3 else f"{p}!" for p in prompts]

def curt(prompts: list[str]) -> list[str]:
    return [f"{p}." for p in prompts]
"""


class Project:
    """A folder with a judged suite and models, and ``headway eval`` in it."""

    def __init__(self, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.path = path
        self.module = ""
        self.said = ""
        self._capsys = capsys

    def make(self, module: str, suite: str = SUITE, *, judge: str = "fair", n: int = 60) -> None:
        """Write the project; a module of its own for each test, for it is imported once."""
        self.module = module
        make(self.path, module, judge=judge, suite=suite, n=n)
        with (self.path / f"{module}.py").open("a") as file:
            file.write(MODELS)

    def type(self, *words: str) -> int:
        parser = argparse.ArgumentParser()
        EVAL.configure(parser)
        try:
            return EVAL.run(parser.parse_args(words))
        finally:
            said = self._capsys.readouterr()
            self.said = said.err + said.out

    def sweep(self, *words: str, models: tuple[str, ...] = ("polite", "kind")) -> int:
        given = [word for each in models for word in ("--model", f"python:{self.module}:{each}")]
        baseline = ("--baseline", f"python:{self.module}:rude")
        return self.type("sweep", "suite.yaml", *given, *baseline, "--no-publish", *words)

    @property
    def runs(self) -> Path:
        return self.path / ".headway" / "runs"

    @property
    def last(self) -> Sweep:
        paths = self.runs.glob("*/sweep.json")
        return max(map(read_sweep, paths), key=lambda each: each.started_at)

    @property
    def calls(self) -> int:
        """How many questions the judge ``fair`` was asked."""
        return sum(map(int, (self.path / "judged.txt").read_text().split()))

    def record(self, run_id: str | None) -> RunRecord:
        assert run_id is not None
        return load_run(run_id, self.runs)
