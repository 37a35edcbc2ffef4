"""A sweep on disk: many candidates against one baseline, in a folder among the runs.

    .headway/runs/20261122T101500Z-triage-sweep-3fa9/
        sweep.json        who was asked for, who is done, and in the end the table

Each candidate's run lies beside it and is a run like any other. The file is written anew after
each candidate, so that the same command goes on where a sweep was broken off.
"""

import fcntl
import hashlib
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

import msgspec

from headway_evals.errors import RunError
from headway_measures.scores import Direction
from headway_measures.verdicts import Verdict

SWEEP_FILE = "sweep.json"
SWEEP_ID = "sweep_id"
"""The setting of a run that names the sweep it was made in."""
SWEEP = "sweep"
"""The setting of a published run that holds its row, the flips and who failed."""

_LOCK_FILE = "sweep.lock"


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A candidate: its run once that is done, or why there is none."""

    candidate: str
    run_id: str | None = None
    error: str | None = None


class Judging(msgspec.Struct, frozen=True, kw_only=True):
    """What judging one candidate took.

    Args:
        calls: of judges, without answers that were kept from earlier.
        kept_count: how many of their answers were kept from earlier, or had for another candidate.
        nonsense_count: how many of their answers could not be read.
        cost_usd: of the calls; None where no judge tells its price.
        unjudged_count: how many cases were not judged.
    """

    calls: int = 0
    kept_count: int = 0
    nonsense_count: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float | None = None
    unjudged_count: int = 0


class Spent(msgspec.Struct, frozen=True, kw_only=True):
    """What judges cost in a sweep so far, with the dearest call; None where they tell no price."""

    calls: int
    cost_usd: float | None = None
    dearest_usd: float | None = None


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """A candidate's line in the table; the numbers are those of the first gate.

    Args:
        position: its place among the candidates as they were given, from 0.
        candidate: its spec.
        difference: the gain over the baseline, within ``lower`` and ``upper``.
        p_value: of the candidate alone.
        p_adjusted: Holm's over the sweep's candidates.
        verdict: among so many candidates.
        note: what that takes from the verdict of the candidate alone, and what it rests on.
        took_s: how long its run took, in seconds.
        cost_usd: of its answers, by the suite's scorer ``cost``; None where it has none.
        kept_count: how many of its answers were kept from earlier, and took no time.
        judging: what judges took; None where there are none.
    """

    position: int
    candidate: str
    run_id: str
    baseline_run_id: str
    comparison_id: str
    model: str
    n: int
    mean: float
    baseline_mean: float
    difference: float
    lower: float
    upper: float
    scale: float | None
    direction: Direction
    margin: float
    p_value: float
    p_adjusted: float
    verdict: Verdict
    note: str
    took_s: float
    cost_usd: float | None
    input_tokens: int
    output_tokens: int
    kept_count: int
    judging: Judging | None = None


class Flips(msgspec.Struct, frozen=True):
    """How many cases flip between any two runs.

    Args:
        run_ids: the runs, the baseline's first.
        counts: ``counts[i][j]`` cases pass under run i and fail under run j; None where the two
            cannot be compared case by case, as where one was stopped early.
    """

    run_ids: tuple[str, ...]
    counts: tuple[tuple[int | None, ...], ...]


class Sweep(msgspec.Struct, frozen=True, kw_only=True):
    """One sweep.

    Args:
        question: the same for the same suite, candidates, baseline and options.
        ended_at: None while it is not at its end.
        rows: of the candidates that were judged, in the order in which they were given.
        exit_code: what the command returned.
        spent: on judges so far, also in earlier tries of the same sweep; None where there are none.
    """

    sweep_id: str
    suite: str
    suite_version: str
    question: str
    started_at: str
    baseline: str
    entries: tuple[Entry, ...]
    ended_at: str | None = None
    baseline_run_id: str | None = None
    rows: tuple[Row, ...] = ()
    flips: Flips | None = None
    exit_code: int | None = None
    spent: Spent | None = None

    @property
    def failed(self) -> list[dict[str, Any]]:
        """Return the candidates without a run, each with its error."""
        return [
            {"position": position, "candidate": each.candidate, "error": each.error}
            for position, each in enumerate(self.entries)
            if each.error is not None
        ]


def question_of_sweep(parts: Mapping[str, Any]) -> str:
    """Return a digest of all that makes two sweeps the same."""
    return hashlib.sha256(msgspec.json.encode(dict(parts), order="sorted")).hexdigest()


def write_sweep(runs_dir: Path, sweep: Sweep) -> Path:
    """Write a sweep, whole or not at all, and return its file.

    Raises:
        RunError: it cannot be written.
    """
    path = runs_dir / sweep.sweep_id / SWEEP_FILE
    part = path.with_name(f"{SWEEP_FILE}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(msgspec.json.format(msgspec.json.encode(sweep)) + b"\n")
        os.replace(part, path)
    except OSError as error:
        raise RunError(f"the sweep cannot be written to {path}: {error.strerror}") from error
    return path


def read_sweep(path: Path) -> Sweep:
    """Read a sweep.

    Raises:
        RunError: it is not there, or damaged.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=Sweep)
    except OSError as error:
        raise RunError(f"{path} cannot be read: {error.strerror}") from error
    except msgspec.DecodeError as error:
        raise RunError(f"{path} is damaged: {error}") from error


def find_unfinished(runs_dir: Path, question: str) -> list[Sweep]:
    """Return the sweeps of the same question that came to no end, the latest first."""
    found = []
    for path in runs_dir.glob(f"*/{SWEEP_FILE}"):
        with suppress(RunError):
            sweep = read_sweep(path)
            if sweep.question == question and sweep.ended_at is None:
                found.append(sweep)
    return sorted(found, key=lambda each: each.started_at, reverse=True)


def claim_sweep(runs_dir: Path, sweep_id: str) -> IO[bytes] | None:
    """Lock a sweep for as long as the file is open; None where another process is at it.

    Raises:
        RunError: its folder cannot be written to.
    """
    path = runs_dir / sweep_id / _LOCK_FILE
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("wb")
    except OSError as error:
        raise RunError(f"the sweep cannot be written to {path}: {error.strerror}") from error
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    except OSError:  # a disk without locks
        pass
    return file
