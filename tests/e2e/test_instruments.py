"""Calls of real client libraries, in every style, priced by a real collector."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import headway
from headway.client_settings import ClientSettings
from headway.clients import Client
from headway.lifecycle import install
from tests.e2e.processes import CollectorProcess
from tests.sdk.instruments.asking import CLIENT_STYLES
from tests.sdk.instruments.asking_layers import LAYERED_STYLES
from tests.sdk.instruments.servers import Provider

# Of a model that has a price, and with that an age.
pytestmark = pytest.mark.filterwarnings("ignore:The model:DeprecationWarning")


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    provider = Provider()
    yield provider
    provider.stop()


@pytest.fixture
def stored(
    shared_collector: CollectorProcess, tmp_path: Path
) -> Iterator[Callable[[], dict[str, Any]]]:
    """What the collector stored in this file's project, by the name of the span around it."""
    settings = ClientSettings(
        project="styles", url=shared_collector.url, journal_dir=tmp_path / "journal"
    )
    client = Client(settings)
    previous = install(client)

    def stored() -> dict[str, Any]:
        assert headway.flush(20)
        rows = shared_collector.api.get(
            "/v1/spans", {"project": "styles", "limit": 1000, "content": "full"}
        )["spans"]
        names = {row["span_id"]: row["name"] for row in rows}
        return {names[row["parent_span_id"]]: row for row in rows if row["parent_span_id"] in names}

    yield stored
    headway.uninstrument()
    install(previous)
    client.close()


def test_each_call_costs_what_its_provider_charges(
    provider: Provider, stored: Callable[[], dict[str, Any]]
) -> None:
    styles = [*CLIENT_STYLES, *LAYERED_STYLES]
    for style in styles:
        headway.instrument(*style.libraries)
        style.lay_out(provider)
        with headway.span(style.name):
            style.ask(provider.url)
        headway.uninstrument()

    rows = stored()
    costs = {name: row["cost_usd"] for name, row in rows.items()}
    assert costs == pytest.approx({style.name: style.said.cost_usd for style in styles})
    assert {row["is_usage_inconsistent"] for row in rows.values()} <= {None, False}
    assert rows["openai chat"]["input"] == styles[0].said.input
