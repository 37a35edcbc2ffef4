"""What all tests share: where the real data lies, and last lines that name what did not run."""

import gc
import logging
import os
from collections.abc import Generator
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Leave what is collected out of garbage collections: a million objects that stay anyway."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.collect()
        gc.freeze()
        gc.enable()


@pytest.fixture(autouse=True)
def _own_logging() -> Generator[None, None, None]:
    """Take back what ``headway serve`` makes of this process's logging, where a test runs it."""
    root = logging.getLogger()
    level = root.level
    yield
    for handler in root.handlers[:]:
        if type(handler).__module__ == "headway_collector.logs":
            root.removeHandler(handler)
            root.setLevel(level)
            logging.captureWarnings(False)


@pytest.fixture(scope="session")
def llmdrift_csv() -> Path:
    """The real logs of LLMDrift; they are never part of the repository."""
    return _real_logs("PRIME_FULL_EVAL.csv")


@pytest.fixture(scope="session")
def sensitive_csv() -> Path:
    """Its questions that a model had better not answer."""
    return _real_logs("SENSITIVEQ_EVAL.csv")


def _real_logs(name: str) -> Path:
    shared = Path(__file__).parents[2] / "shared" / "data"
    path = Path(os.environ.get("HEADWAY_TEST_DATA", shared)) / "llmdrift" / name
    if not path.is_file():
        pytest.skip(f"real logs are not here: {path} (set HEADWAY_TEST_DATA to their folder)")
    return path


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say plainly at the end what a green run did not show."""
    skipped = terminalreporter.stats.get("skipped", [])
    for what in ("browser", "real logs"):
        reasons = {str(report.longrepr[2]) for report in skipped if what in str(report.longrepr)}
        for reason in sorted(reasons):
            terminalreporter.write_line(f"NOT RUN: {what} tests: {reason}", yellow=True)
