"""A user's project with a suite of forty cases, canned answers, and a test of it."""

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest

# numpy does not bear being imported twice, and a run in this process is made to forget what it
# imported: so that what suites need is here before.
import headway_evals.pytest_items  # noqa: F401

COUNT = 40
CASES = tuple(f"case-{number:02d}" for number in range(COUNT))
BOTH = "model=candidate, baseline=baseline"

SUITE = """\
suite: letters
scorers: [exact]
gate: {margin: 0.2}
cases: letters.jsonl
"""

ANSWERS = """\
from pathlib import Path

import pytest

def answer(name, wrong, prompts):
    with Path(__file__).with_name("asked.txt").open("a") as file:
        file.write(f"{name} {len(prompts)}\\n")
    return ["wrong" if prompt in wrong else prompt.upper() for prompt in prompts]

def candidate(prompts: list[str]) -> list[str]:
    return answer("candidate", CANDIDATE, prompts)

def baseline(prompts: list[str]) -> list[str]:
    return answer("baseline", BASELINE, prompts)

"""

TEST = """\
@pytest.mark.suite("letters.yaml", MARK)
def test_letters(case, result):
    BODY
"""

PLACE = f"test_it.py:{ANSWERS.count(chr(10)) + 1}: "
"""Where pytest says that the test stands."""


class Project:
    """A folder with the suite and ``test_it.py``.

    Args:
        pytester: whose folder it is.
        candidate_fails: cases that the candidate answers wrongly.
        baseline_fails: cases that the baseline answers wrongly.
        mark: the marker's arguments after the path.
        body: of the test.
        suite: the suite's file.
        test: the test's source, with MARK and BODY.
    """

    def __init__(
        self,
        pytester: pytest.Pytester,
        *,
        candidate_fails: Iterable[str] = (),
        baseline_fails: Iterable[str] = (),
        mark: str = BOTH,
        body: str = "pass",
        suite: str = SUITE,
        test: str = TEST,
    ) -> None:
        self.pytester = pytester
        cases = [
            {"id": each, "input": each, "expected": each.upper(), "tags": [parity(each)]}
            for each in CASES
        ]
        (self.folder / "letters.yaml").write_text(suite)
        (self.folder / "letters.jsonl").write_text("\n".join(map(json.dumps, cases)))
        answers = ANSWERS.replace("CANDIDATE", repr(set(candidate_fails)))
        answers = answers.replace("BASELINE", repr(set(baseline_fails)))
        test = test.replace("MARK", mark).replace("BODY", body)
        (self.folder / "test_it.py").write_text(answers + test)

    @property
    def folder(self) -> Path:
        """Return where it lies."""
        return self.pytester.path

    def run(self, *arguments: str) -> pytest.RunResult:
        """Run pytest in this process, or in its own where it is to start workers."""
        if "-n" in arguments:
            return self.pytester.runpytest_subprocess(*arguments)
        return self.pytester.runpytest_inprocess(*arguments)

    def asked(self) -> list[str]:
        """Return what the models were asked so far: of each its name and how many prompts."""
        path = self.folder / "asked.txt"
        counts: Counter[str] = Counter()
        for line in path.read_text().splitlines() if path.exists() else ():
            name, count = line.split()
            counts[name] += int(count)
        return [f"{name} {count}" for name, count in sorted(counts.items())]


def parity(case_id: str) -> str:
    """Return the tag of a case."""
    return "even" if int(case_id.removeprefix("case-")) % 2 == 0 else "odd"


def lines_with(result: pytest.RunResult, text: str) -> list[str]:
    """Return the lines of a run's output that hold a text."""
    return [line for line in result.outlines if text in line]
