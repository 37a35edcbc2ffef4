"""A real collector with made-up traffic in it, for the whole session."""

import re
import runpy
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from headway.apis import ApiClient

START_TIMEOUT_S = 60.0


@pytest.fixture(scope="session")
def traffic() -> SimpleNamespace:
    """The module ``traffic.py``; test folders are no packages, so it is loaded by its path."""
    return SimpleNamespace(**runpy.run_path(str(Path(__file__).with_name("traffic.py"))))


@pytest.fixture(scope="session")
def helpers() -> SimpleNamespace:
    """What tests of processes share."""
    return SimpleNamespace(read_url=read_url)


@pytest.fixture(scope="session")
def collector_url(
    tmp_path_factory: pytest.TempPathFactory, traffic: SimpleNamespace
) -> Iterator[str]:
    """The address of a collector that holds the traffic."""
    database = tmp_path_factory.mktemp("collector") / "headway.duckdb"
    command = [sys.executable, "-m", "headway", "serve", "--db", str(database), "--port", "0"]
    process = subprocess.Popen(
        [*command, "--label", "test traffic"], stdout=subprocess.PIPE, text=True
    )
    try:
        url = read_url(process)
        traffic.send_everything(ApiClient(url))
        yield url
    finally:
        process.terminate()
        process.wait(START_TIMEOUT_S)
        assert process.stdout is not None
        process.stdout.close()


def read_url(process: subprocess.Popen[str]) -> str:
    """Return the address that a started process announces."""
    assert process.stdout is not None
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        ready, _, _ = select.select([process.stdout], [], [], 1.0)
        line = process.stdout.readline() if ready else ""
        if found := re.search(r" at (http://\S+)", line):
            return found[1]
        if ready and not line:
            break
    raise AssertionError(f"{process.args!r} announced no address")
