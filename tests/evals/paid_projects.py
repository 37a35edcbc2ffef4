"""A user's project whose model writes down what it is paid for, and ``headway eval`` in it."""

import argparse
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from headway_evals.commands import EVAL
from headway_evals.runs import RunRecord, list_runs, load_run

CASES = 1_000
CACHED = "--cache-functions"

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
