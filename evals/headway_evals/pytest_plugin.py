"""What every pytest run of everyone who has Headway loads; it imports nothing of ours."""

import pytest


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known, so that ``--strict-markers`` holds."""
    config.addinivalue_line("markers", "suite(path, *, model, baseline=None): a Headway suite")
