"""A run on disk: one model's results on one suite, in a folder that anything can read.

    .headway/runs/20261122T101500Z-triage-triage-v2-3fa9/
        manifest.json     what it takes to make the run again, where that is known
        results.jsonl     a result a line, written as it comes
        run.json          what was run and how it came out; written last, so a folder without it
                          is a run that was broken off

The shapes are those that ``docs/architecture.md`` calls a run and a result.
"""

import errno
import fcntl
import os
import shutil
from collections import Counter, deque
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from headway._version import __version__
from headway_evals.errors import RunError
from headway_evals.manifests import Manifest, write_manifest
from headway_measures.scores import Average, Direction, ScoreValue

T = TypeVar("T")

DEFAULT_FOLDER = ".headway/runs"
RUN_FILE = "run.json"
RESULTS_FILE = "results.jsonl"
CACHE_KEY = "cache_key"
"""The setting that names all that the model's answers depend on, where that is known."""
MUST_PASS = "must_pass"
"""The setting that lists the cases that must pass, where there are such."""

MISSING = "missing: "
"""What the ``error`` of a result begins with when nobody was asked; it counts nowhere."""


class Weighing(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a case's scores count where they do not count alike.

    Args:
        score: their mean by weight; see ``headway_measures.weights``.
        threshold: what it has to reach; None: every scorer with a weight has to pass.
        weights: of the scorers whose weight is not 1.
        metrics: of the scorers that are part of one, its name.
    """

    score: float
    threshold: float | None = None
    weights: dict[str, float] = {}
    metrics: dict[str, str] = {}


class Result(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One case's output and scores; ``weighing`` where these do not count alike."""

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
    weighing: Weighing | None = None

    @property
    def is_missing(self) -> bool:
        """Return whether nobody was asked."""
        return self.error is not None and self.error.startswith(MISSING)


class ScoreSummary(msgspec.Struct, frozen=True):
    """The mean of one scorer's values over the cases that it judged.

    Args:
        mean: the mean; None where there is not one value.
        count: how many cases.
        direction: which way the values get better.
        scale: their greatest distance; None where there is no bound.
        failed_count: how many cases it could not judge. Among scores with bounds such a case has
            the worst and is counted; without bounds there is none, and it is in no mean.
        average: which mean it is.
    """

    mean: float | None
    count: int
    direction: Direction = "up"
    scale: float | None = 1.0
    failed_count: int = 0
    average: Average = "arithmetic"


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

    A disk that is full keeps nobody from running: what it does not take is tried again with each
    result, and for the last time at the end.

    Args:
        folder: a new one.
        manifest: what it takes to make the run again.

    Raises:
        RunError: the folder cannot be made, or holds a run already.
    """

    def __init__(self, folder: Path, manifest: Manifest | None = None) -> None:
        self.folder = folder
        self._waiting: deque[bytes] = deque()
        self._end = 0
        with _translated(folder):
            folder.mkdir(parents=True)
            try:
                if manifest is not None:
                    write_manifest(folder, manifest)
                self._results = (folder / RESULTS_FILE).open("xb", buffering=0)
                with suppress(OSError):  # a disk without locks: the run looks broken off meanwhile
                    fcntl.lockf(self._results, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                shutil.rmtree(folder, ignore_errors=True)
                raise

    def add(self, result: Result) -> None:
        """Append a result; where the disk takes it, it is on its way there when this returns."""
        self._waiting.append(msgspec.json.encode(result) + b"\n")
        with suppress(OSError):
            self._write_waiting()

    def finish(self, run: Run) -> None:
        """Write what is left and the run, whole or not at all.

        Raises:
            RunError: it cannot be written.
        """
        with _translated(self.folder):
            self._write_waiting()
            self._results.close()
            part = self.folder / f"{RUN_FILE}.part"
            part.write_bytes(msgspec.json.format(msgspec.json.encode(run)) + b"\n")
            os.replace(part, self.folder / RUN_FILE)

    def close(self) -> None:
        """Leave the run as it is; one without a single result leaves nothing."""
        self._results.close()
        if self._end == 0:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _write_waiting(self) -> None:
        while self._waiting:
            # Over what a full disk may have cut short.
            self._results.seek(self._end)
            if self._results.write(self._waiting[0]) < len(self._waiting[0]):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            self._end += len(self._waiting.popleft())


def find_run(reference: str, runs_dir: Path) -> Path:
    """Return the folder of a run, finished or not, by its path or by its id among the runs.

    Raises:
        RunError: it is not there.
    """
    folder = Path(reference) if Path(reference).is_dir() else runs_dir / reference
    # No reference at all would be the working folder.
    if not reference or not folder.is_dir():
        known = [run.run_id for run in list_runs(runs_dir)][:5]
        hint = f"the latest are {', '.join(known)}" if known else "there are none yet"
        raise RunError(f"there is no run {reference!r} in {runs_dir}: {hint}")
    return folder


def load_run(reference: str, runs_dir: Path) -> RunRecord:
    """Read a run by its folder, or by its id among the runs.

    Raises:
        RunError: it is not there, was broken off, or is damaged.
    """
    folder = find_run(reference, runs_dir)
    if not is_finished(folder):
        raise RunError(
            f"{folder} holds no {RUN_FILE}: the run was broken off; `headway eval rerun {folder}` "
            "makes it again from the answers that are kept"
        )
    run = _decode(folder / RUN_FILE, (folder / RUN_FILE).read_bytes(), Run)
    results = tuple(_results(folder / RESULTS_FILE))
    _check_whole(run, results, folder / RESULTS_FILE)
    return RunRecord(run, results, folder)


def is_finished(folder: Path) -> bool:
    """Return whether a run came to its end."""
    return (folder / RUN_FILE).is_file()


def find_equal(
    runs_dir: Path, suite_version: str, cache_key: str, case_ids: Collection[str]
) -> RunRecord | None:
    """Return the latest run of the same cases by the same weights, where each has an answer.

    Args:
        runs_dir: where runs are looked for.
        suite_version: that of the suite's content.
        cache_key: of the model.
        case_ids: all that the run must hold, and no other.
    """
    for run in list_runs(runs_dir):
        told = (run.suite_version, run.settings.get(CACHE_KEY), run.environment.get("headway"))
        if told != (suite_version, cache_key, __version__):
            continue
        with suppress(RunError):
            record = load_run(run.run_id, runs_dir)
            answered = [each.case_id for each in record.results if each.error is None]
            if sorted(answered) == sorted(case_ids) and len(answered) == len(record.results):
                return record
    return None


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
