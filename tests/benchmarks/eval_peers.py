"""The two sides of ``make bench-evals``: processes that answer task files, on the same libraries.

lm-eval comes from the package index into an environment of its own the first time, and sees this
environment's torch and transformers. Where it is installed beside Headway already, as on a machine
without an index, it runs there.
"""

import importlib.util
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Self

from tests.benchmarks.peers import ROOT, Peer, clean_environment

LM_EVAL = Peer("lm-eval", "import lm_eval", "", ("lm-eval==0.4.13",), is_sharing=True)
HEADWAY_SIDE, LM_EVAL_SIDE = "headway", "lm-eval"


def find_python(side: str) -> Path:
    """Return the interpreter of a side, installed where it is missing."""
    if side == HEADWAY_SIDE or importlib.util.find_spec("lm_eval"):
        return Path(sys.executable)
    LM_EVAL.install()
    return LM_EVAL.python


def is_here() -> bool:
    """Return whether lm-eval need not be fetched first."""
    return bool(importlib.util.find_spec("lm_eval")) or LM_EVAL.python.exists()


def find_versions() -> dict[str, str]:
    """Return the versions of what is measured, and of what both sides rest on."""
    found = {name: version(name) for name in ("torch", "transformers")}
    try:
        found["lm-eval"] = version("lm-eval")
    except PackageNotFoundError:
        found["lm-eval"] = LM_EVAL.distributions()["lm_eval"]
    try:
        return {"headway": version("headway"), **found}
    except PackageNotFoundError:
        return found  # a checkout on the path


@dataclass(frozen=True, slots=True)
class Answered:
    """What a side made of a task file.

    Args:
        took_s: the seconds of its own call.
        found: as ``eval_worker.Side`` returns it; None where it did not fit in memory.
    """

    took_s: float
    found: list[Any] | None


class SideProcess:
    """One side with a model loaded, until the end of the block.

    Attributes:
        load_s: from the start of its program, imports included, to the first answer.
    """

    def __init__(self, side: str, folder: Path, *, device: str, dtype: str) -> None:
        self._arguments = side, str(folder), device, dtype
        self.load_s = 0.0

    def __enter__(self) -> Self:
        # A file and no pipe: libraries that complain a lot must not wait for a reader.
        self._complaints = tempfile.TemporaryFile("w+")
        python = find_python(self._arguments[0])
        self._process = subprocess.Popen(
            [str(python), "-m", "tests.benchmarks.eval_worker", *self._arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            text=True,
            cwd=ROOT,
            env={
                **clean_environment(),
                "HF_HUB_OFFLINE": "1",
                "TOKENIZERS_PARALLELISM": "false",
            },
        )
        self.load_s = self._read()["took_s"]
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()
        self._complaints.close()

    def answer(self, items: Path, batch: int, *, is_exact: bool = False) -> Answered:
        """Return what it makes of a task file, at a batch size where it has one.

        Args:
            is_exact: log-probabilities are not rounded to the model's own type.
        """
        assert self._process.stdin is not None
        job = {"items": str(items), "batch": batch, "is_exact": is_exact}
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        return Answered(**self._read())

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._complaints.seek(0)
            raise RuntimeError(f"{self._process.args!r} ended: {self._complaints.read()[-4000:]}")
        answer: dict[str, Any] = json.loads(line)
        return answer
