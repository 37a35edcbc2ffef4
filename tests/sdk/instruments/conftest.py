"""A provider on loopback, and instruments that are taken off after each test."""

from collections.abc import Iterator

import pytest

import headway
from headway.testing import Captured, capture
from tests.sdk.instruments.servers import Provider


@pytest.fixture(scope="session")
def shared_provider() -> Iterator[Provider]:
    provider = Provider()
    yield provider
    provider.stop()


@pytest.fixture
def provider(shared_provider: Provider) -> Provider:
    shared_provider.reset()
    return shared_provider


@pytest.fixture
def captured() -> Iterator[Captured]:
    """What is recorded in the test; a fault of ours fails it."""
    with capture() as captured:
        yield captured


@pytest.fixture(autouse=True)
def uninstrumented() -> Iterator[None]:
    yield
    headway.uninstrument()
