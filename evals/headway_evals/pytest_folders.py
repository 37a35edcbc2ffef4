"""What the processes of one pytest run share: runs, outcomes of cases, and who is still there.

    /tmp/headway-pytest-3f9c…/
        prompts           what will be asked, a line for each run, for xdist's controller to show
        runs/KEY/         a run as any other; whoever makes it holds KEY.lock
        runs/KEY.fault    why it could not be made, so that nobody tries, and pays, again
        cases/KEY.jsonl   the cases of one suite test that have finished, in any process
        workers/gw0       its first byte is locked by a worker while it lives, its second while it
                          runs an item; gone when the worker ends in good order

Locks are ``lockf``'s: they end with their process, however that dies, and no child inherits them.
"""

import fcntl
import os
import shutil
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import msgspec

from headway.errors import HeadwayError
from headway_evals.errors import EvalError
from headway_evals.runs import RUN_FILE, RunRecord, load_run

_ALIVE, _AT_WORK = 0, 1
_POLL_S = 0.05
_PATIENCE_S = 10.0
"""Far longer than xdist leaves a worker without an item that it has for it."""


class Finished(msgspec.Struct, frozen=True):
    """A case's item that has run.

    Args:
        nodeid: the item.
        case_id: the case.
        is_failed: its own assertions failed, whatever its scorers say.
        is_skipped: its own marks, fixtures or body skipped it.
    """

    nodeid: str
    case_id: str
    is_failed: bool
    is_skipped: bool


class SharedFolder:
    """The folder of one pytest run, as one of its processes sees it."""

    def __init__(self, path: Path, worker: str) -> None:
        self.path = path
        self._worker = path / "workers" / worker
        self._life: IO[bytes] | None = None

    def enter(self, prompts: Sequence[str]) -> None:
        """Let the others see that this process is alive, and what it will ask."""
        self.path.mkdir(mode=0o700, exist_ok=True)
        for name in ("runs", "cases", "workers"):
            (self.path / name).mkdir(exist_ok=True)
        # Each worker writes the same, while the controller may be reading it.
        waiting = self.path / f"prompts.{self._worker.name}"
        waiting.write_text("\n".join(prompts), encoding="utf-8")
        os.replace(waiting, self.path / "prompts")
        self._life = self._worker.open("wb")
        fcntl.lockf(self._life, fcntl.LOCK_EX, 1, _ALIVE)

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Let the others see that this process runs an item."""
        if self._life is None:
            yield
            return
        fcntl.lockf(self._life, fcntl.LOCK_EX, 1, _AT_WORK)
        try:
            yield
        finally:
            fcntl.lockf(self._life, fcntl.LOCK_UN, 1, _AT_WORK)

    def leave(self) -> None:
        """Let the others see that this process has done its part."""
        if self._life is not None:
            self._worker.unlink(missing_ok=True)
            self._life.close()

    def run_once(self, key: str, work: Callable[[Path], RunRecord]) -> RunRecord:
        """Return the run of that key: make it, wait for whoever is making it, or read it.

        Args:
            key: what tells runs apart; fit for a file's name.
            work: makes the run in a new folder.

        Raises:
            EvalError: it could not be made, here or elsewhere.
        """
        runs = self.path / "runs"
        folder, fault = runs / key, runs / f"{key}.fault"
        with _locked(runs / f"{key}.lock"):
            if fault.is_file():
                raise EvalError(fault.read_text(encoding="utf-8"))
            if (folder / RUN_FILE).is_file():
                return load_run(str(folder), runs)
            # What lies there was left by a process that died over it.
            shutil.rmtree(folder, ignore_errors=True)
            try:
                return work(folder)
            except BaseException as error:  # a timeout of pytest's is no Exception
                known = isinstance(error, HeadwayError)
                text = str(error) if known else f"{type(error).__name__}: {error}"
                fault.write_text(text, encoding="utf-8")
                raise

    def note(self, key: str, finished: Finished) -> None:
        """Tell all processes that a case's item has run."""
        # One write in append mode: lines of several processes do not mix.
        with self._cases(key).open("ab", buffering=0) as file:
            file.write(msgspec.json.encode(finished) + b"\n")

    def finished(self, key: str) -> dict[str, Finished]:
        """Return what has run so far, by node id; the last time counts."""
        path = self._cases(key)
        lines = path.read_bytes().splitlines() if path.is_file() else []
        found = [msgspec.json.decode(line, type=Finished) for line in lines]
        return {each.nodeid: each for each in found}

    def wait(
        self, key: str, nodeids: Collection[str], *, sleep: Callable[[float], None] = time.sleep
    ) -> set[str]:
        """Wait until items have run, in any process, and return those that never will.

        A worker runs its items in the order of collection, so what a gate waits for is done or
        in other hands: unless a worker crashed and its items were handed out again, behind the
        gate. So the wait lasts only while another worker is at work, and cannot last for ever.
        """
        idle_s = 0.0
        while True:
            # Who is there is looked at first: a worker writes down its cases before it goes.
            company = [path for path in self._others() if _is_locked(path, _ALIVE)]
            is_idle = not any(_is_locked(path, _AT_WORK) for path in company)
            missing = set(nodeids) - self.finished(key).keys()
            if not missing or not company or idle_s >= _PATIENCE_S:
                return missing
            sleep(_POLL_S)
            idle_s = idle_s + _POLL_S if is_idle else 0.0

    def crashed(self) -> list[str]:
        """Return the workers that ended without leaving."""
        return sorted(path.name for path in self._others() if not _is_locked(path, _ALIVE))

    def _others(self) -> list[Path]:
        return [path for path in self._worker.parent.glob("*") if path != self._worker]

    def _cases(self, key: str) -> Path:
        return self.path / "cases" / f"{key}.jsonl"


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("wb") as file:
        fcntl.lockf(file, fcntl.LOCK_EX)
        yield


def _is_locked(path: Path, byte: int) -> bool:
    try:
        with path.open("rb") as file:
            fcntl.lockf(file, fcntl.LOCK_SH | fcntl.LOCK_NB, 1, byte)
    except FileNotFoundError:  # it left just now
        return False
    except OSError:
        return True
    return False
