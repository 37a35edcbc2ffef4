"""One collector for the whole matrix; each test has a project and a journal of its own in it."""

from pathlib import Path

import pytest

from tests.e2e.process_models.worlds import World
from tests.e2e.processes import CollectorProcess


@pytest.fixture
def world(shared_collector: CollectorProcess, tmp_path: Path) -> World:
    return World(shared_collector, tmp_path)
