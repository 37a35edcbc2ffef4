"""Programs that log to one real collector, and the account of their calls."""

import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from headway.leftovers import survey
from tests.e2e.processes import CollectorProcess, clean_environment, run_headway

DEADLINE_S = 60.0
PROGRAMS = Path(__file__).parent
_ROOT = PROGRAMS.parents[2]
# From Python 3.12 on, of each fork with threads, whoever forks and whoever has the threads.
_FORKING = "ignore:This process:DeprecationWarning"


class World:
    """A project of its own at the collector, a journal of its own, and the programs of a test.

    Args:
        folder: of the test; its name is the project's.
    """

    def __init__(self, collector: CollectorProcess, folder: Path) -> None:
        self.collector = collector
        self.folder = folder
        self.journal = folder / "journal"
        self._ledger = folder / "ledger"
        self._ledger.touch()

    def environment(self, **settings: str) -> dict[str, str]:
        """Return the environment of a program that logs here."""
        own = {
            "HEADWAY_URL": self.collector.url,
            "HEADWAY_PROJECT": self.folder.name,
            "HEADWAY_JOURNAL_DIR": str(self.journal),
            "HEADWAY_EXIT_TIMEOUT_S": "20",
            "LEDGER": str(self._ledger),
            "PYTHONPATH": str(_ROOT),
        }
        return clean_environment(**{**own, **settings})

    def start(
        self, *arguments: str, flags: tuple[str, ...] = (), **settings: str
    ) -> subprocess.Popen[str]:
        """Start Python with these arguments, where a name without a path is a program here."""
        if not arguments[0].startswith("-"):
            # The modules of others may warn of what they like.
            flags = ("-W", "error", "-W", _FORKING, *flags)
            arguments = (str(PROGRAMS / arguments[0]), *arguments[1:])
        return subprocess.Popen(
            [sys.executable, *flags, *arguments],
            cwd=self.folder,
            env=self.environment(**settings),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(
        self, *arguments: str, flags: tuple[str, ...] = (), **settings: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a program to its end."""
        with self.start(*arguments, flags=flags, **settings) as process:
            return finish(process)

    def adopt(self) -> None:
        """Send what dead processes left, as the next start of the application would."""
        command = ["ship", "--url", self.collector.url, "--journal-dir", str(self.journal)]
        done = run_headway(*command, cwd=self.folder)
        assert done.returncode == 0, done.stdout + done.stderr

    def noted(self) -> list[str]:
        """Return the ids of the calls that returned."""
        return self._ledger.read_text().split()

    def stored(self) -> list[dict[str, str]]:
        """Return the spans that the collector has."""
        query: dict[str, str | int] = {
            "project": self.folder.name,
            "content": "none",
            "limit": 1000,
        }
        return list(self.collector.api.pages("/v1/spans", "spans", query))

    def span(self, name: str) -> dict[str, str]:
        """Return the only span of this name."""
        (found,) = (span for span in self.stored() if span["name"] == name)
        return found

    def assert_stored_once(self, count: int) -> None:
        """Check that ``count`` calls returned, each is stored once, and nothing waits."""
        noted = Counter(self.noted())
        stored = Counter(span["span_id"] for span in self.stored())
        assert (len(noted), noted.total()) == (count, count)
        assert stored - noted == Counter()
        assert noted - stored == Counter()
        left = [each.content.pending for each in survey(self.journal) if each.content]
        assert sum(left) == 0


def finish(process: subprocess.Popen[str]) -> subprocess.CompletedProcess[str]:
    """Wait for the end of a program."""
    try:
        out, error = process.communicate(timeout=DEADLINE_S)
    finally:
        process.kill()
    return subprocess.CompletedProcess(process.args, process.returncode, out, error)


def hear(process: subprocess.Popen[str], line: str) -> None:
    """Wait until a program tells this line."""
    assert process.stdout is not None
    heard = process.stdout.readline().strip()
    if heard != line:
        process.kill()
        out, error = process.communicate()
        raise AssertionError(f"instead of {line!r}: {heard!r}\n{out}\n{error}")


def say(process: subprocess.Popen[str], line: str) -> None:
    """Tell a program a line."""
    assert process.stdin is not None
    process.stdin.write(f"{line}\n")
    process.stdin.flush()


def wait_until(is_so: Callable[[], bool]) -> None:
    """Wait for what another process does, which tells nobody."""
    deadline_s, pause = time.monotonic() + DEADLINE_S, threading.Event()
    while not is_so():
        assert time.monotonic() < deadline_s, "it did not come to pass"
        pause.wait(0.01)
