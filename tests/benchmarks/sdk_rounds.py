"""One round of ``make bench-sdk``: an idle machine, a fresh server, a fresh process of one SDK."""

import json
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tests.benchmarks.dummy_server import DummyServer
from tests.benchmarks.peers import ROOT, Peer, clean_environment

_STORED_WITHIN_S = 5.0
_IDLE_SHARE = 0.95
_IDLE_WITHIN_S = 10.0
_LOOK_S = 0.5


@dataclass(frozen=True, slots=True)
class Round:
    """What the worker measured, the share of its calls stored, and how idle the machine was."""

    figures: Mapping[str, float]
    stored: float
    idle: float


class Worker:
    """A process that runs one scenario; it begins, is done and ends when told."""

    def __init__(self, peer: Peer, scenario: str, url: str, folder: str, calls: int) -> None:
        # A file and no pipe: an SDK that complains a lot must not wait for a reader.
        self._complaints = tempfile.TemporaryFile("w+")  # noqa: SIM115 - closed on leaving
        command = [str(peer.python), "-m", "tests.benchmarks.sdk_worker"]
        self._process = subprocess.Popen(
            [*command, scenario, peer.sdk, url, folder, str(calls)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._complaints,
            text=True,
            cwd=ROOT,
            env=clean_environment(),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()
        self._complaints.close()

    def await_line(self, expected: str) -> None:
        """Wait for ``begin`` or ``done``."""
        line = self._line()
        if line != expected:
            raise RuntimeError(f"{self._process.args!r} said {line!r}, not {expected!r}")

    def go(self) -> None:
        """Let it begin."""
        assert self._process.stdin is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()

    def figures(self) -> dict[str, float]:
        """Return what it measured."""
        figures: dict[str, float] = json.loads(self._line())
        return figures

    def end(self) -> float:
        """Let it end by itself, and return how many seconds that took."""
        started_s = time.monotonic()
        self._process.communicate()
        return time.monotonic() - started_s

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline().strip()
        if not line:
            self._complaints.seek(0)
            raise RuntimeError(f"{self._process.args!r} ended: {self._complaints.read()[-4000:]}")
        return line


def run_round(peer: Peer, scenario: str, calls: int) -> Round:
    """Run one scenario once against a server that is there all the time."""
    with DummyServer() as server, tempfile.TemporaryDirectory() as folder:
        idle = wait_until_idle()
        with Worker(peer, scenario, server.url, folder, calls) as worker:
            worker.await_line("begin")
            before = server.arrived()
            worker.go()
            worker.await_line("done")
            expected = before + calls if peer.is_sending else 0
            stored = count_arrivals(server, expected, _STORED_WITHIN_S) - before
            return Round(worker.figures(), stored / calls, idle)


def count_arrivals(server: DummyServer, expected: int, within_s: float) -> int:
    """Return how many calls arrived, as soon as all have or when the time is over."""
    deadline = time.monotonic() + within_s
    while (arrived := server.arrived()) < expected and time.monotonic() < deadline:
        time.sleep(0.1)
    return arrived


def wait_until_idle() -> float:
    """Wait for an idle machine, not for ever, and return the share of it that is."""
    deadline = time.monotonic() + _IDLE_WITHIN_S
    while (share := _idle_share()) < _IDLE_SHARE and time.monotonic() < deadline:
        pass
    return share


def _idle_share() -> float:
    before = _ticks()
    time.sleep(_LOOK_S)
    spent = [now - then for now, then in zip(_ticks(), before, strict=True)]
    return (spent[3] + spent[4]) / max(1, sum(spent))


def _ticks() -> list[int]:
    # user nice system idle iowait irq softirq steal, as proc(5) says.
    first = Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0]
    return [int(each) for each in first.split()[1:9]]
