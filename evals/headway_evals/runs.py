"""A run on disk: one model's results on one suite, in a folder that anything can read.

    .headway/runs/20261122T101500Z-triage-triage-v2-3fa9/
        results.jsonl     a result a line, written as it comes
        run.json          what was run and how it came out; written last, so a folder without it
                          is a run that was broken off

The shapes are those that ``docs/architecture.md`` calls a run and a result.
"""

import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from headway_evals.errors import RunError
from headway_measures.scores import ScoreValue

T = TypeVar("T")

DEFAULT_FOLDER = ".headway/runs"
RUN_FILE = "run.json"
RESULTS_FILE = "results.jsonl"

MISSING = "missing: "
"""What the ``error`` of a result begins with when nobody was asked; it counts nowhere."""


class Result(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One case's output and scores."""

    case_id: str
    input: Any
    output: str | None
    expected: Any
    tags: tuple[str, ...]
    passed: bool
    scores: dict[str, ScoreValue]
    error: str | None
    latency_ms: float | None
    input_tokens: int | None
    output_tokens: int | None
    span_id: str | None
    trace_id: str | None
    cluster: str | None = None

    @property
    def is_missing(self) -> bool:
        """Return whether nobody was asked."""
        return self.error is not None and self.error.startswith(MISSING)


class ScoreSummary(msgspec.Struct, frozen=True):
    """The mean of one scorer's values over the cases that it judged."""

    mean: float
    count: int


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One model on one suite at one time. Missing cases are not in the counts."""

    run_id: str
    suite: str
    suite_version: str
    model: str
    model_digest: str
    started_at: str
    ended_at: str
    case_count: int
    passed_count: int
    pass_rate: float
    scores: dict[str, ScoreSummary]
    settings: dict[str, Any]
    environment: dict[str, Any]


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run with its results, and where it lies."""

    run: Run
    results: tuple[Result, ...]
    folder: Path


class RunWriter:
    """Writes one run: results as they come, the run when it is done.

    Raises:
        RunError: the folder cannot be made, or holds a run already.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with _translated(folder):
            folder.mkdir(parents=True)
            self._results = (folder / RESULTS_FILE).open("xb")

    def add(self, result: Result) -> None:
        """Append a result; it is on its way to disk when this returns.

        Raises:
            RunError: it cannot be written.
        """
        with _translated(self.folder):
            self._results.write(msgspec.json.encode(result) + b"\n")
            self._results.flush()

    def finish(self, run: Run) -> None:
        """Write the run, whole or not at all.

        Raises:
            RunError: it cannot be written.
        """
        with _translated(self.folder):
            self._results.close()
            waiting = self.folder / f"{RUN_FILE}.part"
            waiting.write_bytes(msgspec.json.format(msgspec.json.encode(run)) + b"\n")
            os.replace(waiting, self.folder / RUN_FILE)

    def close(self) -> None:
        """Leave the run as it is."""
        with _translated(self.folder):
            self._results.close()


def load_run(reference: str, runs_dir: Path) -> RunRecord:
    """Read a run by its folder, or by its id among the runs.

    Raises:
        RunError: it is not there, was broken off, or is damaged.
    """
    folder = Path(reference) if Path(reference).is_dir() else runs_dir / reference
    # No reference at all would be the working folder.
    if not reference or not folder.is_dir():
        known = [run.run_id for run in list_runs(runs_dir)][:5]
        hint = f"the latest are {', '.join(known)}" if known else "there are none yet"
        raise RunError(f"there is no run {reference!r} in {runs_dir}: {hint}")
    if not (folder / RUN_FILE).is_file():
        raise RunError(f"{folder} holds no {RUN_FILE}: the run was broken off, so run it again")
    run = _decode(folder / RUN_FILE, (folder / RUN_FILE).read_bytes(), Run)
    results = tuple(_results(folder / RESULTS_FILE))
    _check_whole(run, results, folder / RESULTS_FILE)
    return RunRecord(run, results, folder)


def list_runs(runs_dir: Path) -> list[Run]:
    """Return the finished runs of a folder, the latest first; damaged ones are passed over."""
    runs = []
    for path in runs_dir.glob(f"*/{RUN_FILE}"):
        try:
            runs.append(_decode(path, path.read_bytes(), Run))
        except RunError:
            continue
    return sorted(runs, key=lambda run: run.started_at, reverse=True)


def _results(path: Path) -> Iterator[Result]:
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise RunError(f"{path} cannot be read: {error.strerror}") from error
    for number, line in enumerate(lines, start=1):
        yield _decode(f"{path}:{number}", line, Result)


def _check_whole(run: Run, results: Sequence[Result], path: Path) -> None:
    for case_id, count in Counter(result.case_id for result in results).items():
        if count > 1:
            raise RunError(f"{path} is damaged: it holds case {case_id!r} {count} times")
    missing = sum(result.is_missing for result in results)
    answered = len(results) - missing
    told = run.settings.get("missing_count", missing)
    if (answered, missing) != (run.case_count, told):
        raise RunError(
            f"{path} is damaged: it holds {answered} results and {missing} missing ones, "
            f"{RUN_FILE} says {run.case_count} and {told}: run it again"
        )


def _decode(place: object, content: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(content, type=kind)
    except msgspec.DecodeError as error:
        raise RunError(f"{place} is damaged: {error}") from error


@contextmanager
def _translated(folder: Path) -> Iterator[None]:
    try:
        yield
    except FileExistsError as error:
        raise RunError(f"{folder} holds a run already: give another --out") from error
    except OSError as error:
        raise RunError(f"the run cannot be written to {folder}: {error.strerror}") from error
