"""Evidently beside us in ``make bench-drift``: the same frames, its defaults, its verdicts.

It comes from the package index into an environment of its own the first time. Where it cannot be
had its columns say NOT RUN, and everything else is measured as ever.
"""

import json
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from threading import Event, Timer
from typing import Any, Self

import polars as pl

from headway_measures.descriptors.metrics import Kind
from tests.benchmarks.peers import ROOT, Peer, clean_environment
from tests.benchmarks.results import say

EVIDENTLY = Peer("evidently", "import evidently", "", ("evidently==0.7.23", "pandas<3"))

_KINDS: Mapping[Kind, str] = {"number": "num", "category": "cat", "rate": "cat", "text": "text"}


def install() -> bool:
    """Return whether Evidently is here, after an attempt to fetch it where it is missing."""
    try:
        if not EVIDENTLY.python.exists():
            say("installing Evidently ...")
        EVIDENTLY.install()
        return "evidently" in EVIDENTLY.distributions()
    except (OSError, subprocess.CalledProcessError) as fault:
        say(f"Evidently cannot be had here, so its columns say NOT RUN: {fault}")
        return False


class Evidently:
    """Its process, until the end of the block.

    Args:
        threads: of its linear algebra.
    """

    def __init__(self, threads: int = 1) -> None:
        self._threads = str(threads)

    def __enter__(self) -> Self:
        self._folder = tempfile.TemporaryDirectory(prefix="headway-evidently-")
        # A file and no pipe: libraries that complain a lot must not wait for a reader.
        self._complaints = tempfile.TemporaryFile("w+")
        self._process = subprocess.Popen(
            [str(EVIDENTLY.python), "-m", "tests.benchmarks.drift_evidently_worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            text=True,
            cwd=ROOT,
            env={**clean_environment(), "OMP_NUM_THREADS": self._threads, "DO_NOT_TRACK": "1"},
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()
        self._complaints.close()
        self._folder.cleanup()

    def verdicts(
        self, ref: pl.DataFrame, cur: pl.DataFrame, kinds: Mapping[str, Kind]
    ) -> dict[str, bool | None]:
        """Return of each column whether its default calls it drifted; None where that fails."""
        return self._ask(ref, cur, kinds, is_preset=False)

    def preset(
        self, ref: pl.DataFrame, cur: pl.DataFrame, kinds: Mapping[str, Kind], *, patience_s: float
    ) -> dict[str, float] | None:
        """Return ``took_s`` and ``drifted`` of its whole preset; None where it takes too long.

        Then its process has been ended.
        """
        is_over = Event()

        def end() -> None:
            is_over.set()
            self._process.kill()

        timer = Timer(patience_s, end)
        timer.start()
        try:
            return self._ask(ref, cur, kinds, is_preset=True)
        except RuntimeError:
            if not is_over.is_set():
                raise
            return None
        finally:
            timer.cancel()

    def _ask(
        self, ref: pl.DataFrame, cur: pl.DataFrame, kinds: Mapping[str, Kind], *, is_preset: bool
    ) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        files = {"ref": ref, "cur": cur}
        paths = {name: Path(self._folder.name, f"{name}.parquet") for name in files}
        for name, frame in files.items():
            frame.select(list(kinds)).write_parquet(paths[name])
        job = {
            **{name: str(path) for name, path in paths.items()},
            "kinds": {name: _KINDS[kind] for name, kind in kinds.items()},
            "is_preset": is_preset,
        }
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            self._complaints.seek(0)
            raise RuntimeError(f"{self._process.args!r} ended: {self._complaints.read()[-4000:]}")
        found: dict[str, Any] = json.loads(line)
        return found
