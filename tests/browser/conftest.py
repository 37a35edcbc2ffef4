"""A collector with traffic in it, the dashboard over it, and a real Chromium to look at it."""

import re
import runpy
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from playwright.sync_api import Browser, Error, Playwright, sync_playwright

from headway.apis import ApiClient

START_TIMEOUT_S = 60.0
NAMES = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]


# Not for the session: as long as Playwright runs, no other test can run an event loop.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A Chromium of this machine, or Playwright's own; without either the test is skipped."""
    with sync_playwright() as playwright:
        launched = _launch(playwright)
        yield launched
        launched.close()


def _launch(playwright: Playwright) -> Browser:
    found = next(filter(None, map(shutil.which, NAMES)), None)
    try:
        return playwright.chromium.launch(executable_path=found, args=ARGUMENTS)
    except Error as error:
        reason = str(error).strip().splitlines()[0]
        pytest.skip(
            f"no browser: none of {', '.join(NAMES)} is on the PATH and Playwright has none of "
            f"its own ({reason}); `playwright install chromium` brings one"
        )


@pytest.fixture(scope="session")
def traffic() -> SimpleNamespace:
    """The traffic of ``tests/ui``; test folders are no packages, so it is loaded by its path."""
    path = Path(__file__).parents[1] / "ui" / "traffic.py"
    return SimpleNamespace(**runpy.run_path(str(path)))


@pytest.fixture(scope="session")
def collector_url(
    tmp_path_factory: pytest.TempPathFactory, traffic: SimpleNamespace
) -> Iterator[str]:
    """The address of a collector that holds the traffic."""
    database = tmp_path_factory.mktemp("collector") / "headway.duckdb"
    with _running("serve", "--db", str(database), "--port", "0", "--label", "demo traffic") as url:
        traffic.send_everything(ApiClient(url))
        yield url


@pytest.fixture(scope="session")
def running() -> type:
    """What runs a ``headway`` command as long as a block, for files with traffic of their own."""
    return _running


@pytest.fixture(scope="session")
def dashboard_url(collector_url: str) -> Iterator[str]:
    """The address of a dashboard over that collector."""
    with _running("ui", "--port", "0", "--url", collector_url) as url:
        yield url


class _running:
    """A ``headway`` command that runs as long as the block; it yields the address it announces."""

    def __init__(self, *arguments: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "headway", *arguments], stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> str:
        assert self._process.stdout is not None
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            ready, _, _ = select.select([self._process.stdout], [], [], 1.0)
            line = self._process.stdout.readline() if ready else ""
            if found := re.search(r" at (http://\S+)", line):
                return found[1]
            if ready and not line:
                break
        self.__exit__()
        raise AssertionError(f"{self._process.args!r} announced no address")

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.communicate(timeout=START_TIMEOUT_S)
