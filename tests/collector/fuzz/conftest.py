"""A collector for fuzzers: a process, whose memory and whose log are its own."""

from collections.abc import Iterator

import pytest

from tests.collector.fuzz.fuzzed import FuzzedCollector


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FuzzedCollector]:
    """A collector process with an empty database, shared by the tests of a module."""
    with FuzzedCollector(tmp_path_factory.mktemp("fuzzed")) as collector:
        yield collector
