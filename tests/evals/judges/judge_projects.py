"""A project whose suite is judged by a Python function that does what its name says."""

from pathlib import Path

SUITE = """\
suite: manners
scorers:
  - rubric: {judge: "python:judges:JUDGE", rubric: Is it polite?, scale: 1-5}
gate: {scorer: rubric, margin: 0.1}
cases: cases.jsonl
"""

JUDGES = """\
import re
from pathlib import Path

def note(prompts):
    with Path(__file__).with_name("judged.txt").open("a") as file:
        file.write(f"{len(prompts)}\\n")

def answer_of(prompt, tag="answer"):
    return re.search(f"<{tag}>\\n(.*?)\\n</{tag}>", prompt, re.S)[1]

def fair(prompts: list[str]) -> list[str]:
    note(prompts)
    return ['{"score": %d}' % (5 if "please" in answer_of(each) else 2) for each in prompts]

def babbling(prompts: list[str]) -> list[str]:
    note(prompts)
    return ["I would say it is fine, 4 or so" if "7" in answer_of(p) else "5" for p in prompts]

def first(prompts: list[str]) -> list[str]:
    return ['{"winner": "A"}' for each in prompts]

def longer(prompts: list[str]) -> list[str]:
    sizes = [(len(answer_of(p, "answer_a")), len(answer_of(p, "answer_b"))) for p in prompts]
    return ["A" if a > b else "B" if b > a else "tie" for a, b in sizes]

def polite(prompts: list[str]) -> list[str]:
    return [f"{prompt} please" for prompt in prompts]

def rude(prompts: list[str]) -> list[str]:
    return [f"{p} please" if int(p[1:]) % 2 else f"{p}!" for p in prompts]
"""


def make(
    folder: Path, module: str, *, judge: str = "fair", suite: str = SUITE, n: int = 60
) -> Path:
    """Write the suite and its judges; return the suite's file.

    A module of its own for each test: Python imports one of a name once.
    """
    (folder / f"{module}.py").write_text(JUDGES)
    text = suite.replace("JUDGE", judge).replace("python:judges:", f"python:{module}:")
    (folder / "suite.yaml").write_text(text)
    cases = [f'{{"id": "c{i}", "input": "q{i}"}}' for i in range(n)]
    (folder / "cases.jsonl").write_text("\n".join(cases) + "\n")
    return folder / "suite.yaml"
