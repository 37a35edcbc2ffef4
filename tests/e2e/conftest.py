"""Real collector processes: one of its own for a test that needs it, one for all the others."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.processes import CollectorProcess


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[CollectorProcess]:
    with CollectorProcess(tmp_path / "headway.duckdb") as process:
        yield process


@pytest.fixture(scope="session")
def shared_collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CollectorProcess]:
    """A collector that no test stops; who writes to it has a project of its own."""
    with CollectorProcess(tmp_path_factory.mktemp("shared") / "headway.duckdb") as process:
        yield process


@pytest.fixture
def absent_collector(tmp_path: Path) -> Iterator[CollectorProcess]:
    """A collector whose address is known, and that is not there until the test starts it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    process = CollectorProcess(tmp_path / "headway.duckdb", port)
    yield process
    process.stop()
