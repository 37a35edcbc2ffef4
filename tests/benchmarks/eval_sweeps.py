"""Eight adapters on the shipped base: one sweep beside eight runs after one another.

Both are real processes of the command, as a user types them, each side in a folder of its own
without kept answers. A separate run has ``--baseline``: the first makes it, the others find it.
"""

import os
import resource
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import peft
import torch
import transformers

from headway_evals.models.folders import SHIPPED
from headway_evals.runs import Result, list_runs, load_run
from tests.benchmarks.eval_tasks import TRIAGE

SUITE = SHIPPED.parent / "suites" / "triage.yaml"
_RANK = 4
# Small: the adapters differ from the base, and still write what the suite asks for.
_SPREAD = 0.02
_ALIKE = ("--no-publish", "--device", "cpu")
_MAIN = "from headway.cli import main; raise SystemExit(main())"


@dataclass(frozen=True, slots=True)
class Round:
    """What one side took, and what came out.

    Args:
        took_s: from the start of the first process to the end of the last.
        cpu_s: of the processes, which a machine that is busy with others changes little.
        results: each candidate's, by its model's name.
    """

    took_s: float
    cpu_s: float
    results: dict[str, tuple[Result, ...]]


def make_adapters(folder: Path, count: int, *, base: Path = TRIAGE) -> list[Path]:
    """Save LoRA adapters of small random weights for a base, the same ones each time."""
    paths = []
    for number in range(count):
        path = folder / f"random-{number}"
        if not path.exists():
            torch.manual_seed(100 + number)
            model = transformers.AutoModelForCausalLM.from_pretrained(base)
            config = peft.LoraConfig(r=_RANK, target_modules=["q_proj", "v_proj", "down_proj"])
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", FutureWarning)
                tuned = peft.get_peft_model(model, config)
                with torch.no_grad():
                    for name, parameter in tuned.named_parameters():
                        if "lora_B" in name:
                            parameter.normal_(std=_SPREAD)
                tuned.save_pretrained(path)
        paths.append(path)
    return paths


def run_separately(folder: Path, adapters: Sequence[Path], *, limit: int | None) -> Round:
    """Run a process for each adapter, one after another."""
    started_s, earlier_s = time.perf_counter(), _children_s()
    for adapter in adapters:
        model = f"hf:{TRIAGE}+{adapter}"
        _type(folder, "run", "--model", model, "--baseline", f"hf:{TRIAGE}", limit=limit)
    return _round(started_s, earlier_s, folder, adapters)


def run_swept(folder: Path, adapters: Sequence[Path], *, limit: int | None) -> Round:
    """Run one process for all adapters."""
    started_s, earlier_s = time.perf_counter(), _children_s()
    paths = map(str, adapters)
    _type(folder, "sweep", "--base", f"hf:{TRIAGE}", "--adapter", *paths, limit=limit)
    return _round(started_s, earlier_s, folder, adapters)


def count_alike(one: Round, other: Round) -> int:
    """Return how many cases of all candidates have the same output, scores and verdict."""
    return sum(
        (first.case_id, first.output, first.scores, first.passed)
        == (second.case_id, second.output, second.scores, second.passed)
        for name, results in one.results.items()
        for first, second in zip(_by_case(results), _by_case(other.results[name]), strict=True)
    )


def _by_case(results: Sequence[Result]) -> list[Result]:
    """Return results in one order; a run has them as they came."""
    return sorted(results, key=lambda each: each.case_id)


def _round(started_s: float, earlier_s: float, folder: Path, adapters: Sequence[Path]) -> Round:
    took_s, cpu_s = time.perf_counter() - started_s, _children_s() - earlier_s
    return Round(took_s, cpu_s, dict(_results(folder, adapters)))


def _children_s() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _type(folder: Path, action: str, *words: str, limit: int | None) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    some = ["--limit", str(limit)] if limit else []
    done = subprocess.run(
        [sys.executable, "-c", _MAIN, "eval", action, str(SUITE), *words, *some, *_ALIKE],
        cwd=folder,
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    # The verdict may be any.
    if done.returncode not in (0, 1, 3):
        raise RuntimeError(f"eval {action} ended with {done.returncode}: {done.stderr[-4000:]}")


def _results(folder: Path, adapters: Sequence[Path]) -> Iterator[tuple[str, tuple[Result, ...]]]:
    runs_dir = folder / ".headway" / "runs"
    runs = {run.model: run.run_id for run in list_runs(runs_dir)}
    for adapter in adapters:
        name = f"{TRIAGE.name}+{adapter.name}"
        yield name, load_run(runs[name], runs_dir).results
